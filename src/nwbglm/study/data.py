"""The study's part about data: epochs, units, bins, signals, tuning curves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Name, Part, nearest
from .expressions import Where, parse
from .quantities import AnyDuration, Duration, Number, UnitId
from .responses import Response

PURPOSES = ("use", "fit", "train", "test")
RESERVED = {
    "response",
    "exposure",
    "segment",
    "in_epoch",
    "time",
    "unit",
    "purpose",
    "segments",
    "recording",
    "recording_of_segment",
    "unit_of_recording",
    "row",
    "rate",
    "spikes",
    "mean",
    "sd",
    "valid",
}


class EpochSelection(Part):
    """Which stretches of the recording serve a purpose. Conditions add up; `within` cuts the result."""

    table: str | None = Field(None, description="Interval table, by name or path in the file. Default: `epochs`.")
    where: Where | None = Field(None, description="Expression over the table's columns, such as `tags == 'wake'`.")
    tags: tuple[str, ...] | str | None = Field(None, description="Rows with any of these tags.")
    label: str | None = Field(None, description="Rows of this label: their tags, else `label`, else `condition`.")
    index: tuple[UnitId, ...] | None = Field(None, description="Rows to take, counted from 0 after `where`.")
    intervals: tuple[tuple[AnyDuration, AnyDuration], ...] | None = Field(
        None, description="Explicit intervals, such as [[10 s, 70 s]], instead of a table."
    )
    within: str | None = Field(None, description="Keep only what lies in the epochs of this other name.")
    first: Duration | None = Field(None, description="Keep only this much from the start.")
    last: Duration | None = Field(None, description="Keep only this much before the end.")
    margin: Duration | None = Field(
        None,
        description="Of `use`: also read this much before and after each interval, where it was recorded. Windows may "
        "reach into it, as an onset term at a trial's start must; nothing in it is fitted or counted.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> EpochSelection:
        rows = (self.table, self.where, self.tags, self.label, self.index)
        if self.intervals is not None and any(given is not None for given in rows):
            raise ValueError("give either explicit intervals, or a table with where, tags, label and index")
        if self.intervals is not None and any(stop <= start for start, stop in self.intervals):
            raise ValueError("each interval begins before it ends: [10 s, 70 s]")
        if self.first is not None and self.last is not None:
            raise ValueError("give first or last, not both")
        return self


class UnitSelection(Part):
    """Which units are analysed."""

    table: str | None = Field(
        None, description="Table of units, by name or path in the file. Default: `units`, or the only one."
    )
    where: Where | None = Field(
        None,
        description="Expression over the units' columns, `rate` (Hz) and `spikes` over `use`, and `unit` (the id); "
        "of a continuous response: the columns of the ROIs or electrodes, `series`, `column`, `mean`, `sd` and "
        "`valid` (share of the bins that have a value).",
    )
    ids: tuple[UnitId, ...] | None = Field(None, description="NWB unit ids to take.")


class Signal(Part):
    """A time series, the rows of a table, or time itself, brought to the bins."""

    source: str = Field(
        "",
        alias="from",
        description="A series or table, by name or path in the file; `sweeps.stimulus` or `sweeps.response` for the "
        "series of every sweep.",
    )
    of: Literal["time"] | None = Field(
        None,
        description="Instead of `from`: time itself, from 0 at the beginning of what is fitted or tested to 1 at its "
        "end, for terms of slow drift; a joined session's recordings follow one another.",
    )
    column: Annotated[int, Field(ge=0, lt=2**31)] | None = Field(
        None, description="Which column or channel of a series with several."
    )
    units: str | None = Field(
        None, description="Convert into these units, such as `pA` or `cm/s`. Default: the file's."
    )
    period: Annotated[Number, Field(gt=0)] | None = Field(
        None, description="The signal is circular with this period (in `units`), such as `2 pi`."
    )
    derive: Literal["speed", "derivative", "unwrap"] | None = Field(
        None,
        description="Compute from the samples: `speed` over all columns, `derivative` in time, or the angle made "
        "continuous (`unwrap`); a `period` is that of the file's values then.",
    )
    smooth: Duration | None = Field(
        None, description="Smooth the samples with a Gaussian of this standard deviation, after `derive`."
    )
    shift: AnyDuration = Field(
        0.0, description="Move the signal this much later: a bin gets the value of that long ago."
    )
    resample: Literal["mean", "interpolate", "hold", "events", "boxcar"] = Field(
        "mean",
        description="Average the samples of a bin; for a signal slower than the bin, interpolate or hold; count the "
        "`events` of a table or series; or a `boxcar`, which is on during the rows of a table.",
    )
    max_gap: Duration | None = Field(
        None,
        description="Interpolate, hold or derive across no more than this. Default: three times the usual sampling "
        "interval.",
    )
    where: Where | None = Field(
        None,
        description="Of events and boxcars: the rows that count, such as `correct == 1` or `value == 61`. Of samples: "
        "those that count, such as `value >= 0` where lost tracking is -1; the others are missing.",
    )
    time: str | None = Field(
        None,
        description="Of events: the column of times, one or a list of them a row. Default: `timestamp`, else "
        "`start_time`.",
    )
    since: str | None = Field(
        None,
        description="Of events: the column that the times count from, such as `start_time`; of boxcars, what the named "
        "`start` and `stop` count from. Default: they are times of the session.",
    )
    start: str = Field("start_time", description="Of boxcars: the column of beginnings.")
    stop: str = Field("stop_time", description="Of boxcars: the column of ends.")
    value: str | None = Field(
        None,
        description="Of events and boxcars: the column whose number each row adds, or whose text is the category of "
        "the row's bins (for the basis `categorical`; bins without a row are `(none)`). Default: 1.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Signal:
        if self.of is None and not self.source:
            raise ValueError("from: needed, and not there (or of: time, for time itself)")
        if self.of is not None and (others := sorted(self.changed - {"of"})):
            named = ", ".join("from" if name == "source" else name for name in others)
            raise ValueError(f"{named} does not belong to `of: {self.of}`")
        rows = {"time", "since", "start", "stop", "value"} & self.changed
        samples = {"column", "derive", "smooth", "max_gap", "period"} & self.changed
        if self.resample in ("mean", "interpolate", "hold") and rows:
            raise ValueError(f"{', '.join(sorted(rows))} belongs to `resample: events` or `resample: boxcar`")
        if self.resample in ("events", "boxcar") and samples:
            raise ValueError(f"{', '.join(sorted(samples))} does not belong to `resample: {self.resample}`")
        if self.derive == "unwrap" and self.period is None:
            raise ValueError("give the `period` of the angle to unwrap, such as 2 pi")
        if self.derive == "speed" and self.column is not None:
            raise ValueError("speed is computed over all columns; leave out `column`, or take the derivative")
        return self

    @property
    def circular(self) -> float | None:
        """The period of the signal on the bins; None where it is not circular (any more)."""
        return None if self.derive else self.period


class Tuning(Part):
    """A tuning curve: the units' rate as a function of a signal."""

    of: Name = Field(description="The signal.")
    bins: Annotated[int, Field(ge=1, le=10_000)] = Field(30, description="Number of bins.")
    range: tuple[Number, Number] | None = Field(
        None, description="First and last edge. Default: the period, or the data's range."
    )
    at: Literal["bins", "samples"] = Field(
        "bins",
        description="Take the signal on the study's bins, or at its native samples (each spike takes the closest one).",
    )
    epochs: Literal["use", "fit", "train", "test"] = Field("use", description="The epochs whose time counts.")
    confidence: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, description="Level of the confidence band (exact Poisson limits of the counts)."
    )


