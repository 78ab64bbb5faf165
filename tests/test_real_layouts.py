"""Layouts of real simultaneous datasets, from the files to the group."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hydrated import hydrate, truth_of
from observed import issues_of
from safetensors.numpy import load_file
from scipy.signal import detrend

from bids_eeg2fmri import cli

TINY = ("--sfreq", "100", "--runs-per-participant", "1")
SETTINGS = (
    *("--preset", "paper"),
    *("--epochs", "1", "--set", "spectrogram.fmax=30", "--set", "evaluate.phase_draws=0"),
    *("--n-cpus", "1", "--omp-nthreads", "1"),
)
RUN = "task-rest_run-1"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two participants who rest and one who sleeps; they differ in grid and montage."""
    folder = tmp_path_factory.mktemp("ds003768")
    root = hydrate("ds003768", folder, "--participants", "3", "--volumes", "110", *TINY)
    drop_channel(root / f"sub-01/eeg/sub-01_{RUN}_eeg.vhdr", "Cz")
    bold = root / f"sub-02/func/sub-02_{RUN}_bold.nii.gz"
    nib.save(nib.load(bold).slicer[1:-1, :, :], bold)
    return root


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    """What both levels make of it."""
    folder = tmp_path_factory.mktemp("study") / "out"
    for level in ("participant", "group"):
        assert cli.main([str(study), str(folder), level, "--task-id", "rest", *SETTINGS]) == 0
    return folder


@pytest.fixture(params=["sub-01", "sub-02"])
def written(request, study, out):
    """Series of one participant as written, with the sidecar, and the input that they come from."""
    stem = f"{request.param}/func/{request.param}_{RUN}"
    series = {
        desc: nib.load(out / f"{stem}_desc-{desc}_bold.nii.gz")
        for desc in ("synth", "target", "residual")
    }
    sidecar = json.loads((out / f"{stem}_desc-synth_bold.json").read_text())
    return stem, series, sidecar, nib.load(study / f"{stem}_bold.nii.gz")


def drop_channel(header: Path, name: str) -> None:
    """Take one channel out of a BrainVision recording of 16-bit integers."""
    text = header.read_text(encoding="utf-8")
    names = re.findall(r"^Ch\d+=([^,]*),", text, re.MULTILINE)
    signal = np.fromfile(header.with_suffix(".eeg"), "<i2").reshape(-1, len(names))
    np.delete(signal, names.index(name), axis=1).tofile(header.with_suffix(".eeg"))
    lines = re.sub(rf"^Ch\d+={name},.*\n", "", text, flags=re.MULTILINE)
    numbers = iter(range(1, len(names)))
    lines = re.sub(r"^Ch\d+=", lambda _: f"Ch{next(numbers)}=", lines, flags=re.MULTILINE)
    count = f"NumberOfChannels={len(names)}"
    header.write_text(lines.replace(count, f"NumberOfChannels={len(names) - 1}"), encoding="utf-8")


# From the files to the maps


def test_the_clock_in_the_sidecar_is_the_true_one(study, out, written):
    stem, *_ = written
    told = json.loads((out / f"{stem}_desc-synth_metrics.json").read_text())
    true = truth_of(study)[Path(stem).name]
    assert abs(told["clock"]["first_volume_eeg_s"] - true["first_volume_eeg_s"]) < 0.01
    lead = 26.0 - true["first_volume_eeg_s"]
    assert told["volumes"]["without_eeg_history"] == np.ceil(lead / true["tr_s"])


def test_synthesised_series_have_grid_timing_and_units_of_the_input(written):
    _, series, sidecar, raw = written
    for image in series.values():
        np.testing.assert_allclose(image.affine, raw.affine, atol=1e-5)
        assert image.shape == (*raw.shape[:3], len(sidecar["VolumeIndices"]))
        np.testing.assert_allclose(image.header.get_zooms(), raw.header.get_zooms())
        assert image.header.get_xyzt_units() == ("mm", "sec")
    assert sidecar["RepetitionTime"] == pytest.approx(raw.header.get_zooms()[3])
    mean = {desc: image.get_fdata().mean() for desc, image in series.items()}
    assert mean["synth"] == pytest.approx(mean["target"], rel=0.02)


def test_the_target_is_the_input_and_the_residual_what_is_left_of_it(written):
    _, series, sidecar, raw = written
    target, synthesised, residual = (
        series[desc].get_fdata() for desc in ("target", "synth", "residual")
    )
    np.testing.assert_allclose(target, raw.get_fdata()[..., sidecar["VolumeIndices"]], rtol=1e-6)
    np.testing.assert_allclose(residual, target - synthesised, atol=1e-3)


def test_the_scores_follow_from_the_written_series(out, written):
    stem, series, *_ = written
    mask = nib.load(out / f"{stem}_desc-brain_mask.nii.gz").get_fdata() > 0
    told = pd.read_csv(out / f"{stem}_desc-synth_metrics.tsv", sep="\t", index_col="model")
    participant = stem.split("/")[0]
    model = load_file(out / f"models/{participant}_task-rest_topo-rff/model.safetensors")
    y, y_hat = (series[desc].get_fdata()[mask].T for desc in ("target", "synth"))
    mean = model["reference.mean"][mask]
    for name, predicted in (("topo-rff", y_hat), ("mean-volume", mean)):
        rmse = np.sqrt(np.mean((y - predicted) ** 2, axis=1)).mean() / model["scale.bold_sd"]
        assert told["rmse_mask"][name] == pytest.approx(rmse)
    skill = 1 - np.sum((y - y_hat) ** 2) / np.sum((y - mean) ** 2)
    assert told["skill"]["topo-rff"] == pytest.approx(skill)
    a, b = detrend(y, axis=0), detrend(y_hat, axis=0)
    r = np.sum(a * b, axis=0) / np.linalg.norm(a, axis=0) / np.linalg.norm(b, axis=0)
    assert told["pearsoncorrelation"]["topo-rff"] == pytest.approx(r.mean())


def test_a_group_shares_a_grid_and_channels_where_its_participants_differ(out):
    card = json.loads((out / "models/group_task-rest_topo-rff/model.json").read_text())
    assert card["shapes"]["bold"] == [14, 18, 10]
    assert len(card["channels"]) == 30
    assert "Cz" not in card["channels"]
    scores = pd.read_csv(out / "group_task-rest_metrics.tsv", sep="\t")
    assert scores["participant_id"].nunique() == 1
    rows = list(scores["model"])
    assert (rows[0], rows[-2:]) == ("topo-rff", ["mean-volume", "topo-rff on shifted EEG"])
    assert (out / "group_task-rest.html").exists()


def test_the_validator_finds_nothing_in_results_of_a_real_layout(out):
    assert issues_of(out) == []
