"""Draw the figures over all sessions, each with the table behind it."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.figures import draw_overall
    from nwbglm.figures.failed import draw_all
    from nwbglm.study import read_study

    study = read_study(snakemake.params.study)
    tables = store.read_tables(snakemake.input.tables)
    draw_all(
        lambda name: draw_overall(name, study=study, **tables),
        snakemake.params.figures,
        snakemake.output.svg,
        snakemake.output.csv,
        snakemake.output.get("extras", ()),
    )
