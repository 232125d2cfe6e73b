"""Damage to each kind of file of a run: it is named, the status is not 0, and the mend that is printed mends."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import one_process
import pytest
from one_process import contents

from nwbglm.cli import main
from nwbglm.errors import StoreError
from nwbglm.report import Texts, read_figures

from .conftest import Joined

pytestmark = pytest.mark.slow

MADE = {
    "audit/a.json": "bin_recording",
    "binned/mouse.zarr.zip": "build_features",
    "tuning/mouse.zarr.zip": "predict_rates",
    "features/history/mouse.zarr.zip": "split_rows",
    "folds/mouse.zarr.zip": "fit_model",
    "fits/full/mouse.0-of-1.zarr.zip": "predict_rates",
    "predictions/full/mouse.zarr.zip": "draw_session",
    "tests/heading/mouse.0-of-1.zarr.zip": "compare_models",
    "intervals/full/mouse.0-of-1.zarr.zip": "compare_models",
    "checks/full/mouse.0-of-1.zarr.zip": "compare_models",
    "comparison/scores.parquet": "draw_comparison",
    "audit/a.html": "build_report",
    "figures/scores.svg": "build_report",
    "figures/scores.csv": "build_report",
}
"""One file of each kind, and a stage that reads it."""
TEXTS = (".html", ".svg", ".csv")


def flip(path: Path) -> None:
    """Flip bits all over a file: some of its bytes nobody reads."""
    content = bytearray(path.read_bytes())
    for place in range(16, len(content), 64):
        content[place] ^= 8
    path.write_bytes(content)


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [flip, truncate, zero, empty]
AGAIN = "delete it and run the same command again"


@pytest.fixture
def restored(inside) -> Iterator[Joined]:
    """A finished run, as the current folder, that is as it was after the test."""
    yield inside
    for name, content in inside.good.items():
        if not Path(name).exists() or Path(name).read_bytes() != content:
            Path(name).write_bytes(content)


def small(joined: Joined, name: str) -> str:
    return f"results/small/{name}"


def last_readers(joined: Joined, file: str, rule: str) -> one_process.Job:
    """Return a job of a rule that reads a file."""
    return [job for job in joined.jobs if job.rule == rule and file in map(str, job.snakemake.input)][-1]


@pytest.mark.fault(
    "each kind of store, table, audit, figure and page is damaged",
    "bits flip, it is cut, zeroed, emptied; then a stage that reads it runs",
    "the job fails, names the file and the mend; the mend gives the same bytes (flips in texts: `nwbglm verify`)",
)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", MADE)
def test_a_stage_that_reads_a_damaged_file_fails_and_names_it_and_the_mend_mends(restored, name, damage, capsys):
    inside, file = restored, small(restored, name)
    if damage is flip and name.endswith(TEXTS):
        return  # only its sum tells: see `nwbglm verify`
    reader, maker = last_readers(inside, file, MADE[name]), inside.maker(file)
    damage(Path(file))
    kept = [path for path in reader.outputs if str(path) in inside.good]
    with pytest.raises(SystemExit):
        reader.run()
    said = capsys.readouterr().err
    assert file in said and AGAIN in said, said
    assert {str(path): path.read_bytes() for path in kept} == {str(path): inside.good[str(path)] for path in kept}
    Path(file).unlink()
    maker.run()
    assert contents(inside.folder) == inside.good


@pytest.mark.fault(
    "each kind of file is damaged or deleted, and no stage reads it",
    "`nwbglm verify` after each",
    "its status is 1, and the file is named",
)
@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
def test_verify_names_each_kind_of_damaged_file(restored, damage, capsys):
    inside = restored
    assert main(["verify", "results/small"]) == 0
    capsys.readouterr()
    report = "report/sessions/mouse.html"
    for name in [*MADE, report]:
        if damage is Path.unlink and name.startswith(("predictions", "audit/a.json")):
            continue  # nothing but figures was made from these: the next run makes them again
        file = Path(small(inside, name))
        damage(file)
        assert main(["verify", "results/small"]) == 1, name
        assert str(file) in capsys.readouterr().out, name
        file.write_bytes(inside.good[str(file)])
    assert main(["verify", "results/small"]) == 0


@pytest.mark.fault(
    "one file of each kind is damaged at once",
    "the run; what it names is deleted; the same command, until it ends",
    "every file is again what it was, to the last byte",
)
def test_what_a_run_says_of_damage_is_done_until_all_is_as_it_was(joined, repository, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(joined.folder, folder, copy_function=shutil.copy2)
    for k, name in enumerate(name for name in MADE if not name.startswith(("audit", "binned", "figures"))):
        [truncate, zero, empty, flip, Path.unlink][k % 5](folder / small(joined, name))
    removed: list[str] = []
    while True:
        status, printed = one_process.run(folder, repository / "Snakefile")
        if status == 0:
            break
        named = set(re.findall(r"(results/\S+): is damaged", printed))
        assert named and AGAIN in printed, printed[-3000:]
        for file in named - set(removed):
            (folder / file).unlink()
        removed += sorted(named)
        assert len(removed) < 40
    assert removed, "what others were made from is named; what is made anew with it needs no naming"
    assert contents(folder) == joined.good


def test_a_damaged_figure_or_page_is_no_part_of_a_report(tmp_path):
    (tmp_path / "a.svg").write_text("<svg>")
    (tmp_path / "a.csv").write_text("x\n1\n")
    with pytest.raises(StoreError, match=r"a\.svg: is damaged"):
        read_figures([tmp_path / "a.svg"], [tmp_path / "a.csv"])[tmp_path.name]["a"]
    (tmp_path / "a.html").write_text("<html>")
    with pytest.raises(StoreError, match=r"a\.html: is damaged"):
        Texts({"a": tmp_path / "a.html"}, end="</html>")["a"]
