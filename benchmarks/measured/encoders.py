"""Encoders of which a forward pass proves that they lead to the latent space."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from bids_eeg2fmri.app.choosing import POOLING, draw_candidates
from bids_eeg2fmri.config import Config, ModelConfig
from bids_eeg2fmri.model.noddi import NODDI
from bids_eeg2fmri.model.resnet import Encoder
from bids_eeg2fmri.search.architectures import Shape, output_shape
from bids_eeg2fmri.types import Architecture

WANTED, LATENT = 10, (7, 7, 7)
SHAPES: tuple[tuple[str, Shape, int], ...] = (("eeg", NODDI.eeg, 3), ("bold", NODDI.bold, 5))
"""Kind of each encoder, what goes in, and most blocks (Table 6)."""


def our_encoders(_folder: Path, seconds: float) -> Callable[[], object]:
    """Ready ten candidates of each encoder, as the app draws them."""
    return lambda: [
        draw_candidates(Config(), kind, shape, WANTED)  # type: ignore[arg-type]
        for kind, shape, _ in SHAPES
    ]


def random_encoders(_folder: Path, seconds: float) -> Callable[[], str]:
    """Ready drawing kernels and strides at random until ten fit, or the time is over."""

    def work() -> str:
        rng, found = np.random.default_rng(0), []
        for kind, shape, depth in SHAPES:
            ends = time.monotonic() + seconds / len(SHAPES)
            fits = drawn_at_random(shape, POOLING[kind], depth, rng, ends)
            found.append(sum(proved(one, shape) for one in islice(fits, WANTED)))
        return f"{' + '.join(map(str, found))} of {WANTED} + {WANTED} found when stopped"

    return work


def drawn_at_random(
    shape: Shape, pooling: Shape, depth: int, rng: np.random.Generator, ends: float
) -> Iterator[Architecture]:
    """Yield those of a stream of random encoders that lead to the latent space."""
    while time.monotonic() < ends:
        blocks = int(rng.integers(1, depth + 1))
        kernels = rng.integers(2, shape, (blocks, 3), endpoint=True)
        strides = rng.integers(1, kernels)
        one = Architecture(_triples(kernels), _triples(strides), pooling)
        if output_shape(one, shape) == LATENT:
            yield one


def proved(one: Architecture, shape: Shape) -> bool:
    """Lead a sample through it."""
    with torch.inference_mode():
        blocks = Encoder(one, shape, ModelConfig()).blocks.eval()
        return tuple(blocks(torch.zeros(1, 1, *shape)).shape[2:]) == LATENT


def _triples(rows: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    return tuple((x, y, z) for x, y, z in rows.tolist())
