"""Tell the time of each volume from trials that EEG and BOLD have both seen.

The EEG knows them as markers, the BOLD by its ``events.tsv``, in seconds since its first volume.
Where the intervals from trial to trial are irregular, only one shift brings the two together.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from operator import eq

import numpy as np
from jaxtyping import Float64

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import DataWarning
from bids_eeg2fmri.preprocess.alignment import align, match, share_matched
from bids_eeg2fmri.preprocess.trains import HEARTBEAT
from bids_eeg2fmri.preprocess.triggers import MAX_DRIFT
from bids_eeg2fmri.types import Evidence, Markers, Recorded, VolumeClock

FEWEST = 8
"""Trials that a clock rests on at least."""
LEAST_SHARE = 0.8
"""Trials of the BOLD, of those within the EEG, that must have a marker."""
MOST_RIVAL = 0.6
"""Trials that may fit another shift, as a share of those that fit the best."""
SPREAD = 0.05
"""Seconds that a logged trial may lie from its marker."""
CRYSTAL = 100.0
"""Drift in ppm that two clocks commonly have, which the first look allows for."""
COPIED = 0.002
"""Seconds within which events of the BOLD that stand on the EEG's clock repeat its markers."""
LONG = 100.0
"""Seconds of trials from which on a drift can be told."""
ALIKE = 3
"""How many times as many events one side may have as the other."""

Seen = Float64[np.ndarray, " seen"]
"""Times of markers, in seconds of the EEG."""
Told = Float64[np.ndarray, " told"]
"""Times of trials, in seconds of the scan."""


@dataclass(frozen=True)
class Fit:
    """Trials brought together with markers."""

    labels: tuple[str, str]
    """What they are called on either side."""
    first: float
    """EEG time of the first volume in seconds."""
    slope: float
    """Seconds of EEG in a second of the scanner."""
    n_expected: int
    """Trials within the EEG."""
    n_rival: int
    """Trials that fit the best of other shifts."""
    seen: Float64[np.ndarray, " matched"]
    """Markers that are trials, in seconds of the EEG."""
    residual: Float64[np.ndarray, " matched"]
    """How far each lies from where the scan's clock expects it, in seconds."""

    @property
    def n_matched(self) -> int:
        """Trials that have a marker."""
        return len(self.seen)

    @property
    def is_proved(self) -> bool:
        """Whether enough trials fit, and no other shift would do."""
        enough = self.n_matched >= max(FEWEST, LEAST_SHARE * self.n_expected)
        return enough and self.n_rival <= MOST_RIVAL * self.n_matched


def shared_trials(evidence: Evidence, cfg: ClockConfig) -> VolumeClock | str:
    """Shift the trials of the BOLD until they fall on markers of the EEG."""
    if cfg.trigger is not None or not evidence.trials.label:
        return ""
    if any(_repeats(one, evidence.trials) for one in (evidence.recorded, *evidence.others)):
        return (
            "the events of the BOLD repeat those of the EEG on the EEG's own clock, so they say "
            "nothing of the scan"
        )
    recorded = evidence.recorded
    markers = recorded.markers if recorded.markers.label else recorded.tabled
    fits = [fit for fit in _fits(markers, evidence) if fit.n_matched > 1]
    if not fits:
        return "the events of the BOLD fit no markers of the EEG"
    best = max(fits, key=lambda fit: (fit.is_proved, fit.n_matched - fit.n_rival))
    if not best.is_proved:
        return (
            f"of {best.n_expected} events of the BOLD, {best.n_matched} fit the markers "
            f"'{best.labels[0]}', and with another shift {best.n_rival}, which proves nothing"
        )
    elsewhere = _elsewhere(best, fits, markers, evidence)
    if elsewhere > MOST_RIVAL * best.n_matched:
        return (
            f"{best.n_matched} events of the BOLD fit the markers '{best.labels[0]}', but "
            f"{elsewhere} fit other markers with another shift, which proves nothing"
        )
    warnings.warn(
        f"{evidence.name}: without triggers, the markers '{best.labels[0]}' are taken to be the "
        f"onsets of the events of the BOLD ({best.labels[1]}); if they mark another moment of the "
        "trials, the clock is off by as much",
        DataWarning,
        stacklevel=3,
    )
    return VolumeClock(
        onset=best.first + best.slope * evidence.tr * np.arange(evidence.n_volumes),
        tr=evidence.tr,
        source=f"trials:{best.labels[0]}",
        n_markers=best.n_matched,
        drift=1e6 * (best.slope - 1),
        residual=float(np.abs(best.residual).max()),
        marker_time=best.seen,
        marker_residual=best.residual,
    )


