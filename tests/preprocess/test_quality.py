import numpy as np
import pytest

from bids_eeg2fmri.preprocess.quality import (
    framewise_displacement,
    marker_residuals,
    power_spectrum,
)
from bids_eeg2fmri.types import EEG, Markers, VolumeClock


def clock(source="triggers:R128", n_markers=10, residual=0.002):
    return VolumeClock(5 + 2.0 * np.arange(10), 2.0, source, n_markers, 0.0, residual)


def test_each_marker_is_held_against_the_volume_that_it_stands_for():
    away = 0.002 * np.cos(np.pi * np.arange(10))
    time = np.append(5 + 2.0 * np.arange(10) + away, 6.0)
    markers = Markers(time, ("R128",) * 10 + ("other",))
    seconds, residual = marker_residuals(markers, clock())
    np.testing.assert_allclose(residual, away, atol=1e-12)
    np.testing.assert_allclose(seconds, 2.0 * np.arange(10) + away, atol=1e-12)


def test_of_slice_markers_only_those_of_volumes_count():
    markers = Markers(5 + 0.5 * np.arange(40), ("R128",) * 40)
    seconds, residual = marker_residuals(markers, clock(residual=0.0))
    np.testing.assert_array_equal(seconds, 2.0 * np.arange(10))
    assert not residual.any()


def test_a_clock_given_by_the_user_has_no_residuals():
    markers = Markers(np.array([5.0]), ("user",))
    assert marker_residuals(markers, clock("user", 0))[0].size == 0


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
