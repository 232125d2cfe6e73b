"""Nulls beside shifts, and refits of each draw: what moves, what stays, and what a refit by hand says."""

import json

import numpy as np
import pytest
from drifting_sessions import NONE, examine, respond_as, session, stages_of
from small_sessions import binned_session

from nwbglm.comparison.tested import gather_tests
from nwbglm.engine.fit import fit_splits
from nwbglm.engine.observations import MODELS
from nwbglm.engine.penalties import Ridge
from nwbglm.errors import ProblemError, StudyError
from nwbglm.features import build_features
from nwbglm.inference.moves import within_bounds
from nwbglm.inference.permuted import exchangeable_rows, jittered, windows_of
from nwbglm.inference.score_test import prepare_rest, score_statistic, shifted_statistics
from nwbglm.inference.simulated import slow
from nwbglm.inference.together import exchanged_sessions, mean_ranks
from nwbglm.study import Term
from nwbglm.study.inference import FalseDiscoveries, TermTest


def design_rows(binned, *terms, **more):
    """Return the stages, and the rows of the final fit."""
    stages = stages_of(binned, terms, **more)
    return stages, stages.folds["final"].values & stages.folds["shared"].values


def brute_force(term, rest, y, train, test, strength=0.0):
    """Return twice the gain on all rows, and the gain on held-out rows, of fits of both models by the engine."""
    penalty = {"penalty": Ridge(), "strengths": (strength,)} if strength else {}
    everything = np.ones((1, len(y)), bool)
    found = []
    for x in (rest, np.concatenate([term, rest], axis=1)):
        whole = fit_splits(x, y, everything, ~everything, gap=1e-13, **penalty)
        folds = fit_splits(x, y, train, test, gap=1e-13, **penalty)
        found.append((whole.objective[0, 0, 0] * len(y), folds.test_log_likelihood[0, :, 0].sum()))
    return 2 * (found[0][0] - found[1][0]), found[1][1] - found[0][1]


@pytest.mark.parametrize("statistic", ["gain", "held_out"])
@pytest.mark.parametrize("own", [False, True])
def test_every_draw_of_a_refit_is_that_of_two_fits_by_the_engine(statistic, own):
    binned = session(seed=5, gain=0.3, rows=1200, units=2)
    terms = ("curve", "drift", *(["short"] if own else []))
    found = examine(binned, terms, term="curve", draws=19, statistic=statistic)
    stages, kept = design_rows(binned, *terms)
    term = stages.design("curve")[kept]
    rest = [np.concatenate([stages.design(name, u) for name in terms[1:]], axis=1)[kept] for u in (1, 2)]
    train = (stages.folds["train"].values & stages.folds["shared"].values)[:, kept]
    test = (stages.folds["test"].values & stages.folds["shared"].values)[:, kept]
    import zlib

    from nwbglm.inference.shifted import circular_shifts

    gap = int(np.ceil(stages.folds.attrs["gap"] / 0.1))
    shifts = circular_shifts(len(term), 19, term.astype(float), gap, [0, zlib.crc32(b"t/small")])
    for unit in (0, 1):
        y = stages.counts[kept, unit : unit + 1]
        for draw, shift in enumerate([0, *shifts[:4]]):
            expected = brute_force(np.roll(term, shift, axis=0), rest[unit], y, train, test)[statistic == "held_out"]
            value = found["statistic"].values[unit] if not draw else found["null"].values[unit, draw - 1]
            assert value == pytest.approx(expected, abs=2e-3 if statistic == "gain" else 0.06)


@pytest.mark.parametrize("observations", sorted(MODELS))
def test_refits_of_every_observation_model_find_the_effect(observations):
    binned = session(gain=0.5, seed=3, rows=1500, units=4)
    respond_as(binned, observations)
    settings = NONE | {"observations": observations}
    gain = examine(binned, ("drive", "drift"), fit=settings, draws=39, statistic="gain")
    score = examine(binned, ("drive", "drift"), fit=settings, draws=39)
    assert (gain["p"].values[:2] == 1 / 40).all() and np.isfinite(gain["null"]).all()
    np.testing.assert_allclose(gain["null"], score["null"], rtol=0.35, atol=0.8)  # one step is nearly the whole way


