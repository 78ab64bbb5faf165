"""BOLD that fMRIPrep has preprocessed, and what it leaves beside it."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_eeg2fmri.bids.anatomy import find_t1w
from bids_eeg2fmri.bids.bold import bold_delay, bold_metadata, read_bold_header, read_mask
from bids_eeg2fmri.bids.confounds import find_confounds, read_motion
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.segmentation import find_segmentation, read_segmentation
from bids_eeg2fmri.bids.selection import Derivative, Selection, parse_derivative, parse_space
from bids_eeg2fmri.errors import BOLDError, DataWarning, MissingInputError, UsageError
from bids_eeg2fmri.types import BOLD

NAME = "sub-01_task-rest_run-01"
MNI = "space-MNI152NLin2009cAsym"
SHAPE, AFFINE = (5, 6, 4), np.diag([4.0, 4, 4, 1])


@pytest.fixture
def raw(dataset):
    """One run, and none of its derivatives."""
    dataset.eeg(NAME)
    dataset.bold(NAME)
    return dataset


@pytest.fixture
def fmriprep(raw):
    """Its output in three spaces, one of them at two resolutions."""
    folder = raw.root / "derivatives/fmriprep"
    for where in ("", f"_{MNI}", f"_{MNI}_res-2", "_space-T1w"):
        prep(raw, folder, where)
    return folder


def prep(dataset, folder, where, sidecar=None, name=NAME):
    """Write a preprocessed series, its mask and its sidecar."""
    stem = folder / "sub-01/func" / f"{name}{where}"
    stem.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(0).normal(100, 5, (*SHAPE, 20)).astype(np.float32)
    image = nib.Nifti1Image(data, AFFINE)
    image.header.set_zooms((4, 4, 4, 2))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, f"{stem}_desc-preproc_bold.nii.gz")
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:4, 1:4] = 1
    nib.save(nib.Nifti1Image(mask, AFFINE), f"{stem}_desc-brain_mask.nii.gz")
    dataset.json(f"{stem}_desc-preproc_bold.json", sidecar or {"RepetitionTime": 2.0})


def found(dataset, space, *derivatives):
    selection = Selection(space=parse_space(space), derivatives=derivatives)
    return find_runs(dataset.root, selection)


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ("T1w", "_space-T1w"),
        ("space-T1w", "_space-T1w"),
        (MNI[6:], f"_{MNI}"),
        (f"{MNI[6:]}:res-2", f"_{MNI}_res-2"),
        ("func", ""),
    ],
)
def test_the_series_of_the_asked_space_is_taken_with_its_mask(raw, fmriprep, asked, where):
    (run,), refusals = found(raw, asked)
    stem = f"{fmriprep}/sub-01/func/{NAME}{where}"
    assert str(run.bold) == f"{stem}_desc-preproc_bold.nii.gz"
    assert str(run.mask) == f"{stem}_desc-brain_mask.nii.gz"
    assert (run.name, run.stem, run.scan.name) == (f"{NAME}{where}", NAME, f"{NAME}_bold.nii.gz")
    assert {run.bold, run.mask, run.bold.with_suffix("").with_suffix(".json")} < {*run.files()}
    assert refusals == []
    assert read_bold_header(run) == ((*SHAPE, 20), 2.0)


def test_a_space_at_one_resolution_needs_no_resolution(raw):
    folder = raw.root / "derivatives/fmriprep"
    prep(raw, folder, f"_{MNI}_res-2")
    (run,), _ = found(raw, MNI[6:])
    assert run.entities["res"] == "2"
    prep(raw, folder, f"_{MNI}_res-1")
    _, (refusal,) = found(raw, MNI[6:])
    assert f"several resolutions of {MNI[6:]}. Choose --space from: " in refusal.reason


def test_a_space_that_is_not_there_is_refused_with_those_that_are(raw, fmriprep):
    _, (refusal,) = found(raw, "MNI152Lin")
    assert refusal.reason == (
        f"{NAME}: no preprocessed BOLD in MNI152Lin. Choose --space from: "
        f"{MNI[6:]}, {MNI[6:]}:res-2, T1w, func."
    )
    assert isinstance(refusal.error, MissingInputError)


def test_a_run_that_was_never_preprocessed_is_refused(raw):
    _, (refusal,) = found(raw, "T1w")
    assert f"no preprocessed BOLD, {NAME}_…_desc-preproc_bold.nii.gz" in refusal.reason


def test_raw_bold_need_not_be_fetched_where_preprocessed_bold_is_there(raw, fmriprep):
    file = raw.root / f"sub-01/func/{NAME}_bold.nii.gz"
    file.unlink()
    os.symlink("../../.git/annex/objects/x", file)
    assert len(found(raw, "T1w")[0]) == 1
    file = fmriprep / f"sub-01/func/{NAME}_space-T1w_desc-brain_mask.nii.gz"
    file.unlink()
    os.symlink("../../.git/annex/objects/x", file)
    _, (refusal,) = found(raw, "T1w")
    assert f"{file.relative_to(raw.root)}: a link without content" in refusal.reason


def test_the_first_named_pipeline_serves_and_may_lie_elsewhere(raw, fmriprep, tmp_path):
    other = tmp_path / "elsewhere"
    prep(raw, other, "_space-T1w", {"RepetitionTime": 2.0, "StartTime": 0.9})
    (run,), _ = found(raw, "T1w", Derivative("other", other))
    assert run.uri(run.bold) == f"bids:other:sub-01/func/{run.bold.name}"
    assert run.uri(run.eeg) == f"bids:raw:sub-01/eeg/{NAME}_eeg.vhdr"
    assert run.relative(run.bold) == run.bold.as_posix()
    assert bold_metadata(run)["StartTime"] == 0.9


def test_the_raw_sidecar_holds_on_where_the_pipeline_says_nothing(raw):
    prep(raw, raw.root / "derivatives/fmriprep", "_space-T1w", {"SkullStripped": False})
    raw.json("task-rest_bold.json", {"RepetitionTime": 9, "EchoTime": 0.03})
    (run,), _ = found(raw, "T1w")
    metadata = bold_metadata(run)
    assert (metadata["RepetitionTime"], metadata["EchoTime"]) == (2.0, 0.03)
    assert metadata["SkullStripped"] is False


@pytest.mark.parametrize(
    ("sidecar", "delay"),
    [
        ({"SliceTimingCorrected": True, "StartTime": 0.98}, 0.98),
        ({"SliceTimingCorrected": True}, 0.0),
        ({"SliceTimingCorrected": False, "StartTime": 0.98}, 0.0),
        ({"SliceTimingCorrected": True, "StartTime": "0.98"}, 0.0),
    ],
)
def test_volumes_stand_for_the_time_to_which_slices_were_brought(raw, sidecar, delay):
    prep(raw, raw.root / "derivatives/fmriprep", "", sidecar)
    (run,), _ = found(raw, "func")
    assert bold_delay(run) == delay
    assert bold_delay(find_runs(raw.root, Selection())[0][0]) == 0.0


def test_the_mask_is_read_and_must_fit(raw, fmriprep):
    (run,), _ = found(raw, "T1w")
    bold = BOLD(np.ones((*SHAPE, 20), np.float32), 2.0, AFFINE)
    assert read_mask(run, bold).sum() == 3 * 3 * 4
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE), run.mask)
    with pytest.raises(BOLDError, match=r"desc-brain_mask\.nii\.gz: empty"):
        read_mask(run, bold)
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), 2 * AFFINE), run.mask)
    with pytest.raises(BOLDError, match="on another grid than the BOLD"):
        read_mask(run, bold)


def test_a_missing_mask_is_told(raw, fmriprep):
    (fmriprep / f"sub-01/func/{NAME}_space-T1w_desc-brain_mask.nii.gz").unlink()
    with pytest.warns(DataWarning, match="desc-brain_mask.nii.gz beside it; the brain is found"):
        (run,), _ = found(raw, "T1w")
    assert run.mask is None


def test_confounds_are_those_of_the_run_in_every_space_and_of_the_named_pipeline(raw, fmriprep):
    header = "\t".join(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")
    rows = "\n".join("\t".join("0" * 6) for _ in range(20))
    table = raw.text(
        f"derivatives/fmriprep/sub-01/func/{NAME}_desc-confounds_timeseries.tsv",
        f"{header}\n{rows}\n",
    )
    for selection in (Selection(), Selection(space=parse_space("T1w"))):
        (run,), _ = find_runs(raw.root, selection)
        assert find_confounds(run) == table
        assert read_motion(run, 20).shape == (20, 6)
    table.unlink()
    os.symlink("../x", table)
    with pytest.warns(DataWarning, match=r"timeseries.tsv: a link without content .datalad get."):
        assert read_motion(run, 20) is None
    table.unlink()
    table.write_text("")
    with pytest.warns(DataWarning, match="head motion is left aside"):
        assert read_motion(run, 20) is None


def test_the_segmentation_beside_a_preprocessed_series_lies_on_its_grid(raw, fmriprep):
    labels = np.zeros(SHAPE, np.int16)
    labels[1:3], labels[3:] = 17, 53
    image = fmriprep / f"sub-01/func/{NAME}_{MNI}_desc-aparcaseg_dseg.nii.gz"
    nib.save(nib.Nifti1Image(labels, AFFINE), image)
    table = raw.text(
        "derivatives/fmriprep/desc-aparcaseg_dseg.tsv",
        "index\tname\n17\tLeft-Hippocampus\n53\tRight-Hippocampus\n",
    )
    (run,), _ = found(raw, MNI[6:])
    assert find_segmentation(run) == (image, table)
    atlas = read_segmentation(run)
    assert atlas.parcels == ("Left-Hippocampus", "Right-Hippocampus")
    np.testing.assert_array_equal(atlas.affine, AFFINE)
    assert find_segmentation(found(raw, "T1w")[0][0]) is None


def test_maps_are_laid_over_the_t1w_image_of_their_space(raw, fmriprep):
    own = raw.text("derivatives/fmriprep/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz", "x")
    name = f"derivatives/fmriprep/sub-01/anat/sub-01_{MNI}_desc-preproc_T1w.nii.gz"
    template = raw.text(name, "x")
    scanned = raw.text("sub-01/anat/sub-01_T1w.nii.gz", "x")
    images = {"T1w": own, MNI[6:]: template, "func": scanned}
    for space, image in images.items():
        assert find_t1w(found(raw, space)[0][0]) == image


@pytest.mark.parametrize("text", ["", "MNI:res", "MNI:res-", "a b", "MNI/2"])
def test_a_space_that_is_not_written_like_one_is_a_usage_error(text):
    with pytest.raises(UsageError, match="write it as fMRIPrep does"):
        parse_space(text)


def test_a_pipeline_is_called_as_the_user_says_or_after_its_folder(tmp_path):
    folder = tmp_path / "fmriprep-23.2"
    folder.mkdir()
    assert parse_derivative(str(folder)) == Derivative("fmriprep232", folder)
    assert parse_derivative(f"prep={folder}") == Derivative("prep", folder)
    with pytest.raises(UsageError, match="other than raw"):
        parse_derivative(f"raw={folder}")
    with pytest.raises(MissingInputError, match=r"no such folder\. Check --derivatives"):
        parse_derivative(f"{Path(folder)}/x")
