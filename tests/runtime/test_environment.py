import os
import tempfile

import pytest

from bids_eeg2fmri.errors import OutputError
from bids_eeg2fmri.runtime.environment import prepare_environment


def test_a_home_that_does_not_exist_moves_into_the_work_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    prepare_environment(tmp_path / "work")
    assert os.environ["HOME"] == str(tmp_path / "work" / "home")
    assert os.path.isdir(os.environ["HOME"])


def test_an_unset_home_moves_into_the_work_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    prepare_environment(tmp_path / "work")
    assert os.environ["HOME"] == str(tmp_path / "work" / "home")


def test_threads_sleep_while_they_wait(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    prepare_environment(tmp_path)
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_folders_that_can_be_written_to_stay_and_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    before = dict(os.environ)
    prepare_environment(tmp_path / "work")
    assert dict(os.environ) == before
    assert not (tmp_path / "work").exists()


def test_a_cache_folder_that_cannot_be_written_to_gives_way_to_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "missing"))
    prepare_environment(tmp_path / "work")
    assert "MPLCONFIGDIR" not in os.environ


def test_the_working_folder_is_no_place_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, "")  # so that all is put back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # found where no other can be written
    prepare_environment(tmp_path / "work")
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(tmp_path / "work" / "tmp")


def test_the_working_folder_is_fine_where_it_was_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    prepare_environment(tmp_path / "work")
    assert os.environ["TMPDIR"] == str(tmp_path)


def test_no_writable_folder_at_all_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="--work-dir"):
        prepare_environment(tmp_path / "file" / "work")
