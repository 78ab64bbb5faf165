import copy

import pytest
import torch
from torch.nn.functional import conv3d, max_pool3d

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.planes import axis_apart, convolve, input_gradient, with_filters_last
from bids_eeg2fmri.model.resnet import Encoder
from bids_eeg2fmri.types import Architecture

CASES = [
    ((2, 1, 13, 20, 6), (8, 1, 4, 9, 2), (3, 2, 1)),
    ((3, 4, 7, 9, 8), (8, 4, 6, 2, 3), (1, 1, 1)),
    ((1, 4, 7, 15, 5), (4, 4, 6, 11, 2), (1, 3, 2)),
    ((2, 2, 6, 8, 19), (3, 2, 2, 2, 17), (2, 1, 1)),
]
"""Input, weight and stride; steps may leave a rest."""


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize(("shape", "kernel", "stride"), CASES)
def test_the_gradient_by_planes_is_that_of_the_convolution(shape, kernel, stride):
    x, weight = numbers(*shape).requires_grad_(), numbers(*kernel)
    total = conv3d(x, weight, stride=stride)
    given = numbers(*total.shape)
    (expected,) = torch.autograd.grad(total, x, given)
    torch.testing.assert_close(input_gradient(given, weight, shape, stride), expected)


def test_each_axis_is_taken_apart_in_some_case():
    steps = [conv3d(numbers(*s), numbers(*k), stride=st).shape[2:] for s, k, st in CASES]
    chosen = {axis_apart(n, k, s) for n, (s, k, _) in zip(steps, CASES, strict=True)}
    assert chosen == {0, 1, 2}


def test_a_trained_layer_gets_the_gradients_of_a_plain_one():
    shape, kernel, stride = CASES[0]
    layer = torch.nn.Conv3d(1, 8, kernel[2:], stride).double()
    plain = copy.deepcopy(layer)
    x = numbers(*shape).requires_grad_()
    outputs = [convolve(layer.train(), x), plain(x)]
    assert torch.equal(*outputs)
    given = numbers(*outputs[0].shape)
    found = [
        torch.autograd.grad(output, [x, *one.parameters()], given)
        for output, one in zip(outputs, (layer, plain), strict=True)
    ]
    torch.testing.assert_close(*found)


def test_among_equals_the_same_voxel_wins_however_filters_lie():
    x = torch.randint(0, 3, (2, 4, 6, 5, 4)).float()
    given = torch.randn(2, 4, 5, 4, 3)
    found = []
    for one in (x.clone().requires_grad_(), x.clone().requires_grad_()):
        laid = with_filters_last(one) if found else one
        pooled = max_pool3d(laid, 2, 1)
        found.append((pooled, *torch.autograd.grad(pooled, one, given)))
    torch.testing.assert_close(*found)


def test_an_encoder_trains_as_one_of_plain_convolutions_does(monkeypatch):
    shape = (9, 14, 8)
    architecture = Architecture(((3, 5, 2), (2, 3, 3)), ((2, 1, 1), (1, 2, 1)), (2, 2, 1))
    torch.manual_seed(0)
    encoder = Encoder(architecture, shape, ModelConfig(latent=2)).double().train()
    x, given = numbers(4, *shape).requires_grad_(), numbers(4, 8)

    def train() -> tuple[torch.Tensor, ...]:
        latent = encoder(x)
        return latent, *torch.autograd.grad(latent, [x, *encoder.parameters()], given)

    found = train()
    monkeypatch.setattr("bids_eeg2fmri.model.resnet.convolve", lambda layer, x: layer(x))
    monkeypatch.setattr("bids_eeg2fmri.model.resnet.with_filters_last", lambda x: x)
    torch.testing.assert_close(found, train())
