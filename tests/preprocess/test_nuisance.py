"""Nuisances taken out of BOLD: what is known goes, what is not known stays."""

import numpy as np
import pytest

from bids_eeg2fmri.config import BoldConfig
from bids_eeg2fmri.errors import BOLDError
from bids_eeg2fmri.preprocess.nuisance import (
    motion_regressors,
    percent,
    prepare_bold,
    regress_out,
    smooth,
)
from bids_eeg2fmri.types import BOLD

N, TR = 120, 2.0
TIME = TR * np.arange(N)
RNG = np.random.default_rng(0)
MOTION = np.cumsum(RNG.normal(0, 0.05, (N, 6)), axis=0)
WAVE = np.sin(2 * np.pi * 0.05 * TIME)


def test_the_24_regressors_are_motion_its_changes_and_their_squares():
    six, twelve, all24 = (motion_regressors(MOTION, n) for n in (6, 12, 24))
    np.testing.assert_array_equal(six, MOTION)
    np.testing.assert_allclose(twelve[5, 6:], MOTION[5] - MOTION[4])
    np.testing.assert_allclose(all24[:, 12:], twelve**2)
    assert not twelve[0, 6:].any()


def test_a_trend_goes_and_the_mean_stays():
    series = (1000 + 3 * TIME + 5 * WAVE)[:, None]
    left = regress_out(series, None, 0.0, TR)
    assert left.mean() == pytest.approx(series.mean())
    assert np.ptp(left) < 12
    assert abs(np.polyfit(TIME, left[:, 0], 1)[0]) < 1e-9


def test_any_mixture_of_motion_and_a_trend_goes_entirely():
    regressors = motion_regressors(MOTION, 24)
    series = regressors @ RNG.normal(size=(24, 7)) + 0.01 * TIME[:, None] + 500
    left = regress_out(series, regressors, 0.0, TR)
    np.testing.assert_allclose(left, np.broadcast_to(series.mean(axis=0), left.shape), atol=1e-6)


def test_what_is_orthogonal_to_the_nuisances_stays_what_it_is():
    nuisance = np.column_stack([np.ones(N), TIME, MOTION])
    wave = WAVE - nuisance @ np.linalg.lstsq(nuisance, WAVE)[0]
    left = regress_out((100 + wave)[:, None], MOTION, 0.0, TR)[:, 0]
    np.testing.assert_allclose(left, 100 + wave, atol=1e-8)


def test_slower_cosines_go_and_faster_ones_stay():
    drift, kept = (np.cos(np.pi * (np.arange(N) + 0.5) * k / N) for k in (2, 20))
    left = regress_out((10 + drift + kept)[:, None], None, 1 / 128, TR)[:, 0]
    np.testing.assert_allclose(left, 10 + kept, atol=1e-6)


def test_a_gaussian_of_8_mm_falls_to_half_at_4_mm():
    volume = np.zeros((41, 41, 41), np.float32)
    volume[20, 20, 20] = 1
    blurred = smooth(volume, np.diag([1.0, 2.0, 4.0, 1.0]), 8.0)
    assert blurred[24, 20, 20] / blurred[20, 20, 20] == pytest.approx(0.5, abs=0.01)
    assert blurred[20, 22, 20] / blurred[20, 20, 20] == pytest.approx(0.5, abs=0.01)
    assert blurred.sum() == pytest.approx(1, abs=1e-3)


def test_percent_of_the_mean_is_about_100_in_the_brain_and_0_beyond():
    series = np.array([[90.0, 200, 0], [110, 200, 0]])
    found = percent(series, np.array([True, False, True]))
    np.testing.assert_allclose(found, [[90, 0, 0], [110, 0, 0]])
    assert not percent(series, np.array([True, True, True]), faint=300.0).any()


@pytest.mark.parametrize(
    ("volumes", "more"), [(40, {"clean": "confounds"}), (100, {"high_pass": 0.25})]
)
def test_a_run_too_short_for_its_regressors_is_refused(volumes, more):
    bold = BOLD(np.ones((2, 2, 2, volumes), np.float32), TR, np.eye(4))
    cfg = BoldConfig(**{"clean": "detrend", **more})
    motion = MOTION[:volumes] if cfg.clean == "confounds" else None
    with pytest.raises(BOLDError, match="would leave too little"):
        prepare_bold(bold, np.ones((2, 2, 2), bool), motion, cfg)


def test_a_series_is_smoothed_cleaned_and_scaled_voxel_by_voxel():
    data = (1000 + RNG.normal(0, 9, (4, 5, 6, N))).astype(np.float32)
    bold = BOLD(data, TR, np.diag([3.0, 3.0, 3.0, 1.0]))
    mask = np.ones((4, 5, 6), dtype=bool)
    cfg = BoldConfig(clean="confounds", motion=6, smoothing=4.0, units="percent")
    made = prepare_bold(bold, mask, MOTION, cfg)
    voxel = np.stack([smooth(data[..., v], bold.affine, 4.0)[1, 2, 3] for v in range(N)])
    left = regress_out(voxel[:, None].astype(float), MOTION, 0.0, TR)
    np.testing.assert_allclose(made.data[1, 2, 3], percent(left, np.ones(1, bool))[:, 0], rtol=1e-5)
    assert (made.tr, made.data.shape) == (TR, data.shape)
