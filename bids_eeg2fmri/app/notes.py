"""What was odd in the data of a stored unit and how it was dealt with."""

import json
from pathlib import Path

from bids_eeg2fmri.runtime.store import Unit


def keep_notes(folder: Path, notes: list[str]) -> None:
    """Write what was odd in the data of a unit."""
    (folder / "notes.json").write_text(json.dumps(notes, ensure_ascii=False), encoding="utf-8")


def notes_of(unit: Unit) -> tuple[str, ...]:
    """Read what was odd in the data of a unit."""
    return tuple(json.loads((unit.folder / "notes.json").read_text(encoding="utf-8")))
