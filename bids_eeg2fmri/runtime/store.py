"""A content-addressed work directory: what was made from the same things is not made twice.

::

    ROOT/STAGE/ITEM__KEY/         a finished unit: its files and meta.json
    ROOT/scratch/STAGE/KEY/       checkpoints of a unit under way, which survive a kill
    ROOT/tmp-MACHINE-PID-RANDOM/  a unit being written; one rename makes it a finished one

A unit's key is a digest of its stage and item, the program's version, the settings that its stage
sees and the keys of its parents. Any process can look a unit up; none can see one half done.
"""

import errno
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

from bids_eeg2fmri.errors import (
    DamageError,
    MissingInputError,
    OutputError,
    TemporaryError,
    is_shortage,
    shortage,
)
from bids_eeg2fmri.runtime.recipe import differences, digest, write_recipe
from bids_eeg2fmri.runtime.seal import break_seal, is_whole, read_meta, seal

_WEEK = 7 * 24 * 3600.0
_CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


@dataclass(frozen=True)
class Unit:
    """A finished unit of work."""

    key: str
    """Digest of all that it was made from."""
    folder: Path
    """Where its files are."""
    reused: bool
    """Whether it was there already."""
    why: str
    """Why it was made, e.g. ``config.window.stop 6.0 → 0.0``; empty where it was reused."""


