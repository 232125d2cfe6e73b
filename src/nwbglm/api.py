"""The public face: what a notebook or another program needs, under names that stay.

Each function is a thin layer over the stage that the workflow runs, with the same results. Data go from one to the next
as xarray datasets of a known layout (docs/stores.md):

    bin_recording -> binned -> make_features -> features -> fit, cross_validate -> fits -> compute_filters,
                                                                                    predict_rates, simulate_spikes

Settings are written as in a study file (docs/study.md), as text, numbers and mappings: ``bin="10 ms"``. Nothing heavy
is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    import xarray as xr
    from numpy.typing import ArrayLike

    from nwbglm.audit import Audit
    from nwbglm.study import DataSettings, Fit, Study

__all__ = [
    "bin_recording",
    "compute_filters",
    "compute_intervals",
    "cross_validate",
    "fit",
    "inspect_recording",
    "make_features",
    "open",
    "predict_rates",
    "read_study",
    "simulate_recording",
    "simulate_spikes",
]


def open(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a result store (``*.zarr.zip``) as an xarray dataset, lazily, after checking its contract.

    `xarray.open_zarr` needs to be told that the store is a zip file.

    Parameters
    ----------
    path
        A file below ``results/<study>/``.

    Raises
    ------
    StoreError
        The file is missing, damaged, or breaks the contract of its kind.
    nwbglm.store.Excluded
        The session was left out; the message is the reason.

    Examples
    --------
    >>> import nwbglm
    >>> fits = nwbglm.open("results/small/fits/history/cell.0-of-1.zarr.zip")
    >>> fits.coef.dims
    ('unit', 'feature')
    """
    from nwbglm import store

    return store.read(path)


def read_study(source: str | os.PathLike[str] | Mapping[str, Any]) -> Study:
    """Read and validate a study: a YAML file, or what such a file holds.

    Parameters
    ----------
    source
        The file's path, or a mapping.

    Returns
    -------
    Study
        Immutable; every option has its value. ``study.dump()`` is plain data that reads back equal.

    Raises
    ------
    StudyError
        With a line for every mistake.

    Examples
    --------
    >>> study = nwbglm.read_study("study.yaml")
    >>> study.bin, list(study.models)
    (0.001, ['constant', 'history'])
    """
    from nwbglm.study import load_study, read_study

    return read_study(dict(source)) if isinstance(source, Mapping) else load_study(source)


def inspect_recording(path: str | os.PathLike[str], study: Study | None = None, *, session: str = "") -> Audit:
    """Say what is in an NWB file, what a study takes of it, and what looks wrong with either.

    Parameters
    ----------
    path
        The file, or the address of one on a server.
    study
        Whose settings are tried on it; None: look at the file alone.
    session
        What to call it. Default: the file's name.

    Returns
    -------
    Audit
        ``print(audit.text())``; ``audit.verdict`` is ``pass``, ``warn`` or ``fail``; ``audit.contents`` and
        ``audit.findings`` are data. A file that cannot be read is a failing audit, not an error.

    Examples
    --------
    >>> audit = nwbglm.inspect_recording("cell.nwb")
    >>> audit.verdict, audit.contents["units"]["count"]
    ('warn', 1)
    """
    from nwbglm.audit import audit_recording

    return audit_recording(str(path), study, session=session or Path(path).stem)


def bin_recording(
    path: str | os.PathLike[str], study: Study | None = None, *, session: str = "", **settings: Any
) -> xr.Dataset:
    """Bring a recording to one time axis: responses, signals, epochs.

    Parameters
    ----------
    path
        The NWB file, or the address of one on a server.
    study
        Whose settings are used.
    session
        What to call it. Default: the file's name.
    **settings
        Without a study, its parts about data: `epochs` and `bin`, and where needed `units`, `signals`, `blank`.

    Returns
    -------
    xarray.Dataset
        A ``binned`` store: ``response (time, unit)``, spike counts as a rule; one variable ``(time)`` for each signal;
        ``segment (time)``, ``in_epoch (purpose, time)``; what the file knows of the units is along ``unit``.

    Raises
    ------
    StudyError
        A setting is not understood.
    RecordingError
        The file does not hold what the settings ask of it.

    Examples
    --------
    >>> binned = nwbglm.bin_recording(
    ...     "cell.nwb",
    ...     bin="1 ms",
    ...     epochs={"use": {"tags": "Noise 1"}},
    ...     signals={"current": {"from": "stimulus", "units": "pA"}},
    ... )
    >>> dict(binned.response.sizes)
    {'time': 75000, 'unit': 1}
    """
    from nwbglm.binning import bin_recording
    from nwbglm.recording import open_recording

    chosen = _data_settings(study, settings)
    name = session or Path(path).stem
    with open_recording(str(path), session=name, external=chosen.audit.external_links) as recording:
        return bin_recording(recording, chosen)


