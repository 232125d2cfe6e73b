"""What a store of fits says of its rows is of its rows, not of the recording."""

import numpy as np
from small_sessions import Stages, head_direction_session

from nwbglm.comparison import score_fit


def test_in_sample_spikes_are_those_of_the_rows_that_were_fitted():
    binned = head_direction_session(rows=2000)
    half = np.arange(2000) < 1000
    binned["in_epoch"] = (("purpose", "time"), np.stack([np.ones(2000, bool), half]))
    total = binned["response"].values.sum(axis=0)
    binned = binned.assign_coords(spikes=("unit", total), rate=("unit", total / 20.0))
    fits = Stages(binned, ("drive",)).fit("drive")
    fitted = binned["response"].values[:1000].sum(axis=0)
    np.testing.assert_array_equal(fits["spikes"], fitted)
    np.testing.assert_array_equal(fits["unit_spikes"], total)
    np.testing.assert_array_equal(fits["rate"], total / 20.0)
    table = score_fit(fits.assign_attrs(model="drive", session="small"))
    np.testing.assert_array_equal(table[table["kind"] == "in-sample"]["spikes"], fitted)


def test_a_fit_holds_the_rows_that_it_was_trained_and_scored_on():
    stages = Stages(head_direction_session(rows=2000), ("drive", "history"))
    fits = stages.fit("drive", "history", halves=True)
    assert fits["trained"].dims == ("fit", "row") and fits["scored"].dims == ("fold", "row")
    np.testing.assert_array_equal(fits["scored"].sum("row"), fits["test_rows"].isel(unit=0))
    np.testing.assert_array_equal(
        fits["trained"].sel(fit=fits["fold"].values).sum("row"), fits["train_rows"].isel(unit=0)
    )
    assert int(fits["trained"].sel(fit="final").sum()) == int(fits["rows"][0])
    assert not (fits["trained"].sel(fit=fits["fold"].values).values & fits["scored"].values).any()
    rows = fits["row"].values[fits["scored"].values[0]]
    spikes = stages.binned["response"].values[rows].sum(axis=0)
    np.testing.assert_array_equal(fits["test_spikes"].isel(fold=0), spikes)
