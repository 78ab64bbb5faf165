"""The runs of one participant are prepared side by side, and come out as one after the other."""

import shutil

import numpy as np
import pytest

from bids_eeg2fmri.app import triage
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import prepare
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.config import Config, SpectrogramConfig
from bids_eeg2fmri.errors import DataError


@pytest.fixture
def three_runs(bids_dir):
    """Three copies of a participant's run, of which the EEG of the second is broken."""
    for folder in bids_dir.glob("sub-*"):
        if folder.name != "sub-01":
            shutil.rmtree(folder)
    for path in [*bids_dir.glob("sub-01/*/sub-01_task-rest_*")]:
        for run in (1, 2, 3):
            other = path.with_name(path.name.replace("rest_", f"rest_run-{run}_"))
            shutil.copy(path, other)
            if path.suffix in (".vhdr", ".vmrk"):
                other.write_text(path.read_text().replace("rest_eeg", f"rest_run-{run}_eeg"))
        path.unlink()
    (broken,) = bids_dir.glob("sub-01/eeg/*run-2_eeg.eeg")
    broken.write_bytes(broken.read_bytes()[:-5000])
    return bids_dir


def test_runs_side_by_side_are_those_one_after_the_other(three_runs, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(triage, "WORTH", 0)
    cfg = Config(spectrogram=SpectrogramConfig(fmax=30.0))
    files, _ = find_runs(three_runs, Selection())
    prepared, told = [], []
    for n_cpus in (1, 2):
        work = tmp_path / str(n_cpus)
        runs, failed = prepare(Job(three_runs, work, work, cfg, n_cpus=n_cpus, threads=1), files)
        assert [run.files.name[-5:] for run in runs] == ["run-1", "run-3"]
        (reason,) = failed.values()
        assert [*failed] == ["sub-01_task-rest_run-2"]
        assert isinstance(reason, DataError)
        assert "truncated" in str(reason)
        assert not list(work.glob("logs/*crash*"))
        prepared.append([run.pairs for run in runs])
        told.append(sum("run-2" in line for line in caplog.messages))
        caplog.clear()
    assert told == [1, 1]
    for alone, beside in zip(*prepared, strict=True):
        np.testing.assert_array_equal(alone.eeg, beside.eeg)
        np.testing.assert_array_equal(alone.bold, beside.bold)
