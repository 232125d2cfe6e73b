"""NWB files, opened and read by object."""

from nwbglm.recording.model import Recording, open_recording
from nwbglm.recording.series import Series
from nwbglm.recording.tables import Table
from nwbglm.recording.units import Units

__all__ = ["Recording", "Series", "Table", "Units", "open_recording"]
