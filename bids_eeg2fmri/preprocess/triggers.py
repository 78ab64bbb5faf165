"""Tell the time of each volume from the triggers that the scanner sent into the EEG."""

import warnings
from collections import Counter
from dataclasses import replace

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import DataWarning
from bids_eeg2fmri.preprocess.alignment import share_matched
from bids_eeg2fmri.preprocess.trains import (
    HEARTBEAT,
    SCANNER,
    Train,
    make_train,
    needed,
    tolerance_of,
)
from bids_eeg2fmri.types import Evidence, Markers, VolumeClock

MAX_DRIFT = 500.0
"""Largest drift believed, in ppm: 100 for two quartz clocks, the rest for a rounded TR."""
FEWEST_SLICES = 8
"""Markers that recur more than once a volume, but less often than this, are no slices."""
LEAST_OF_CUT = 20
"""Volumes that must have a marker, where EEG and scan overlap in part only."""
SAME = 0.9
"""Share of the markers that must stand in ``events.tsv`` for its rows to be believed."""


def volume_triggers(evidence: Evidence, cfg: ClockConfig) -> VolumeClock | str:
    """Take the label that recurs once a TR (or once a slice), as often as volumes are stored."""
    return _triggers(evidence, cfg, in_part=False)


def tabled_triggers(evidence: Evidence, cfg: ClockConfig) -> VolumeClock | str:
    """Take the triggers of ``events.tsv``, where the recording lacks some or all of them.

    If the recording has any markers, they must be in the table too and stand where it says.
    """
    return _tabled_triggers(evidence, cfg, in_part=False)


def partial_triggers(evidence: Evidence, cfg: ClockConfig) -> VolumeClock | str:
    """Take triggers of a scan that began before the EEG or ended after it.

    They are counted from the end of the scan that the EEG has seen. It is asked after those that
    know the whole scan.
    """
    for find in (_triggers, _tabled_triggers):
        found = find(evidence, cfg, in_part=True)
        if isinstance(found, VolumeClock):
            return found
    return ""  # why not was told when the whole scan was sought


def _triggers(evidence: Evidence, cfg: ClockConfig, *, in_part: bool) -> VolumeClock | str:
    markers = evidence.recorded.markers
    if not markers.label:
        return "the EEG recording holds no markers"
    trains = [make_train(label, evidence, cfg) for label in _labels(markers, cfg.trigger)]
    if not trains:
        counts = Counter(markers.label).most_common()
        there = ", ".join(f"{label} ({n})" for label, n in counts[:10])
        more = ", …" * (len(counts) > 10)
        return f"there is no marker {cfg.trigger!r}; the markers are: {there}{more}"
    objections = {train.label: _objection(train, evidence, cfg, in_part) for train in trains}
    proved = [train for train in trains if not objections[train.label]]
    best = min(proved, key=lambda train: train.rank, default=None)
    likelier = [train for train in trains if best and _is_likelier(train, best, evidence, cfg)]
    if best is None or likelier:
        closest = max(likelier or trains, key=lambda train: train.closeness)
        return _none(objections[closest.label], evidence)
    for other in proved:
        apart = abs(other.clock.onset[0] - best.clock.onset[0])
        if other.kind == best.kind and apart > evidence.tr / 2:
            return f"markers {best.label!r} and {other.label!r} both recur as often as volumes"
    _warn_of_oddities(best, evidence)
    return best.clock


def _none(closest: str, evidence: Evidence) -> str:
    """Say that no marker stands for the volumes."""
    scan, lasts = evidence.n_volumes * evidence.tr, evidence.recorded.duration
    return (
        f"no marker stands for the {evidence.n_volumes} volumes of {evidence.tr:g} s "
        f"(closest: {closest})"
        + (f"; the EEG lasts {lasts:.0f} s, the scan {scan:.0f} s" if lasts < scan else "")
    )


