"""Tie the EEG's clock to the scanner's: when, in EEG time, was each stored volume acquired.

``STRATEGIES`` are asked in order. Each either proves itself and returns a clock, or gives way and
returns the reason in words (none where it does not apply). A clock that is not proved is refused: a
shift of one TR would go unnoticed in everything that follows.
"""

from collections.abc import Callable

import numpy as np

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import ClockError
from bids_eeg2fmri.preprocess.evidence import Evidence
from bids_eeg2fmri.preprocess.triggers import volume_triggers
from bids_eeg2fmri.types import Markers, VolumeClock


def find_clock(
    markers: Markers,
    sfreq: float,
    duration: float,
    n_volumes: int,
    tr: float,
    cfg: ClockConfig,
    name: str,
) -> VolumeClock:
    """Find when each stored volume was acquired, by the first strategy that proves itself.

    Parameters
    ----------
    markers
        What the EEG recording itself says happened.
    sfreq, duration
        Sampling rate of the EEG in hertz, and its length in seconds.
    n_volumes, tr
        Number of stored volumes, and their repetition time in seconds.
    name
        The run, for messages.

    Raises
    ------
    ClockError
        If no strategy proves itself, or the trigger that the user named does not exist.
    """
    evidence = Evidence(markers, sfreq, duration, n_volumes, tr, name)
    reasons = []
    for strategy in STRATEGIES:
        verdict = strategy(evidence, cfg)
        if isinstance(verdict, VolumeClock):
            return verdict
        reasons.append(verdict)
    raise ClockError(
        f"{name}: {'; '.join(filter(None, reasons))}. "
        "Name the volume trigger with --trigger, or give --eeg-onset SECONDS."
    )


def given_by_user(evidence: Evidence, cfg: ClockConfig) -> VolumeClock | str:
    """Take the EEG time of the first volume from the user."""
    if cfg.eeg_onset is None:
        return ""
    onset = cfg.eeg_onset + evidence.tr * np.arange(evidence.n_volumes)
    return VolumeClock(onset, evidence.tr, source="user", n_markers=0, drift=0.0, residual=0.0)


Strategy = Callable[[Evidence, ClockConfig], VolumeClock | str]
STRATEGIES: tuple[Strategy, ...] = (given_by_user, volume_triggers)
