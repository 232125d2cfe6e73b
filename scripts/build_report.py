"""Put everything together as one report that opens from disk."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.report import build_report, read_figures, write_files
    from nwbglm.study import read_study
    from nwbglm.verdict import read_plain

    study = read_study(snakemake.params.study)
    binned, _ = store.read_included(snakemake.input.binned)
    folds, _ = store.read_included(snakemake.input.folds)
    files = build_report(
        study,
        store.read_tables(snakemake.input.tables),
        audits={Path(path).stem: read_plain(path) for path in snakemake.input.audits},
        audit_pages={Path(path).stem: Path(path).read_text(encoding="utf-8") for path in snakemake.input.audit_pages},
        figures=read_figures(snakemake.input.svg, snakemake.input.csv),
        overall_figures=read_figures(snakemake.input.overall_svg, snakemake.input.overall_csv)["figures"],
        lost={dataset.attrs["session"]: json.loads(dataset.attrs["lost"]) for dataset in folds},
        provenance={dataset.attrs["session"]: store.provenance(dataset) for dataset in binned},
    )
    write_files(files, Path(snakemake.output.index).parent)
