"""Whether results are as they were written: out of the recordings, by the code and from the stores that they name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nwbglm import store
from nwbglm.content import sha256_of
from nwbglm.digest import code_digest
from nwbglm.errors import NwbGlmError, StoreError
from nwbglm.report import CHECKSUMS, read_checksums
from nwbglm.store.archive import MAKE_AGAIN, Archive, damaged
from nwbglm.verdict import read_verdict

SCRIPTS = {
    "binned": ("bin_recording", "join_recordings"),
    "tuning": ("tune_units",),
    "features": ("build_features",),
    "folds": ("split_rows",),
    "fits": ("fit_model",),
    "predictions": ("predict_rates",),
    "tests": ("test_term",),
    "intervals": ("infer_filters",),
    "checks": ("check_fit",),
    "worth": ("weigh_terms",),
    "controls": ("run_control",),
    "ceiling": ("measure_ceiling",),
    "comparison": ("compare_models",),
}
"""The scripts that make what lies in each folder of results."""


@dataclass
class Verified:
    """What was read, and what is wrong with it.

    Parameters
    ----------
    stores, tables, recordings, texts
        How many of each were read; texts are figures, their tables and the report's pages.
    wrong
        What is damaged, or is not what it was made from or by.
    """

    stores: int = 0
    tables: int = 0
    recordings: int = 0
    texts: int = 0
    wrong: list[NwbGlmError] = field(default_factory=list)

    def text(self) -> str:
        """Say how it ended in a line."""
        number = len(self.wrong)
        found = "nothing is" if not number else "1 thing is" if number == 1 else f"{number} things are"
        return (
            f"{found} damaged or changed: {self.stores} stores, {self.tables} tables, {self.recordings} recordings and "
            f"{self.texts} pages and figures were read"
        )


def verify(results: str | Path, places: Mapping[str, str] | None = None, scripts: Path | None = None) -> Verified:
    """Read all that a run has left, and hold it against what it says it was made from.

    Every chunk of every store and table is read; recordings, the stores that others were made from, pages and figures
    are hashed, and the code's digests computed, and each is compared with what was kept when it was used.

    Parameters
    ----------
    results
        The folder of a study's results.
    places
        Where recordings are now, by name; those that it does not name are looked for where they were audited.
    scripts
        The workflow's folder of scripts; None: code is not compared.

    Raises
    ------
    StoreError
        There is no such folder.
    """
    results = Path(results)
    if not results.is_dir():
        raise StoreError(
            "there is no such folder", where=str(results), mend="name a folder of results: results/<study>"
        )
    found = Verified()
    other_code: dict[str, list[Path]] = {}
    audited = _recordings(results, places or {}, found)
    stores, tables = list(_files(results, f"*{store.SUFFIX}")), list(_files(results, "*.parquet"))
    found.stores, found.tables = len(stores), len(tables)
    for path, read_whole in [*((path, _read_store) for path in stores), *((path, _read_table) for path in tables)]:
        try:
            facts = read_whole(path)
        except store.Excluded:
            continue
        except StoreError as error:
            found.wrong.append(error)
            continue
        found.wrong += _made_from(path, results, facts, audited)
        _compare_code(path, results, facts, scripts, other_code)
    for folder, paths in other_code.items():
        found.wrong.append(
            StoreError(
                f"{len(paths)} files were made by other code than this, such as {paths[0].name}",
                where=str(results / folder),
                mend="run the same command again: what another version would compute is made anew",
            )
        )
    _texts(results, found)
    return found


def _files(results: Path, pattern: str) -> Iterator[Path]:
    """List files below a folder, without what killed writers left."""
    for path in sorted(results.rglob(pattern)):
        if not any(part.startswith(".") for part in path.relative_to(results).parts):
            yield path


def _recordings(results: Path, places: Mapping[str, str], found: Verified) -> dict[str, str]:
    """Hold recordings against their audits; return the sha256 of each as it was audited."""
    audited = {}
    for path in sorted((results / "audit").glob("*.json")):
        try:
            verdict = read_verdict(path)
            if verdict.session in places:
                verdict = verdict.at(places[verdict.session])
            audited[verdict.session] = str(verdict.recording.get("sha256", ""))
            if audited[verdict.session]:  # streamed ones have none
                found.recordings += 1
                verdict.raise_if_changed()
        except NwbGlmError as error:
            found.wrong.append(error)
    return audited


def _read_store(path: Path) -> Mapping[str, Any]:
    """Read every chunk of a store; return what it says it was made from."""
    Archive(path, mode="r").verify()
    return store.provenance(store.read(path))


def _read_table(path: Path) -> Mapping[str, Any]:
    """Read a table; return what it says it was made from."""
    store.read_tables([path])
    return store.table_provenance(path)


def _made_from(path: Path, results: Path, facts: Mapping[str, Any], audited: Mapping[str, str]) -> Iterator[StoreError]:
    """Yield what a store or table was made from that is no longer what is there."""
    for name, seal in facts.get("inputs", {}).items():
        source = results / name
        if not source.exists():
            mend = "run the same command again: it is made anew"
            yield StoreError(
                f"is not there, and {path.relative_to(results)} was made from it", where=str(source), mend=mend
            )
            continue
        try:
            known = store.seal_of(source)
        except StoreError:
            continue  # damaged, and named where it is read
        if known != seal:
            yield StoreError(
                f"was made from another '{name}' than the one that is there", where=str(path), mend=MAKE_AGAIN
            )
    recording, session = facts.get("recording"), path.name.partition(".")[0]
    if isinstance(recording, dict) and audited.get(session) and recording.get("sha256") != audited[session]:
        yield StoreError(
            "was made from another recording than the one that was audited", where=str(path), mend=MAKE_AGAIN
        )


def _compare_code(
    path: Path, results: Path, facts: Mapping[str, Any], scripts: Path | None, others: dict[str, list[Path]]
) -> None:
    folder = path.relative_to(results).parts[0]
    if scripts is None or "code" not in facts or folder not in SCRIPTS:
        return
    if facts["code"] not in {code_digest(scripts / f"{script}.py") for script in SCRIPTS[folder]}:
        others.setdefault(folder, []).append(path)


def _texts(results: Path, found: Verified) -> None:
    """Hold the report's pages and the figures against the sums that were kept beside the report."""
    path = results / "report" / CHECKSUMS
    if not path.exists():
        return
    try:
        sums = read_checksums(path)
    except StoreError as error:
        found.wrong.append(error)
        return
    for file, digest in sums.items():
        found.texts += 1
        if not file.exists():
            mend = "run the same command again: it is made anew"
            found.wrong.append(StoreError("is not there", where=os.path.normpath(file), mend=mend))
        elif sha256_of(file)[0] != digest:
            found.wrong.append(damaged(Path(os.path.normpath(file)), "its content is not what was written"))


def scripts_folder() -> Path | None:
    """Find the workflow's scripts: in the current folder, or beside the package; None where neither is a workflow."""
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / "scripts" / "fit_model.py").is_file() and (folder / "Snakefile").is_file():
            return folder / "scripts"
    return None
