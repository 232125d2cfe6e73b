"""All units of a study in one table, that can be sorted and filtered, each with the way to its card."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup

from nwbglm.comparison import POOLED, headline, primary
from nwbglm.study import Study

from . import paths
from .markup import number
from .render import data_block
from .text import visible

STATIC = 1000
"""Rows that stand in the page itself; of more, these, and the script shows the others."""
TOO_MANY = 12
"""Columns of a file's units table that are shown."""


def unit_rows(study: Study, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a unit: what the file says of it, its best model, every model's score, how its fits ended.

    Columns that say the same of every unit, and columns in which nothing is known, are left to the table of the folder.
    """
    units = tables["units"]
    if not len(units):
        return units
    known = units.drop(columns=["notes", "bits_per_spike", "bits_per_bin"], errors="ignore")
    keys = ["session", "unit"]
    told = [name for name in known if name not in keys and _tells(known[name])][:TOO_MANY]
    known = known[[*keys, *told]]
    if len(tables["scores"]):
        known = known.merge(_scores(study, tables["scores"]), how="left", on=keys)
    if "bad" in tables["checks"] and len(tables["checks"]):
        known = known.merge(_checks(tables["checks"]), how="left", on=keys)
    return known.rename(columns=lambda name: str(name).replace("_", " "))


def _tells(column: pd.Series) -> bool:
    return bool(column.notna().any()) and column.nunique(dropna=False) > 1


def _scores(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """Return, by unit, the score of each model, and what is to be said of its fits."""
    rows = headline(scores)
    score = primary(rows)
    wide = rows.pivot_table(index=["session", "unit"], columns="model", values=score.name, dropna=False, observed=True)
    wide = wide.reindex(columns=[model for model in study.models if model in wide and study.models[model].terms])
    wide.columns = [f"{model} ({score.label})" for model in wide.columns]
    said = scores[(scores.fold == POOLED) | (scores.kind == "test")]
    bad = said[said.status != "ok"]
    notes = (
        (bad.model + ": " + bad.status)
        .groupby([bad.session, bad.unit])
        .agg(lambda words: "; ".join(dict.fromkeys(words)))
    )
    below = rows[(rows[score.name] < 0) & rows.model.map(lambda model: bool(study.models[model].terms))]
    under = below.groupby(["session", "unit"]).model.agg(lambda models: ", ".join(dict.fromkeys(models)))
    wide["below its null"] = under.reindex(wide.index).fillna("")
    wide["fits"] = notes.reindex(wide.index).fillna("ok")
    return wide.reset_index()


def _checks(checks: pd.DataFrame) -> pd.DataFrame:
    """Return, by unit, the KS distance of the last model that was checked, and what is bad about it."""
    last = checks[checks.model == checks.model.iloc[-1]]
    return last[["session", "unit", "ks", "bad"]].rename(columns={"ks": "KS distance", "bad": "checks"})


def unit_address(session: str, unit: int, root: str = "") -> str:
    """Return the address of a unit's card."""
    return f"{root}{paths.session_page(session)}#unit-{unit}"


def unit_table(rows: pd.DataFrame) -> tuple[Markup, Markup]:
    """Return the rows that stand in the page, and the data of all of them where there are more ('' where not)."""
    if not len(rows):
        return Markup(""), Markup("")
    numeric = [pd.api.types.is_numeric_dtype(rows[name]) and name != "session" for name in rows]
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="n"') if flag else Markup(""), visible(str(name)))
        for name, flag in zip(rows.columns, numeric, strict=True)
    )
    texts = {name: [number(value, 3) for value in rows[name]] for name in rows}
    columns = list(texts.values())
    lines = []
    for place in range(min(len(rows), STATIC)):
        cells = [
            Markup("<td{}>{}</td>").format(Markup(' class="n"') if flag else Markup(""), visible(column[place]))
            for flag, column in zip(numeric[2:], columns[2:], strict=True)
        ]
        session, unit = columns[0][place], columns[1][place]
        lines.append(
            Markup('<tr><td>{0}</td><td class="n"><a href="{1}">{2}</a></td>{3}</tr>').format(
                visible(session), unit_address(session, int(rows.unit.iloc[place])), unit, Markup("").join(cells)
            )
        )
    table = Markup(
        '<div class="table" tabindex="0" role="region" aria-label="All units"><table id="all-units" class="sortable">'
        "<caption>All units; each unit's number leads to its card</caption><thead><tr>{}</tr></thead>"
        "<tbody>{}</tbody></table></div>"
    ).format(head, Markup("\n").join(lines))
    if len(rows) <= STATIC:
        return table, Markup("")
    coded = {}
    for name, column in texts.items():
        levels = list(dict.fromkeys(column))
        small = len(levels) < len(column) / 2
        places = {text: place for place, text in enumerate(levels)}
        coded[name] = {"levels": levels, "codes": [places[text] for text in column]} if small else {"texts": column}
    return table, data_block({"numeric": np.asarray(numeric).tolist(), "columns": coded})
