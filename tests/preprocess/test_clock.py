import csv
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import ClockError, DataWarning
from bids_eeg2fmri.preprocess.clock import find_clock
from bids_eeg2fmri.types import Evidence, Markers, Recorded, VolumeClock

REAL = Path(__file__).parents[3] / "shared" / "data" / "ingest"
TR, N, FIRST = 2.0, 100, 63.2
GRID = FIRST + TR * np.arange(N)
NONE = Markers(np.empty(0), ())


def markers(trains: dict[str, np.ndarray]) -> Markers:
    """Markers of several labels in time order."""
    pairs = sorted((float(t), label) for label, times in trains.items() for t in times)
    return Markers(np.array([t for t, _ in pairs]), tuple(label for _, label in pairs))


def clock(found: Markers, **given: object) -> VolumeClock:
    duration = max([300.0, *(found.time + 30).tolist()])
    return find_clock(evidence(found, duration), ClockConfig(**given))


def evidence(found: Markers, duration: float, **more: object) -> Evidence:
    """A run of N volumes and its EEG, which begins at 0 and is sampled at 5 kHz."""
    recorded = Recorded("eeg", found, more.pop("tabled", NONE), 5000.0, duration)
    return Evidence("sub-01_task-rest", recorded, N, TR, **more)


def test_triggers_after_minutes_of_eeg_give_the_onset_of_each_volume():
    found = clock(markers({"Response/R128": GRID}))
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)
    assert found.source == "triggers:Response/R128"
    assert found.n_markers == N
    assert found.residual < 1e-9


def test_drift_is_told_to_one_part_per_million_in_spite_of_jitter():
    jitter = np.random.default_rng(0).integers(-1, 2, N) / 5000
    found = clock(markers({"R128": FIRST + TR * np.arange(N) * (1 + 87e-6) + jitter}))
    assert found.drift == pytest.approx(87, abs=1)
    assert found.residual <= 2 / 5000
    np.testing.assert_allclose(found.onset, FIRST + TR * np.arange(N) * (1 + 87e-6), atol=1e-4)


def test_each_marker_that_a_clock_rests_on_is_held_against_the_fitted_line():
    away = np.where(np.arange(N) % 2, 0.001, -0.001)
    slices = np.sort(np.concatenate([GRID + away, GRID + 0.7]))
    found = clock(markers({"Response/R128": GRID + away, "Scanner/s": slices}))
    np.testing.assert_allclose(found.marker_time, GRID + away)
    np.testing.assert_allclose(found.marker_residual, away, atol=5e-5)
    assert clock(markers({}), eeg_onset=1.0).marker_time.size == 0


@pytest.mark.parametrize("surplus", [1, 2])
def test_surplus_triggers_stand_for_volumes_that_were_never_stored(surplus):
    more = np.append(GRID, GRID[-1] + TR * np.arange(1, surplus + 1))
    with pytest.warns(DataWarning, match=f"and {surplus} such markers are left over"):
        found = clock(markers({"Response/R128": more}))
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)


def test_a_missing_trigger_is_bridged_by_the_grid():
    with pytest.warns(DataWarning, match="98 of 100 volumes have a marker"):
        found = clock(markers({"Response/R128": np.delete(GRID, [40, 41])}))
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)
    assert found.n_markers == N - 2


def test_a_missing_last_trigger_leaves_the_first_volume_where_it_is():
    with pytest.warns(DataWarning, match="99 of 100"):
        found = clock(markers({"Response/R128": GRID[:-1]}))
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)


def test_triggers_missing_because_the_eeg_began_late_are_those_of_the_first_volumes():
    found = markers({"Response/R128": GRID[2:] - GRID[2] + 1.26})
    with pytest.warns(DataWarning, match=r"98 of 100 .* at -2.740 s"):
        onset = clock(found).onset
    np.testing.assert_allclose(onset, 1.26 - 2 * TR + TR * np.arange(N), atol=1e-9)


