"""What the report shows of models under controls."""

from __future__ import annotations

import pandas as pd

from nwbglm.comparison import summarise_controls
from nwbglm.study import Study

from .markup import number

LEFT = {
    "cell_shuffle": "what the features say of any unit's response (all of it, where units share them)",
    "reversed_time": "what slow signals of any course explain",
    "rate_matched": "what remains of the score when the unit fires as rarely as the others",
}
"""What a score under each control is."""


def control_rows(study: Study, controls: pd.DataFrame) -> pd.DataFrame:
    """Return each control's median score beside that of the model as it is."""
    per = "bits per spike" if study.response is None else "bits per bin"
    return pd.DataFrame(
        [
            {
                "control": line.name,
                "kind": line.control.replace("_", " ") + (f" of {line.term}" if line.term else ""),
                "model": line.model,
                "session": line.session,
                "units": line.units,
                f"as it is ({per})": number(line.score, 3),
                "under the control": number(line.controlled, 3),
                "units better as it is": line.better,
                "what is left under it is": LEFT[line.control],
                "to be said": line.reason,
            }
            for line in summarise_controls(controls).itertuples(index=False)
        ]
    )
