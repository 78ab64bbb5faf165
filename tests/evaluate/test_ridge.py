"""Ridge regression against its closed form, and its penalty against planted ones."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as ScikitRidge
from sklearn.preprocessing import StandardScaler

from bids_eeg2fmri.evaluate.cross_validation import (
    FOLDS,
    SURE,
    Design,
    blocked_folds,
    is_clear,
    principal_axes,
    validation_error,
)
from bids_eeg2fmri.evaluate.ridge import (
    PENALTIES,
    Ridge,
    choose_design,
    fit_ridge,
    predict,
)
from bids_eeg2fmri.runtime import arrays

GRID = (2, 3, 4)
MASK = np.ones(GRID, bool)
TR = 2.0


def run(n=60, features=5, seed=0, participant="sub-01", first=0.0):
    """Unstandardised features, and volumes that follow them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features)) * np.arange(1, features + 1) + 10
    weights = np.random.default_rng(99).normal(size=(features, *GRID))
    noise, anatomy = rng.normal(size=(n, *GRID)), 100 * rng.normal(size=GRID)
    y = np.tensordot(x, weights, 1) + noise + anatomy
    return Design(x, first + TR * np.arange(n), participant), y.astype(np.float32)


def fit(*runs, penalty=None, mask=MASK, gap=26.0):
    designs, volumes = zip(*runs, strict=True)
    penalties = PENALTIES if penalty is None else np.array([penalty])
    return fit_ridge(designs, iter(volumes), mask, gap, seed=0, penalties=penalties)


def test_weights_are_those_of_the_closed_form():
    design, volumes = run()
    x = design.values - design.values.mean(axis=0)
    x /= np.sqrt(np.mean(x**2, axis=0))
    y = volumes.reshape(60, -1).astype(np.float64)
    expected = np.linalg.solve(x.T @ x + 30 * np.eye(5), x.T @ (y - y.mean(axis=0)))
    ridge = fit((design, volumes), penalty=30 / 60)
    np.testing.assert_allclose(ridge.weights.reshape(5, -1), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ridge.offset.ravel(), y.mean(axis=0), rtol=1e-6)


def test_predictions_are_those_of_scikit_learn():
    design, volumes = run()
    new = run(seed=1)[0].values
    scaler = StandardScaler().fit(design.values)
    reference = ScikitRidge(alpha=7.0).fit(scaler.transform(design.values), volumes.reshape(60, -1))
    found = predict(fit((design, volumes), penalty=7 / 60), new)
    np.testing.assert_allclose(
        found.reshape(60, -1), reference.predict(scaler.transform(new)), rtol=1e-4, atol=1e-3
    )


def test_an_infinite_penalty_gives_the_mean_volume_exactly():
    design, volumes = run()
    ridge = fit((design, volumes), penalty=np.inf)
    mean = volumes.mean(axis=0, dtype=np.float64).astype(np.float32)
    np.testing.assert_array_equal(predict(ridge, design.values), np.broadcast_to(mean, (60, *GRID)))


def test_run_by_run_is_all_at_once_about_the_mean_of_each_run():
    runs = [run(seed=0), run(n=40, seed=1)]
    ridge = fit(*runs, penalty=0.05)
    centred = [(d.values - d.values.mean(axis=0), y - y.mean(axis=0)) for d, y in runs]
    x, y = (np.concatenate(parts) for parts in zip(*centred, strict=True))
    onset = np.concatenate([runs[0][0].onset, runs[1][0].onset + 1000])
    together = fit((Design(x, onset, "sub-01"), y), penalty=0.05)
    np.testing.assert_allclose(ridge.weights, together.weights, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ridge.sd, together.sd)
    mean = np.concatenate([y for _, y in runs]).mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(ridge.offset, mean, rtol=1e-5)


def test_runs_that_differ_in_level_alone_are_no_coupling():
    rng = np.random.default_rng(0)
    levels = [
        (
            Design(rng.normal(level, 1, (50, 1)), TR * np.arange(50.0), f"sub-{level}"),
            rng.normal(100 * level, 1, (50, *GRID)).astype(np.float32),
        )
        for level in range(4)
    ]
    assert np.abs(fit(*levels, penalty=0.01).weights).max() < 0.5


