"""Whatever stands in marker files and event tables: a clock, or a line that says why not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sidecars_fuzz import contents, line_of, tables

from bids_eeg2fmri.app.clocks import tie
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.bids.timing import read_other_recordings
from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import ClockError
from bids_eeg2fmri.preprocess.clock import find_clock
from bids_eeg2fmri.simulate import SimulationConfig, simulate
from bids_eeg2fmri.types import Evidence, Markers, Recorded, VolumeClock

FUZZ = settings(settings.get_profile("fuzz"))
LABELS = ("Response/R128", "SyncStatus/Sync On", "Stimulus/S  1", "events/go", "\u0000", "")

times = st.floats(-50, 700, allow_nan=False) | st.integers(0, 200).map(lambda i: 2.0 * i)
trains = st.builds(
    lambda first, step, n: (first + step * np.arange(n)).tolist(),
    st.floats(-10, 60),
    st.sampled_from([0.0, 0.001, 0.0625, 1.0, 2.0, 2.0002, 300.0]),
    st.integers(0, 130),
)


labelled = st.tuples(st.sampled_from(LABELS), trains | st.lists(times, max_size=20))
"""Nouns are made in the tests, as their checks draw random numbers, which strategies must not."""
markers = st.lists(labelled, max_size=4)
recordings = st.tuples(
    markers,
    markers,
    st.sampled_from([1.0, 100.0, 5000.0]),
    st.floats(0.1, 700),
    st.none() | st.floats(0, 100),
)


def markers_of(found) -> Markers:
    pairs = sorted((t, label) for label, train in found for t in train)
    return Markers(np.array([t for t, _ in pairs]), tuple(label for _, label in pairs))


def recorded_of(own, tabled, *more) -> Recorded:
    return Recorded("eeg", markers_of(own), markers_of(tabled), *more)


@FUZZ
@given(
    recorded=recordings,
    others=st.lists(recordings, max_size=2),
    trials=markers,
    size=st.tuples(st.integers(2, 120), st.sampled_from([0.5, 2.0, 2.16])),
    discarded=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    trigger=st.none() | st.sampled_from(LABELS),
)
@pytest.mark.filterwarnings("ignore::bids_eeg2fmri.errors.DataWarning")
def test_any_markers_give_a_clock_or_one_line(recorded, others, trials, size, discarded, trigger):
    found = tuple(recorded_of(*other) for other in others)
    about = (*size, discarded, markers_of(trials), found)
    evidence = Evidence("sub-01", recorded_of(*recorded), *about)
    try:
        clock = find_clock(evidence, ClockConfig(trigger=trigger))
    except ClockError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        check(clock, *size)


def check(clock: VolumeClock, n_volumes: int, tr: float) -> None:
    """Whatever proved itself is a clock: as many volumes, about one TR apart."""
    assert len(clock.onset) == n_volumes
    np.testing.assert_allclose(np.diff(clock.onset), tr, rtol=1e-3)
    assert len(clock.marker_time) == clock.n_markers
    assert clock.residual < tr / 2


@pytest.fixture
def run(tmp_path):
    """A run, of which header, marker file and tables are what is made up."""
    root = tmp_path / "bids"
    simulate(root, SimulationConfig(participants=1, volumes=20, channels=2, grid=(4, 4, 4)))
    ((run,), _) = find_runs(root, Selection())
    return run


@pytest.fixture
def sound(run):
    """Its header before anything was made up."""
    return run.eeg.read_bytes()


lines = st.lists(
    st.from_regex(r"(Mk[0-9]{1,3}=)?[A-Za-z ]{0,9},[A-Z0-9 ]{0,4},[-0-9.e]{0,9}(,1,0)?")
    | st.text(max_size=30),
    max_size=40,
).map(
    lambda some: (
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Marker Infos]\n" + "\n".join(some)
    )
)


@FUZZ
@given(content=contents(lines), events=contents(tables()), trials=contents(tables()))
@pytest.mark.filterwarnings("ignore::bids_eeg2fmri.errors.DataWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_marker_file_ends_in_a_traceback(run, content, events, trials):
    run.eeg.with_suffix(".vmrk").write_bytes(content)
    run.eeg.with_name(run.eeg.stem.replace("_eeg", "_events.tsv")).write_bytes(events)
    run.bold.with_name("sub-01_task-rest_events.tsv").write_bytes(trials)

    assert "\n" not in line_of(tie, run, ClockConfig())
    read_other_recordings(run)


names = ("DataFile", "MarkerFile", "DataFormat", "BinaryFormat", "DataOrientation")
numbers = ("NumberOfChannels", "SamplingInterval", "DataPoints")
words = ("$b.eeg", "$b.vmrk", "..", "/dev/null", "ASCII", "BINARY", "INT_16", "VECTORIZED")
figures = ("0", "2", "3", "-1", "4000", "1e999", "nan")
fields = st.one_of(
    st.tuples(st.sampled_from(names), st.sampled_from(words) | st.text(max_size=9)),
    st.tuples(st.sampled_from(numbers), st.sampled_from(figures) | st.text(max_size=9)),
    st.tuples(st.sampled_from(["Ch1", "Ch3"]), st.just("Fp1,,0.1,µV") | st.text(max_size=9)),
).map("=".join)
sections = st.sampled_from(["[Common Infos]", "[Binary Infos]", "[Channel Infos]", "[Comment]"])
heads = st.lists(fields | sections | st.text(max_size=20), max_size=20).map(
    lambda some: "\n".join(["Brain Vision Data Exchange Header File Version 1.0", *some])
)


edits = st.dictionaries(st.integers(0, 60), fields | sections | st.text(max_size=9), min_size=1)
"""What to put in the place of some lines of a sound header."""


@FUZZ
@given(content=contents(heads) | edits)
@pytest.mark.filterwarnings("ignore::bids_eeg2fmri.errors.DataWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_header_ends_in_a_traceback(run, sound, content):
    if isinstance(content, dict):
        lines = dict(enumerate(sound.decode().splitlines())) | content
        content = "\n".join(lines.values()).encode("utf-8", "replace")
    run.eeg.write_bytes(content)
    found, refusals = find_runs(run.root, Selection())
    told = [refusal.reason for refusal in refusals]
    told += [line_of(tie, one, ClockConfig()) for one in found]
    assert not any("\n" in line for line in told)
