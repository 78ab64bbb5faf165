"""The linear path against closed forms, and what the second path adds to it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.hybrid import HaemodynamicPath, Response, double_gamma
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.bands import canonical_hrf
from bids_eeg2fmri.types import Architecture

SHAPES = Shapes(
    eeg=(5, 6, 4),
    bold=(5, 6, 5),
    eeg_encoder=Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 2)),
    bands=((0, 2), (2, 6)),
    lags=(11.0, 8.0, 5.0, 2.0),
)
EEG = torch.randn(7, *SHAPES.eeg, generator=torch.Generator().manual_seed(1))


def response(lags, delay=0.0, width=1.0):
    lags = torch.as_tensor(lags, dtype=torch.float64)
    return double_gamma(lags, torch.tensor(delay), torch.tensor(width)).numpy()


def solved(model):
    """Give the linear path some weights."""
    rng = torch.Generator().manual_seed(2)
    sizes, weights = torch.rand(10, generator=rng) + 1, torch.randn(10, 5, 6, 5, generator=rng)
    levels = torch.randn(10, generator=rng)
    model.solve(Response(1.0, 1.5), levels, sizes, weights)
    return levels, sizes, weights


def test_the_response_is_the_canonical_one_without_delay_at_width_one():
    lags = np.arange(0.5, 30, 0.25)
    ours = response(lags)
    np.testing.assert_allclose(ours / np.abs(ours).sum(), canonical_hrf(lags), atol=2e-4)


@pytest.mark.parametrize(
    ("delay", "width", "peak"), [(0, 1, 5), (3, 1, 8), (0, 1.5, 7.5), (-1, 2, 9)]
)
def test_the_response_peaks_five_widths_after_its_delay(delay, width, peak):
    lags = np.arange(0, 30, 0.01)
    assert abs(lags[np.argmax(response(lags, float(delay), float(width)))] - peak) < 0.05


def test_nothing_responds_before_its_cause():
    assert np.abs(response([-3.0, 0.0, 1.0], delay=1.5)).max() < 1e-20


def test_the_linear_path_is_band_means_through_the_response_times_weights():
    path = HaemodynamicPath(SHAPES)
    levels, sizes, weights = solved(path)
    low, high = EEG[:, :, :2].mean(2), EEG[:, :, 2:].mean(2)
    h = torch.as_tensor(response(SHAPES.lags, 1.0, 1.5), dtype=torch.float32)
    power = torch.stack([low, high], dim=2).flatten(1, 2) - levels[:, None]
    features = power @ h / sizes
    expected = torch.einsum("nf,fxyz->nxyz", features, weights)
    torch.testing.assert_close(path(EEG), expected, rtol=1e-4, atol=1e-5)


def test_of_logarithms_it_takes_the_logarithm_of_the_mean_power_in_a_band():
    power = np.random.default_rng(0).gamma(2.0, 1e-12, size=(7, *SHAPES.eeg))
    logarithm = np.log10(power)
    levels, sd = logarithm.mean(axis=(0, 3)), logarithm.std()
    scaled = torch.tensor((logarithm - levels[..., None]) / sd, dtype=torch.float32)
    path = HaemodynamicPath(SHAPES)
    path.expect_logarithms(torch.tensor(levels), np.log(10) * sd)
    bands = [power[:, :, first:last].mean(axis=2) for first, last in SHAPES.bands]
    wanted = np.log10(np.stack(bands, axis=2)).reshape(7, -1, SHAPES.eeg[2]) / sd
    found = path.power(scaled).numpy()
    # But for a constant of each feature, which goes with its level.
    np.testing.assert_allclose(np.diff(found, axis=0), np.diff(wanted, axis=0), atol=1e-4)


def test_an_untrained_hybrid_is_its_linear_path():
    torch.manual_seed(0)
    model = build("hybrid", SHAPES, ModelConfig(latent=2)).eval()
    solved(model.linear)
    torch.testing.assert_close(model(EEG).bold, model.linear(EEG))


def test_the_network_counts_by_its_share():
    torch.manual_seed(0)
    model = build("hybrid", SHAPES, ModelConfig(latent=2)).eval()
    torch.nn.init.normal_(model.network.decoder.weight)
    model.mix.fill_(0.25)
    expected = model.linear(EEG) + 0.25 * model.network(EEG).bold
    torch.testing.assert_close(model(EEG).bold, expected)


def test_training_moves_the_response_and_the_network_but_no_ridge_weight():
    torch.manual_seed(0)
    model = build("hybrid", SHAPES, ModelConfig(latent=2))
    solved(model.linear)
    trained = {name for name, _ in model.named_parameters() if name.startswith("linear.")}
    assert trained == {"linear.delay", "linear.width"}
    (model(EEG).bold - 1).abs().mean().backward()
    assert model.linear.delay.grad != 0
    assert model.linear.width.grad != 0
    assert model.network.decoder.bias.grad.any()


def test_a_path_on_another_device_takes_over_what_the_processor_has_found():
    path = HaemodynamicPath(replace(SHAPES, brain=20)).to("meta")
    path.expect_logarithms(torch.zeros(5, 6), 2.0)
    path.solve(Response(1.0, 1.5), torch.zeros(10), torch.ones(10), torch.zeros(10, 5, 6, 5))
    assert path.voxels(path.weights).shape == (10, 5, 6, 5)
    assert {tensor.device.type for tensor in path.state_dict().values()} == {"meta"}
