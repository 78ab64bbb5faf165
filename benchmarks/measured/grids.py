"""Volumes to another grid."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bids_eeg2fmri.preprocess.bold import resize

NATIVE, MODEL = (108, 108, 54), (64, 64, 30)
"""Grid of a scanner, and the paper's."""


def our_grid(_folder: Path, volumes: int) -> Callable[[], object]:
    """Ready the resampling of a series, volume by volume as pairs are made."""
    series = native_series(volumes)
    return lambda: np.stack([resize(series[..., v], MODEL) for v in range(volumes)], axis=-1)


def scipy_grid(_folder: Path, volumes: int) -> Callable[[], object]:
    """Ready the same by scipy: transform, crop, transform back."""
    from scipy.fft import dctn, idctn

    series, kept = native_series(volumes), tuple(map(slice, MODEL))
    factor = np.float32(np.sqrt(np.prod(MODEL) / np.prod(NATIVE)))

    def resized(volume: np.ndarray) -> np.ndarray:
        return factor * idctn(dctn(volume, norm="ortho")[kept], norm="ortho")

    return lambda: np.stack([resized(series[..., v]) for v in range(volumes)], axis=-1)


def nilearn_grid(_folder: Path, volumes: int) -> Callable[[], object]:
    """Ready what nilearn's users call; it interpolates, and so gives other numbers."""
    import nibabel as nib  # here, so that other sides need not hold it in memory
    from nilearn.image import resample_img

    affine = np.diag([*(np.divide(NATIVE, MODEL) * 2), 1.0])
    image = nib.Nifti1Image(native_series(volumes), np.diag([2.0, 2.0, 2.0, 1.0]))

    def work() -> np.ndarray:
        resized = resample_img(image, affine, MODEL, copy_header=True, force_resample=True)
        return resized.get_fdata(dtype=np.float32)

    return work


def native_series(n: int) -> np.ndarray:
    """Draw volumes and lay them out as NIfTI stores them, x fastest."""
    volumes = np.random.default_rng(0).normal(1000, 20, (n, *NATIVE[::-1])).astype(np.float32)
    return volumes.T
