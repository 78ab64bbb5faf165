"""What the app makes of the layout of each real dataset: runs, their clocks, and refusals."""

import re
import shutil
from pathlib import Path

import pytest
from hydrated import hydrate, hydrate_all, truth_of

from bids_eeg2fmri.app.clocks import tie
from bids_eeg2fmri.bids.matching import read_matches
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import ClockError, DataWarning, NothingFoundError

OPTIONS = ("--participants", "2", "--volumes", "24", "--sfreq", "100", "--grid", "6", "7", "5")
LONELY = "none has the same participant, session, task, run and acquisition"
VISITS = "sessions are visits, so these are not simultaneous"

FOUND = {
    "bids-examples_eeg_rest_fmri": (["sub-32_task-rest", "sub-35_task-rest"], {}),
    "ds002158": (
        ["sub-02_ses-001_task-main_run-003", "sub-12_ses-001_task-main_run-001"],
        {
            "sub-12_ses-001_task-main_run-00_eeg.vhdr": f"EEG without BOLD: {LONELY}",
            "sub-12_ses-001_task-main_run-006_bold.nii.gz": f"BOLD without EEG: {LONELY}",
        },
    ),
    "ds002336": (
        ["sub-xp101_task-eegfmriNF", "sub-xp109_task-eegfmriNF"],
        {"sub-xp109_task-MIpost_bold.nii.gz": f"BOLD without EEG: {LONELY}"},
    ),
    "ds002338": (
        ["sub-xp219_task-1dNF_run-01", "sub-xp220_task-1dNF_run-03"],
        {
            "sub-xp219_task-1dNF_run-03_eeg.vhdr": f"EEG without BOLD: {LONELY}",
            "sub-xp220_task-1dNF_run-04_bold.nii.gz": f"BOLD without EEG: {LONELY}",
        },
    ),
    "ds002725": (["sub-01_task-genMusic01", "sub-03_task-genMusic01"], {}),
    "ds003768": (["sub-01_task-rest_run-1", "sub-03_task-sleep_run-1"], {}),
    "ds004196": (
        [],
        {
            f"sub-{sub}_ses-{session}_task-inner_{ending}": VISITS
            for sub in ("01", "02")
            for session, ending in (("01", "bold.nii.gz"), ("EEG", "eeg.bdf"))
        },
    ),
    "nm000254_natview": (
        ["sub-01_ses-01_task-checker", "sub-16_ses-01_task-checker"],
        {"sub-01_ses-01_task-checkeroff_eeg.set": f"EEG without BOLD: {LONELY}"},
    ),
}
"""Runs, and by file the reason for each refusal."""

REFUSED = {
    "ds000116": "no EEG file of any participant",
    "ds002734": r"EEG_data_sub02_run_01\.mat and 5 others: skipped, as MATLAB files say nothing",
    "ds002739": r"EEG_data_sub-01_run-01\.mat and 7 others: skipped, as MATLAB files say nothing",
    "facetpy_example_bids": "no BOLD file of any participant",
}

