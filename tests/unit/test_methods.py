"""The methods text holds every key of a study that changes a number: changing any of them changes the text."""

import copy

import pytest

from nwbglm.report.methods import paragraphs
from nwbglm.study import bases, fitting, read_study, terms
from nwbglm.study.base import OneOf
from nwbglm.study.data import Blank, EpochSelection, Signal, Tuning, TuningMap, UnitSelection
from nwbglm.study.family import Family
from nwbglm.study.responses import Response

BASE = {
    "study": "s",
    "recordings": {"a": {"nwb": "a.nwb"}, "b": {"nwb": "b.nwb"}},
    "epochs": {"use": {"table": "epochs"}, "fit": {"within": "use"}, "lit": {"table": "lights"}},
    "bin": "10 ms",
    "units": {"table": "units"},
    "signals": {
        "x": {"from": "x"},
        "angle": {"from": "ry", "period": "2 pi"},
        "cue": {"from": "trials", "resample": "events"},
        "held": {"from": "trials", "resample": "boxcar"},
    },
    "tuning": {"x": {"of": "x"}},
    "maps": {"both": {"of": ["x", "angle"]}},
    "blank": {"light": {"events": "lights", "before": "1 ms", "after": "5 ms"}},
    "terms": {"t": {"of": "x", "basis": {"bspline": {"n": 6}}}},
    "models": {"constant": [], "m": {"terms": ["t"]}},
}


CHANGES = {
    EpochSelection: ("epochs.lit", {
        "table": "other", "where": "a == 1", "tags": ["b"], "label": "c", "index": [0], "within": "use", "first": "5 s",
        "last": "6 s", "margin": None, "intervals": None,
    }),
    UnitSelection: ("units", {"table": "rois", "where": "rate > 2", "ids": [3]}),
    Signal: ("signals.x", {
        "from": "y", "column": 1, "units": "cm", "period": "360", "derive": "derivative", "smooth": "40 ms",
        "shift": "20 ms", "resample": "hold", "max_gap": "90 ms", "where": "value > 0", "of": None, "time": None,
        "since": None, "start": None, "stop": None, "value": None,
    }),
    Tuning: ("tuning.x", {
        "of": "angle", "bins": 17, "range": [0, 3], "at": "samples", "epochs": "fit", "confidence": 0.9,
    }),
    TuningMap: ("maps.both", {
        "of": ["angle", "x"], "bins": [7, 8], "range": [[0, 1], [0, 2]], "epochs": "fit", "least": "1 s",
        "smooth": 1.5,
    }),
    Blank: ("blank.light", {
        "events": "other", "where": "value == 2", "before": "2 ms", "after": "9 ms", "epochs": None, "silence": None,
    }),
    fitting.Fit: ("fit", {
        "observations": "bernoulli", "penalty": "none", "rows": "own", "folds": {"blocks": 3}, "choose": "one_se",
        "nested": True, "tolerance": 1e-9, "summed_tolerance": 1e-5, "precision": "float32", "memory": "1 GB",
        "gpus": None,
    }),
    fitting.Folds: ("fit.folds", {
        "blocks": 7, "cut": "epochs", "pieces": 20, "gap": "3 s", "deal": None,
    }),
    fitting.Model: ("models.m", {
        "terms": [], "penalty": "none", "halves": True, "rows": "own", "choose": "one_se", "observations": "bernoulli",
    }),
}  # fmt: skip


