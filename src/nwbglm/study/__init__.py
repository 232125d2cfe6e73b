"""The study file: the whole user interface, as pydantic models.

Light on purpose: the Snakefile imports it in every job.
"""

from .bases import Basis
from .data import DataSettings, EpochSelection, Signal, Tuning, UnitSelection
from .fitting import Fit, Folds, Model, Penalty, Ridge
from .observations import OBSERVATION_MODELS, ObservationModel
from .root import Figures, Recording, Simulated, Source, Study, Window, configured_study, load_study, read_study
from .terms import ALL_SPIKES, OTHER_SPIKES, OWN_SPIKES, Factor, Term

__all__ = [
    "ALL_SPIKES",
    "OBSERVATION_MODELS",
    "OTHER_SPIKES",
    "OWN_SPIKES",
    "Basis",
    "DataSettings",
    "EpochSelection",
    "Factor",
    "Figures",
    "Fit",
    "Folds",
    "Model",
    "ObservationModel",
    "Penalty",
    "Recording",
    "Ridge",
    "Signal",
    "Simulated",
    "Source",
    "Study",
    "Term",
    "Tuning",
    "UnitSelection",
    "Window",
    "configured_study",
    "load_study",
    "read_study",
]