EEG_OF_DERIVATIVES = {
    "bids-examples_eeg_rest_fmri": "sub-32/eeg/sub-32_task-rest_eeg.vhdr",
    "ds002336": "sub-xp101/eeg_pp/sub-xp101_task-eegfmriNF_eeg_pp.vhdr",
    "ds002338": "sub-xp219/eeg_pp/d_sub-xp219_task-1dNF_run-01_eeg_pp.vhdr",
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("skeletons")
    return hydrate_all([*FOUND, *REFUSED], folder, *OPTIONS, "--runs-per-participant", "1")


@pytest.mark.filterwarnings("ignore:last_night_sleep.json:bids_eeg2fmri.errors.DataWarning")
@pytest.mark.parametrize("name", FOUND)
def test_the_runs_of_a_real_layout_are_found_and_the_rest_is_refused_in_words(datasets, name):
    expected, reasons = FOUND[name]
    runs, refusals = find_runs(datasets / name, Selection())
    assert [run.name for run in runs] == expected
    assert {Path(refusal.name).name for refusal in refusals} == {*reasons}
    for refusal in refusals:
        assert reasons[Path(refusal.name).name] in refusal.reason


@pytest.mark.parametrize("name", REFUSED)
def test_a_dataset_without_simultaneous_recordings_is_refused_in_words(datasets, name):
    with pytest.raises(NothingFoundError, match=REFUSED[name]):
        find_runs(datasets / name, Selection())


def test_invalid_json_at_the_top_of_a_real_dataset_is_named(datasets):
    with pytest.warns(DataWarning, match=r"last_night_sleep\.json: not valid JSON .*No run needs"):
        find_runs(datasets / "nm000254_natview", Selection())


@pytest.mark.parametrize("name", EEG_OF_DERIVATIVES)
def test_eeg_is_taken_from_derivatives_only_when_asked_for(datasets, name):
    root, expected = datasets / name, FOUND[name][0]
    runs, refusals = find_runs(root, Selection(eeg_from=root / "derivatives"))
    assert [run.name for run in runs] == expected
    assert runs[0].relative(runs[0].eeg) == f"derivatives/{EEG_OF_DERIVATIVES[name]}"
    assert runs[0].uri(runs[0].eeg) == f"bids:raw:derivatives/{EEG_OF_DERIVATIVES[name]}"
    assert not any(refusal.eeg for refusal in refusals)
    assert not any("derivatives" in run.eeg.parts for run in find_runs(root, Selection())[0])


def test_a_match_brings_together_what_a_real_dataset_labels_differently(datasets):
    root = datasets / "ds002158"
    told = read_matches(["eeg.sub-12,run-00=bold.run-006"], root)
    runs, refusals = find_runs(root, Selection(matches=told))
    assert (runs[-1].name, refusals) == ("sub-12_ses-001_task-main_run-006", [])
    assert runs[-1].eeg.name == "sub-12_ses-001_task-main_run-00_eeg.vhdr"


def test_a_table_matches_an_eeg_file_of_derivatives_that_no_rule_finds(datasets, tmp_path):
    root = datasets / "ds002338"
    eeg = "derivatives/sub-xp220/eeg_pp/d_sub-xp220_NF4_eeg_pp.vhdr"
    parts = sorted((root / eeg).parent.glob("d_sub-xp220_task-1dNF_run-03*"))
    for part in parts:  # the real dataset has it, and the filled one has not
        text = part.read_bytes().replace(b"task-1dNF_run-03", b"NF4")
        (root / eeg).with_suffix(part.suffix).write_bytes(text)
    table = tmp_path / "pairs.tsv"
    bold = "sub-xp220/func/sub-xp220_task-1dNF_run-04_bold.nii.gz"
    table.write_text(f"eeg\tbold\n{eeg}\t{bold}\n")
    runs, _ = find_runs(root, Selection(matches=read_matches([str(table)], root)))
    assert (runs[-1].name, runs[-1].relative(runs[-1].eeg)) == ("sub-xp220_task-1dNF_run-04", eeg)


# Clocks

ODD = "ignore:.*(volumes have a marker|last_night_sleep):bids_eeg2fmri.errors.DataWarning"
TIED = [name for name, (runs, _) in FOUND.items() if runs]
OF_NODDI = "triggers:Scanner/Scan Start of derivatives/"


@pytest.mark.filterwarnings(ODD)
@pytest.mark.parametrize("name", TIED)
def test_each_run_of_a_real_layout_is_tied_to_its_true_clock(datasets, name):
    truth = truth_of(datasets / name)
    for run in find_runs(datasets / name, Selection())[0]:
        clock, true = tie(run, ClockConfig()), truth[run.name]
        assert abs(clock.onset[0] - true["first_volume_eeg_s"]) < 0.01
        assert (clock.tr, len(clock.onset)) == (true["tr_s"], true["n_volumes"])
        assert clock.source.startswith(OF_NODDI) == (name == "bids-examples_eeg_rest_fmri")


@pytest.mark.filterwarnings(ODD)
@pytest.mark.parametrize("name", EEG_OF_DERIVATIVES)
def test_eeg_that_was_cut_for_a_derivative_is_tied_to_its_true_clock(datasets, name):
    root = datasets / name
    truth = truth_of(root)
    for run in find_runs(root, Selection(eeg_from=root / "derivatives"))[0]:
        true = truth[run.name]["derivative"]["first_volume_eeg_s"]
        assert abs(tie(run, ClockConfig()).onset[0] - true) < 0.01


def test_the_heartbeat_of_an_amplifier_ties_no_clock(datasets, tmp_path):
    root = tmp_path / "bids"
    shutil.copytree(datasets / "bids-examples_eeg_rest_fmri", root)
    shutil.rmtree(root / "derivatives")
    for run in find_runs(root, Selection())[0]:
        with pytest.raises(ClockError, match="the heartbeat of the EEG amplifier"):
            tie(run, ClockConfig())


def test_without_triggers_the_trials_of_a_real_layout_tell_the_clock(tmp_path):
    options = ("--participants", "1", "--runs-per-participant", "1", "--volumes", "150")
    root = hydrate("ds002158", tmp_path, *options, *OPTIONS[4:])
    (run,) = find_runs(root, Selection())[0]
    markers = run.eeg.with_suffix(".vmrk")
    markers.write_text(re.sub(r"(?m)^Mk\d+=Response,R128.*\n", "", markers.read_text()))
    with pytest.warns(DataWarning, match="'Stimulus/S  1' are taken to be the onsets"):
        clock = tie(run, ClockConfig())
    true = truth_of(root)[run.name]
    assert clock.source == "trials:Stimulus/S  1"
    assert abs(clock.onset[0] - true["first_volume_eeg_s"]) < 0.01
