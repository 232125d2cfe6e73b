"""Put everything together as one report that opens from disk."""

from pathlib import Path
from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.report import Texts, checksums, read_figures, remove_others, report_files, report_parts, write_files
    from nwbglm.report.facts import session_facts
    from nwbglm.report.paths import BENCHMARKS
    from nwbglm.report.run import run_facts
    from nwbglm.study import read_study
    from nwbglm.verdict import read_plain
    from nwbglm.whole import write_text

    study = read_study(snakemake.params.study)
    parts = report_parts(
        study,
        store.read_tables(snakemake.input.tables),
        audits={Path(path).stem: read_plain(path) for path in snakemake.input.audits},
        audit_pages=Texts({Path(path).stem: Path(path) for path in snakemake.input.audit_pages}, end="</html>"),
        figures=read_figures(snakemake.input.svg, snakemake.input.csv),
        gathered=Texts({Path(path).parent.name: Path(path) for path in snakemake.input.gathered}),
        overall_figures=read_figures(snakemake.input.overall_svg, snakemake.input.overall_csv)["figures"],
        run=run_facts(Path(snakemake.output.index).parents[1], Path(snakemake.scriptdir).parent),
        **session_facts(snakemake.input.binned, snakemake.input.folds),
    )
    report = Path(snakemake.output.index).parent
    write_files(parts, report)
    remove_others(report, report_files(study), ("sessions/*.html", "audits/*.html", "tables/sessions/*.zip"))
    figures = {Path(path).relative_to(report.parent / "figures").as_posix() for path in snakemake.input.svg}
    drawn = figures | {str(Path(name).with_suffix(".csv")) for name in figures}
    remove_others(report.parent / "figures", drawn, ("*/*.svg", "*/*.csv"))
    kept = [report / name for name in report_files(study) if name != BENCHMARKS]
    shown = ("svg", "csv", "overall_svg", "overall_csv", "audit_pages", "tables")
    kept += [name for group in shown for name in snakemake.input[group]]
    write_text(snakemake.output.checksums, checksums(kept, report))