@dataclass(frozen=True)
class Store:
    """The work directory; opening it removes what killed processes left half done.

    Raises
    ------
    OutputError
        If it cannot be written.
    """

    root: Path
    """The work directory; made if need be."""
    version: str
    """Of the program: a release trusts nothing that another one stored."""
    frozen: bool = False
    """Whether nothing is made that is not there."""
    thorough: bool = False
    """Whether files are checked throughout at first sight, and not only before they are read."""

    def __post_init__(self) -> None:
        with _telling_what_cannot_be_written(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            _workspace(self.root).rmdir()  # proves that it is writable before hours are spent
        for folder in self.root.glob("tmp-*"):
            with suppress(OSError):  # another process sweeps at the same time
                if _is_abandoned(folder):
                    shutil.rmtree(folder)

    def unit(
        self,
        stage: str,
        item: str,
        config: Sequence[Any],
        parents: Sequence[str | Unit],
        make: Callable[[Path], None],
    ) -> Unit:
        """Find the unit that these arguments describe, or make it.

        Parameters
        ----------
        stage, item
            What is done, and to what, e.g. ``pairs`` and ``sub-03_task-rest``; good file names.
        config
            The settings that ``make`` uses, and only those: dataclasses, or mappings for single
            values such as ``{"seed": 3}``.
        parents
            The units that ``make`` reads; raw files by their :func:`fingerprint`.
        make
            Writes the unit's files into the empty folder it is given. Where another process
            finishes the same unit first, that one's is taken.

        Raises
        ------
        OutputError
            If the work directory cannot be written or the disk is full. Nothing half done stays.
        MissingInputError
            If the store is frozen and does not have it.
        DamageError
            If the unit must be made, and a file of a parent is not what it was; see :meth:`check`.
        TemporaryError
            If the system cannot read now what is stored.
        """
        recipe = self._recipe(stage, item, config, parents)
        key = digest(recipe)
        folder = self.root / stage / f"{item}__{key[:16]}"
        if self._has(folder):
            return Unit(key, folder, reused=True, why="")
        why = self._why(recipe, folder)
        if self.frozen:
            raise MissingInputError(
                f"{item}: no stored result of the stage {stage} ({shorten(why, 90)}). "
                "Run the same command without --reports-only first."
            )
        self.check([parent for parent in parents if isinstance(parent, Unit)])
        try:
            with _telling_what_cannot_be_written(self.root):
                self._make(recipe | {"why": why}, folder, make)
        except Exception:
            # The other process that finished it may have taken our checkpoints away under our feet.
            if not self._has(folder):
                raise
        shutil.rmtree(self._scratch(stage, key), ignore_errors=True)
        return Unit(key, folder, reused=False, why=why)

    def key(
        self, stage: str, item: str, config: Sequence[Any], parents: Sequence[str | Unit]
    ) -> str:
        """Compute the key under which :meth:`unit` would look."""
        return digest(self._recipe(stage, item, config, parents))

    def check(self, units: Iterable[Unit]) -> None:
        """Make sure, before they are read, that stored units are what they were, bit for bit.

        Each process looks once at each; a damaged one is given up, to be made again.

        Raises
        ------
        DamageError
            If one is damaged.
        TemporaryError
            If one cannot be read now.
        """
        for unit in units:
            if not unit.reused:
                continue
            with _telling_what_cannot_be_read(unit.folder):
                is_damaged = break_seal(unit.folder)
            if is_damaged:
                raise DamageError(
                    f"{unit.folder}: stored files are not what was written. Run again: they are "
                    "made anew. Should it recur, choose another disk with --work-dir."
                )

    def scratch(self, stage: str, key: str) -> Path:
        """Give a folder for the checkpoints of a unit under way; it goes when that is finished."""
        folder = self._scratch(stage, key)
        with _telling_what_cannot_be_written(self.root):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _has(self, folder: Path) -> bool:
        with _telling_what_cannot_be_read(folder):
            return is_whole(folder, throughout=self.thorough)

    def _recipe(
        self, stage: str, item: str, config: Sequence[Any], parents: Sequence[str | Unit]
    ) -> dict[str, Any]:
        ancestors = [
            (f"parent {parent.folder.parent.name}", parent.key)
            if isinstance(parent, Unit)
            else ("input files", parent)
            for parent in parents
        ]
        return write_recipe(stage, item, self.version, config, ancestors)

    def _scratch(self, stage: str, key: str) -> Path:
        return self.root / "scratch" / stage / key[:16]

    def _make(self, meta: Mapping[str, Any], folder: Path, make: Callable[[Path], None]) -> None:
        """Let ``make`` fill a temporary folder, seal it and give it its final name."""
        workspace = _workspace(self.root)
        try:
            started, used = time.monotonic(), time.process_time()
            make(workspace)
            took = {
                "seconds": round(time.monotonic() - started, 3),
                "cpu_seconds": round(time.process_time() - used, 3),
            }
            seal(workspace, {**meta, **took})
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._make_way(folder)
            workspace.rename(folder)
        finally:
            shutil.rmtree(workspace, ignore_errors=True)

    def _make_way(self, folder: Path) -> None:
        """Move what is left of a damaged unit aside, but not what another process made of it."""
        if folder.exists() and not self._has(folder):
            aside = _workspace(self.root)
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def _why(self, recipe: Mapping[str, Any], folder: Path) -> str:
        """Tell what differs from the latest unit of the same stage and item."""
        if folder.exists():
            return "its stored files were damaged"
        folders = (self.root / recipe["stage"]).glob(f"{recipe['item']}__*")
        with _telling_what_cannot_be_read(folder):
            earlier = [meta for meta in map(read_meta, folders) if meta]
        if not earlier:
            return "first time"
        latest = max(earlier, key=lambda meta: str(meta["created"]))
        return ", ".join(differences(latest, recipe))


def fingerprint(root: Path, files: Sequence[Path | str]) -> str:
    """Digest raw files by path relative to ``root``, size and time of last change, not by content.

    Raises
    ------
    MissingInputError
        If one of them is gone.
    """
    seen = []
    for path in sorted(root / file for file in files):
        try:
            status = path.stat()
        except OSError:
            raise MissingInputError(f"{path}: cannot be found. Was it moved or unlinked?") from None
        seen.append([os.path.relpath(path, root), status.st_size, status.st_mtime_ns])
    return digest(seen)


def _workspace(root: Path) -> Path:
    """Make an empty temporary folder that names its owner."""
    folder = root / f"tmp-{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    return folder


def _machine() -> str:
    """Name what process numbers are relative to: the host and, in a container, its own count."""
    with suppress(OSError):
        return f"{socket.gethostname()}.{Path('/proc/self/ns/pid').stat().st_ino}"
    return socket.gethostname()


def _is_abandoned(folder: Path) -> bool:
    """Tell whether the owner of a temporary folder is dead, or elsewhere and silent for a week."""
    owner = re.fullmatch(r"tmp-(.+)-(\d+)-[0-9a-f]{8}", folder.name)
    if owner is None:
        return False
    if owner[1] != _machine():
        return time.time() - folder.stat().st_mtime > _WEEK
    try:
        os.kill(int(owner[2]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # alive, and another user's
        return False
    return False


@contextmanager
def _telling_what_cannot_be_written(root: Path) -> Iterator[None]:
    """Turn the system's refusals to write below ``root`` into one line; others pass unchanged."""
    try:
        yield
    except OSError as error:
        if is_shortage(error):
            raise shortage(error) from error
        at = Path(error.filename or os.devnull)
        if error.errno in _CANNOT_WRITE or at.is_relative_to(root) or root.is_relative_to(at):
            raise OutputError(
                f"{root}: the work directory cannot be used ({error.strerror}). "
                "Free space there or choose another with --work-dir."
            ) from error
        raise


@contextmanager
def _telling_what_cannot_be_read(folder: Path) -> Iterator[None]:
    """Turn what the system refuses to read now, which is no damage, into one line."""
    try:
        yield
    except OSError as error:
        if is_shortage(error):
            raise shortage(error) from error
        raise TemporaryError(
            f"{error.filename or folder}: cannot be read ({error.strerror or error}). Look whether "
            "its disk is well, and run again, or choose another with --work-dir."
        ) from error
