"""Take the markers of one label for volume triggers: what clock they would give, and how well."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.preprocess.following import Followed, follow
from bids_eeg2fmri.types import Evidence, VolumeClock

CHATTER = 0.01
"""Markers of one label closer than this are one, in seconds; excitations lie further apart."""

HEARTBEAT = re.compile(r"SyncStatus/|Sync On$")
"""Labels by which an amplifier says that it runs in step with the scanner's clock."""
SCANNER = re.compile(r"(Response|Toggle|Scanner)/|(.*/)?R128$|.*\bTTL\b")
"""Labels that a scanner's triggers mostly have."""
STIMULUS = re.compile(r"Stimulus/")
"""Labels that they have where a trigger comes in by the line of stimuli."""


@dataclass(frozen=True)
class Train:
    """The markers of one label that follow each other from volume to volume."""

    label: str
    """Type and description, e.g. ``Response/R128``."""
    period: float
    """Median time from one marker to the next in seconds; infinite if there is only one."""
    n_markers: int
    """Markers of the label, chatter merged."""
    n_left_over: int
    """Those that stand for no volume of the scan."""
    n_followed: int
    """Markers on the grid of one TR, those after the last stored volume included."""
    n_spanned: int
    """Stored volumes from the first that has a marker to the last."""
    n_earlier: int
    """Volumes by which the scan could have begun earlier just as well."""
    n_series: int
    """Stretches that could each be all the stored volumes."""
    n_discarded: int | None
    """Markers of volumes before the first stored one, as the sidecar tells; None if it leaves
    open how many."""
    edge: int | None
    """Volumes before the first marker; None if that cannot be told."""
    is_cut: bool
    """Whether volumes lack a marker because the EEG began after the scan, or ended before it."""
    is_ragged: bool
    """Whether the last volume has fewer slices than others, so that the first may lack some."""
    clock: VolumeClock
    """The line through the markers of stored volumes."""

    @property
    def per_volume(self) -> int:
        """How often the label recurs in one TR: once, or once for each slice."""
        return max(1, round(self.clock.tr / self.period))

    @property
    def kind(self) -> tuple[int, bool]:
        """How likely such a label is a volume trigger, the likeliest lowest."""
        kind = 0 if SCANNER.match(self.label) else 1 if STIMULUS.match(self.label) else 2
        return kind, self.per_volume > 1

    @property
    def rank(self) -> tuple[tuple[int, bool], int, float]:
        """Order of the trains that prove themselves, the best lowest."""
        return self.kind, -self.clock.n_markers, float(self.clock.onset[0])

    @property
    def closeness(self) -> tuple[bool, int, int]:
        """Order of the trains that do not, the closest highest."""
        found = self.clock.n_markers
        return found > 1 and not HEARTBEAT.match(self.label), found, self.n_markers


def make_train(label: str, evidence: Evidence, cfg: ClockConfig) -> Train:
    """Follow the markers of one label from volume to volume, from where most volumes have one."""
    time = evidence.recorded.markers.times(lambda x: x == label)
    time = time[np.diff(time, prepend=-np.inf) > CHATTER]
    longest = evidence.n_volumes + sum(evidence.discarded)
    tolerance = tolerance_of(evidence, cfg)
    found = follow(time, longest, needed(evidence, cfg), evidence.tr, tolerance, cfg.surplus)
    discarded = _discarded(found, evidence, cfg)
    n_scanned = evidence.n_volumes + (discarded or 0)
    scanned = found.volume < n_scanned
    room = _room(found.time[scanned], evidence)
    edge, is_cut = _volumes_before(room, n_scanned - 1 - int(found.volume[scanned][-1]), cfg)
    volume = found.volume - (discarded or 0) + (edge or 0)
    stored = (volume >= 0) & (volume < evidence.n_volumes)
    is_longer = found.n_before + found.n_spanned > longest + cfg.surplus
    return Train(
        label,
        period=float(np.median(np.diff(time))) if len(time) > 1 else np.inf,
        n_markers=len(time),
        n_left_over=len(time) - int(scanned.sum()),
        n_followed=len(found.time),
        n_spanned=int(np.ptp(volume[stored])) + 1,
        n_earlier=0 if is_longer else found.n_before,
        n_series=found.n_series,
        n_discarded=discarded,
        edge=edge,
        is_cut=is_cut,
        is_ragged=_is_ragged(time, found.time[scanned if room[0] else ...], evidence, tolerance),
        clock=_fit(found.time[stored], volume[stored], label, evidence),
    )