def test_a_ridge_on_the_term_is_part_of_the_score():
    binned = session(seed=2, gain=0.2, rows=1500, units=2)
    ridge = {"penalty": {"ridge": {"strength": 0.05, "scale": "raw"}}, "tolerance": 1e-13}
    score = examine(binned, ("curve", "drift"), term="curve", fit=ridge, draws=19)
    gain = examine(binned, ("curve", "drift"), term="curve", fit=ridge, draws=19, statistic="gain")
    free = examine(binned, ("curve", "drift"), term="curve", draws=19)
    np.testing.assert_allclose(score["null"], gain["null"], rtol=0.2, atol=0.3)
    assert float(score["null"].median()) < 0.6 * float(free["null"].median())
    stages, kept = design_rows(binned, "curve", "drift")
    none = np.zeros((1, int(kept.sum())), bool)
    expected = brute_force(stages.design("curve")[kept], stages.design("drift")[kept], stages.counts[kept, :1],
                           ~none, none, 0.05)[0]  # fmt: skip
    assert float(gain["statistic"][0]) == pytest.approx(expected, abs=2e-3)


def test_a_penalty_with_corners_is_fitted_by_the_engine():
    lasso = {"penalty": {"lasso": {"strength": 0.01}}, "tolerance": 1e-12}
    found = examine(session(gain=0.5, rows=800, units=2), ("drive", "drift"), fit=lasso, draws=19, statistic="gain")
    assert np.isfinite(found["null"]).all() and float(found["p"][0]) == 1 / 20


def test_held_out_effects_stand_above_the_median_of_the_null():
    found = examine(session(gain=0.5), ("drive", "drift"), draws=39, statistic="held_out")
    assert (found["p"].values[:2] == 1 / 40).all()
    assert (found["effect"].values[:2] > found["held_out_gain"].values[:2]).all()  # a needless term costs
    assert np.abs(found["effect"].values[2:]).max() < 0.05


def test_a_draw_that_does_not_end_is_counted(monkeypatch):
    from nwbglm.inference import refit
    from nwbglm.inference import tested as of_draws

    monkeypatch.setattr(refit, "PASSES", 0)
    whole = of_draws._fit

    def failing(case, x, positions, *rest):
        found = whole(case, x, positions, *rest)
        return found._replace(status=np.full_like(found.status, 5)) if x.shape[1] > 5 and positions == [1] else found

    monkeypatch.setattr(of_draws, "_fit", failing)
    refit._descend.clear_cache()
    found = examine(session(rows=600, units=3), ("drive", "drift"), draws=19, statistic="gain")
    refit._descend.clear_cache()
    assert np.isnan(found["p"].values[1]) and np.isfinite(found["p"].values[[0, 2]]).all()
    tests, _ = gather_tests([found], FalseDiscoveries())
    assert tests.failed.tolist() == [0, 19, 0]


# ---------------------------------------------------------------- jitter


def test_jitter_keeps_the_count_of_every_window_and_no_window_spans_two_epochs():
    random = np.random.default_rng(0)
    counts = random.poisson(1.0, 103)
    piece = np.repeat([0, 1], [50, 53])
    start, size = windows_of(piece, 8)
    assert size[:50].tolist() == [8] * 48 + [2] * 2 and start[50] == 50 and size[-1] == 5
    moved = [jittered(counts, start, size, random) for _ in range(400)]
    for values in moved:
        np.testing.assert_array_equal(np.bincount(start, values), np.bincount(start, counts))
    first = np.mean(moved, axis=0)[:8]
    np.testing.assert_allclose(first, counts[:8].mean(), atol=4 * np.sqrt(counts[:8].mean() / 400))  # anywhere inside


def coupled(seed=0, rows=6000, strength=0.0):
    """Units 1 and 2 share a slow input; spikes of unit 2 make spikes of unit 1 two bins later, or do not."""
    random = np.random.default_rng(seed)
    common = slow(random, rows, 50)
    sender = random.poisson(0.2 * np.exp(0.7 * common))
    rate = 0.2 * np.exp(0.7 * common)
    rate[2:] *= np.exp(strength * sender[:-2])
    counts = np.stack([random.poisson(rate), sender], axis=1)
    return binned_session(counts, bin_width=0.1, time_itself=(np.arange(rows) + 0.5) / rows)


