"""Turn one term of one session into features."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.features import build_features
    from nwbglm.study import Term

    binned = store.read(snakemake.input.binned, "binned")
    term = Term.model_validate(snakemake.params.term)
    features = build_features(binned, term, name=snakemake.wildcards.term)
    store.write_derived(
        features,
        snakemake.output.features,
        "features",
        of=binned,
        inputs=snakemake.input,
        settings=term.dump(),
        code=snakemake.params.code,
    )
