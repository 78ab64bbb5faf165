import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_eeg2fmri.bids.matching import read_matches
from bids_eeg2fmri.bids.pairing import Scan, Unpaired, pair
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.bids.sidecars import entities_of
from bids_eeg2fmri.errors import (
    DatasetError,
    DataWarning,
    MissingInputError,
    NothingFoundError,
    UsageError,
)


def touch(root, *names):
    """Empty files in their folders: finding runs does not open the data."""
    for name in names:
        folder = "eeg" if "_eeg." in name else "func"
        entities = dict(part.split("-") for part in name.split("_")[:-1])
        session = f"/ses-{entities['ses']}" if "ses" in entities else ""
        file = root / f"sub-{entities['sub']}{session}" / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def both(*names):
    return [f"{name}_{ending}" for name in names for ending in ("eeg.edf", "bold.nii.gz")]


def matches(*texts, root=Path()):
    return read_matches([*map(str, texts)], root)


def names_of(dataset, **selection):
    return [run.name for run in find_runs(dataset.root, Selection(**selection))[0]]


def test_eeg_and_bold_pair_by_their_labels_in_natural_order(dataset):
    names = [
        "sub-2_ses-b_task-rest_run-1",
        "sub-2_ses-b_task-rest_run-2",
        "sub-2_ses-b_task-rest_run-10",
        "sub-10_ses-a_task-rest",
    ]
    touch(dataset.root, *both(*reversed(names)))
    runs, refusals = find_runs(dataset.root, Selection())
    assert [run.name for run in runs] == names
    assert refusals == []
    first = runs[0]
    assert (first.participant, first.session, first.task, first.run) == ("2", "b", "rest", "1")
    assert first.entities == {"sub": "2", "ses": "b", "task": "rest", "run": "1"}
    assert first.relative(first.eeg) == "sub-2/ses-b/eeg/sub-2_ses-b_task-rest_run-1_eeg.edf"


def test_run_1_and_run_01_are_the_same_index(dataset):
    touch(dataset.root, "sub-01_task-rest_run-1_eeg.edf", "sub-01_task-rest_run-01_bold.nii.gz")
    assert names_of(dataset) == ["sub-01_task-rest_run-01"]


def test_a_lone_pair_may_differ_by_a_missing_label(dataset):
    touch(dataset.root, "sub-01_task-rest_eeg.edf", "sub-01_task-rest_acq-ep_run-1_bold.nii.gz")
    with pytest.warns(DataWarning, match="taken to belong together"):
        assert names_of(dataset) == ["sub-01_task-rest_acq-ep_run-1"]


@pytest.mark.parametrize(
    "bold",
    [
        ("sub-01_task-rest_run-2_bold.nii.gz",),
        ("sub-01_task-rest_bold.nii.gz", "sub-01_task-rest_run-2_bold.nii.gz"),
        ("sub-01_task-other_run-1_bold.nii.gz",),
    ],
)
def test_files_with_contradicting_labels_are_refused_by_name(dataset, bold):
    touch(dataset.root, "sub-01_task-rest_run-1_eeg.edf", *bold, *both("sub-02_task-rest"))
    runs, refusals = find_runs(dataset.root, Selection())
    assert [run.name for run in runs] == ["sub-02_task-rest"]
    assert {Path(refusal.name).name for refusal in refusals} == {
        "sub-01_task-rest_run-1_eeg.edf",
        *bold,
    }


def test_eeg_without_bold_and_bold_without_eeg_do_not_stop_the_others(dataset):
    touch(dataset.root, "sub-01_task-rest_eeg.edf", "sub-02_task-rest_bold.nii")
    touch(dataset.root, *both("sub-03_task-rest"))
    runs, refusals = find_runs(dataset.root, Selection())
    assert [run.participant for run in runs] == ["03"]
    assert [(refusal.eeg, refusal.bold) for refusal in refusals] == [
        ("sub-01/eeg/sub-01_task-rest_eeg.edf", None),
        (None, "sub-02/func/sub-02_task-rest_bold.nii"),
    ]
    assert "sub-01_task-rest_eeg.edf: EEG without BOLD" in refusals[0].reason
    assert "sub-02_task-rest_bold.nii: BOLD without EEG" in refusals[1].reason