def test_jitter_tells_a_fast_tie_from_a_slow_common_input():
    settings = {"draws": 99, "null": {"jitter": "1 s"}, "term": "pairs"}
    tied = examine(coupled(strength=0.8), ("pairs", "short"), **settings)
    assert tied.attrs["null"] == "jitter" and float(tied["p"][0]) == 0.01
    p = [float(examine(coupled(seed), ("pairs", "short"), **settings)["p"][0]) for seed in range(1, 7)]
    assert sum(value <= 0.05 for value in p) <= 1
    slow_tie = examine(coupled(1), ("pairs", "short"), draws=99, null="circular", term="pairs", drift=True)
    assert float(slow_tie["p"][0]) <= 0.05  # a shift asks another question


def test_a_sender_is_not_moved_to_where_it_was_not_observed():
    binned = coupled()
    exposure = np.ones(binned["response"].shape, np.float32)
    exposure[2000:2500, 1] = 0
    counts = binned["response"].values * (exposure > 0).astype(np.uint16)
    binned["response"] = (binned["response"].dims, counts, binned["response"].attrs)
    binned["exposure"] = (("time", "unit"), exposure)
    found = examine(binned, ("pairs",), term="pairs", null={"jitter": "1 s"}, draws=19)
    assert np.isfinite(found["null"]).all()


# ---------------------------------------------------------------- trials


def test_whole_trials_are_exchanged_within_their_group():
    trial = np.repeat([0, 1, 2, 3, 4], [4, 6, 6, 2, 5])
    offset = np.concatenate([np.arange(n) for n in (4, 6, 6, 2, 5)])
    group = np.repeat([0, 0, 1, 0, 1], [4, 6, 6, 2, 5])
    exchange = exchangeable_rows(trial, offset, group)
    # of group 0: two trials by four offsets keep more rows than three by two; of group 1 five offsets of two
    assert exchange.inside.tolist() == [True] * 4 + [True] * 4 + [False] * 2 + [True] * 5 + [False] * 3 + [True] * 5
    assert exchange.trials == 4
    inside = np.flatnonzero(exchange.inside)
    seen = set()
    for seed in range(20):
        order = exchange.order(np.random.default_rng(seed))
        np.testing.assert_array_equal(offset[inside][order], offset[inside])
        np.testing.assert_array_equal(group[inside][order], group[inside])
        assert sorted(order) == list(range(len(inside)))
        seen.add(tuple(order))
    assert len(seen) == 4  # two groups of two


