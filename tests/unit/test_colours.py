"""Colours: legible on white, told apart by eyes that lack a cone, and models told apart without any colour."""

import numpy as np
import pytest

from nwbglm.figures import colours, style

# Machado, Oliveira & Fernandes (2009), severity 1, on linear sRGB
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
EYES = {"all cones": np.eye(3).tolist()} | BLINDNESS
MODELS = [f"model {k}" for k in range(8)]


def linear(rgb):
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def seen(rgb, eye):
    """Return CIELAB (n, 3) of sRGB colours as an eye sees them."""
    xyz = np.clip(linear(rgb) @ np.array(EYES[eye]).T, 0, 1) @ colours.TO_XYZ.T / colours.WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def contrast(rgb, eye="all cones"):
    """Return the contrast with white (WCAG 2.2)."""
    luminance = np.clip(linear(rgb) @ np.array(EYES[eye]).T, 0, 1) @ colours.TO_XYZ[1]
    return 1.05 / (luminance + 0.05)


def rgb_of(names):
    return np.array([[int(name[i : i + 2], 16) / 255 for i in (1, 3, 5)] for name in names])


def differences(lab):
    return np.linalg.norm(lab[:, None] - lab[None], axis=-1)


@pytest.mark.parametrize("eye", EYES)
def test_colours_of_models_are_seen_and_told_apart(eye):
    rgb = rgb_of(colours.COLORS)
    assert contrast(rgb).min() >= 3.0 and contrast(rgb, eye).min() >= 2.7
    apart = differences(seen(rgb, eye))[np.triu_indices(len(rgb), 1)]
    assert apart.min() > 11  # a step of 2.3 is just seen


@pytest.mark.parametrize("eye", EYES)
def test_the_cyclic_scale_goes_round_and_is_read_by_all(eye):
    rgb = colours.cyclic_colors(72)
    assert contrast(rgb).min() >= 3.0
    apart, place = differences(seen(rgb, eye)), np.arange(72)
    steps = np.abs((place[:, None] - place[None] + 36) % 72 - 36)
    assert apart[steps == 1].max() < 8  # no jump, at 0 and a full turn neither
    assert apart[steps >= 9].min() > 8  # an eighth of a turn is seen
    assert apart[steps == 36].min() > 18


def test_texts_and_lines_of_grey_are_legible():
    assert contrast(rgb_of([colours.INK])).item() > 15 and contrast(rgb_of([colours.QUIET])).item() > 4.5


def test_a_simulated_eye_takes_white_for_white():
    for matrix in EYES.values():
        assert np.array(matrix).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_models_differ_without_colour():
    styles = style.line_styles(["constant", *MODELS])
    assert len({str(one["linestyle"]) for one in styles.values()}) == len(style.DASHES) + 1
    assert len({(str(one["linestyle"]), one.get("marker")) for one in styles.values()}) == 9
    assert len({one["marker"] for name, one in styles.items() if name != "constant"}) == 8


def test_angles_have_colours_and_unknown_ones_are_grey():
    found = colours.around(np.array([0.0, np.pi, 2 * np.pi, np.nan]), 2 * np.pi)
    assert found[0] == pytest.approx(found[2]) and np.ptp(found[3, :3]) == 0
    assert np.abs(found[0] - found[1]).max() > 0.2
