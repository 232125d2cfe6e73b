"""Draw a session's figures, each with the table behind it."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.figures import draw_session
    from nwbglm.figures.failed import draw_all
    from nwbglm.report.gathered import as_text, gather
    from nwbglm.study import read_study
    from nwbglm.whole import write_text

    study = read_study(snakemake.params.study)
    binned = store.read(snakemake.input.binned, "binned")
    stores = {
        "binned": binned,
        "tuning": store.read(snakemake.input.tuning, "tuning"),
        "folds": store.read(snakemake.input.folds, "folds"),
        "features": store.read_named(study.used_terms, snakemake.input.features),
        "fits": store.read_named(study.models, snakemake.input.fits, like=binned),
        "predictions": store.read_named(study.models, snakemake.input.predictions),
        "intervals": store.read_named(study.inference.interval_models, snakemake.input.intervals, like=binned),
        "checks": store.read_named(study.inference.checks.models, snakemake.input.checks, like=binned),
        "tests": store.read_named(study.inference.tests, snakemake.input.tests, like=binned),
        "ceilings": store.read_named(study.inference.ceiling.models, snakemake.input.ceilings, like=binned),
        "truth": store.read(snakemake.input.truth, "truth") if snakemake.input.get("truth") else None,
    }
    draw_all(
        lambda name: draw_session(name, study=study, **stores),
        snakemake.params.figures,
        snakemake.output.svg,
        snakemake.output.csv,
        snakemake.output.get("extras", ()),
    )
    write_text(snakemake.output.gathered, as_text(gather(study, **stores)))
