"""Tables of parcels: the best of them, the median and the last, with what their q can tell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float64

from bids_eeg2fmri.report.page import Column, Metric
from bids_eeg2fmri.report.words import counted, number, probability, signed

BEST = 10
"""Parcels that are shown as the best ones."""
FEW = 2 * BEST
"""Up to so many all are shown."""
_SPELT: Mapping[str, Callable[[float], str]] = {
    "n_participants": partial(number, decimals=0),
    "t": partial(number, decimals=2),
    "p": probability,
    "q": probability,
    "skill": signed,
}
"""How scores are written that are not written to three decimals."""
_ENDS = ("r_low", "r_high")
"""What stands below the temporal r."""


@dataclass(frozen=True)
class ParcelTable:
    """Scores of parcels."""

    model: str
    """The model whose scores these are."""
    origin: str
    """Where the parcels come from, in words."""
    names: tuple[str, ...]
    """Name of each parcel."""
    scores: Mapping[str, Float64[np.ndarray, " parcels"]]
    """The scores that are shown, one value a parcel; ``pearsoncorrelation`` puts them in order, and
    ``r_low`` and ``r_high`` are its interval."""
    metrics: Mapping[str, Metric]
    """What each of them means."""
    remark: str
    """What p and q rest on, in plain sentences."""
    file: str
    """Path of the whole table below the report's folder."""

    @property
    def order(self) -> list[int]:
        """The parcels that have a temporal r, from the highest to the lowest."""
        r = self.scores["pearsoncorrelation"]
        return [i for i in np.argsort(-r, kind="stable").tolist() if np.isfinite(r[i])]

    @property
    def shown(self) -> dict[str, int]:
        """The best, the median and the last, under their ranks; all where these are few."""
        order = self.order
        if len(order) <= FEW:
            return {str(rank): i for rank, i in enumerate(order, start=1)}
        best = {str(rank): i for rank, i in enumerate(order[:BEST], start=1)}
        middle, n = (len(order) + 1) // 2, len(order)
        return best | {f"{middle} (median)": order[middle - 1], f"{n} (last)": order[-1]}

    @property
    def columns(self) -> tuple[Column, ...]:
        """The scores of what is shown, as text, with the intervals of temporal r."""
        rows = [*self.shown.values()]
        return tuple(
            Column(
                self.metrics[name],
                tuple(_SPELT.get(name, number)(values[i]) for i in rows),
                tuple(self._interval(i) if name == "pearsoncorrelation" else "" for i in rows),
                (False,) * len(rows),
            )
            for name, values in self.scores.items()
            if name not in _ENDS
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the parcels are, what is shown of them, and what p and q rest on."""
        n, ranked = len(self.names), len(self.order)
        told = {
            f"{counted(n, 'parcel')}: {self.origin}.": True,
            f"{n - ranked} of them {'has' if n - ranked == 1 else 'have'} no temporal r, for want "
            "of a voxel in the brain or of a signal that varies.": ranked < n,
            f"Shown are the {BEST} with the highest temporal r, which are the best of many and so "
            "in part by luck, the median and the last.": ranked > FEW,
            self.remark: True,
        }
        return tuple(sentence for sentence, holds in told.items() if holds)

    def _interval(self, parcel: int) -> str:
        low, high = (self.scores[end][parcel] for end in _ENDS)
        return f"{number(low)} to {number(high)}" if np.isfinite(low) else ""


def reach_of_q(p: Float64[np.ndarray, " parcels"], n_volumes: int) -> str:
    """Say in a sentence how low the q of a parcel alone can fall in a test of one run."""
    n = int(np.isfinite(p).sum())
    if not n:
        return "There are no p and q: the test is too short to shift the EEG."
    reach = f"q over {counted(n, 'parcel')} from {counted(n_volumes, 'test volume')}"
    if n >= n_volumes:
        return f"{reach} is 1 for a parcel alone, as it can never fall below {n}/{n_volumes}."
    least = probability(n / n_volumes)
    return f"{reach} can never fall below {n}/{n_volumes} = {least} for a parcel alone."


def reach_over_people(n: int) -> str:
    """Say in a sentence what intervals, t and p of a group rest on."""
    if n < 2:
        return "One test participant allows no interval over participants, nor t, p and q."
    return f"Intervals, t, p and q are over {n} test participants."
