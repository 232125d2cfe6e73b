"""Gather the fits of all sessions into tidy tables."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.comparison import compare_models, refuse_nothing
    from nwbglm.study.inference import FalseDiscoveries
    from nwbglm.verdict import read_plain

    binned, excluded = store.read_included(snakemake.input.binned)
    tuning, _ = store.read_included(snakemake.input.tuning)
    fits, excluded_later = store.read_included(snakemake.input.fits)
    tests, _ = store.read_included(snakemake.input.tests)
    intervals, _ = store.read_included(snakemake.input.intervals)
    checks, _ = store.read_included(snakemake.input.checks)
    ceilings, _ = store.read_included(snakemake.input.ceiling)
    controls, _ = store.read_included(snakemake.input.controls)
    worth, _ = store.read_included(snakemake.input.worth)
    refuse_nothing(fits, excluded | excluded_later)
    tables = compare_models(
        fits,
        binned=binned,
        tuning=tuning,
        audits=[read_plain(path) for path in snakemake.input.audits],
        excluded=excluded | excluded_later,
        tests=tests,
        intervals=intervals,
        checks=checks,
        worth=worth,
        controls=controls,
        ceilings=ceilings,
        selection=snakemake.params.selection,
        seed=snakemake.params.seed,
        animals=snakemake.params.animals,
        fdr=FalseDiscoveries.model_validate(snakemake.params.fdr),
    )
    store.write_tables(
        tables,
        snakemake.output,
        inputs=store.seals(snakemake.input, snakemake.output.scores),
        code=snakemake.params.code,
    )
