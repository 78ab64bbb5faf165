"""Mean signals of parcels against nilearn's masker, and blocks that part a brain."""

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiLabelsMasker
from random_parcels import EVERYWHERE, GRID, MASK, noise, parcels_of, random_parcels

from bids_eeg2fmri.preprocess.parcels import block_parcels, parcel_means, voxel_counts

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def test_the_mean_of_three_voxels_written_out():
    labels = np.zeros(GRID, int)
    labels[0, 0, :3] = 1
    volumes = np.zeros((2, *GRID), np.float32)
    volumes[0, 0, 0] = (1, 2, 6, 100, 100)
    assert parcel_means(volumes, parcels_of(labels, 1), EVERYWHERE).tolist() == [[3], [0]]


def test_means_are_those_of_nilearns_masker():
    parcels, volumes = random_parcels(8), 100 + noise(20, *GRID)
    masker = NiftiLabelsMasker(
        nib.Nifti1Image(parcels.labels, AFFINE),
        mask_img=nib.Nifti1Image(MASK.astype(np.uint8), AFFINE),
        standardize=None,
        keep_masked_labels=False,
    )
    theirs = masker.fit_transform(nib.Nifti1Image(np.moveaxis(volumes, 0, -1), AFFINE))
    np.testing.assert_allclose(parcel_means(volumes, parcels, MASK), theirs, rtol=1e-6)


def test_means_are_taken_from_disk_as_from_memory(tmp_path):
    parcels, volumes = random_parcels(8), noise(20, *GRID)
    np.save(tmp_path / "volumes.npy", volumes)
    stored = np.load(tmp_path / "volumes.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        parcel_means(stored, parcels, MASK), parcel_means(volumes, parcels, MASK)
    )


def test_what_lies_outside_the_mask_does_not_matter():
    parcels, volumes = random_parcels(8), noise(20, *GRID)
    spoilt = np.where(MASK, volumes, 1e6).astype(np.float32)
    np.testing.assert_array_equal(
        parcel_means(spoilt, parcels, MASK), parcel_means(volumes, parcels, MASK)
    )


def ball(n: int = 24) -> np.ndarray:
    at = np.indices((n, n, n)) - (n - 1) / 2
    return (at**2).sum(axis=0) < (n / 2) ** 2


def test_blocks_part_the_whole_brain_and_nothing_else():
    mask = ball()
    parcels = block_parcels(mask, AFFINE)
    np.testing.assert_array_equal(parcels.labels > 0, mask)
    assert voxel_counts(parcels, mask).min() > 0
    assert len(parcels.names) == len(set(parcels.names)) == len(parcels.index)
    assert parcels.names[0] == "left lateral, posterior, inferior"


def test_slabs_of_blocks_are_equally_large():
    mask = np.ones((8, 10, 12), bool)
    counts = voxel_counts(block_parcels(mask, AFFINE), mask)
    assert counts.tolist() == [2 * 2 * 3] * 80


@pytest.mark.parametrize("flipped", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_left_and_front_and_up_are_those_of_the_world(flipped):
    mask = np.ones((8, 10, 12), bool)
    affine = np.diag([*(3.0 * np.array(flipped)), 1.0])
    corner = tuple(-1 if sign > 0 else 0 for sign in flipped)
    parcels = block_parcels(mask, affine)
    assert parcels.names[parcels.labels[corner] - 1] == "right lateral, anterior, superior"


def test_a_block_keeps_its_number_where_others_are_empty():
    mask = np.ones((8, 10, 12), bool)
    whole = block_parcels(mask, AFFINE)
    numbers = dict(zip(whole.names, whole.index.tolist(), strict=True))
    mask[:2, :2, :3] = False
    part = block_parcels(mask, AFFINE)
    assert "left lateral, posterior, inferior" not in part.names
    assert len(part.names) == 79
    assert all(numbers[name] == i for name, i in zip(part.names, part.index, strict=True))


def test_a_single_slice_lies_in_the_middle():
    names = block_parcels(np.ones((8, 10, 1), bool), AFFINE).names
    assert len(names) == 20
    assert all(name.endswith("mid-superior") for name in names)


def test_blocks_of_a_turned_slice_package_follow_the_head():
    # The same brain, once as it is and once with its voxel axes in another order.
    mask = ball()[:, :, :18]
    turned = AFFINE[:, [2, 0, 1, 3]]
    straight, other = block_parcels(mask, AFFINE), block_parcels(mask.transpose(2, 0, 1), turned)
    np.testing.assert_array_equal(other.labels, straight.labels.transpose(2, 0, 1))
