"""Tell the time of each volume from the triggers that the scanner sent into the EEG."""

import re
import warnings
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import DataWarning
from bids_eeg2fmri.preprocess.alignment import share_matched
from bids_eeg2fmri.types import Evidence, Markers, VolumeClock

CHATTER = 0.01
"""Markers of one label closer than this are one, in seconds; excitations lie further apart."""
MAX_DRIFT = 500.0
"""Largest drift believed, in ppm: 100 for two quartz clocks, the rest for a rounded TR."""
FEWEST_SLICES = 8
"""Markers that recur more than once a volume, but less often than this, are no slices."""
LEAST_OF_CUT = 20
"""Volumes that must have a marker, where EEG and scan overlap in part only."""
SAME = 0.9
"""Share of the markers that must stand in ``events.tsv`` for its rows to be believed."""

HEARTBEAT = re.compile(r"SyncStatus/|Sync On$")
SCANNER = re.compile(r"(Response|Toggle|Scanner)/|(.*/)?R128$|.*\bTTL\b")
STIMULUS = re.compile(r"Stimulus/")


@dataclass(frozen=True)
class Train:
    """The markers of one label that follow each other from volume to volume."""

    label: str
    period: float
    """Median time from one marker to the next in seconds; infinite if there is only one."""
    n_markers: int
    """Markers of the label, chatter merged."""
    n_followed: int
    """Markers on the grid of one TR, those after the last stored volume included."""
    n_spanned: int
    """Stored volumes from the first that has a marker to the last."""
    n_series: int
    """Stretches that could each be all the stored volumes."""
    n_discarded: int
    """Markers of volumes before the first stored one, as the sidecar tells."""
    edge: int | None
    """Volumes before the first marker; None if that cannot be told."""
    is_cut: bool
    """Whether volumes lack a marker because the EEG began after the scan, or ended before it."""
    clock: VolumeClock
    """The line through the markers of stored volumes."""

    @property
    def per_volume(self) -> int:
        """How often the label recurs in one TR: once, or once for each slice."""
        return max(1, round(self.clock.tr / self.period))

    @property
    def rank(self) -> tuple[int, int, int, float]:
        """Order of the trains that prove themselves, the best lowest."""
        kind = 0 if SCANNER.match(self.label) else 1 if STIMULUS.match(self.label) else 2
        return kind, -self.clock.n_markers, self.per_volume, self.clock.residual

    @property
    def closeness(self) -> tuple[bool, int, int]:
        """Order of the trains that do not, the closest highest."""
        found = self.clock.n_markers
        return found > 1 and not HEARTBEAT.match(self.label), found, self.n_markers


def volume_triggers(evidence: Evidence, cfg: ClockConfig) -> VolumeClock | str:
    """Take the label that recurs once a TR (or once a slice), as often as volumes are stored."""
    markers = evidence.recorded.markers
    if not markers.label:
        return "the EEG recording holds no markers"
    trains = [_train(label, evidence, cfg) for label in _labels(markers, cfg.trigger)]
    if not trains:
        counts = Counter(markers.label).most_common()
        there = ", ".join(f"{label} ({n})" for label, n in counts[:10])
        more = ", …" * (len(counts) > 10)
        return f"there is no marker {cfg.trigger!r}; the markers are: {there}{more}"
    proved = [train for train in trains if not _objection(train, evidence, cfg)]
    if not proved:
        closest = _objection(max(trains, key=lambda train: train.closeness), evidence, cfg)
        scan, lasts = evidence.n_volumes * evidence.tr, evidence.recorded.duration
        return (
            f"no marker stands for the {evidence.n_volumes} volumes of {evidence.tr:g} s "
            f"(closest: {closest})"
            + (f"; the EEG lasts {lasts:.0f} s, the scan {scan:.0f} s" if lasts < scan else "")
        )
    best = min(proved, key=lambda train: train.rank)
    _warn_of_oddities(best, evidence)
    return best.clock


def tabled_triggers(evidence: Evidence, cfg: ClockConfig) -> VolumeClock | str:
    """Take the triggers of ``events.tsv``, where the recording lacks some or all of them.

    If the recording has any markers, they must be in the table too and stand where it says.
    """
    recorded = evidence.recorded
    if not recorded.tabled.label:
        return ""
    seen = recorded.markers.times(lambda label: not HEARTBEAT.match(label))
    within, tolerance = recorded.duration, _tolerance(evidence, cfg)
    if seen.size and share_matched([(recorded.tabled.time, seen)], 0.0, within, tolerance) < SAME:
        return "the rows of events.tsv stand elsewhere than the markers"
    found = volume_triggers(replace(evidence, recorded=recorded.by_table()), cfg)
    return found if isinstance(found, VolumeClock) else f"of the rows of events.tsv, {found}"


