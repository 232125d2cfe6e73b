"""Code digests: what changes them and what does not."""

import shutil
import subprocess
import sys

import pytest

from nwbglm import digest

FILES = {
    "__init__.py": "",
    "errors.py": "class BadError(Exception): ...",
    "study/__init__.py": "from .terms import Basis",
    "study/terms.py": """
from nwbglm.errors import BadError
class Basis:
    \"\"\"Doc.\"\"\"
    n: int = Field(3, description="How many.")
    @field_validator("n")
    def _positive(cls, n):
        if n < 1:
            raise BadError(f"{n} is too few", mend="take more")
    @property
    def window(self):
        return 1
    @property
    def colour(self):
        return "red"
""",
    "basis.py": """
from .study import Basis
WIDTH = 1
class Spec:
    draw: str
    caption: str
SPECS = {"a": Spec(draw="drawing:draw_a", caption="What is seen.")}
def features(basis: Basis, scale: float = WIDTH) -> int:
    log.info("making features")
    return basis.window * scale + SPECS["a"].draw
def filters(basis):
    return basis.colour
""",
    "drawing.py": "def draw_a():\n    return 1\ndef draw_b():\n    return 1",
    "report/__init__.py": "def page():\n    return 1",
    "report/page.html": "<p>",
    "unused.py": "C = 1",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package with the shape of ours; returns what changes a file, and what digests a script."""
    root = tmp_path / "nwbglm"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    script = tmp_path / "script.py"
    script.write_text(
        "with x:\n    from nwbglm.basis import features\n    from nwbglm.study import Basis\n    features(Basis())"
    )
    monkeypatch.setattr(digest, "PACKAGE", root)

    def forget() -> None:
        for cached in (digest.code_digest, digest._tree, digest._syntax, digest._file):
            cached.cache_clear()

    def change(name: str, old: str, new: str) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    def compute(text: str = "") -> str:
        if text:
            script.write_text(text)
        forget()
        return digest.code_digest(script)

    yield change, compute
    forget()


@pytest.mark.parametrize(
    ("name", "old", "new", "changes"),
    [
        ("basis.py", "WIDTH = 1", "WIDTH  =  1  # one", False),
        ("basis.py", "WIDTH = 1", "WIDTH = 2", True),  # a constant that a default names
        ("basis.py", "* scale", "* scale * 2", True),
        ("basis.py", "return basis.colour", "return 2", False),  # nobody calls it
        ("basis.py", "-> int", "-> float", False),
        ("basis.py", "making features", "begun", False),
        ("basis.py", "What is seen.", "What one sees.", False),  # a field that nobody reads
        ("basis.py", "drawing:draw_a", "drawing:draw_b", True),
        ("study/terms.py", "return 1", "return 2", True),  # a property that is used
        ("study/terms.py", 'return "red"', 'return "blue"', False),  # and one that is not
        ("study/terms.py", "n < 1", "n < 2", True),  # a validator runs by itself
        ("study/terms.py", "Field(3", "Field(4", True),
        ("study/terms.py", "How many.", "The number.", False),
        ("study/terms.py", "is too few", "is less than one", False),
        ("study/terms.py", "take more", "take one", False),
        ("study/terms.py", "Doc.", "Another.", False),
        ("drawing.py", "return 1", "return 2", True),  # named by the text "drawing:draw_a"
        ("drawing.py", "draw_b():\n    return 1", "draw_b():\n    return 2", False),
        ("report/page.html", "<p>", "<b>", False),
        ("unused.py", "C = 1", "C = 2", False),
    ],
)
def test_the_digest_covers_what_is_executed_no_more_and_no_less(package, name, old, new, changes):
    change, compute = package
    before = compute()
    change(name, old, new)
    assert (compute() != before) == changes


def test_templates_belong_to_those_who_use_their_package(package):
    change, compute = package
    before = compute("from nwbglm.report import page\npage()")
    change("report/page.html", "<p>", "<b>")
    assert compute() != before


def test_a_text_that_is_a_name_counts_as_a_use_of_it(package):
    change, compute = package
    before = compute("from nwbglm.study import Basis\ngetattr(Basis(), 'colour')")
    change("study/terms.py", 'return "red"', 'return "blue"')
    assert compute() != before


@pytest.fixture(scope="module")
def ours(repository, tmp_path_factory):
    """What a change of our own code re-runs: a copy, changed, and digested in the same place."""
    root = tmp_path_factory.mktemp("ours")
    shutil.copytree(repository / "src" / "nwbglm", root / "nwbglm")
    scripts = sorted((repository / "scripts").glob("*.py"))
    place = pytest.MonkeyPatch()
    place.setattr(digest, "PACKAGE", root / "nwbglm")

    def all_digests() -> dict[str, str]:
        for cached in (digest.code_digest, digest._tree, digest._syntax, digest._file):
            cached.cache_clear()
        return {script.stem: digest.code_digest(script) for script in scripts}

    before = all_digests()

    def rerun(pattern: str, old: str, new: str) -> set[str]:
        (path,) = [path for path in (root / "nwbglm").rglob(pattern) if old in path.read_text()]
        text = path.read_text()
        path.write_text(text.replace(old, new, 1))
        try:
            after = all_digests()
        finally:
            path.write_text(text)
        return {name for name in after if after[name] != before[name]}

    yield rerun
    place.undo()
    for cached in (digest.code_digest, digest._tree, digest._syntax, digest._file):
        cached.cache_clear()


def test_what_uses_windows_runs_again_when_they_change(ours):
    changed = ours("*.py", 'return getattr(self.settings, "window", None) or 0.0', "return 0.0")
    assert {"build_features", "fit_model", "predict_rates"} <= changed
    assert not changed & {"bin_recording", "tune_units", "audit_recording", "simulate_recording"}


@pytest.mark.parametrize(
    ("pattern", "old", "new"),
    [
        ("nodes.py", '"scratch"', '"scratch2"'),  # a container reader
        ("checks.py", "use fewer folds", "use less folds"),  # a message
        ("filters.py", "def _half_filters(stores: Stores)", "def _half_filters(stores, more=1)"),  # a drawing
        ("methods.py", " the ", " that "),
    ],
)
def test_what_reaches_no_fit_does_not_fit_again(ours, pattern, old, new):
    changed = ours(pattern, old, new)
    assert not changed & {"build_features", "split_rows", "fit_model", "predict_rates"}


def test_a_reader_of_containers_redraws_nothing(ours):
    assert ours("nodes.py", '"scratch"', '"scratch2"') == {"audit_recording", "bin_recording", "tune_units"}


def test_each_script_reaches_the_package(repository):
    for script in sorted((repository / "scripts").glob("*.py")):
        assert digest.reach(script)[0], script


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


def test_digests_are_kept_while_no_byte_of_the_package_changes(repository, tmp_path, monkeypatch):
    script, memory = repository / "scripts" / "split_rows.py", tmp_path / "code.json"
    first = digest.kept_digest(script, memory)
    assert first == digest.code_digest(script)
    monkeypatch.setattr(digest, "code_digest", lambda script: "computed again")
    assert digest.kept_digest(script, memory) == first
    assert digest.kept_digest(repository / "scripts" / "fit_model.py", memory) == "computed again"
    moved = tmp_path / script.name
    moved.write_bytes(script.read_bytes())  # another file: the system says other things of it
    assert digest.kept_digest(moved, memory) == "computed again"
    monkeypatch.setattr(digest, "_package_state", lambda: "a module was edited")
    assert digest.kept_digest(script, memory) == "computed again"


def test_a_memory_of_digests_that_is_damaged_or_cannot_be_written_costs_time_only(repository, tmp_path):
    script = repository / "scripts" / "split_rows.py"
    (tmp_path / "code.json").write_text("{half")
    assert digest.kept_digest(script, tmp_path / "code.json") == digest.code_digest(script)
    assert digest.kept_digest(script, tmp_path / "code.json" / "below a file") == digest.code_digest(script)
