"""Every command of the README and of the guides does what it says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import HOUR, jobs

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/cluster.md"]


def commands(page: str) -> list[str]:
    """List the commands in a page's bash blocks and indented blocks, comments cut off."""
    text = (ROOT / page).read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL) + re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    lines = [re.sub(r"\s+#.*", "", line).strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`((?:nwbglm|snakemake) [^`]+)`", text)
    return [line for line in [*lines, *inline] if line]


def of(program: str) -> list[str]:
    found = [command for page in PAGES for command in commands(page)]
    return sorted({command for command in found if Path(shlex.split(command)[0]).name == program})


@pytest.fixture
def clone(tmp_path, repository):
    """A folder that looks like a clone, with the files of the user that the pages speak of."""
    for name in ("Snakefile", "rules", "scripts", "config", "profiles", "envs", "src"):
        (tmp_path / name).symlink_to(repository / name)
    (tmp_path / "my_file.nwb").touch()
    (tmp_path / "study.yaml").symlink_to(repository / "config" / "demo_head_direction.yaml")
    return tmp_path


def test_the_pages_have_the_commands_that_we_test():
    programs = {Path(shlex.split(command)[0]).name for page in PAGES for command in commands(page)}
    assert programs <= {"make", "snakemake", "nwbglm", "pip"}
    assert of("make") == ["make run", "make test"]


@pytest.mark.parametrize("command", of("snakemake"))
def test_snakemake_commands_are_understood(clone, command):
    words = [sys.executable, "-m", "snakemake", *shlex.split(command)[1:], "--dry-run"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=clone, timeout=HOUR)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    if "--unlock" in words:
        assert "Unlocked working directory" in printed
        return
    plan = jobs(printed)
    assert plan["build_report"] == 1 and plan["fit_model"] >= 4


@pytest.mark.parametrize("command", of("nwbglm"))
def test_nwbglm_commands_run(clone, command, recordings):
    (clone / "recording.nwb").symlink_to(recordings / "good-1.nwb")
    program = [sys.executable, "-c", "import sys; from nwbglm.cli import main; sys.exit(main())"]
    done = subprocess.run(
        [*program, *shlex.split(command)[1:]], capture_output=True, text=True, cwd=clone, timeout=HOUR
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 3


def test_make_run_is_the_two_demonstrations(repository):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "run"], capture_output=True, text=True, cwd=repository, env=environment
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "/snakemake" in line]
    assert lines == [
        ".venv/bin/snakemake --cores 2",
        ".venv/bin/snakemake --cores 2 --configfile config/demo_injected_current.yaml",
    ]
    assert "--require-hashes -r locks/run.txt" in done.stdout


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "results/README.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"
