"""Scores of parcels against closed forms and the scores of single voxels."""

import numpy as np
import pytest
from random_parcels import EVERYWHERE, GRID, MASK, noise, parcels_of, random_parcels
from scipy import stats
from scipy.signal import detrend

from bids_eeg2fmri.evaluate.metrics import score
from bids_eeg2fmri.evaluate.null import shifted_p
from bids_eeg2fmri.evaluate.parcels import (
    PARCEL_MEANS,
    PARCEL_SCORES,
    average_parcels,
    score_parcels,
)
from bids_eeg2fmri.types import Parcels


def one_per_voxel() -> Parcels:
    return parcels_of(np.arange(1, np.prod(GRID) + 1).reshape(GRID), int(np.prod(GRID)))


def test_the_q_of_a_lone_parcel_ends_at_parcels_over_volumes():
    parcels = random_parcels(8)
    observed, predicted = noise(100, *GRID), noise(100, *GRID, seed=1)
    predicted[:, parcels.labels == 3] = observed[:, parcels.labels == 3]
    found = score_parcels(observed, predicted, np.zeros(GRID, np.float32), parcels, MASK, 5)
    assert found["q"][2] == pytest.approx(8 / 100)


def test_parcels_of_one_voxel_score_as_the_voxels_do():
    observed, predicted, reference = noise(60, *GRID), noise(60, *GRID, seed=1), noise(*GRID)
    found = score_parcels(observed, predicted, reference, one_per_voxel(), EVERYWHERE, 5)
    maps = score("m", observed, predicted, reference, EVERYWHERE, 1.0, 8.0).maps
    for name, stat in (("sd_ratio", "sdratio"), ("n_effective", "neffective")):
        np.testing.assert_allclose(found[name], maps[stat].ravel(), rtol=1e-5)
    for name in ("pearsoncorrelation", "skill", "r2"):
        np.testing.assert_allclose(found[name], maps[name].ravel(), atol=1e-5)
    flat = (series.reshape(60, -1) for series in (observed, predicted))
    np.testing.assert_allclose(found["p"], shifted_p(*flat, 5))


def test_scores_of_a_parcel_written_out():
    observed, predicted = noise(80, *GRID), noise(80, *GRID, seed=1)
    parcels, reference = random_parcels(3), noise(*GRID, seed=2)
    found = score_parcels(observed, predicted, reference, parcels, MASK, 5)
    inside = MASK & (parcels.labels == 2)
    y, y_hat = observed[:, inside].mean(axis=1), predicted[:, inside].mean(axis=1)
    error = np.mean((y - y_hat) ** 2)
    expected = {
        "n_voxels": inside.sum(),
        "pearsoncorrelation": stats.pearsonr(detrend(y), detrend(y_hat)).statistic,
        "r2": 1 - error / y.var(),
        "skill": 1 - error / np.mean((y - reference[inside].mean()) ** 2),
        "sd_ratio": y_hat.std() / y.std(),
    }
    for name, value in expected.items():
        assert found[name][1] == pytest.approx(value, abs=1e-5), name


def test_the_interval_is_scipys_where_all_volumes_are_independent():
    observed = noise(400, *GRID)
    predicted = observed + noise(400, *GRID, seed=1)
    found = score_parcels(observed, predicted, noise(*GRID), random_parcels(3), MASK, 5)
    r = found["pearsoncorrelation"]
    independent = np.flatnonzero(found["n_effective"] == 400)
    assert independent.size
    for i in independent:
        half = stats.norm.ppf(0.975) / np.sqrt(400 - 3)
        assert found["r_low"][i] == pytest.approx(np.tanh(np.arctanh(r[i]) - half))
        assert found["r_high"][i] == pytest.approx(np.tanh(np.arctanh(r[i]) + half))


def test_only_the_parcel_that_is_predicted_is_found():
    parcels = random_parcels(8)
    observed, predicted = noise(300, *GRID), noise(300, *GRID, seed=1)
    planted = parcels.labels == 3
    predicted[:, planted] += observed[:, planted]
    found = score_parcels(observed, predicted, np.zeros(GRID, np.float32), parcels, MASK, 5)
    assert np.argmax(found["pearsoncorrelation"]) == 2
    assert found["r_low"][2] > 0.5
    assert np.flatnonzero(found["q"] < 0.05).tolist() == [2]


def test_an_empty_parcel_has_no_scores_and_spoils_no_other():
    parcels, volumes, other = random_parcels(5), noise(60, *GRID), noise(60, *GRID, seed=1)
    alone = score_parcels(volumes, other, noise(*GRID), parcels, MASK, 5)
    more = parcels_of(parcels.labels, 6)
    found = score_parcels(volumes, other, noise(*GRID), more, MASK, 5)
    assert found["n_voxels"][5] == 0
    assert all(np.isnan(values[5]) for name, values in found.items() if name != "n_voxels")
    for name, values in alone.items():
        np.testing.assert_array_equal(found[name][:5], values)


def test_the_mean_volume_has_skill_0_and_no_r():
    observed, reference = noise(60, *GRID), noise(*GRID, seed=1)
    constant = np.broadcast_to(reference, observed.shape)
    found = score_parcels(observed, constant, reference, random_parcels(5), MASK, 5)
    np.testing.assert_allclose(found["skill"], 0, atol=1e-6)
    np.testing.assert_allclose(found["sd_ratio"], 0, atol=1e-6)
    assert all(np.isnan(found[name]).all() for name in ("pearsoncorrelation", "r_low", "p", "q"))


def test_every_column_is_described_in_order():
    volumes = noise(30, *GRID)
    found = score_parcels(volumes, volumes, volumes[0], random_parcels(2), MASK, 5)
    assert [*found] == [*PARCEL_SCORES]


def test_a_parcel_is_summed_up_over_those_who_have_it():
    rng = np.random.default_rng(0)
    r, skill = rng.uniform(-0.2, 0.6, (2, 7, 3))
    r[:4, 1], r[1:, 2] = np.nan, np.nan
    found = average_parcels(r, skill)
    assert found["n_participants"].tolist() == [7, 3, 1]
    for i in (0, 1):
        z = np.arctanh(r[np.isfinite(r[:, i]), i])
        expected = stats.ttest_1samp(z, 0, alternative="greater")
        low, high = stats.ttest_1samp(z, 0).confidence_interval()
        assert found["t"][i] == pytest.approx(expected.statistic)
        assert found["p"][i] == pytest.approx(expected.pvalue)
        assert found["pearsoncorrelation"][i] == pytest.approx(np.tanh(z.mean()))
        assert (found["r_low"][i], found["r_high"][i]) == pytest.approx(np.tanh([low, high]))
    np.testing.assert_allclose(found["skill"], skill.mean(axis=0))
    np.testing.assert_allclose(found["q"][:2], stats.false_discovery_control(found["p"][:2]))


def test_a_parcel_of_one_participant_has_its_r_and_no_test():
    found = average_parcels(np.array([[0.3, np.nan]]), np.array([[0.1, np.nan]]))
    assert [*found] == [*PARCEL_MEANS]
    assert found["pearsoncorrelation"][0] == pytest.approx(0.3)
    for name in ("r_low", "r_high", "t", "p", "q"):
        assert np.isnan(found[name]).all()
    assert np.isnan(found["skill"][1])
