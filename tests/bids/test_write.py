"""Single files: what they hold, what they are called, and what is left when writing fails."""

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap

import nibabel as nib
import numpy as np
import pytest

from bids_eeg2fmri.bids.images import make_image, write_image, write_mask, write_series
from bids_eeg2fmri.bids.write import (
    bids_uri,
    check_output,
    derivative_path,
    write_json,
    write_table,
    write_text,
)
from bids_eeg2fmri.errors import OutputError, UsageError

OBLIQUE = np.array(
    [
        [2.9544233, -0.5209445, 0.0, -90.0],
        [0.5209445, 2.9544233, 0.0, -120.0],
        [0.0, 0.0, 4.0, -60.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def names_in(folder):
    return sorted(path.name for path in folder.rglob("*"))


def read_sidecar(path):
    return json.loads(path.read_text())


def test_a_series_comes_back_with_its_values_affine_units_and_tr(tmp_path):
    data = np.random.default_rng(0).normal(900, 30, (4, 5, 6, 7))
    path = tmp_path / "sub-01" / "x_bold.nii.gz"
    metadata = {"Units": "arbitrary", "TaskName": "rest", "Sources": ["bids:raw:x"]}
    volumes = np.moveaxis(data, -1, 0)
    write_series(path, iter(volumes), data.shape, OBLIQUE, tr=2.16, metadata=metadata)
    image = nib.load(path)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(image.get_fdata(), data.astype(np.float32))
    for affine, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        np.testing.assert_allclose(affine, OBLIQUE, atol=1e-5)
        assert code == 1
    assert image.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_allclose(image.header.get_zooms(), (3, 3, 4, 2.16), rtol=1e-6)
    sidecar = read_sidecar(tmp_path / "sub-01" / "x_bold.json")
    assert sidecar == {"SkullStripped": False, "RepetitionTime": 2.16, **metadata}


def test_a_series_is_byte_for_byte_what_nibabel_writes_of_the_whole(tmp_path):
    data = np.random.default_rng(0).normal(900, 30, (4, 5, 6, 7)).astype(np.float32)
    path, whole = tmp_path / "a.nii.gz", make_image(data, OBLIQUE)
    write_series(path, np.moveaxis(data, -1, 0), data.shape, OBLIQUE, tr=2.16, metadata={})
    whole.header.set_zooms((*whole.header.get_zooms()[:3], 2.16))
    nib.save(whole, tmp_path / "b.nii.gz")
    assert path.read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_map_has_no_repetition_time_and_keeps_nan(tmp_path):
    data = np.full((2, 3, 4), np.nan, np.float32)
    write_image(tmp_path / "r_boldmap.nii.gz", data, OBLIQUE, metadata={"Units": "1"})
    assert np.isnan(nib.load(tmp_path / "r_boldmap.nii.gz").get_fdata()).all()
    assert read_sidecar(tmp_path / "r_boldmap.json") == {"SkullStripped": False, "Units": "1"}


def test_a_mask_is_of_zeros_and_ones(tmp_path):
    mask = np.random.default_rng(0).random((4, 5, 6)) > 0.5
    write_mask(tmp_path / "m_mask.nii.gz", mask, OBLIQUE, metadata={})
    image = nib.load(tmp_path / "m_mask.nii.gz")
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(image.dataobj), mask)
    assert read_sidecar(tmp_path / "m_mask.json") == {"Type": "Brain"}


def test_equal_data_give_equal_bytes(tmp_path):
    data = np.ones((3, 3, 3), np.float32)
    for name in ("a.nii.gz", "b.nii.gz"):
        write_image(tmp_path / name, data, OBLIQUE, metadata={})
    first = (tmp_path / "a.nii.gz").read_bytes()
    assert first == (tmp_path / "b.nii.gz").read_bytes()
    assert first[4:8] == bytes(4)  # the time stamp of gzip


def test_a_table_writes_na_for_what_is_missing_and_describes_each_column(tmp_path):
    columns = {
        "model": {"Description": "Which model"},
        "r": {"Description": "Pearson correlation", "Units": "1"},
        "absent": {"Description": "Not in this table"},
    }
    rows = {"model": ["paper", None], "r": np.array([0.25, np.nan])}
    write_table(tmp_path / "t_metrics.tsv", rows, columns, metadata={"Sources": ["bids:raw:x"]})
    assert (tmp_path / "t_metrics.tsv").read_text() == "model\tr\npaper\t0.25\nn/a\tn/a\n"
    sidecar = read_sidecar(tmp_path / "t_metrics.json")
    assert list(sidecar) == ["Sources", "model", "r"]


def test_json_holds_null_for_what_is_not_finite_and_takes_numpy_values(tmp_path):
    write_json(
        tmp_path / "a.json",
        {
            "a": np.float32(0.5),
            "b": [float("nan"), np.inf],
            "c": np.arange(2),
            "d": (1, {"é": True}),
        },
    )
    written = read_sidecar(tmp_path / "a.json")
    assert written == {"a": 0.5, "b": [None, None], "c": [0, 1], "d": [1, {"é": True}]}


def test_derivatives_take_their_name_from_the_recording(tmp_path):
    entities = {"sub": "01", "ses": "a", "task": "rest", "acq": "x", "run": "02", "chunk": "1"}
    entities |= {"space": "MNI152NLin6Asym"}
    path = derivative_path(
        tmp_path, entities, "func", suffix="boldmap", extension=".nii.gz", desc="synth",
        stat="rmse",
    )  # fmt: skip
    assert path == tmp_path / "sub-01/ses-a/func" / (
        "sub-01_ses-a_task-rest_acq-x_run-02_space-MNI152NLin6Asym_chunk-1_stat-rmse_desc-synth"
        "_boldmap.nii.gz"
    )


def test_sources_are_bids_uris(tmp_path):
    path = tmp_path / "sub-01" / "func" / "sub-01_bold.nii.gz"
    assert bids_uri(path, tmp_path) == "bids:raw:sub-01/func/sub-01_bold.nii.gz"


@pytest.mark.parametrize("inside", ["", "out", "sub-01/out", "sourcedata/out", "derivatives/../x"])
def test_nothing_is_written_into_the_raw_tree(tmp_path, inside):
    raw = tmp_path / "raw"
    raw.mkdir()
    with pytest.raises(UsageError, match=r"^output_dir .* never written to"):
        check_output(raw / inside, raw, tmp_path / "work")
    with pytest.raises(UsageError, match=r"^work_dir .* never written to"):
        check_output(tmp_path / "out", raw, raw / inside)
    assert names_in(tmp_path) == ["raw"]


def test_a_link_into_the_raw_tree_is_seen_through(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (tmp_path / "link").symlink_to(raw)
    with pytest.raises(UsageError):
        check_output(tmp_path / "link" / "out", raw, tmp_path / "work")


def test_derivatives_and_neighbours_of_the_input_may_be_written_to(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    check_output(raw / "derivatives" / "x", raw, raw / "derivatives" / "work")
    check_output(tmp_path / "raw-out", raw, tmp_path / "work")
    assert names_in(tmp_path) == ["derivatives", "raw", "raw-out", "work", "work", "x"]


def test_an_output_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/out: cannot be written \(Not a directory\)"):
        check_output(tmp_path / "file" / "out", tmp_path / "raw", tmp_path / "work")
    with pytest.raises(OutputError, match="cannot be written"):
        write_text(tmp_path / "file" / "report.html", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_without_permission_is_told(tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Choose a folder that you may write into"):
        check_output(tmp_path / "out", tmp_path / "raw", tmp_path / "work")


def test_a_failure_midway_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.nii.gz"
    write_image(path, np.ones((2, 2, 2)), OBLIQUE, metadata={"Units": "1"})
    before = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
    with pytest.raises(TypeError):
        write_image(path, np.zeros((2, 2, 2)), OBLIQUE, metadata={"Units": object()})
    assert {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)} == before


def run_with_small_files(code, folder):
    """Run code in a process in which no file may grow past 100 kB, as on a disk that fills up."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    program = f"""
import numpy as np
from pathlib import Path
from bids_eeg2fmri.bids.images import write_image, write_series
from bids_eeg2fmri.bids.write import write_text
from bids_eeg2fmri.bids.models import write_model
from bids_eeg2fmri.errors import OutputError
folder, noise = Path({str(folder)!r}), np.random.default_rng(0).random((32, 32, 32, 8))
SHAPE = (32, 32, 8, 32)
try:
    {textwrap.dedent(code)}
except OutputError as error:
    print(error)
"""
    return subprocess.run(
        [sys.executable, "-W", "error", "-B", "-c", program],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (
            "write_series(folder / 'a.nii.gz', noise, SHAPE, np.eye(4), tr=2, metadata={})",
            "a.nii.gz",
        ),
        ("write_model(folder, {'a': noise}, {})", "model.safetensors"),
        ("write_text(folder / 'a.html', 'x' * 200_000)", "a.html"),
    ],
)
def test_a_full_disk_is_told_in_one_line_and_leaves_the_old_file(tmp_path, code, name):
    (tmp_path / name).write_text("old")
    done = run_with_small_files(code, tmp_path)
    assert done.stdout == (
        f"{tmp_path / name}: cannot be written (File too large). Free some space, then run again.\n"
    )
    assert done.stderr == ""
    assert (tmp_path / name).read_text() == "old"
    assert not list(tmp_path.glob(".*"))
