import numpy as np
import pytest

from bids_eeg2fmri.preprocess.quality import framewise_displacement, power_spectrum
from bids_eeg2fmri.types import EEG


def test_a_degree_of_rotation_moves_a_sphere_of_50_mm_by_its_arc():
    motion = np.zeros((3, 6))
    motion[1, 3] = motion[2, 3] = np.pi / 180
    motion[2, :2] = 0.3, -0.4
    np.testing.assert_allclose(framewise_displacement(motion), [0, 50 * np.pi / 180, 0.7])


def test_the_power_of_a_sine_lies_at_its_frequency_and_sums_to_half_its_square():
    time = np.arange(0, 60, 0.004)
    data = (20e-6 * np.sin(2 * np.pi * 10 * time)).astype(np.float32)[None]
    freqs, power = power_spectrum(EEG(data, 250.0, ("Cz",), np.zeros((1, 3))))
    assert freqs[power[0].argmax()] == 10
    assert freqs[-1] == 100
    assert power.sum() * (freqs[1] - freqs[0]) == pytest.approx(20**2 / 2, rel=0.01)
