"""How often the state of a work is kept."""

import os
import resource

import pytest
import torch

from bids_eeg2fmri.app import checkpoints
from bids_eeg2fmri.app.checkpoints import (
    Keeper,
    drop_if_damaged,
    read_checkpoint,
    read_if_whole,
    sweep_half_written,
)
from bids_eeg2fmri.errors import TemporaryError

STATE = {"x": torch.arange(4.0)}


def kept(path):
    return read_checkpoint(path)[1] if path.exists() else None


def test_small_states_are_kept_each_time(tmp_path):
    keeper = Keeper(tmp_path / "state", seconds=1e9)
    for n in range(3):
        keeper.keep(STATE, [n])
        assert kept(keeper.path) == [n]


def test_large_states_are_kept_when_the_work_since_is_worth_it(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SMALL", 0)
    keeper = Keeper(tmp_path / "state")
    keeper.keep(STATE, [1])
    assert kept(keeper.path) == [1]
    assert keeper.seconds > 0
    keeper.seconds = 1e9
    keeper.keep(STATE, [2])
    assert kept(keeper.path) == [1]
    keeper.since -= 1e9 / checkpoints.SHARE
    keeper.keep(STATE, [3])
    assert kept(keeper.path) == [3]


def test_a_state_is_dropped_for_damage_and_not_because_it_cannot_be_read(tmp_path):
    file = tmp_path / "state"
    Keeper(file).keep(STATE, [1])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for read in (read_if_whole, lambda path, *whose: drop_if_damaged([path], *whose)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            with pytest.raises(TemporaryError, match="was left alone"):
                read(file, "sub-01", "topo-rff")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    tensors, history = read_if_whole(file, "sub-01", "topo-rff")
    assert torch.equal(tensors["x"], STATE["x"])
    assert history == [1]
    file.write_bytes(file.read_bytes()[:-1])
    assert read_if_whole(file, "sub-01", "topo-rff") is None
    assert not file.exists()


def test_half_written_states_go_once_nobody_can_be_at_work_on_them(tmp_path):
    Keeper(tmp_path / "state").keep(STATE, [1])
    old, new = (tmp_path / f".{digit * 32}.state" for digit in "ab")
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    os.utime(tmp_path / "state", (0, 0))
    sweep_half_written(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"state", new.name}
