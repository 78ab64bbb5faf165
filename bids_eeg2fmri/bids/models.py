"""Keep trained models as tensors and a card, without pickle."""

import errno
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from safetensors.torch import save_file
from torch import Tensor

from bids_eeg2fmri.bids.write import plain, replacing, write_bytes, write_json
from bids_eeg2fmri.errors import DataError, MissingInputError


def write_model(folder: Path, tensors: Mapping[str, ArrayLike], card: Mapping[str, object]) -> None:
    """Write a model's tensors (numpy, or torch on the CPU) and what one must know to use them.

    ``model.safetensors`` holds the card too, so that one rename replaces both at once;
    ``model.json`` is the card for people to read.

    Raises
    ------
    OutputError
        The files cannot be written.
    """
    arrays = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    header = {"card": json.dumps(plain(card), allow_nan=False)}
    write_bytes(folder / "model.safetensors", save(arrays, header))
    write_json(folder / "model.json", card)


def read_model(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Read what ``write_model`` wrote: tensors and card.

    Raises
    ------
    MissingInputError
        The folder holds no model.
    DataError
        The file is damaged or was not written by ``write_model``.
    """
    path = folder / "model.safetensors"
    if not path.is_file():
        raise MissingInputError(f"{folder}: holds no model.safetensors. Name a folder of models/.")
    try:
        with safe_open(path, framework="numpy") as model:
            tensors = {name: model.get_tensor(name) for name in sorted(model.keys())}
            return tensors, json.loads(model.metadata()["card"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: is no model of ours ({error}). Train it again.") from error


def write_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write tensors on the CPU straight to a file, which a kill leaves as it was before.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    with replacing(path) as temporary:
        try:
            save_file(dict(tensors), temporary, dict(metadata))
        except SafetensorError as error:  # which hides what the system said
            raise OSError(errno.EIO, str(error)) from error
