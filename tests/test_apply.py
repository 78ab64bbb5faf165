"""A saved model on EEG alone: what it makes, what it says of itself, what it refuses."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from observed import complaints, dead_links, files, issues_of, listed, stamps

from bids_eeg2fmri import cli
from bids_eeg2fmri.bids.models import read_model, write_model

ALONE = ("--n-cpus", "1", "--omp-nthreads", "1")
FUNC = "sub-01/func/sub-01_task-rest"
CAUTION = "Do not rely on this BOLD: the verdict on its model is “"


def first_volume(out):
    """Find where training put the first volume on the clock of the EEG."""
    return sidecar(out, "desc-synth_metrics")["clock"]["first_volume_eeg_s"]


def sidecar(out, name):
    return json.loads((out / f"{FUNC}_{name}.json").read_text())


def volumes(out):
    return np.moveaxis(nib.load(out / f"{FUNC}_desc-synth_bold.nii.gz").get_fdata(), -1, 0)


def spoilt(model, folder, **changes):
    """Write a model again with another card; what is None goes."""
    tensors, card = read_model(model)
    card = {name: value for name, value in {**card, **changes}.items() if value is not None}
    write_model(folder, tensors, card)
    return folder


def only_eeg(bids, folder):
    return Path(shutil.copytree(bids, folder, ignore=shutil.ignore_patterns("func")))


@pytest.fixture(scope="module")
def model(undisturbed):
    return undisturbed / "models" / "sub-01_topo-rff"


@pytest.fixture(scope="module")
def alone(simulated, tmp_path_factory):
    """The EEG of the dataset without its BOLD; nobody writes here."""
    return only_eeg(simulated, tmp_path_factory.mktemp("alone") / "bids")


@pytest.fixture(scope="module")
def applied(alone, model, undisturbed, tmp_path_factory):
    """What the model makes of it, at the volumes of its own training; nobody writes here."""
    out = tmp_path_factory.mktemp("applied") / "out"
    onset = ("--eeg-onset", repr(first_volume(undisturbed)))
    call = (alone, out, "participant", "--apply", model, *onset, *ALONE)
    assert cli.main([*map(str, call)]) == 0
    return out


def test_a_model_makes_of_its_own_eeg_what_its_test_made_bit_for_bit(applied, undisturbed):
    test, found = (sidecar(one, "desc-synth_bold") for one in (undisturbed, applied))
    onset = first_volume(undisturbed) + 2.0 * np.array(test["VolumeIndices"])
    index = np.rint((onset - found["StartTime"]) / 2.0).astype(int)
    np.testing.assert_array_equal(volumes(applied)[index], volumes(undisturbed))


def test_volumes_begin_once_there_is_eeg_enough_and_come_every_repetition_time(applied):
    found = sidecar(applied, "desc-synth_bold")
    assert 26 <= found["StartTime"] < 28
    assert found["RepetitionTime"] == 2.0
    assert found["TaskName"] == "rest"
    assert found["Sources"] == ["bids:raw:sub-01/eeg/sub-01_task-rest_eeg.vhdr"]
    series = pd.read_table(applied / f"{FUNC}_desc-parcels_timeseries.tsv")
    np.testing.assert_allclose(series["onset"], found["StartTime"] + 2 * np.arange(len(series)))
    mask = nib.load(applied / f"{FUNC}_desc-brain_mask.nii.gz").get_fdata() > 0
    np.testing.assert_allclose(series["brain"], volumes(applied)[:, mask].mean(1), rtol=1e-5)


def test_volumes_lie_where_those_of_the_training_lie(applied, undisturbed):
    name = f"{FUNC}_desc-synth_bold.nii.gz"
    np.testing.assert_array_equal(*(nib.load(out / name).affine for out in (applied, undisturbed)))


def test_an_uninformative_model_says_so_on_everything_that_it_makes(applied):
    files = [path for kind in ("func", "eeg") for path in applied.glob(f"sub-*/{kind}/*.json")]
    assert len(files) == 2 * 7
    for path in files:
        told = json.loads(path.read_text())
        assert told["ModelVerdict"] != "informative"
        assert told["ModelCard"]["tested"]["runs"]["sub-01_task-rest"]["scores"]["mean-volume"]
        images = "mask" in path.name or "dseg" in path.name
        assert images or told["Description"].startswith(CAUTION)
    assert CAUTION in (applied / "README.md").read_text()
    page = (applied / "sub-01_applied.html").read_text()
    assert page.index(CAUTION) < page.index("<h2") + 400
    assert CAUTION in next(applied.glob("logs/*.log")).read_text()


def test_the_table_of_electrodes_tells_where_each_came_from(applied):
    table = pd.read_table(applied / "sub-01/eeg/sub-01_task-rest_desc-montage_channels.tsv")
    assert table["source"].str.upper().tolist() == table["name"].str.upper().tolist()
    assert table["distance"].tolist() == [0] * 8
    assert table["outside"].between(0, 0.1).all()


def test_the_validator_finds_nothing_and_links_lead_somewhere(applied):
    assert issues_of(applied) == []
    assert dead_links(applied / "sub-01_applied.html") == []


def test_files_of_an_application_are_those_that_images_are_held_to(applied):
    assert files(applied) == listed("apply")


def test_bold_that_is_there_is_not_read(bids_dir, model, undisturbed, applied, tmp_path, app):
    (bids_dir / f"{FUNC}_bold.nii.gz").write_bytes(b"no image")
    (bids_dir / f"{FUNC}_bold.json").write_text("no JSON")
    onset = ("--eeg-onset", repr(first_volume(undisturbed)))
    call = (bids_dir, tmp_path / "out", "participant", "--participant-label", "01")
    assert app(*call, "--apply", model, *onset, *ALONE).code == 0
    np.testing.assert_array_equal(volumes(tmp_path / "out"), volumes(applied))


def test_an_electrode_that_was_bad_is_interpolated_and_shown_so(alone, model, tmp_path, app):
    bids, out = only_eeg(alone, tmp_path / "bids"), tmp_path / "out"
    path = bids / "sub-01/eeg/sub-01_task-rest_channels.tsv"
    channels = pd.read_table(path)
    channels["status"] = np.where(channels["name"] == "Cz", "bad", "good")
    channels.to_csv(path, sep="\t", index=False)
    call = (bids, out, "participant", "--participant-label", "01", "--apply", model, *ALONE)
    assert app(*call).code == 0
    table = pd.read_table(out / "sub-01/eeg/sub-01_task-rest_desc-montage_channels.tsv")
    lost = table["source"].isna()
    assert table["name"][lost].tolist() == ["Cz"]
    assert table["distance"][lost].between(40, 80).all()
    page = (out / "sub-01_applied.html").read_text()
    assert "7 of the model&#39;s 8 electrodes were recorded, 1 other interpolated, up to" in page
    assert "Cz flat, not finite or marked bad; interpolated" in page


def test_what_is_done_is_kept_and_a_broken_recording_stops_no_other(alone, model, tmp_path, app):
    bids, out = only_eeg(alone, tmp_path / "bids"), tmp_path / "out"
    call = (bids, out, "participant", "--apply", model, *ALONE)
    assert app(*call).code == 0
    before = stamps(out / "sub-01", out / "work")
    signal = bids / "sub-02/eeg/sub-02_task-rest_eeg.eeg"
    signal.write_bytes(signal.read_bytes()[:5000])
    told = app(*call)
    first, last = complaints(told)
    assert told.code == 70
    assert "so it is truncated. Copy it again." in first
    assert last == "error: Failed: sub-02. The reasons stand above; all others are done."
    assert before.items() <= stamps(out / "sub-01", out / "work").items()


def test_a_dry_run_tells_what_would_be_made(alone, model, applied, tmp_path, app):
    call = (alone, tmp_path / "out", "participant", "--apply", model, "--dry-run")
    rows = [json.loads(line) for line in app(*call, "--json").out.splitlines()]
    assert [row["participant"] for row in rows] == ["01", "02"]
    made = rows[0]["synthesis"]
    assert (made["n_electrodes"], made["interpolated"]) == (8, [])
    assert abs(made["n_volumes"] - len(volumes(applied))) <= 1
    line = app(*call).out.splitlines()[0]
    assert line.startswith("sub-01_task-rest  ")
    assert line.endswith(f"0 of 8 electrodes interpolated; model {made['verdict']}")
    assert not (tmp_path / "out").exists()


NO_MODEL = {
    "no folder": (lambda m, f: f / "nothing", 66, "holds no model.safetensors. Name a folder"),
    "truncated": (
        lambda m, f: shorten(shutil.copytree(m, f / "m")),
        65,
        "is no model of ours",
    ),
    "older": (lambda m, f: spoilt(m, f / "m", form=None), 65, "in a form that is no longer read"),
    "newer": (lambda m, f: spoilt(m, f / "m", form=99), 65, "Update it, or train the model"),
    "never tested": (lambda m, f: spoilt(m, f / "m", tested=None), 65, "its card lacks tested"),
    "broken card": (lambda m, f: spoilt(m, f / "m", affine="none"), 65, "not fit its card"),
}


def shorten(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    return folder


@pytest.mark.parametrize("case", NO_MODEL)
def test_what_is_no_model_is_refused_in_one_line(case, alone, model, tmp_path, app):
    make, code, text = NO_MODEL[case]
    call = (alone, tmp_path / "out", "participant", "--apply", make(model, tmp_path), *ALONE)
    told = app(*call)
    assert told.code == code
    (line,) = complaints(told)
    assert text in line


@pytest.mark.parametrize(
    ("level", "options", "text"),
    [
        ("group", (), "--apply is for the participant level"),
        ("participant", ("--models", "rff"), "--apply: the model brings its own models"),
        ("participant", ("--preset", "paper"), "brings its own window.start, window.stop, spec"),
        ("participant", ("--set", "window.stop=2"), "brings its own window.stop; drop"),
        ("participant", ("--optimise", "1"), "drop --optimise"),
    ],
)
def test_what_a_model_has_settled_cannot_be_set(level, options, text, alone, model, tmp_path, app):
    told = app(alone, tmp_path / "out", level, "--apply", model, *options)
    assert told.code == 64
    assert text in told.verdict


def test_no_eeg_is_told_in_one_line(alone, model, tmp_path, app):
    told = app(alone, tmp_path / "out", "participant", "--apply", model, "--task-id", "nap")
    assert told.code == 18
    assert "no EEG file" in told.verdict
