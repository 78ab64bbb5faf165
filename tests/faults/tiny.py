"""A training that takes milliseconds, on noise."""

import numpy as np
import torch

from bids_eeg2fmri.config import ModelConfig, ScaleConfig, TrainConfig
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.scale import expected, fit_scale, mean_volume
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.fit import start
from bids_eeg2fmri.types import Architecture, Pairs

BLOCK = Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 2))


def shapes(bold=(5, 6, 5)):
    return Shapes(
        eeg=(5, 6, 4),
        bold=bold,
        eeg_encoder=Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 1)),
        bold_encoder=BLOCK,
        bands=((0, 3), (3, 6)),
        lags=(9.0, 7.0, 5.0, 3.0),
    )


def examples(of, n=16):
    """Pairs of noise to train on, as many to choose the epoch by, and the mean of the first."""
    rng = np.random.default_rng(0)
    pairs = Pairs(
        eeg=(1e-6 * rng.random((2 * n, *of.eeg))).astype(np.float32),
        bold=(1000 + 20 * rng.standard_normal((2 * n, *of.bold))).astype(np.float32),
        volume=np.arange(2 * n),
        onset=2.0 * np.arange(2 * n),
        freqs=np.arange(6.0),
        channels=tuple("ABCDE"),
        run="sub-01",
        mask=np.ones(of.bold, dtype=bool),
        n_volumes=2 * n,
    )
    early, late = [np.arange(n)], [np.arange(n, 2 * n)]
    scale = fit_scale([pairs], early, ScaleConfig())
    mean = expected(mean_volume([pairs], early, scale), scale)
    return Examples([pairs], early, scale), Examples([pairs], late, scale), mean


def begin(cfg: TrainConfig, of, mean, **model):
    torch.manual_seed(0)
    return start(build("topo-rff", of, ModelConfig(latent=2, **model)), cfg, mean)


def losses(history):
    return [(epoch.train_loss, epoch.valid_loss) for epoch in history]


def same_weights(one, other):
    weights = other.model.state_dict()
    return all(torch.equal(w, weights[name]) for name, w in one.model.state_dict().items())