def test_a_trigger_missing_at_one_edge_or_the_other_is_refused():
    cut = markers({"Response/R128": GRID[:-1] - FIRST + 0.5})
    with pytest.raises(ClockError, match="first or the last volumes lack it cannot be told"):
        find_clock(evidence(cut, float(cut.time[-1]) + 1), ClockConfig())


@pytest.mark.parametrize(("before", "after"), [(37, 0), (0, 37)])
def test_a_scan_that_eeg_covers_in_part_is_counted_from_where_both_run(before, after):
    """The other end of the EEG shows where the scan ends, as no trigger comes there any more."""
    seen = GRID[before : N - after] - GRID[before] + (1.1 if before else FIRST)
    end = float(seen[-1]) + (40 if before else 1.3)
    with pytest.warns(DataWarning, match="63 of 100 volumes have a marker"):
        found = find_clock(evidence(markers({"Response/R128": seen}), end), ClockConfig())
    np.testing.assert_allclose(found.onset[before : N - after], seen, atol=1e-9)


@pytest.mark.parametrize(
    ("seen", "end"), [(GRID[61:], GRID[-1] + 1), (GRID[:39] - FIRST + 0.5, 400.0)]
)
def test_markers_that_begin_late_or_end_early_within_the_eeg_are_no_part_of_a_scan(seen, end):
    """The EEG has room for the volumes that lack a marker on either side of it."""
    with pytest.raises(ClockError, match="first or the last volumes lack it cannot be told"):
        find_clock(evidence(markers({"Response/R128": seen}), float(end)), ClockConfig())


def test_a_full_table_comes_before_a_part_of_the_markers():
    """An EEG that ends with the scan, whose markers begin 61 volumes late."""
    late, full = markers({"Response/R128": GRID[61:]}), markers({"events/R128": GRID})
    found = find_clock(evidence(late, float(GRID[-1]) + 1, tabled=full), ClockConfig())
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)


def test_what_is_no_scanner_marker_stands_for_no_part_of_a_scan():
    seen = markers({"Stimulus/S1": GRID[37:] - GRID[37] + 1.1})
    with pytest.raises(ClockError, match="63 times"):
        find_clock(evidence(seen, float(seen.time[-1]) + 40), ClockConfig())


@pytest.mark.parametrize(
    ("discarded", "triggers", "before"),
    [((4, 0), 104, 4), ((0, 4), 104, 4), ((2, 3), 105, 5), ((2, 3), 103, 3), ((0, 4), 100, 0)],
)
def test_volumes_that_were_thrown_away_have_the_first_triggers(discarded, triggers, before):
    seen = markers({"Response/R128": FIRST + TR * np.arange(triggers)})
    given = evidence(seen, 400.0, discarded=discarded)
    with pytest.warns(DataWarning, match="discarded") if before else nullcontext():
        found = find_clock(given, ClockConfig())
    np.testing.assert_allclose(found.onset[0], FIRST + TR * before, atol=1e-9)


@pytest.mark.filterwarnings("ignore:.* 99 of 100 volumes:bids_eeg2fmri.errors.DataWarning")
@pytest.mark.parametrize("lost", [1, 2, 50, 103])
def test_a_lost_trigger_does_not_shift_those_of_discarded_volumes(lost):
    seen = markers({"Response/R128": np.delete(FIRST + TR * np.arange(104), lost)})
    with pytest.warns(DataWarning, match="the first 4 volumes with a marker .* discarded"):
        found = find_clock(evidence(seen, 400.0, discarded=(4, 0)), ClockConfig())
    np.testing.assert_allclose(found.onset[0], FIRST + 4 * TR, atol=1e-9)


@pytest.mark.parametrize("triggers", [100, 102])
def test_an_eeg_that_began_among_discarded_volumes_is_refused(triggers):
    seen = markers({"Response/R128": 1.0 + TR * np.arange(triggers)})
    with pytest.raises(ClockError, match="whether others were discarded cannot be told"):
        find_clock(evidence(seen, 400.0, discarded=(4, 0)), ClockConfig())


