"""Tie the clocks of EEG and BOLD from what stands in the files."""

from dataclasses import replace

from bids_eeg2fmri.bids.bold import bold_delay
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.timing import read_evidence, read_other_recordings
from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import ClockError
from bids_eeg2fmri.preprocess.clock import OWN, find_clock
from bids_eeg2fmri.types import VolumeClock


def tie(run: RunFiles, cfg: ClockConfig) -> VolumeClock:
    """Find when each volume of a run was acquired, without its signals.

    Other recordings of its EEG are opened only where its own leaves the clock open.

    Raises
    ------
    DataError
        A file cannot be read, or no strategy proves itself.
    """
    evidence = read_evidence(run)
    try:
        clock = find_clock(evidence, cfg, OWN)
    except ClockError:
        clock = find_clock(replace(evidence, others=read_other_recordings(run)), cfg)
    return replace(clock, delay=bold_delay(run))
