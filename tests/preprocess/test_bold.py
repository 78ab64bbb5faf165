from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import dctn, idctn

from bids_eeg2fmri.config import GridConfig
from bids_eeg2fmri.errors import BOLDError, DataWarning
from bids_eeg2fmri.preprocess.bold import (
    brain_mask,
    grid_mask,
    model_grid,
    resize,
    resize_matrix,
    temporal_moments,
    training_brain,
)
from bids_eeg2fmri.types import BOLD, Pairs

EXTENT = st.integers(1, 12)
GRID = st.tuples(EXTENT, EXTENT, EXTENT)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@given(GRID, GRID)
def test_resizing_crops_or_pads_the_cosine_coefficients(native, shape):
    volume = noise(*native)
    common = tuple(slice(min(n)) for n in zip(native, shape, strict=True))
    coefficients = np.zeros(shape)
    coefficients[common] = dctn(volume, norm="ortho")[common]
    reference = idctn(coefficients, norm="ortho") * np.sqrt(np.prod(shape) / np.prod(native))
    np.testing.assert_allclose(resize(volume, shape), reference, atol=1e-5)


@given(GRID, GRID)
def test_a_constant_volume_keeps_its_value(native, shape):
    resized = resize(np.full(native, 431.5, dtype=np.float32), shape)
    np.testing.assert_allclose(resized, 431.5, rtol=1e-5)


def test_what_is_enlarged_and_reduced_again_is_the_same():
    volumes = noise(2, 6, 10, 10)
    np.testing.assert_allclose(
        resize(resize(volumes, (13, 11, 10)), (6, 10, 10)), volumes, atol=1e-5
    )


def test_the_same_grid_changes_nothing():
    volumes = noise(2, 6, 10, 10)
    np.testing.assert_array_equal(resize(volumes, (6, 10, 10)), volumes)
    np.testing.assert_allclose(resize_matrix(7, 7), np.eye(7), atol=1e-12)


def test_a_smooth_volume_survives_the_reduction_of_the_paper():
    axes = np.meshgrid(*(np.linspace(0, np.pi, n) for n in (108, 108, 54)), indexing="ij")
    small = resize(np.cos(axes[0] + axes[1] - axes[2]).astype(np.float32), (64, 64, 30))
    axes = np.meshgrid(*(np.linspace(0, np.pi, n) for n in (64, 64, 30)), indexing="ij")
    assert np.abs(small - np.cos(axes[0] + axes[1] - axes[2])).mean() < 0.03


@pytest.mark.parametrize(
    ("shapes", "cfg", "expected"),
    [
        ([(64, 64, 30)], GridConfig(), (64, 64, 30)),
        ([(64, 64, 30), (60, 72, 28)], GridConfig(), (60, 64, 28)),
        ([(108, 108, 54)], GridConfig(), (64, 64, 30)),
        ([(300, 40, 20)], GridConfig(), (64, 40, 20)),
        ([(108, 108, 54)], GridConfig(shape=(16, 16, 8)), (16, 16, 8)),
    ],
)
def test_the_model_grid_is_the_native_one_or_what_fits(shapes, cfg, expected):
    assert model_grid(shapes, cfg) == expected


def head(*shape: int) -> tuple[BOLD, np.ndarray]:
    """A bright, noisy ellipsoid in a dim, noisy room, with a hole and a bright crumb apart."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    brain = sum(a**2 for a in axes) < 0.6
    mean = np.where(brain, 1000.0, 40.0)
    mean[tuple(n // 2 for n in shape)] = 40.0
    mean[0, 0, 0] = 1500.0
    data = mean[..., None] * (1 + 0.05 * noise(*shape, 20))
    return BOLD(data.astype(np.float32), 2.0, np.eye(4)), brain


@pytest.mark.parametrize("shape", [(10, 12, 10), (16, 18, 10), (64, 64, 30)])
def test_the_mask_is_the_brain_without_holes_and_crumbs(shape):
    bold, brain = head(*shape)
    mask = brain_mask(bold)
    assert not mask[0, 0, 0]
    assert mask[tuple(n // 2 for n in shape)]
    assert 2 * (mask & brain).sum() / (mask.sum() + brain.sum()) > 0.97


def test_moments_over_volumes_are_those_of_all_at_once_however_large_the_mean():
    data = (1e5 + noise(3, 4, 5, 30)).astype(np.float32)
    mean, variance = temporal_moments(data)
    np.testing.assert_allclose(mean, data.mean(axis=3, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(variance, data.var(axis=3, dtype=np.float64), rtol=1e-9)


def test_voxels_that_never_change_or_are_not_numbers_are_outside_the_mask():
    bold, brain = head(16, 18, 10)
    bold.data[8, 9, 4] = 900
    bold.data[8, 9, 6, 3] = np.nan
    with pytest.warns(DataWarning, match="2 voxels inside the brain never change"):
        mask = brain_mask(bold)
    assert not mask[8, 9, 4]
    assert not mask[8, 9, 6]
    assert mask.sum() > 0.9 * brain.sum()


def test_a_series_that_is_all_brain_is_all_mask():
    data = (np.full((5, 5, 5, 9), 800.0) + 5 * (-1.0) ** np.arange(9)).astype(np.float32)
    assert brain_mask(BOLD(data, 2.0, np.eye(4))).all()


@pytest.mark.parametrize("value", [0.0, 700.0, np.nan])
def test_a_series_in_which_nothing_happens_is_refused(value):
    bold = BOLD(np.full((4, 4, 4, 9), value, dtype=np.float32), 2.0, np.eye(4))
    with pytest.raises(BOLDError, match="no voxel"):
        brain_mask(bold)


def test_real_bold_at_25_mm_has_a_mask_close_to_its_own():
    folder = Path(__file__).parents[3] / "shared/data/semisynthetic/bold_haxby25mm"
    if not folder.exists():
        pytest.skip("the real BOLD is not beside the repository")
    image = nib.load(folder / "run-01_bold_25mm.nii.gz")
    brain = np.asarray(nib.load(folder / "mask_brain.nii.gz").dataobj) > 0
    mask = brain_mask(BOLD(np.asarray(image.dataobj, dtype=np.float32), 2.5, np.eye(4)))
    # Theirs is of any voxel that the brain touches, so that it is larger.
    assert (mask & brain).sum() / mask.sum() > 0.85
    assert (mask & brain).sum() / brain.sum() > 0.65


def pairs_in(mask: np.ndarray) -> Pairs:
    """Two pairs of a run whose brain is known, on a grid of 3×4×3."""
    freqs, onset = np.array([10.0]), np.array([0.0, 2.0])
    eeg, bold = np.zeros((2, 1, 1, 1), np.float32), np.zeros((2, 3, 4, 3), np.float32)
    return Pairs(eeg, bold, np.arange(2), onset, freqs, ("Cz",), "sub-01", mask, 2)


def test_the_mask_of_a_larger_grid_is_brought_to_the_models():
    mask = np.zeros((6, 8, 6), bool)
    mask[:4] = True
    small = grid_mask(pairs_in(mask))
    assert small.shape == (3, 4, 3)
    assert small[:2].all()
    assert not small[2].any()


def test_the_brain_of_a_training_is_that_of_any_run_that_trains():
    masks = np.zeros((3, 3, 4, 3), bool)
    for i, mask in enumerate(masks):
        mask[i] = True
    found = training_brain([*map(pairs_in, masks)], [np.arange(2), np.arange(0), np.arange(1)])
    np.testing.assert_array_equal(found, masks[0] | masks[2])
