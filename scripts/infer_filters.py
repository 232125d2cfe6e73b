"""Compute intervals on the filters of one model, for one block of a session's units."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.inference.intervals import infer_filters
    from nwbglm.study import Fit, Model
    from nwbglm.study.inference import Intervals

    binned, folds, features, fits = store.read_fitted(snakemake.input)
    found = infer_filters(
        binned,
        folds,
        features,
        fits,
        intervals=Intervals.model_validate(snakemake.params.intervals),
        model=Model.model_validate(snakemake.params.model),
        fit=Fit.model_validate(snakemake.params.fit),
        drift=snakemake.params.drift,
        block=snakemake.wildcards.block,
    )
    store.write_derived(
        found,
        snakemake.output.intervals,
        "intervals",
        of=binned,
        inputs=snakemake.input,
        settings={
            "intervals": snakemake.params.intervals,
            "model": snakemake.params.model,
            "fit": snakemake.params.fit,
        },
        code=snakemake.params.code,
    )
