"""Find by how much one clock is ahead of another from events that both have seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

First = Float64[np.ndarray, " first"]
Second = Float64[np.ndarray, " second"]
Group = tuple[Float64[np.ndarray, " _"], Float64[np.ndarray, " _"]]
"""Events of one kind on the first clock and on the second, each in time order."""


@dataclass(frozen=True)
class Alignment:
    """How two clocks lie to each other."""

    offset: float
    """Seconds that are added to the second clock to get the first."""
    n_votes: int
    """Pairs of events that lie this far apart."""
    n_rival: int
    """Pairs of events for the best of other offsets."""


def align(groups: Sequence[Group], tolerance: float, far: float = 0.0) -> Alignment | None:
    """Find the offset that most pairs of events agree on, within ``tolerance`` seconds.

    Events of different groups are never the same. Offsets up to ``far`` seconds away are no
    rivals. None where no group has events on both sides.
    """
    apart = [(first[:, None] - second).ravel() for first, second in groups]
    votes = np.sort(np.concatenate([np.empty(0), *apart]))
    if not votes.size:
        return None
    count = _supporters(votes, tolerance)
    best = int(count.argmax())
    near = np.abs(votes - votes[best]) <= tolerance
    offset = float(np.median(votes[near]))
    others = count[np.abs(votes - offset) > max(2 * tolerance, far)]
    return Alignment(offset, int(count[best]), int(others.max(initial=0)))


def _supporters(
    votes: Float64[np.ndarray, " votes"], tolerance: float
) -> Int64[np.ndarray, " votes"]:
    """How many votes, itself included, lie within the tolerance of each; they are in order."""
    last = np.searchsorted(votes, votes + tolerance, side="right")
    return np.asarray(last - np.searchsorted(votes, votes - tolerance, side="left"))


def match(
    first: First, second: Second, tolerance: float
) -> tuple[Int64[np.ndarray, " matched"], Int64[np.ndarray, " matched"]]:
    """Pair each event of the second with the nearest of the first, both on one clock.

    Returns
    -------
    Indices of those that lie within the tolerance of each other, into first and second.
    """
    if not first.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    right = np.searchsorted(first, second).clip(max=len(first) - 1)
    left = (right - 1).clip(min=0)
    nearest = np.where(np.abs(first[left] - second) < np.abs(first[right] - second), left, right)
    found = np.flatnonzero(np.abs(first[nearest] - second) <= tolerance)
    return nearest[found], found


def share_matched(groups: Sequence[Group], offset: float, span: float, tolerance: float) -> float:
    """Tell how many events of the second clock are events of the first, where that is known.

    Parameters
    ----------
    offset
        What is added to the second clock.
    span
        Seconds from the beginning of the first clock that it has seen.

    Returns
    -------
    A share of those that fall into what the first has seen; 0 where none does.
    """
    expected = matched = 0
    for first, second in groups:
        moved = second + offset
        moved = moved[(moved >= -tolerance) & (moved <= span + tolerance)]
        expected += len(moved)
        matched += len(match(first, moved, tolerance)[1])
    return matched / expected if expected else 0.0