def make_features(binned: xr.Dataset, terms: Study | Mapping[str, Any]) -> dict[str, xr.Dataset]:
    """Turn terms (an input and a basis each) into features.

    Parameters
    ----------
    binned
        A ``binned`` store.
    terms
        Name and settings of each, as in a study; or a study, all of whose terms are made.

    Returns
    -------
    dict of xarray.Dataset
        A ``features`` store for each term: ``features (time, feature)``, ``valid (time)`` where they are known, the
        basis functions on their grid.

    Raises
    ------
    StudyError
        A setting is not understood.
    ProblemError
        No bin has all values of a term.

    Examples
    --------
    >>> features = nwbglm.make_features(
    ...     binned, {"history": {"of": "current", "basis": {"raised_cosine_log": {"n": 5, "window": "100 ms"}}}}
    ... )
    >>> features["history"].features.sizes["feature"]
    5
    """
    from nwbglm.features import build_features
    from nwbglm.study import Study, Term
    from nwbglm.study.base import validate

    known = terms.terms if isinstance(terms, Study) else terms
    parsed = {
        name: term if isinstance(term, Term) else validate(Term, term, f"terms.{name}") for name, term in known.items()
    }
    return {name: build_features(binned, term, name=name) for name, term in parsed.items()}


def fit(
    features: Mapping[str, xr.Dataset] | xr.DataArray | ArrayLike,
    response: xr.Dataset | xr.DataArray | ArrayLike,
    *,
    terms: Sequence[str] | None = None,
    name: str = "model",
    bin: float | str = 1.0,
    history: float | str = 0.0,
    segment: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    halves: bool = False,
    folds: Mapping[str, Any] | int = 0,
    seed: int = 0,
    **settings: Any,
) -> xr.Dataset:
    """Fit a generalised linear model to every unit at once.

    Parameters
    ----------
    features
        What `make_features` made; or a matrix (time, feature), whose rows with a missing value are left out.
    response
        The ``binned`` store that the features were made of; or, for a matrix, responses (time,) or (time, unit).
    terms
        Names of the features to use, in this order. Default: all. (Not for a matrix.)
    name
        What to call the model.
    bin, history
        Of a matrix: width of a row (``"10 ms"``, or s), and how far into the past its features reach.
    segment
        Of a matrix: (time,) integers that say which rows follow each other; folds keep their gap within them.
    exposure
        Of a matrix: (time, unit) share of each bin in which the unit was observed.
    halves
        Whether to fit each half of the rows alone, too.
    folds
        Cross-validation: see `cross_validate`. 0: none.
    seed
        Of a random deal of folds.
    **settings
        As in a study's ``fit``: `observations` (default ``"poisson"``), `penalty` (here the default is ``"none"``;
        ``{"ridge": {"strength": 0.1}}``), `choose`, `nested`, `tolerance`, `precision`, `memory`.

    Returns
    -------
    xarray.Dataset
        A ``fits`` store with scores. Coefficients: ``coef (unit, feature)`` in the features' own units and ``intercept
        (unit)``, for the log expected count a bin where the link is exponential. Scores: ``bits_per_spike``,
        ``deviance_explained``, ``pseudo_r2_mcfadden``, ... ``(kind, unit)`` for the kinds ``in-sample``, ``held-out``
        and ``test`` that there are, NaN where a score is undefined. Certificates: ``status`` (words in its attributes),
        ``gap``, ``gradient_norm``, ``iterations (unit, fit, strength)``.

    Raises
    ------
    StudyError
        A setting is not understood.
    ProblemError
        What is asked for is impossible: several strengths to choose from without folds, more features than rows.

    Examples
    --------
    Arrays in, a dataset out:

    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> x = random.normal(size=(5000, 2))
    >>> counts = random.poisson(np.exp(x @ [0.5, -0.3] - 1.0))
    >>> fits = nwbglm.fit(x, counts)
    >>> fits.coef.values.round(1).tolist(), fits.intercept.values.round(1).tolist()
    ([[0.5, -0.3]], [-1.0])

    Features of a recording:

    >>> fits = nwbglm.fit(features, binned)
    >>> fits.bits_per_spike.sel(kind="in-sample").item() > 0.1
    True
    """
    import xarray as xr

    if not isinstance(response, xr.Dataset):
        if isinstance(features, Mapping) or terms is not None:
            raise TypeError("features of a recording are fitted to its binned store; a matrix has no terms")
        return _fit_arrays(
            features, response, name, bin, history, segment, exposure, halves, _fit_settings(folds, settings), seed
        )
    if not isinstance(features, Mapping):
        raise TypeError("a binned store is fitted by features of make_features; a matrix by a matrix of responses")
    from nwbglm.crossval import split_rows
    from nwbglm.fits.model import fit_model
    from nwbglm.study import Model

    chosen = _fit_settings(folds, settings)
    used = [str(term) for term in (features if terms is None else terms)]
    stores = [features[term] for term in used]
    rows = split_rows(response, stores, chosen.folds, seed=seed)
    model = Model(terms=tuple(used), halves=halves)
    return _with_scores(fit_model(response, rows, stores, model=model, fit=chosen, name=name))


