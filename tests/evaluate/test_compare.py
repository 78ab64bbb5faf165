"""Tables 1 and 2 and the comparisons of models, on numbers worked out by hand and by scipy."""

import numpy as np
import pytest
from scipy import stats

from bids_eeg2fmri.evaluate.compare import RunScore, compare_models, tabulate

PEOPLE = ("01", "02", "03", "04")
ALONE = "One test participant: no interval, and no test of these scores between models."


def scores(
    values: dict[str, np.ndarray], people: tuple[str, ...] = PEOPLE, metric: str = "rmse"
) -> list[RunScore]:
    """Name an array of participants, seeds and runs for each model."""
    return [
        RunScore(model, people[i], f"sub-{people[i]}_run-{run}", 0, seed, {metric: float(value)})
        for model, array in values.items()
        for (i, seed, run), value in np.ndenumerate(array)
    ]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_cell_is_the_mean_and_deviation_over_participants_and_seeds_of_the_mean_over_runs():
    values = drawn(4, 3, 2)
    (cell,) = tabulate(scores({"linear": values}), ["rmse"])
    assert cell.mean == pytest.approx(values.mean())
    assert cell.sd == pytest.approx(values.mean(axis=2).std(ddof=1))
    assert (cell.n, cell.n_participants, cell.n_seeds) == (12, 4, 3)
    assert "4 test participants and 3 seeds (n = 12)" in cell.spread


def test_a_participant_with_more_runs_weighs_no_more():
    rows = scores({"linear": np.array([[[1.0, 3.0, 5.0]]])}, ("01",))
    rows += scores({"linear": np.array([[[9.0]]])}, ("02",))
    assert tabulate(rows, ["rmse"])[0].mean == pytest.approx(6.0)


def test_one_value_has_no_deviation():
    (cell,) = tabulate(scores({"linear": np.ones((1, 1, 2))}), ["rmse"])
    assert cell.mean == 1
    assert np.isnan(cell.sd)
    assert np.isnan([cell.interval.low, cell.interval.high]).all()
    assert cell.spread == ALONE


def test_seeds_of_one_participant_have_a_deviation_and_no_interval():
    (cell,) = tabulate(scores({"linear": drawn(1, 3, 2)}), ["rmse"])
    assert "over 1 test participant and 3 seeds (n = 3)" in cell.spread
    assert cell.spread.endswith(f"not to be compared. {ALONE}")


@pytest.mark.parametrize("metric", ["rmse", "pearsoncorrelation"])
def test_the_interval_of_a_cell_is_over_participants_whose_seeds_are_averaged(metric):
    values = np.tanh(drawn(4, 3, 2) / 3)
    (cell,) = tabulate(scores({"linear": values}, metric=metric), [metric])
    there, back = (np.arctanh, np.tanh) if metric == "pearsoncorrelation" else (np.array,) * 2
    people = there(values.mean(axis=(1, 2)))
    expected = back(stats.ttest_1samp(people, 0).confidence_interval(0.95))
    np.testing.assert_allclose([cell.interval.low, cell.interval.high], expected)


def test_undefined_scores_do_not_count():
    values = np.array([0.1, 0.3, np.nan, np.nan]).reshape(4, 1, 1)
    (cell,) = tabulate(scores({"linear": values}), ["rmse"])
    assert (cell.mean, cell.n, cell.n_participants) == (pytest.approx(0.2), 2, 2)


def test_a_score_that_is_never_defined_leaves_an_empty_cell():
    nothing = scores({"mean-volume": np.full((3, 1, 1), np.nan)})
    (cell,) = tabulate(nothing, ["rmse"])
    assert cell.n == 0
    assert np.isnan([cell.mean, cell.sd]).all()


def test_rows_keep_the_order_of_models_and_metrics():
    rows = [
        RunScore(model, "01", "run", 0, 0, {"ssim": 0.5, "rmse": 1.0})
        for model in ("topo-rff", "linear")
    ]
    cells = tabulate(rows, ["rmse", "ssim"])
    assert [(cell.model, cell.metric) for cell in cells] == [
        ("topo-rff", "rmse"), ("topo-rff", "ssim"), ("linear", "rmse"), ("linear", "ssim"),
    ]  # fmt: skip


def test_two_models_are_compared_as_scipy_does_with_the_means_of_participants():
    a, b = drawn(4, 3, 2), drawn(4, 3, 2, seed=1)
    (found,) = compare_models(scores({"linear": a, "topo": b}), ["rmse"])
    first, second = a.mean(axis=(1, 2)), b.mean(axis=(1, 2))
    expected = stats.ttest_rel(first, second)
    assert (found.first, found.second, found.n, found.df) == ("linear", "topo", 4, 3)
    assert found.difference == pytest.approx((first - second).mean())
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.signed_rank_p == pytest.approx(stats.wilcoxon(first, second).pvalue)
    assert found.q == pytest.approx(found.p)


def test_q_is_adjusted_over_the_pairs_of_a_metric():
    models = {name: drawn(4, 1, 1, seed=i) for i, name in enumerate("abc")}
    found = compare_models(scores(models), ["rmse"])
    assert [(one.first, one.second) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    np.testing.assert_allclose(
        [one.q for one in found], stats.false_discovery_control([one.p for one in found])
    )


def test_more_seeds_or_folds_do_not_make_more_participants():
    a, b = drawn(4, 1, 1), drawn(4, 1, 1, seed=1)
    (once,) = compare_models(scores({"a": a, "b": b}), ["rmse"])
    (often,) = compare_models(
        scores({"a": a.repeat(5, axis=1), "b": b.repeat(5, axis=1)}), ["rmse"]
    )
    assert (often.n, often.t, often.p) == (4, pytest.approx(once.t), pytest.approx(once.p))


def test_models_are_compared_where_both_were_tested():
    a, b = drawn(4, 2, 1), drawn(4, 2, 1, seed=1)
    rows = scores({"a": a, "b": b})
    lost = ("b", "02", 1)  # one training of one model failed
    kept = [one for one in rows if (one.model, one.participant, one.seed) != lost]
    (found,) = compare_models(kept, ["rmse"])
    difference = (a - b).mean(axis=(1, 2))
    difference[1] = (a - b)[1, 0, 0]
    assert found.difference == pytest.approx(difference.mean())


def test_a_single_participant_gives_a_difference_and_no_p():
    (found,) = compare_models(
        scores({"a": np.ones((1, 2, 1)), "b": np.zeros((1, 2, 1))}, ("01",)), ["rmse"]
    )
    assert (found.difference, found.n, found.df) == (1, 1, 0)
    assert np.isnan([found.t, found.p, found.signed_rank_p, found.q]).all()


def test_models_without_a_participant_in_common_have_no_difference():
    rows = scores({"a": np.ones((1, 1, 1))}, ("01",)) + scores({"b": np.ones((1, 1, 1))}, ("02",))
    (found,) = compare_models(rows, ["rmse"])
    assert found.n == 0
    assert np.isnan([found.difference, found.p, found.q]).all()


def test_equal_models_are_not_told_apart_more_often_than_chance():
    p = [
        compare_models(
            scores({"a": drawn(4, 1, 1, seed=2 * i), "b": drawn(4, 1, 1, seed=2 * i + 1)}), ["rmse"]
        )[0].p
        for i in range(200)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01
