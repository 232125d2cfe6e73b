"""The study's part about data: epochs, units, bins, signals, tuning curves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Name, Part
from .quantities import AnyDuration, Duration, Number

PURPOSES = ("use", "fit", "train", "test")
RESERVED = {"spike_count", "exposure", "segment", "in_epoch", "time", "unit", "purpose", "segments", "row"}


class EpochSelection(Part):
    """Which stretches of the recording serve a purpose. Conditions add up; `within` cuts the result."""

    table: str | None = Field(None, description="Interval table, by name or path in the file. Default: `epochs`.")
    where: str | None = Field(None, description="Expression over the table's columns, such as `tags == 'wake'`.")
    index: tuple[int, ...] | None = Field(None, description="Rows to take, counted from 0 after `where`.")
    intervals: tuple[tuple[AnyDuration, AnyDuration], ...] | None = Field(
        None, description="Explicit intervals, such as [[10 s, 70 s]], instead of a table."
    )
    within: str | None = Field(None, description="Keep only what lies in the epochs of this other name.")
    first: Duration | None = Field(None, description="Keep only this much from the start.")
    last: Duration | None = Field(None, description="Keep only this much before the end.")

    @model_validator(mode="after")
    def _one_source(self) -> EpochSelection:
        if self.intervals is not None and (self.table or self.where or self.index):
            raise ValueError("give either explicit intervals, or a table with where and index")
        if self.first is not None and self.last is not None:
            raise ValueError("give first or last, not both")
        return self


class UnitSelection(Part):
    """Which units are analysed."""

    where: str | None = Field(
        None,
        description="Expression over the units' columns, `rate` (Hz) and `spikes` over `use`, and `unit` (the id).",
    )
    ids: tuple[int, ...] | None = Field(None, description="NWB unit ids to take.")


class Signal(Part):
    """A time series of the file, brought to the bins."""

    source: str = Field(alias="from", description="The series' name, or its path in the file.")
    column: int | None = Field(None, description="Which column of a series with several.")
    units: str | None = Field(None, description="Convert into these units, such as `pA`. Default: the file's SI unit.")
    period: Annotated[Number, Field(gt=0)] | None = Field(
        None, description="The signal is circular with this period (in `units`), such as `2 pi`."
    )
    resample: Literal["mean", "interpolate", "hold"] = Field(
        "mean",
        description="Average the samples of a bin; or, for a signal slower than the bin, interpolate or hold.",
    )
    max_gap: Duration | None = Field(
        None,
        description="Interpolate or hold across no more than this. Default: three times the usual sampling interval.",
    )


class Tuning(Part):
    """A tuning curve: the units' rate as a function of a signal."""

    of: Name = Field(description="The signal.")
    bins: Annotated[int, Field(ge=1)] = Field(30, description="Number of bins.")
    range: tuple[Number, Number] | None = Field(
        None, description="First and last edge. Default: the period, or the data's range."
    )
    at: Literal["bins", "samples"] = Field(
        "bins",
        description="Take the signal on the study's bins, or at its native samples (each spike takes the closest one).",
    )
    confidence: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, description="Level of the confidence band (exact Poisson limits of the counts)."
    )


class DataSettings(Part):
    """What is taken from each recording."""

    epochs: dict[Name, EpochSelection] = Field(
        description="Stretches of the recording by purpose: `use` (all that counts), `fit`, `train`, `test`, or others."
    )
    units: UnitSelection = Field(UnitSelection(), description="Which units are analysed. Default: all.")
    bin: Duration = Field(description="Width of a bin.")
    signals: dict[Name, Signal] = Field({}, description="Stimuli and behaviour, by a name of your own.")
    tuning: dict[Name, Tuning] = Field({}, description="Tuning curves, by a name of your own.")
