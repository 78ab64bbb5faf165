"""Structural similarity against Wang's formula written out, ours and the public code's."""

import numpy as np
import pytest
from scipy.signal import convolve2d
from skimage.metrics import structural_similarity

from bids_eeg2fmri.evaluate.similarity import ssim, ssim_slices

SHAPE = (9, 8, 7)
RANGE = 400.0


def volume(seed: int, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(shape)
    return (1000 + 10 * noise).astype(np.float32)


def test_ssim_follows_wang_where_the_window_lies_whole_in_the_grid():
    y, y_hat = (volume(seed).astype(float) for seed in (0, 1))
    _, local = ssim(y.astype(np.float32), y_hat.astype(np.float32), RANGE)
    centre = (4, 4, 3)
    a, b = (v[1:8, 1:8, 0:7].ravel() for v in (y, y_hat))
    c1, c2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
    covariance = np.cov(a, b)
    luminance = (2 * a.mean() * b.mean() + c1) / (a.mean() ** 2 + b.mean() ** 2 + c1)
    structure = (2 * covariance[0, 1] + c2) / (covariance[0, 0] + covariance[1, 1] + c2)
    assert local[centre] == pytest.approx(luminance * structure, rel=1e-6)


def test_ssim_takes_a_smaller_window_on_a_thin_grid():
    y, y_hat = (volume(seed)[:, :, :6] for seed in (0, 1))
    expected = structural_similarity(y, y_hat, win_size=5, data_range=RANGE)
    assert ssim(y, y_hat, RANGE)[0] == pytest.approx(expected, abs=1e-4)


def wang(a: np.ndarray, b: np.ndarray, kernel: np.ndarray, data_range: float) -> float:
    """Mean similarity of two slices over the windows that lie whole within them."""

    def local(image):
        return convolve2d(image, kernel, mode="valid")

    mean_a, mean_b = local(a), local(b)
    covariance = local(a * b) - mean_a * mean_b
    spread = local(a**2) - mean_a**2 + local(b**2) - mean_b**2
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return float(np.mean(luminance * (2 * covariance + c2) / (spread + c2)))


def test_the_public_codes_ssim_is_wangs_in_every_third_slice_in_z_units():
    y, y_hat = (volume(seed, (20, 18, 8)) for seed in (0, 1))
    gauss = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    kernel = np.outer(gauss, gauss) / gauss.sum() ** 2
    expected = []
    for z in (0, 3):  # 8 // 3 slices, as the code counts them
        a, b = ((v[:, :, z].astype(float) - 995) / 12 for v in (y, y_hat))
        expected.append(wang(a, b, kernel, max(a.max(), b.max())))
    assert ssim_slices(y, y_hat, 995.0, 12.0) == pytest.approx(np.mean(expected), rel=1e-6)


@pytest.mark.parametrize("shape", [(9, 8, 7), (3, 3, 2), (30, 30, 3)])
def test_the_public_codes_ssim_of_a_volume_with_itself_is_one_on_any_grid(shape):
    assert ssim_slices(volume(0, shape), volume(0, shape), 990.0, 10.0) == pytest.approx(1)
