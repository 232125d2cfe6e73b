"""Captions as files for Snakemake's own report: they are the catalogue's."""

from nwbglm.figures import FIGURES, OVERALL, captions
from nwbglm.study import load_study


def test_the_files_are_those_of_the_catalogue(repository):
    """Made again by: python -m nwbglm.figures.captions rules/captions"""
    found = {path.name: path.read_text(encoding="utf-8") for path in (repository / "rules" / "captions").iterdir()}
    assert found == captions.captions()


def test_every_figure_has_its_caption_and_a_category(repository):
    study = load_study(repository / "config" / "worm_calcium.yaml")
    marks = captions.in_report(study, "tuning-speed")
    assert marks["caption"] == "captions/tuning.continuous.rst" and marks["subcategory"] == "{session}"
    assert captions.in_report(study, "differences", overall=True)["category"] == "All sessions"
    assert len(captions.captions()) >= len(FIGURES) + len(OVERALL)
