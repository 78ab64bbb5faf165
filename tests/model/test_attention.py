import numpy as np
import torch

from bids_eeg2fmri.model.attention import TopographicalAttention, attend, attention_scores
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
    layer = TopographicalAttention(CHANNELS, 2 * 2).double()
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
