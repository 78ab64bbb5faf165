"""BOLD that a pipeline has preprocessed, from the command line to the files."""

import json

import nibabel as nib
import numpy as np
import pytest
from observed import complaints, issues_of

SPACE = "space-MNI152NLin2009cAsym_res-2"
STEM = f"sub-01/func/sub-01_task-rest_{SPACE}"


@pytest.fixture(scope="module")
def prepared(simulated, tmp_path_factory):
    """The output of a pipeline outside the dataset: every other voxel is brain."""
    folder = tmp_path_factory.mktemp("prepared") / "fmriprep"
    (folder / "sub-01/func").mkdir(parents=True)
    raw = nib.load(simulated / "sub-01/func/sub-01_task-rest_bold.nii.gz")
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = [-18, -20, -18]
    image = nib.Nifti1Image(raw.get_fdata(dtype=np.float32), affine)
    image.header.set_zooms((4, 4, 4, 2))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, folder / f"{STEM}_desc-preproc_bold.nii.gz")
    mask = (raw.get_fdata().mean(axis=3) > 100) & (np.indices(raw.shape[:3]).sum(axis=0) % 2 == 0)
    nib.save(
        nib.Nifti1Image(mask.astype(np.uint8), affine), folder / f"{STEM}_desc-brain_mask.nii.gz"
    )
    sidecar = {"RepetitionTime": 2.0, "SliceTimingCorrected": True, "StartTime": 0.95}
    (folder / f"{STEM}_desc-preproc_bold.json").write_text(json.dumps(sidecar))
    return folder


def test_preprocessed_bold_gives_results_in_its_space(app, fast, simulated, prepared, tmp_path):
    asked = ("--derivatives", f"prep={prepared}", "--space", "MNI152NLin2009cAsym:res-2")
    chosen = ("--participant-label", "01")
    told = app(simulated, tmp_path / "out", "participant", *asked, *chosen, *fast)
    assert told.code == 0, told.err
    out = tmp_path / "out"
    mask = nib.load(out / f"{STEM}_desc-brain_mask.nii.gz").get_fdata()
    theirs = nib.load(prepared / f"{STEM}_desc-brain_mask.nii.gz")
    np.testing.assert_array_equal(mask, theirs.get_fdata())
    series = nib.load(out / f"{STEM}_desc-synth_bold.nii.gz")
    np.testing.assert_array_equal(series.affine, theirs.affine)
    sidecar = json.loads((out / f"{STEM}_desc-synth_bold.json").read_text())
    assert sidecar["StartTime"] == pytest.approx(2.0 * sidecar["VolumeIndices"][0] + 0.95)
    assert sidecar["Sources"][0] == f"bids:prep:{STEM}_desc-preproc_bold.nii.gz"
    links = json.loads((out / "dataset_description.json").read_text())["DatasetLinks"]
    assert links["prep"] == prepared.as_uri()
    clock = json.loads((out / f"{STEM}_desc-synth_metrics.json").read_text())["clock"]
    assert clock["delay_s"] == 0.95
    assert (out / f"sub-01_{SPACE}.html").exists()
    assert issues_of(out) == []


def test_a_space_that_no_run_has_is_told_with_those_there_are(app, simulated, prepared, tmp_path):
    asked = ("--derivatives", prepared, "--space", "T1w")
    told = app(simulated, tmp_path / "out", "participant", *asked)
    assert told.code == 66
    lack, choice = "no preprocessed BOLD in T1w", "MNI152NLin2009cAsym:res-2"
    assert f"sub-01_task-rest: {lack}. Choose --space from: {choice}." in told.err
    assert "sub-02_task-rest: no preprocessed BOLD" in told.verdict


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--match", "EC=EO"), 64, "--match EC=EO: write it as eeg.task-ECON=bold.task-EC"),
        (("--match", "none.tsv"), 66, "--match none.tsv: no such file"),
        (("--eeg-from", "none"), 66, "none: no such folder. Check --eeg-from."),
        (("--derivatives", "none"), 66, "none: no such folder. Check --derivatives."),
        (("--space", "MNI/2"), 64, "--space MNI/2: write it as fMRIPrep does"),
        (("--echo", "0"), 64, "'0' is no echo; give its number, or combined"),
        (("--echo", "2", "--space", "T1w"), 64, "drop --echo or --space"),
    ],
)
def test_a_selection_that_cannot_be_is_refused_in_one_line(
    app, simulated, tmp_path, options, code, said
):
    told = app(simulated, tmp_path / "out", "participant", "--dry-run", *options)
    assert told.code == code
    assert [said in line for line in complaints(told)] == [True]
