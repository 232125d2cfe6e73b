# What all rules share: the validated study, and digests of code. Nothing heavy is imported here: every job
# parses this file again.

import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from nwbglm import forking
from nwbglm.content import fingerprint
from nwbglm.digest import kept_digest
from nwbglm.errors import StudyError
from nwbglm.figures import catalogue
from nwbglm.figures.captions import in_report
from nwbglm.report.locks import lock_words, refuse_place
from nwbglm.report.paths import report_files
from nwbglm.study import configured_study
from nwbglm.study.advice import advice
from nwbglm.study.cost import cost_of, planning_words, sessions_of

try:
    # what runs a single job trusts the run that planned it: it reads the study once, and looks at no other recording
    planning = workflow.is_main_process
    study = configured_study(config, workflow.configfiles if planning else ())
    if planning:
        study.refuse_missing()
except StudyError as error:
    raise WorkflowError(str(error)) from None

study_dump, shown_dump = study.dump(), study.shown_dump()
unit_blocks = [f"{block}-of-{study.unit_blocks}" for block in range(study.unit_blocks)]
RESULTS = Path(f"results/{study.study}")


def say(lines):
    """Print what the user should know of a run."""
    for line in filter(None, lines):
        print(f"nwb-glm: {line}", file=sys.stderr)


forking.install()
if planning:
    say([planning_words(study)])
    if not workflow.dryrun:
        say([lock_words(Path.cwd(), "snakemake")])


def refuse_far_jobs():
    """Stop at once where jobs on other machines would be called by a path that nobody quotes."""
    try:
        if workflow.non_local_exec:
            refuse_place(sys.executable)
    except StudyError as error:
        raise WorkflowError(str(error)) from None


def one_of(names):
    """A wildcard constraint that matches these names only."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


SCRIPTS = Path(str(workflow.current_basedir)).parent / "scripts"


def digest(script):
    """A digest of the code that a rule's script reaches, asked for once, where a job of the rule is planned."""
    known = []

    def once(wildcards):
        if not known:
            known.append(
                kept_digest(SCRIPTS / f"{script}.py", ".snakemake/nwbglm-code.json")
            )
        return known[0]

    return once


def in_blocks(path, **names):
    """The files of a session's stage, one a block of units."""
    return expand(path, block=unit_blocks, allow_missing=True, **names)


def sessions(made):
    """The sessions whose recordings are made in this way ('simulate', 'download')."""
    return [
        name
        for name, recording in study.recordings.items()
        if recording.nwb.made == made
    ]


def planned_here(stage):
    """Whether this start may plan a rule: one for some jobs only names the rules that it needs on its command line."""
    return planning or "--allowed-rules" not in sys.argv or stage in sys.argv
