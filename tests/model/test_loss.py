import math

import pytest
import torch

from bids_eeg2fmri.model.loss import cosine_distance, mean_absolute_error, synthesis_loss
from bids_eeg2fmri.model.network import Prediction

ZEROS = torch.zeros(2, 1, 2, 2)
OBSERVED = torch.tensor([[1.0, -1.0, 0.0, 0.0], [2.0, 0.0, 0.0, -4.0]]).view(2, 1, 2, 2)
EEG = torch.tensor([[3.0, 0.0], [1.0, 1.0]])
BOLD = torch.tensor([[0.0, 2.0], [5.0, 0.0]])
DISTANCE = 1 - (0 + math.sqrt(0.5)) / 2


def test_the_mean_absolute_error_is_over_voxels_and_volumes():
    assert mean_absolute_error(ZEROS, OBSERVED) == 1.0


def test_the_cosine_distance_is_the_mean_over_pairs():
    assert cosine_distance(EEG, BOLD).item() == pytest.approx(DISTANCE)


def test_the_length_of_a_latent_does_not_matter():
    assert cosine_distance(7 * EEG, 0.1 * BOLD).item() == pytest.approx(DISTANCE)


@pytest.mark.parametrize("weight", [0.0, 1.0, 0.25])
def test_the_loss_is_the_error_and_the_weighted_distance(weight):
    loss = synthesis_loss(Prediction(ZEROS, EEG, BOLD, None), OBSERVED, weight)
    assert loss.item() == pytest.approx(1 + weight * DISTANCE)


@pytest.mark.parametrize("latents", [(EEG, None), (None, None)])
def test_without_both_latents_the_loss_is_the_error(latents):
    assert synthesis_loss(Prediction(ZEROS, *latents, None), OBSERVED, 1.0) == 1.0
