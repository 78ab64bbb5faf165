"""Datasets of any size, written without ever being in memory."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_eeg2fmri.simulate.config import SITES

TR = 2.16
"""Seconds from volume to volume, as in NODDI."""
STRETCH = 10.0
"""Seconds of noise that are written over and over: what is in them takes no time of its own."""

HEADER = """Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile={stem}_eeg.eeg
MarkerFile={stem}_eeg.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels={n}
SamplingInterval={interval:g}
[Binary Infos]
BinaryFormat=INT_16
[Channel Infos]
{channels}
"""
MARKERS = """Brain Vision Data Exchange Marker File, Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile={stem}_eeg.eeg
[Marker Infos]
{markers}
"""


def write_recording(
    root: Path, *, channels: int, sfreq: float, seconds: float, label: str = "01"
) -> None:
    """Write a participant with EEG of noise and, volume by volume, BOLD of few voxels.

    Parameters
    ----------
    root
        The dataset.
    channels, sfreq, seconds
        Size of the EEG; 16 bits a sample.
    label
        Of the participant.
    """
    stem, names = f"sub-{label}_task-rest", SITES[:channels]
    eeg, func = root / f"sub-{label}" / "eeg", root / f"sub-{label}" / "func"
    eeg.mkdir(parents=True)
    func.mkdir()
    about = {"Name": "Noise", "BIDSVersion": "1.10.0"}
    (root / "dataset_description.json").write_text(json.dumps(about), encoding="utf-8")
    listed = "\n".join(f"Ch{i}={name},,0.1,µV" for i, name in enumerate(names, start=1))
    size = {"stem": stem, "n": len(names), "interval": 1e6 / sfreq, "channels": listed}
    (eeg / f"{stem}_eeg.vhdr").write_text(HEADER.format(**size), encoding="utf-8")
    onsets = np.round(np.arange(int(seconds / TR)) * TR * sfreq).astype(int) + 1
    marked = "\n".join(
        f"Mk{i}=Response,R128,{onset},1,0" for i, onset in enumerate(onsets.tolist(), start=1)
    )
    text = MARKERS.format(stem=stem, markers=marked)
    (eeg / f"{stem}_eeg.vmrk").write_text(text, encoding="utf-8")
    _write_signal(eeg / f"{stem}_eeg.eeg", channels, sfreq, seconds)
    sidecar = {"TaskName": "rest", "SamplingFrequency": sfreq, "EEGReference": "none"}
    (eeg / f"{stem}_eeg.json").write_text(json.dumps(sidecar), encoding="utf-8")
    write_bold(func / f"{stem}_bold.nii.gz", (4, 4, 4, len(onsets)))


def write_bold(path: Path, shape: tuple[int, int, int, int]) -> None:
    """Write a series of noise about a bright ball, 16 bits a voxel, with its sidecar."""
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[:3]), indexing="ij")
    brain = 1000 * (sum(axis**2 for axis in axes) < 1) + 20
    data = np.empty(shape, np.int16)
    for v in range(shape[3]):
        data[..., v] = brain + rng.normal(0, 10, shape[:3])
    image = nib.Nifti1Image(data, np.diag([3.0, 3.0, 3.0, 1.0]))
    image.header.set_zooms((3, 3, 3, TR))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    sidecar = {"TaskName": "rest", "RepetitionTime": TR}
    named = path.with_name(path.name.removesuffix(".nii.gz") + ".json")
    named.write_text(json.dumps(sidecar), encoding="utf-8")


def _write_signal(path: Path, channels: int, sfreq: float, seconds: float) -> None:
    rng = np.random.default_rng(0)
    stretch = rng.normal(0, 200, (round(STRETCH * sfreq), channels)).astype("<i2")
    left = round(seconds * sfreq)
    with path.open("wb") as file:
        while left > 0:
            file.write(stretch[:left].tobytes())
            left -= len(stretch)
