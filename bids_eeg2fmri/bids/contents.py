"""See, without opening the data, why the files of a run cannot be read."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from bids_eeg2fmri.bids.sidecars import read_json, spell
from bids_eeg2fmri.errors import EEGError, MissingInputError

_POINTERS = (b"/annex/objects/", b"version https://git-lfs")
_MARKERS = (".vmrk", ".amrk")
"""Without these there still is a recording; other tables may tell its markers."""
_LONGEST = 1024
"""Bytes that such a pointer has at most."""


def check_contents(
    root: Path, data: Sequence[Path], others: Sequence[Path], bases: Sequence[Path]
) -> None:
    """Look whether the files of a run are there and whole, as far as that shows from outside.

    Parameters
    ----------
    data
        Files without which there is no recording; the header first that names those after it.
    others
        Sidecars that were found.
    bases
        The dataset and the folders of pipelines, which no header may lead out of.

    Raises
    ------
    MissingInputError
        One is missing, or a link without content.
    EEGError
        The header names a file outside the dataset.
    DatasetError
        A sidecar is not valid JSON.
    """
    header, *named = data
    check_inside(root, header, named, bases)
    for path in (header, *named, *others):
        if lacks_content(path):
            raise MissingInputError(
                f"{spell(root, path)}: a link without content. Fetch it: datalad get."
            )
        if not path.exists() and path.suffix not in _MARKERS:
            raise MissingInputError(
                f"{spell(root, path)}: missing, though {header.name} names it. Copy it too, or "
                "mend the name."
            )
    for path in others:
        # mne-bids reads where electrodes are; without it the recording is read all the same.
        if path.suffix == ".json" and not path.name.endswith("_coordsystem.json"):
            read_json(root, path)


def check_inside(root: Path, header: Path, named: Iterable[Path], bases: Sequence[Path]) -> None:
    """Refuse a header that leads out of all these folders.

    Links are not followed: those of git-annex lead out of their folder by design.

    Raises
    ------
    EEGError
        It does.
    """
    for path in named:
        if not any(Path(os.path.normpath(path)).is_relative_to(base) for base in bases):
            raise EEGError(
                f"{spell(root, header)}: names {os.path.relpath(path, header.parent)}, which lies "
                "outside the dataset. Move that file beside it, and mend the name."
            )


def fetched(paths: Iterable[Path]) -> list[Path]:
    """Keep those files that are more than a link without content."""
    return [path for path in paths if not lacks_content(path)]


def lacks_content(path: Path) -> bool:
    """Tell a link that leads nowhere, or what git-annex and Git LFS put in the place of content."""
    if not path.exists():
        return path.is_symlink()
    if not path.is_file() or path.stat().st_size > _LONGEST:
        return False
    with path.open("rb") as file:
        return file.read(_LONGEST).startswith(_POINTERS)
