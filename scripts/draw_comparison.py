"""Draw the figures over all sessions, each with the table behind it."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.figures import draw_overall, save
    from nwbglm.study import read_study

    study = read_study(snakemake.params.study)
    tables = store.read_tables(snakemake.input.tables)
    for name, svg, csv in zip(snakemake.params.figures, snakemake.output.svg, snakemake.output.csv, strict=True):
        save(*draw_overall(name, study=study, **tables), svg, csv)
