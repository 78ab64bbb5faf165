"""Predictions without a network."""

import numpy as np

from bids_eeg2fmri.evaluate.baselines import mean_volume_prediction


def test_the_mean_volume_is_repeated_without_taking_memory():
    mean = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    prediction = mean_volume_prediction(mean, 5)
    assert prediction.shape == (5, 2, 3, 4)
    assert (prediction == mean).all()
    assert np.shares_memory(prediction, mean)
