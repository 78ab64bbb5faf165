from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_eeg2fmri.config import SplitConfig
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.train.splits import (
    fold_participants,
    hold_back,
    split_in_time,
    split_participants,
)

WINDOW = 26.0
CONFIG = SplitConfig()

onsets = st.builds(
    lambda first, steps: first + np.cumsum(steps),
    st.floats(0, 60),
    st.lists(st.floats(0.5, 20), min_size=1, max_size=120),
)


def seconds(n: int) -> np.ndarray:
    return 2.0 * np.arange(n)


@given(st.lists(onsets, min_size=1, max_size=4))
def test_no_eeg_of_a_run_is_shared_between_the_parts(runs):
    try:
        split = split_in_time(runs, ["rest"] * len(runs), CONFIG, WINDOW)
    except DataError:
        return
    for run, *parts in zip(runs, split.train, split.valid, split.test, strict=True):
        parts = [run[part] for part in parts if len(part)]
        for before, after in pairwise(parts):
            assert after[0] - before[-1] >= WINDOW


def test_training_comes_first_and_the_test_last():
    split = split_in_time([seconds(200)], ["rest"], CONFIG, WINDOW)
    np.testing.assert_array_equal(split.train[0], np.arange(120))
    np.testing.assert_array_equal(split.valid[0], np.arange(132, 150))
    np.testing.assert_array_equal(split.test[0], np.arange(162, 200))


def test_runs_of_one_task_are_divided_as_if_they_were_one():
    split = split_in_time([seconds(150), seconds(50)], ["rest"] * 2, CONFIG, WINDOW)
    np.testing.assert_array_equal(split.train[0], np.arange(120))
    np.testing.assert_array_equal(split.valid[0], np.arange(132, 150))
    np.testing.assert_array_equal(split.test[1], np.arange(50))


def test_each_task_is_divided_by_itself():
    split = split_in_time([seconds(200), seconds(300)], ["rest", "film"], CONFIG, WINDOW)
    assert all(len(index) for part in (split.train, split.valid, split.test) for index in part)


def test_a_task_too_short_to_be_divided_only_trains():
    split = split_in_time([seconds(200), seconds(9)], ["rest", "film"], CONFIG, WINDOW)
    assert [len(part[1]) for part in (split.train, split.valid, split.test)] == [9, 0, 0]


def test_too_few_pairs_are_refused():
    with pytest.raises(DataError, match=r"20 pairs cannot be divided .* gaps of 26 s"):
        split_in_time([seconds(20)], ["rest"], CONFIG, WINDOW)


def test_what_is_held_back_is_the_end_of_each_run():
    kept, held = hold_back([seconds(100), seconds(5)], 0.2, WINDOW)
    np.testing.assert_array_equal(kept[0], np.arange(80))
    np.testing.assert_array_equal(held[0], np.arange(92, 100))
    assert (len(kept[1]), len(held[1])) == (5, 0)


def test_runs_of_which_nothing_can_be_held_back_are_refused():
    with pytest.raises(DataError, match=r"No run is long enough to keep 20% .* gap of 26 s"):
        hold_back([seconds(40), seconds(5)], 0.2, WINDOW)


@given(st.sets(st.integers(0, 99), min_size=2, max_size=20), st.integers(0, 5))
def test_each_participant_has_one_part_and_the_draw_ignores_their_order(numbers, seed):
    labels = [f"{number:02d}" for number in numbers]
    train, valid, test = split_participants(labels, [], CONFIG, seed)
    assert sorted(train + valid + test) == sorted(labels)
    assert train
    assert test
    assert split_participants(labels[::-1], [], CONFIG, seed) == (train, valid, test)


def test_two_of_ten_participants_are_held_out():
    labels = [f"{number:02d}" for number in range(10)]
    assert [len(part) for part in split_participants(labels, [], CONFIG, 0)] == [6, 2, 2]


def test_named_participants_are_held_out():
    assert split_participants(["01", "02", "03"], ["02"], CONFIG, 0) == (("01", "03"), (), ("02",))


def test_nobody_left_to_train_is_refused():
    with pytest.raises(DataError, match="1 usable, 1 held out"):
        split_participants(["01"], [], CONFIG, 0)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 5))
def test_every_participant_is_held_out_in_one_fold_of_nearly_equal_ones(n, folds, seed):
    labels = [f"{number:02d}" for number in range(n)]
    if folds > n:
        with pytest.raises(DataError, match=f"{n} usable participants .* into {folds} folds"):
            fold_participants(labels, folds, seed)
        return
    parts = fold_participants(labels, folds, seed)
    assert sorted(label for part in parts for label in part) == labels
    assert {len(part) for part in parts} <= {n // folds, -(-n // folds)}
    assert fold_participants(labels[::-1], folds, seed) == parts
