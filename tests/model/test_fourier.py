import math

import numpy as np
import torch

from bids_eeg2fmri.model.fourier import (
    FourierProjection,
    NormalisedFourierProjection,
    random_fourier_features,
)


def draw(features: int, latent: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    omega = torch.randn(features, latent, generator=random, dtype=torch.float64)
    return omega, 2 * math.pi * torch.rand(features, generator=random, dtype=torch.float64)


def test_fourier_features_are_cosines_of_random_projections():
    omega, phase = draw(features=7)
    latent = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = [
        [math.sqrt(2 / 7) * math.cos(sum(w * z) + b) for w, b in zip(omega, phase, strict=True)]
        for z in latent
    ]
    features = random_fourier_features(latent, omega, phase)
    np.testing.assert_allclose(features, expected, atol=1e-12)


def test_fourier_features_approach_the_gaussian_kernel_as_they_grow():
    latent = 0.6 * torch.randn(6, 5, generator=torch.Generator().manual_seed(1)).double()
    kernel = torch.exp(-(torch.cdist(latent, latent) ** 2) / 2)
    errors = []
    for features in (100, 10_000, 1_000_000):
        projected = random_fourier_features(latent, *draw(features))
        errors.append(float((projected @ projected.T - kernel).abs().max()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.005


def test_frequencies_and_phases_are_kept_but_never_trained():
    projection = FourierProjection(4, 9)
    assert not list(projection.parameters())
    assert set(projection.state_dict()) == {"omega", "phase"}


def test_frequencies_are_normal_and_phases_uniform():
    torch.manual_seed(0)
    projection = FourierProjection(50, 2000)
    assert abs(projection.omega.mean()) < 0.02
    assert abs(projection.omega.std() - 1) < 0.02
    turns = np.histogram(projection.phase / (2 * math.pi), bins=4, range=(0, 1))[0]
    assert turns.sum() == 2000
    assert turns.min() > 440


def test_the_normalised_form_is_the_cosine_of_normalised_arguments():
    torch.manual_seed(0)
    projection, latent = NormalisedFourierProjection(8, 11), torch.randn(3, 8)
    arguments = (latent / 2) @ projection.omega.T + projection.phase  # √(8 / 2)
    mean, sd = arguments.mean(1, keepdim=True), arguments.std(1, keepdim=True, correction=0)
    expected = torch.cos(math.pi / 2 * (1 + (arguments - mean) / sd))
    np.testing.assert_allclose(projection(latent).detach(), expected, atol=1e-4)


def test_the_normalised_form_trains_its_scale_and_normalisation_alone():
    trained = {name for name, _ in NormalisedFourierProjection(4, 9).named_parameters()}
    assert trained == {"scale", "norm.weight", "norm.bias"}
