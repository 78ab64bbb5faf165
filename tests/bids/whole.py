"""EEG as the app reads it, in memory as a whole."""

from bids_eeg2fmri.bids.read import open_eeg
from bids_eeg2fmri.config import ReadConfig
from bids_eeg2fmri.types import EEG


def read_whole(run, cfg=None):
    """Open a recording, and read all there is of it."""
    eeg = open_eeg(run, cfg or ReadConfig())
    data = eeg.rows(range(len(eeg.channels)))
    return EEG(data, eeg.sfreq, eeg.channels, eeg.positions, eeg.bad)
