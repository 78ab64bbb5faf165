"""BOLD series and their sidecars."""

import gzip
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from bids_eeg2fmri.bids.bold import bold_metadata, excitations, read_bold, read_bold_header
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.errors import BOLDError, DataWarning
from bids_eeg2fmri.preprocess.echoes import decay_rate, echo_weights

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


@pytest.mark.parametrize(
    ("timing", "n"), [([0, 1.0, 0.5, 0, 1.0, 0.5], 3), ([], 1), ("ascending", 1), (7, 1), ([""], 1)]
)
def test_slices_at_the_same_time_are_one_excitation(dataset, timing, n):
    dataset.bold(NAME)
    dataset.json("task-rest_bold.json", {"SliceTiming": timing})
    assert excitations(dataset.run(NAME)) == n


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


@pytest.mark.parametrize("value", ["2", True, [2], {"s": 2}, "NaN", float("inf"), 10**400, -2])
def test_a_repetition_time_that_is_no_number_of_seconds_is_none(dataset, value):
    dataset.bold(NAME, tr=2.5, sidecar=value)
    with pytest.warns(DataWarning, match="no RepetitionTime in the sidecar"):
        assert read_bold_header(dataset.run(NAME))[1] == 2.5


# Echoes


def echoes(dataset, series, times):
    """Find the run that these echoes make; ``times`` go to the sidecars."""
    for number, (data, time) in enumerate(zip(series, times, strict=True), start=1):
        dataset.bold(f"{NAME}_echo-{number}", data)
        sidecar = {"RepetitionTime": 2.0} | ({} if time is None else {"EchoTime": time})
        dataset.json(f"sub-01/func/{NAME}_echo-{number}_bold.json", sidecar)
    dataset.text(f"sub-01/eeg/{NAME}_eeg.edf", "")
    return find_runs(dataset.root, Selection(echo="combined"))[0][0]


def test_echoes_are_summed_with_the_weights_of_their_means(dataset):
    times = (0.01, 0.03, 0.05)
    rng = np.random.default_rng(0)
    series = [rng.normal(100 / n, 5, (4, 5, 6, 37)).astype(np.float32) for n in (1, 2, 3)]
    series[1][0, 0, 0, 3] = np.nan
    run = echoes(dataset, series, times)
    with pytest.warns(DataWarning, match="1 BOLD values are not finite"):
        bold = read_bold(run, weigh=echo_weights)
    weights = echo_weights(np.nan_to_num(series).mean(axis=4, dtype=np.float64), np.array(times))
    expected = np.nan_to_num(
        sum(w[..., None] * one for w, one in zip(weights, series, strict=True))
    )
    np.testing.assert_allclose(bold.data, expected, rtol=1e-4)
    np.testing.assert_array_equal(read_bold(run).data, series[0])


@pytest.mark.parametrize(
    ("times", "complaint"),
    [
        (
            (0.01, None),
            "echo-2_bold.nii.gz: EchoTime in its sidecar is None, not a time in seconds",
        ),
        ((0.01, "0.03"), "EchoTime in its sidecar is '0.03'"),
        ((12.8, 28.0), "EchoTime in its sidecar is 12.8, not a time in seconds"),
        ((0.01, 0.01), "echoes have the same EchoTime"),
    ],
)
def test_echoes_of_unknown_times_are_not_combined(dataset, times, complaint):
    series = np.random.default_rng(0).normal(100, 5, (2, 4, 5, 6, 20)).astype(np.float32)
    with pytest.raises(BOLDError, match=complaint) as told:
        read_bold(echoes(dataset, series, times), weigh=echo_weights)
    assert str(told.value).endswith("take one echo with --echo N.")


def test_echoes_of_different_shapes_are_not_combined(dataset):
    series = np.random.default_rng(0).normal(100, 5, (4, 5, 6, 20)).astype(np.float32)
    run = echoes(dataset, (series, series[..., :-1]), (0.01, 0.02))
    with pytest.raises(BOLDError, match="its echoes have the shapes 4×5×6×20, 4×5×6×19"):
        read_bold(run, weigh=echo_weights)


# Real BOLD files


def test_real_echoes_decay_as_brains_do_and_are_combined(dataset, ingest):
    times = (0.0145, 0.0385, 0.0625)
    files = [ingest / f"bold_multiecho_tedana/echo{number}.nii.gz" for number in (1, 2, 3)]
    run = echoes(dataset, [nib.load(file).get_fdata(dtype=np.float32) for file in files], times)
    for file, path in zip(files, run.echoes, strict=True):
        shutil.copyfile(file, path)
    bold = read_bold(run, weigh=echo_weights)
    means = np.stack([nib.load(file).get_fdata().mean(axis=3) for file in files])
    brain = means[0] > np.percentile(means[0], 80)
    assert 0.02 < np.median(1 / decay_rate(means, np.array(times))[brain].clip(1)) < 0.08
    assert np.all(bold.data.mean(axis=3)[brain] <= means.max(axis=0)[brain] * (1 + 1e-5))


@pytest.mark.parametrize(
    ("file", "shape", "tr"),
    [
        ("bold_nitime/fmri1.nii.gz", (10, 10, 18, 40), 1.35),
        ("bold_nitime/fmri2.nii.gz", (10, 10, 18, 40), 1.35),
        ("bold_nipy/functional.nii.gz", (17, 21, 3, 20), 2.0),
    ],
)
def test_real_series_are_read(dataset, ingest, file, shape, tr):
    shutil.copyfile(ingest / file, dataset.bold(NAME, sidecar=tr))
    bold = read_bold(dataset.run(NAME))
    assert (bold.data.shape, bold.tr) == (shape, tr)
    assert np.isfinite(bold.data).all()
