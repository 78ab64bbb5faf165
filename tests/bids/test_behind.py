"""Files that other threads write: all there at the end, errors told, memory bounded."""

import itertools
import threading
import time
from contextlib import suppress

import nibabel as nib
import numpy as np
import pytest

from bids_eeg2fmri.bids.behind import WAITING, write_behind, writing_behind
from bids_eeg2fmri.bids.images import write_image, write_series
from bids_eeg2fmri.bids.write import noting_files
from bids_eeg2fmri.errors import OutputError

VOLUME = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 3])
def test_what_is_written_behind_is_there_and_noted_at_the_end(tmp_path, threads):
    paths = [tmp_path / f"{i}.nii.gz" for i in range(10)]
    with noting_files() as noted:
        with writing_behind(threads):
            for i, path in enumerate(paths):
                write_image(path, VOLUME + i, np.eye(4), metadata={})
        assert {path for path in noted if path.suffix == ".gz"} == {*paths}
    for i, path in enumerate(paths):
        np.testing.assert_array_equal(nib.load(path).get_fdata(), VOLUME + i)


def test_what_cannot_be_written_behind_is_told(tmp_path):
    (tmp_path / "x.nii.gz").mkdir()
    (tmp_path / "x.nii.gz" / "file").touch()
    with pytest.raises(OutputError, match=r"x\.nii\.gz: cannot be written"), writing_behind(1):
        write_image(tmp_path / "x.nii.gz", VOLUME, np.eye(4), metadata={})
    assert not list(tmp_path.glob(".*"))


def test_whoever_comes_with_more_than_can_wait_waits():
    begun, waiting = [], []

    def write():
        time.sleep(0.001)  # slower than whoever comes
        waiting.append(len(begun) - len(waiting))

    with writing_behind(2):
        for i in range(50):
            write_behind(write)
            begun.append(i)
    assert len(waiting) == 50
    assert max(waiting) <= WAITING


def test_an_interruption_breaks_off_what_is_being_written(tmp_path):
    @writing_behind(1)
    def interrupted():
        endless = itertools.repeat(VOLUME)
        write_series(
            tmp_path / "x.nii.gz", endless, (4, 5, 6, 30_000), np.eye(4), tr=2.0, metadata={}
        )
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_errors_that_are_told_take_no_place():
    told = []

    def fail():
        raise OutputError("no space")

    def go_on():
        with suppress(OutputError), writing_behind(1):
            for _ in range(4 * WAITING):
                try:
                    write_behind(fail)
                except OutputError as error:
                    told.append(error)

    writer = threading.Thread(target=go_on, daemon=True)
    writer.start()
    writer.join(timeout=60)
    assert not writer.is_alive()
    assert len(told) > WAITING


@pytest.mark.parametrize("n", [0, 2, 4])
def test_a_series_of_another_length_than_was_said_is_not_written(n, tmp_path):
    series, shape = [VOLUME] * n, (*VOLUME.shape, 3)
    with pytest.raises(ValueError, match="volumes came, not 3"):
        write_series(tmp_path / "x.nii.gz", series, shape, np.eye(4), tr=2.0, metadata={})
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
