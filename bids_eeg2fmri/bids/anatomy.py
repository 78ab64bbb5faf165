"""Find the participant's T1-weighted image and bring it to where the BOLD of a run is."""

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float64
from nibabel.affines import voxel_sizes
from nibabel.funcs import squeeze_image

from bids_eeg2fmri.bids.contents import fetched
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.sidecars import entities_of
from bids_eeg2fmri.errors import DataWarning
from bids_eeg2fmri.types import Anatomy

FINEST = 1.2
"""Size of voxels in millimetres below which the image gains nothing more on a page."""
COVERED = 0.9
"""Share of the brain in which the image must have a signal."""


def find_t1w(run: RunFiles) -> Path | None:
    """Find a T1-weighted image in the space of the run; none in a space of which there is none.

    Where the BOLD is raw, that of the run's own session before others.
    """
    return next(iter(fetched(_candidates(run))), None)


def _candidates(run: RunFiles) -> list[Path]:
    participant = f"sub-{run.participant}"
    if "space" in run.space:
        images = "**/anat/*_desc-preproc_T1w.nii*"
        found = [x for home in run.pipelines for x in sorted((home / participant).glob(images))]
        space = run.space["space"]  # that of the image itself is not in its name
        return [path for path in found if entities_of(path).get("space", "T1w") == space]
    own = sorted((run.scan.parents[1] / "anat").glob("*_T1w.nii*"))
    return own or sorted((run.root / participant).glob("**/anat/*_T1w.nii*"))


def read_anatomy(
    run: RunFiles, mask: Bool[np.ndarray, "x y z"], affine: Float64[np.ndarray, "4 4"]
) -> Anatomy | None:
    """Bring the T1-weighted image to the grid of a run, each voxel cut into finer ones.

    By their coordinates alone: nothing is registered. None where there is no such image, or the
    series says that it is in a space and no pipeline told the same; one that cannot be used is
    named in a warning.

    Parameters
    ----------
    mask, affine
        Brain mask of the run, and its affine in millimetres.
    """
    from bids_eeg2fmri.bids.parcels import space_of  # nilearn takes seconds

    path = find_t1w(run)
    if path is None:
        for one in _candidates(run)[:1]:
            _leave_aside(run, one, "is a link without content (datalad get)")
        return None
    if not run.space and space_of(run.bold) is not None:
        return None
    try:
        image = squeeze_image(nib.load(path))
        if image.ndim != 3:
            _leave_aside(run, path, f"has {image.ndim} axes instead of 3")
            return None
        data, fine_affine = _resample(image, mask.shape, affine)
    except Exception as error:  # whatever nibabel and gzip stumble over
        _leave_aside(run, path, f"cannot be read ({type(error).__name__}: {error})")
        return None
    fine = data.shape[0] // mask.shape[0]
    covered = float(np.mean(data[np.kron(mask, np.ones((fine,) * 3, bool))] > 0))
    if covered < COVERED:
        _leave_aside(run, path, f"covers {covered:.0%} of the brain of the BOLD")
        return None
    coordinates = "its pipeline's" if run.space else "the scanner's"
    origin = f"{path.name}, by {coordinates} coordinates and without registration"
    return Anatomy(data, fine_affine, origin)


def _resample(
    image: nib.Nifti1Image, shape: tuple[int, ...], affine: Float64[np.ndarray, "4 4"]
) -> tuple[np.ndarray, Float64[np.ndarray, "4 4"]]:
    """Lay an image on a grid whose voxels are cut into finer ones."""
    from nilearn.image import resample_img

    fine = max(1, round(float(voxel_sizes(affine).min()) / FINEST))
    cut = np.diag([1 / fine, 1 / fine, 1 / fine, 1.0])
    cut[:3, 3] = (1 / fine - 1) / 2  # the centre of the first piece, in voxels
    fine_affine = affine @ cut
    resampled = resample_img(
        image,
        fine_affine,
        tuple(fine * n for n in shape),
        force_resample=True,
        copy_header=True,
    )
    return resampled.get_fdata(dtype=np.float32), fine_affine


def _leave_aside(run: RunFiles, path: Path, why: str) -> None:
    what = f"{run.name}: {path.name} {why}"
    warnings.warn(f"{what}; maps are laid over the mean volume instead.", DataWarning, stacklevel=3)
