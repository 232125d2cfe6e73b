"""Weigh the terms of one model, for one block of a session's units."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.engine import cache  # after the threads are set
    from nwbglm.inference.weighing import weigh_terms
    from nwbglm.study import Fit, Model

    cache.enable(log.compile_cache())
    binned, folds, features, fits = store.read_fitted(snakemake.input)
    settings = {"model": snakemake.params.model, "fit": snakemake.params.fit}
    found = weigh_terms(
        binned,
        folds,
        features,
        fits,
        model=Model.model_validate(settings["model"]),
        fit=Fit.model_validate(settings["fit"]),
        others=[store.read(path, "fits") for path in snakemake.input.others],
        block=snakemake.wildcards.block,
    )
    store.write_derived(
        found,
        snakemake.output.worth,
        "worth",
        of=binned,
        inputs=snakemake.input,
        settings=settings,
        code=snakemake.params.code,
    )