def _labels(markers: Markers, trigger: str | None) -> list[str]:
    """Return the labels that may be volume triggers: all, or those that the user named."""
    labels = list(Counter(markers.label))
    if trigger is None:
        return labels
    wanted = trigger.split()  # BrainVision pads numbers with blanks
    return [x for x in labels if wanted in (x.split(), x.partition("/")[2].split())]


def _train(label: str, evidence: Evidence, cfg: ClockConfig) -> Train:
    """Follow the markers of one label from volume to volume, from where most volumes have one."""
    time = evidence.recorded.markers.times(lambda x: x == label)
    time = time[np.diff(time, prepend=-np.inf) > CHATTER]
    following, steps = _successors(time, evidence, cfg)
    hits = _count_hits(following, steps, evidence.n_volumes)
    marker, volume = _follow(following, steps, start=int(hits.argmax()))
    dummies = _dummies(int(volume[-1]) + 1, evidence, cfg)
    volume = volume - dummies
    stored = (volume >= 0) & (volume < evidence.n_volumes)
    found, volume = time[marker[stored]], volume[stored]
    edge, is_cut = _volumes_before(found, volume, evidence)
    return Train(
        label,
        period=float(np.median(np.diff(time))) if len(time) > 1 else np.inf,
        n_markers=len(time),
        n_followed=len(marker),
        n_spanned=int(np.ptp(volume)) + 1,
        n_series=1 + int(((hits >= _needed(evidence, cfg)) & (time > found[-1])).any()),
        n_discarded=dummies,
        edge=edge,
        is_cut=is_cut,
        clock=_fit(found, volume + (edge or 0), label, evidence),
    )


def _needed(evidence: Evidence, cfg: ClockConfig) -> int:
    """How many volumes must have a marker; a line needs two."""
    return max(evidence.n_volumes - cfg.surplus, 2)


def _needed_of_cut(train: Train, evidence: Evidence, cfg: ClockConfig) -> int:
    """How many volumes must have a marker, where the EEG began or ended during the scan."""
    if cfg.trigger is None and not SCANNER.match(train.label):
        return _needed(evidence, cfg)
    return max(LEAST_OF_CUT, train.n_spanned - cfg.surplus)


def _tolerance(evidence: Evidence, cfg: ClockConfig) -> float:
    """How far a marker may lie from where it is expected, in seconds; not up to another volume."""
    return min(max(cfg.tolerance, 2 / evidence.recorded.sfreq), evidence.tr / 4)


def _successors(
    time: Float64[np.ndarray, " markers"], evidence: Evidence, cfg: ClockConfig
) -> tuple[Int64[np.ndarray, " markers_and_end"], Int64[np.ndarray, " markers_and_end"]]:
    """For each marker, the next one on the grid and how many TRs later; the end leads to itself.

    Each is sought from the one before, so that no drift adds up; missing ones are bridged.
    """
    end = len(time)
    following, steps = np.full(end + 1, end), np.zeros(end + 1, dtype=np.int64)
    for step in range(cfg.surplus + 1, 0, -1):
        expected = time + step * evidence.tr
        right = np.searchsorted(time, expected).clip(max=end - 1)
        left = (right - 1).clip(min=0)
        nearest = np.where(expected - time[left] < np.abs(time[right] - expected), left, right)
        found = np.flatnonzero(np.abs(time[nearest] - expected) <= _tolerance(evidence, cfg))
        following[found], steps[found] = nearest[found], step
    return following, steps


def _count_hits(
    following: Int64[np.ndarray, " markers_and_end"],
    steps: Int64[np.ndarray, " markers_and_end"],
    n_volumes: int,
) -> Int64[np.ndarray, " markers"]:
    """How many volumes have a marker if this marker were the first volume's, for each marker."""
    end = len(following) - 1
    at, volume, hits = np.arange(end), np.zeros(end, dtype=np.int64), np.ones(end, dtype=np.int64)
    for _ in range(n_volumes - 1):
        volume += steps[at]
        at = following[at]
        hits += (at < end) & (volume < n_volumes)
    return hits


