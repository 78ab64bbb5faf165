"""Turn results into files, each of which appears whole or not at all.

Everything goes to a hidden temporary file in the same folder, which is then renamed: several jobs
may write into one output folder side by side, and a killed job leaves no half-written result.
"""

import errno
import json
import math
import os
import re
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

import numpy as np
import pandas as pd

from bids_eeg2fmri.errors import OutputError, UsageError, is_shortage, shortage

Column = Mapping[str, object]
"""What a table's sidecar says of one column: ``Description`` and, where it has one, ``Units``."""

# What the specification puts after all entities that a raw BOLD file may have, but for `chunk`.
# `stat` is not yet part of it and stands before `desc`, as in XCP-D.
_ENDING = ("space", "cohort", "chunk", "res", "den", "stat", "desc")
_LAST = {key: i for i, key in enumerate(_ENDING, start=1)}
_SPACE = ("space", "cohort", "res", "den")
"""Entities of images alone: where they lie, and how finely."""
_NOTED: ContextVar[list[Path] | None] = ContextVar("noted", default=None)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def check_output(out: Path, bids_dir: Path, work: Path) -> None:
    """Make the output and work folders, or say why that cannot be.

    Raises
    ------
    UsageError
        One of them is the input dataset or lies inside its raw tree; below ``derivatives`` is fine.
    OutputError
        One of them cannot be made or written into.
    """
    check_place("output_dir", out, bids_dir)
    check_place("work_dir", work, bids_dir)
    for folder in (out, work):
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder}: not a folder. Choose another, then run again.")
        with _explaining(folder):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()


def check_place(name: str, folder: Path, bids_dir: Path) -> None:
    """Make sure that a folder, of which the user speaks by ``name``, may be written into.

    Raises
    ------
    UsageError
        It is the input dataset or lies inside its raw tree; below ``derivatives`` is fine.
    """
    raw, folder = bids_dir.resolve(), folder.resolve()
    if folder.is_relative_to(raw) and not folder.is_relative_to(raw / "derivatives"):
        raise UsageError(
            f"{name} {folder}: lies in the input dataset, which is never written to. "
            f"Choose a folder outside it or below {raw / 'derivatives'}."
        )


def derivative_path(
    out: Path,
    entities: Mapping[str, str],
    datatype: str,
    *,
    suffix: str,
    extension: str,
    desc: str | None = None,
    stat: str | None = None,
) -> Path:
    """Name a derivative of the recording with these entities (short names, in the order of BIDS).

    Without ``sub`` the datatype's folder stands directly in ``out``.
    """
    own = {"stat": stat, "desc": desc}
    named = {**entities, **{key: value for key, value in own.items() if value is not None}}
    if datatype == "eeg":  # which lies in no space of the BOLD
        named = {key: label for key, label in named.items() if key not in _SPACE}
    parts = [f"{key}-{named[key]}" for key in sorted(named, key=lambda key: _LAST.get(key, 0))]
    folders = [f"{key}-{named[key]}" for key in ("sub", "ses") if key in named]
    return out.joinpath(*folders, datatype, "_".join([*parts, suffix]) + extension)


def bids_uri(path: Path, folder: Path, name: str = "raw") -> str:
    """Name a file by the name of its dataset, as sidecars do: ``bids:raw:sub-01/func/…``."""
    return f"bids:{name}:{path.relative_to(folder).as_posix()}"


def write_table(
    path: Path,
    rows: Mapping[str, Sequence[object] | np.ndarray],
    columns: Mapping[str, Column],
    *,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Write columns as ``.tsv``, ``n/a`` where a value is missing or not finite, with a sidecar.

    Parameters
    ----------
    path
        Ends in ``.tsv``.
    rows
        The values, by column.
    columns
        What each column holds; those that ``rows`` lacks are left out.
    metadata
        For the sidecar, about the table as a whole.

    Raises
    ------
    OutputError
        The files cannot be written.
    """
    described = {name: columns[name] for name in rows}
    table = pd.DataFrame(rows).replace([math.inf, -math.inf], math.nan)
    write_json(path.with_suffix(".json"), {**(metadata or {}), **described})
    write_text(path, table.to_csv(sep="\t", na_rep="n/a", index=False, lineterminator="\n"))


def write_json(path: Path, mapping: Mapping[str, object]) -> None:
    """Write settings or metadata, made ``plain``.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    text = json.dumps(plain(mapping), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def plain(value: object) -> object:
    """Turn a value into what JSON knows; what is not finite becomes ``None``, i.e. ``null``."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_text(path: Path, text: str) -> None:
    """Write text, e.g. a report.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, e.g. a figure.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def noting_files() -> Iterator[list[Path]]:
    """Collect the path of every file that is written in here."""
    noted: list[Path] = []
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


def sweep(out: Path, patterns: Sequence[str], age: float = 0.0) -> None:
    """Remove what killed jobs left half written of the files that match; no other job writes them.

    Or one may, and then all that is younger stays.

    Parameters
    ----------
    patterns
        Below ``out``, e.g. ``sub-01/**/*``.
    age
        Seconds since it was last written to, at least.
    """
    for pattern in map(Path, patterns):
        for path in out.glob(str(pattern.with_name(f".*.{pattern.name}"))):
            if re.match(r"\.[0-9a-f]{32}\.", path.name):
                with suppress(FileNotFoundError):  # another job is done with it
                    if not age or time.time() - path.stat().st_mtime >= age:
                        path.unlink()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Lend a temporary path beside ``path``, which takes its place if all goes well."""
    # Hidden from the validator, and with the same ending, by which nibabel knows the format.
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    with _explaining(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
            if (noted := _NOTED.get()) is not None:
                noted.append(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one line that says what to do."""
    try:
        yield
    except OSError as error:
        if is_shortage(error):
            raise shortage(error) from error
        full = error.errno in _FULL
        remedy = "Free some space" if full else "Choose a folder that you may write into"
        what = f"cannot be written ({error.strerror or error})"
        raise OutputError(f"{path}: {what}. {remedy}, then run again.") from error