def test_a_lone_marker_that_may_be_the_first_volume_is_refused():
    """Two volumes before 100 in a row: a stray one, or the first of a scan with two to spare."""
    with pytest.raises(ClockError, match="2 volumes earlier the scan could begin as well"):
        clock(markers({"Response/R128": np.append(FIRST - 2 * TR, GRID)}))


def test_a_recording_whose_markers_begin_late_is_completed_by_its_table():
    """A .vmrk that starts 61 volumes late, where ``events.tsv`` has them all (NATVIEW sub-16)."""
    late = markers({"Response/R128": GRID[61:]})
    found = find_clock(evidence(late, 300.0, tabled=markers({"events/R128": GRID})), ClockConfig())
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)
    assert found.source == "triggers:events/R128"


def test_a_table_on_another_clock_than_the_markers_is_not_believed():
    late = markers({"Response/R128": GRID[61:]})
    with pytest.raises(ClockError, match=r"events\.tsv stand elsewhere"):
        find_clock(
            evidence(late, 300.0, tabled=markers({"events/R128": GRID - 1.3})), ClockConfig()
        )


def test_doubled_triggers_count_once():
    twice = np.sort(np.concatenate([GRID, GRID + 0.006]))
    np.testing.assert_allclose(clock(markers({"Response/R128": twice})).onset, GRID, atol=1e-9)


def test_a_scan_that_begins_again_after_minutes_is_the_one_that_was_stored():
    aborted = GRID[:70] - 430.0
    found = markers({"Response/R128": np.append(aborted + 200, GRID + 200)})
    with pytest.warns(DataWarning, match="70 such markers are left over"):
        result = find_clock(evidence(found, 500.0), ClockConfig())
    np.testing.assert_allclose(result.onset, GRID + 200, atol=1e-9)


def test_slice_triggers_count_from_the_first_slice():
    slices = (GRID[:, None] + np.arange(32) * TR / 32).ravel()
    found = clock(markers({"Response/R128": slices}))
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)
    assert found.n_markers == N


def test_a_lost_slice_does_not_shift_the_volumes():
    slices = (GRID[:, None] + np.arange(32) * TR / 32).ravel()
    with pytest.warns(DataWarning, match="99 of 100"):
        found = clock(markers({"Response/R128": np.delete(slices, 17 * 32)}))
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)


def test_slices_that_the_eeg_joins_within_a_volume_are_refused():
    slices = (GRID[:, None] + np.arange(32) * TR / 32).ravel()[9:]
    with pytest.raises(ClockError, match="first or the last slices lack it cannot be told"):
        clock(markers({"Response/R128": slices - slices[0] + 0.01}))


@pytest.mark.parametrize("pause", [17.3, 3 * TR])
def test_a_false_start_is_left_out(pause):
    false_start = FIRST - pause - TR * np.arange(7)
    with pytest.warns(DataWarning, match="7 such markers are left over"):
        found = clock(markers({"Response/R128": np.append(false_start, GRID)}))
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)


def test_chatter_counts_as_one_trigger():
    chatter = np.concatenate([GRID, *(GRID[::7] + 0.002 * k for k in (1, 2, 3))])
    np.testing.assert_allclose(clock(markers({"Response/R128": chatter})).onset, GRID, atol=1e-9)


def test_syncstatus_at_tr_spacing_is_not_a_volume_trigger():
    with pytest.raises(ClockError, match="heartbeat"):
        clock(markers({"SyncStatus/Sync On": GRID}))


def test_a_relay_that_clicks_every_volume_before_the_scan_is_not_its_trigger():
    """ds002725: 47 clicks every 2 s from the start, 10 is the trigger."""
    relay = np.arange(0.4, FIRST - 1, TR)
    found = clock(markers({"events/47": relay, "events/10": GRID}))
    assert found.source == "triggers:events/10"
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)


