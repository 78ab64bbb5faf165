"""Find what a pipeline such as fMRIPrep has made of a BOLD series."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from bids_eeg2fmri.bids.selection import NATIVE
from bids_eeg2fmri.bids.sidecars import entities_of, spelt
from bids_eeg2fmri.errors import DataWarning, MissingInputError

_WHERE = ("space", "cohort", "res", "den")
"""Entities that say in which space and how finely an image is sampled."""


def find_preprocessed(
    folders: Sequence[Path], entities: Mapping[str, str], space: Mapping[str, str]
) -> Path:
    """Find the preprocessed series of a run.

    Parameters
    ----------
    folders
        Where the pipelines leave the functional images of the participant, the preferred one first.
    entities
        Those of the run.
    space
        Labels that the series must have; empty for the scanner's own space.

    Raises
    ------
    MissingInputError
        There is none in this space, or several of different resolution.
    """
    own = {key: spelt(key, label) for key, label in entities.items()}
    of_run = [
        path
        for folder in folders
        for path in sorted(folder.glob("*_desc-preproc_bold.nii*"))
        if _run_of(path) == own
    ]
    matching = [path for path in of_run if _fits(where(path), space)]
    exact = [path for path in matching if where(path) == space]
    found = exact or matching
    if found and all(where(path) == where(found[0]) for path in found):
        return found[0]
    name = "_".join(f"{key}-{label}" for key, label in entities.items())
    if not of_run:
        raise MissingInputError(
            f"{name}: no preprocessed BOLD, {name}_…_desc-preproc_bold.nii.gz. Say with "
            "--derivatives where fMRIPrep's output is, or drop --space."
        )
    there = ", ".join(sorted({_spell(where(path)) for path in of_run}))
    lack = "several resolutions of" if found else "no preprocessed BOLD in"
    raise MissingInputError(f"{name}: {lack} {_spell(space)}. Choose --space from: {there}.")


def where(path: Path) -> dict[str, str]:
    """Labels that say where an image lies; none for the scanner's own space."""
    return {key: label for key, label in entities_of(path).items() if key in _WHERE}


def find_mask(bold: Path) -> Path | None:
    """Find the brain mask beside a preprocessed series; one that is missing is told."""
    mask = bold.with_name(bold.name.replace("_desc-preproc_bold", "_desc-brain_mask"))
    if mask.exists() or mask.is_symlink():
        return mask
    warnings.warn(
        f"{bold.name}: no {mask.name} beside it; the brain is found in the mean volume instead.",
        DataWarning,
        stacklevel=2,
    )
    return None


def _run_of(path: Path) -> dict[str, str]:
    others = (*_WHERE, "desc")
    own = entities_of(path).items()
    return {key: spelt(key, label) for key, label in own if key not in others}


def _fits(labels: Mapping[str, str], space: Mapping[str, str]) -> bool:
    return labels.items() >= space.items() if space else not labels


def _spell(labels: Mapping[str, str]) -> str:
    """Write labels as ``--space`` takes them."""
    more = (f":{key}-{label}" for key, label in labels.items() if key != "space")
    return labels.get("space", NATIVE[0]) + "".join(more)
