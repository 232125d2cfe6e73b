from .api import bin_recording as bin_recording
from .api import compute_filters as compute_filters
from .api import compute_intervals as compute_intervals
from .api import cross_validate as cross_validate
from .api import fit as fit
from .api import inspect_recording as inspect_recording
from .api import make_features as make_features
from .api import open as open
from .api import predict_rates as predict_rates
from .api import read_study as read_study
from .api import simulate_recording as simulate_recording
from .api import simulate_spikes as simulate_spikes

__version__: str
