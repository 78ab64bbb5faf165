"""Models on disk."""

import json

import numpy as np
import pytest
import torch

from bids_eeg2fmri.bids.models import read_model, write_model
from bids_eeg2fmri.errors import DataError, MissingInputError


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


def test_a_missing_or_damaged_model_is_refused(tmp_path):
    with pytest.raises(MissingInputError, match=r"holds no model\.safetensors"):
        read_model(tmp_path)
    write_model(tmp_path, {"a": np.ones(9)}, {})
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(DataError, match="no model of ours"):
        read_model(tmp_path)
