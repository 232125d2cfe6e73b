"""Fit one model to one block of a session's units."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.device import use_device
    from nwbglm.engine import cache  # after the threads are set
    from nwbglm.fits.model import fit_model
    from nwbglm.fits.words import fit_words
    from nwbglm.study import Fit, Model

    cache.enable(log.compile_cache())
    use_device(snakemake.resources.get("gpu", 0))
    binned = store.read(snakemake.input.binned, "binned")
    with log.phase("fitting"):
        fits = fit_model(
            binned,
            store.read(snakemake.input.folds, "folds"),
            [store.read(path, "features") for path in snakemake.input.features],
            model=Model.model_validate(snakemake.params.model),
            fit=Fit.model_validate(snakemake.params.fit),
            name=snakemake.wildcards.model,
            block=snakemake.wildcards.block,
        )
    log.say(fit_words(fits))
    with log.phase("writing"):
        store.write_derived(
            fits,
            snakemake.output.fit,
            "fits",
            of=binned,
            inputs=snakemake.input,
            settings={"model": snakemake.params.model, "fit": snakemake.params.fit},
            code=snakemake.params.code,
        )