def test_a_relay_that_clicks_as_often_as_volumes_leaves_the_choice_to_the_user():
    both = markers({"events/47": GRID - 60.3 + 1, "events/10": GRID})
    with pytest.raises(ClockError, match=r"'events/47' and 'events/10' both recur.*--trigger"):
        clock(both)
    assert clock(both, trigger="10").onset[0] == pytest.approx(FIRST)


def test_a_scanners_triggers_that_fail_are_not_replaced_by_a_stimulus():
    """A stimulus a volume, 0.3 s later, whose own count is right."""
    both = markers({"Stimulus/S1": GRID + 0.3, "Response/R128": np.delete(GRID, slice(40, 60))})
    with pytest.raises(ClockError, match=r"closest: 'Response/R128'"):
        clock(both)


def test_onsets_clipped_to_the_beginning_count_for_nothing():
    """Triggers of an earlier scan, which a table of events puts at 0."""
    with pytest.warns(DataWarning, match="1 such markers are left over"):
        found = clock(markers({"events/R128": np.append(np.zeros(40), GRID)}))
    np.testing.assert_allclose(found.onset, GRID, atol=1e-9)


def test_stimuli_twice_a_volume_are_neither_volumes_nor_slices():
    with pytest.raises(ClockError, match="too seldom for slices"):
        clock(markers({"Stimulus/S1": FIRST + TR / 2 * np.arange(2 * N)}))


def test_the_scanners_marker_is_preferred_to_a_stimulus_and_to_slices():
    slices = (GRID[:, None] + np.arange(20) * TR / 20).ravel()
    found = clock(markers({"Stimulus/S1": GRID + 0.3, "Scanner/s": slices, "Scanner/Scan": GRID}))
    assert found.source == "triggers:Scanner/Scan"


def test_a_named_trigger_overrides_the_preference():
    found = clock(markers({"Stimulus/S1": GRID + 0.3, "Response/R128": GRID}), trigger="S1")
    assert found.source == "triggers:Stimulus/S1"
    np.testing.assert_allclose(found.onset, GRID + 0.3, atol=1e-9)


def test_a_named_trigger_that_is_not_there_lists_those_that_are():
    with pytest.raises(ClockError, match=r"no marker 'T1'.*R128 \(100\), Stimulus/S1 \(1\)"):
        clock(markers({"Stimulus/S1": [3.0], "Response/R128": GRID}), trigger="T1")


def test_of_many_labels_a_refusal_names_the_ten_most_frequent():
    remarks = {f"remark {i}": np.arange(1.0, 20 - i) for i in range(15)}
    with pytest.raises(ClockError, match=r"are: remark 0 \(19\), .*, remark 9 \(10\), …\. Name"):
        clock(markers(remarks), trigger="R128")


def test_an_onset_given_by_the_user_comes_before_any_trigger():
    found = clock(markers({"Response/R128": GRID}), eeg_onset=-1.5)
    np.testing.assert_array_equal(found.onset, -1.5 + TR * np.arange(N))
    assert (found.source, found.n_markers, found.drift) == ("user", 0, 0.0)


def test_a_refusal_names_the_closest_candidate_and_the_way_out():
    with pytest.raises(ClockError) as refused:
        clock(markers({"Response/R128": GRID[:61], "Stimulus/S1": [5.0, 17.0]}))
    assert str(refused.value) == (
        "sub-01_task-rest: no marker stands for the 100 volumes of 2 s (closest: 'Response/R128' "
        "recurs every 2.000 s, but 61 times, 100 volumes are stored). "
        "Name the volume trigger with --trigger, or give --eeg-onset SECONDS."
    )


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        ([], "holds no markers"),
        (GRID[:1], "occurs once"),
        (FIRST + TR * np.arange(N + 9), "109 times"),
        (np.append(GRID, GRID + 500), "more than one series"),
        (FIRST + TR * np.arange(N) * 1.002, "drifts by 2000 ppm"),
        (GRID + 0.012 * np.sin(np.arange(N) / 8), r"strays by 0\.01"),
    ],
)
def test_what_does_not_prove_itself_is_refused_with_its_reason(train, reason):
    with pytest.raises(ClockError, match=reason):
        clock(markers({"Response/R128": train}))