def by_trials(seed=0, gain=0.0, trials=60, length=20):
    """Trials of a block's own level, a cue of each trial at random within blocks, and units that follow the level."""
    random = np.random.default_rng(seed)
    block = np.repeat(np.arange(6), trials // 6)
    level = random.normal(size=6)[block]
    cue = 0.7 * level + random.normal(size=trials)
    rows = trials * length
    at = np.tile(np.arange(length), trials)
    drive = np.repeat(cue, length) * np.exp(-at / 6)
    rate = 0.6 * np.exp(0.8 * np.repeat(level, length) * np.exp(-at / 6) + gain * drive)
    counts = random.poisson(rate[:, None], (rows, 3))
    more = {"begins": (at == 0).astype(float), "block": np.repeat(block, length), "drive": drive}
    return binned_session(counts, bin_width=0.05, time_itself=(np.arange(rows) + 0.5) / rows, **more)


def test_trials_are_exchanged_where_blocks_would_deceive():
    null = {"trials": {"starts": "begins", "within": ["block"]}}
    found = examine(by_trials(gain=0.6), ("drive",), null=null, draws=199)
    assert found.attrs["null"] == "trials" and (found["p"].values <= 0.01).all() and (found["stretches"] == 60).all()
    p = np.array([examine(by_trials(seed), ("drive",), null=null, draws=99)["p"].values for seed in range(1, 6)])
    assert (p <= 0.05).mean() <= 0.2
    free = examine(by_trials(1), ("drive",), null={"trials": {"starts": "begins"}}, draws=99)
    assert (free["p"].values <= 0.05).sum() >= 2  # a block's level passes for the cue where all may be exchanged


def test_epochs_are_trials_and_rows_without_counterpart_are_said():
    segment = np.repeat(np.arange(20), 50)
    segment[975:] = 20  # a trial of half the length
    binned = session(rows=1000, units=2, segment=segment)
    found = examine(binned, ("drive",), null="trials", draws=19, pieces=None)
    assert (found["stretches"] == 19).all() and found.attrs["rows"] == 950
    with pytest.raises(ProblemError, match="no group has two trials"):
        examine(session(rows=400, units=2), ("drive",), null="trials", draws=19)
    with pytest.raises(ProblemError, match="marks no trial"):
        none = session(rows=400, units=2, never=np.zeros(400))
        examine(none, ("drive",), null={"trials": {"starts": "never"}}, draws=19)


# ---------------------------------------------------------------- draws of the experimenter


def test_draws_from_a_file_are_ranked_as_they_are(tmp_path):
    binned = session(gain=0.5, units=2)
    random = np.random.default_rng(7)
    draws = np.stack([slow(random, 2000, 20) for _ in range(30)])
    np.savez(tmp_path / "small.npz", drive=draws)
    null = {"draws": str(tmp_path / "{session}.npz")}
    found = examine(binned, ("drive", "drift"), null=null, draws=999)
    assert found.sizes["draw"] == 30 and json.loads(found.attrs["said"]) == [
        "the file holds 30 draws of the 999 that were asked for"
    ]
    stages, kept = design_rows(binned, "drive", "drift")
    y = stages.counts[kept, 0]
    fit = fit_splits(stages.design("drift")[kept], y[:, None], np.ones((1, len(y)), bool), np.zeros((1, len(y)), bool))
    mu = np.exp(stages.design("drift")[kept] @ fit.coef[0, 0, 0] + fit.intercept[0, 0, 0])
    rest = prepare_rest(stages.design("drift")[kept], y - mu, mu)
    span = (float(binned["drive"].min()), float(binned["drive"].max()))
    assert json.loads(stages.features[0].attrs["bounds"]) == [[]] and span[0] < span[1]
    row = stages.features[0]["row"].values[kept]
    expected = [score_statistic(each[row, None].astype(np.float32).astype(float), rest)[0] for each in draws]
    np.testing.assert_allclose(found["null"].values[0], expected, rtol=1e-4, atol=1e-4)
    assert float(found["p"][0]) == 1 / 31


def test_draws_beside_times_and_draws_by_a_function(tmp_path):
    binned = session(gain=0.5, units=2)
    time = np.linspace(-1, 201, 5000)
    random = np.random.default_rng(1)
    np.savez(tmp_path / "a.npz", time=time, drive=np.sin(time + random.uniform(0, 6, (25, 1))))
    found = examine(binned, ("drive", "drift"), null={"draws": str(tmp_path / "a.npz")})
    assert found.sizes["draw"] == 25 and float(found["p"][0]) == 1 / 26
    (tmp_path / "g.py").write_text(
        "import numpy as np\n\n\ndef sine(time, random, session):\n"
        "    assert session == 'small'\n    return np.sin(time + random.uniform(0, 6))\n"
    )
    null = {"draws": f"{tmp_path}/g.py:sine"}
    first, again = (examine(binned, ("curve", "drift"), term="curve", null=null, draws=39) for _ in range(2))
    assert float(first["p"][0]) == 1 / 40
    np.testing.assert_array_equal(first["null"], again["null"])
    with pytest.raises(ProblemError, match="has no function 'cosine'"):
        examine(binned, ("drive", "drift"), null={"draws": f"{tmp_path}/g.py:cosine"})


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"other": np.zeros((20, 2000))}, "has no array 'drive'"),
        ({"drive": np.zeros((20, 7))}, "the session has 2000 bins"),
        ({"drive": np.zeros((3, 2000))}, "holds 3 draws"),
        ({"drive": np.full((20, 2000), np.nan)}, "has no value where the recording has one"),
        ({"drive": np.zeros((20, 9)), "time": np.zeros(9)}, "is not one rising time a sample"),
        ({"drive": np.full((20, 2000), "a")}, "not one number a bin"),
    ],
)
def test_files_of_draws_that_say_something_else_are_refused_in_words(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ProblemError, match=words):
        examine(session(units=2), ("drive",), null={"draws": str(tmp_path / "a.npz")})
    (tmp_path / "b.npz").write_bytes(b"no archive")
    with pytest.raises(ProblemError, match=r"is no `\.npz` of arrays"):
        examine(session(units=2), ("drive",), null={"draws": str(tmp_path / "b.npz")})
    with pytest.raises(ProblemError, match="there is no file"):
        examine(session(units=2), ("drive",), null={"draws": str(tmp_path / "c.npz")})


