"""Hold one model against the ceiling of repeated stimuli, for one block of a session's units."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.inference.ceiling import measure_ceiling
    from nwbglm.study import Fit, Model
    from nwbglm.study.worth import Ceiling

    binned, folds, features, fits = store.read_fitted(snakemake.input)
    settings = {name: snakemake.params[name] for name in ("ceiling", "model", "fit")}
    found = measure_ceiling(
        binned,
        folds,
        features,
        fits,
        ceiling=Ceiling.model_validate(settings["ceiling"]),
        model=Model.model_validate(settings["model"]),
        fit=Fit.model_validate(settings["fit"]),
        block=snakemake.wildcards.block,
        seed=snakemake.params.seed,
    )
    store.write_derived(
        found,
        snakemake.output.ceiling,
        "ceiling",
        of=binned,
        inputs=snakemake.input,
        settings=settings,
        code=snakemake.params.code,
    )
