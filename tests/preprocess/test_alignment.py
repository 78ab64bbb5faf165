import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_eeg2fmri.preprocess.alignment import align, match, share_matched

EVENTS = np.array([1.0, 4.5, 6.25, 11.0, 19.5])


def test_the_offset_is_that_which_most_pairs_agree_on():
    found = align([(EVENTS + 7.5, EVENTS[1:])], 0.01)
    assert found is not None
    assert found.offset == pytest.approx(7.5)
    assert (found.n_votes, found.n_rival) == (4, 1)


def test_regular_events_leave_a_rival_that_is_one_short():
    found = align([(np.arange(10.0), np.arange(10.0))], 0.01)
    assert (found.offset, found.n_votes, found.n_rival) == (0.0, 10, 9)


def test_events_of_different_groups_are_never_the_same():
    assert align([(EVENTS, np.empty(0)), (np.empty(0), EVENTS)], 0.01) is None


@given(
    shift=st.floats(-1e4, 1e4),
    jitter=st.lists(st.floats(-0.004, 0.004), min_size=5, max_size=5),
)
def test_jitter_moves_the_offset_by_no_more_than_itself(shift, jitter):
    found = align([(EVENTS + shift + np.array(jitter), EVENTS)], 0.01)
    assert abs(found.offset - shift) <= max(map(abs, jitter)) + 1e-9


def test_each_event_is_matched_with_the_nearest():
    first, second = match(np.array([0.0, 1.0, 2.0]), np.array([0.9, 1.04, 5.0]), 0.2)
    assert first.tolist() == [1, 1]
    assert second.tolist() == [0, 1]


def test_only_what_falls_into_the_recording_is_expected_there():
    share = share_matched([(EVENTS, np.append(EVENTS, [25.0, 90.0]))], 0.0, 30.0, 0.01)
    assert share == pytest.approx(5 / 6)
    assert share_matched([(EVENTS, EVENTS)], 1000.0, 30.0, 0.01) == 0