def _tabled_triggers(evidence: Evidence, cfg: ClockConfig, *, in_part: bool) -> VolumeClock | str:
    recorded = evidence.recorded
    if not recorded.tabled.label:
        return ""
    seen = recorded.markers.times(lambda label: not HEARTBEAT.match(label))
    within, tolerance = recorded.duration, tolerance_of(evidence, cfg)
    if seen.size and share_matched([(recorded.tabled.time, seen)], 0.0, within, tolerance) < SAME:
        return "the rows of events.tsv stand elsewhere than the markers"
    found = _triggers(replace(evidence, recorded=recorded.by_table()), cfg, in_part=in_part)
    return found if isinstance(found, VolumeClock) else f"of the rows of events.tsv, {found}"


def _labels(markers: Markers, trigger: str | None) -> list[str]:
    """Return the labels that may be volume triggers: all, or those that the user named."""
    labels = list(Counter(markers.label))
    if trigger is None:
        return labels
    wanted = trigger.split()  # BrainVision pads numbers with blanks
    return [x for x in labels if wanted in (x.split(), x.partition("/")[2].split())]


def _is_likelier(train: Train, best: Train, evidence: Evidence, cfg: ClockConfig) -> bool:
    """Whether these are a scanner's triggers in the main, so that no other label is believed."""
    many = train.n_followed >= min(LEAST_OF_CUT, needed(evidence, cfg))
    return many and train.kind[0] < best.kind[0]


def _needed_of_cut(train: Train, evidence: Evidence, cfg: ClockConfig) -> int:
    """How many volumes must have a marker, where the EEG began or ended during the scan."""
    if cfg.trigger is None and not SCANNER.match(train.label):
        return needed(evidence, cfg)
    return max(LEAST_OF_CUT, train.n_spanned - cfg.surplus)


def _objection(train: Train, evidence: Evidence, cfg: ClockConfig, in_part: bool) -> str:
    """Say why these are not the volume triggers; nothing if they are."""
    clock, n_volumes, fewest = train.clock, evidence.n_volumes, needed(evidence, cfg)
    between = 1 < train.per_volume < FEWEST_SLICES and cfg.trigger is None
    too_few = clock.n_markers < (_needed_of_cut(train, evidence, cfg) if train.is_cut else fewest)
    too_many = train.n_followed > n_volumes + (train.n_discarded or 0) + cfg.surplus
    many = f"{train.n_followed} times, {n_volumes} volumes are stored"
    verdicts = (
        (HEARTBEAT.match(train.label), "the heartbeat of the EEG amplifier"),
        (too_few and clock.n_markers < 3, f"not every {evidence.tr:g} s"),
        (too_few or too_many, f"but {many}"),
        (between, "too often for volumes and too seldom for slices"),
        (train.n_series > 1, f"in more than one series of {n_volumes} volumes"),
        (train.n_earlier, f"but {train.n_earlier} volumes earlier the scan could begin as well"),
        (train.n_discarded is None, f"{many}, and whether others were discarded cannot be told"),
        (train.edge is None, "but whether the first or the last volumes lack it cannot be told"),
        (train.is_ragged, "but whether the first or the last slices lack it cannot be told"),
        (train.is_cut and not in_part, "but the EEG covers a part of the scan"),
        (abs(clock.drift) > MAX_DRIFT, f"but drifts by {clock.drift:.0f} ppm"),
        (clock.residual > tolerance_of(evidence, cfg), f"but strays by {clock.residual:.3f} s"),
    )
    how = f"recurs every {train.period:.3f} s" if train.n_markers > 1 else "occurs once"
    return next((f"{train.label!r} {how}, {why}" for objects, why in verdicts if objects), "")


def _warn_of_oddities(train: Train, evidence: Evidence) -> None:
    """Tell of volumes without a marker, and of markers without a volume."""
    found = train.clock.n_markers
    left_over = train.n_left_over if train.per_volume == 1 else 0
    if train.n_discarded:
        warnings.warn(
            f"{evidence.name}: the first {train.n_discarded} volumes with a marker {train.label!r} "
            "are taken to be those that were discarded, as many as the sidecar tells",
            DataWarning,
            stacklevel=5,
        )
    if found < evidence.n_volumes or left_over:
        warnings.warn(
            f"{evidence.name}: {found} of {evidence.n_volumes} volumes have a marker "
            f"{train.label!r} and {left_over} such markers are left over; the first volume is "
            f"taken to be at {train.clock.onset[0]:.3f} s of the EEG",
            DataWarning,
            stacklevel=5,
        )
