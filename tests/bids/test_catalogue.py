"""The list of files that is kept, beside what pybids finds."""

import json

import pytest
from test_query import both, touch

from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection

NAMES = ["sub-01_task-rest_run-1", "sub-01_task-rest_run-2", "sub-02_task-rest_run-1"]


@pytest.fixture
def root(dataset):
    touch(dataset.root, *both(*NAMES))
    return dataset.root


def names_of(root, index, **selection):
    return [run.name for run in find_runs(root, Selection(index=index, **selection))[0]]


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"participants": ("02",)},
        {"filters": {"bold": {"run": 2}, "eeg": {"run": 2}}},
        {"runs": ("1",)},
    ],
)
def test_what_is_kept_is_what_was_found(root, tmp_path, selection):
    found = find_runs(root, Selection(**selection))
    kept = Selection(**selection, index=tmp_path / "index")
    assert find_runs(root, kept) == find_runs(root, kept) == found


def test_the_second_start_reads_what_the_first_one_kept(root, tmp_path):
    assert names_of(root, tmp_path) == NAMES
    (kept,) = tmp_path.glob("*.json")
    told = json.loads(kept.read_text())
    for files in (told["there"], told["left"]):
        for kind in files:
            files[kind] = [name for name in files[kind] if "run-2" not in name]
    kept.write_text(json.dumps(told))
    assert names_of(root, tmp_path) == [NAMES[0], NAMES[2]]


def test_files_that_come_go_or_change_their_name_are_noticed(root, tmp_path):
    assert names_of(root, tmp_path) == NAMES
    touch(root, *both("sub-02_task-rest_run-2"))
    assert names_of(root, tmp_path) == [*NAMES, "sub-02_task-rest_run-2"]
    for name in both("sub-02_task-rest_run-2"):
        next(root.glob(f"**/{name}")).unlink()
    assert names_of(root, tmp_path) == NAMES
    for file in [*root.glob("**/*_run-2_*")]:
        file.rename(file.with_name(file.name.replace("run-2", "run-3")))
    assert names_of(root, tmp_path) == [NAMES[0], "sub-01_task-rest_run-3", NAMES[2]]
    touch(root, *both("sub-02_ses-a_task-rest"))
    assert "sub-02_ses-a_task-rest" in names_of(root, tmp_path)


def test_what_is_kept_of_chosen_participants_outlives_changes_of_others(root, tmp_path):
    assert names_of(root, tmp_path, participants=("01",)) == NAMES[:2]
    (kept,) = tmp_path.glob("*.json")
    before = kept.stat()
    touch(root, *both("sub-02_task-rest_run-2", "sub-03_task-rest"))
    assert names_of(root, tmp_path, participants=("01",)) == NAMES[:2]
    assert kept.stat() == before


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"state": "x"}', '{"there": 3, "left": 4}'])
def test_a_damaged_list_is_made_again(root, tmp_path, damage):
    names_of(root, tmp_path)
    (kept,) = tmp_path.glob("*.json")
    whole = kept.read_text()
    kept.write_text(damage)
    assert names_of(root, tmp_path) == NAMES
    assert kept.read_text() == whole


def test_where_nothing_can_be_kept_the_files_are_found_all_the_same(root, tmp_path):
    (tmp_path / "file").touch()
    assert names_of(root, tmp_path / "file" / "index") == NAMES
