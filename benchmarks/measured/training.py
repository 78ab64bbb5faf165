"""Steps of training, and volumes synthesised, at the shape of NODDI."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from bids_eeg2fmri.config import Config, ModelConfig, ScaleConfig, TrainConfig
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.model.noddi import NODDI
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.scale import expected, fit_scale, mean_volume
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.fit import start, synthesise, train_epoch
from bids_eeg2fmri.types import Architecture, Pairs
from measured import straight

MODEL = "topo-rff"
"""Model (iv)."""
STEPS = 2
"""Of training in one turn."""
VOLUMES = 64
"""Synthesised in one turn."""


def noise_pairs(n: int, shapes: Shapes = NODDI) -> Pairs:
    """Make pairs of noise: what is in them takes no time of its own."""
    rng = np.random.default_rng(0)
    return Pairs(
        eeg=1e-6 * rng.random((n, *shapes.eeg), np.float32),
        bold=1000 + 20 * rng.standard_normal((n, *shapes.bold), np.float32),
        volume=np.arange(n),
        onset=2.16 * np.arange(n),
        freqs=0.5 * np.arange(1, shapes.eeg[1] + 1),
        channels=tuple(f"E{i}" for i in range(shapes.eeg[0])),
        run="sub-01_task-rest",
        mask=np.ones(shapes.bold, dtype=bool),
        n_volumes=n,
    )


def examples(n: int, shapes: Shapes = NODDI) -> Examples:
    """Make examples of noise with the scale that they have."""
    runs, index = [noise_pairs(n, shapes)], [np.arange(n)]
    return Examples(runs, index, fit_scale(runs, index, ScaleConfig()))


def our_steps(_folder: Path, batch: int, shapes: Shapes = NODDI) -> Callable[[], object]:
    """Ready an epoch of a few steps."""
    cfg = TrainConfig(batch_size=batch)
    train = examples(STEPS * batch, shapes)
    torch.manual_seed(0)
    mean = expected(mean_volume(train.runs, train.index, train.scale), train.scale)
    fitting = start(build(MODEL, shapes, ModelConfig()), cfg, mean)
    return lambda: train_epoch(fitting, train, cfg, seed=0, number=1)


def steps_on_grid(folder: Path, batch: int, grid: list[int]) -> Callable[[], object]:
    """Ready the same on another grid, with the first encoders that fit."""
    # Here, as it brings MNE and nilearn along, which no step of training needs in memory.
    from bids_eeg2fmri.app.parameters import encoders

    shapes = encoders(NODDI.eeg, (grid[0], grid[1], grid[2]), Config())
    return our_steps(folder, batch, shapes)


def straight_steps(_folder: Path, batch: int) -> Callable[[], object]:
    """Ready as many steps of plain torch, data in memory and standardised beforehand."""
    torch.manual_seed(0)
    step = straight.stepper(straight_model(NODDI))
    loader = DataLoader(standardised(STEPS * batch), batch, shuffle=True)

    def epoch() -> None:
        for eeg, bold in loader:
            step(eeg, bold)

    return epoch


def our_volumes(_folder: Path, batch: int) -> Callable[[], object]:
    """Ready the synthesis of volumes."""
    torch.manual_seed(0)
    model, given = build(MODEL, NODDI, ModelConfig()), examples(VOLUMES)

    def work() -> None:
        for _ in synthesise(model, given, batch):
            pass

    return work


def straight_volumes(_folder: Path, batch: int) -> Callable[[], object]:
    """Ready the same in plain torch."""
    torch.manual_seed(0)
    model = straight_model(NODDI).eval()
    loader = DataLoader(standardised(VOLUMES), batch)

    def work() -> None:
        with torch.no_grad():
            for eeg, _ in loader:
                model.synthesise(eeg)[0].numpy()

    return work


def straight_model(shapes: Shapes) -> straight.TopographicalFourier:
    """Build model (iv) in plain torch."""
    both = [
        straight.Encoder(shape, layers(architecture), architecture.pooling)
        for shape, architecture in (
            (shapes.eeg, shapes.eeg_encoder),
            (shapes.bold, shapes.bold_encoder),
        )
    ]
    return straight.TopographicalFourier(shapes.eeg, shapes.bold, *both)


def layers(architecture: Architecture) -> list[tuple[straight.Triple, straight.Triple]]:
    """Pair kernels and strides."""
    return [*zip(architecture.kernels, architecture.strides, strict=True)]


def standardised(n: int) -> TensorDataset:
    """Lay the same noise out as tensors, already in the model's units."""
    pairs = noise_pairs(n)
    eeg = (pairs.eeg - pairs.eeg.mean()) / pairs.eeg.std()
    bold = (pairs.bold - pairs.bold.mean()) / pairs.bold.std()
    return TensorDataset(torch.from_numpy(eeg), torch.from_numpy(bold))
