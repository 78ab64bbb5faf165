"""Tie the EEG's clock to the scanner's: when, in EEG time, was each stored volume acquired.

Strategies are asked in order. Each either proves itself and returns a clock, or gives way and
returns the reason in words (none where it does not apply). A clock that is not proved is refused: a
shift of one TR would go unnoticed in everything that follows.
"""

from collections.abc import Callable, Sequence

import numpy as np

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import ClockError
from bids_eeg2fmri.preprocess.others import other_recordings
from bids_eeg2fmri.preprocess.trials import shared_trials
from bids_eeg2fmri.preprocess.triggers import (
    partial_triggers,
    tabled_triggers,
    volume_triggers,
)
from bids_eeg2fmri.types import Evidence, VolumeClock


def given_by_user(evidence: Evidence, cfg: ClockConfig) -> VolumeClock | str:
    """Take the EEG time of the first volume from the user."""
    if cfg.eeg_onset is None:
        return ""
    onset = cfg.eeg_onset + evidence.tr * np.arange(evidence.n_volumes)
    return VolumeClock(onset, evidence.tr, source="user", n_markers=0, drift=0.0, residual=0.0)


Strategy = Callable[[Evidence, ClockConfig], VolumeClock | str]
"""Gives a clock that has proved itself, or why there is none; empty where it does not apply."""
OWN: tuple[Strategy, ...] = (given_by_user, volume_triggers, tabled_triggers)
"""Those that need no other recording of the EEG."""
STRATEGIES: tuple[Strategy, ...] = (*OWN, other_recordings, partial_triggers, shared_trials)
"""All of them, in the order in which they are asked."""


def find_clock(
    evidence: Evidence, cfg: ClockConfig, strategies: Sequence[Strategy] = STRATEGIES
) -> VolumeClock:
    """Find when each stored volume was acquired, by the first strategy that proves itself.

    Raises
    ------
    ClockError
        If no strategy proves itself.
    """
    reasons = []
    for strategy in strategies:
        verdict = strategy(evidence, cfg)
        if isinstance(verdict, VolumeClock):
            return verdict
        reasons.append(verdict)
    raise ClockError(
        f"{evidence.name}: {'; '.join(filter(None, reasons))}. "
        "Name the volume trigger with --trigger, or give --eeg-onset SECONDS."
    )
