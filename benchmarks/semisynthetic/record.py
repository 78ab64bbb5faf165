"""Put real EEG and real noise together into simultaneous recordings."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mne
import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32
from scipy.io import loadmat
from scipy.signal import detrend

from bids_eeg2fmri.types import BOLD, EEG, Parcels, VolumeClock

from .couple import SOURCES, Coupling, drive

TR = 2.0
STEP = 6
"""Voxels of the atlas, of 2 mm, in one of ours along each axis."""
CHANGE = 0.01
"""Standard deviation of BOLD over time, as a share of its mean."""
VOXEL_NOISE = 0.5
"""White noise of each voxel, as a share of that."""


@dataclass(frozen=True)
class Recording:
    """A simultaneous recording and the truth about it."""

    name: str
    """Participant and task, e.g. ``sub-01_task-rest``."""
    eeg: EEG
    bold: BOLD
    clock: VolumeClock
    mask: Bool[np.ndarray, "x y z"]
    parcels: Parcels
    coupled: Bool[np.ndarray, " parcels"]
    """Which of the parcels follow a rhythm."""
    signal: Float64[np.ndarray, "volumes parcels"]
    """What each of them follows, of variance 1; zero for the others."""


def eegbci(data: Path, coupling: Coupling, seed: int) -> list[Recording]:
    """Make 25 minutes of one participant: twelve runs of EEG end to end, 64 electrodes."""
    return [_record(data, "sub-01_task-bci", _eegbci(data), coupling, seed)]


def eegmat(data: Path, coupling: Coupling, seed: int) -> list[Recording]:
    """Make four minutes of each of seven participants: rest, then arithmetic, 19 electrodes.

    All have the same maps, and each a cut of its own of the noise of three people.
    """
    people = range(1, 8)
    return [
        _record(data, f"sub-{i:02}_task-mat", _eegmat(data, i), coupling, 100 * seed + i)
        for i in people
    ]


def _record(data: Path, name: str, eeg: EEG, coupling: Coupling, seed: int) -> Recording:
    rng = np.random.default_rng((seed, 1))
    parcels, mask = _grid(data)
    n = int(eeg.duration // TR)
    clock = VolumeClock(np.arange(n) * TR, TR, "truth", 0, 0.0, 0.0)
    followed, signal = _follow(drive(eeg, clock, coupling), parcels.names)
    r = np.where(followed, coupling.strength, 0.0)
    series = r * signal + np.sqrt(1 - r**2) * _noise(data, n, rng)
    bold = BOLD(_paint(series, parcels.labels, rng), TR, np.diag([2.0 * STEP] * 3 + [1.0]))
    return Recording(name, eeg, bold, clock, mask, parcels, followed, signal)


def _follow(
    driven: dict[str, Float64[np.ndarray, " volumes"]], names: Sequence[str]
) -> tuple[Bool[np.ndarray, " parcels"], Float64[np.ndarray, "volumes parcels"]]:
    """Say which parcels follow a rhythm, and what that is."""
    source_of = [
        next((s for s, source in SOURCES.items() if name.startswith(source.parcels)), None)
        for name in names
    ]
    nothing = np.zeros_like(next(iter(driven.values())))
    signal = np.stack([driven[s] if s else nothing for s in source_of], axis=1)
    return np.array([s is not None for s in source_of]), signal


def _noise(data: Path, n: int, rng: np.random.Generator) -> Float64[np.ndarray, "volumes parcels"]:
    """Cut real noise from three people at rest, laid end to end in any order, from any volume on.

    Turned upside down or not, so that two cuts of the same stretch are not alike.
    """
    people = [_resting(file) for file in sorted((data / "rest_roi_gw_aal2").glob("*.mat"))]
    series = np.concatenate([people[i] for i in rng.permutation(len(people))])
    cut = np.roll(series, -rng.integers(len(series)), axis=0)[:n] * rng.choice([-1, 1])
    return (cut - cut.mean(axis=0)) / cut.std(axis=0)


@cache
def _resting(file: Path) -> Float64[np.ndarray, "volumes parcels"]:
    series = detrend(loadmat(file)["tc"].T, axis=0)
    return np.asarray(series / series.std(axis=0))


def _paint(
    series: Float64[np.ndarray, "volumes parcels"],
    labels: Int32[np.ndarray, "x y z"],
    rng: np.random.Generator,
) -> Float32[np.ndarray, "x y z volumes"]:
    """Give each voxel of a parcel its series, on an anatomy and with noise of its own."""
    inside = labels > 0
    level = rng.uniform(500, 1500, np.count_nonzero(inside))
    change = series[:, labels[inside] - 1].T
    change = change + VOXEL_NOISE * rng.normal(size=change.shape)
    volumes = np.zeros((*labels.shape, len(series)), np.float32)
    volumes[inside] = level[:, None] * (1 + CHANGE * change)
    return volumes


@cache
def _grid(data: Path) -> tuple[Parcels, Bool[np.ndarray, "x y z"]]:
    """Bring the atlas to a coarse grid without rims; each parcel keeps its most central voxel."""
    atlas = np.asarray(nib.load(data / "atlas" / "AAL2.nii").dataobj)
    words = ET.parse(data / "atlas" / "AAL2.xml").iter("label")  # a known file
    table = [(int(one.findtext("index") or 0), str(one.findtext("name"))) for one in words][:94]
    labels = np.zeros_like(atlas[STEP // 2 :: STEP, STEP // 2 :: STEP, STEP // 2 :: STEP], np.int32)
    for number, (index, _) in enumerate(table, 1):
        labels[atlas[STEP // 2 :: STEP, STEP // 2 :: STEP, STEP // 2 :: STEP] == index] = number
    for number, (index, _) in enumerate(table, 1):
        centre = tuple((np.median(np.argwhere(atlas == index), axis=0) // STEP).astype(int))
        labels[centre] = number if not (labels == number).any() else labels[centre]
    origin = "AAL2 atlas on a grid of 12 mm"
    indices = np.array([index for index, _ in table], np.int64)
    return Parcels(labels, indices, tuple(name for _, name in table), origin), labels > 0


@cache
def _eegbci(data: Path) -> EEG:
    files = sorted((data / "eeg_eegbci_S001").glob("*.edf"))
    raws = [mne.io.read_raw_edf(file, preload=True, verbose="error") for file in files]
    samples = np.concatenate([raw.get_data() for raw in raws], axis=1)
    return _eeg(samples, raws[0].info["sfreq"], [name.strip(".") for name in raws[0].ch_names])


@cache
def _eegmat(data: Path, participant: int) -> EEG:
    files = [data / "eeg_eegmat" / f"Subject{participant:02}_{part}.edf" for part in (1, 2)]
    raws = [mne.io.read_raw_edf(file, preload=True, verbose="error") for file in files]
    for raw in raws:
        raw.pick([name for name in raw.ch_names if name.startswith("EEG") and "A2" not in name])
    samples = np.concatenate([raw.get_data() for raw in raws], axis=1)
    return _eeg(samples, raws[0].info["sfreq"], [name[4:] for name in raws[0].ch_names])


def _eeg(samples: np.ndarray, sfreq: float, names: Sequence[str]) -> EEG:
    positions = np.full((len(names), 3), np.nan)
    return EEG(samples.astype(np.float32), float(sfreq), tuple(names), positions)
