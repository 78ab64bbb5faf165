"""Pieces of one participant's work, one after the other or side by side."""

import os
from functools import partial

import pytest

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.triage import attempt_side_by_side
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.errors import AppError, DataError


def learn(broken, name):
    if name in broken:
        raise broken[name]
    return name, os.getpid()


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def job(request, tmp_path):
    folders = (tmp_path / "bids", tmp_path / "out", tmp_path / "work")
    return Job(*folders, Config(), n_cpus=request.param, threads=1)


def test_what_is_broken_is_named_and_stops_no_other(job):
    work = {f"sub-01 {name}": name for name in ("a", "b", "c")}
    fn = partial(learn, {"b": DataError("sub-01: too short.")})
    done, failed = attempt_side_by_side(job, fn, work)
    assert [name for name, _ in done] == ["a", "c"]
    assert {name: str(error) for name, error in failed.items()} == {
        "sub-01 b": "sub-01: too short."
    }
    here = {pid == os.getpid() for _, pid in done}
    assert here == {job.n_cpus == 1}


def test_where_all_are_broken_the_first_reason_is_raised(job):
    broken = {"a": DataError("the first"), "b": DataError("the second")}
    with pytest.raises(DataError, match="the first"):
        attempt_side_by_side(job, partial(learn, broken), {"a": "a", "b": "b"})


def test_what_nobody_foresaw_ends_it(job):
    with pytest.raises((AppError, KeyError), match="unforeseen"):
        attempt_side_by_side(
            job, partial(learn, {"b": KeyError("unforeseen")}), {"a": "a", "b": "b"}
        )
