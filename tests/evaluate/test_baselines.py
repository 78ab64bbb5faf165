"""Predictions without a network."""

from dataclasses import replace

import numpy as np
import pytest

from bids_eeg2fmri.config import ScaleConfig
from bids_eeg2fmri.evaluate.baselines import (
    BASELINES,
    drift_design,
    fit_baselines,
    global_signal,
    make_designs,
    mean_volume_prediction,
    motion_design,
    predict_baselines,
)
from bids_eeg2fmri.preprocess.bands import canonical_hrf
from bids_eeg2fmri.preprocess.scale import fit_scale, mean_volume
from bids_eeg2fmri.types import Pairs

TR, GRID, N = 2.0, (3, 4, 3), 300
FREQS = np.array([6.0, 10.0, 20.0])
LAGS = np.arange(19.0, 0, -2)
TRAIN, TEST = np.arange(180), np.arange(200, N)
NAMES = ["hrf-ridge", "global-signal", "drift"]


def run(signal, *, seed=0, name="sub-01_task-rest", gain=1.0, noise=1.0):
    """Pairs whose volumes follow ``signal(past log power of Oz at 10 Hz, lag 1, 3, … s)``."""
    rng = np.random.default_rng(seed)
    past = 50
    power = rng.normal(0, 0.3, (2, 3, past + N))  # at the middle of each 2 s between volumes
    newest = past + np.arange(N)
    windows = newest[:, None] - (LAGS / TR).astype(int)
    eeg = gain * 1e-6 * 10 ** (power[:, :, windows] / 2)
    history = np.stack([power[0, 1, newest - k] for k in range(past)])
    volumes = 500 + 40 * rng.normal(size=GRID) + noise * rng.normal(size=(N, *GRID))
    volumes += (
        signal(history, TR * np.arange(N))[:, None, None, None]
        * np.linspace(1, 3, GRID[0])[:, None, None]
    )
    return Pairs(
        eeg=eeg.transpose(2, 0, 1, 3).astype(np.float32),
        bold=volumes.astype(np.float32),
        volume=np.arange(N),
        onset=TR * np.arange(float(N)),
        freqs=FREQS,
        channels=("Oz", "Cz"),
        run=name,
        mask=np.ones(GRID, bool),
        n_volumes=N,
    )


def through_hrf(history, _time):
    lags = TR * np.arange(16) + 1
    return 30 * canonical_hrf(lags) @ history[:16]


def long_ago(history, _time):
    return 10 * history[20]  # 41 s before the volume


def drifting(_history, time):
    return 10 * time / time[-1]


def silent(_history, time):
    return np.zeros_like(time)


def fit(*runs, train=None, bold="training", motion=None):
    train = [TRAIN] * len(runs) if train is None else train
    scale = fit_scale(runs, train, ScaleConfig(bold=bold))
    designs = [make_designs(pairs, scale, "magnitude", LAGS, motion) for pairs in runs]
    return scale, designs, fit_baselines(designs, runs, train, scale, gap=26.0, seed=0)


def predicted(*runs, of=-1, train=None, test=TEST, **options):
    """Fit all runs, and predict one of them."""
    train = [TRAIN] * len(runs) if train is None else train
    scale, designs, fitted = fit(*runs, train=train, **options)
    mean = mean_volume(runs, train, scale)
    return dict(predict_baselines(fitted, designs[of], runs[of], train[of], test, mean, scale))


def correlation(pairs, volumes, test=TEST):
    x, y = (a - a.mean(axis=0) for a in (pairs.bold[test], volumes))
    return ((x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))).mean()


def test_the_mean_volume_is_repeated_without_taking_memory():
    mean = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    prediction = mean_volume_prediction(mean, 5)
    assert prediction.shape == (5, 2, 3, 4)
    assert (prediction == mean).all()
    assert np.shares_memory(prediction, mean)


def test_oracles_say_so_in_their_titles():
    assert {name for name, one in BASELINES.items() if one.oracle} == {
        "participant-mean",
        "global-signal",
        "motion",
    }
    assert all(one.oracle == ("(oracle)" in one.title) for one in BASELINES.values())


def test_all_baselines_come_in_their_order_in_the_scanners_units():
    pairs = run(silent)
    volumes = predicted(pairs, motion=np.random.default_rng(5).normal(size=(N, 6)))
    assert list(volumes) == list(BASELINES)
    for one in volumes.values():
        assert one.shape == (100, *GRID)
        np.testing.assert_allclose(one.mean(axis=0), pairs.bold.mean(axis=0), atol=2)


def test_motion_is_left_out_where_it_is_not_known():
    assert list(predicted(run(silent))) == [*BASELINES][:-1]


def test_the_participant_mean_is_that_of_the_test_volumes():
    pairs = run(drifting)
    expected = pairs.bold[TEST].mean(axis=0)
    np.testing.assert_allclose(predicted(pairs)["participant-mean"][3], expected, rtol=1e-5)


