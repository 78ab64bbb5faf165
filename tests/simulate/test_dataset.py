"""The simulated dataset is valid BIDS, holds the true clock, and is the same every time."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mne
import mne_bids
import nibabel
import numpy as np
import pandas as pd
import pytest

from bids_eeg2fmri.simulate import SimulationConfig, make_head, simulate, simulate_recording
from bids_eeg2fmri.simulate.__main__ import main

SMALL = SimulationConfig(
    participants=2, volumes=20, tr=2.16, grid=(8, 9, 7), channels=8, sfreq=250.0, seed=3
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "bids"
    simulate(out, SMALL)
    return out


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def truth(dataset):
    return json.loads((dataset / "sourcedata/simulation_truth.json").read_text())


def test_the_dataset_is_valid_bids(dataset):
    validator = Path(sys.executable).with_name("bids-validator-deno")
    result = subprocess.run(
        [validator, "--format", "json", dataset], capture_output=True, text=True, check=False
    )
    issues = json.loads(result.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    # What is left asks for the make of a scanner that does not exist, and for a second author.
    assert {issue["code"] for issue in issues} <= {
        "JSON_KEY_RECOMMENDED",
        "SIDECAR_KEY_RECOMMENDED",
        "TOO_FEW_AUTHORS",
    }


def test_the_same_seed_writes_the_same_bytes(dataset, tmp_path):
    simulate(tmp_path / "again", SMALL)
    assert digests(tmp_path / "again") == digests(dataset)


def test_a_participant_does_not_depend_on_how_many_follow(dataset, tmp_path):
    simulate(tmp_path / "alone", replace(SMALL, participants=1))
    assert digests(tmp_path / "alone" / "sub-01") == digests(dataset / "sub-01")


@pytest.mark.parametrize("label", ["sub-01", "sub-02"])
def test_markers_in_the_recording_stand_at_the_true_clock(dataset, label):
    header = dataset / label / "eeg" / f"{label}_task-rest_eeg.vhdr"
    marked = mne.io.read_raw_brainvision(header, verbose="error").annotations
    true = truth(dataset)["participants"][label]
    onset = true["first_volume_eeg_s"] + true["tr_s"] * np.arange(true["n_volumes"])
    assert set(marked.description) == {"Response/R128"}
    np.testing.assert_allclose(marked.onset, onset, atol=0.5 / 250 + 1e-9)


def test_what_is_on_disk_is_what_was_simulated(dataset):
    recording = simulate_recording(SMALL, make_head(SMALL.grid), 1)
    path = mne_bids.BIDSPath(subject="02", task="rest", datatype="eeg", root=dataset)
    raw = mne_bids.read_raw_bids(path, verbose="error")
    assert raw.get_channel_types() == ["eeg"] * 8 + ["ecg"]
    # Stored in whole steps of 0.1 µV.
    np.testing.assert_allclose(raw.get_data("eeg"), recording.eeg.data, atol=0.1e-6)
    np.testing.assert_allclose(raw.get_data("ecg")[0], recording.ecg, atol=0.1e-6)
    positions = [ch["loc"][:3] for ch in raw.info["chs"][:8]]
    np.testing.assert_allclose(positions, recording.eeg.positions, atol=1e-4)
    image = nibabel.load(dataset / "sub-02/func/sub-02_task-rest_bold.nii.gz")
    np.testing.assert_array_equal(image.get_fdata(), recording.bold.data)
    np.testing.assert_allclose(image.affine, recording.bold.affine)


def test_the_image_header_agrees_with_the_sidecar(dataset):
    stem = dataset / "sub-01/func/sub-01_task-rest_bold"
    image = nibabel.load(stem.with_suffix(".nii.gz"))
    sidecar = json.loads(stem.with_suffix(".json").read_text())
    assert sidecar["RepetitionTime"] == 2.16
    assert image.header.get_zooms()[3] == pytest.approx(2.16)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert image.get_data_dtype() == np.int16


def test_the_truth_names_regions_on_the_bold_grid(dataset):
    labels = nibabel.load(dataset / "sourcedata/simulation_regions.nii.gz")
    bold = nibabel.load(dataset / "sub-01/func/sub-01_task-rest_bold.nii.gz")
    np.testing.assert_array_equal(labels.affine, bold.affine)
    occipital, frontal = truth(dataset)["regions"]
    assert (occipital["name"], occipital["r"], occipital["sign"]) == ("occipital", -0.6, -1)
    assert (frontal["name"], frontal["r"], frontal["sign"]) == ("medial frontal", 0.48, 1)
    assert frontal["electrodes"] == ["Fz"]
    for region in (occipital, frontal):
        assert np.sum(labels.get_fdata() == region["label"]) == region["n_voxels"] > 0


def test_events_lie_on_the_eeg_clock(dataset):
    events = pd.read_csv(dataset / "sub-01/eeg/sub-01_task-rest_events.tsv", sep="\t")
    first = truth(dataset)["participants"]["sub-01"]["first_volume_eeg_s"]
    assert events.onset.tolist() == [first]
    assert events["sample"].tolist() == [round(first * 250)]


def test_the_command_line_writes_what_it_is_told(tmp_path):
    options = "--participants 1 --volumes 12 --tr 1.5 --grid 7 8 6 --channels 4 --sfreq 128"
    out = tmp_path / "bids"
    assert main([str(out), *options.split(), "--coupling", "0", "--seed", "5"]) == 0
    config = truth(out)["config"]
    assert config["grid"] == [7, 8, 6]
    assert (config["volumes"], config["tr"], config["sfreq"]) == (12, 1.5, 128)
    assert [region["r"] for region in truth(out)["regions"]] == [0, 0]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--channels 70", "give 2 to 64"),
        ("--volumes 3", "give at least 10"),
        ("--coupling 2", "give 0 to 1"),
        ("--grid 1 1 1", "too coarse"),
        ("--tr soon", "invalid float value"),
        ("--tasks rest", "Unrecognized arguments"),
    ],
)
def test_wrong_options_are_told_in_one_line(tmp_path, capsys, options, told):
    out = tmp_path / "bids"
    assert main([str(out), *options.split()]) == 64
    message = capsys.readouterr().err
    assert told in message
    assert message.count("\n") == 1
    assert not out.exists()


def test_a_folder_that_holds_something_is_left_alone(dataset, capsys):
    before = digests(dataset)
    assert main([str(dataset)]) == 64
    assert "is not empty" in capsys.readouterr().err
    assert digests(dataset) == before


def test_an_output_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file" / "bids")]) == 73
    assert "cannot be written" in capsys.readouterr().err
