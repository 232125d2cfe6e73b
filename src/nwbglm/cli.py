"""The `nwbglm` command: look into a file, check a study, see what it will do, open its results."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nwbglm import __version__
from nwbglm.errors import NwbGlmError, StudyError

if TYPE_CHECKING:
    import pandas as pd

    from nwbglm.study import Study


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 1 where something is wrong with what the user named."""
    parsed = _parser().parse_args(arguments)
    try:
        status = parsed.run(parsed)
        sys.stdout.flush()
    except NwbGlmError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # `nwbglm inspect FILE | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nwbglm", description=__doc__)
    parser.add_argument("--version", action="version", version=f"nwb-glm {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    inspect = commands.add_parser("inspect", help="say what an NWB file holds, and what looks wrong in it")
    inspect.add_argument("file")
    inspect.add_argument("--html", "--page", dest="page", help="write it as an HTML page, too, with small pictures")
    inspect.set_defaults(run=_inspect)

    new = commands.add_parser("new", help="write a first study of an NWB file, that runs as it is")
    new.add_argument("file")
    new.add_argument("--out", help="where to write it; printed otherwise")
    new.add_argument("--seconds", type=float, default=60.0, help="how long to hold it against the data (default: 60)")
    new.set_defaults(run=_new)

    check = commands.add_parser("check", help="check a study file, and say what it asks for")
    check.add_argument("study")
    check.add_argument("--no-data", action="store_true", help="look at the study alone; open no recording")
    check.add_argument("--seconds", type=float, default=60.0, help="how long to look at recordings (default: 60)")
    check.set_defaults(run=_check)

    plan = commands.add_parser("plan", help="say what a study will cost, before anything runs; and what it took")
    plan.add_argument("study")
    plan.add_argument("--seconds", type=float, default=60.0, help="how long to look at each recording (default: 60)")
    plan.set_defaults(run=_plan)

    recover = commands.add_parser("recover", help="after a run was killed: wait for its SLURM jobs, take its lock away")
    recover.add_argument("--cancel", action="store_true", help="end the jobs instead of waiting for them")
    recover.add_argument("--directory", default=".", help="where Snakemake was started (default: here)")
    recover.set_defaults(run=_recover)

    calibrate = commands.add_parser(
        "calibrate", help="what the tests of a study can resolve; or hold nulls, intervals and checks to their word"
    )
    calibrate.add_argument("study", nargs="?", help="a study: its own rows, terms and nulls, before it is run")
    calibrate.add_argument(
        "--what", choices=("shifts", "exchanges", "intervals", "checks"), default="shifts",
        help="without a study: nulls by shifts (default), the other nulls and refits, intervals, or checks",
    )  # fmt: skip
    calibrate.add_argument("--repeats", type=int, default=20, help="simulations of a kind (default 20; use 200)")
    calibrate.add_argument("--rows", type=int, default=6000, help="bins of a recording, for shifts (default 6000)")
    calibrate.add_argument("--rate", type=float, default=0.3, help="spikes a bin, for shifts (default 0.3)")
    calibrate.add_argument("--draws", type=int, default=99, help="draws of each null (default 99)")
    calibrate.add_argument("--seed", type=int, default=0)
    calibrate.add_argument("--figure", help="draw shifts or intervals into this file (.png, .svg or .pdf), too")
    calibrate.set_defaults(run=_calibrate)

    schema = commands.add_parser("schema", help="print the study file's JSON Schema, for completion in editors")
    schema.set_defaults(run=_schema)

    reference = commands.add_parser("reference", help="print the reference of the study file (docs/study.md)")
    reference.set_defaults(run=_reference)

    stores = commands.add_parser("stores", help="print what each kind of store holds (docs/stores.md)")
    stores.set_defaults(run=_stores)

    verify = commands.add_parser("verify", help="read all results of a study, and say what is damaged or has changed")
    verify.add_argument("results")
    verify.add_argument("--study", help="the study file: where its recordings are now")
    verify.set_defaults(run=_verify)

    show = commands.add_parser("show", help="print what a result store holds")
    show.add_argument("store")
    show.set_defaults(run=_show)
    return parser


def _inspect(arguments: argparse.Namespace) -> int:
    from nwbglm.audit import audit_recording
    from nwbglm.audit.pictures import draw_pictures
    from nwbglm.recording import open_recording
    from nwbglm.whole import write_text

    audit = audit_recording(arguments.file, None, session=Path(arguments.file).stem)
    print(audit.text())
    if arguments.page:
        pictures = ""
        if not any(finding.code == "file" and finding.level == "fail" for finding in audit.findings):
            with open_recording(arguments.file) as recording:
                pictures = draw_pictures(recording)
        write_text(arguments.page, audit.html(pictures))
    return int(audit.verdict == "fail")


def _new(arguments: argparse.Namespace) -> int:
    from nwbglm.starter import start_study
    from nwbglm.whole import write_text

    if arguments.out and Path(arguments.out).exists():
        raise StudyError("this file is there already", where=arguments.out, mend="name another, or delete it first")
    started = start_study(arguments.file, seconds=arguments.seconds)
    if not arguments.out:
        print(started.text, end="")
    else:
        write_text(arguments.out, started.text)
        study = started.study
        print(f"{arguments.out}: a study of {arguments.file}")
        print(f"  signals  {', '.join(study.signals) or 'none'}")
        print(f"  models   {', '.join(study.models)}")
        print(f"  look at it, then: nwbglm check {arguments.out}")
        print(f"  and to run it:    snakemake --cores 2 --configfile {arguments.out}")
    for finding in started.failed:
        print(f"  fail  {finding.code}: {finding.path}: {finding.seen}\n        -> {finding.mend}", file=sys.stderr)
    return int(bool(started.failed))


def _check(arguments: argparse.Namespace) -> int:
    from nwbglm.figures.catalogue import figures_of
    from nwbglm.study import load_study
    from nwbglm.study.advice import advice
    from nwbglm.study.cost import cost_of

    study = load_study(arguments.study)
    used = study.used_terms
    print(f"{arguments.study}: a valid study, '{study.study}'")
    print(f"  sessions  {len(study.sessions)}: {', '.join(study.sessions)}")
    for name, join in study.join.items():
        print(f"  joined    {name}: {', '.join(join.sessions)}")
    print(f"  models    {len(study.models)}: {', '.join(study.models)}")
    print(f"  terms     {len(used)}: {', '.join(used)}")
    if unused := [name for name in study.terms if name not in used]:
        print(f"  unused    {', '.join(unused)} (no model names them: nothing is computed for them)")
    print(f"  asks for  {cost_of(study).text()}")
    print(f"  figures   {len(study.sessions) * len(figures_of(study))}")
    print(f"  results   results/{study.study}/report/index.html")
    for line in advice(study):
        print(f"  warn  {line}")
    return 0 if arguments.no_data else _check_data(study, arguments.seconds, arguments.study)


def _check_data(study: Study, seconds: float, where: str) -> int:
    """Print what the data say of a study; return 1 where something is in the way of a run."""
    from nwbglm.precheck import look_at_data
    from nwbglm.study.base import mistakes_error
    from nwbglm.study.cost import cost_of, too_much

    looked = look_at_data(study, seconds=seconds)
    for name, why in looked.unseen.items():
        print(f"  data      {name}: {why}")
    for name, findings in looked.findings.items():
        told = [finding for finding in findings if finding.level != "pass"]
        print(f"  data      {name or 'recordings'}: {'nothing stands in the way' if not told else ''}".rstrip())
        for finding in told:
            print(f"    {finding.level:4}  {finding.code}: {finding.path}: {finding.seen}")
            if finding.mend:
                print(f"          -> {finding.mend}")
    if looked.taken:
        cost = cost_of(study, looked.taken)
        print(f"  costs     {cost.text()}")
        if lines := too_much(cost, study.limits):
            raise mistakes_error(lines, where)
    return int(looked.failed)


def _plan(arguments: argparse.Namespace) -> None:
    from nwbglm.planning.look import look
    from nwbglm.planning.plan import plan_of, text_of, took
    from nwbglm.study import load_study

    study = load_study(arguments.study)
    results = Path("results") / study.study
    plan = plan_of(study, look(study, results, seconds=arguments.seconds))
    print(f"{arguments.study}: {len(study.sessions)} sessions, {len(study.models)} models\n")
    print(text_of(plan, took(study, results)))


def _recover(arguments: argparse.Namespace) -> None:
    from nwbglm.recovery import recover

    recover(arguments.directory, cancel=arguments.cancel)


def _calibrate(arguments: argparse.Namespace) -> int:
    if arguments.repeats < 1 or arguments.rows < 200 or arguments.draws < 19 or not arguments.rate > 0:
        print("give at least 1 repeat, 200 rows, 19 draws, and a rate above 0", file=sys.stderr)
        return 1
    if arguments.study:
        return _resolve(arguments)
    from nwbglm.inference.calibrate import calibration_text, rejections

    if arguments.what == "shifts":
        print("Share of tests with p <= 0.05: a size where nothing drives the unit, else a power\n")
        table = rejections(
            repeats=arguments.repeats, rows=arguments.rows, rate=arguments.rate, draws=arguments.draws,
            seed=arguments.seed,
        )  # fmt: skip
        print(calibration_text(table))
        _draw_calibration(arguments.figure, "shifts", table)
        return 0
    from nwbglm.inference.coverage import check_sizes, coverage
    from nwbglm.inference.exchanges import exchanges

    repeats, seed = arguments.repeats, arguments.seed
    if arguments.what == "exchanges":
        print("Share of tests with p <= 0.05, without and with an effect\n")
        table = exchanges(repeats=repeats, draws=arguments.draws, seed=seed)
    elif arguments.what == "intervals":
        print("Share of filter values that 95 % intervals hold\n")
        table = coverage(repeats=repeats, seed=seed)
    else:
        print("Share of right models that are rejected at 0.05\n")
        table = check_sizes(repeats=repeats, seed=seed)
    print(table.round(3).to_string(index=False))
    _draw_calibration(arguments.figure, arguments.what, table)
    return 0


def _draw_calibration(path: str | None, what: str, table: pd.DataFrame) -> None:
    """Write the figure of what was found, where one is asked for."""
    if path is None:
        return
    from nwbglm.figures.calibration import draw_coverage, draw_rejections
    from nwbglm.figures.style import styled

    drawn = {"shifts": draw_rejections, "intervals": draw_coverage}
    if what not in drawn:
        raise NwbGlmError(f"there is no figure of {what}", where="--figure", mend="leave it out")
    with styled():
        drawn[what](table).savefig(path, dpi=130)


def _resolve(arguments: argparse.Namespace) -> int:
    """Print what the tests of a study can resolve; return 1 where one cannot be looked at."""
    from nwbglm.foresight import foresee
    from nwbglm.inference.resolve import resolution_text
    from nwbglm.study import load_study

    failed = False
    for found in foresee(load_study(arguments.study), repeats=arguments.repeats, seed=arguments.seed):
        failed |= isinstance(found, NwbGlmError)
        print(found if isinstance(found, NwbGlmError) else resolution_text(found), flush=True)
    return int(failed)


def _schema(arguments: argparse.Namespace) -> None:
    print(schema_text(), end="")


def schema_text() -> str:
    """Return the JSON Schema of the study file."""
    from nwbglm.study import Study

    schema = Study.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def _reference(arguments: argparse.Namespace) -> None:
    from nwbglm.study.reference import reference_text

    print(reference_text(), end="")


def _stores(arguments: argparse.Namespace) -> None:
    from nwbglm.store.page import contracts_text

    print(contracts_text(), end="")


def _show(arguments: argparse.Namespace) -> None:
    from nwbglm import store

    dataset = store.read(arguments.store)
    print(dataset)
    print(json.dumps(store.provenance(dataset), indent=1))


def _verify(arguments: argparse.Namespace) -> int:
    from nwbglm.study import load_study
    from nwbglm.verify import scripts_folder, verify

    places = {}
    if arguments.study:
        recordings = load_study(arguments.study).recordings
        places = {name: one.nwb.path for name, one in recordings.items() if one.nwb.path is not None}
    scripts = scripts_folder()
    found = verify(arguments.results, places, scripts)
    for error in found.wrong:
        print(error)
    if scripts is None:
        print("code was not compared: run this where the workflow is (its folder holds Snakefile and scripts/)")
    print(f"{arguments.results}: {found.text()}")
    return int(bool(found.wrong))