def _repeats(recorded: Recorded, trials: Markers) -> bool:
    """Whether the trials stand on the clock of an EEG recording, not on that of the scan."""
    return any(
        share_matched([(seen.time, trials.time)], 0.0, recorded.duration, COPIED) >= LEAST_SHARE
        for seen in (recorded.markers, recorded.tabled)
    )


def _fits(markers: Markers, evidence: Evidence) -> Iterator[Fit]:
    """Bring all kinds of trials together with all kinds of markers that are about as many."""
    kinds = product(_kinds(markers).items(), _kinds(evidence.trials).items())
    for (label, seen), (name, told) in kinds:
        if min(len(seen), len(told)) > 1 and len(seen) < ALIKE * len(told) < ALIKE**2 * len(seen):
            fit = _fit(seen, told, evidence.recorded.duration, (label, name))
            if fit:
                yield fit


def _elsewhere(best: Fit, fits: Sequence[Fit], markers: Markers, evidence: Evidence) -> int:
    """How many trials fit with a shift half a volume away or more, on whatever markers.

    A marker that follows each trial at a fixed time fits as well as that of the trial itself, which
    may have a label for each condition.
    """
    far, told = evidence.tr / 2, evidence.trials.time
    proved = (fit for fit in fits if fit.is_proved and abs(fit.first - best.first) > far)
    n_rival = max((fit.n_matched for fit in proved), default=0)
    if best.labels[1] != "all" and len({*evidence.trials.label}) > 1:
        return n_rival  # conditions may come in an order of their own at regular times
    counts = Counter(markers.label)
    pool = markers.times(lambda x: not HEARTBEAT.match(x) and counts[x] < ALIKE * len(told))
    found = align([(pool, told)], _coarse(told), far)
    if found is None:
        return n_rival
    is_same = abs(found.offset - best.first) <= far
    return max(n_rival, found.n_rival if is_same else found.n_votes)


def _coarse(told: Told) -> float:
    """How far trials may lie from their markers before the drift is known, in seconds."""
    return SPREAD + 1e-6 * CRYSTAL * float(told[-1] - told[0])


def _kinds(markers: Markers) -> dict[str, Float64[np.ndarray, " _"]]:
    """Sort by label, and give all of them together."""
    labels = {label for label in markers.label if not HEARTBEAT.match(label)}
    kinds = {label: markers.times(partial(eq, label)) for label in sorted(labels)}
    return kinds | ({"all": markers.times(labels.__contains__)} if len(kinds) > 1 else {})


def _fit(seen: Seen, told: Told, duration: float, labels: tuple[str, str]) -> Fit | None:
    coarse = _coarse(told)
    found = align([(seen, told)], coarse)
    if found is None:
        return None
    first, slope = found.offset, 1.0
    for tolerance in (coarse, SPREAD):
        own, other = match(seen, first + slope * told, tolerance)
        if len(own) < 2:
            return None
        first, slope = _line(told[other], seen[own])
    own, other = match(seen, first + slope * told, SPREAD)
    if not len(own):
        return None
    expected = first + slope * told
    return Fit(
        labels,
        first,
        slope,
        n_expected=int(((expected >= 0) & (expected <= duration)).sum()),
        n_rival=found.n_rival,
        seen=seen[own],
        residual=seen[own] - expected[other],
    )


def _line(told: Told, seen: Told) -> tuple[float, float]:
    """Lay a line through matched events; a short one has no slope of its own."""
    slope = 1.0
    if np.ptp(told) >= LONG:
        free = float(np.cov(told, seen)[0, 1] / told.var(ddof=1))
        slope = float(np.clip(free, 1 - 1e-6 * MAX_DRIFT, 1 + 1e-6 * MAX_DRIFT))
    return float(np.median(seen - slope * told)), slope