def test_eeg_and_bold_of_different_sessions_are_not_simultaneous(dataset):
    touch(dataset.root, "sub-01_ses-eeg_task-x_eeg.bdf", "sub-01_ses-mri_task-x_bold.nii.gz")
    runs, refusals = find_runs(dataset.root, Selection())
    assert runs == []
    assert "EEG of ses-eeg, BOLD of ses-mri: sessions are visits" in refusals[0].reason
    assert "BOLD of ses-mri, EEG of ses-eeg: sessions are visits" in refusals[1].reason
    for refusal in refusals:
        assert refusal.reason.endswith("say --match eeg.ses-eeg=bold.ses-mri.")
    assert names_of(dataset, matches=matches("eeg.ses-eeg=bold.ses-mri")) == [
        "sub-01_ses-mri_task-x"
    ]


def test_the_first_echo_stands_for_a_multi_echo_run(dataset):
    touch(dataset.root, "sub-01_task-rest_eeg.edf")
    for part in ("mag", "phase"):
        for echo in (2, 1, 10):
            touch(dataset.root, f"sub-01_task-rest_echo-{echo}_part-{part}_bold.nii.gz")
    (run,), _ = find_runs(dataset.root, Selection())
    assert run.bold.name == "sub-01_task-rest_echo-1_part-mag_bold.nii.gz"
    assert (run.name, run.echoes) == ("sub-01_task-rest", ())
    (run,), _ = find_runs(dataset.root, Selection(echo=10))
    assert run.bold.name == "sub-01_task-rest_echo-10_part-mag_bold.nii.gz"
    (run,), _ = find_runs(dataset.root, Selection(echo="combined"))
    assert [path.name.split("_")[2] for path in run.echoes] == ["echo-1", "echo-2", "echo-10"]
    assert {*run.echoes} < {*run.files()}
    _, (refusal,) = find_runs(dataset.root, Selection(echo=3))
    assert "no echo 3 of this run; there are 1, 2, 10" in refusal.reason


@pytest.mark.parametrize("echo", [2, "combined"])
def test_a_run_of_one_echo_is_what_it_is_whichever_echo_is_asked_for(dataset, echo):
    touch(dataset.root, *both("sub-01_task-rest"))
    (run,), _ = find_runs(dataset.root, Selection(echo=echo))
    assert (run.bold.name, run.echoes) == ("sub-01_task-rest_bold.nii.gz", ())


def test_ambiguous_files_are_refused_until_a_filter_chooses(dataset):
    touch(dataset.root, "sub-01_task-rest_eeg.edf")
    touch(dataset.root, *(f"sub-01_task-rest_dir-{way}_bold.nii.gz" for way in ("AP", "PA")))
    runs, (refusal,) = find_runs(dataset.root, Selection())
    assert runs == []
    assert "ambiguous" in refusal.reason
    assert names_of(dataset, filters={"bold": {"direction": "PA"}}) == ["sub-01_task-rest_dir-PA"]


def test_a_header_whose_signal_is_missing_gives_way_to_another_format(dataset):
    touch(dataset.root, *both("sub-01_task-rest"))
    dataset.text("sub-01/eeg/sub-01_task-rest_eeg.vhdr", "DataFile=lost.eeg\n")
    assert find_runs(dataset.root, Selection())[0][0].eeg.suffix == ".edf"
    dataset.text("sub-01/eeg/lost.eeg", "")
    assert find_runs(dataset.root, Selection())[0][0].eeg.suffix == ".vhdr"


def test_only_the_eeg_and_func_folders_themselves_are_searched(dataset):
    touch(dataset.root, *both("sub-01_task-rest"))
    for folder in ("sub-01/eeg/rejected", "sub-01/beh", "derivatives/sub-01/eeg", "sourcedata"):
        dataset.text(f"{folder}/sub-01_task-other_eeg.edf", "")
    dataset.text("sub-01/eeg/._sub-01_task-rest_eeg.edf", "")
    runs, refusals = find_runs(dataset.root, Selection())
    assert (len(runs), refusals) == (1, [])


