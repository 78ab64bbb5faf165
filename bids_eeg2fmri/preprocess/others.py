"""Tell the time of each volume from another recording of the same EEG that knows it.

What was cut and cleaned for a derivative often has markers that the raw recording lacks, or the
other way round. How far apart the two began follows from what both have seen, or, where that is
only the heartbeat of the amplifier, from the dates of the recordings if the heartbeat bears them
out.
"""

from dataclasses import replace
from functools import partial
from operator import eq

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.preprocess.alignment import align, share_matched
from bids_eeg2fmri.preprocess.trains import HEARTBEAT
from bids_eeg2fmri.preprocess.triggers import volume_triggers
from bids_eeg2fmri.types import Evidence, Recorded, VolumeClock

AGREEMENT = 0.95
"""Share of what one recording has seen that the other must have seen too."""
FEWEST_SHARED = 3
"""Markers that both must have."""
FEWEST_BEATS = 10
"""Beats of the heartbeat that can bear out a date."""
MOST_PAIRS = 1_000_000
"""Pairs of markers of one label that are looked at; slices are more."""


def other_recordings(evidence: Evidence, cfg: ClockConfig) -> VolumeClock | str:
    """Take the clock of another recording, and the time from its beginning to that of this one."""
    reasons = []
    for other in evidence.others:
        clock = volume_triggers(replace(evidence, recorded=other), cfg)
        if not isinstance(clock, VolumeClock):
            reasons.append(f"nor do the markers of {other.name} tell it")
            continue
        apart = _shared(evidence.recorded, other) or _dated(evidence.recorded, other)
        if apart is None:
            reasons.append(
                f"{other.name} has '{clock.source}', but when it began in this recording cannot "
                "be told"
            )
            continue
        return replace(
            clock,
            onset=clock.onset + apart,
            marker_time=clock.marker_time + apart,
            source=f"{clock.source} of {other.name}",
        )
    return "; ".join(reasons)


def _shared(own: Recorded, other: Recorded) -> float | None:
    """When the other began, by markers that both have; none where they leave it open."""
    tolerance = 2 / own.sfreq + 2 / other.sfreq
    labels = {one for one in own.markers.label if not HEARTBEAT.match(one)}
    wanted = [partial(eq, label) for label in sorted(labels & {*other.markers.label})]
    groups = [(own.markers.times(one), other.markers.times(one)) for one in wanted]
    groups = [(one, two) for one, two in groups if one.size * two.size <= MOST_PAIRS]
    found = align(groups, tolerance)
    if found is None or found.n_votes < max(FEWEST_SHARED, found.n_rival + 1):
        return None
    swapped = [(second, first) for first, second in groups]
    agreed = (
        share_matched(groups, found.offset, own.duration, tolerance),
        share_matched(swapped, -found.offset, other.duration, tolerance),
    )
    return found.offset if min(agreed) >= AGREEMENT else None


def _dated(own: Recorded, other: Recorded) -> float | None:
    """When the other began, by the dates of both; none where the heartbeat does not bear it out."""
    if own.started is None or other.started is None:
        return None
    apart, tolerance = other.started - own.started, 2 / own.sfreq + 2 / other.sfreq
    beats = own.markers.times(HEARTBEAT.match), other.markers.times(HEARTBEAT.match)
    inside = beats[1] + apart
    seen = int(((inside >= 0) & (inside <= own.duration)).sum())
    agreed = share_matched([beats], apart, own.duration, tolerance)
    return apart if seen >= FEWEST_BEATS and agreed >= AGREEMENT else None
