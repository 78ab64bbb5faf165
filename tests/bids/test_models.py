"""Models on disk."""

import json
import resource

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from bids_eeg2fmri.bids.models import (
    read_checkpoint,
    read_model,
    write_checkpoint,
    write_model,
)
from bids_eeg2fmri.errors import DataError, MissingInputError, TemporaryError


def test_a_model_comes_back_with_its_tensors_and_card(tmp_path):
    tensors = {
        "weight": torch.arange(6.0).reshape(2, 3).T,
        "steps": torch.tensor(4),
        "scale": np.array([[1.5]], np.float32),
    }
    write_model(tmp_path / "m", tensors, {"old": True})
    write_model(tmp_path / "m", tensors, {"kernels": [(7, 37, 2)], "loss": float("nan")})
    read, card = read_model(tmp_path / "m")
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(read[name], tensor)
        assert read[name].shape == tuple(tensor.shape)
    assert (
        card
        == {"kernels": [[7, 37, 2]], "loss": None}
        == json.loads((tmp_path / "m/model.json").read_text())
    )
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        "model.json",
        "model.safetensors",
    ]


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(MissingInputError, match=r"holds no model\.safetensors"):
        read_model(tmp_path)


def flips(content):
    """Contents with one bit changed, in header and tensors, and others cut short."""
    for at in range(0, len(content), 7):
        changed = bytearray(content)
        changed[at] ^= 1
        yield bytes(changed)
        yield content[:at]


def test_a_damaged_model_is_refused(tmp_path):
    tensors = {"a": np.ones(9), "b": np.arange(4, dtype=np.int64)}
    write_model(tmp_path, tensors, {"shapes": [3, 4]})
    file = tmp_path / "model.safetensors"
    for damaged in flips(file.read_bytes()):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match="is no model of ours"):
            read_model(tmp_path)


def test_a_damaged_state_of_a_training_is_refused(tmp_path):
    tensors = {"a": torch.ones(9), "b": torch.arange(4), "c": torch.tensor(2.0)}
    file, history = tmp_path / "fitting.safetensors", [{"number": 1, "loss": 0.5}]
    write_checkpoint(file, tensors, history)
    read, told = read_checkpoint(file)
    assert told == history
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)
    for damaged in flips(file.read_bytes()):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match="is damaged"):
            read_checkpoint(file)


def test_a_model_of_an_earlier_version_is_refused_as_such(tmp_path):
    save_file({"a": np.ones(9)}, tmp_path / "model.safetensors", {"card": "{}"})
    with pytest.raises(DataError, match=r"of an earlier version \(it has no checksum\)"):
        read_model(tmp_path)


def test_a_state_that_cannot_be_read_now_is_not_taken_for_damaged(tmp_path):
    file = tmp_path / "fitting.safetensors"
    write_checkpoint(file, {"a": torch.ones(9)}, [])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(TemporaryError, match="Too many open files") as error:
            read_checkpoint(file)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "\n" not in str(error.value)