class TuningMap(Part):
    """A map: the units' rate as a function of two signals together, on the study's bins."""

    of: tuple[Name, Name] = Field(description="The two signals, such as [x, y].")
    bins: tuple[Annotated[int, Field(ge=1, le=1000)], Annotated[int, Field(ge=1, le=1000)]] = Field(
        (20, 20), description="Number of bins of each."
    )
    range: tuple[tuple[Number, Number], tuple[Number, Number]] | None = Field(
        None, description="First and last edge of each. Default: the period, or the data's range."
    )
    epochs: Literal["use", "fit", "train", "test"] = Field("use", description="The epochs whose bins count.")
    least: Annotated[AnyDuration, Field(ge=0)] = Field(
        0.0, description="Places that were visited for less than this altogether are left out, as those never visited."
    )
    smooth: Annotated[float, Field(ge=0, le=100)] = Field(
        0.0,
        description="Smooth counts and time, each by itself, with a Gaussian of this standard deviation (bins of "
        "value) before they are divided; round the circle of a circular signal.",
    )


class Blank(Part):
    """Time that counts as not observed: neither its spikes nor its silence are data."""

    epochs: EpochSelection | None = Field(None, description="Blank these epochs.")
    silence: Duration | None = Field(
        None, description="Blank every stretch in which no unit of the file fires for at least this long."
    )
    events: str | None = Field(
        None, description="Blank around the events of this table or series, such as light pulses."
    )
    where: Where | None = Field(None, description="Of events: the rows that count.")
    before: Annotated[AnyDuration, Field(ge=0)] = Field(0.0, description="Blank this much before, too.")
    after: Annotated[AnyDuration, Field(ge=0)] = Field(0.0, description="Blank this much after, too.")

    @model_validator(mode="after")
    def _one_source(self) -> Blank:
        if sum(given is not None for given in (self.epochs, self.silence, self.events)) != 1:
            raise ValueError("name exactly one of: epochs, silence, events")
        if self.where is not None and self.events is None:
            raise ValueError("`where` belongs to events; epochs have their own")
        if self.events is not None and not self.before + self.after:
            raise ValueError("an event lasts no time: say how long to blank `before` and `after` it")
        return self