def test_features_at_the_given_centre_predict_the_mean_volume():
    ridge = fit(run(), penalty=0.01)
    other = run(seed=3)[0].values
    centre = other.mean(axis=0)
    np.testing.assert_array_equal(predict(ridge, centre[None], centre)[0], ridge.offset)
    np.testing.assert_array_equal(predict(ridge, other), predict(ridge, other, ridge.mean))


def test_a_feature_that_never_changes_has_no_weight():
    design, volumes = run()
    values = np.column_stack([design.values, np.full(60, -12.3)])
    ridge = fit((Design(values, design.onset, "sub-01"), volumes), penalty=0.01)
    np.testing.assert_allclose(ridge.weights[5], 0, atol=1e-6)
    np.testing.assert_allclose(
        predict(ridge, values),
        predict(fit((design, volumes), penalty=0.01), design.values),
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
def test_the_axes_put_the_products_of_features_together_again(shape):
    x = np.random.default_rng(0).normal(size=shape)
    power, axes = principal_axes(x)
    np.testing.assert_allclose((axes * power) @ axes.T, x.T @ x, atol=1e-10)
    np.testing.assert_allclose(axes.T @ axes, np.eye(7), atol=1e-10)


@pytest.mark.parametrize("planted", [0.03, 1.0, 30.0])
def test_the_penalty_is_the_ratio_of_planted_noise_and_weights(planted):
    rng, n = np.random.default_rng(1), 400
    x = rng.normal(size=(n, 40))
    y = x @ rng.normal(size=(40, 1000)) + rng.normal(size=(n, 1000)) * np.sqrt(n * planted)
    folds = blocked_folds([Design(x, TR * np.arange(400.0), "sub-01")], 26.0)
    error = validation_error(x, y, np.zeros(n, int), folds, PENALTIES)
    found = PENALTIES[np.argmin(error.sum(axis=0))]
    assert abs(np.log10(found / planted)) <= 0.51  # the next of the grid


@pytest.mark.parametrize("features", [20, 200])
def test_errors_are_those_of_scikit_learn_with_an_intercept_in_each_fold(features):
    rng, n = np.random.default_rng(3), 150
    x = rng.normal(5, 1, size=(n, features))
    y = x @ rng.normal(size=(features, 5)) + 20 * rng.normal(size=(n, 5))
    folds = blocked_folds([Design(x, TR * np.arange(150.0), "sub-01")], 26.0)

    def of_scikit(penalty):
        fits = [(ScikitRidge(alpha=len(i) * penalty).fit(x[i], y[i]), j) for i, j in folds]
        return sum(np.sum((y[j] - fitted.predict(x[j])) ** 2) for fitted, j in fits)

    error = validation_error(x, y, np.zeros(n, int), folds, PENALTIES).sum(axis=0)
    np.testing.assert_allclose(error, [*map(of_scikit, PENALTIES)], rtol=1e-8)
    assert PENALTIES[0] > PENALTIES[np.argmin(error)] > PENALTIES[-1]


def test_volumes_that_do_not_follow_the_features_are_shrunk_to_the_mean():
    design, volumes = run(n=200)
    noise = np.random.default_rng(7).normal(size=volumes.shape).astype(np.float32)
    ridge = fit((design, noise))
    assert predict(ridge, design.values).std(axis=0).max() < 0.1
    assert fit((design, volumes)).penalty < 0.1 < ridge.penalty


def test_only_voxels_of_the_mask_choose_the_penalty_and_all_are_predicted():
    design, volumes = run(n=200)
    half = MASK.copy()
    half[0] = False
    noisy = volumes.copy()
    noisy[:, 0] = np.random.default_rng(7).normal(size=noisy[:, 0].shape)
    ridge = fit((design, noisy), mask=half)
    assert ridge.penalty == fit((design, volumes), mask=half).penalty < fit((design, noisy)).penalty
    assert np.abs(ridge.weights[:, 0]).min() > 0


def test_the_draw_of_voxels_follows_from_the_seed():
    rng = np.random.default_rng(0)
    design, _ = run()
    volumes = rng.normal(size=(60, 15, 15, 15)).astype(np.float32)
    mask = np.ones((15, 15, 15), bool)
    first, second = (fit_ridge([design], [volumes], mask, 26.0, seed=4) for _ in range(2))
    assert first.penalty == second.penalty
    np.testing.assert_array_equal(first.weights, second.weights)


def test_no_pair_within_the_gap_of_a_predicted_one_is_fitted():
    designs = [run(n=100)[0], run(n=70)[0]]
    of_run, onset = np.repeat([0, 1], [100, 70]), np.concatenate([d.onset for d in designs])
    folds = blocked_folds(designs, 26.0)
    for fitted, predicted in folds:
        distance = np.abs(onset[fitted][:, None] - onset[predicted])
        same = of_run[fitted][:, None] == of_run[predicted]
        assert distance[same].min() == 26
        assert len(fitted) > 100
    predicted = np.concatenate([part for _, part in folds])
    np.testing.assert_array_equal(predicted, np.arange(170))


def test_of_several_participants_some_are_predicted_from_the_others():
    names = ["sub-03", "sub-01", "sub-02", "sub-01", *(f"sub-1{i}" for i in range(5))]
    designs = [run(n=10, participant=name)[0] for name in names]
    owner = np.repeat(names, 10)
    folds = blocked_folds(designs, 26.0)
    assert len(folds) == FOLDS
    for fitted, predicted in folds:
        assert not set(owner[fitted]) & set(owner[predicted])
        assert len(fitted) + len(predicted) == len(owner)


def test_of_few_participants_times_are_predicted_from_other_times():
    designs = [run(n=100, participant=name)[0] for name in ("sub-01", "sub-02", "sub-03")]
    folds = blocked_folds(designs, 26.0)
    assert len(folds) == FOLDS
    np.testing.assert_array_equal(np.concatenate([part for _, part in folds]), np.arange(300))


def test_pairs_too_few_for_the_gaps_get_the_largest_penalty():
    design, volumes = run(n=12)
    assert blocked_folds([design], 26.0) == []
    assert fit((design, volumes)).penalty == PENALTIES[0] == PENALTIES.max()


def test_a_fitted_ridge_survives_the_disk(tmp_path):
    design, volumes = run()
    ridge = fit((design, volumes), penalty=np.inf)
    arrays.save(tmp_path, "drift", ridge)
    loaded = arrays.load(tmp_path, "drift", Ridge)
    assert loaded.penalty == np.inf
    np.testing.assert_array_equal(predict(loaded, design.values), predict(ridge, design.values))


def test_the_design_that_volumes_follow_is_chosen_among_others():
    (first, y), (second, z) = run(n=120, seed=0), run(n=90, seed=1, participant="sub-02")
    rng = np.random.default_rng(5)
    others = [
        Design(rng.normal(size=d.values.shape), d.onset, d.participant) for d in (first, second)
    ]
    given = (iter([y, z]), MASK, 26.0)
    assert choose_design([others, [first, second], others], *given, seed=0) == 1


@pytest.mark.parametrize("people", [1, 2, 3, 6])
def test_the_first_design_is_kept_where_another_is_not_clearly_better(people):
    rng, kept = np.random.default_rng(6), 0

    def drawn() -> list[Design]:
        onset, names = TR * np.arange(60.0), [f"sub-{i}" for i in range(people)]
        return [Design(rng.normal(size=(60, 5)), onset, name) for name in names]

    for _ in range(20):
        noise = [rng.normal(size=(60, *MASK.shape)).astype(np.float32) for _ in range(people)]
        kept += choose_design([drawn() for _ in range(5)], noise, MASK, 26.0, seed=0) == 0
    assert kept >= 16


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_a_gain_by_luck_is_clear_as_seldom_as_is_said(n):
    gains = np.random.default_rng(0).normal(size=(4000, n))
    assert np.mean([is_clear(gain) for gain in gains]) == pytest.approx(SURE, abs=0.011)


def test_a_gain_from_one_part_is_never_clear():
    assert not is_clear(np.array([1.0]))
