"""Clocks that another recording of the same EEG knows."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import ClockError, DataWarning
from bids_eeg2fmri.preprocess.clock import find_clock
from bids_eeg2fmri.types import Evidence, Markers, Recorded

REAL = Path(__file__).parents[3] / "shared" / "data" / "ingest" / "markers_eeg_rest_fmri"
TR, N, FIRST, CUT = 2.16, 60, 31.9, 30.0
NONE = Markers(np.empty(0), ())
VOLUMES = FIRST + TR * np.arange(N)
BEATS = 1.26 + 2.0 * np.arange(90)
TASK = np.array([40.0, 61.3, 75.9, 110.2])


def markers(**trains):
    pairs = sorted((float(t), label) for label, times in trains.items() for t in times)
    return Markers(np.array([t for t, _ in pairs]), tuple(label for _, label in pairs))


def recording(name, started, **trains):
    """A recording of 180 s with markers as BrainVision labels them."""
    named = {"R128": "Response/R128", "beat": "SyncStatus/Sync On", "task": "Stimulus/S  2"}
    found = markers(**{named[key]: times for key, times in trains.items()})
    return Recorded(name, found, NONE, 250.0, 180.0, started)


def evidence(own, *others):
    return Evidence("sub-01", own, N, TR, others=others)


def test_dates_that_the_heartbeat_bears_out_tell_when_the_other_began():
    own = recording("raw.vhdr", 1000.0, beat=BEATS)
    other = recording("cut.vhdr", 1000.0 + CUT, beat=BEATS - CUT, R128=VOLUMES - CUT)
    clock = find_clock(evidence(own, other), ClockConfig())
    np.testing.assert_allclose(clock.onset, VOLUMES, atol=1e-6)
    assert clock.source == "triggers:Response/R128 of cut.vhdr"


@pytest.mark.parametrize("off", [0.1, 0.9, None])
def test_dates_that_the_heartbeat_contradicts_tie_nothing(off):
    own = recording("raw.vhdr", 1000.0, beat=BEATS)
    started = None if off is None else 1000.0 + CUT + off
    other = recording("cut.vhdr", started, beat=BEATS - CUT, R128=VOLUMES - CUT)
    with pytest.raises(ClockError, match=r"cut\.vhdr has 'triggers:Response/R128', but when it"):
        find_clock(evidence(own, other), ClockConfig())


def test_without_a_heartbeat_dates_tie_nothing():
    other = recording("cut.vhdr", 1000.0 + CUT, R128=VOLUMES - CUT)
    own = recording("raw.vhdr", 1000.0, task=TASK)
    with pytest.raises(ClockError, match="cannot be told"):
        find_clock(evidence(own, other), ClockConfig())


def test_markers_that_both_have_tell_it_without_any_date():
    own = recording("cut.vhdr", None, task=TASK - CUT)
    other = recording("raw.vhdr", None, task=TASK, R128=VOLUMES)
    clock = find_clock(evidence(own, other), ClockConfig())
    np.testing.assert_allclose(clock.onset, VOLUMES - CUT, atol=1e-6)


def test_volume_triggers_alone_do_not_tell_which_of_them_is_which():
    own = recording("cut.vhdr", None, R128=VOLUMES[5:-9] - CUT)
    other = recording("raw.vhdr", None, R128=VOLUMES)
    with pytest.raises(ClockError, match="cannot be told"):
        find_clock(evidence(own, other), ClockConfig())


def test_what_has_no_triggers_either_is_named():
    own, other = recording("raw.vhdr", 0.0, beat=BEATS), recording("cut.vhdr", 0.0, beat=BEATS)
    with pytest.raises(ClockError, match=r"nor do the markers of cut\.vhdr tell it"):
        find_clock(evidence(own, other), ClockConfig())


def test_a_whole_scan_of_another_recording_comes_before_a_part_of_its_own():
    """EEG cut at the task for a derivative; the scanner sent one trigger more than volumes."""
    more = np.append(VOLUMES, VOLUMES[-1] + TR)
    own = recording("cut.vhdr", None, task=TASK - 40, R128=more[4:] - 40)
    other = recording("raw.vhdr", None, task=TASK, R128=more)
    with pytest.warns(DataWarning, match="1 such markers are left over"):
        clock = find_clock(evidence(own, other), ClockConfig())
    np.testing.assert_allclose(clock.onset, VOLUMES - 40, atol=1e-6)


def test_a_clock_of_its_own_comes_first():
    own = recording("raw.vhdr", 0.0, R128=VOLUMES)
    other = replace(recording("cut.vhdr", 0.0, R128=VOLUMES + 1), duration=500.0)
    assert find_clock(evidence(own, other), ClockConfig()).source == "triggers:Response/R128"


def read(name, sfreq):
    path = REAL / name
    if not path.exists():
        pytest.skip("the real marker tables are not beside the repository")
    marks = re.findall(r"(?m)^Mk\d+=(.*?),(.*?),(\d+),\d+,\d+,?(\d*)", path.read_text("latin-1"))
    (date,) = (date for kind, *_, date in marks if kind == "New Segment")
    found = [(f"{kind}/{text}", int(at)) for kind, text, at, _ in marks if kind != "New Segment"]
    time = (np.array([at for _, at in found]) - 1) / sfreq
    began = datetime.strptime(date, "%Y%m%d%H%M%S%f").replace(tzinfo=UTC).timestamp()
    return Recorded(
        name,
        Markers(time, tuple(label for label, _ in found)),
        NONE,
        sfreq,
        float(time[-1]) + 2,
        began,
    )


@pytest.mark.parametrize(("sub", "apart", "first"), [("32", 115.784, 0.144), ("35", 0.0, 129.568)])
def test_real_noddi_raw_is_tied_by_its_derivative(sub, apart, first):
    own = read(f"sub-{sub}_task-rest_eeg.vmrk", 5000.0)
    other = read(f"derivatives/sub-{sub}_task-rest_eeg.vmrk", 250.0)
    clock = find_clock(Evidence(f"sub-{sub}", own, 300, TR, others=(other,)), ClockConfig())
    assert clock.onset[0] == pytest.approx(apart + first, abs=4e-3)
    assert clock.source.startswith("triggers:Scanner/Scan Start of derivatives/")