class AuditPolicy(Part):
    """What an audit makes of what it finds."""

    ignore: tuple[str, ...] = Field((), description="Findings, by their code, that are known and accepted: they pass.")
    fail: tuple[str, ...] = Field((), description="Findings, by their code, that fail a session instead of warning.")
    external_links: Literal["refuse", "allow"] = Field(
        "refuse", description="Whether a file may hold links to data in other files."
    )


class DataSettings(Part):
    """What is taken from each recording."""

    epochs: dict[Name, EpochSelection] = Field(
        description="Stretches of the recording by purpose: `use` (all that counts), `fit`, `train`, `test`, or others."
    )
    response: Response | None = Field(
        None, description="Continuous series to explain. Default: the spikes of the units, counted."
    )
    units: UnitSelection = Field(UnitSelection(), description="Which units are analysed. Default: all.")
    bin: Duration = Field(description="Width of a bin.")
    partial_bins: Literal["drop", "keep"] = Field(
        "drop", description="What is left at an epoch's end, shorter than a bin: drop it, or keep it with its exposure."
    )
    blank: dict[Name, Blank] = Field({}, description="Time that counts as not observed, by a name of your own.")
    invalid_times: Literal["blank", "keep"] = Field(
        "blank",
        description="Time that the file itself marks as invalid (its table `invalid_times`): blank it, or keep it.",
    )
    mask: dict[Name, Where] = Field(
        {},
        description="Bins to leave out, by a name of your own: an expression over signals of the study, such as "
        "`confidence < 0.9`, `speed < 2` or `outcome == 'ignore'`. Where it holds, or where one of its signals has no "
        "value, nothing is fitted, tested or counted in tuning curves; windows may read across, as spikes there "
        "were observed.",
    )
    min_exposure: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="A bin observed for less than this fraction counts as not observed."
    )
    signals: dict[Name, Signal] = Field({}, description="Stimuli and behaviour, by a name of your own.")
    tuning: dict[Name, Tuning] = Field({}, description="Tuning curves, by a name of your own.")
    maps: dict[Name, TuningMap] = Field({}, description="Maps over two signals, by a name of your own.")
    audit: AuditPolicy = Field(AuditPolicy(), description="What an audit makes of what it finds.")

    @model_validator(mode="after")
    def _known_signals(self) -> DataSettings:
        for name, one in self.maps.items():
            for signal in one.of:
                if signal not in self.signals:
                    known = ", ".join(self.signals) or "nothing"
                    raise ValueError(f"maps.{name}.of: there is no signal '{signal}'; known here: {known}")
        for name, mask in self.mask.items():
            for signal in sorted(parse(mask, f"mask.{name}").names - self.signals.keys()):
                raise ValueError(f"mask.{name}: there is no signal '{signal}'; {nearest(signal, self.signals)}")
        for name, tuning in self.tuning.items():
            if self.mask and tuning.at == "samples":
                raise ValueError(f"tuning.{name}.at: samples lie in no bins that `mask` could leave out; use at: bins")
        return self
