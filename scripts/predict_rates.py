"""Predict a session's rates with one model, in sample and held out."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.fits.predict import predict_rates
    from nwbglm.study import Window

    binned = store.read(snakemake.input.binned, "binned")
    predictions = predict_rates(
        binned,
        store.read(snakemake.input.tuning, "tuning"),
        store.read(snakemake.input.folds, "folds"),
        [store.read(path, "features") for path in snakemake.input.features],
        store.read_blocks(snakemake.input.fits, like=binned),
        window=Window.model_validate(snakemake.params.window),
    )
    store.write_derived(
        predictions,
        snakemake.output.predictions,
        "predictions",
        of=binned,
        inputs=snakemake.input,
        code=snakemake.params.code,
    )
