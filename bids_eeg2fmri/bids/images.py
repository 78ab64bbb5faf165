"""Write volumes and series as compressed NIfTI with their sidecars, see ``write``."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float, Float64
from nibabel.openers import Opener

from bids_eeg2fmri.bids.behind import stop_if_asked, write_behind
from bids_eeg2fmri.bids.write import replacing, write_json


def write_image(
    path: Path,
    data: Float[np.ndarray, "x y z"],
    affine: Float64[np.ndarray, "4 4"],
    *,
    metadata: Mapping[str, object],
) -> None:
    """Write a volume as 32-bit floating-point NIfTI with its sidecar.

    Equal data give equal bytes. What is undefined stays NaN.

    Parameters
    ----------
    path
        Ends in ``.nii.gz``.
    data
        In the unit that ``metadata`` names.
    affine
        From voxel indices to scanner millimetres.
    metadata
        For the sidecar: ``Description``, ``Units``, ``Sources``, and ``TaskName`` for BOLD;
        ``SkullStripped`` unless it is false.

    Raises
    ------
    OutputError
        The files cannot be written.
    """
    image = make_image(data.astype(np.float32, copy=False), affine)
    _write_sidecar(path, {"SkullStripped": False, **metadata})
    write_behind(partial(_save, path, image))


def write_series(
    path: Path,
    volumes: Iterable[Float[np.ndarray, "x y z"]],
    shape: tuple[int, int, int, int],
    affine: Float64[np.ndarray, "4 4"],
    *,
    tr: float,
    metadata: Mapping[str, object],
) -> None:
    """Write a series as ``write_image`` writes a volume, with one volume in memory at a time.

    Parameters
    ----------
    volumes
        One after the other, read once; maybe by another thread and later, see ``write_behind``.
    shape
        Extents of a volume, and how many there are; ``ValueError`` tells of any other number.
    tr
        Repetition time in seconds.

    Raises
    ------
    OutputError
        The files cannot be written.
    """
    image = make_image(np.broadcast_to(np.float32(0), shape), affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], tr))
    image.header.set_slope_inter(1, 0)  # as nibabel does when it writes data
    _write_sidecar(path, {"SkullStripped": False, "RepetitionTime": tr, **metadata})
    write_behind(partial(_save_series, path, volumes, image.header))


def write_mask(
    path: Path,
    mask: Bool[np.ndarray, "x y z"],
    affine: Float64[np.ndarray, "4 4"],
    *,
    metadata: Mapping[str, object],
) -> None:
    """Write a brain mask as 8-bit NIfTI with its sidecar; see ``write_image``.

    The validator wants ``Description``, ``Sources`` and ``SpatialReference`` in ``metadata``, the
    last being the URI of an image on the same grid.

    Raises
    ------
    OutputError
        The files cannot be written.
    """
    _write_sidecar(path, {"Type": "Brain", **metadata})
    write_behind(partial(_save, path, make_image(mask.astype(np.uint8), affine)))


def make_image(data: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    """Lay data on the grid of a scanner, in millimetres and seconds."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    image.header.set_xyzt_units("mm", "sec")
    return image


def _write_sidecar(path: Path, sidecar: Mapping[str, object]) -> None:
    """Write it before the image: one that is there can be understood."""
    write_json(path.with_name(path.name.removesuffix(".nii.gz") + ".json"), sidecar)


# nibabel writes gzip level 1, without a time stamp; level 3 takes half as long again and saves a
# thousandth.
def _save(path: Path, image: nib.Nifti1Image) -> None:
    with replacing(path) as temporary:
        nib.save(image, temporary)


def _save_series(
    path: Path, volumes: Iterable[Float[np.ndarray, "x y z"]], header: nib.Nifti1Header
) -> None:
    with replacing(path) as temporary, Opener(str(temporary), "wb") as file:
        header.write_to(file)
        n, wanted = 0, header.get_data_shape()[3]
        for n, volume in enumerate(volumes, start=1):
            stop_if_asked()
            if n > wanted:
                break
            file.write(np.asarray(volume, header.get_data_dtype()).tobytes(order="F"))
        if n != wanted:
            raise ValueError(f"{path}: {'more' if n > wanted else n} volumes came, not {wanted}")
