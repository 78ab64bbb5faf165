"""Results of an earlier call, from its output folder alone."""

import os
from pathlib import Path
from typing import Literal, overload

from bids_eeg2fmri.api.applied import AppliedResults
from bids_eeg2fmri.api.grouped import GroupResults
from bids_eeg2fmri.api.results import Results
from bids_eeg2fmri.api.searched import SearchResults
from bids_eeg2fmri.api.tested import ParticipantResults
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.errors import MissingInputError

Kind = Literal["participant", "group", "applied", "search"]


@overload
def load_results(
    output_dir: str | os.PathLike[str], kind: Literal["participant"] = "participant"
) -> ParticipantResults: ...


@overload
def load_results(output_dir: str | os.PathLike[str], kind: Literal["group"]) -> GroupResults: ...


@overload
def load_results(
    output_dir: str | os.PathLike[str], kind: Literal["applied"]
) -> AppliedResults: ...


@overload
def load_results(output_dir: str | os.PathLike[str], kind: Literal["search"]) -> SearchResults: ...


def load_results(
    output_dir: str | os.PathLike[str], kind: Kind = "participant"
) -> Results | SearchResults:
    """Read what any call has left in an output folder; neither dataset nor work folder is needed.

    Parameters
    ----------
    kind
        Of which level, ``"applied"`` for a model on EEG alone, or ``"search"`` for hyperparameters.

    Raises
    ------
    MissingInputError
        If there is no such folder, or nothing of the kind in it.
    """
    folder = Path(output_dir).expanduser()
    if not folder.is_dir():
        raise MissingInputError(f"{folder}: no such folder. Check output_dir.")
    return read_results(folder, kind)


def read_results(
    folder: Path, kind: Kind, selection: Selection | None = None
) -> Results | SearchResults:
    """Read results of chosen recordings."""
    if kind == "participant":
        return ParticipantResults(folder, selection)
    if kind == "group":
        return GroupResults(folder, selection)
    if kind == "applied":
        return AppliedResults(folder, selection)
    return SearchResults(folder, selection)
