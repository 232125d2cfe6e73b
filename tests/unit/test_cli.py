"""The command line, and the documents that are made from the code."""

import json
import subprocess
import sys

import pytest

from nwbglm import cli
from nwbglm.study.reference import reference_text


def test_the_schema_in_config_is_that_of_the_code(repository):
    assert (repository / "config" / "study.schema.json").read_text() == cli.schema_text(), (
        "run: nwbglm schema > config/study.schema.json"
    )


def test_the_reference_in_docs_is_that_of_the_code(repository):
    assert (repository / "docs" / "study.md").read_text() == reference_text(), "run: nwbglm reference > docs/study.md"


def test_the_page_of_the_stores_is_that_of_the_contracts(repository, capsys):
    assert cli.main(["stores"]) == 0
    assert (repository / "docs" / "stores.md").read_text() == capsys.readouterr().out, (
        "run: nwbglm stores > docs/stores.md"
    )


def test_every_option_is_documented():
    undocumented = [line for line in reference_text().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert undocumented == []


def test_the_schema_refuses_what_the_models_refuse():
    schema = json.loads(cli.schema_text())
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"study", "recordings", "epochs", "bin", "models"}


def test_check_says_what_a_study_asks_for(repository, capsys):
    assert cli.main(["check", str(repository / "config" / "head_direction.yaml")]) == 0
    printed = capsys.readouterr().out
    assert "6: constant, raw-history, history, coupling, heading, full" in printed
    assert "results/head-direction/report/index.html" in printed


def test_check_reports_mistakes_without_a_traceback(tmp_path, capsys):
    study = tmp_path / "study.yaml"
    study.write_text("study: a\nmodls: {}\n")
    assert cli.main(["check", str(study)]) == 1
    printed = capsys.readouterr().err
    assert "did you mean 'models'?" in printed and "Traceback" not in printed


def test_inspect_refuses_what_is_no_recording(tmp_path, capsys):
    file = tmp_path / "a.nwb"
    file.write_bytes(b"")
    assert cli.main(["inspect", str(file)]) == 1
    captured = capsys.readouterr()
    assert "a.nwb" in captured.out + captured.err and "Traceback" not in captured.out + captured.err


def test_a_reader_that_has_seen_enough_is_no_error(repository):
    command = f"{sys.executable} -c 'import sys; from nwbglm.cli import main; sys.exit(main())' schema | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=repository)
    assert done.returncode == 0 and done.stdout == "{\n" and done.stderr == ""


def test_show_needs_a_store(tmp_path, capsys):
    assert cli.main(["show", str(tmp_path / "a.zarr.zip")]) == 1
    assert "no such store" in capsys.readouterr().err


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    printed = capsys.readouterr().out
    for command in ("inspect", "check", "schema", "reference", "show"):
        assert command in printed
