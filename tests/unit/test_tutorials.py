"""The table of what the tutorials show names files that the workflow makes, and every figure of both is a target."""

import re

import pytest

from nwbglm.figures import figures_of, overall_figures_of
from nwbglm.study import load_study

PARTS = {"Fit injected current": "injected_current", "Fit head-direction population": "head_direction"}


def named(repository, part):
    text = (repository / "docs" / "tutorials.md").read_text(encoding="utf-8")
    section = text.split(f"## {part}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [re.findall(r"`([\w./-]+)`", row.split("|")[2]) for row in rows]


@pytest.mark.parametrize(("part", "study"), PARTS.items())
def test_every_row_names_a_file_that_the_study_makes(part, study, repository):
    made = figures_of(load_study(repository / "config" / f"{study}.yaml"))
    demonstration = figures_of(load_study(repository / "config" / f"demo_{study}.yaml"))
    rows = named(repository, part)
    assert len(rows) > 20
    for files in rows:
        assert files
        for file in files:
            if file.startswith("figures/SESSION/"):
                name, _, kind = file.removeprefix("figures/SESSION/").rpartition(".")
                assert name in made and name in demonstration and kind in ("svg", "csv"), file
            elif file.startswith("config/"):
                assert (repository / file).exists()
            elif not file.startswith(("current", "heading", "spikes", "first_half")):
                assert file in ("audit/SESSION.html", "comparison/units.parquet"), file


@pytest.mark.parametrize(("part", "study"), PARTS.items())
def test_no_figure_of_the_seed_studies_is_missing_in_the_table(part, study, repository):
    """What the tutorials do not show is named here, so that a new figure is thought of."""
    made = figures_of(load_study(repository / "config" / f"{study}.yaml"))
    listed = {
        file.removeprefix("figures/SESSION/").rpartition(".")[0] for row in named(repository, part) for file in row
    }
    beyond = {"filters-current", "filters-own-history", "filters-raw-history", "filters-heading"}
    beyond |= {"features-own-history", "coupling-full", "tuning-current"}
    further = {name for name in made if name.startswith("coefficients-")}
    assert set(made) - listed - beyond - further <= {
        "overview",
        "equations",
        "mean_rates",
        "simulated",
        "scores",
        "window-own-history",
        "rates",
    }


def test_the_gallery_shows_every_figure_of_the_demonstrations(repository):
    """Made again by: make gallery."""
    page = (repository / "docs" / "gallery.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\(images/gallery/([\w+.-]+\.png)\)", page))
    assert linked == {path.name for path in (repository / "docs" / "images" / "gallery").glob("*.png")}
    shown = {name.partition("-")[0] for name in re.findall(r"^`([\w+-]+)`\. ", page, flags=re.MULTILINE)}
    made = set()
    for part in PARTS.values():
        study = load_study(repository / "config" / f"demo_{part}.yaml")
        made |= {name.partition("-")[0] for name in (*figures_of(study), *overall_figures_of(study))}
    assert made <= shown
