"""EEG and BOLD that belong together though their labels differ."""

import pytest
from test_query import both, matches, names_of, touch

from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.errors import DataWarning, MissingInputError, UsageError


def runs_of(dataset, *texts, **selection):
    """The EEG file of each run, by the run's name."""
    chosen = Selection(matches=matches(*texts, root=dataset.root), **selection)
    return {run.name: run.eeg.name for run in find_runs(dataset.root, chosen)[0]}


def test_tasks_of_different_names_are_matched_and_the_run_is_called_after_the_bold(dataset):
    touch(dataset.root, "sub-01_task-ECON_run-1_eeg.edf", "sub-01_task-EC_run-01_bold.nii.gz")
    touch(dataset.root, *both("sub-01_task-EO"))
    assert runs_of(dataset, "eeg.task-ECON=bold.task-EC") == {
        "sub-01_task-EC_run-01": "sub-01_task-ECON_run-1_eeg.edf",
        "sub-01_task-EO": "sub-01_task-EO_eeg.edf",
    }


def test_several_labels_of_one_participant_are_matched(dataset):
    touch(dataset.root, *both("sub-11_task-main_run-00"))
    touch(dataset.root, "sub-12_task-main_run-00_eeg.edf", "sub-12_task-main_run-006_bold.nii.gz")
    touch(dataset.root, *both("sub-12_task-main_run-001"))
    assert runs_of(dataset, "eeg.sub-12,run-00=bold.run-006") == {
        "sub-11_task-main_run-00": "sub-11_task-main_run-00_eeg.edf",
        "sub-12_task-main_run-001": "sub-12_task-main_run-001_eeg.edf",
        "sub-12_task-main_run-006": "sub-12_task-main_run-00_eeg.edf",
    }


def test_a_label_that_only_the_eeg_has_is_dropped(dataset):
    touch(dataset.root, "sub-01_task-x_run-1_eeg.edf", "sub-01_task-x_run-2_eeg.edf")
    touch(dataset.root, "sub-01_task-x_bold.nii.gz")
    assert runs_of(dataset, "eeg.task-x,run-1=bold.task-x") == {
        "sub-01_task-x": "sub-01_task-x_run-1_eeg.edf"
    }


def test_filters_speak_of_the_labels_of_the_bold(dataset):
    touch(dataset.root, "sub-01_task-ECON_eeg.edf", "sub-01_task-EC_bold.nii.gz")
    touch(dataset.root, *both("sub-01_task-EO"))
    assert [*runs_of(dataset, "eeg.task-ECON=bold.task-EC", tasks=("EC",))] == ["sub-01_task-EC"]


def test_a_match_that_makes_two_recordings_claim_one_series_is_ambiguous(dataset):
    touch(dataset.root, *both("sub-01_task-EC"), "sub-01_task-ECON_eeg.edf")
    chosen = Selection(matches=matches("eeg.task-ECON=bold.task-EC"))
    runs, (refusal,) = find_runs(dataset.root, chosen)
    assert runs == []
    assert "ambiguous: sub-01_task-EC" in refusal.reason


def test_a_match_that_fits_no_recording_is_told(dataset):
    touch(dataset.root, *both("sub-01_task-rest"))
    with pytest.warns(DataWarning, match="eeg.run-9=bold.run-1: no EEG file has run-9"):
        assert names_of(dataset, matches=matches("eeg.run-9=bold.run-1")) == ["sub-01_task-rest"]


def test_a_table_matches_files_wherever_in_the_dataset_the_eeg_is(dataset):
    touch(dataset.root, *both("sub-01_task-rest"), "sub-01_task-go_run-4_bold.nii.gz")
    dataset.text("derivatives/sub-01/eeg_pp/d_sub-01_NF4_eeg_pp.edf", "")
    table = dataset.text(
        "map.tsv",
        "\ufeffeeg\tbold\nderivatives/sub-01/eeg_pp/d_sub-01_NF4_eeg_pp.edf\t"
        "sub-01/func/sub-01_task-go_run-4_bold.nii.gz\n",
    )
    assert runs_of(dataset, table) == {
        "sub-01_task-go_run-4": "d_sub-01_NF4_eeg_pp.edf",
        "sub-01_task-rest": "sub-01_task-rest_eeg.edf",
    }
    assert [*runs_of(dataset, table, tasks=("rest",))] == ["sub-01_task-rest"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("task-ECON=task-EC", "write it as eeg.task-ECON=bold.task-EC"),
        ("eeg.ECON=bold.task-EC", "ECON is no list of labels such as task-EC"),
        ("eeg.task-a=bold.dir-AP", "BOLD is paired by sub, ses, task, run, acq only, not by dir"),
        ("eeg.task-a=bold.", "write it as"),
    ],
)
def test_a_bad_match_is_a_usage_error_in_one_line(text, complaint):
    with pytest.raises(UsageError, match=complaint) as told:
        matches(text)
    assert str(told.value).startswith(f"--match {text}: ")


EEG, BOLD = "sub-01/eeg/sub-01_task-rest_eeg.edf", "sub-01/func/sub-01_task-rest_bold.nii.gz"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "no table with the columns eeg and bold"),
        ("eeg\tfmri\n", "no table with the columns eeg and bold"),
        (f"eeg\tbold\n{EEG}\t../x.nii.gz\n", "line 2: '../x.nii.gz' is no path relative to"),
        (f"eeg\tbold\n{EEG}\t/etc/x.nii.gz\n", "is no path relative to the dataset"),
        (f"eeg\tbold\n{BOLD}\t{EEG}\n", r"name EEG \(.vhdr, .*\) first, then BOLD"),
        (f"eeg\tbold\n{EEG}\t{BOLD}\n{EEG}\t{BOLD}\n", "line 3: .* is matched twice"),
        (f"eeg\tbold\n{EEG}\n", "line 2: n/a does not exist"),
    ],
)
def test_a_bad_table_is_told_by_its_line(dataset, content, complaint):
    touch(dataset.root, *both("sub-01_task-rest"))
    table = dataset.text("map.tsv", content)
    with pytest.raises((UsageError, MissingInputError), match=complaint) as told:
        matches(table, root=dataset.root)
    assert "\n" not in str(told.value)


def test_a_table_that_does_not_exist_is_a_missing_input():
    with pytest.raises(MissingInputError, match=r"nowhere\.tsv: no such file. To match labels"):
        matches("nowhere.tsv")