def _follow(
    following: Int64[np.ndarray, " markers_and_end"],
    steps: Int64[np.ndarray, " markers_and_end"],
    start: int,
) -> tuple[Int64[np.ndarray, " followed"], Int64[np.ndarray, " followed"]]:
    """Index of each marker on the grid from ``start``, and of the volume it stands for."""
    marker, volume = [start], [0]
    while (after := int(following[marker[-1]])) < len(following) - 1:
        volume.append(volume[-1] + int(steps[marker[-1]]))
        marker.append(after)
    return np.array(marker), np.array(volume)


def _dummies(n_followed: int, evidence: Evidence, cfg: ClockConfig) -> int:
    """How many triggers belong to volumes before the first stored one that were thrown away.

    Those that the user threw away had a trigger, those that the scanner did not store may have.
    """
    user, scanner = evidence.discarded
    beyond = n_followed - evidence.n_volumes
    fitting = {n for n in (user, scanner, user + scanner) if 0 <= beyond - n <= cfg.surplus}
    return max(fitting, default=0)


def _volumes_before(
    found: Float64[np.ndarray, " found"], volume: Int64[np.ndarray, " found"], evidence: Evidence
) -> tuple[int | None, bool]:
    """How many volumes were acquired before the first marker, and whether the EEG's ends say so.

    None if that cannot be told.

    Markers are missing at an edge because the EEG began after the scan or ended before it: the
    division that leaves fewest of them missing inside the EEG is taken, and if several leave some,
    the one in which the first marker stands for the first volume.
    """
    missing = evidence.n_volumes - 1 - int(volume[-1])
    before, after = found[0] // evidence.tr, (evidence.recorded.duration - found[-1]) // evidence.tr
    unexplained = [min(n, before) + min(missing - n, after) for n in range(missing + 1)]
    edge = None if unexplained.count(0) > 1 else unexplained.index(min(unexplained))
    return edge, missing > 0 and unexplained.count(0) == 1


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


def _objection(train: Train, evidence: Evidence, cfg: ClockConfig) -> str:
    """Say why these are not the volume triggers; nothing if they are."""
    clock, n_volumes, needed = train.clock, evidence.n_volumes, _needed(evidence, cfg)
    between = 1 < train.per_volume < FEWEST_SLICES and cfg.trigger is None
    too_few = clock.n_markers < (_needed_of_cut(train, evidence, cfg) if train.is_cut else needed)
    too_many = train.n_followed > n_volumes + train.n_discarded + cfg.surplus
    verdicts = (
        (HEARTBEAT.match(train.label), "the heartbeat of the EEG amplifier"),
        (too_few and clock.n_markers < 3, f"not every {evidence.tr:g} s"),
        (too_few or too_many, f"but {train.n_followed} times, {n_volumes} volumes are stored"),
        (between, "too often for volumes and too seldom for slices"),
        (train.n_series > 1, f"in more than one series of {n_volumes} volumes"),
        (train.edge is None, "but whether the first or the last volume lacks it cannot be told"),
        (abs(clock.drift) > MAX_DRIFT, f"but drifts by {clock.drift:.0f} ppm"),
        (clock.residual > _tolerance(evidence, cfg), f"but strays by {clock.residual:.3f} s"),
    )
    how = f"recurs every {train.period:.3f} s" if train.n_markers > 1 else "occurs once"
    return next((f"{train.label!r} {how}, {why}" for objects, why in verdicts if objects), "")


def _warn_of_oddities(train: Train, evidence: Evidence) -> None:
    """Tell of volumes without a marker, and of markers without a volume."""
    found = train.clock.n_markers
    left_over = train.n_markers - found - train.n_discarded if train.per_volume == 1 else 0
    if train.n_discarded:
        warnings.warn(
            f"{evidence.name}: the first {train.n_discarded} markers {train.label!r} are taken for "
            "volumes that were discarded, as many as the sidecar tells",
            DataWarning,
            stacklevel=4,
        )
    if found < evidence.n_volumes or left_over:
        warnings.warn(
            f"{evidence.name}: {found} of {evidence.n_volumes} volumes have a marker "
            f"{train.label!r} and {left_over} such markers are left over; the first volume is "
            f"taken to be at {train.clock.onset[0]:.3f} s of the EEG",
            DataWarning,
            stacklevel=4,
        )
