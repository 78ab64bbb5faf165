"""Results of a search for hyperparameters."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bids_eeg2fmri.api.owners import is_chosen
from bids_eeg2fmri.api.reading import existing, find, only, read_table
from bids_eeg2fmri.api.results import nothing
from bids_eeg2fmri.bids.selection import Selection

_TRIALS = "_trials.tsv"


@dataclass(frozen=True)
class SearchResults:
    """What searches found; where there are several, ``search`` is one of ``searches``."""

    folder: Path
    """The output folder."""
    selection: Selection | None = field(default=None, repr=False)
    """Of which recordings; all that are there if not given."""

    def __post_init__(self) -> None:
        if not self.searches:
            raise nothing(self.folder)

    @property
    def searches(self) -> tuple[str, ...]:
        """Names of the searches, e.g. ``sub-01_phase-1``."""
        names = [path.name for path in find(self.folder, f"search/*_phase-*{_TRIALS}")]
        named = [name.removesuffix(_TRIALS) for name in names]
        return tuple(one for one in named if is_chosen(self.selection, _owner(one)))

    def trials(self, *, search: str | None = None) -> pd.DataFrame:
        """Read all trials: their scores, why some failed, and their points."""
        return read_table(self._path(search, _TRIALS)).set_index("trial")

    def best(self, *, search: str | None = None) -> Path:
        """Give the file of the best point, to be used as ``Study(..., config=…)``.

        Its comments say which recordings were kept back for the test.
        """
        return existing(self._path(search, "_best.toml"))

    def _path(self, search: str | None, ending: str) -> Path:
        return self.folder / "search" / f"{only(self.searches, search, 'search', 'search')}{ending}"


def _owner(search: str) -> str:
    return re.sub(r"_phase-\d+$", "", search)
