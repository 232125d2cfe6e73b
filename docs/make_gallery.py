"""Make docs/gallery.md and its pictures from the finished demonstrations: `make gallery`.

Each family of figures once, of one session, the richest subject of it: on the screen, in print (85 mm) and in greyscale
they were looked at when they last changed.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import matplotlib as mpl
from PIL import Image

from nwbglm import store
from nwbglm.figures import FIGURES, OVERALL, draw_overall, draw_session, figures_of, overall_figures_of, words_of
from nwbglm.figures.catalogue import split_name
from nwbglm.figures.style import styled
from nwbglm.study import Study, load_study

DOCS = Path(__file__).parent
PICTURES = DOCS / "images" / "gallery"
STUDIES = {
    "head direction": ("demo_head_direction", "mouse-A"),
    "injected current": ("demo_injected_current", "cell-1"),
}
BEST = ("population-heading", "tuning-heading", "coupling-full", "filters-heading", "features-history")
"""Subjects that are shown where a family has several."""
AGAIN = ("overview", "rates", "tuning", "equations", "simulated", "mean_rates")
"""Families that the second demonstration shows, too: of a single unit they look otherwise."""
DPI = 80
HEAD = """# Gallery

Every kind of figure, from the two demonstrations; `make gallery` makes this page. Each comes with the numbers behind it
as CSV, as SVG, and as PDF at the widths that a study names ([how](study.md)).
"""


def stores_of(study: Study, results: Path, session: str) -> dict:
    """Read all stores of a session."""

    def named(kind: str, names) -> dict:
        paths = [results / kind / name / f"{session}{block}{store.SUFFIX}" for name in names]
        return store.read_named(names, paths, like=binned)

    binned = store.read(results / "binned" / f"{session}{store.SUFFIX}", "binned")
    block = ""
    single = {
        kind: store.read(results / kind / f"{session}{store.SUFFIX}", kind) for kind in ("tuning", "folds", "truth")
    }
    found = {"binned": binned, **single, "features": named("features", study.used_terms)}
    found["predictions"] = named("predictions", study.models)
    block = ".0-of-1"
    inference = study.inference
    kinds = {"fits": study.models, "intervals": inference.interval_models, "checks": inference.checks.models}
    return found | {kind: named(kind, names) for kind, names in (kinds | {"tests": inference.tests}).items()}


def save(figure, path: Path) -> None:
    """Write a small picture: few colours, since it is lines and letters."""
    with styled():
        figure.savefig(path.with_suffix(".part.png"), dpi=DPI)
    with Image.open(path.with_suffix(".part.png")) as image:
        image.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)
    path.with_suffix(".part.png").unlink()


def pick(names: list[str]) -> list[str]:
    """Return one name of each family."""
    by_family: dict[str, list[str]] = {}
    for name in names:
        by_family.setdefault(split_name(name)[0], []).append(name)
    return [next((name for name in family if name in BEST), family[-1]) for family in by_family.values()]


def demonstration(title: str, results: Path, seen: set[str]) -> list[str]:
    """Draw what one demonstration adds, and return its part of the page."""
    config, session = STUDIES[title]
    study = load_study(DOCS.parent / "config" / f"{config}.yaml")
    folder = results / study.study
    stores = stores_of(study, folder, session)
    tables = store.read_tables(sorted((folder / "comparison").glob("*.parquet")))
    drawn = [(name, FIGURES, partial(draw_session, name, study=study, **stores)) for name in pick(figures_of(study))]
    drawn += [
        (name, OVERALL, partial(draw_overall, name, study=study, **tables)) for name in pick(overall_figures_of(study))
    ]
    page = [f"## Demonstration: {title}", ""]
    for name, registry, draw in drawn:
        family = ("all-" if registry is OVERALL else "") + split_name(name)[0]
        if family in seen and family not in AGAIN:
            continue
        seen.add(family)
        file = f"{config.removeprefix('demo_')}-{'all-' if registry is OVERALL else ''}{name}.png"
        save(draw()[0], PICTURES / file)
        heading, caption = words_of(name, registry)
        page += [f"### {heading}", "", f"![{heading}](images/gallery/{file})", "", f"`{name}`. {caption}", ""]
    return page


def main(results: Path) -> None:
    """Draw, and write the page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    seen: set[str] = set()
    parts = [line for title in STUDIES for line in demonstration(title, results, seen)]
    (DOCS / "gallery.md").write_text("\n".join([HEAD, *parts]).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    mpl.use("agg")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
