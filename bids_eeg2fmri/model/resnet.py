"""Encoders made of ResNet-18 blocks whose kernels and strides are an `Architecture`, Appendix A."""

from math import prod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.planes import convolve, with_filters_last
from bids_eeg2fmri.types import Architecture

Triple = tuple[int, int, int]
"""A size along each axis."""


class Layer(NamedTuple):
    """One entry of an `Architecture`."""

    kernel: Triple
    """Kernel size of the convolution."""
    stride: Triple
    """Its stride."""
    pooling: Triple
    """Max-pool size after it, at stride 1."""


class ResBlock(nn.Module):
    """Downsample along two paths and add them, Fig. 7 of Calhas & Henriques 2022.

    The main path convolves (k×s, valid), then again (3×1, same); the skipping path only convolves
    (k×s, valid). A max-pool and a batch normalisation may follow each downsampling.

    Notes
    -----
    Both paths begin with a convolution of the same shape over the same input, so one convolution of
    twice the filters makes both: the same numbers and parameters for one pass over the input.
    """

    def __init__(self, channels: int, layer: Layer, cfg: ModelConfig) -> None:
        super().__init__()
        self.skip = cfg.skip
        paths = 2 if cfg.skip else 1
        # A bias before a batch normalisation is kept, as the paper's Keras layers keep it.
        self.entry = nn.Conv3d(channels, paths * cfg.filters, layer.kernel, layer.stride)
        pool = cfg.max_pool and max(layer.pooling) > 1
        self.pool = nn.MaxPool3d(layer.pooling, stride=1) if pool else nn.Identity()
        self.entry_norm = _norm(paths * cfg.filters, cfg)
        self.main = nn.Conv3d(cfg.filters, cfg.filters, 3, padding="same")
        self.main_norm = _norm(cfg.filters, cfg)

    def forward(
        self, x: Float[Tensor, "batch filters_in i j k"]
    ) -> Float[Tensor, "batch filters o p q"]:
        """Return the sum of both paths after a ReLU."""
        entered = with_filters_last(convolve(self.entry, x))
        both = self.entry_norm(self.pool(entered))
        main, *skip = both.chunk(2, dim=1) if self.skip else (both,)
        main = torch.relu(self.main_norm(self.main(torch.relu(main))))
        return torch.relu(main + skip[0]) if skip else main


class Encoder(nn.Module):
    """Lead a 3-D input through the blocks of an architecture to a latent of K³ numbers.

    Parameters
    ----------
    architecture
        The blocks; where they leave something else than K×K×K, as the best EEG candidate of Table 4
        does (6×6×8), the dense layer takes what there is.
    shape
        Shape of a sample.
    cfg
        Number of filters, K, and what follows each convolution.

    Notes
    -----
    The last block's filters are joined by one dense layer to the K×K×K latent, as in the authors'
    public code; the paper does not say how F filters of K×K×K become one. It starts with latents of
    about unit length, as the random Fourier features see differences of length one: among much
    longer latents they are a hash, from which nothing can be learnt.
    """

    def __init__(self, architecture: Architecture, shape: Triple, cfg: ModelConfig) -> None:
        super().__init__()
        steps = zip(architecture.kernels, architecture.strides, strict=True)
        pooling = architecture.pooling if cfg.max_pool else (1, 1, 1)
        layers = [Layer(k, s, pooling) for k, s in steps]
        inputs = [1] + [cfg.filters] * (len(layers) - 1)
        blocks = [ResBlock(c, layer, cfg) for c, layer in zip(inputs, layers, strict=True)]
        self.blocks = nn.Sequential(*blocks)
        left = shape
        for layer in layers:
            left = _left(layer, left)
        self.head = nn.Linear(cfg.filters * prod(left), cfg.latent**3)
        inputs_and_outputs = self.head.in_features * self.head.out_features
        nn.init.normal_(self.head.weight, std=inputs_and_outputs**-0.5)
        nn.init.zeros_(self.head.bias)
        self.halved = False  # whether training takes bfloat16, see TrainConfig.precision

    def forward(self, x: Float[Tensor, "batch i j k"]) -> Float[Tensor, "batch latent"]:
        """Return the latent of each member of the batch."""
        if not (self.halved and self.training):
            return self._encode(x)
        with torch.autocast(x.device.type, torch.bfloat16):
            return self._encode(x).to(x.dtype)

    def _encode(self, x: Float[Tensor, "batch i j k"]) -> Float[Tensor, "batch latent"]:
        latent: Tensor = self.head(self.blocks(x.unsqueeze(1)).flatten(1))
        return latent


def _norm(channels: int, cfg: ModelConfig) -> nn.Module:
    return nn.BatchNorm3d(channels) if cfg.batch_norm else nn.Identity()


def _left(layer: Layer, shape: Triple) -> Triple:
    """Shape that a block leaves."""
    x, y, z = (
        (size - kernel) // stride + 1 - (pool - 1)
        for size, kernel, stride, pool in zip(shape, *layer, strict=True)
    )
    return x, y, z
