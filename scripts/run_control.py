"""Fit one model under a control, for one block of a session's units."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.engine import cache  # after the threads are set
    from nwbglm.inference.controls import run_control
    from nwbglm.study import Fit, Model
    from nwbglm.study.worth import Control

    cache.enable(log.compile_cache())
    binned, folds, features, fits = store.read_fitted(snakemake.input)
    settings = {name: snakemake.params[name] for name in ("control", "model", "fit")}
    found = run_control(
        binned,
        folds,
        features,
        fits,
        control=Control.model_validate(settings["control"]),
        name=snakemake.wildcards.control,
        model=Model.model_validate(settings["model"]),
        fit=Fit.model_validate(settings["fit"]),
        block=snakemake.wildcards.block,
        seed=snakemake.params.seed,
    )
    store.write_derived(
        found,
        snakemake.output.control,
        "controls",
        of=binned,
        inputs=snakemake.input,
        settings=settings,
        code=snakemake.params.code,
    )
