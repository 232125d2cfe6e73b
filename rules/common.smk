# What all rules share: the validated study, and small functions of wildcards. Nothing heavy is imported here: every job
# parses this file again.

import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from nwbglm.content import fingerprint
from nwbglm.digest import code_digest
from nwbglm.errors import StudyError
from nwbglm.figures.catalogue import figures_of, overall_figures_of
from nwbglm.report.locks import lock_words, refuse_place
from nwbglm.report.paths import report_files
from nwbglm.study import configured_study
from nwbglm.study.advice import advice
from nwbglm.study.cost import cost_of

try:
    refuse_place(sys.executable)
    study = configured_study(config, workflow.configfiles)
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


if workflow.is_main_process and not workflow.dryrun:
    say([lock_words(Path.cwd(), "snakemake")])


def one_of(names):
    """A wildcard constraint that matches these names only."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


SCRIPTS = Path(str(workflow.current_basedir)).parent / "scripts"


def digest(script):
    """A digest of the code that a rule's script reaches, computed where a job of the rule is planned."""
    return lambda wildcards: code_digest(SCRIPTS / f"{script}.py")


def sessions(made):
    """The sessions whose recordings are made in this way ('simulate', 'download')."""
    return [
        name
        for name, recording in study.recordings.items()
        if recording.nwb.made == made
    ]


def members(wildcards):
    """The recordings of a session: itself, or those that it joins."""
    return study.members(wildcards.session)


def made_files(wildcards):
    """Those of a session's recordings that the workflow puts there; the user's are known by their content.

    No job has the path of a user's file among its inputs or parameters: scripts take it from the configuration, so that
    data that were moved are the same data.
    """
    return [
        f"<results>/recordings/{name}.nwb"
        for name in members(wildcards)
        if study.recordings[name].nwb.made
    ]


def contents(wildcards):
    """What each of a session's recordings holds: the address of a streamed one, a fingerprint of the user's file.

    Stages behind the audit hang on it and not on the path: a recording that was moved is the same, one that was
    replaced, be it by an older one, is not.
    """
    sources = {name: study.recordings[name].nwb for name in members(wildcards)}
    return {
        name: source.streamed
        or (fingerprint(source.path, ".snakemake/nwbglm.json") if source.path else "")
        for name, source in sources.items()
    }


def truth_path(wildcards):
    """The truth of a simulated recording; joined ones differ in theirs."""
    if wildcards.session in study.join:
        return []
    made = study.recordings[wildcards.session].nwb.made
    return f"<results>/truth/{wildcards.session}.zarr.zip" if made == "simulate" else []


def term_settings(wildcards):
    return study.terms[wildcards.term].dump()


def model_settings(wildcards):
    """A model's settings with `fit`'s penalty where it names none."""
    return study.model_settings(wildcards.model).dump()


def tested(wildcards):
    """The model that a test is about."""
    return study.inference.tests[wildcards.test].model


def model_terms(wildcards):
    return study.models[wildcards.model].terms
