"""What a strategy that ties the clocks may look at."""

from dataclasses import dataclass

from bids_eeg2fmri.types import Markers


@dataclass(frozen=True)
class Evidence:
    """One EEG and one BOLD recording, as far as their clocks go."""

    markers: Markers
    sfreq: float
    """Sampling rate of the EEG in hertz."""
    duration: float
    """Length of the EEG in seconds."""
    n_volumes: int
    """Number of stored volumes."""
    tr: float
    """Repetition time in seconds."""
    name: str
    """The run, for messages."""
