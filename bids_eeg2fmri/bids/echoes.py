"""Read the echoes of a BOLD series and combine them block by block."""

from collections.abc import Callable, Iterator, Sequence

import nibabel as nib
import numpy as np
from jaxtyping import Float32, Float64

from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.sidecars import read_json, told_number
from bids_eeg2fmri.errors import BOLDError

Weigh = Callable[
    [Float64[np.ndarray, "echoes x y z"], Float64[np.ndarray, " echoes"]],
    Float32[np.ndarray, "echoes x y z"],
]
"""Gives each echo its weight from its mean volume and its time in seconds."""

Blocks = Callable[[nib.Nifti1Image], Iterator[Float32[np.ndarray, "x y z volumes"]]]
"""Reads a series a few volumes at a time."""

_LATEST = 0.5
"""No echo comes so many seconds after the excitation; a larger number is in milliseconds."""


def combined(
    run: RunFiles, images: Sequence[nib.Nifti1Image], blocks: Blocks, weigh: Weigh
) -> Iterator[Float32[np.ndarray, "x y z volumes"]]:
    """Give the weighted sum of all echoes, a few volumes at a time; all are read twice.

    Raises
    ------
    BOLDError
        The echoes differ in shape, or the time of one is unknown.
    """
    if len({image.shape for image in images}) > 1:
        shapes = ", ".join("×".join(map(str, image.shape)) for image in images)
        raise BOLDError(
            f"{run.name}: its echoes have the shapes {shapes}. Copy them again, or take one with "
            "--echo N."
        )
    times = _echo_times(run)
    weights = weigh(np.stack([_mean(image, blocks) for image in images]), times)
    for parts in zip(*map(blocks, images), strict=True):
        yield np.asarray(sum(w[..., None] * part for w, part in zip(weights, parts, strict=True)))


def _mean(image: nib.Nifti1Image, blocks: Blocks) -> Float64[np.ndarray, "x y z"]:
    total = np.zeros(image.shape[:3])
    for block in blocks(image):
        total += np.nan_to_num(block, posinf=0, neginf=0).sum(axis=3, dtype=np.float64)
    return np.asarray(total / image.shape[3])


def _echo_times(run: RunFiles) -> Float64[np.ndarray, " echoes"]:
    times = []
    for path in run.echoes:
        metadata: dict[str, object] = {}
        for sidecar in run.sidecars(path, "bold", ".json"):
            metadata |= read_json(run.root, sidecar)
        time = told_number(metadata, "EchoTime")
        if time is None or not 0 < time < _LATEST:
            raise BOLDError(
                f"{run.relative(path)}: EchoTime in its sidecar is {metadata.get('EchoTime')!r}, "
                "not a time in seconds. Correct it, or take one echo with --echo N."
            )
        times.append(time)
    if len({*times}) < len(times):
        raise BOLDError(
            f"{run.name}: echoes have the same EchoTime. Correct their sidecars, or take one echo "
            "with --echo N."
        )
    return np.array(times)
