"""What attention is worth where one electrode decides how much another one counts.

Spectrograms are noise, but for the power of one band that each electrode has to itself. BOLD of one
region follows the band power of one electrode, gated by that of another; the rest is noise. Prints,
for models with and without attention and for two weights of the cosine distance between latents,
how the synthesised signal of the region correlates with the planted one on test pairs.
"""

from dataclasses import replace

import numpy as np
import torch

from bids_eeg2fmri.app.choosing import first_shapes
from bids_eeg2fmri.config import Config, ModelConfig, ScaleConfig, TrainConfig
from bids_eeg2fmri.model.network import Network
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.scale import fit_scale, mean_volume, scale_bold
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.fit import fit, start, synthesise
from bids_eeg2fmri.types import Pairs, Scale

MODELS = ("linear", "rff", "topo", "topo-rff")
SEEDS = (0, 1, 2)
GRID = (9, 9, 9)
REGION = np.s_[:, 2:5, 2:5, 2:5]
BAND = np.s_[:, :, 2:4, :]
PAIRS, TRAIN, VALID = 1500, 1100, 1300
CONFIG = Config(model=ModelConfig(latent=3), train=TrainConfig(epochs=8, patience=8))


def plant(seed: int) -> tuple[Pairs, np.ndarray]:
    """Draw pairs, and the signal that was planted in them."""
    rng = np.random.default_rng(seed)
    eeg = rng.gamma(2.0, 1.0, (PAIRS, 8, 8, 4))
    eeg[BAND] *= np.exp(0.5 * rng.normal(size=(PAIRS, 8)))[..., None, None]
    power = eeg[BAND].mean(axis=(2, 3))
    power = (power - power.mean(axis=0)) / power.std(axis=0)
    signal = power[:, 6] / (1 + np.exp(-3 * power[:, 2]))
    signal = (signal - signal.mean()) / signal.std()
    bold = rng.uniform(500, 1500, GRID) + 30 * rng.normal(size=(PAIRS, *GRID))
    bold[REGION] += 100 * signal[:, None, None, None]
    pairs = Pairs(
        eeg=eeg.astype(np.float32),
        bold=bold.astype(np.float32),
        volume=np.arange(PAIRS),
        onset=2.0 * np.arange(PAIRS),
        freqs=np.arange(8.0),
        channels=tuple("ABCDEFGH"),
        run="planted",
        mask=np.ones(GRID, bool),
        n_volumes=PAIRS,
    )
    return pairs, signal


def learn(name: str, regularisation: float, seed: int) -> tuple[Pairs, Network, Scale, np.ndarray]:
    """Train one model; give the pairs too, its units, and which pairs are left for the test."""
    pairs, _ = plant(seed)
    train, valid, test = np.split(np.arange(PAIRS), [TRAIN, VALID])
    cfg = replace(CONFIG.train, regularisation=regularisation)
    scale = fit_scale([pairs], [train], ScaleConfig())
    mean = mean_volume([pairs], [train], scale)
    torch.manual_seed(seed)
    model = build(
        name, first_shapes(CONFIG, pairs.eeg.shape[1:], pairs.bold.shape[1:]), CONFIG.model
    )
    fitting = start(model, cfg, scale_bold(mean, scale))
    train_on, choose = (Examples([pairs], [index], scale) for index in (train, valid))
    for _ in fit(fitting, train_on, choose, cfg, seed):
        pass
    return pairs, fitting.model, scale, test


def correlation(name: str, regularisation: float, seed: int) -> float:
    """Train one model and correlate its signal of the region with the planted one."""
    pairs, model, scale, test = learn(name, regularisation, seed)
    _, signal = plant(seed)
    volumes = np.concatenate([*synthesise(model, Examples([pairs], [test], scale))])
    return float(np.corrcoef(volumes[REGION].mean(axis=(1, 2, 3)), signal[test])[0, 1])


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"{'correlation with the planted signal':36}" + "".join(f"{m:>18}" for m in MODELS))
    for regularisation in (1.0, 0.0):
        cells = []
        for name in MODELS:
            r = [correlation(name, regularisation, seed) for seed in SEEDS]
            cells.append(f"{np.mean(r):.2f} ({min(r):.2f} to {max(r):.2f})")
        print(f"train.regularisation={regularisation:<15g}" + "".join(f"{c:>18}" for c in cells))


if __name__ == "__main__":
    main()
