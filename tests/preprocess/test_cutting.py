"""Volumes cut out of a channel and shifted by parts of a sample, against closed forms."""

import numpy as np
import pytest

from bids_eeg2fmri.preprocess.cutting import (
    MARGIN,
    align_volumes,
    cut_volumes,
    phase_ramps,
    shift_volumes,
)
from bids_eeg2fmri.types import EEG

SFREQ, SAMPLES, VOLUMES = 500.0, 400, 20


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.37, 3.0])
def test_a_wave_that_is_shifted_to_the_left_is_the_wave_later_on(shift):
    def wave(time):
        return np.cos(2 * np.pi * 5 * time / 128 + 0.3)

    time = np.arange(128)
    found = shift_volumes(wave(time).astype(np.float32)[None], phase_ramps(np.array([shift]), 128))
    np.testing.assert_allclose(found[0], wave(time + shift), atol=1e-5)


def test_shifts_there_and_back_leave_a_volume_as_it_was():
    smooth = np.cumsum(np.random.default_rng(0).standard_normal((3, 125)), axis=1)
    volumes = (smooth * np.sin(np.pi * np.arange(125) / 124) ** 4).astype(np.float32)
    ramps = phase_ramps(np.array([0.2, -0.4, 0.5]), 125)
    back = shift_volumes(shift_volumes(volumes, ramps), ramps.conj())
    np.testing.assert_allclose(back, volumes, atol=2e-3)


def test_the_slow_course_is_no_part_of_what_is_cut_out():
    length = 100 + 2 * MARGIN
    first, whole = 200 + 100 * np.arange(8), np.ones(8, bool)
    level = (3.0 + 0.01 * np.arange(1500)).astype(np.float32)
    cut = cut_volumes(level, first, phase_ramps(np.zeros(8), length), whole, length)
    assert cut.shape == (8, length)
    # The line through the means of volumes ends at the middles of the outer ones.
    np.testing.assert_allclose(cut[1:-1], 0, atol=1e-4)


def test_what_was_not_recorded_is_cut_out_as_zero():
    length = 100 + 2 * MARGIN
    series = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    first, whole = np.array([-150, 300, 500, 980]), np.array([False, True, True, False])
    cut = cut_volumes(series, first, phase_ramps(np.zeros(4), length), whole, length)
    np.testing.assert_allclose(cut[0], 0, atol=1e-6)
    np.testing.assert_allclose(cut[3, 20 + MARGIN :], 0, atol=1e-6)
    assert cut[3, MARGIN : 20 + MARGIN].any()


def test_volumes_are_aligned_to_hundredths_of_a_sample():
    rng = np.random.default_rng(1)
    told = 1000.0 + SAMPLES * np.arange(VOLUMES)
    true = told + rng.uniform(-2, 2, VOLUMES)
    lines, phase = np.arange(20, 120, 9), rng.uniform(0, 6, 12)
    time = np.arange(1000 + SAMPLES * (VOLUMES + 2))
    data = 2e-6 * rng.standard_normal((4, len(time)))
    for one in true:
        own = (time >= one) & (time < one + SAMPLES - 4)
        turns = np.outer(time[own] - one, lines) / SAMPLES
        data[:, own] += 1e-3 * np.cos(2 * np.pi * turns + phase).sum(axis=1)
    eeg = EEG(data.astype(np.float32), SFREQ, tuple("abcd"), np.full((4, 3), np.nan))
    stored = np.ones(VOLUMES, bool)
    found, alike = align_volumes(eeg, told, stored, stored, SAMPLES + 2 * MARGIN)
    assert alike.all()
    np.testing.assert_allclose(found - true, np.mean(found - true), atol=0.03)
