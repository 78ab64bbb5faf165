"""NIfTI in and out, and scores of volumes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.signal import detrend
from skimage.metrics import structural_similarity

from bids_eeg2fmri.bids.bold import read_bold
from bids_eeg2fmri.bids.images import write_series
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.evaluate.metrics import score
from bids_eeg2fmri.runtime import arrays
from measured.recording import TR, write_bold, write_recording

GRID = (64, 64, 30)
ABOUT = {"Description": "Noise", "Units": "arbitrary", "Sources": [], "TaskName": "rest"}
SD, SPAN = 20.0, 1100.0
"""Standard deviation and range of the volumes that are scored."""


def series(folder: Path, volumes: int) -> None:
    """Write one run with BOLD at the size of NODDI, and next to no EEG."""
    write_recording(folder / "bids", channels=4, sfreq=250, seconds=60)
    write_bold(folder / "bids/sub-01/func/sub-01_task-rest_bold.nii.gz", (*GRID, volumes))


def our_reading(folder: Path, volumes: int) -> Callable[[], object]:
    """Ready what the app does: into the store, every value checked."""
    (files,), _ = find_runs(folder / "bids", Selection())
    store = folder / "ours"
    store.mkdir()
    allocate = partial(arrays.allocate, store, "bold.data", fortran=True)
    return lambda: read_bold(files, allocate).data


def nibabel_reading(folder: Path, volumes: int) -> Callable[[], object]:
    """Ready nibabel, which holds the series in memory."""
    (path,) = folder.glob("bids/sub-01/func/*.nii.gz")
    return lambda: nib.load(path).get_fdata(dtype=np.float32)


def our_writing(folder: Path, volumes: int) -> Callable[[], object]:
    """Ready what the app does: a file that appears whole, and its sidecar."""
    data, path = smooth(volumes), folder / "ours_bold.nii.gz"
    about = {"tr": TR, "metadata": ABOUT}
    return lambda: write_series(path, np.moveaxis(data, 3, 0), data.shape, np.eye(4), **about)


def nibabel_writing(folder: Path, volumes: int) -> Callable[[], object]:
    """Ready nibabel."""
    data, path = smooth(volumes), folder / "nibabel_bold.nii.gz"
    return lambda: nib.save(nib.Nifti1Image(data, np.eye(4)), path)


def our_scores(
    _folder: Path, volumes: int, grid: tuple[int, int, int] = GRID
) -> Callable[[], object]:
    """Ready all scores of the app: of volumes, of voxels, and maps."""
    observed, predicted, reference, mask = compared(volumes, grid)

    def work() -> dict[str, np.ndarray]:
        scores = score("noise", observed, predicted, reference, mask, SD, SPAN)
        r = scores.maps["pearsoncorrelation"][mask]
        return {"ssim": scores.volumes["ssim"], "rmse": scores.volumes["rmse"], "r": r}

    return work


def straight_scores(_folder: Path, volumes: int) -> Callable[[], object]:
    """Ready the best known of them with scikit-image and numpy, volume by volume.

    RMSE, MAE, PSNR and SSIM of whole volumes and in the mask, SSIM of every third slice as in the
    paper's code, temporal r and skill of each voxel; no effective volumes.
    """
    observed, predicted, reference, mask = compared(volumes)

    def work() -> dict[str, np.ndarray]:
        rows = []
        for y, y_hat in zip(observed.astype(float), predicted.astype(float), strict=True):
            whole, local = structural_similarity(y, y_hat, data_range=SPAN, full=True)
            row = [whole, local[mask].mean(), sliced(y, y_hat, observed.mean())]
            for error in (y - y_hat, (y - y_hat)[mask]):
                rmse = np.sqrt((error**2).mean())
                row += [rmse / SD, np.abs(error).mean() / SD, 20 * np.log10(SPAN / rmse)]
            rows.append(row)
        a, b = (detrend(x[:, mask].astype(float), axis=0) for x in (observed, predicted))
        r = (a * b).mean(axis=0) / (a.std(axis=0) * b.std(axis=0))
        wrong, unlike = (((observed - x)[:, mask] ** 2).mean() for x in (predicted, reference))
        by_volume = np.array(rows)
        found = {"ssim": by_volume[:, 0], "rmse": by_volume[:, 3], "r": r}
        return {**found, "skill": np.array(1 - wrong / unlike)}

    return work


def sliced(y: np.ndarray, y_hat: np.ndarray, mean: float) -> float:
    """Structural similarity as the paper's code takes it."""
    told = []
    for z in range(0, y.shape[2] // 3 * 3, 3):
        a, b = (y[:, :, z] - mean) / SD, (y_hat[:, :, z] - mean) / SD
        settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        span = max(a.max(), b.max())
        told.append(structural_similarity(a, b, data_range=span, **settings))
    return float(np.mean(told))


def compared(
    volumes: int, grid: tuple[int, int, int] = GRID
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Make volumes, what a model might make of them, their mean, and a brain."""
    observed, rng = smooth(volumes, grid), np.random.default_rng(1)
    predicted = observed + rng.normal(0, 5, observed.shape[:3])[..., None].astype(np.float32)
    predicted += rng.standard_normal(observed.shape, np.float32)
    brain = observed.mean(axis=3)
    first = (np.ascontiguousarray(np.moveaxis(x, 3, 0)) for x in (observed, predicted))
    return *first, brain, brain > 500


def smooth(volumes: int, grid: tuple[int, int, int] = GRID) -> np.ndarray:
    """Make a series as a model gives it out: anatomy and small changes of it, in single floats."""
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in grid), indexing="ij")
    anatomy = 1000 * np.exp(-2 * sum(axis**2 for axis in axes)).astype(np.float32)
    loads = rng.normal(0, 10, volumes).astype(np.float32)
    changes = rng.standard_normal((*grid, 1), np.float32) * loads
    return (anatomy[..., None] + changes).astype(np.float32)
