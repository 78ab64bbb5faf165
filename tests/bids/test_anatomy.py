from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_eeg2fmri.bids.anatomy import find_t1w, read_anatomy
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.errors import DataWarning

MASK = np.zeros((8, 9, 7), bool)
MASK[2:6, 2:7, 2:5] = True
AFFINE = np.array([[3.0, 0, 0, -10], [0, 3, 0, -12], [0, 0, 4, -9], [0, 0, 0, 1]])
FINE = np.diag([1.0, 1, 1, 1])
FINE[:3, 3] = AFFINE[:3, 3] - 5


def save(path: Path, data: np.ndarray, affine: np.ndarray, code: str = "scanner") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data.astype(np.float32), affine)
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    nib.save(image, path)
    return path


@pytest.fixture
def run(tmp_path):
    """Give a run in a session of its own, in the scanner's space."""
    bold = save(tmp_path / "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz", MASK, AFFINE)
    entities = {"sub": "01", "ses": "1", "task": "rest"}
    return RunFiles(tmp_path, "01", "1", "rest", None, entities, bold, bold)


def ramp() -> np.ndarray:
    """Rise along each axis, in millimetres and not in voxels."""
    i, j, k = np.indices((40, 42, 44))
    return 100 + i + 2 * j + 3 * k


def test_an_image_is_laid_where_the_scanner_saw_it(run):
    save(run.root / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", ramp(), FINE)
    anatomy = read_anatomy(run, MASK, AFFINE)
    fine = anatomy.data.shape[0] // MASK.shape[0]
    assert anatomy.data.shape == tuple(fine * n for n in MASK.shape)
    at = np.argwhere(np.kron(MASK, np.ones((fine,) * 3)))
    millimetres = at @ anatomy.affine[:3, :3].T + anatomy.affine[:3, 3]
    expected = 100 + (millimetres - FINE[:3, 3]) @ [1, 2, 3]
    np.testing.assert_allclose(anatomy.data[tuple(at.T)], expected, rtol=1e-5)
    assert "sub-01_ses-1_T1w.nii.gz" in anatomy.origin
    assert "without registration" in anatomy.origin


def test_the_image_of_the_own_session_comes_first(run):
    other = save(run.root / "sub-01/ses-0/anat/sub-01_ses-0_T1w.nii.gz", ramp(), FINE)
    assert find_t1w(run) == other
    own = save(run.root / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", ramp(), FINE)
    assert find_t1w(run) == own


def test_without_an_image_there_is_no_anatomy(run):
    assert find_t1w(run) is None
    assert read_anatomy(run, MASK, AFFINE) is None


def test_a_run_in_a_template_space_is_not_laid_over_a_native_image(run):
    save(run.root / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", ramp(), FINE)
    save(run.bold, MASK, AFFINE, "mni")
    assert read_anatomy(run, MASK, AFFINE) is None


def test_an_image_of_another_place_is_left_aside(run):
    away = FINE + np.array([[0, 0, 0, 15.0]] + 3 * [[0] * 4])
    save(run.root / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", ramp(), away)
    with pytest.warns(DataWarning, match="of the brain of the BOLD; maps are laid over the mean"):
        assert read_anatomy(run, MASK, AFFINE) is None


def test_an_image_that_cannot_be_read_is_left_aside(run):
    path = save(run.root / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", ramp(), FINE)
    path.write_bytes(b"no gzip")
    with pytest.warns(DataWarning, match=r"T1w.nii.gz cannot be read"):
        assert read_anatomy(run, MASK, AFFINE) is None


def test_a_lone_volume_on_a_fourth_axis_is_an_image(run):
    save(run.root / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", ramp()[..., None], FINE)
    assert read_anatomy(run, MASK, AFFINE).data.ndim == 3


def test_a_series_in_the_place_of_an_image_is_left_aside(run):
    two = np.stack([ramp(), ramp()], axis=3)
    save(run.root / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", two, FINE)
    with pytest.warns(DataWarning, match="has 4 axes instead of 3; maps are laid over the mean"):
        assert read_anatomy(run, MASK, AFFINE) is None
