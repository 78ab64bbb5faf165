from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.attention import (
    TopographicalAttention,
    attend,
    attention_scores,
    sparsemax,
)
from bids_eeg2fmri.model.style import StylePosterior, StylePrior, style_posterior

BATCH, CHANNELS, FEATURES, LATENT = 2, 3, 4, 5


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


EEG = numbers(BATCH, CHANNELS, FEATURES)
PATTERNS = numbers(CHANNELS, FEATURES, seed=1)


def test_scores_are_the_softmax_of_each_electrode_with_each_pattern():
    expected = np.empty((BATCH, CHANNELS, CHANNELS))
    for b in range(BATCH):
        for i in range(CHANNELS):
            match = np.exp([float(EEG[b, i] @ PATTERNS[j]) for j in range(CHANNELS)])
            expected[b, i] = match / match.sum()
    np.testing.assert_allclose(attention_scores(EEG, PATTERNS), expected)


def test_each_electrode_becomes_the_scored_sum_of_all():
    scores = attention_scores(EEG, PATTERNS)
    expected = np.zeros((BATCH, CHANNELS, FEATURES))
    for b in range(BATCH):
        for i in range(CHANNELS):
            for j in range(CHANNELS):
                expected[b, i] += float(scores[b, i, j]) * EEG[b, j].numpy()
    np.testing.assert_allclose(attend(EEG, scores), expected)


def test_scores_of_an_electrode_sum_to_one():
    np.testing.assert_allclose(attention_scores(EEG, PATTERNS).sum(-1), 1)


def test_reordering_electrodes_with_their_patterns_reorders_the_attended_eeg():
    order = torch.tensor([2, 0, 1])
    scores = attention_scores(EEG, PATTERNS)
    reordered = attention_scores(EEG[:, order], PATTERNS[order])
    np.testing.assert_allclose(reordered, scores[:, order][:, :, order])
    np.testing.assert_allclose(attend(EEG[:, order], reordered), attend(EEG, scores)[:, order])


def test_the_layer_attends_over_frequencies_and_windows_together():
    layer = TopographicalAttention(CHANNELS, 2 * 2, ModelConfig()).double()
    attended, scores = layer(EEG.view(BATCH, CHANNELS, 2, 2))
    np.testing.assert_allclose(scores.detach(), attention_scores(EEG, layer.weight).detach())
    np.testing.assert_allclose(attended.flatten(2).detach(), attend(EEG, scores).detach())


def test_the_posterior_style_sums_the_tensor_weighted_with_the_scores():
    scores, tensor = attention_scores(EEG, PATTERNS), numbers(CHANNELS, CHANNELS, LATENT, seed=2)
    expected = np.zeros((BATCH, LATENT))
    for b in range(BATCH):
        for i in range(CHANNELS):
            for j in range(CHANNELS):
                expected[b] += float(scores[b, i, j]) * tensor[i, j].numpy()
    np.testing.assert_allclose(style_posterior(scores, tensor), expected)


def test_the_posterior_style_follows_the_eeg_and_the_prior_does_not():
    scores = attention_scores(EEG, PATTERNS).float()
    posterior, prior = StylePosterior(CHANNELS, LATENT), StylePrior(LATENT)
    assert not torch.allclose(*posterior(scores))
    assert torch.equal(*prior(scores))


def test_two_choices_make_a_sparsemax_that_rises_evenly_between_its_ends():
    advantage = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.4, 1.0, 3.0])
    scores = sparsemax(torch.stack([advantage, torch.zeros(7)], dim=-1))
    np.testing.assert_allclose(scores[:, 0], [0, 0, 0.25, 0.5, 0.7, 1, 1], atol=1e-7)


def nearest_of_the_simplex(products):
    """Solve the quadratic programme that the sparsemax stands for."""
    found = minimize(
        lambda p: np.sum((p - products) ** 2),
        np.full(len(products), 1 / len(products)),
        bounds=[(0, None)] * len(products),
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
        options={"ftol": 1e-14},
    )
    return found.x


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_the_sparsemax_is_the_nearest_point_of_the_simplex(spread):
    products = spread * numbers(4, 6, seed=3)
    expected = [nearest_of_the_simplex(row.numpy()) for row in products]
    np.testing.assert_allclose(sparsemax(products), expected, atol=1e-6)


def test_sparsemax_scores_sum_to_one_and_small_ones_are_exactly_zero():
    scores = sparsemax(3 * numbers(2, 5, 8, seed=4))
    np.testing.assert_allclose(scores.sum(-1), 1)
    assert (scores >= 0).all()
    assert (scores == 0).any(dim=-1).all()


def test_the_gradient_of_the_sparsemax_is_that_of_its_values():
    assert torch.autograd.gradcheck(sparsemax, numbers(3, 5, seed=5).requires_grad_())


def test_the_layer_takes_form_and_scale_from_the_settings():
    cfg = replace(ModelConfig(), attention="sparsemax", attention_scale=True)
    layer = TopographicalAttention(CHANNELS, FEATURES, cfg).double()
    _, scores = layer(EEG.view(BATCH, CHANNELS, 2, 2))
    expected = sparsemax(EEG @ layer.weight.T / 2)  # √4
    np.testing.assert_allclose(scores.detach(), expected.detach())


def test_a_scaled_product_may_take_a_larger_step():
    plain, scaled = (
        TopographicalAttention(3, 16, replace(ModelConfig(), attention_scale=is_scaled))
        for is_scaled in (False, True)
    )
    assert (plain.step_share, scaled.step_share) == (1 / 16, 1 / 4)
