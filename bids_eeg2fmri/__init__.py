"""Learn to synthesise fMRI from simultaneous EEG, and say honestly how good it is."""

from importlib.metadata import version

__version__ = version("bids_eeg2fmri")