def cross_validate(
    features: Mapping[str, xr.Dataset] | xr.DataArray | ArrayLike,
    response: xr.Dataset | xr.DataArray | ArrayLike,
    *,
    folds: Mapping[str, Any] | int = 5,
    **settings: Any,
) -> xr.Dataset:
    """Fit as `fit` does, choose the penalty's strength by held-out rows, and score on them.

    A fold's score uses the strength that was chosen without it; rows within reach of a test row's history are not
    trained on.

    Parameters
    ----------
    features, response
        As in `fit`.
    folds
        How many contiguous blocks of rows, or a study's ``fit.folds``: ``{"blocks": 5, "cut": "epochs"}``.
    **settings
        As in `fit`. The penalty's strength may be a path: ``{"ridge": {"strength": {"log": [1e-6, 1, 8]}}}``.

    Returns
    -------
    xarray.Dataset
        As `fit` returns, with scores of the kind ``held-out``; ``fold_coef``, ``test_log_likelihood (unit, fold,
        strength)``, ``chosen``, ``fold_chosen`` and ``at_edge`` say how they came about.

    Examples
    --------
    >>> fits = nwbglm.cross_validate(features, binned, penalty={"ridge": {"strength": {"log": [1e-6, 1, 4]}}})
    >>> fits.bits_per_spike.sel(kind="held-out").item() > 0.1
    True
    """
    return fit(features, response, folds=folds, **settings)


def compute_filters(fits: xr.Dataset, term: str, *, of: str = "coef") -> xr.DataArray:
    """Turn a term's coefficients into a filter over lags, or into tuning over values.

    Parameters
    ----------
    fits
        Fits of a recording's features.
    term
        The term's name.
    of
        Which fits: ``coef`` (final), ``fold_coef`` or ``half_coef``; the latter two keep their axis.

    Returns
    -------
    xarray.DataArray
        What one unit of input (a spike; the signal's units) adds to the linear predictor, which is the log expected
        count for an exponential link: ``(receiver, sender, lag)``, ``(unit, lag)`` or ``(unit, value)``; lags in s.

    Examples
    --------
    >>> kernel = nwbglm.compute_filters(fits, "history")
    >>> kernel.dims, float(kernel.lag.max())
    (('unit', 'lag'), 0.1)
    """
    from nwbglm.filters import filters

    return filters(fits, term, of=of)


def compute_intervals(
    fits: xr.Dataset,
    features: Mapping[str, xr.Dataset],
    binned: xr.Dataset,
    *,
    level: float = 0.95,
    blocks: int = 50,
    method: str = "block",
) -> xr.Dataset:
    """Say how sure the filters of a fit are, over lags and over values.

    Parameters
    ----------
    fits
        Fits of a recording's features, by `fit`, `cross_validate` or the workflow.
    features, binned
        What they were fitted to.
    level, blocks, method
        As in a study's ``inference.intervals``: ``block`` (from the scores of blocks of rows, Student's t) or
        ``laplace`` (the curvature alone).

    Returns
    -------
    xarray.Dataset
        A store of kind ``intervals``: ``value``, ``low``, ``high`` (at each point by itself), ``low_all``, ``high_all``
        (the whole filter) ``(unit, point)``; a point has a ``term``, an ``input``, an ``axis`` and a place ``at`` on
        it. ``reason (unit)`` says why a unit has none; warnings are in the attribute ``warnings`` (JSON).

    Examples
    --------
    >>> bands = nwbglm.compute_intervals(fits, features, binned)
    >>> bands.value.dims, bool((bands.low <= bands.high).all())
    (('unit', 'point'), True)
    """
    import json

    import numpy as np

    from nwbglm.crossval import split_rows
    from nwbglm.inference.intervals import infer_filters
    from nwbglm.study import Fit, Folds, Model
    from nwbglm.study.base import validate
    from nwbglm.study.inference import Intervals

    terms = tuple(json.loads(fits.attrs["terms"]))
    chosen = validate(Intervals, {"level": level, "blocks": blocks, "method": method}, "intervals")
    stores = [features[term] for term in terms]
    scheme = Folds.model_validate(json.loads(fits.attrs["scheme"]))
    folds = split_rows(binned, stores, scheme, seed=int(fits.attrs["seed"]))
    trained = fits["row"].values[fits["trained"].sel(fit="final").values]
    folds["final"] = folds["final"] & np.isin(folds["row"].values, trained)  # other models may have narrowed them
    inputs = {name for store in stores for name in str(store.attrs["of"]).split(" x ")}
    drift = any(binned[name].attrs.get("source") == "time" for name in inputs if name in binned)
    return infer_filters(
        binned, folds, stores, fits, intervals=chosen, model=Model(terms=terms),
        fit=Fit.model_validate(json.loads(fits.attrs["settings"])), drift=drift,
    )  # fmt: skip


