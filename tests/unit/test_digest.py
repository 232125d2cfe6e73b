"""Code digests: what changes them and what does not."""

import subprocess
import sys

import pytest

from nwbglm import digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package with the shape of ours; returns a function that writes a file and one that digests."""
    root = tmp_path / "nwbglm"
    files = {
        "__init__.py": "",
        "study.py": "A = 1",
        "basis.py": '"""Doc."""\nB = 1',
        "features.py": "from .basis import B\nfrom . import study",
        "report/__init__.py": "from nwbglm.features import B",
        "report/page.html": "<p>",
        "unused.py": "C = 1",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    script = tmp_path / "script.py"
    script.write_text("with x:\n    from nwbglm.report import B\n")
    monkeypatch.setattr(digest, "PACKAGE", root)

    def compute() -> str:
        for cached in (digest.code_digest, digest._tree, digest._syntax):
            cached.cache_clear()
        return digest.code_digest(script)

    yield lambda name, text: (root / name).write_text(text), compute
    compute()
    for cached in (digest.code_digest, digest._tree, digest._syntax):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("basis.py", '"""Another."""\n# a comment\nB   =  1', False),
        ("basis.py", '"""Doc."""\nB = 2', True),
        ("features.py", "from .basis import B\nfrom . import study\ndef f(x):\n    return x", True),
        ("report/page.html", "<p>!", True),
        ("__init__.py", "D = 1", True),
        ("study.py", "A = 2", False),  # reaches stages as parameters
        ("unused.py", "C = 2", False),
    ],
)
def test_meaning_changes_the_digest(package, name, text, changes):
    write, compute = package
    before = compute()
    write(name, text)
    assert (compute() != before) == changes


def test_each_script_reaches_the_package(repository):
    for script in sorted((repository / "scripts").glob("*.py")):
        assert digest._closure(script), script


def test_the_snakefile_loads_nothing_heavy(repository):
    code = (
        "import sys\n"
        "from nwbglm.digest import code_digest\n"
        "from nwbglm.study import load_study\n"
        "from nwbglm.figures.catalogue import figures_of\n"
        f"load_study(r'{repository}/config/head_direction.yaml')\n"
        f"[code_digest(p) for p in __import__('pathlib').Path(r'{repository}/scripts').glob('*.py')]\n"
        "heavy = {'jax', 'xarray', 'pandas', 'numpy', 'matplotlib', 'zarr', 'pynwb', 'h5py'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
