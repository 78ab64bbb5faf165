"""Parts of a brain: what it is cut into where nothing names any, and the mean signal of each."""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.stats import rankdata

from bids_eeg2fmri.types import Parcels

_SLABS = (
    ("left lateral", "left medial", "right medial", "right lateral"),
    ("posterior", "mid-posterior", "central", "mid-anterior", "anterior"),
    ("inferior", "mid-inferior", "mid-superior", "superior"),
)
"""What the brain is cut into along each axis of the world, in the order of rising millimetres."""


def block_parcels(mask: Bool[np.ndarray, "x y z"], affine: Float64[np.ndarray, "4 4"]) -> Parcels:
    """Cut a brain into blocks named by where they lie, for want of a template or a segmentation.

    Along each axis the cuts part the brain's own voxels equally: 4 slabs from left to right, 5 from
    back to front, 4 from below, so that a block measures 2 to 4 cm and the one of a name lies
    roughly alike in all people, as in the proportional grid of Talairach & Tournoux (1988). Nothing
    is fitted to the signal. A block is a place, and no area of the cortex.

    Parameters
    ----------
    affine
        From voxel indices to millimetres, x to the right, y to the front, z up.
    """
    places = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    # Rounded, as the voxels of one plane must not differ by the last digit.
    slabs = [_slab(np.round(x, 3), len(words)) for x, words in zip(places.T, _SLABS, strict=True)]
    shape = tuple(map(len, _SLABS))
    names = [f"{x}, {y}, {z}" for x in _SLABS[0] for y in _SLABS[1] for z in _SLABS[2]]
    present, number = np.unique(np.ravel_multi_index(slabs, shape), return_inverse=True)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = number + 1
    return Parcels(
        labels,
        np.asarray(present + 1, np.int64),
        tuple(names[i] for i in present),
        f"blocks (places, no anatomical areas) that part the brain into "
        f"{'×'.join(map(str, shape))} along left–right, back–front and down–up",
    )


def _slab(x: Float64[np.ndarray, " voxels"], n: int) -> Int64[np.ndarray, " voxels"]:
    """Say in which of ``n`` slabs of as many voxels each lies; those of one plane stay together."""
    rank: Int64[np.ndarray, " voxels"] = (n * (rankdata(x) - 0.5) / len(x)).astype(np.int64)
    return rank


def voxel_counts(
    parcels: Parcels, mask: Bool[np.ndarray, "x y z"]
) -> Int64[np.ndarray, " parcels"]:
    """Count the voxels of each parcel in the mask."""
    return np.bincount(parcels.labels[mask], minlength=len(parcels.names) + 1)[1:]


def parcel_means(
    volumes: Float32[np.ndarray, "volumes x y z"],
    parcels: Parcels,
    mask: Bool[np.ndarray, "x y z"],
) -> Float64[np.ndarray, "volumes parcels"]:
    r"""Average the voxels of each parcel in the mask, :math:`\frac{1}{|P|} \sum_{v \in P} y_v(t)`.

    Parameters
    ----------
    volumes
        May be memory-mapped: one volume stands in memory at a time.

    Returns
    -------
    One series a parcel, in the unit of the volumes; NaN where it has no voxel in the mask.
    """
    inside = mask & (parcels.labels > 0)
    labels, n = parcels.labels[inside] - 1, len(parcels.names)
    sums = [np.bincount(labels, volume[inside], n) for volume in volumes]
    size = np.bincount(labels, minlength=n)
    return np.divide(sums, np.where(size, size, np.nan))