def predict_rates(
    fits: xr.Dataset, data: xr.Dataset | xr.DataArray | ArrayLike, *, match: Mapping[int, int] | str | None = None
) -> xr.DataArray:
    """Predict rates on any recording, or for any rows of a matrix.

    Parameters
    ----------
    fits
        What `fit` or `cross_validate` returned, or a store of the workflow.
    data
        A ``binned`` store with the signals and units that the model needs (not necessarily the one it was fitted to);
        for fits of a matrix, another one with the same columns.
    match
        Where spikes drive the model and the recording is of another session: its unit for each unit of the fit, by
        id, or ``by id`` if equal ids are the same neurons.

    Returns
    -------
    xarray.DataArray
        Hz, (time, unit), by the final fit; NaN where the features are not known.

    Raises
    ------
    ProblemError
        The recording lacks what the model needs.

    Examples
    --------
    >>> later = nwbglm.bin_recording(
    ...     "cell.nwb",
    ...     bin="1 ms",
    ...     epochs={"use": {"tags": "Noise 2"}},
    ...     signals={"current": {"from": "stimulus", "units": "pA"}},
    ... )
    >>> rate = nwbglm.predict_rates(fits, later)
    >>> rate.dims, rate.attrs["units"]
    (('time', 'unit'), 'Hz')
    """
    import xarray as xr

    if isinstance(data, xr.Dataset):
        from nwbglm.fits.predict import predict_recording

        return predict_recording(fits, data, match=match)
    from nwbglm.fits.arrays import predict_arrays

    return predict_arrays(fits, _matrix(data))


def simulate_spikes(fits: xr.Dataset, binned: xr.Dataset, *, draws: int = 1, seed: int = 0) -> xr.Dataset:
    """Draw spikes from a fitted model, driven by a recording's signals and by the spikes that it draws.

    Parameters
    ----------
    fits
        Fits of all units of a session.
    binned
        The recording whose signals drive the model; its spikes are not used.
    draws
        How many independent simulations.
    seed
        Of the random numbers.

    Returns
    -------
    xarray.Dataset
        ``response (draw, time, unit)``; ``valid (time)``; ``ran_away (draw)``: when a rate first passed what a
        neuron can do, s, NaN where none did; ``rate (draw, unit)`` and ``fitted_rate (unit)``, Hz, and where the first
        is far above the second, ``too_fast (draw, unit)``; loop gains.

    Raises
    ------
    ProblemError
        A term multiplies spikes with something else or looks into the future, or the bins differ.

    Examples
    --------
    >>> drawn = nwbglm.simulate_spikes(fits, binned, draws=2, seed=0)
    >>> dict(drawn.response.sizes)
    {'draw': 2, 'time': 75000, 'unit': 1}
    """
    from nwbglm.fits.generate import simulate

    return simulate(fits, binned, draws=draws, seed=seed)


def simulate_recording(kind: str, path: str | os.PathLike[str], *, seed: int, **options: Any) -> xr.Dataset:
    """Draw a recording from known truth, write it as NWB, and return the truth.

    Parameters
    ----------
    kind
        ``head_direction`` (a population of coupled cells), ``injected_current`` (a patch-clamped neuron) or ``trials``
        (kernels of events, a side, drift).
    path
        The NWB file to write. The same kind, seed and options give the same bytes.
    seed
        Of everything that is drawn.
    **options
        Fields of `HeadDirection`, `InjectedCurrent` or `Trials` (all in `nwbglm.simulate`).

    Returns
    -------
    xarray.Dataset
        Baselines, filters, coupling and tuning, by unit.

    Examples
    --------
    >>> truth = nwbglm.simulate_recording("injected_current", "another.nwb", seed=2)
    >>> "current_filter" in truth
    True
    """
    from nwbglm.simulate import simulate_recording

    return simulate_recording(kind, path, seed=seed, **options)


