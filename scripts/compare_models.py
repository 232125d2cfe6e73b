"""Gather the fits of all sessions into tidy tables."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake, leave_out=False):
    from nwbglm.comparison import compare_models

    binned, excluded = store.read_included(snakemake.input.binned)
    fits, excluded_later = store.read_included(snakemake.input.fits)
    tables = compare_models(
        fits,
        binned=binned,
        audits=[json.loads(Path(path).read_text()) for path in snakemake.input.audits],
        excluded=excluded | excluded_later,
    )
    store.write_tables(tables, snakemake.output)
