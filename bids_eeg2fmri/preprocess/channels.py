"""Take channels of a recording: a few in memory at a time, or some that stand for all."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32, Int64

from bids_eeg2fmri.types import Signal

HELD = 2**26
"""Numbers in the channels that are in memory at a time, if they are several."""
STANDING_FOR_ALL = 16
"""Channels that suffice for what all channels have in common."""


def rows_of(eeg: Signal, picked: Sequence[int]) -> Iterator[Float32[np.ndarray, " time"]]:
    """Give channels one by one; some of them are in memory at a time."""
    step = max(1, HELD // max(1, eeg.n_times))
    for begin in range(0, len(picked), step):
        yield from eeg.rows(picked[begin : begin + step])


def spread(n: int, most: int = STANDING_FOR_ALL) -> Int64[np.ndarray, " some"]:
    """Choose at most so many of ``n``, evenly spaced from the first to the last."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))