DEALT = {"cut": "epochs", "blocks": 3}
NOW, LAGGED = {"of": "x", "basis": "identity"}, {"basis": {"lags": {"window": "50 ms"}}}
MORE = [  # what needs another neighbour than BASE has
    ("epochs.use", {"table": "epochs"}, {"table": "epochs", "margin": "2 s"}),
    ("epochs.lit", {"intervals": [["1 s", "2 s"]]}, {"intervals": [["1 s", "3 s"]]}),
    ("blank.light", {"silence": "1 s"}, {"silence": "2 s"}),
    ("blank.light", {"epochs": {"table": "lights"}}, {"epochs": {"table": "lights", "where": "a == 1"}}),
    ("fit.folds", DEALT, DEALT | {"deal": "interleaved"}),
    ("fit.folds", DEALT | {"deal": "random"}, DEALT | {"deal": "interleaved"}),
    ("signals.x", {"of": "time"}, {"from": "x"}),
    *[("signals.cue", BASE["signals"]["cue"], BASE["signals"]["cue"] | one) for one in (
        {"time": "cue_time"}, {"since": "start_time"}, {"value": "size"}, {"where": "side == 1"}, {"shift": "10 ms"})],
    *[("signals.held", BASE["signals"]["held"], BASE["signals"]["held"] | one) for one in (
        {"start": "on"}, {"stop": "off"}, {"value": "size"}, {"since": "start_time"})],
    ("partial_bins", "drop", "keep"),
    ("invalid_times", "blank", "keep"),
    ("min_exposure", 0.5, 0.8),
    ("mask", {}, {"slow": "x < 2"}),
    ("seed", 0, 5),
    ("bin", "10 ms", "20 ms"),
]  # fmt: skip

BASES = {  # a setting of each field, beside those that the family must have
    "lags": ({"window": "100 ms"}, {}),
    "raised_cosine_log": ({"n": 5, "window": "200 ms"}, {"width": 3, "time_scaling": 20, "decay_to_zero": False}),
    "raised_cosine_linear": ({"n": 5, "window": "200 ms"}, {"width": 3}),
    "bspline": ({"n": 6}, {"order": 3, "full_rank": True}),
    "cyclic_bspline": ({"n": 6}, {"order": 3, "full_rank": True}),
    "mspline": ({"n": 6}, {"order": 3, "full_rank": True}),
    "fourier": ({"n": 3}, {}),
    "cosine": ({"n": 3}, {}),
    "orthogonal_exponentials": ({"window": "200 ms", "decay_times": ["5 ms"]}, {"decay_times": ["9 ms"]}),
    "laguerre": ({"window": "200 ms", "n": 3, "pole": 0.5}, {"pole": 0.6}),
    "polynomial": ({"degree": 3}, {"degree": 4}),
    "categorical": ({"levels": [0, 1]}, {"levels": [0, 2], "reference": 1, "full_rank": True}),
    "identity": ({}, {}),
}
WINDOWED = {"window": "300 ms", "direction": "acausal", "begin": "0 s"}
PENALTIES = {
    "none": ({}, {}),
    "ridge": ({"strength": 0.1}, {}),
    "smoothness": ({"strength": 0.1, "scale": "raw"}, {"order": 1}),
    "lasso": ({"strength": 0.1}, {}),
    "elastic_net": ({"strength": 0.1}, {"ratio": 0.3}),
    "group_lasso": ({"strength": 0.1}, {"groups": "term"}),
}


def put(config, path, value):
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    here = config
    for key in parents:
        here = here.setdefault(key, {})
    here[last] = value
    return config


def text(config):
    return " ".join(paragraphs(read_study(config, "study")))


def at(path):
    here = BASE
    for key in path.split("."):
        here = here.get(key, {}) if isinstance(here, dict) else {}
    return here


CASES = [
    (path, at(path), at(path) | {key: value})
    for path, fields in CHANGES.values()
    for key, value in fields.items()
    if value is not None
]


@pytest.mark.parametrize(("path", "before", "after"), [*CASES, *MORE], ids=lambda value: str(value)[:60])
def test_a_key_that_is_changed_changes_the_text(path, before, after):
    assert text(put(BASE, path, before)) != text(put(BASE, path, after))