def needed(evidence: Evidence, cfg: ClockConfig) -> int:
    """How many volumes must have a marker; a line needs two."""
    return max(evidence.n_volumes - cfg.surplus, 2)


def tolerance_of(evidence: Evidence, cfg: ClockConfig) -> float:
    """How far a marker may lie from where it is expected, in seconds; not up to another volume."""
    return min(max(cfg.tolerance, 2 / evidence.recorded.sfreq), evidence.tr / 4)


def _room(found: Float64[np.ndarray, " found"], evidence: Evidence) -> tuple[int, int]:
    """How many volumes the EEG has room for before the first marker and after the last."""
    after = evidence.recorded.duration - found[-1]
    return int(found[0] // evidence.tr), int(after // evidence.tr)


def _discarded(found: Followed, evidence: Evidence, cfg: ClockConfig) -> int | None:
    """How many volumes that were thrown away have a trigger; None if that cannot be told.

    Those that the user threw away had one, those that the scanner did not store may have.
    """
    user, scanner = evidence.discarded
    told = {0, user, scanner, user + scanner}
    beyond = found.n_spanned - evidence.n_volumes
    if len(told) == 1 or beyond == max(told):
        return max(told)
    if min(_room(found.time, evidence)) < 1:
        return None  # as others may have come before the EEG began, or after it ended
    fitting = {n for n in told if abs(beyond - n) <= cfg.surplus and n < found.n_spanned}
    return beyond if beyond in told else fitting.pop() if len(fitting) == 1 else None


def _volumes_before(
    room: tuple[int, int], missing: int, cfg: ClockConfig
) -> tuple[int | None, bool]:
    """How many volumes were acquired before the first marker, and whether the EEG's ends say so.

    None if that cannot be told.

    Markers are missing at an edge because the EEG began after the scan or ended before it: the
    division that leaves fewest of them missing inside the EEG is taken, and if several leave some,
    the one in which the first marker stands for the first volume. Many may also be missing because
    markers were written late or for too short a time (NATVIEW): the EEG must have no room for that.
    """
    before, after = room
    unexplained = [min(n, before) + min(missing - n, after) for n in range(missing + 1)]
    if unexplained.count(0) > 1:
        return None, False
    is_cut = missing > 0 and 0 in unexplained
    if is_cut and missing > cfg.surplus and max(room) >= missing:
        return None, True
    return unexplained.index(min(unexplained)), is_cut


def _is_ragged(
    time: Float64[np.ndarray, " markers"],
    found: Float64[np.ndarray, " found"],
    evidence: Evidence,
    tolerance: float,
) -> bool:
    """Whether the last volume has fewer markers than volumes mostly have, though EEG covers it."""
    edges = np.stack([found, found + evidence.tr]) - tolerance
    first, last = np.searchsorted(time, edges)
    count = last - first
    return bool(edges[1, -1] <= evidence.recorded.duration and count[-1] < np.median(count))


def _fit(
    found: Float64[np.ndarray, " found"],
    volume: Int64[np.ndarray, " found"],
    label: str,
    evidence: Evidence,
) -> VolumeClock:
    """Lay a line through the markers; its slope is the drift."""
    scan = volume * evidence.tr
    slope = np.cov(scan, found)[0, 1] / scan.var(ddof=1) if len(found) > 1 else 1.0
    first = found.mean() - slope * scan.mean()
    residual = found - first - slope * scan
    return VolumeClock(
        onset=first + slope * evidence.tr * np.arange(evidence.n_volumes),
        tr=evidence.tr,
        source=f"triggers:{label}",
        n_markers=len(found),
        drift=float(1e6 * (slope - 1)),
        residual=float(np.abs(residual).max()),
        marker_time=found,
        marker_residual=residual,
    )
