"""Whose results are whose: what is made of chosen recordings carries their labels in its name."""

from collections.abc import Mapping
from pathlib import Path

from bids_eeg2fmri.bids.selection import Selection, bare
from bids_eeg2fmri.bids.sidecars import entities_of


def owner_of(name: str, card: Mapping[str, object]) -> str:
    """Take the model off the name of its folder: ``sub-01_task-rest`` of ``…_task-rest_hybrid``."""
    return name.removesuffix(f"_{card.get('model', '')}")


def is_chosen(selection: Selection | None, owner: str) -> bool:
    """Tell whether an owner, e.g. ``group_task-rest``, is what these recordings are called.

    Parameters
    ----------
    selection
        Without one, all owners are chosen.
    """
    if selection is None:
        return True
    whose = owner.split("_")[0]
    if whose == "group":
        return owner == whose + selection.suffix(entities_of(Path(f"{owner}_x")).get("task"))
    labels = bare(selection.participants, "sub-")
    wanted = not labels or whose.removeprefix("sub-") in labels
    return wanted and owner == whose + selection.suffix()
