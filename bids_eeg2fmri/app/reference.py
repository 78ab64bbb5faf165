"""What is known of BOLD without any EEG."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.config import ScaleConfig
from bids_eeg2fmri.preprocess.bold import resize
from bids_eeg2fmri.preprocess.scale import fit_scale, mean_volume, own_scale, transfer
from bids_eeg2fmri.train.splits import Index, Split
from bids_eeg2fmri.types import Pairs, Scale, typed


@typed
class Reference:
    """What the training volumes tell of any other volume.

    Where participants have scales of their own it is in the units of the one that serves all.
    """

    mean: Float32[np.ndarray, "x y z"]
    """Mean volume on the model's grid, in the scanner's units."""
    low: float
    """Smallest value of the training volumes."""
    high: float
    """Largest value of the training volumes."""

    @property
    def span(self) -> float:
        """Range of the training volumes."""
        return self.high - self.low

    def on(self, run: PairedRun, scale: Scale) -> Float32[np.ndarray, "x y z"]:
        """Bring the mean to the native grid, in the units of the run's participant."""
        mean = transfer(self.mean, scale, own_scale(scale, run.files.name))
        return resize(mean, run.pairs.mask.shape)


def units(cfg: ScaleConfig, pairs: Sequence[Pairs], split: Split) -> Scale:
    """Measure the model's units on the training pairs.

    A participant's own numbers, as in the public code, come from the test volumes too.
    """
    seen = None if cfg.bold == "participant" else split.before_test
    return fit_scale(pairs, split.train, cfg, seen)


def measure(pairs: Sequence[Pairs], index: Sequence[Index], scale: Scale) -> Reference:
    """Look at the training volumes, one at a time."""
    volumes = (
        transfer(run.bold[i], own_scale(scale, run.run), scale)
        for run, chosen in zip(pairs, index, strict=True)
        for i in chosen
    )
    lows, highs = zip(*((float(v.min()), float(v.max())) for v in volumes), strict=True)
    return Reference(mean_volume(pairs, index, scale), min(lows), max(highs))
