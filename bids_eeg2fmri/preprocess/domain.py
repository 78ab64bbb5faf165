"""Whether EEG lies where a model has been: the range of what it was trained on."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64

from bids_eeg2fmri.preprocess.channels import spread
from bids_eeg2fmri.preprocess.scale import scale_eeg
from bids_eeg2fmri.types import Pairs, Scale

PERCENTILES = (1.0, 99.0)
"""Ends of the range; what was trained on lies beyond them in 2 of 100 cases."""
MOST = 100
"""Pairs that a range is taken from at most, so that it fits into memory."""

Range = Float32[np.ndarray, "2 channels freqs"]
"""Lower and upper end for each electrode and frequency, in the model's units."""


def training_range(
    pairs: Sequence[Pairs], index: Sequence[Int64[np.ndarray, " _"]], scale: Scale
) -> Range:
    """Find where the EEG of some pairs lies, over these pairs and their windows.

    Of many pairs some are taken, evenly spaced over all runs.
    """
    chosen = [(p, i) for p, those in zip(pairs, index, strict=True) for i in those]
    picked = (chosen[k] for k in spread(len(chosen), MOST))
    seen = [scale_eeg(p.eeg[i], scale, p.run) for p, i in picked]
    ends = np.percentile(np.stack(seen), PERCENTILES, axis=(0, 3))
    return np.asarray(ends, dtype=np.float32)


def share_outside(
    pairs: Pairs, scale: Scale, allowed: Range
) -> Float64[np.ndarray, "channels freqs"]:
    """Tell how often each electrode and frequency leaves the range, one pair in memory at a time.

    Returns
    -------
    A share of pairs and windows; about 0.02 where the EEG is as in training.
    """
    low, high = allowed[..., None]
    total = np.zeros(low.shape[:2])
    for eeg in pairs.eeg:
        scaled = scale_eeg(eeg, scale, pairs.run)
        total += ((scaled < low) | (scaled > high)).mean(axis=-1)
    return np.asarray(total / len(pairs.eeg))
