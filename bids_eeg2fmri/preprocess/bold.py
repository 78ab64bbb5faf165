"""Bring BOLD volumes to the model's grid and back, and tell the brain from what surrounds it."""

import warnings
from collections.abc import Sequence
from functools import cache
from math import prod

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.fft import dct
from scipy.ndimage import binary_fill_holes
from skimage.filters import threshold_isodata
from skimage.measure import label
from skimage.morphology import closing

from bids_eeg2fmri.config import GridConfig
from bids_eeg2fmri.errors import BOLDError, DataWarning
from bids_eeg2fmri.types import BOLD, Grid, Pairs


def resize_matrix(n_in: int, n_out: int) -> Float64[np.ndarray, "n_out n_in"]:
    r"""Return the matrix that resizes one axis: DCT-II, crop or zero-pad, DCT-III (§4.2).

    .. math:: \sqrt{n_{out} / n_{in}}\, C_{n_{out}}^\top C_{n_{in}}

    with the lowest coefficients that both have, where :math:`C_n` is the orthonormal DCT-II. The
    factor, of which the paper says nothing, keeps intensities: a constant stays what it is.
    """
    n = min(n_in, n_out)
    forward, inverse = (dct(np.eye(m), axis=0, norm="ortho")[:n] for m in (n_in, n_out))
    matrix: Float64[np.ndarray, "n_out n_in"] = np.sqrt(n_out / n_in) * inverse.T @ forward
    return matrix


def resize(
    volumes: Float32[np.ndarray, "*batch x y z"], shape: Grid
) -> Float32[np.ndarray, "*batch i j k"]:
    """Resize volumes by the discrete cosine transform, §4.2 of Calhas & Henriques 2022.

    The transform is separable, so that three matrix products a volume do what
    ``scipy.fft.idctn`` of a cropped or padded ``dctn`` does.
    """
    *batch, nx, ny, nz = volumes.shape
    if shape == (nx, ny, nz):
        return volumes
    matrices = [_single(*n) for n in zip((nx, ny, nz), shape, strict=True)]
    out = np.empty((prod(batch), *shape), dtype=np.float32)
    for i, volume in enumerate(volumes.reshape(-1, nx, ny, nz)):
        out[i] = _resize_volume(volume, *matrices)
    return out.reshape(*batch, *shape)


@cache
def _single(n_in: int, n_out: int) -> Float32[np.ndarray, "n_out n_in"]:
    """Keep matrices of single precision: to make one takes as long as to use it."""
    matrix = resize_matrix(n_in, n_out).astype(np.float32)
    matrix.flags.writeable = False
    return matrix


def model_grid(shapes: Sequence[Grid], cfg: GridConfig) -> Grid:
    """Choose the grid that all runs are brought to, from their native ones.

    The smallest extent along each axis; if that still has more voxels than ``cfg.largest``, what
    fits into the latter. Nothing is enlarged.
    """
    if cfg.shape is not None:
        return cfg.shape
    nx, ny, nz = (min(extents) for extents in zip(*shapes, strict=True))
    if nx * ny * nz <= prod(cfg.largest):
        return nx, ny, nz
    return min(nx, cfg.largest[0]), min(ny, cfg.largest[1]), min(nz, cfg.largest[2])


def brain_mask(bold: BOLD) -> Bool[np.ndarray, "x y z"]:
    """Find the voxels of the brain: bright, connected, and not constant in time.

    The temporal mean is cut half way between the means of both sides (Ridler & Calvard 1978), gaps
    are closed, and the largest connected part is kept.

    Raises
    ------
    BOLDError
        If no voxel is left, e.g. as the series is constant.
    """
    mean, variance = temporal_moments(bold.data)
    alive = np.isfinite(variance) & (variance > 0)
    if not alive.any():
        raise BOLDError(
            "no voxel of the BOLD series changes from volume to volume; "
            "check the file, or leave the run out"
        )
    # A few bright voxels, of vessels or eyes, would pull the threshold up.
    clipped = np.where(alive, mean, 0).clip(0, np.percentile(mean[alive], 98))
    bright = clipped > threshold_isodata(clipped) if np.ptp(clipped) > 0 else alive
    closed = closing(bright, np.ones((3, 3, 3), dtype=bool))
    parts = label(closed, connectivity=1)
    largest = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    filled = binary_fill_holes(largest)
    if not alive[filled].all():
        warnings.warn(
            f"{np.count_nonzero(~alive[filled])} voxels inside the brain never change; they are "
            "left out of its mask, and so of the scores",
            DataWarning,
            stacklevel=2,
        )
    mask: Bool[np.ndarray, "x y z"] = filled & alive
    return mask


def grid_mask(pairs: Pairs) -> Bool[np.ndarray, "x y z"]:
    """Bring the brain mask of a run to the model's grid: voxels that are mostly brain."""
    share = resize(pairs.mask.astype(np.float32), pairs.bold.shape[1:])
    return np.asarray(share > 0.5)


def training_brain(
    pairs: Sequence[Pairs], index: Sequence[Int64[np.ndarray, " _"]]
) -> Bool[np.ndarray, "x y z"]:
    """Find the voxels of the model's grid that are brain in some run with training pairs."""
    masks = [grid_mask(p) for p, those in zip(pairs, index, strict=True) if len(those)]
    return np.asarray(np.any(masks, axis=0))


def _resize_volume(
    volume: Float32[np.ndarray, "x y z"],
    rx: Float32[np.ndarray, "i x"],
    ry: Float32[np.ndarray, "j y"],
    rz: Float32[np.ndarray, "k z"],
) -> Float32[np.ndarray, "i j k"]:
    if not volume.flags.c_contiguous and volume.flags.f_contiguous:
        # NIfTI stores x fastest; the other way round needs no copy.
        return _resize_volume(volume.T, rz, ry, rx).T
    nx, ny, nz = volume.shape
    # Of the outer axes, the one that shrinks more comes first, which leaves less for the others.
    if len(rx) * nz < len(rz) * nx:
        volume = (rx @ volume.reshape(nx, -1)).reshape(-1, nz) @ rz.T
    else:
        volume = rx @ (volume.reshape(-1, nz) @ rz.T).reshape(nx, -1)
    resized: Float32[np.ndarray, "i j k"] = ry @ volume.reshape(len(rx), ny, len(rz))
    return resized


def temporal_moments(
    data: Float32[np.ndarray, "x y z volumes"],
) -> tuple[Float64[np.ndarray, "x y z"], Float64[np.ndarray, "x y z"]]:
    """Mean and variance over volumes, one volume in memory at a time."""
    first = data[..., 0].astype(np.float64)
    total, squares = np.zeros_like(first), np.zeros_like(first)
    for v in range(data.shape[3]):
        away = data[..., v] - first  # from the first volume, as intensities dwarf their changes
        total += away
        squares += away**2
    mean = total / data.shape[3]
    return first + mean, squares / data.shape[3] - mean**2
