"""Choose the rows that every compared model keeps, and cut them into folds."""

import sys
from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.crossval import lost_sentences, split_rows
    from nwbglm.study import Folds

    binned = store.read(snakemake.input.binned, "binned")
    features = [store.read(path, "features") for path in snakemake.input.features]
    settings = Folds.model_validate(snakemake.params.folds)
    folds = split_rows(binned, features, settings, seed=snakemake.params.seed)
    for one in lost_sentences(folds):
        print(one, file=sys.stderr)
    store.write_derived(
        folds,
        snakemake.output.folds,
        "folds",
        of=binned,
        inputs=snakemake.input,
        settings=settings.dump(),
        seed=snakemake.params.seed,
        code=snakemake.params.code,
    )