@pytest.mark.parametrize("kind", BASES)
def test_every_setting_of_a_basis_is_said(kind):
    needed, own = BASES[kind]
    family = bases.Basis.families()[kind]
    changes = own | {name: value for name, value in WINDOWED.items() if name in family.model_fields}
    changes |= {"n": needed["n"] + 1} if "n" in needed else {}
    changes |= {"bounds": [0, 9]} if "bounds" in family.model_fields else {}
    assert set(changes) == set(family.model_fields), f"a value for each field of {kind}, please"
    seen = set()
    for key, value in changes.items():
        base = dict(needed)
        if key in WINDOWED and "window" in family.model_fields:
            base["window"] = "200 ms"
            base.pop("bounds", None)
        if key in ("full_rank", "bounds"):
            base.pop("window", None)
        if key == "begin" or (key == "reference"):
            base.pop("full_rank", None)
        of = "angle" if kind == "cyclic_bspline" and "window" not in base | {key: value} else "x"
        texts = [text(put(BASE, "terms.t", {"of": of, "basis": {kind: one}})) for one in (base, base | {key: value})]
        assert texts[0] != texts[1], key
        seen.add(key)
    assert issubclass(family, Family) and seen == set(family.model_fields)


@pytest.mark.parametrize("kind", PENALTIES)
def test_every_setting_of_a_penalty_is_said(kind):
    needed, own = PENALTIES[kind]
    settings = type(getattr(fitting.Penalty.model_validate({kind: needed}), kind))
    changes = own | ({"strength": [0.1, 0.2, 0.9]} if needed else {})
    changes |= {"scale": "sd" if kind == "smoothness" else "raw"} if "scale" in settings.model_fields else {}
    changes |= {"relative": {"t": 3}} if "relative" in settings.model_fields else {}
    assert set(changes) == set(settings.model_fields)
    for key, value in changes.items():
        texts = [text(put(BASE, "fit.penalty", {kind: one})) for one in (needed, needed | {key: value})]
        assert texts[0] != texts[1], key


def test_strengths_between_the_ends_are_named_where_they_are_not_in_equal_ratios():
    one, other = (text(put(BASE, "fit.penalty", {"ridge": {"strength": s}})) for s in ([0.1, 0.2, 10], [0.1, 5, 10]))
    assert one != other and "0.1, 0.2, 10" in one


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("from", "acquisition/B_*"),
        ("resample", "hold"),
        ("units", "mV"),
        ("name", "dF/F"),
        ("max_gap", "2 s"),
        ("shift", "30 ms"),
    ],
)
def test_every_key_of_a_continuous_response_is_said(key, value):
    base = {k: v for k, v in BASE.items() if k != "blank"}
    response = {"from": "acquisition/A_*"}
    assert text(base | {"response": response}) != text(base | {"response": response | {key: value}})
    assert {field.alias or name for name, field in Response.model_fields.items()} == {
        "from", "resample", "units", "name", "max_gap", "shift",
    }  # fmt: skip


def test_no_field_was_forgotten_here():
    """A new key needs a value above, so that its words are thought of."""
    for part, (_, fields) in CHANGES.items():
        assert set(fields) == {field.alias or name for name, field in part.model_fields.items()}, part.__name__
    assert set(BASES) == set(bases.Basis.model_fields) and set(PENALTIES) == set(fitting.Penalty.model_fields)
    assert issubclass(bases.Basis, OneOf) and set(terms.Term.model_fields) == {"of", "basis", "product"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (NOW, NOW | {"of": "angle"}),
        (NOW, {"product": [NOW, NOW | {"of": "angle"}]}),
        (LAGGED | {"of": "own spikes"}, LAGGED | {"of": "all spikes"}),
        (LAGGED | {"of": "all spikes"}, LAGGED | {"of": "other spikes"}),
    ],
)  # fmt: skip
def test_what_a_term_is_of_is_said(before, after):
    assert text(put(BASE, "terms.t", before)) != text(put(BASE, "terms.t", after))
