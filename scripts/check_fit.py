"""Check the held-out expectations of one model, for one block of a session's units."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.inference.goodness import check_fit
    from nwbglm.study import Fit, Model

    binned, folds, features, fits = store.read_fitted(snakemake.input)
    settings = {"model": snakemake.params.model, "fit": snakemake.params.fit}
    found = check_fit(
        binned,
        folds,
        features,
        fits,
        model=Model.model_validate(settings["model"]),
        fit=Fit.model_validate(settings["fit"]),
        block=snakemake.wildcards.block,
        seed=snakemake.params.seed,
    )
    store.write_derived(
        found,
        snakemake.output.checks,
        "checks",
        of=binned,
        inputs=snakemake.input,
        settings=settings,
        code=snakemake.params.code,
    )
