"""Simulate a BIDS dataset of simultaneous EEG and fMRI whose coupling is known."""

from bids_eeg2fmri.simulate.config import REGIONS, Region, SimulationConfig
from bids_eeg2fmri.simulate.dataset import simulate
from bids_eeg2fmri.simulate.signals import Head, Recording, make_head, simulate_recording

__all__ = [
    "REGIONS",
    "Head",
    "Recording",
    "Region",
    "SimulationConfig",
    "make_head",
    "simulate",
    "simulate_recording",
]