def test_labels_are_taken_with_and_without_their_prefix(dataset):
    names = [
        f"sub-{sub}_ses-{ses}_task-{task}_run-01" for sub in "ab" for ses in "xy" for task in "pq"
    ]
    touch(dataset.root, *both(*names))
    chosen = {"participants": ("sub-a",), "sessions": ("x",), "tasks": ("task-q",), "runs": ("1",)}
    assert names_of(dataset, **chosen) == ["sub-a_ses-x_task-q_run-01"]
    assert names_of(dataset, participants=("b",), runs=("run-01",)) == names[4:]


def test_filters_understand_null_as_absent_and_star_as_present(dataset):
    touch(dataset.root, *both("sub-01_task-rest", "sub-02_task-rest_run-1"))
    absent, present = ({kind: {"run": value} for kind in ("eeg", "bold")} for value in (None, "*"))
    assert names_of(dataset, filters=absent) == ["sub-01_task-rest"]
    assert names_of(dataset, filters=present) == ["sub-02_task-rest_run-1"]


def test_a_filter_that_bids_does_not_know_is_a_usage_error(dataset):
    touch(dataset.root, *both("sub-01_task-rest_run-1"))
    with pytest.raises(UsageError, match="bold: 'sesion' is not a recognized entity"):
        find_runs(dataset.root, Selection(filters={"bold": {"sesion": "1"}}))


def test_filters_that_match_nothing_name_what_there_is(dataset):
    touch(dataset.root, *both("sub-01_task-rest"))
    with pytest.raises(NothingFoundError, match=r"no EEG and no BOLD.*Tasks: rest"):
        find_runs(dataset.root, Selection(tasks=("sleep",)))


def test_an_unknown_participant_is_named_beside_those_that_exist(dataset):
    touch(dataset.root, *both("sub-01_task-rest", "sub-02_task-rest"))
    with pytest.raises(NothingFoundError, match=r"no participant 99\. There are 01, 02"):
        find_runs(dataset.root, Selection(participants=("01", "99")))


def test_a_chosen_participant_without_files_is_refused_by_name(dataset):
    touch(dataset.root, *both("sub-01_task-rest"))
    dataset.text("sub-02/anat/sub-02_T1w.nii.gz", "")
    _, refusals = find_runs(dataset.root, Selection(participants=("01", "02")))
    assert [refusal.name for refusal in refusals] == ["sub-02"]
    assert find_runs(dataset.root, Selection())[1] == []


def test_a_missing_folder_is_a_missing_input(tmp_path):
    with pytest.raises(MissingInputError, match="no such folder"):
        find_runs(tmp_path / "nowhere", Selection())


def test_an_empty_folder_is_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match="empty"):
        find_runs(tmp_path, Selection(validate=False))


@pytest.mark.parametrize(
    ("description", "complaint"),
    [(None, "no dataset_description.json"), ("{", "not valid JSON"), ("{}", "lacks BIDSVersion")],
)
def test_a_bad_description_is_told_unless_validation_is_skipped(dataset, description, complaint):
    touch(dataset.root, *both("sub-01_task-rest"))
    file = dataset.root / "dataset_description.json"
    file.unlink() if description is None else file.write_text(description)
    with pytest.raises(DatasetError, match=complaint):
        find_runs(dataset.root, Selection())
    assert names_of(dataset, validate=False) == ["sub-01_task-rest"]


@pytest.mark.parametrize(
    ("files", "lack"),
    [
        (["sub-01_task-rest_bold.nii.gz"], "no EEG file"),
        (["sub-01_task-rest_eeg.edf"], "no BOLD file"),
        ([], "no EEG and no BOLD file"),
    ],
)
def test_a_dataset_of_one_modality_is_told_which_one_it_lacks(dataset, files, lack):
    touch(dataset.root, *files)
    with pytest.raises(NothingFoundError, match=lack):
        find_runs(dataset.root, Selection())


def test_an_invalid_sidecar_refuses_its_run_and_no_other(dataset):
    touch(dataset.root, *both("sub-01_task-rest", "sub-02_task-rest"))
    dataset.text("sub-01/func/sub-01_task-rest_bold.json", '{"RepetitionTime": 2,}')
    runs, (refusal,) = find_runs(dataset.root, Selection())
    assert [run.participant for run in runs] == ["02"]
    assert "sub-01/func/sub-01_task-rest_bold.json: not valid JSON" in refusal.reason