def test_values_beyond_the_range_of_the_functions_are_taken_at_its_end():
    binned = session(units=2)
    store = build_features(binned, Term.model_validate({"of": "drive", "basis": {"bspline": {"n": 5}}}), name="curve")
    low, high = json.loads(store.attrs["bounds"])[0]
    wild = binned.assign(drive=(("time",), binned["drive"].values * 10, binned["drive"].attrs))
    held = within_bounds(store, wild)["drive"].values
    assert held.min() == low and held.max() == high


# ---------------------------------------------------------------- sessions


def many(count, gain, rows=1200):
    names = [f"s{k}" for k in range(count)]
    made = {}
    for k, name in enumerate(names):
        binned = session(seed=k, gain=gain, rows=rows + 10 * k, units=2)
        made[name] = binned.assign_attrs(session=name)
    return made


@pytest.mark.parametrize(("gain", "found"), [(0.4, True), (0.0, False)])
def test_all_sessions_together_decide_where_none_can_alone(gain, found):
    sessions = many(6, gain)
    stores = []
    for name, binned in sessions.items():
        others = {other: it for other, it in sessions.items() if other != name}
        stores.append(examine(binned, ("drive", "drift"), null="sessions", others=others))
    assert all(store.sizes["draw"] == 5 and (store["floor"] == 1 / 6).all() for store in stores)
    assert {int(store.attrs["rows"]) for store in stores} == {1200}
    tests, population = gather_tests(stores, FalseDiscoveries())
    assert not tests.significant.any() and tests.warning.str.contains("no p value of a unit lies below 0.17").all()
    assert (population.p_sessions <= 0.05).all() == found


def test_a_session_alone_has_none_to_exchange_with():
    with pytest.raises(ProblemError, match="there is no other session"):
        examine(session(units=2), ("drive",), null="sessions")


def test_joint_permutations_of_sessions():
    ranks = {a: {b: float(a == b) for b in "abcd"} for a in "abcd"}
    assert exchanged_sessions(ranks) == 1 / 24
    assert exchanged_sessions({a: dict.fromkeys("abcd", 0.5) for a in "abcd"}) == 1.0
    nine = {a: {b: float(a == b) for b in "abcdefghi"} for a in "abcdefghi"}
    assert exchanged_sessions(nine, draws=999) == pytest.approx(1 / 1000, abs=2 / 1000)
    assert np.isnan(exchanged_sessions({"a": {"a": 1.0}}))
    assert mean_ranks(np.array([[3.0, 1, 2], [1, 1, 2]])).tolist() == [0.625, 0.125, 0.75]


# ---------------------------------------------------------------- Fourier transforms


