"""Follow markers from volume to volume, over missing ones, to where a scan begins."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

Following = Int64[np.ndarray, " markers_and_end"]
"""A number for each marker, and one for the end, to which all chains of markers lead."""


@dataclass(frozen=True)
class Followed:
    """Markers one repetition time apart, from the one that may be the first of a scan."""

    time: Float64[np.ndarray, " found"]
    """In seconds; those after the scan included."""
    volume: Int64[np.ndarray, " found"]
    """Repetition times from the first."""
    n_before: int
    """Repetition times by which markers on the same grid go further back."""
    n_series: int
    """Stretches that could each be the scan."""

    @property
    def n_spanned(self) -> int:
        """Volumes from the first to the last."""
        return int(self.volume[-1]) + 1


def follow(
    time: Float64[np.ndarray, " markers"],
    n_volumes: int,
    n_needed: int,
    tr: float,
    tolerance: float,
    surplus: int,
) -> Followed:
    """Follow markers from where most volumes have one.

    Parameters
    ----------
    time
        Of the markers, in seconds, in time order.
    n_volumes, n_needed
        Volumes of the scan, and how many of them must have a marker.
    tr, tolerance
        Repetition time, and how far a marker may lie from where it is expected, in seconds.
    surplus
        Markers in a row that may be missing.
    """
    following, steps = _successors(time, tr, tolerance, surplus)
    hits = _count_hits(following, steps, n_volumes)
    start = _start(time, hits, tr - tolerance, surplus)
    marker, volume = _chain(following, steps, start)
    last = time[marker[volume < n_volumes][-1]]
    return Followed(
        time[marker],
        volume,
        n_before=_count_before(following, steps, start),
        n_series=1 + int(((hits >= n_needed) & (time > last)).any()),
    )


def _successors(
    time: Float64[np.ndarray, " markers"], tr: float, tolerance: float, surplus: int
) -> tuple[Following, Following]:
    """For each marker, the next one on the grid and how many TRs later; the end leads to itself.

    Each is sought from the one before, so that no drift adds up; missing ones are bridged.
    """
    end = len(time)
    following, steps = np.full(end + 1, end), np.zeros(end + 1, dtype=np.int64)
    for step in range(surplus + 1, 0, -1):
        expected = time + step * tr
        right = np.searchsorted(time, expected).clip(max=end - 1)
        left = (right - 1).clip(min=0)
        nearest = np.where(expected - time[left] < np.abs(time[right] - expected), left, right)
        found = np.flatnonzero(np.abs(time[nearest] - expected) <= tolerance)
        following[found], steps[found] = nearest[found], step
    return following, steps


def _count_hits(
    following: Following, steps: Following, n_volumes: int
) -> Int64[np.ndarray, " markers"]:
    """How many volumes have a marker if this marker were the first volume's, for each marker."""
    end = len(following) - 1
    at, volume, hits = np.arange(end), np.zeros(end, dtype=np.int64), np.ones(end, dtype=np.int64)
    for _ in range(n_volumes - 1):
        volume += steps[at]
        at = following[at]
        hits += (at < end) & (volume < n_volumes)
    return hits


def _start(
    time: Float64[np.ndarray, " markers"],
    hits: Int64[np.ndarray, " markers"],
    volume: float,
    surplus: int,
) -> int:
    """Find the marker of the first volume.

    Of several markers in a volume, such as slices, it is the first, even if it is the one that some
    other volume lacks.
    """
    best = int(hits.argmax())
    same = (time > time[best] - volume) & (hits >= hits[best] - surplus)
    return int(np.flatnonzero(same)[0])


def _chain(
    following: Following, steps: Following, start: int
) -> tuple[Int64[np.ndarray, " followed"], Int64[np.ndarray, " followed"]]:
    """Index of each marker on the grid from ``start``, and of the volume it stands for."""
    marker, volume = [start], [0]
    while (after := int(following[marker[-1]])) < len(following) - 1:
        volume.append(volume[-1] + int(steps[marker[-1]]))
        marker.append(after)
    return np.array(marker), np.array(volume)


def _count_before(following: Following, steps: Following, start: int) -> int:
    """Over how many TRs markers lead up to ``start``."""
    n_before = 0
    while (leading := np.flatnonzero(following[:-1] == start)).size:
        start = int(leading[-1])
        n_before += int(steps[start])
    return n_before