def test_an_invalid_sidecar_of_a_task_refuses_the_runs_of_this_task(dataset):
    touch(dataset.root, *both("sub-01_task-rest", "sub-01_task-go", "sub-02_task-rest"))
    dataset.text("task-rest_bold.json", "[]")
    runs, refusals = find_runs(dataset.root, Selection())
    assert [run.name for run in runs] == ["sub-01_task-go"]
    told = {refusal.reason.split(".")[0] for refusal in refusals}
    assert (len(refusals), told) == (2, {"task-rest_bold"})


def test_invalid_json_that_no_run_needs_is_named_and_left_alone(dataset):
    touch(dataset.root, *both("sub-01_task-rest"))
    dataset.text("last_night_sleep.json", "{not JSON")
    dataset.text("sub-01/anat/sub-01_T1w.json", "{")
    with pytest.warns(DataWarning, match="last_night_sleep.json: not valid JSON.*No run needs it"):
        assert names_of(dataset) == ["sub-01_task-rest"]


UNFETCHED = ("func/sub-01_task-rest_bold.nii.gz", "func/sub-01_task-rest_bold.json")
UNFETCHED += tuple(f"eeg/sub-01_task-rest_{x}" for x in ("eeg.vhdr", "eeg.eeg", "eeg.vmrk"))
UNFETCHED += tuple(f"eeg/sub-01_task-rest_{x}.tsv" for x in ("channels", "events", "electrodes"))


@pytest.mark.parametrize("name", UNFETCHED)
def test_a_link_without_content_is_named_whatever_it_is(dataset, name):
    dataset.eeg("sub-01_task-rest")
    dataset.bold("sub-01_task-rest")
    file = dataset.root / "sub-01" / name
    file.unlink(missing_ok=True)
    os.symlink("../../.git/annex/objects/nothing", file)
    _, (refusal,) = find_runs(dataset.root, Selection())
    assert refusal.reason == f"sub-01/{name}: a link without content. Fetch it: datalad get."
    assert refusal.error.exit_code == 66


