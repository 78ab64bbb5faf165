"""Tables, sidecars and images of an output folder, and the files that hold them."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from bids_eeg2fmri.bids.selection import natural
from bids_eeg2fmri.errors import DataError, MissingInputError, UsageError


def find(folder: Path, pattern: str) -> list[Path]:
    """List files in natural order, so that sub-2 comes before sub-10."""
    return sorted(folder.glob(pattern), key=lambda path: natural(*path.parts))


def existing(path: Path) -> Path:
    """Give the path of a file that is there.

    Raises
    ------
    MissingInputError
        It is not.
    """
    if not path.is_file():
        raise MissingInputError(
            f"{path}: no such file. It was not asked for, or the call that was to make it failed."
        )
    return path


def read_table(path: Path) -> pd.DataFrame:
    """Read a table that the app has written; NaN where a value is missing.

    Raises
    ------
    MissingInputError
        It is not there.
    DataError
        It is damaged.
    """
    with _reading(path):
        return pd.read_table(existing(path), na_values="n/a", keep_default_na=False)


def read_sidecar(path: Path) -> dict[str, Any]:
    """Read what a sidecar, or the card of a model, tells.

    Raises
    ------
    MissingInputError
        It is not there.
    DataError
        It is damaged.
    """
    with _reading(path):
        told = json.loads(existing(path).read_text(encoding="utf-8"))
    if not isinstance(told, dict):
        raise DataError(f"{path}: holds no JSON object. Run again that made it.")
    return told


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say in one line that a file is damaged."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Run again that made it.") from error


def only(found: Iterable[str], wanted: str | None, what: str, keyword: str) -> str:
    """Give the one that is wanted, or the one that there is.

    Raises
    ------
    UsageError
        There are several and none is named, or there is none of that name.
    """
    names = [*found]
    if wanted in names:
        return str(wanted)
    there = ", ".join(names) or "none"
    if wanted is not None:
        raise UsageError(f"{keyword}={wanted!r}: no such {what}. There are: {there}.")
    if len(names) != 1:
        raise UsageError(f"{len(names)} {what}s: name one with {keyword}=…. There are: {there}.")
    return names[0]
