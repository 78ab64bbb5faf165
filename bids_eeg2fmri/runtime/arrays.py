"""Nouns on disk: one ``.npy`` file for each array, one JSON file for the rest, no pickle.

What is loaded is memory-mapped, so that a run larger than memory can be trained on.
"""

import dataclasses
import json
import math
import mmap
import os
import sys
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from bids_eeg2fmri.errors import OutputError, is_shortage, shortage

Noun = TypeVar("Noun")


def save(folder: Path, name: str, noun: Any) -> None:
    """Write a dataclass of arrays, texts and numbers as ``NAME.json`` and ``NAME.FIELD.npy``.

    An array that :func:`allocate` made in its place is brought to the disk and not copied.

    Raises
    ------
    OutputError
        If it cannot be written.
    MemoryShortageError
        If there is no memory for it.
    """
    try:
        fields = {
            field.name: _write(getattr(noun, field.name), folder, f"{name}.{field.name}")
            for field in dataclasses.fields(noun)
        }
        text = json.dumps(fields, indent=1, allow_nan=False, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    except OSError as error:
        if is_shortage(error):
            raise shortage(error) from error
        # A short write of an array has no strerror.
        reason = error.strerror or f"{error}: the disk is full"
        raise OutputError(
            f"{folder}: cannot be written ({reason}). "
            "Free space there or choose another folder with --work-dir."
        ) from error


def load(folder: Path, name: str, cls: type[Noun]) -> Noun:
    """Read back what :func:`save` wrote; arrays are memory-mapped, read-only, in stored order."""
    fields = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return cls(**{field: _read(value, folder) for field, value in fields.items()})


def allocate(
    folder: Path, name: str, shape: tuple[int, ...], dtype: DTypeLike, *, fortran: bool = False
) -> np.memmap[Any, Any]:
    """Make ``NAME.npy``, full of zeros, to be filled piece by piece.

    For the field ``data`` of a noun that will be saved as ``bold``, the name is ``bold.data``.

    Raises
    ------
    OutputError
        If the disk has no room for it.
    MemoryShortageError
        If memory has none to map it into.
    """
    path = folder / f"{name}.npy"
    try:
        array = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.dtype(dtype), shape=shape, fortran_order=fortran
        )
        # The file has holes until it is filled, and to fill one on a full disk kills the process.
        if sys.platform == "linux":
            with path.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        if is_shortage(error):
            raise shortage(error) from error
        raise OutputError(
            f"{path}: no room for {math.prod(shape) * np.dtype(dtype).itemsize / 1e6:.0f} MB "
            f"({error.strerror}). Free space there or choose another folder with --work-dir."
        ) from error
    return array


def _write(value: Any, folder: Path, name: str) -> Any:
    """Write the arrays in a value to files, and give what stands for it in JSON."""
    if isinstance(value, np.ndarray):
        _write_array(value, folder / f"{name}.npy")
        return {"$npy": f"{name}.npy"}
    if isinstance(value, dict):
        return {key: _write(entry, folder, f"{name}.{key}") for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_write(entry, folder, f"{name}.{i}") for i, entry in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):  # JSON knows no such number
        return {"$float": str(value)}
    return value


def _write_array(array: np.ndarray, path: Path) -> None:
    """Write one array, unless it is the whole of the file that it would be written to."""
    base: Any = array.base
    if isinstance(base, mmap.mmap) and getattr(array, "filename", None) == path.resolve():
        base.flush()
        return
    # By another name first: the array may be a view of the very file that it replaces.
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    part.replace(path)


def _read(value: Any, folder: Path) -> Any:
    """Undo :func:`_write`."""
    match value:
        case {"$npy": file}:
            return np.load(folder / Path(file).name, mmap_mode="r", allow_pickle=False)
        case {"$float": text}:
            return float(text)
        case dict():
            return {key: _read(entry, folder) for key, entry in value.items()}
        case list():
            return tuple(_read(entry, folder) for entry in value)
    return value
