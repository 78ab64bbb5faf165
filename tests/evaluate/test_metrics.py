"""Scores against closed forms and against loops written out."""

import numpy as np
import pytest
from scipy.signal import detrend
from scipy.stats import pearsonr

from bids_eeg2fmri.evaluate.baselines import mean_volume_prediction
from bids_eeg2fmri.evaluate.metrics import MAPS, METRICS, pearsoncorrelation, score
from bids_eeg2fmri.types import Scores

SHAPE = (9, 8, 7)
MASK = np.zeros(SHAPE, dtype=bool)
MASK[2:7, 1:6, 2:5] = True
SD, RANGE = 50.0, 400.0


def series(seed: int, n: int = 12) -> np.ndarray:
    """Noise of deviation 10 about an intensity of 1000."""
    noise = np.random.default_rng(seed).standard_normal((n, *SHAPE))
    return (1000 + 10 * noise).astype(np.float32)


def scores(observed: np.ndarray, predicted: np.ndarray) -> Scores:
    return score("m", observed, predicted, observed.mean(axis=0), MASK, SD, RANGE)


def test_a_perfect_prediction_has_perfect_scores():
    observed = series(0)
    summary = scores(observed, observed).summary
    for name in ("rmse", "rmse_mask", "mae", "mae_mask"):
        assert summary[name] == 0
    for name in ("ssim", "ssim_mask", "pearsoncorrelation", "skill", "sd_ratio"):
        assert summary[name] == pytest.approx(1)
    assert summary["psnr"] == summary["psnr_mask"] == np.inf


def test_the_mean_volume_has_no_skill_no_deviation_and_no_correlation():
    observed = series(0)
    result = scores(observed, mean_volume_prediction(observed.mean(axis=0), len(observed)))
    assert result.summary["skill"] == 0
    assert result.summary["sd_ratio"] == 0
    assert np.isnan(result.summary["pearsoncorrelation"])
    assert np.isnan(result.maps["pearsoncorrelation"]).all()


def test_a_model_that_only_knows_the_mean_has_absolute_residuals():
    observed = series(0, 50)
    mean = mean_volume_prediction(observed.mean(axis=0), len(observed))
    np.testing.assert_allclose((observed - mean).mean(axis=0), 0, atol=1e-3)
    assert (scores(observed, mean).maps["mae"][MASK] > 3).all()


def test_a_constant_offset_is_its_own_error():
    observed = series(0)
    summary = scores(observed, observed + np.float32(25)).summary
    for name in ("rmse", "rmse_mask", "mae", "mae_mask"):
        assert summary[name] == pytest.approx(25 / SD)
    assert summary["psnr"] == pytest.approx(20 * np.log10(RANGE / 25))
    assert summary["pearsoncorrelation"] == pytest.approx(1)
    assert summary["sd_ratio"] == pytest.approx(1)


def test_half_the_deviation_has_three_quarters_of_the_skill():
    observed = series(0)
    mean = observed.mean(axis=0)
    summary = scores(observed, mean + (observed - mean) / 2).summary
    assert summary["sd_ratio"] == pytest.approx(0.5, rel=1e-4)
    assert summary["skill"] == pytest.approx(0.75, rel=1e-4)


@pytest.mark.parametrize(("suffix", "where"), [("", np.ones_like(MASK)), ("_mask", MASK)])
def test_scores_of_a_volume_equal_loops_over_its_voxels(suffix, where):
    observed, predicted = series(0), series(1)
    volumes = scores(observed, predicted).volumes
    for t, (y, y_hat) in enumerate(zip(observed, predicted, strict=True)):
        errors = [float(y[v]) - float(y_hat[v]) for v in map(tuple, np.argwhere(where))]
        rmse = (sum(e**2 for e in errors) / len(errors)) ** 0.5
        mae = sum(map(abs, errors)) / len(errors)
        assert volumes["rmse" + suffix][t] == pytest.approx(rmse / SD)
        assert volumes["mae" + suffix][t] == pytest.approx(mae / SD)
        assert volumes["psnr" + suffix][t] == pytest.approx(20 * np.log10(RANGE / rmse))


def test_maps_equal_loops_over_voxels():
    observed, predicted = series(0), series(1)
    reference = series(2).mean(axis=0)
    maps = score("m", observed, predicted, reference, MASK, SD, RANGE).maps
    for voxel in map(tuple, np.argwhere(MASK)):
        y, y_hat = (s[:, *voxel].astype(float) for s in (observed, predicted))
        mse = np.mean((y - y_hat) ** 2)
        assert maps["rmse"][voxel] == pytest.approx(mse**0.5, rel=1e-5)
        assert maps["mae"][voxel] == pytest.approx(np.mean(abs(y - y_hat)), rel=1e-5)
        r = pearsonr(detrend(y), detrend(y_hat)).statistic
        assert maps["pearsoncorrelation"][voxel] == pytest.approx(r, abs=1e-6)
        reference_mse = np.mean((y - float(reference[voxel])) ** 2)
        assert maps["skill"][voxel] == pytest.approx(1 - mse / reference_mse, abs=1e-5)


