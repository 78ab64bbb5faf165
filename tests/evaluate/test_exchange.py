"""Who gets whose EEG: all orders of few participants, and how often the test misleads."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import kstest

from bids_eeg2fmri.evaluate.exchange import exchanged_correlation
from bids_eeg2fmri.evaluate.null import p_value
from bids_eeg2fmri.evaluate.surrogates import mean_correlation

ALL = 10**4


def matrix(seed: int, people: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((people, people))


def people_of(seed: int, coupling: float, shared: float, people: int) -> np.ndarray:
    """Correlate each one's volumes with what follows from each one's EEG; all share a task."""
    white = np.random.default_rng(seed).standard_normal((2 * people + 1, 60, 3))
    task, *smooth = lfilter([1], [1, -0.5], white, axis=1)
    told = [shared * task + own for own in smooth[:people]]
    seen = [coupling * a + shared * task + b for a, b in zip(told, smooth[people:], strict=True)]
    return np.array([[mean_correlation(a, b) for b in told] for a in seen])


def p_of(folds: list[np.ndarray], draws: int = ALL) -> float:
    return p_value(*exchanged_correlation(folds, draws, 0))


def test_the_exchanges_of_three_are_all_orders_but_the_true_one():
    r = matrix(0, 3)
    true, null = exchanged_correlation([r], ALL, 0)
    orders = [(0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    assert true == pytest.approx(np.trace(r) / 3)
    expected = [np.mean([r[i, j] for i, j in enumerate(order)]) for order in orders]
    np.testing.assert_allclose(np.sort(null), np.sort(expected))


def test_folds_exchange_at_a_time_and_never_with_each_other():
    first, second = matrix(0, 2), matrix(1, 2)
    _, null = exchanged_correlation([first, second], ALL, 0)
    own, swapped = (
        [np.trace(r) for r in (first, second)],
        [r[0, 1] + r[1, 0] for r in (first, second)],
    )
    expected = [own[0] + swapped[1], swapped[0] + own[1], swapped[0] + swapped[1]]
    np.testing.assert_allclose(np.sort(null), np.sort(expected) / 4)


def test_every_participant_counts_alike_however_large_its_fold():
    r, alone = matrix(0, 3), matrix(1, 1)
    true, null = exchanged_correlation([r, alone], ALL, 0)
    assert true == pytest.approx((np.trace(r) + alone[0, 0]) / 4)
    assert len(null) == 5


def test_nobody_can_exchange_alone():
    assert exchanged_correlation([matrix(0, 1), matrix(1, 1)], ALL, 0)[1].size == 0


def test_many_orders_are_drawn_from_the_seed():
    folds = [matrix(0, 6), matrix(1, 6)]
    _, null = exchanged_correlation(folds, 50, 3)
    assert len(null) == len({*null.tolist()}) == 50
    np.testing.assert_array_equal(null, exchanged_correlation(folds, 50, 3)[1])


def test_without_coupling_p_is_uniform_also_where_a_task_is_shared():
    p = [
        p_of([people_of(2 * seed, 0.0, 1.0, 3), people_of(2 * seed + 1, 0.0, 1.0, 3)])
        for seed in range(200)
    ]
    spread = np.array(p) - np.random.default_rng(0).random(200) / 36
    assert kstest(spread, "uniform").pvalue > 0.01


def test_ones_own_eeg_stands_out_from_that_of_others():
    assert p_of([people_of(0, 0.5, 1.0, 4)]) == 1 / 24
