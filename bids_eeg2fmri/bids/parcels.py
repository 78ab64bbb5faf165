"""Find the parcels of a run: an atlas, the participant's own segmentation, or spheres.

Nothing is registered here. Whether an atlas lies in the space of a series is told by what both say
of themselves and by how far atlas and brain overlap. The latter finds only what is grossly wrong:
an atlas of a template overlaps with most of any brain.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float64, Int32
from nibabel.affines import apply_affine, voxel_sizes
from nilearn import datasets
from nilearn.image import resample_img
from scipy.spatial import KDTree

from bids_eeg2fmri.bids.atlas import Atlas, read_atlas, shorten
from bids_eeg2fmri.bids.guard import warn
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.references import cite
from bids_eeg2fmri.bids.segmentation import read_segmentation
from bids_eeg2fmri.bids.sidecars import entities_of
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.types import Parcels

RADIUS = 5.0
"""Of a sphere, in millimetres; the authors' table names none."""
LEAST = 0.5
"""Share of the atlas in the brain, or of the brain in the atlas: one of the two must reach it."""
SAME = 1e-3
"""Difference up to which two affines are the same, in millimetres."""
_SPACE_CODES = {3: "Talairach", 4: "MNI"}


def read_parcels(
    image: Path,
    table: Path | None,
    run: RunFiles,
    mask: Bool[np.ndarray, "x y z"],
    affine: Float64[np.ndarray, "4 4"],
) -> Parcels:
    """Read an atlas and bring it to the grid of a run, by nearest neighbour where it has another.

    Parameters
    ----------
    image, table
        See ``atlas.read_atlas``.
    run
        Whose BOLD series it is to fit.
    mask, affine
        Brain mask of that series, and its affine in millimetres.

    Raises
    ------
    MissingInputError
        A file does not exist.
    DataError
        The image or its table cannot be used, or the atlas is in another space than the series.
    """
    atlas = read_atlas(image, table)
    if not _on_grid(atlas, mask, affine):
        _check_space(image, run)
    return to_grid(atlas, run, mask, affine)


def find_parcels(
    run: RunFiles, mask: Bool[np.ndarray, "x y z"], affine: Float64[np.ndarray, "4 4"]
) -> Parcels | None:
    """Find the parcels of a run for which no atlas is given.

    The participant's own segmentation, where fMRIPrep has left one below the dataset's
    ``derivatives`` folder together with the coregistration of this run; else the spheres of
    Dosenbach et al. (2010), where the series says that it is in MNI space and its voxels are not
    larger than ``RADIUS``, so that hardly a sphere falls between them; else none.
    """
    segmentation = _segmentation_parcels(run, mask, affine)
    if segmentation is None and _in_mni(run) and voxel_sizes(affine).max() <= RADIUS:
        return sphere_parcels(run, mask, affine)
    return segmentation


def sphere_parcels(
    run: RunFiles, mask: Bool[np.ndarray, "x y z"], affine: Float64[np.ndarray, "4 4"]
) -> Parcels:
    """Draw the spheres of Dosenbach et al. (2010), which nilearn ships, into a brain in MNI space.

    A voxel belongs to the nearest centre, so that spheres never overlap.
    """
    found = datasets.fetch_coords_dosenbach_2010()
    networks = zip(found.networks, found.labels, strict=True)
    names = tuple(f"{network}: {label}" for network, label in networks)
    places = apply_affine(affine, np.argwhere(mask))
    distance, nearest = KDTree(found.rois[["x", "y", "z"]].to_numpy(np.float64)).query(places)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.where(distance <= RADIUS, nearest + 1, 0)
    origin = (
        f"{len(names)} spheres of {RADIUS:g} mm radius in MNI space ({cite('dosenbach2010')}) from "
        f"Nilearn ({cite('abraham2014')})"
    )
    parcels = Parcels(labels, np.arange(1, len(names) + 1), names, origin)
    _tell_empty(parcels, "the spheres dosenbach", run, mask)
    return parcels


