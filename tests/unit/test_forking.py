"""Jobs as children of one parent: they end, fail, are measured and are killed as processes of their own are."""

import ast
import json
import os
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest
from snakemake.benchmark import BenchmarkRecord
from snakemake.script import PythonScript

from nwbglm.forking import parent, runner


@pytest.fixture
def run(tmp_path):
    """Runs a script's text in a child; returns what it wrote into `out.json`."""

    def run(text, **options):
        script, out = tmp_path / "script.py", tmp_path / "out.json"
        head = f"import json, os, sys\ndef tell(**found):\n    json.dump(found, open({str(out)!r}, 'w'))\n"
        script.write_text(head + text)
        out.unlink(missing_ok=True)
        runner.run_script(str(script), **({"threads": 1, "environment": {}} | options))
        return json.loads(out.read_text()) if out.exists() else None

    yield run
    while runner._parents:
        runner._parents.popitem()[1].close()


def test_scripts_are_children_of_one_parent_that_has_their_imports(run):
    text = (
        "before = 'colorsys' in sys.modules\nimport colorsys\ntell(pid=os.getpid(), parent=os.getppid(), known=before)"
    )
    first, second = run(text), run(text)
    assert first["parent"] == second["parent"] == runner._parents[1].process.pid
    assert first["pid"] != second["pid"]
    assert first["known"] and second["known"]


def test_what_a_script_changes_stays_its_own(run):
    run("import colorsys\ncolorsys.ONE_THIRD = 0\nos.environ['LEFT'] = 'yes'", environment={"GIVEN": "here"})
    assert run("import colorsys\ntell(third=colorsys.ONE_THIRD, left=os.environ.get('LEFT'))") == {
        "third": 1 / 3,
        "left": None,
    }


def test_a_job_has_its_own_variables_and_its_threads(run):
    text = "tell(**{name: os.environ.get(name) for name in ('TMPDIR', 'OMP_NUM_THREADS', 'NPROC')})"
    assert run(text, threads=2, environment={"TMPDIR": "/somewhere"}) == {
        "TMPDIR": "/somewhere",
        "OMP_NUM_THREADS": "2",
        "NPROC": "2",
    }
    assert set(runner._parents) == {2}


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('in words')", 1, "in words\n"),
        ("import not_there_at_all", 1, "No module named 'not_there_at_all'"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("os.kill(os.getpid(), 9)", -9, ""),
    ],
)
def test_a_script_that_fails_fails_its_job(run, capfd, text, status, said):
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run(text)
    assert failed.value.returncode == status
    if status < 0:
        assert "SIGKILL" in str(failed.value)  # what the last words of a run look for
    assert said in capfd.readouterr().err
    assert run("tell(fine=True)") == {"fine": True}, "the parent goes on"


def test_exit_functions_run(run, tmp_path):
    run(f"import atexit, pathlib\natexit.register(pathlib.Path({str(tmp_path / 'left')!r}).touch)")
    assert (tmp_path / "left").exists()


def test_a_job_is_measured_as_the_system_counts_it(run):
    record = BenchmarkRecord()
    run("import time\nheld = bytearray(200 * 2**20)\nwhile time.process_time() < 0.3: held[0] = 1", record=record)
    assert 0.3 <= record.cpu_time <= 3
    assert record.max_rss >= 200
    assert record.running_time >= 0.3
    assert float(record.get_benchmarks()[-1]) == record.cpu_time


def test_no_job_outlives_its_snakemake(tmp_path):
    began, script = tmp_path / "began", tmp_path / "script.py"
    script.write_text(
        f"import pathlib, time, os\npathlib.Path({str(began)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    )
    child = None
    known = runner.Parent(1)
    try:
        child, _ = known.start(str(script), {})
        known.go(child)
        while not began.exists() or not began.read_text():
            time.sleep(0.01)
        known.close()  # as when Snakemake is killed: the other end of the socket is gone
        assert known.process.returncode == 0
        with pytest.raises(ProcessLookupError):
            while True:  # it was told to end; the system reaps it
                os.kill(child, 0)
                if "Z" in _state(child):
                    raise ProcessLookupError
                time.sleep(0.01)
    finally:
        if child and os.path.exists(f"/proc/{child}") and "Z" not in _state(child):
            os.kill(child, signal.SIGKILL)


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def test_imports_for_type_checkers_are_left_to_them():
    text = "import a.b\nif TYPE_CHECKING:\n    import heavy\nwith x:\n    from c import d, e\nfrom . import g"
    assert list(parent.named_imports(ast.parse(text).body)) == [("a.b", []), ("c", ["d", "e"])]


def test_scripts_in_other_environments_are_started_as_ever(monkeypatch):
    started = []
    monkeypatch.setattr(PythonScript, "execute_script", lambda self, fname, edit=False: started.append(fname))
    runner.install()
    runner.install()  # twice is once
    for place in ("container_img", "conda_env", "env_modules", "shadow_dir"):
        job = SimpleNamespace(container_img=None, conda_env=None, env_modules=None, shadow_dir=None)
        setattr(job, place, "elsewhere")
        PythonScript.execute_script(job, place)
    assert started == ["container_img", "conda_env", "env_modules", "shadow_dir"]
