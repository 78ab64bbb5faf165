"""A dry run of many recordings: side by side, and whatever becomes of one of them."""

from pathlib import Path

import pytest

from bids_eeg2fmri.app import dry_run
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.errors import DataWarning


def job_of(root: Path, *, n_cpus: int = 1) -> Job:
    return Job(root, root / "out", root / "work", Config(), n_cpus=n_cpus)


def test_runs_and_their_oddities_are_told_alike_by_several_processes(bids_dir, monkeypatch):
    markers = bids_dir / "sub-02/eeg/sub-02_task-rest_eeg.vmrk"
    *others, _last = markers.read_text().rstrip().splitlines()
    markers.write_text("\n".join(others))
    runs, _ = find_runs(bids_dir, Selection())
    monkeypatch.setattr(dry_run, "_WORTH_A_PROCESS", 1)
    told = []
    for n_cpus in (1, 2):
        with pytest.warns(DataWarning, match="99 of 100 volumes have a marker") as notes:
            rows = dry_run.describe_runs(job_of(bids_dir, n_cpus=n_cpus), runs)
        told.append((rows, [str(note.message) for note in notes]))
    assert told[0] == told[1]


def test_what_nobody_foresaw_refuses_a_run_in_one_line(simulated):
    runs, _ = find_runs(simulated, Selection())
    job = job_of(simulated)
    object.__setattr__(job.config.clock, "tolerance", None)  # which no user can get past the checks
    for row in dry_run.describe_runs(job, runs):
        assert row["refused"].startswith("TypeError: ")
        assert row["refused"].endswith(". Please report it.")
        assert "\n" not in row["refused"]