def to_grid(
    atlas: Atlas,
    run: RunFiles,
    mask: Bool[np.ndarray, "x y z"],
    affine: Float64[np.ndarray, "4 4"],
) -> Parcels:
    """Bring an atlas to the grid of a run; warn of parcels without a voxel in its brain.

    Raises
    ------
    DataError
        Neither ``LEAST`` of the atlas lies in the brain, as it does of a few regions, nor ``LEAST``
        of the brain in the atlas, as it does of a few slices.
    """
    labels, origin = atlas.labels, atlas.name
    if not _on_grid(atlas, mask, affine):
        labels = _resample(atlas, mask.shape, affine)
        origin += ", brought to the grid of the BOLD by nearest neighbour"
    inside, covered = _share_inside(atlas, mask, affine), float(np.mean(labels[mask] > 0))
    shares = f"{100 * inside:.0f} % of it in the brain, {100 * covered:.0f} % of the brain in it"
    if max(inside, covered) < LEAST:
        raise DataError(
            f"{atlas.name}: in another space than the BOLD of {run.name}: {shares}. "
            "Warp it to the space of this BOLD first."
        )
    parcels = Parcels(labels, atlas.index, atlas.parcels, f"{origin}; {shares}")
    _tell_empty(parcels, atlas.name, run, mask)
    return parcels


def space_of(path: Path) -> str | None:
    """Tell the space that an image says it is in.

    Returns
    -------
    The label of ``space`` or ``tpl`` in its name, else ``MNI`` or ``Talairach`` where its header
    carries the code of one; none where it says nothing, as raw series do.
    """
    entities = entities_of(path)
    named = entities.get("space") or entities.get("tpl")
    if named:
        return named
    header = nib.load(path).header
    return _SPACE_CODES.get(int(header["sform_code"]) or int(header["qform_code"]))


def _in_mni(run: RunFiles) -> bool:
    return (space_of(run.bold) or "").startswith("MNI")


def _check_space(image: Path, run: RunFiles) -> None:
    """Compare what the atlas and the series say of their spaces."""
    theirs, ours = space_of(image), space_of(run.bold)
    if theirs is None:
        warn(run, f"{image.name} names no space and is taken to be in that of the BOLD")
    elif theirs == ours:
        return
    elif ours and theirs.startswith("MNI") and ours.startswith("MNI"):
        warn(run, f"{image.name} is in {theirs} and the BOLD in {ours}, some millimetres apart")
    else:
        raise DataError(
            f"{image}: in the space {theirs}, but {run.relative(run.bold)} is in "
            f"{ours or 'its own'}. Warp the atlas to the grid of this BOLD, or give BOLD that was "
            "brought to that space."
        )


def _segmentation_parcels(
    run: RunFiles, mask: Bool[np.ndarray, "x y z"], affine: Float64[np.ndarray, "4 4"]
) -> Parcels | None:
    """Bring the segmentation to the run; one that cannot be used is left aside with a warning."""
    try:
        atlas = read_segmentation(run)
        return to_grid(atlas, run, mask, affine) if atlas else None
    except DataError as error:
        warn(run, f"the segmentation of fMRIPrep is left aside: {str(error).rstrip('.')}")
        return None


def _on_grid(
    atlas: Atlas, mask: Bool[np.ndarray, "x y z"], affine: Float64[np.ndarray, "4 4"]
) -> bool:
    same_shape = atlas.labels.shape == mask.shape
    return same_shape and np.allclose(atlas.affine, affine, rtol=0, atol=SAME)


def _resample(
    atlas: Atlas, shape: tuple[int, ...], affine: Float64[np.ndarray, "4 4"]
) -> Int32[np.ndarray, "x y z"]:
    resampled = resample_img(
        nib.Nifti1Image(atlas.labels, atlas.affine),
        affine,
        shape,
        interpolation="nearest",
        force_resample=True,
        copy_header=True,
    )
    return np.asarray(resampled.dataobj, np.int32)


def _share_inside(
    atlas: Atlas, mask: Bool[np.ndarray, "x y z"], affine: Float64[np.ndarray, "4 4"]
) -> float:
    """Share of the atlas's labelled voxels whose centre lies in a voxel of the mask."""
    to_voxels = np.linalg.inv(affine) @ atlas.affine
    places = apply_affine(to_voxels, np.argwhere(atlas.labels))
    at = np.rint(places).astype(int)
    at = at[((at >= 0) & (at < mask.shape)).all(axis=1)]
    return np.count_nonzero(mask[tuple(at.T)]) / len(places)


def _tell_empty(
    parcels: Parcels, atlas: str, run: RunFiles, mask: Bool[np.ndarray, "x y z"]
) -> None:
    """Warn of parcels that have no voxel in the brain, and so will have no score."""
    present = np.isin(np.arange(1, len(parcels.names) + 1), parcels.labels[mask])
    empty = [name for name, there in zip(parcels.names, present, strict=True) if not there]
    if empty:
        warn(
            run,
            f"{len(empty)} of {len(present)} parcels of {atlas} have no voxel in the brain mask "
            f"and no score: {shorten(empty)}",
        )
