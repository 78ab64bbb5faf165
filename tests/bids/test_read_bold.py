"""BOLD series and their sidecars."""

import gzip
from dataclasses import replace

import numpy as np
import pytest

from bids_eeg2fmri.bids.bold import bold_metadata, read_bold, read_bold_header
from bids_eeg2fmri.errors import BOLDError, DataWarning

NAME = "sub-01_task-rest"


@pytest.mark.parametrize("unit", ["sec", "msec"])
def test_bold_keeps_values_grid_and_repetition_time(dataset, unit):
    data = np.random.default_rng(0).integers(0, 1000, (4, 5, 6, 37)).astype(np.int16)
    dataset.bold(NAME, data, tr=2000 if unit == "msec" else 2, unit=unit)
    bold = read_bold(dataset.run(NAME))
    np.testing.assert_array_equal(bold.data, data)
    np.testing.assert_array_equal(bold.affine, np.diag([3, 3, 4, 1]))
    assert bold.tr == 2.0
    assert read_bold_header(dataset.run(NAME)) == ((4, 5, 6, 37), 2.0)


def test_bold_is_read_into_what_the_caller_allocates(dataset, tmp_path):
    dataset.bold(NAME)
    bold = read_bold(
        dataset.run(NAME),
        lambda shape, dtype: np.memmap(tmp_path / "bold.dat", dtype, "w+", shape=shape),
    )
    assert isinstance(bold.data, np.memmap)


def test_metadata_is_inherited_and_the_nearest_sidecar_wins(dataset):
    dataset.bold(NAME, sidecar=2.0)
    dataset.json("bold.json", {"RepetitionTime": 9, "MagneticFieldStrength": 3})
    dataset.json("sub-01/sub-01_task-rest_bold.json", {"TaskName": "resting", "EchoTime": 0.03})
    dataset.json("task-other_bold.json", {"EchoTime": 1})
    assert bold_metadata(dataset.run(NAME)) == {
        "RepetitionTime": 2.0,
        "MagneticFieldStrength": 3,
        "TaskName": "rest",
        "EchoTime": 0.03,
    }


@pytest.mark.parametrize("header", [0.0, 1.0])
def test_an_unset_header_gives_way_to_the_sidecar(dataset, header):
    dataset.bold(NAME, tr=header, sidecar=2.16)
    with pytest.warns(DataWarning, match=r"header has no repetition time; 2\.16 s"):
        assert read_bold_header(dataset.run(NAME))[1] == 2.16


def test_a_header_alone_is_believed_with_a_warning(dataset):
    dataset.bold(NAME, tr=2.5, sidecar=None)
    with pytest.warns(DataWarning, match="no RepetitionTime in the sidecar"):
        assert read_bold_header(dataset.run(NAME))[1] == 2.5


@pytest.mark.parametrize("sidecar", [None, 0])
def test_no_repetition_time_anywhere_is_an_error(dataset, sidecar):
    dataset.bold(NAME, tr=0.0, sidecar=sidecar)
    with pytest.raises(BOLDError, match="Add RepetitionTime"):
        read_bold_header(dataset.run(NAME))


def test_repetition_times_that_disagree_are_both_named(dataset):
    dataset.bold(NAME, tr=2.5, sidecar=2.0)
    with pytest.raises(BOLDError, match=r"is 2 s, the NIfTI header's 2\.5 s"):
        read_bold(dataset.run(NAME))


def test_repetition_times_that_agree_but_for_rounding_pass(dataset):
    dataset.bold(NAME, tr=2.105, sidecar=2.1)
    assert read_bold_header(dataset.run(NAME))[1] == 2.1


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 6, 1), (4, 5, 6, 1, 9)])
def test_what_is_no_series_of_volumes_is_refused(dataset, shape):
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    dataset.bold(NAME, data)
    with pytest.raises(BOLDError, match="is no series of volumes"):
        read_bold_header(dataset.run(NAME))


def test_values_that_are_not_finite_become_zero_and_are_counted(dataset):
    data = np.random.default_rng(0).normal(100, 5, (4, 5, 6, 20)).astype(np.float32)
    data[0, 0, 0, :] = np.nan
    data[1, 2, 3, 17] = np.inf
    dataset.bold(NAME, data)
    with pytest.warns(DataWarning, match="21 BOLD values are not finite"):
        bold = read_bold(dataset.run(NAME))
    np.testing.assert_array_equal(bold.data, np.where(np.isfinite(data), data, 0))


@pytest.mark.parametrize("value", [0.0, 100.0])
def test_a_series_that_never_changes_is_refused(dataset, value):
    dataset.bold(NAME, np.full((4, 5, 6, 40), value, np.float32))
    with pytest.raises(BOLDError, match="no voxel changes"):
        read_bold(dataset.run(NAME))


def test_constant_voxels_are_fine(dataset):
    data = np.zeros((4, 5, 6, 40), np.float32)
    data[2, 2, 2, 39] = 1
    dataset.bold(NAME, data)
    np.testing.assert_array_equal(read_bold(dataset.run(NAME)).data, data)


@pytest.mark.parametrize("keep", [0.5, 0.01, 0.0])
def test_a_truncated_or_empty_nifti_is_refused_in_one_line(dataset, keep):
    file = dataset.bold(NAME)
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(BOLDError, match=f"sub-01/func/{NAME}_bold.nii.gz: cannot be read") as told:
        read_bold(dataset.run(NAME))
    assert "\n" not in str(told.value)


def test_a_truncated_uncompressed_nifti_is_refused(dataset):
    file = dataset.bold(NAME)
    content = gzip.decompress(file.read_bytes())
    file.with_suffix("").write_bytes(content[:-1000])
    with pytest.raises(BOLDError, match="cannot be read"):
        read_bold(replace(dataset.run(NAME), bold=file.with_suffix("")))


def test_a_file_that_is_no_nifti_is_refused(dataset):
    dataset.bold(NAME).write_text("nothing of the kind")
    with pytest.raises(BOLDError, match="cannot be read"):
        read_bold_header(dataset.run(NAME))
