"""Whole runs of the workflow inside of one process: Snakemake as it is, scripts without a process of their own.

Most of what a small run costs are the imports of its jobs. Without them faults can be injected by the hundred: what
is patched in a test is patched in every job, and jobs share what JAX has compiled.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from snakemake import cli
from snakemake.iocontainers import Snakemake
from snakemake.script import PythonScript

UNEQUAL = ("logs", "benchmarks", "benchmarks.html", ".snakemake", "cache")
"""What depends on when and where a run was made: folders, and a page."""


def contents(folder: Path) -> dict[str, bytes]:
    """Return what every file of a run holds, by its path, but for logs and measurements."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if not set(path.relative_to(folder).parts) & set(UNEQUAL)
    }


@dataclass(frozen=True)
class Job:
    """A job as its script sees it: it can be done again, in the folder of its run, without Snakemake.

    Parameters
    ----------
    code
        The script, compiled.
    snakemake
        What Snakemake hands to it.
    """

    code: CodeType
    snakemake: Snakemake

    @property
    def rule(self) -> str:
        """The name of its rule."""
        return self.snakemake.rule

    @property
    def outputs(self) -> list[Path]:
        """The files that it makes, relative to the folder of the run."""
        return [Path(str(path)) for path in self.snakemake.output]

    def run(self) -> None:
        """Run the script in the current folder."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as in a job, where they go to its log
            exec(self.code, {"snakemake": self.snakemake, "__name__": "__main__"})


def run(folder: Path, snakefile: Path, *arguments: str, jobs: list[Job] | None = None) -> tuple[int, str]:
    """Run Snakemake in a folder with a ``study.yaml``, on one core.

    Parameters
    ----------
    folder
        Where it runs.
    snakefile
        The workflow.
    *arguments
        More of the command line.
    jobs
        Takes the jobs that were run, in their order.

    Returns
    -------
    tuple
        Its exit status, and all that it printed.
    """
    printed, here = io.StringIO(), Path.cwd()
    command = ["--snakefile", str(snakefile), "--directory", str(folder), "--cores", "1", "--configfile"]
    status = 0
    try:
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            _scripts_here(jobs),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # Snakemake's own
            os.chdir(folder)
            cli.main([*command, str(folder / "study.yaml"), *arguments])
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        os.chdir(here)
    gc.collect()
    return status, printed.getvalue()


@contextlib.contextmanager
def _scripts_here(jobs: list[Job] | None) -> Iterator[None]:
    def execute_script(script: PythonScript, fname: str, edit: bool = False) -> None:
        handed = Snakemake(
            script.input, script.output, script.params, script.wildcards, script.threads, script.resources, script.log,
            script.config, script.rulename, script.bench_iteration,
            str(script.path.get_basedir().get_path_or_uri(secret_free=True)),
        )  # fmt: skip
        for name in ("running_time", "max_rss", "max_vms", "max_uss", "max_pss", "io_in", "io_out", "cpu_time"):
            setattr(script.bench_record, name, 0)  # there is no process to measure
        job = Job(compile(script.source, script.path.get_path_or_uri(secret_free=True), "exec"), handed)
        if jobs is not None:
            jobs.append(job)
        try:
            job.run()
        except SystemExit as ended:
            if ended.code:
                raise subprocess.CalledProcessError(int(ended.code), job.rule) from ended
        except Exception as error:
            raise subprocess.CalledProcessError(1, job.rule) from error

    execute_script._forks = True  # else `nwbglm.forking` would take its place
    known = PythonScript.execute_script
    PythonScript.execute_script = execute_script
    try:
        yield
    finally:
        PythonScript.execute_script = known
