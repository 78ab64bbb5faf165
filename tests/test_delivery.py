"""What stands in the output folder is what its job has made, whoever else delivers there."""

import json

import pytest
from apart import start
from observed import issues_of, results

from bids_eeg2fmri.app.delivery import deliver
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.bids.write import write_text
from bids_eeg2fmri.config import Config


@pytest.fixture
def job(tmp_path):
    (tmp_path / "bids").mkdir()
    return Job(tmp_path / "bids", tmp_path / "out", tmp_path / "work", Config())


def bring(job, item, files, patterns=("**/*",), facts=None):
    """Deliver files of these names and contents; tell which were written."""
    written = []

    def write():
        for name, content in files.items():
            write_text(job.out / name, content)
            written.append(name)

    deliver(job, item, [], patterns, {}, facts or {}, write)
    return written


def standing(job):
    files = (path for path in job.out.rglob("*") if path.is_file())
    return {p.relative_to(job.out).as_posix(): p.read_text() for p in files if p.suffix != ".lock"}


def test_what_stands_untouched_is_not_written_again(job):
    assert bring(job, "sub-01", {"a": "1"}) == ["a"]
    assert bring(job, "sub-01", {"a": "1"}) == []


@pytest.mark.parametrize("harm", ["gone", "cut", "other"])
def test_what_was_harmed_is_written_again(job, harm):
    bring(job, "sub-01", {"a": "123"})
    (job.out / "a").unlink()
    if harm != "gone":
        (job.out / "a").write_text({"cut": "12", "other": "124"}[harm])
    bring(job, "sub-01", {"a": "123"})
    assert standing(job) == {"a": "123"}


def test_a_file_that_is_no_longer_made_goes_though_no_pattern_matches_it(job):
    bring(job, "sub-01", {"group.html": "one task", "a": "1"}, ["group.html", "a"])
    bring(job, "sub-01", {"a": "2"}, ["a"], {"tasks": 2})
    assert standing(job) == {"a": "2"}


def test_a_file_that_someone_else_has_written_since_stays(job):
    bring(job, "sub-01", {"shared": "of all recordings", "a": "1"})
    bring(job, "sub-01_task-b", {"shared": "of one task"})
    bring(job, "sub-01", {"a": "2"}, facts={"tasks": 1})
    assert standing(job) == {"shared": "of one task", "a": "2"}


def test_files_that_another_selection_writes_are_not_taken_for_ones_own(job):
    bring(job, "sub-01_task-b", {"func/sub-01_task-b": "1"})
    bring(job, "sub-01", {"func/sub-01_task-a": "1"}, ["func/sub-01_*"])
    bring(job, "sub-01", {"func/sub-01_task-a": "2"}, ["func/sub-01_*"], {"epochs": 2})
    assert standing(job) == {"func/sub-01_task-b": "1", "func/sub-01_task-a": "2"}


@pytest.mark.parametrize("damage", ["{}", "[]", "null", '{"key": 1, "out": ', ""])
def test_a_damaged_record_is_as_none(job, damage):
    bring(job, "sub-01", {"a": "1"})
    (job.work / "delivered" / "sub-01.json").write_text(damage)
    assert bring(job, "sub-01", {"a": "1"}) == ["a"]
    assert json.loads((job.work / "delivered" / "sub-01.json").read_text())["files"].keys() == {"a"}


@pytest.mark.usefixtures("many_faults")
def test_participants_in_jobs_side_by_side_give_what_one_job_gives(
    simulated, undisturbed, tmp_path, fast
):
    out, files = tmp_path / "out", {one: tmp_path / one for one in ("01", "02")}
    call = (simulated, out, "participant", *fast, "--participant-label")
    jobs = [start(said, *call, label) for label, said in files.items()]
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0], [said.read_text() for said in files.values()]
    assert results(out) == results(undisturbed)
    about_all = ("participants.tsv", "participants.json", "dataset_description.json", ".bidsignore")
    for name in (*about_all, "descriptions.tsv", "descriptions.json"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes()
    assert {path.name for path in out.rglob(".*")} == {".bidsignore"}
    assert issues_of(out) == []


def test_two_equal_jobs_side_by_side_both_succeed(simulated, undisturbed, tmp_path, fast):
    out, files = tmp_path / "out", [tmp_path / "first", tmp_path / "second"]
    call = (simulated, out, "participant", "--participant-label", "01", *fast)
    jobs = [start(said, *call) for said in files]
    for job in jobs:
        job.join()
    said = [file.read_text() for file in files]
    assert [job.exitcode for job in jobs] == [0, 0], said
    assert results(out) == results(undisturbed, "sub-01")
    assert {path.name for path in out.rglob(".*")} == {".bidsignore"}
