"""What the tests of a study can resolve, told before it is run: its recordings are binned, and its units simulated."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from nwbglm.binning import bin_recording
from nwbglm.binning.join import join_recordings
from nwbglm.crossval import split_rows
from nwbglm.errors import NwbGlmError, StudyError
from nwbglm.features import build_features
from nwbglm.inference.resolve import Resolution, resolve_test
from nwbglm.recording import open_recording
from nwbglm.simulate import simulate_recording
from nwbglm.study import Study


def foresee(study: Study, *, repeats: int = 20, seed: int = 0) -> Iterator[Resolution | NwbGlmError]:
    """Say what each test of a study can resolve in each session.

    Parameters
    ----------
    study
        A valid study with tests.
    repeats
        Simulated units of each effect.
    seed
        Of these.

    Yields
    ------
    Resolution or NwbGlmError
        What is known of a test in a session; or why a session, or a test in it, cannot be looked at.

    Raises
    ------
    StudyError
        If the study has no tests.
    """
    if not study.inference.tests:
        raise StudyError(
            "the study tests no term",
            where="inference.tests",
            mend="name one, such as `inference: {tests: {drive: {term: drive, model: full}}}`",
        )
    sessions: dict[str, xr.Dataset] = {}
    for name in study.sessions:
        try:
            sessions[name] = _binned(study, name)
        except NwbGlmError as error:
            yield error
    units = sum(binned.sizes["unit"] for binned in sessions.values())
    for name, binned in sessions.items():
        try:
            features = [build_features(binned, study.terms[term], name=term) for term in study.used_terms]
            folds = split_rows(binned, features, study.fit.folds, seed=study.seed)
        except NwbGlmError as error:
            yield error
            continue
        for test, entry in study.inference.tests.items():
            try:
                yield resolve_test(
                    binned, folds, features, test=entry, name=test, model=study.model_settings(entry.model),
                    fit=study.fit, fdr=study.inference.fdr, drift=study.rest_has_drift(test), all_units=units,
                    others={other: sessions[other] for other in study.others(test, name) if other in sessions},
                    repeats=repeats, seed=seed,
                )  # fmt: skip
            except NwbGlmError as error:
                yield error


def _binned(study: Study, session: str) -> xr.Dataset:
    """Bring a session to its bins; a simulated recording is made and thrown away again."""
    parts = []
    for name in study.members(session):
        source = study.recordings[name].nwb
        if source.simulate is not None:
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / f"{name}.nwb")
                simulate_recording(source.simulate.kind, path, seed=source.simulate.seed)
                parts.append(_open(study, name, path))
        elif source.made:
            path = f"results/{study.study}/recordings/{name}.nwb"
            if not Path(path).exists():
                raise StudyError("the recording was not downloaded yet", where=f"recordings.{name}.nwb",
                                 mend=f"snakemake --configfile STUDY {path}")  # fmt: skip
            parts.append(_open(study, name, path))
        else:
            parts.append(_open(study, name, str(source.streamed or source.path)))
    if session not in study.join:
        return parts[0]
    return join_recordings(parts, session=session, match=study.join[session].match, left_out={})


def _open(study: Study, name: str, path: str) -> xr.Dataset:
    with open_recording(path, session=name, external=study.audit.external_links) as recording:
        return bin_recording(recording, study.data).assign_attrs(session=name)
