"""The seal of a unit: its meta.json, which lists every file with its size and checksums.

Whoever looks a unit up checks sizes and the heads of files; whoever reads it checks all contents
first, once in each process. So a damaged file is found before anything is made of it, and a unit
that nobody reads costs no time, be it as large as a recording.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

_META = "meta.json"
_HEAD = 1 << 18
"""Bytes of each file that are checked at first sight, which takes 0.2 ms; most have no more."""
_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What it means that a file is missing. Whatever else the system refuses is no damage."""


def seal(folder: Path, meta: Mapping[str, Any]) -> None:
    """Bring a folder's files to the disk and list them with their checksums in its meta.json."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.fsync(
                file.fileno()
            )  # or a power cut could leave a finished name without its content
            whole = hashlib.file_digest(file, "sha256").hexdigest()
            entry = {"size": file.tell(), "sha256": whole, "head": _digest_head(path)}
        files[path.relative_to(folder).as_posix()] = entry
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    with (folder / _META).open("w", encoding="utf-8") as file:
        json.dump({**meta, "created": created, "files": files}, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())


def read_meta(folder: Path) -> dict[str, Any]:
    """Read a unit's meta.json; empty where there is none that :func:`seal` could have written.

    Raises
    ------
    OSError
        If it is there and cannot be read now.
    """
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
    except (*_NOT_THERE, ValueError, RecursionError):
        return {}
    return meta if _is_meta(meta) else {}


def is_whole(folder: Path, *, throughout: bool = False) -> bool:
    """Check that every file listed is there in its full size and begins as it did.

    Parameters
    ----------
    throughout
        Whether to check all of its content.

    Raises
    ------
    OSError
        If one is there and cannot be read now.
    """
    files = read_meta(folder).get("files")
    if files is None:
        return False
    return all(_is_as_sealed(folder / name, entry, throughout) for name, entry in files.items())


def break_seal(folder: Path) -> bool:
    """Let everyone see that a unit is damaged; tell whether it is, or was made anew meanwhile."""
    before = read_meta(folder)
    if is_whole(folder, throughout=True):
        return False
    if read_meta(folder) != before:  # another process has broken it, or has made the unit anew
        return not is_whole(folder, throughout=True)
    (folder / _META).unlink(missing_ok=True)
    return True


def _is_as_sealed(path: Path, entry: Mapping[str, Any], throughout: bool) -> bool:
    try:
        seen = path.stat()
        if seen.st_size != entry["size"]:
            return False
        part = "sha256" if throughout else "head"
        state = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
        return bool(_digest_once(path, part, state) == entry[part])
    except _NOT_THERE:
        return False


@cache
def _digest_once(path: Path, part: str, _state: tuple[int, ...]) -> str:
    """Digest a file, or its head, once in each of its states."""
    if part == "head":
        return _digest_head(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_head(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(_HEAD)).hexdigest()


def _is_meta(meta: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether all is there that is looked for later."""
    if not isinstance(meta, dict) or not isinstance(meta.get("created"), str):
        return False
    if not all(isinstance(meta.get(part), dict) for part in ("files", "config", "parents")):
        return False
    return all(
        isinstance(entry, dict)
        and isinstance(entry.get("size"), int)
        and all(isinstance(entry.get(part), str) for part in ("sha256", "head"))
        for entry in meta["files"].values()
    )
