"""The main figures look as they did: pictures of synthetic sessions against those in tests/images.

Pictures are compared at 40 dots an inch in grey, where letters are specks: the root mean square difference of their
pixels must stay below `TOLERANCE` of the way from black to white, so that another version of a font passes, and a line
that is gone, a colour that changed or a panel that moved does not (the second test). After a change that was looked at:

    NWBGLM_NEW_IMAGES=1 pytest tests/unit/test_images.py
"""

import io
import os

import numpy as np
import pytest
from PIL import Image
from synthetic_stores import head_direction_session, injected_current_session, study_of

from nwbglm import figures
from nwbglm.figures import style

TOLERANCE = 0.035
DPI = 40
MAIN = {
    "ring": (
        "rates", "tuning-heading", "population-heading", "coupling-full", "filters-history", "scores",
        "window-raw-history",
    ),
    "cell": ("overview", "rates", "tuning-current", "mean_rates"),
}  # fmt: skip
MADE = {"ring": head_direction_session, "cell": injected_current_session}
CASES = [(session, name) for session, names in MAIN.items() for name in names]


@pytest.fixture(scope="module")
def sessions():
    return {name: make() for name, make in MADE.items()}


def picture(session, name):
    """Return a figure as grey pixels from 0 (black) to 1."""
    given = {key: value for key, value in session._asdict().items() if key != "name"}
    figure, _ = figures.draw_session(name, study=study_of(session), **given)
    return pixels(figure)


def pixels(figure):
    buffer = io.BytesIO()
    with style.styled():
        figure.savefig(buffer, format="png", dpi=DPI)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("L"), float) / 255


def difference(one, other):
    """Return the root mean square of the pixels' differences; infinite where the sizes differ."""
    return float(np.sqrt(np.mean((one - other) ** 2))) if one.shape == other.shape else np.inf


@pytest.mark.parametrize(("session", "name"), CASES)
def test_main_figures_look_as_they_did(session, name, sessions, repository):
    path = repository / "tests" / "images" / f"{session}-{name}.png"
    found = picture(sessions[session], name)
    if os.environ.get("NWBGLM_NEW_IMAGES"):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((found * 255).round().astype(np.uint8)).save(path, optimize=True)
    with Image.open(path) as image:
        assert difference(found, np.asarray(image, float) / 255) <= TOLERANCE


def test_what_is_gone_or_moved_is_seen(sessions):
    """The tolerance is not so wide that it passes everything."""
    ring = sessions["ring"]
    given = {key: value for key, value in ring._asdict().items() if key != "name"}
    whole, _ = figures.draw_session("tuning-heading", study=study_of(ring), **given)
    changed, _ = figures.draw_session("tuning-heading", study=study_of(ring), **given)
    before = pixels(whole)
    for axes in changed.axes:
        for line in axes.lines:
            line.set_visible(False)
    assert difference(before, pixels(changed)) > TOLERANCE