def test_hrf_ridge_finds_a_coupling_through_the_haemodynamic_response():
    pairs = run(through_hrf)
    volumes = predicted(pairs)
    assert correlation(pairs, volumes["hrf-ridge"]) > 0.8
    assert abs(correlation(pairs, volumes["drift"])) < 0.2


def test_hrf_ridge_finds_nothing_that_left_the_window():
    pairs = run(long_ago)
    assert abs(correlation(pairs, predicted(pairs)["hrf-ridge"])) < 0.2


def test_hrf_ridge_crosses_to_a_participant_whose_gain_and_intensity_differ():
    known = [run(through_hrf, seed=i, name=f"sub-0{i}_task-rest", gain=1 + i) for i in range(3)]
    new = run(through_hrf, seed=9, name="sub-09_task-rest", gain=20.0)
    new = replace(new, bold=5 * new.bold)
    everything, nothing = np.arange(N), np.arange(0)
    train = [*[everything] * 3, nothing]
    volumes = predicted(*known, new, train=train, test=everything, bold="participant")
    assert correlation(new, volumes["hrf-ridge"], everything) > 0.8
    level = volumes["hrf-ridge"].mean(axis=0)
    np.testing.assert_allclose(level, volumes["mean-volume"][0], rtol=1e-4)


def test_drift_goes_on_into_the_test_block():
    pairs = run(drifting, noise=0.1)
    volumes = predicted(pairs)
    error = {name: np.mean((one - pairs.bold[TEST]) ** 2) for name, one in volumes.items()}
    assert error["drift"] < 0.05 * error["mean-volume"]
    assert error["drift"] < 0.05 * error["hrf-ridge"]


def test_drift_stays_within_one_in_the_run():
    design = drift_design(TR * np.arange(7.0, 300))
    np.testing.assert_allclose(design[[0, 146, -1]], [[-1, 1], [0, -0.5], [1, 1]], atol=1e-12)
    assert np.abs(design).max() == 1


def test_drift_of_noise_is_tame():
    for seed in range(5):
        volumes = predicted(run(silent, seed=seed))
        change = volumes["drift"] - volumes["mean-volume"]
        assert np.abs(change).max() < 0.2  # of the standard deviation of the noise


def test_the_global_signal_is_the_mean_over_the_mask():
    pairs = run(silent)
    mask = np.zeros(GRID, bool)
    mask[1] = True
    np.testing.assert_allclose(
        global_signal(pairs.bold, mask)[:, 0], pairs.bold[:, 1].mean(axis=(1, 2)), rtol=1e-6
    )


def test_the_oracle_of_the_global_signal_follows_what_no_eeg_tells():
    hidden = np.random.default_rng(8).normal(size=N)
    pairs = run(lambda _history, _time: hidden)
    volumes = predicted(pairs)
    assert correlation(pairs, volumes["global-signal"]) > 0.8
    assert abs(correlation(pairs, volumes["hrf-ridge"])) < 0.2


def test_an_oracle_knows_of_the_test_volumes_nothing_but_their_global_signal():
    pairs = run(through_hrf)
    spoilt = pairs.bold.copy()
    spoilt[TEST] = spoilt[TEST].mean(axis=(1, 2, 3), keepdims=True)
    first, second = (predicted(one) for one in (pairs, replace(pairs, bold=spoilt)))
    np.testing.assert_allclose(first["global-signal"], second["global-signal"], rtol=1e-5)


def test_motion_is_position_and_change_at_each_pair():
    parameters = np.arange(30.0).reshape(5, 6) ** 2
    design = motion_design(parameters, np.array([0, 2, 4]))
    np.testing.assert_array_equal(design[:, :6], parameters[[0, 2, 4]])
    np.testing.assert_array_equal(design[0, 6:], 0)
    np.testing.assert_array_equal(design[1, 6:], parameters[2] - parameters[1])


def test_motion_explains_what_follows_the_head():
    motion = np.random.default_rng(3).normal(size=(N, 6))
    pairs = run(lambda _history, _time: motion[:, 4])
    volumes = predicted(pairs, motion=motion)
    assert correlation(pairs, volumes["motion"]) > 0.8


def test_a_motion_that_one_training_run_lacks_is_not_fitted():
    pairs = run(silent)
    scale, (design,), fitted = fit(pairs, motion=np.zeros((N, 6)))
    assert list(fitted) == [*NAMES, "motion"]
    without = {name: values for name, values in design.items() if name != "motion"}
    both = fit_baselines([design, without], [pairs] * 2, [TRAIN] * 2, scale, gap=26.0, seed=0)
    assert list(both) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_test_volumes_change_no_coefficient(name):
    pairs = run(through_hrf)
    spoilt = pairs.bold.copy()
    spoilt[180:] = np.random.default_rng(6).normal(0, 1e4, spoilt[180:].shape)
    first, second = (fit(one)[2][name] for one in (pairs, replace(pairs, bold=spoilt)))
    assert first.penalty == second.penalty
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.offset, second.offset)