@pytest.mark.parametrize(
    "pointer",
    ["/annex/objects/MD5E-s9--0\n", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"],
)
def test_a_pointer_in_the_place_of_content_is_a_link_without_content(dataset, pointer):
    touch(dataset.root, *both("sub-01_task-rest"))
    dataset.text("sub-01/func/sub-01_task-rest_bold.nii.gz", pointer)
    _, (refusal,) = find_runs(dataset.root, Selection())
    assert "bold.nii.gz: a link without content" in refusal.reason


def test_a_link_with_content_is_as_good_as_a_file_wherever_it_leads(dataset, tmp_path):
    signal = dataset.eeg("sub-01_task-rest").with_suffix(".eeg")
    dataset.bold("sub-01_task-rest")
    signal.rename(tmp_path / "annexed")
    os.symlink(tmp_path / "annexed", signal)
    assert names_of(dataset) == ["sub-01_task-rest"]


@pytest.mark.parametrize("name", ["../../../elsewhere.eeg", "/etc/passwd"])
def test_a_header_cannot_lead_out_of_the_dataset(dataset, name):
    touch(dataset.root, *both("sub-01_task-rest"))
    dataset.text("sub-01/eeg/sub-01_task-rest_eeg.vhdr", f"DataFile={name}\n")
    (dataset.root / "sub-01/eeg/sub-01_task-rest_eeg.edf").unlink()
    dataset.root.with_name("elsewhere.eeg").touch()
    _, (refusal,) = find_runs(dataset.root, Selection())
    assert refusal.reason.startswith("sub-01/eeg/sub-01_task-rest_eeg.vhdr: names ../../../")
    assert "which lies outside the dataset" in refusal.reason


def test_eeg_in_matlab_files_alone_is_named_and_skipped(dataset):
    touch(dataset.root, *both("sub-01_task-rest"), "sub-02_task-rest_bold.nii.gz")
    for name in ("data", "events"):
        dataset.text(f"sub-02/EEG/EEG_{name}_sub-02.mat", "")
    runs, refusals = find_runs(dataset.root, Selection())
    assert [run.participant for run in runs] == ["01"]
    assert "sub-02/EEG/EEG_data_sub-02.mat and 1 others: skipped" in refusals[0].reason
    for extension in ("eeg.edf", "bold.nii.gz"):
        folder = extension[:3] if extension[:3] == "eeg" else "func"
        (dataset.root / f"sub-01/{folder}/sub-01_task-rest_{extension}").unlink()
    with pytest.raises(NothingFoundError, match=r"no EEG file.*\.mat and 1 others: skipped, as"):
        find_runs(dataset.root, Selection())


def test_nifti_beside_its_compressed_twin_is_one_series(dataset):
    touch(dataset.root, *both("sub-01_task-rest"), "sub-01_task-rest_bold.nii")
    (run,), refusals = find_runs(dataset.root, Selection())
    assert (run.bold.suffix, refusals) == (".nii", [])


@pytest.mark.parametrize("names", [("split-01_eeg", "split-02_eeg"), ("eeg", "eeg-1")])
def test_the_parts_of_a_split_recording_are_one_recording(dataset, names):
    touch(dataset.root, "sub-01_task-rest_bold.nii.gz")
    parts = [dataset.text(f"sub-01/eeg/sub-01_task-rest_{name}.fif", "") for name in names]
    (run,), refusals = find_runs(dataset.root, Selection())
    assert (run.name, run.eeg, refusals) == ("sub-01_task-rest", parts[0], [])
    assert {*parts} < {*run.files()}


def test_a_run_depends_on_its_companions_and_on_the_sidecars_it_inherits(dataset):
    eeg, bold = dataset.eeg("sub-01_task-rest"), dataset.bold("sub-01_task-rest")
    inherited = [
        dataset.json("task-rest_bold.json", {}),
        dataset.text("sub-01/eeg/sub-01_space-CapTrak_electrodes.tsv", "name\tx\ty\tz\n"),
        dataset.text("task-rest_channels.tsv", "name\ttype\n"),
    ]
    dataset.json("task-other_bold.json", {})
    (run,), _ = find_runs(dataset.root, Selection())
    companions = [eeg.with_suffix(".eeg"), eeg.with_suffix(".vmrk")]
    sidecar = bold.with_name("sub-01_task-rest_bold.json")
    assert set(run.files()) == {eeg, *companions, bold, sidecar, *inherited}


labels = st.sampled_from(["", "_run-1", "_run-2", "_acq-a", "_acq-a_run-1"])
scans = st.sets(
    st.tuples(st.sampled_from(["sub-1_task-x", "sub-2_task-x", "sub-1_task-y"]), labels)
)


@given(scans, scans)
@pytest.mark.filterwarnings("ignore::bids_eeg2fmri.errors.DataWarning")
def test_every_file_ends_in_one_pair_or_one_refusal(eeg, bold):
    def made(names, ending):
        return [
            Scan(Path(f"{a}{b}_{ending}"), entities_of(Path(f"{a}{b}_{ending}"))) for a, b in names
        ]

    recordings, series = made(eeg, "eeg.edf"), made(bold, "bold.nii")
    placed = []
    for match in pair(recordings, series):
        placed += [match.scan] if isinstance(match, Unpaired) else [match.eeg, match.bold]
        if not isinstance(match, Unpaired):
            assert match.eeg.task == match.bold.task
    assert sorted(scan.path for scan in placed) == sorted(
        scan.path for scan in (*recordings, *series)
    )


@pytest.mark.parametrize("name", ["ds003768", "ds002336"])
def test_the_runs_of_a_real_layout_are_those_of_the_truth(hydrate, name):
    root = hydrate(name)
    truth = json.loads((root / "sourcedata" / "hydrate_truth.json").read_text())["runs"]
    runs, refusals = find_runs(root, Selection())
    simultaneous = {entry["run"] for entry in truth if entry["eeg"] and entry["bold"]}
    assert {run.name for run in runs} == simultaneous
    assert len(refusals) == len(truth) - len(simultaneous)
