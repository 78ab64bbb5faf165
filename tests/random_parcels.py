"""A small grid, noise on it, and parcels drawn on it at random."""

import numpy as np

from bids_eeg2fmri.types import Parcels

GRID = (6, 7, 5)
MASK = np.random.default_rng(9).random(GRID) < 0.7
EVERYWHERE = np.ones(GRID, bool)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def parcels_of(labels: np.ndarray, n: int) -> Parcels:
    names = tuple(f"area {i}" for i in range(1, n + 1))
    return Parcels(labels.astype(np.int32), np.arange(1, n + 1), names, "a test")


def random_parcels(n: int, seed: int = 1) -> Parcels:
    return parcels_of(np.random.default_rng(seed).integers(0, n + 1, GRID), n)