def read_vmrk(name: str, sfreq: float) -> Markers:
    if not (REAL / name).exists():
        pytest.skip("the real marker tables are not beside the repository")
    marks = re.findall(r"(?m)^Mk\d+=(.*?),(.*?),(\d+)", (REAL / name).read_text("latin-1"))
    time = (np.array([int(sample) for *_, sample in marks]) - 1) / sfreq
    return Markers(time, tuple(f"{kind}/{text}" for kind, text, _ in marks))


def real_clock(found: Markers, sfreq: float, n_volumes: int, tr: float) -> VolumeClock:
    recorded = Recorded("eeg", found, NONE, sfreq, float(found.time[-1]) + tr)
    return find_clock(Evidence("real", recorded, n_volumes, tr), ClockConfig())


def test_real_natview_rest_starts_at_its_first_r128():
    found = read_vmrk("markers_natview/sub-01_ses-01_task-rest_eeg.vmrk", 5000)
    result = real_clock(found, 5000.0, 288, 2.1)
    assert result.source == "triggers:Response/R128"
    assert result.onset[[0, -1]] == pytest.approx([7.891, 610.591], abs=1e-3)
    assert result.residual < 1e-3


@pytest.mark.parametrize(
    ("name", "n_volumes"),
    [("sub-15_ses-02_task-checker", 98), ("sub-16_ses-01_task-checker", 98)],
)
def test_real_natview_runs_that_lack_many_triggers_are_refused(name, n_volumes):
    found = read_vmrk(f"markers_natview/{name}_eeg.vmrk", 5000)
    with pytest.raises(ClockError, match=r"closest: 'Response/R128' .* 98 volumes are stored"):
        real_clock(found, 5000.0, n_volumes, 2.1)


def test_real_natview_run_without_r128_is_refused():
    found = read_vmrk("markers_natview/sub-12_ses-01_task-inscapes_eeg.vmrk", 5000)
    with pytest.raises(ClockError, match="--eeg-onset"):
        real_clock(found, 5000.0, 288, 2.1)


def test_real_noddi_recording_with_only_a_heartbeat_is_refused():
    found = read_vmrk("markers_eeg_rest_fmri/sub-32_task-rest_eeg.vmrk", 1000)
    with pytest.raises(ClockError, match="'SyncStatus/Sync On' recurs every"):
        real_clock(found, 1000.0, 300, 2.16)


@pytest.mark.parametrize(("sub", "onset"), [("32", 0.144), ("35", 129.568)])
def test_real_noddi_derivative_is_tied_by_scan_start(sub, onset):
    found = read_vmrk(f"markers_eeg_rest_fmri/derivatives/sub-{sub}_task-rest_eeg.vmrk", 250)
    result = real_clock(found, 250.0, 300, 2.16)
    assert result.source == "triggers:Scanner/Scan Start"
    assert result.onset[0] == pytest.approx(onset, abs=4e-3)
    assert abs(result.drift) < 1


def test_real_xp1_starts_at_its_first_r128_and_not_at_the_slices_before():
    table = REAL / "markers_xp101_facetpy" / "sub-xp101_task-eegfmriNF_events.tsv"
    if not table.exists():
        pytest.skip("the real marker tables are not beside the repository")
    with table.open(encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    found = Markers(
        np.array([float(row["onset"]) for row in rows]), tuple(row["trial_type"] for row in rows)
    )
    result = real_clock(found, 5000.0, 210, 2.0)
    assert result.source == "triggers:Response/R128"
    assert result.onset[0] == pytest.approx(29.9608, abs=1e-3)