@pytest.mark.parametrize("rows", [600, 601, 1009])
def test_shifts_of_any_length_and_of_several_circles(rows):
    random = np.random.default_rng(0)
    term, rest = random.normal(size=(rows, 3)), random.normal(size=(rows, 4))
    residual, weight = random.normal(size=rows), random.random(rows) + 0.1
    prepared = prepare_rest(rest, residual, weight)
    penalty = np.diag([1.0, 20.0, 0.0])
    shifts = random.integers(0, rows, 9)
    found, _ = shifted_statistics(term, prepared, shifts, penalty=penalty)
    expected = [score_statistic(np.roll(term, shift, axis=0), prepared, penalty)[0] for shift in shifts]
    np.testing.assert_allclose(found, expected)
    alone = prepare_rest(rest[:, :0], residual, np.full(rows, 0.3))
    found, _ = shifted_statistics(term, alone, shifts, penalty=penalty)
    each = [score_statistic(np.roll(term, shift, axis=0), alone, penalty)[0] for shift in shifts]
    np.testing.assert_allclose(found, each)
    circle = np.repeat([0, 1], [250, rows - 250])
    pairs = random.integers(0, 250, (9, 2))
    found, _ = shifted_statistics(term, prepared, pairs, circle=circle)
    moved = [np.concatenate([np.roll(term[:250], a, axis=0), np.roll(term[250:], b, axis=0)]) for a, b in pairs]
    np.testing.assert_allclose(found, [score_statistic(each, prepared)[0] for each in moved])
    inside = np.zeros(rows)
    inside[rows // 4 : rows - rows // 4] = 1
    central = prepare_rest(rest, residual * inside, weight * inside)
    spaced, _ = shifted_statistics(term, central, 7 * np.arange(-10, 11), spaced=7)
    each = [score_statistic(np.roll(term, shift, axis=0), central)[0] for shift in 7 * np.arange(-10, 11)]
    np.testing.assert_allclose(spaced, each)


# ---------------------------------------------------------------- the study


def study_with(test, **more):
    from nwbglm.study import read_study

    config = {
        "study": "s", "recordings": {"a": {"nwb": "a.nwb"}, "b": {"nwb": "b.nwb"}},
        "epochs": {"use": {"table": "epochs"}}, "bin": "10 ms",
        "signals": {"x": {"from": "x"}, "t": {"of": "time"}},
        "terms": {
            "x": {"of": "x", "basis": "identity"},
            "drift": {"of": "t", "basis": {"polynomial": {"degree": 3}}},
            "coupling": {"of": "other spikes", "basis": {"raised_cosine_log": {"n": 3, "window": "100 ms"}}},
            "history": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 3, "window": "100 ms"}}},
        },
        "models": {"full": ["x", "drift", "coupling", "history"]},
        "fit": {"folds": {"blocks": 5, "pieces": 40}},
        "inference": {"tests": {"t": {"model": "full", **test}}},
    }  # fmt: skip
    return read_study(config | more)


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ({"term": "coupling", "null": "sessions"}, "only signals can be of another session"),
        ({"term": "coupling", "null": {"draws": "a.npz"}}, "only signals can be of a generator"),
        ({"term": "drift", "null": "sessions"}, "is of time itself"),
        ({"term": "x", "null": {"jitter": "40 ms"}}, "is not of 'other spikes'"),
        ({"term": "history", "null": {"jitter": "40 ms"}}, "would tell of themselves"),
        ({"term": "coupling", "null": {"jitter": "10 ms"}}, "moves nothing; use a width of two bins"),
        ({"term": "coupling", "null": "jitter"}, "is not a duration"),
        ({"term": "x", "null": {"trials": {"starts": "y"}}}, "null.trials.starts: there is no signal 'y'"),
        ({"term": "x", "null": {"draws": "draws.csv"}}, "neither a file `.npz` nor a function"),
        ({"term": "x", "null": "shuffle"}, "unknown key"),
        ({"term": "x", "null": {}}, "name exactly one of: auto, circular"),
    ],
)
def test_nulls_that_cannot_be_are_refused_in_words(test, words):
    with pytest.raises(StudyError, match=words):
        study_with(test)


def test_what_a_study_hands_on():
    study = study_with({"term": "x", "null": {"draws": "draws/{session}.npz"}})
    assert study.draws_file("t", "a") == "draws/a.npz" and study.others("t", "a") == ()
    with pytest.raises(StudyError, match=r"inference.tests.t.null.draws.of: there is no file 'draws/a.npz'"):
        study.refuse_missing()
    assert study_with({"term": "x", "null": "sessions"}).others("t", "a") == ("b",)
    for null in ("linear", {"circular": {"least": "3 s"}}, {"jitter": "40 ms"}, {"draws": "g.py:f"}, {"trials": {}}):
        test = TermTest(term="x", model="m", null=null)
        assert TermTest.model_validate(test.dump()) == test
