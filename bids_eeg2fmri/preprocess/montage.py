"""Give a model the electrodes that it was trained on, from those that were recorded."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float64, Int64

from bids_eeg2fmri.config import ApplyConfig
from bids_eeg2fmri.errors import EEGError
from bids_eeg2fmri.types import typed

FEWEST = 4
"""Electrodes with a known place that splines need at least."""
TOGETHER = 5.0
"""Millimetres up to which electrodes of different names are one."""
APART = 40.0
"""Millimetres from which electrodes of one name are two: their naming systems differ."""
_NAMED = 6
"""Electrodes that a message names at most."""

Positions = Float64[np.ndarray, "channels 3"]
"""In the head frame in metres; NaN where unknown."""
Splines = Callable[
    [Float64[np.ndarray, "sites 3"], Bool[np.ndarray, " sites"]],
    Float64[np.ndarray, "lost kept"],
]
"""Weights of kept sites in lost ones, from the positions of all in metres."""


@typed
class Electrodes:
    """Where potentials are taken."""

    sites: tuple[str, ...]
    """Name of each site in one spelling."""
    positions: Positions
    """Where each of them is."""


@typed
class Montage:
    """How the electrodes of a model follow from those of a recording."""

    weights: Float64[np.ndarray, "channels recorded"]
    """Of each recorded electrode in each of the model's."""
    source: tuple[str, ...]
    """The recorded site that each of the model's electrodes is; empty where it is interpolated."""
    distance: Float64[np.ndarray, " channels"]
    """Millimetres to the nearest recorded electrode; NaN where a place is unknown."""

    @property
    def interpolated(self) -> Bool[np.ndarray, " channels"]:
        """Which of the model's electrodes are none of the recorded ones."""
        return np.array([not site for site in self.source])


def map_electrodes(
    wanted: Electrodes, recorded: Electrodes, cfg: ApplyConfig, splines: Splines, run: str
) -> Montage:
    """Take each electrode by name or place, and interpolate the others by place.

    Parameters
    ----------
    wanted, recorded
        The electrodes of the model, and those of the recording that can be relied on.
    splines
        Spherical splines (Perrin et al. 1989).
    run
        For messages.

    Raises
    ------
    EEGError
        If electrodes have to be interpolated whose place is unknown, or that lie too far from the
        recorded ones.
    """
    away = _distances(wanted.positions, recorded.positions)
    same = _identify(wanted, recorded, away)
    lost, placed = same < 0, np.isfinite(recorded.positions).all(axis=1)
    weights = np.zeros(away.shape)
    weights[~lost, same[~lost]] = 1
    distance = np.where(np.isfinite(away), away, np.inf).min(axis=1)
    if lost.any():
        _check_places(wanted, lost, int(placed.sum()), run)
        _check_coverage(wanted, lost & (distance > cfg.reach), distance, cfg, run)
        places = np.concatenate([recorded.positions[placed], wanted.positions[lost]])
        weights[np.ix_(lost, placed)] = splines(places, np.arange(len(places)) >= placed.sum())
    source = tuple(recorded.sites[i] if i >= 0 else "" for i in same.tolist())
    return Montage(weights, source, np.where(np.isfinite(distance), distance, np.nan))


def _distances(
    wanted: Positions, recorded: Float64[np.ndarray, "recorded 3"]
) -> Float64[np.ndarray, "channels recorded"]:
    """Tell in millimetres how far they are from each other; NaN where a place is unknown."""
    return np.asarray(1e3 * np.linalg.norm(wanted[:, None] - recorded, axis=2))


def _identify(
    wanted: Electrodes, recorded: Electrodes, away: Float64[np.ndarray, "channels recorded"]
) -> Int64[np.ndarray, " channels"]:
    """Find the recorded electrode of the same name, or at the same place; -1 for none."""
    named = np.array(wanted.sites)[:, None] == np.array(recorded.sites)
    alike = (named & ~(away > APART)) | (away < TOGETHER)
    # A name counts before a place.
    best = np.argmax(alike * (1 + named), axis=1)
    return np.where(alike.any(axis=1), best, -1)


def _check_places(
    wanted: Electrodes, lost: Bool[np.ndarray, " channels"], n_placed: int, run: str
) -> None:
    """Refuse what splines know no place of."""
    unplaced = lost & ~np.isfinite(wanted.positions).all(axis=1)
    if unplaced.any():
        raise EEGError(
            f"{run}: the model's electrodes {_listed(wanted, unplaced)} are not among the recorded "
            "ones, and the model does not know where they sit. Record them, or train with their "
            "places in electrodes.tsv."
        )
    if n_placed < FEWEST:
        raise EEGError(
            f"{run}: the model's electrodes {_listed(wanted, lost)} are not among the recorded "
            f"ones, and to interpolate them takes {FEWEST} of known place, where there are "
            f"{n_placed}. Add an electrodes.tsv, or use names of the 10-05 system."
        )


def _check_coverage(
    wanted: Electrodes,
    uncovered: Bool[np.ndarray, " channels"],
    distance: Float64[np.ndarray, " channels"],
    cfg: ApplyConfig,
    run: str,
) -> None:
    """Refuse a recording that leaves too much of the model's head empty."""
    n = int(uncovered.sum())
    if n > cfg.max_uncovered * len(uncovered):
        raise EEGError(
            f"{run}: {n} of the model's {len(uncovered)} electrodes lie more than {cfg.reach:g} mm "
            f"from any recorded one ({_listed(wanted, uncovered)}; "
            f"{distance[uncovered].max():.0f} mm at most), too far to interpolate. Apply a model "
            "of fewer electrodes, or raise --set apply.max_uncovered."
        )


def _listed(electrodes: Electrodes, which: Bool[np.ndarray, " channels"]) -> str:
    names = [electrodes.sites[i] for i in np.flatnonzero(which)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
