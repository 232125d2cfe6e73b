"""What the project promises to those who join it: the checks, the dependencies, the versions, the templates."""

import ast
import re
import subprocess
import tomllib

import pytest
import yaml

import nwbglm

IMPORTED_AS = {"pyyaml": "yaml"}


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower()


def recipe(repository, target):
    """List the commands of a target of the Makefile, with the folder of programs written out."""
    text = (repository / "Makefile").read_text()
    lines = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)[1].splitlines()
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in lines]


def test_pre_commit_runs_what_make_check_runs(repository):
    (local,) = yaml.safe_load((repository / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    assert [hook["entry"] for hook in local["hooks"]] == recipe(repository, "check")
    assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in local["hooks"])


def test_every_dependency_is_imported(repository, project):
    imported = set()
    for path in (repository / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    needed = {name_of(requirement) for requirement in project["project"]["dependencies"]}
    unused = {name for name in needed if IMPORTED_AS.get(name, name) not in imported}
    assert not unused


def test_the_oldest_versions_are_the_lower_bounds(repository, project):
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (repository / "locks" / "oldest.txt").read_text(), re.MULTILINE))
    for requirement in project["project"]["dependencies"]:
        name, bound = re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement).groups()
        assert f"{pins[name]}.".startswith(f"{bound}."), (
            f"{name}: locks/oldest.txt has {pins[name]} (run locks/compile)"
        )


def test_the_pythons_that_are_stated_are_tested(repository, project):
    stated = [word.split()[-1] for word in project["project"]["classifiers"] if re.search(r":: 3\.\d+$", word)]
    assert f">={stated[0]}" == project["project"]["requires-python"]
    script = (repository / ".ci" / "versions").read_text()
    assert re.search(r"for version in ([\d. ]+);", script)[1].split() == stated[1:]
    subprocess.run(["bash", "-n", repository / ".ci" / "versions"], check=True)


def test_the_version_is_the_same_everywhere(repository):
    version = nwbglm.__version__
    citation = yaml.safe_load((repository / "CITATION.cff").read_text())
    assert citation["version"] == version
    newest = re.search(r"^## (\S+)", (repository / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    assert newest == version


def test_types_are_published(repository):
    assert (repository / "src" / "nwbglm" / "py.typed").is_file()


@pytest.mark.parametrize("page", ["wrong-result", "recording", "proposal"])
def test_templates_of_issues_have_what_the_forge_reads(repository, page):
    text = (repository / ".github" / "ISSUE_TEMPLATE" / f"{page}.md").read_text()
    _, head, body = text.split("---\n", 2)
    assert set(yaml.safe_load(head)) == {"name", "about", "labels"} and body.strip()


def test_places_that_contributing_names_exist(repository):
    text = (repository / "CONTRIBUTING.md").read_text()
    places = set(re.findall(r"`((?:src|tests|docs|rules|scripts|locks|config|benchmarks|\.ci)/[^`*<{ ]*)`", text))
    assert len(places) > 10
    for place in places:
        assert (repository / place).exists(), f"CONTRIBUTING.md names {place}"
