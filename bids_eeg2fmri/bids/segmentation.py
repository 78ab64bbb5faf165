"""Where fMRIPrep has segmented a participant's brain, and how a BOLD series lies to it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from bids_eeg2fmri.bids.atlas import Atlas, read_atlas
from bids_eeg2fmri.bids.contents import fetched
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.sidecars import entities_of
from bids_eeg2fmri.errors import DataError

_SEGMENTATIONS = ("desc-aparcaseg_dseg", "desc-aseg_dseg")
"""FreeSurfer's, with areas of the cortex and without."""


def read_segmentation(run: RunFiles) -> Atlas | None:
    """Read FreeSurfer's segmentation of the participant, laid on the series of this run.

    From what fMRIPrep leaves in its folder: for a preprocessed series the segmentation beside it,
    else that of the T1-weighted image, and the coregistration of the series to it. None where one
    is missing.

    Raises
    ------
    DataError
        One of the files cannot be used.

    Notes
    -----
    The coregistration is that of fMRIPrep's reference volume. Where it has corrected distortions,
    the raw series still has them.
    """
    found = find_segmentation(run)
    if found is None:
        return None
    image, *tables = (path for path in found if path.suffix != ".txt")
    atlas = read_atlas(image, *tables)
    name = f"FreeSurfer's segmentation ({entities_of(image)['desc']}) by fMRIPrep"
    transform = next((read_transform(path) for path in found if path.suffix == ".txt"), np.eye(4))
    return replace(atlas, name=name, affine=transform @ atlas.affine)


def read_transform(path: Path) -> Float64[np.ndarray, "4 4"]:
    r"""Read an affine transform that ITK wrote as text, :math:`x \mapsto A (x - c) + c + t`.

    It maps points of the image that is resampled to onto points of the one that is resampled:
    ``from-boldref_to-T1w`` those of the T1-weighted image onto those of the BOLD reference. ITK's
    axes run to the left and the back; here they are NIfTI's, to the right and the front.

    Raises
    ------
    DataError
        It is not one affine transform.
    """
    text = path.read_text(errors="replace")
    lines = re.findall(r"^(Parameters|FixedParameters): ([-+.\de ]+)$", text, re.MULTILINE)
    numbers = {key: np.array(values.split(), np.float64) for key, values in lines}
    sizes = {key: len(values) for key, values in numbers.items()}
    if len(lines) != 2 or sizes != {"Parameters": 12, "FixedParameters": 3}:
        raise DataError(f"{path}: not one affine transform of ITK. Run fMRIPrep again.")
    matrix, shift = numbers["Parameters"][:9].reshape(3, 3), numbers["Parameters"][9:]
    centre = numbers["FixedParameters"]
    transform = np.eye(4)
    transform[:3, :3], transform[:3, 3] = matrix, shift + centre - matrix @ centre
    flip = np.diag([-1.0, -1, 1, 1])
    return np.asarray(flip @ transform @ flip)


def find_segmentation(run: RunFiles) -> tuple[Path, ...] | None:
    """Find a segmentation that fits the run, its coregistration if it needs one, and its table."""
    if run.space:
        found = _beside(run)
    else:
        func = run.scan.parent.relative_to(run.root)
        coregistration = f"{run.stem}_from-*_to-T1w_mode-image*_xfm.txt"
        transforms = (
            x for home in run.pipelines for x in sorted((home / func).glob(coregistration))
        )
        found = next(filter(None, (_of_t1w(run, x) for x in fetched(transforms))), None)
    if found is None:
        return None
    tables = fetched(run.sidecars(found[0], "dseg", ".tsv"))  # fMRIPrep: at its top
    return *found, *tables[-1:]


def _beside(run: RunFiles) -> tuple[Path, ...] | None:
    """Find the segmentation that was resampled to a preprocessed series."""
    for ending in _SEGMENTATIONS:
        image = run.bold.with_name(run.bold.name.replace("desc-preproc_bold", ending))
        if fetched([image]) and image.exists():
            return (image,)
    return None


def _of_t1w(run: RunFiles, transform: Path) -> tuple[Path, ...] | None:
    """Find the segmentation of the T1-weighted image to which a coregistration leads."""
    # Of several sessions fMRIPrep makes one image, beside the sessions.
    for anat in (transform.parents[1] / "anat", transform.parents[2] / "anat"):
        for ending in _SEGMENTATIONS:
            images = fetched(sorted(anat.glob(f"sub-{run.participant}_*{ending}.nii.gz")))
            native = [image for image in images if "space" not in entities_of(image)]
            if native:
                return native[0], transform
    return None
