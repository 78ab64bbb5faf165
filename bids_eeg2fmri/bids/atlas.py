"""Read and write atlases: label images, and the tables that name their labels."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from jaxtyping import Float64, Int32, Int64

from bids_eeg2fmri.bids.images import make_image
from bids_eeg2fmri.bids.sidecars import inherited, read_table
from bids_eeg2fmri.bids.write import replacing, write_table
from bids_eeg2fmri.errors import DataError, MissingInputError
from bids_eeg2fmri.types import Parcels, typed

_SHOWN = 5
"""Of a longer list, what an error names."""


@typed
class Atlas:
    """A label image on its own grid."""

    name: str
    """What it is called."""
    labels: Int32[np.ndarray, "i j k"]
    """Parcel of each voxel, counted from 1; 0 for none."""
    index: Int64[np.ndarray, " parcels"]
    """What the image has in the place of 1, 2, …"""
    parcels: tuple[str, ...]
    """Name of each parcel."""
    affine: Float64[np.ndarray, "4 4"]
    """From voxel indices to millimetres."""


def read_atlas(image: Path, table: Path | None = None) -> Atlas:
    """Read a label image and the names of its labels.

    Parameters
    ----------
    image
        3-D NIfTI of whole numbers; 0, and what is not finite, is outside all parcels.
    table
        TSV with the columns ``index`` and ``name``, or ``label`` in its place. By default the one
        that BIDS puts beside the image, or one called like it; without any, numbers are the names.

    Raises
    ------
    MissingInputError
        A file does not exist.
    DataError
        The image is no label image, or the table is none or lacks some of the labels.
    """
    for path in filter(None, (image, table)):
        if not path.is_file():
            raise MissingInputError(f"{path}: no such file. Give an atlas as NIFTI [LABELS.tsv].")
    values, affine = _read_values(image)
    index = np.unique(values[values != 0])
    if not index.size:
        raise DataError(f"{image}: all voxels are 0, so it has no parcel. Copy or make it again.")
    labels = np.where(values == 0, 0, np.searchsorted(index, values) + 1).astype(np.int32)
    names = _names(image, table or _table_beside(image), index)
    return Atlas(image.name, labels, index, names, affine)


def atlas_files(image: Path, table: Path | None = None) -> tuple[Path, ...]:
    """Name the files that ``read_atlas`` reads: the image and, where there is one, its table."""
    return tuple(filter(None, (image, table or _table_beside(image))))


def write_parcels(
    path: Path,
    parcels: Parcels,
    affine: Float64[np.ndarray, "4 4"],
    *,
    metadata: Mapping[str, object],
) -> None:
    """Write parcels as a label image, and beside it the table of its labels; both share a sidecar.

    Parameters
    ----------
    path
        Of the image; ends in ``_dseg.nii.gz``.
    affine
        From voxel indices to scanner millimetres.
    metadata
        For the sidecar, see ``images.write_mask``.

    Raises
    ------
    OutputError
        The files cannot be written.
    """
    columns = {
        "index": {"Description": "Value of the parcel in the image", "Format": "integer"},
        "name": {"Description": "Name of the parcel"},
    }
    table = path.with_name(path.name.replace(".nii.gz", ".tsv"))
    rows = {"index": parcels.index.tolist(), "name": parcels.names}
    write_table(table, rows, columns, metadata=metadata)
    labels = np.concatenate([[0], parcels.index])[parcels.labels].astype(np.int32)
    with replacing(path) as temporary:
        make_image(labels, affine).to_filename(temporary)


def shorten(things: Collection[object]) -> str:
    """Name the first few."""
    return ", ".join(map(str, [*things][:_SHOWN])) + (", …" if len(things) > _SHOWN else "")


def _read_values(
    image: Path,
) -> tuple[Int64[np.ndarray, "i j k"], Float64[np.ndarray, "4 4"]]:
    try:
        stored = nib.load(image)
        values = np.nan_to_num(np.asanyarray(stored.dataobj), posinf=0, neginf=0)
    except Exception as error:  # whatever nibabel and gzip stumble over
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(f"{image}: cannot be read ({reason}). Copy it again.") from error
    if not isinstance(stored, nib.Nifti1Pair):
        raise DataError(f"{image}: no NIfTI image. Convert it to .nii.gz.")
    if values.ndim < 3 or values.size != np.prod(values.shape[:3]):
        raise DataError(
            f"{image}: {'×'.join(map(str, values.shape))} voxels, where a 3-D label image is "
            "needed. Of a probabilistic atlas, give the image of the most probable labels."
        )
    broken = values[values != np.rint(values)]
    if broken.size:
        raise DataError(
            f"{image}: {broken.size} voxels are no whole number (e.g. {broken[0]:g}), so it is no "
            "label image. Give one, or resample it again by nearest neighbour."
        )
    whole = values.reshape(values.shape[:3]).astype(np.int64)
    return whole, np.asarray(stored.affine, np.float64)


def _table_beside(image: Path) -> Path | None:
    """Find the table that applies to the image by the BIDS inheritance, or is called like it."""
    alike = image.with_name(f"{image.name.split('.nii')[0]}.tsv")
    found = [*inherited(image.parent, image, "dseg", ".tsv"), *filter(Path.is_file, [alike])]
    return found[-1] if found else None


def _names(
    image: Path, table: Path | None, index: Int64[np.ndarray, " parcels"]
) -> tuple[str, ...]:
    """Find the name of each label of the image."""
    if table is None:
        return tuple(map(str, index))
    names = _read_names(table)
    unnamed = [number for number in index.tolist() if number not in names]
    if len(unnamed) == len(index):
        raise DataError(
            f"{table}: not the table of {image.name}: none of its indices ({shorten(names)}) is a "
            f"label of the image ({shorten(unnamed)}). Give the table of this atlas."
        )
    if unnamed:
        raise DataError(
            f"{table}: no name for {len(unnamed)} of the {len(index)} labels of {image.name}: "
            f"{shorten(unnamed)}. Add them, or give the table of this atlas."
        )
    return tuple(names[number] for number in index.tolist())


def _read_names(table: Path) -> dict[int, str]:
    """Read the name of each index."""
    try:
        with warnings.catch_warnings():
            # of rows longer than the first, in what may be no table at all
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            rows = read_table(table)
    except ValueError:  # empty, or no text
        rows = pd.DataFrame()
    name = next((column for column in ("name", "label") if column in rows), None)
    if "index" not in rows or name is None:
        raise DataError(
            f"{table}: no label table, as its first line lacks 'index' or 'name'. Give a TSV with "
            "these two columns, as BIDS has it."
        )
    try:
        index = rows["index"].astype(int)
    except ValueError as error:
        raise DataError(f"{table}: column 'index': {error}. Give whole numbers there.") from error
    twice = index[index.duplicated()].unique().tolist()
    if twice:
        raise DataError(
            f"{table}: {shorten(twice)} more than once in the column 'index'. Leave one row each."
        )
    return dict(zip(index.tolist(), rows[name], strict=True))
