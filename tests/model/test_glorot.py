import math

import numpy as np
import pytest
import torch
from torch import nn

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.autoencoder import Autoencoder
from bids_eeg2fmri.model.glorot import draw_glorot
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.types import Architecture

SHAPES = Shapes(
    eeg=(6, 8, 5),
    bold=(7, 6, 5),
    eeg_encoder=Architecture(((3, 5, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((4, 3, 2),), ((1, 1, 1),), (2, 2, 2)),
)
GLOROT = ModelConfig(latent=3, initialisation="glorot")


def is_uniform(weight: torch.Tensor, limit: float) -> bool:
    """Compare the largest draw and the deviation with those of a uniform distribution."""
    reaches = 0.8 * limit < weight.abs().max() <= limit
    return bool(reaches) and weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.1)


def test_a_dense_layer_is_uniform_up_to_the_root_of_six_over_inputs_and_outputs():
    layer = nn.Linear(50, 100)
    draw_glorot(layer, filters=4)
    assert is_uniform(layer.weight, math.sqrt(6 / 150))
    assert not layer.bias.any()


def test_the_two_paths_of_one_convolution_are_drawn_as_two_layers():
    layer = nn.Conv3d(3, 8, (4, 3, 5))
    draw_glorot(layer, filters=4)
    limit = math.sqrt(6 / (60 * (3 + 4)))
    assert is_uniform(layer.weight[:4], limit)
    assert is_uniform(layer.weight[4:], limit)


def test_the_decoder_begins_at_zero_or_with_draws_as_the_setting_says():
    drawn, zero = (build("topo-rff", SHAPES, cfg) for cfg in (GLOROT, ModelConfig(latent=3)))
    assert not zero.decoder.weight.any()
    assert is_uniform(drawn.decoder.weight, math.sqrt(6 / (27 + 210)))
    assert is_uniform(drawn.eeg_encoder.head.weight, math.sqrt(6 / (27 + inputs_of(drawn))))


def inputs_of(model: nn.Module) -> int:
    return model.eeg_encoder.head.in_features


def test_what_is_never_trained_is_drawn_as_ever():
    omega = build("rff", SHAPES, GLOROT).projection.omega
    assert omega.std().item() == pytest.approx(1, rel=0.2)


def test_the_autoencoder_begins_as_the_network_that_it_stands_in_for():
    model = Autoencoder(SHAPES, GLOROT)
    assert is_uniform(model.decoder.weight, math.sqrt(6 / (27 + 210)))
    np.testing.assert_array_equal(model.decoder.bias.detach(), 0)
