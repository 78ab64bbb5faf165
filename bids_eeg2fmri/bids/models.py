"""Keep trained models, and states of training, as tensors with a text, without pickle.

The header of each file holds a checksum of all tensors and the text.
"""

import errno
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from safetensors.torch import save_file
from torch import Tensor

from bids_eeg2fmri.bids.write import plain, replacing, write_bytes, write_json
from bids_eeg2fmri.errors import DataError, MissingInputError, TemporaryError


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
    text = json.dumps(plain(card), allow_nan=False)
    header = {"card": text, "checksum": _checksum(arrays, text)}
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
        tensors, card = _read(path, "numpy", "card")
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: is no model of ours, or one of an earlier version ({error}). Train it again."
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}). Copy it again.") from error
    return tensors, card


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], history: object) -> None:
    """Write tensors on the CPU straight to a file, which a kill leaves as it was before.

    Parameters
    ----------
    history
        How they came about, in what JSON knows.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    text = json.dumps(history)
    header = {"history": text, "checksum": _checksum(tensors, text)}
    with replacing(path) as temporary:
        try:
            save_file(dict(tensors), temporary, header)
        except SafetensorError as error:  # which hides what the system said
            raise OSError(errno.EIO, str(error)) from error


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read what ``write_checkpoint`` wrote: tensors and history.

    Raises
    ------
    DataError
        The file is damaged.
    TemporaryError
        It cannot be read, which says nothing of what it holds.
    """
    try:
        with path.open("rb"):  # of whose failure safetensors tells only that there is no file
            return _read(path, "pt", "history")
    except OSError as error:
        raise TemporaryError(
            f"{path}: cannot be read ({error.strerror or error}). It holds the state of work under "
            "way and was left alone: make it readable, then run again."
        ) from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: is damaged ({error}).") from error


def _read(path: Path, framework: str, text_name: str) -> tuple[dict[str, Any], Any]:
    """Read all tensors and one text of the header, and hold them against its checksum."""
    with safe_open(path, framework=framework) as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    if "checksum" not in header:
        raise ValueError("it has no checksum")
    if _checksum(tensors, header[text_name]) != header["checksum"]:
        raise ValueError("it is not what its checksum says")
    return tensors, json.loads(header[text_name])


def _checksum(tensors: Mapping[str, ArrayLike | Tensor], text: str) -> str:
    """Sum up names, shapes, types and contents.

    A CRC, as damage is no malice: it takes 0.4 s for 1 GB, two thirds of a digest's.
    """
    found = zlib.crc32(text.encode())
    for name, tensor in sorted(tensors.items()):
        array = np.asarray(tensor, order="C")
        found = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), found)
        found = zlib.crc32(array.reshape(-1).view(np.uint8).data, found)
    return f"{found:08x}"