def _data_settings(study: Study | None, settings: Mapping[str, Any]) -> DataSettings:
    from nwbglm.study import DataSettings
    from nwbglm.study.base import validate

    if study is None:
        return validate(DataSettings, dict(settings), "bin_recording")
    if settings:
        raise TypeError(f"with a study, its settings are used: leave out {', '.join(settings)}")
    return study


def _fit_settings(folds: Mapping[str, Any] | int, settings: Mapping[str, Any]) -> Fit:
    from nwbglm.study import Fit
    from nwbglm.study.base import validate

    cut = {"blocks": folds} if isinstance(folds, int) else dict(folds)
    return validate(Fit, {"penalty": "none", **settings, "folds": cut}, "fit")


def _fit_arrays(
    features: Any,
    response: Any,
    name: str,
    bin: float | str,
    history: float | str,
    segment: ArrayLike | None,
    exposure: ArrayLike | None,
    halves: bool,
    settings: Fit,
    seed: int,
) -> xr.Dataset:
    import numpy as np

    from nwbglm.fits.arrays import fit_arrays
    from nwbglm.study import Model

    matrix, responses = _matrix(features), _responses(response)
    fits = fit_arrays(
        matrix,
        responses,
        model=Model(terms=("X",), halves=halves),
        fit=settings,
        name=name,
        bin=_seconds(bin, "bin"),
        history=_seconds(history, "history"),
        segment=None if segment is None else np.asarray(segment),
        exposure=None if exposure is None else np.asarray(exposure, dtype=float).reshape(responses.shape),
        seed=seed,
    )
    return _with_scores(fits)


def _matrix(features: Any) -> xr.DataArray:
    """Return a matrix with names on its axes; columns that nobody named are numbered inputs of a term ``X``."""
    import numpy as np
    import xarray as xr

    values = np.asarray(features, dtype=float)
    if values.ndim != 2:
        raise TypeError(f"features are a matrix (time, feature), not of shape {values.shape}")
    known = features.coords if isinstance(features, xr.DataArray) else {}
    row, column = features.dims if isinstance(features, xr.DataArray) else ("time", "feature")
    count = values.shape[1]
    inputs = known[column].values.astype(str) if column in known else np.arange(count).astype(str)
    labels = {"term": np.full(count, "X"), "input": inputs, "function": np.zeros(count, int)}
    labels |= {key: known[key].values for key in labels if key in known}
    time = known[row].values if row in known else np.arange(len(values))
    coordinates = {"time": time, **{key: ("feature", label) for key, label in labels.items()}}
    return xr.DataArray(values, dims=("time", "feature"), coords=coordinates)


def _responses(response: Any) -> xr.DataArray:
    """Return responses (time, unit) with names on their axes."""
    import numpy as np
    import xarray as xr

    values = np.asarray(response, dtype=float)
    if values.ndim not in (1, 2):
        raise TypeError(f"responses are of shape (time,) or (time, unit), not {values.shape}")
    known = response.coords if isinstance(response, xr.DataArray) else {}
    names = response.dims if isinstance(response, xr.DataArray) else ()
    values = values.reshape(len(values), -1)
    time = known[names[0]].values if names and names[0] in known else np.arange(len(values))
    unit = known[names[1]].values if len(names) == 2 and names[1] in known else np.arange(values.shape[1])
    return xr.DataArray(values, dims=("time", "unit"), coords={"time": time, "unit": unit})


def _seconds(value: float | str, name: str) -> float:
    from nwbglm.study.quantities import parse_duration

    return parse_duration(value) if isinstance(value, str) else float(value)


def _with_scores(fits: xr.Dataset) -> xr.Dataset:
    """Add the scores of each kind (in-sample, held-out, test), over all rows of the kind."""
    from nwbglm.comparison.common import POOLED
    from nwbglm.comparison.scored import score_fit
    from nwbglm.scores import SCORES

    table = score_fit(fits)
    table = table[(table["fold"] == POOLED) | (table["kind"] == "test")]
    kinds = list(dict.fromkeys(table["kind"]))
    names = [score.name for score in SCORES if score.name in table and score.name not in fits]
    wide = table.set_index(["kind", "unit"])[names].to_xarray().sel(kind=kinds, unit=fits["unit"].values)
    return fits.assign(
        {
            score.name: wide[score.name].assign_attrs(role="score", long_name=score.label)
            for score in SCORES
            if score.name in names
        }
    )
