"""Read which EEG and BOLD belong together though their labels differ: ``--match``."""

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bids_eeg2fmri.bids.formats import EEG_EXTENSIONS
from bids_eeg2fmri.bids.pairing import PAIRED_BY, Scan
from bids_eeg2fmri.bids.sidecars import entities_of, read_table, spelt
from bids_eeg2fmri.errors import DataWarning, MissingInputError, UsageError

_FORM = "write it as eeg.task-ECON=bold.task-EC, or give a .tsv file with the columns eeg and bold"


@dataclass(frozen=True)
class LabelMatch:
    """EEG files with these labels belong to BOLD files with those."""

    eeg: Mapping[str, str]
    bold: Mapping[str, str]
    text: str
    """As it was typed."""

    def rename(self, entities: Mapping[str, str]) -> dict[str, str] | None:
        """Give an EEG file the labels of its BOLD; none if it is not meant.

        Participant and session stay unless others are named.
        """
        if any(spelt(key, entities.get(key, "")) != spelt(key, self.eeg[key]) for key in self.eeg):
            return None
        left = {k: v for k, v in entities.items() if k not in self.eeg or k in ("sub", "ses")}
        return {**left, **self.bold}


@dataclass(frozen=True)
class Matches:
    """All that the user says of what belongs together."""

    labels: tuple[LabelMatch, ...] = ()
    files: Mapping[Path, Path] = field(default_factory=dict)
    """BOLD file by EEG file, both as absolute paths."""

    def apply(self, eeg: Sequence[Scan], bold: Sequence[Scan]) -> list[Scan]:
        """Let EEG files stand under the labels of their BOLD; warn of labels that none has.

        EEG that a table names is added wherever it lies, if its BOLD was chosen.
        """
        unused = dict.fromkeys(match.text for match in self.labels)
        there = {scan.path: scan for scan in bold}
        renamed = [
            Scan(path, there[series].entities)
            for path, series in self.files.items()
            if series in there
        ]
        for scan in eeg:
            if scan.path in self.files:
                continue
            entities = scan.entities
            for match in self.labels:
                found = match.rename(scan.entities)
                if found is not None:
                    entities = found
                    unused.pop(match.text, None)
            renamed.append(Scan(scan.path, entities))
        for text in unused:
            labels = text.partition("=")[0].removeprefix("eeg.")
            warnings.warn(f"--match {text}: no EEG file has {labels}.", DataWarning, stacklevel=2)
        return renamed


def read_matches(texts: Sequence[str], root: Path) -> Matches:
    """Read what follows ``--match``: labels, or files with paths relative to the dataset.

    Raises
    ------
    UsageError
        A match is not written as it must be, or contradicts another.
    MissingInputError
        A file that is named does not exist.
    """
    labels, files = [], dict[Path, Path]()
    for text in texts:
        if "=" in text:
            labels.append(_read_labels(text))
            continue
        rows = _read_rows(Path(text), root.resolve())
        if clash := (files.keys() & rows.keys()) or (set(files.values()) & set(rows.values())):
            raise UsageError(f"--match {text}: {min(clash).name} is matched twice.")
        files |= rows
    return Matches(tuple(labels), files)


def _read_labels(text: str) -> LabelMatch:
    sides = re.fullmatch(r"eeg\.([^=]+)=bold\.([^=]+)", text)
    if sides is None:
        raise UsageError(f"--match {text}: {_FORM}.")
    eeg, bold = (_entities(text, side) for side in sides.groups())
    if others := bold.keys() - {*PAIRED_BY}:
        raise UsageError(
            f"--match {text}: BOLD is paired by {', '.join(PAIRED_BY)} only, not by "
            f"{', '.join(sorted(others))}. Choose among such files with --bids-filter-file."
        )
    return LabelMatch(eeg, bold, text)


def _entities(text: str, side: str) -> dict[str, str]:
    parts = [re.fullmatch(r"([a-z]+)-([A-Za-z0-9]+)", part.strip()) for part in side.split(",")]
    if None in parts:
        raise UsageError(f"--match {text}: {side} is no list of labels such as task-EC,run-1.")
    return {part[1]: part[2] for part in parts if part}


def _read_rows(table: Path, root: Path) -> dict[Path, Path]:
    if not table.is_file():
        raise MissingInputError(f"--match {table}: no such file. To match labels, {_FORM}.")
    try:
        rows = read_table(table)
        pairs = list(zip(rows["eeg"], rows["bold"], strict=True))
    except (ValueError, KeyError):
        raise UsageError(f"--match {table}: no table with the columns eeg and bold.") from None
    files: dict[Path, Path] = {}
    for line, (eeg, bold) in enumerate(pairs, start=2):
        where = f"--match {table}, line {line}"
        recording, series = (_inside(root, name, where) for name in (eeg, bold))
        if recording.suffix not in EEG_EXTENSIONS or not series.name.endswith((".nii", ".nii.gz")):
            known = ", ".join(EEG_EXTENSIONS)
            raise UsageError(f"{where}: name EEG ({known}) first, then BOLD (.nii, .nii.gz).")
        if "sub" not in entities_of(series):
            raise UsageError(f"{where}: {bold} has no BIDS name that tells its participant.")
        if recording in files or series in files.values():
            raise UsageError(f"{where}: {eeg} or {bold} is matched twice.")
        files[recording] = series
    return files


def _inside(root: Path, name: str, where: str) -> Path:
    # Links are not followed: those of git-annex lead out of their folder by design.
    path = Path(os.path.normpath(root / name))
    if not name or not path.is_relative_to(root) or path == root:
        raise UsageError(f"{where}: {name!r} is no path relative to the dataset, and within it.")
    if not (path.exists() or path.is_symlink()):
        raise MissingInputError(f"{where}: {name} does not exist in the dataset.")
    return path
