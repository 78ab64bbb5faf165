"""How often the state of a work is kept."""

import torch

from bids_eeg2fmri.app import checkpoints
from bids_eeg2fmri.app.checkpoints import Keeper, read_checkpoint

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
