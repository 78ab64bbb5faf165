"""Read BOLD series, and what is known of them, into the nouns of ``types``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float32

from bids_eeg2fmri.bids.echoes import Weigh, combined
from bids_eeg2fmri.bids.guard import reading, warn
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.sidecars import read_json, told_number
from bids_eeg2fmri.errors import BOLDError
from bids_eeg2fmri.types import BOLD, Allocate

_VOLUMES = 16
"""BOLD volumes that are read at once."""
_UNSET_TR = 1.0
"""What converters leave in a NIfTI header that they do not fill."""


def read_bold_header(run: RunFiles) -> tuple[tuple[int, int, int, int], float]:
    """Shape and repetition time in seconds of a BOLD series, without its voxels.

    Raises
    ------
    BOLDError
        It cannot be opened, is no series of volumes, or its repetition time is unknown.
    """
    image = _open_bold(run)
    return image.shape, _repetition_time(run, image)


def read_bold(run: RunFiles, allocate: Allocate = np.empty, weigh: Weigh | None = None) -> BOLD:
    """Read a BOLD series block by block; voxels that are not finite are set to zero.

    Echoes that are to be combined are summed with the weights that ``weigh`` gives them.
    ``allocate`` is called once.

    Raises
    ------
    BOLDError
        The series cannot be read, is truncated, does not vary, or its repetition time is unknown.
    """
    image = _open_bold(run)
    tr = _repetition_time(run, image)
    data = allocate(image.shape, np.float32)
    mended, varies, start = 0, False, 0
    for block in _volumes(run, image, weigh):
        broken = ~np.isfinite(block)
        mended += int(broken.sum())
        block[broken] = 0
        data[..., start : start + block.shape[3]] = block
        varies = varies or bool((block != data[..., :1]).any())
        start += block.shape[3]
    if not varies:
        raise BOLDError(
            f"{run.relative(run.bold)}: no voxel changes from volume to volume, so there is no "
            "BOLD signal in it. Copy or convert it again, or leave the run out."
        )
    if mended:
        warn(run, f"{mended} BOLD values are not finite and were set to 0")
    return BOLD(data, tr, np.asarray(image.affine, dtype=np.float64))


def read_mask(run: RunFiles, bold: BOLD) -> Bool[np.ndarray, "x y z"] | None:
    """Read the brain that a pipeline found in the series it made; none where there is none.

    Raises
    ------
    BOLDError
        It cannot be read, is empty or on another grid.
    """
    if run.mask is None:
        return None
    with reading(run, run.mask, BOLDError):
        image = nib.load(run.mask)
        mask = np.asarray(image.dataobj) > 0
    same = mask.shape == bold.data.shape[:3] and np.allclose(image.affine, bold.affine, atol=1e-3)
    if not (same and mask.any()):
        raise BOLDError(
            f"{run.relative(run.mask)}: {'empty' if same else 'on another grid than the BOLD'}. "
            "Run the pipeline again, or take it away so that the brain is found in the mean volume."
        )
    return mask


def bold_metadata(run: RunFiles) -> dict[str, Any]:
    """Sidecar of the BOLD series, merged along the inheritance from the top of the dataset.

    What a pipeline says of the series that it made counts more than what the raw dataset says.
    """
    merged: dict[str, Any] = {}
    for path in run.bold_sidecars():
        merged |= read_json(run.root, path)
    return merged


def bold_delay(run: RunFiles) -> float:
    """Seconds from the onset of a volume to the time that its values stand for.

    Other than 0 only where a pipeline has corrected slice timing and tells to which time.
    """
    metadata = bold_metadata(run)
    corrected = metadata.get("SliceTimingCorrected") is True
    return (told_number(metadata, "StartTime") or 0.0) if corrected else 0.0


def excitations(run: RunFiles) -> int:
    """Count how often the scanner excites slices in each volume; 1 where nobody tells."""
    told = bold_metadata(run).get("SliceTiming")
    times = told if isinstance(told, list) else []
    return max(1, len({round(time, 4) for time in times if isinstance(time, int | float)}))


def _volumes(
    run: RunFiles, image: nib.Nifti1Image, weigh: Weigh | None
) -> Iterator[Float32[np.ndarray, "x y z volumes"]]:
    def blocks(image: nib.Nifti1Image) -> Iterator[Float32[np.ndarray, "x y z volumes"]]:
        for start in range(0, image.shape[3], _VOLUMES):
            with reading(run, Path(image.get_filename()), BOLDError):
                yield np.array(image.dataobj[..., start : start + _VOLUMES], dtype=np.float32)

    if not run.echoes or weigh is None:
        return blocks(image)
    return combined(run, [_open_bold(run, path) for path in run.echoes], blocks, weigh)


def _open_bold(run: RunFiles, path: Path | None = None) -> nib.Nifti1Image:
    path = path or run.bold
    with reading(run, path, BOLDError):
        # Kept open: without, each block of a .nii.gz is decompressed from the start again.
        image = nib.load(path, keep_file_open=True)
        shape = tuple(image.shape)
    if len(shape) != 4 or shape[3] < 2:
        raise BOLDError(
            f"{run.relative(path)}: shape {'×'.join(map(str, shape))} is no series of volumes. "
            "Give the 4-D BOLD series, or leave the run out with --bids-filter-file."
        )
    return image


def _repetition_time(run: RunFiles, image: nib.Nifti1Image) -> float:
    """Repetition time in seconds on which sidecar and header agree, or which one of them has."""
    unit = {"msec": 1e-3, "usec": 1e-6}.get(image.header.get_xyzt_units()[1], 1.0)
    header = round(float(image.header.get_zooms()[3]) * unit, 6)  # stored in single precision
    sidecar = max(told_number(bold_metadata(run), "RepetitionTime") or 0.0, 0.0)
    if sidecar and header in (0.0, _UNSET_TR) and sidecar != header:
        warn(run, f"the NIfTI header has no repetition time; {sidecar:g} s is the sidecar's")
    elif header > 0 and not sidecar:
        warn(run, f"no RepetitionTime in the sidecar; {header:g} s is the NIfTI header's")
        return header
    elif not sidecar:
        raise BOLDError(
            f"{run.relative(run.bold)}: repetition time is in neither the NIfTI header nor the "
            "sidecar. Add RepetitionTime, in seconds, to its JSON sidecar."
        )
    elif abs(sidecar - header) > max(0.01 * sidecar, 0.01):
        raise BOLDError(
            f"{run.relative(run.bold)}: the sidecar's RepetitionTime is {sidecar:g} s, the NIfTI "
            f"header's {header:g} s. Correct the one that is wrong."
        )
    return sidecar