def test_skill_is_pooled_over_the_mask_before_dividing():
    observed, predicted, reference = series(0), series(1), series(2).mean(axis=0)
    summary = score("m", observed, predicted, reference, MASK, SD, RANGE).summary
    error = ((observed - predicted).astype(float)[:, MASK] ** 2).sum()
    reference_error = ((observed - reference).astype(float)[:, MASK] ** 2).sum()
    assert summary["skill"] == pytest.approx(1 - error / reference_error, rel=1e-5)


def test_nothing_outside_the_mask_enters_the_maps_and_the_masked_scores():
    observed, predicted = series(0), series(1)
    elsewhere = np.where(MASK, predicted, np.float32(0))
    before, after = scores(observed, predicted), scores(observed, elsewhere)
    assert np.isnan(after.maps["rmse"][~MASK]).all()
    for name in ("rmse_mask", "mae_mask", "psnr_mask", "pearsoncorrelation", "skill", "sd_ratio"):
        assert after.summary[name] == before.summary[name]


def test_a_prediction_that_varies_by_rounding_only_counts_as_constant():
    observed = series(0)
    flicker = np.nextafter(np.float32(1000), np.float32(2000)) - np.float32(1000)
    predicted = np.full_like(observed, 1000)
    predicted[::2] += flicker
    assert np.isnan(scores(observed, predicted).summary["pearsoncorrelation"])


def test_temporal_correlation_survives_a_large_baseline():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((40, *SHAPE))
    observed = (1e5 + 100 * signal).astype(np.float32)
    assert scores(observed, observed.copy()).summary["pearsoncorrelation"] == pytest.approx(1)


def test_a_voxel_with_a_constant_prediction_is_left_out_of_the_mean_correlation():
    observed = series(0)
    predicted = observed.copy()
    predicted[:, 3, 3, 3] = 1000
    result = scores(observed, predicted)
    assert np.isnan(result.maps["pearsoncorrelation"][3, 3, 3])
    assert result.summary["pearsoncorrelation"] == pytest.approx(1)


def test_r2_of_a_prediction_that_is_off_by_its_deviation_is_zero():
    observed = series(0)
    sd = observed.std(axis=0)
    result = scores(observed, observed + sd)
    np.testing.assert_allclose(result.maps["r2"][MASK], 0, atol=1e-4)
    assert result.summary["r2"] == pytest.approx(0, abs=1e-4)


def test_r2_is_skill_against_the_test_mean_and_never_above_skill():
    observed, predicted = series(0), series(1)
    about_itself = scores(observed, predicted)
    np.testing.assert_allclose(
        about_itself.maps["r2"][MASK], about_itself.maps["skill"][MASK], atol=1e-5
    )
    reference = series(2).mean(axis=0)
    result = score("m", observed, predicted, reference, MASK, SD, RANGE)
    assert (result.maps["r2"][MASK] < result.maps["skill"][MASK]).all()
    assert result.summary["r2"] < result.summary["skill"]


def test_half_the_deviation_is_half_in_every_voxel():
    observed = series(0)
    mean = observed.mean(axis=0)
    ratio = scores(observed, mean + (observed - mean) / 2).maps["sdratio"]
    np.testing.assert_allclose(ratio[MASK], 0.5, rtol=1e-4)


def test_a_constant_voxel_has_no_r2_and_no_deviation_ratio():
    observed = series(0)
    observed[:, 3, 3, 3] = 1000
    maps = scores(observed, series(1)).maps
    assert np.isnan([maps["r2"][3, 3, 3], maps["sdratio"][3, 3, 3]]).all()


def test_white_volumes_are_all_effective():
    result = scores(series(0, 40), series(1, 40))
    assert result.summary["n_effective"] == 40


def test_every_score_is_documented():
    result = scores(series(0), series(1))
    assert set(result.summary) == set(METRICS)
    assert set(result.volumes) < set(METRICS)
    assert set(result.maps) == set(MAPS)


def test_a_trend_that_both_series_have_is_no_correlation():
    noise = np.random.default_rng(0).standard_normal((2, 200, 50))
    ramp = np.linspace(0, 20, 200)[:, None]
    assert abs(pearsoncorrelation(noise[0] + ramp, noise[1] + ramp).mean()) < 0.05
