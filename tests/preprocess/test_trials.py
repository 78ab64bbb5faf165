"""Clocks by trials that EEG and BOLD have both seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import ClockError, DataWarning
from bids_eeg2fmri.preprocess.clock import find_clock
from bids_eeg2fmri.types import Evidence, Markers, Recorded

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*without triggers:bids_eeg2fmri.errors.DataWarning"
)

TR, N, FIRST = 2.0, 200, 47.3
NONE = Markers(np.empty(0), ())
RNG = np.random.default_rng(3)
TRIALS = np.cumsum(RNG.uniform(6, 14, 38))
"""In seconds of the scan."""


def markers(times, label):
    return Markers(np.sort(np.asarray(times, dtype=np.float64)), (label,) * len(times))


def joined(*several):
    pairs = sorted(
        (t, label) for one in several for t, label in zip(one.time, one.label, strict=True)
    )
    return Markers(np.array([float(t) for t, _ in pairs]), tuple(label for _, label in pairs))


def clock(seen, told=None, **given):
    trials = markers(TRIALS, "events/go") if told is None else told
    recorded = Recorded("eeg", seen, given.pop("tabled", NONE), 1000.0, 600.0)
    others = given.pop("others", ())
    evidence = Evidence("sub-01_task-go", recorded, N, TR, trials=trials, others=others)
    return find_clock(evidence, ClockConfig(**given))


def test_irregular_trials_give_the_onset_of_each_volume():
    found = clock(markers(TRIALS + FIRST, "Stimulus/S  1"))
    np.testing.assert_allclose(found.onset, FIRST + TR * np.arange(N), atol=1e-9)
    assert found.source == "trials:Stimulus/S  1"
    assert (found.n_markers, found.residual) == (len(TRIALS), pytest.approx(0, abs=1e-9))


@settings(max_examples=30)
@given(seed=st.integers(0, 999), first=st.floats(0, 150), drift=st.floats(-90, 90))
def test_with_lost_and_foreign_markers_the_error_stays_far_below_half_a_volume(seed, first, drift):
    rng = np.random.default_rng(seed)
    kept = np.delete(TRIALS, rng.integers(0, len(TRIALS), 4))
    seen = first + kept * (1 + 1e-6 * drift) + rng.normal(0, 0.008, len(kept))
    foreign = markers(rng.uniform(0, 600, 30), "Response/R  2")
    found = clock(joined(markers(seen, "Stimulus/S  1"), foreign))
    true = first + TR * np.arange(N) * (1 + 1e-6 * drift)
    assert np.abs(found.onset - true).max() < 0.03


def test_trials_of_several_kinds_are_one_sequence():
    kinds = joined(markers(TRIALS[::2], "events/left"), markers(TRIALS[1::2], "events/right"))
    found = clock(markers(TRIALS + FIRST, "Stimulus/S  1"), kinds)
    assert found.onset[0] == pytest.approx(FIRST, abs=1e-9)


def test_trials_before_the_eeg_began_are_not_expected_in_it():
    seen = TRIALS - TRIALS[9]
    found = clock(markers(seen[seen >= 0], "Stimulus/S  1"))
    assert found.onset[0] == pytest.approx(-TRIALS[9], abs=1e-9)


@pytest.mark.parametrize(
    ("seen", "told", "reason"),
    [
        (10.0 * np.arange(38) + FIRST, 10.0 * np.arange(38), "with another shift 37, which proves"),
        (TRIALS[:7] + FIRST, TRIALS[:7], "7 fit the markers .*proves nothing"),
        (RNG.uniform(0, 600, 38), TRIALS, "proves nothing"),
        (TRIALS, TRIALS, "on the EEG's own clock"),
    ],
)
def test_what_would_fit_elsewhere_too_is_refused(seen, told, reason):
    with pytest.raises(ClockError, match=reason):
        clock(markers(seen, "Stimulus/S  1"), markers(told, "events/go"))


def test_events_that_stand_on_the_clock_of_another_recording_of_the_eeg_are_refused():
    """EEG that was cut 40 s late for a derivative, and events of the BOLD copied from the raw."""
    raw = Recorded("raw.vhdr", markers(TRIALS + FIRST, "Stimulus/S  1"), NONE, 1000.0, 600.0)
    with pytest.raises(ClockError, match="on the EEG's own clock"):
        clock(
            markers(TRIALS + FIRST - 40, "Stimulus/S  1"),
            markers(TRIALS + FIRST, "events/go"),
            others=(raw,),
        )


def cues(seen_as: tuple[str, ...], later: float) -> Markers:
    """Markers of trials, in turn of each name, and of what follows each of them."""
    parts = [markers(TRIALS[i :: len(seen_as)] + FIRST, x) for i, x in enumerate(seen_as)]
    return joined(*parts, markers(TRIALS + FIRST + later, "Stimulus/S  9"))


@pytest.mark.parametrize("seen_as", [("Stimulus/S  1",), ("Stimulus/S  1", "Stimulus/S  2")])
def test_markers_that_follow_each_trial_at_a_fixed_time_leave_it_open(seen_as):
    with pytest.raises(ClockError, match=r"38 fit other markers with another shift"):
        clock(cues(seen_as, 1.5))


def test_what_follows_within_half_a_volume_leaves_less_than_that_open():
    found = clock(cues(("Stimulus/S  1",), 0.6))
    assert abs(found.onset[0] - FIRST) < TR / 2


def test_trials_and_what_follows_them_tell_the_clock_together():
    told = joined(markers(TRIALS, "events/cue"), markers(TRIALS + 1.5, "events/target"))
    assert clock(cues(("Stimulus/S  1",), 1.5), told).onset[0] == pytest.approx(FIRST, abs=1e-9)


def test_conditions_in_random_order_tell_the_clock_at_regular_times():
    times, kinds = 8.0 * np.arange(45) + 3, RNG.integers(0, 2, 45)
    seen = [markers(times[kinds == k] + FIRST, f"Stimulus/S  {k}") for k in (0, 1)]
    told = [markers(times[kinds == k], f"events/{k}") for k in (0, 1)]
    assert clock(joined(*seen), joined(*told)).onset[0] == pytest.approx(FIRST, abs=1e-9)


@pytest.mark.filterwarnings("default:.*without triggers")
def test_what_the_markers_are_taken_to_be_is_told():
    with pytest.warns(DataWarning, match=r"'Stimulus/S  1' are taken to be the .* \(events/go\)"):
        clock(markers(TRIALS + FIRST, "Stimulus/S  1"))


def test_trials_of_the_eeg_may_stand_in_its_events_file():
    found = clock(NONE, tabled=markers(TRIALS + FIRST, "events/go"))
    assert found.onset[0] == pytest.approx(FIRST, abs=1e-9)


def test_a_trigger_that_the_user_names_leaves_trials_aside():
    with pytest.raises(ClockError, match="no marker 'R128'"):
        clock(markers(TRIALS + FIRST, "Stimulus/S  1"), trigger="R128")
