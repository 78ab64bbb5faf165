"""What all results have: verdicts, models, reports, and how a notebook shows them."""

import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import pandas as pd

from bids_eeg2fmri.api.model import Model, load_model
from bids_eeg2fmri.api.owners import is_chosen, owner_of
from bids_eeg2fmri.api.reading import only, read_sidecar
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.bids.write import derivative_path
from bids_eeg2fmri.errors import MissingInputError

SHOWN = 12
"""Rows of a table that a notebook shows."""


@dataclass(frozen=True)
class Results(ABC):
    """What stands in an output folder; files are read when they are asked for."""

    _KIND: ClassVar[str] = "sub"
    """What the names of these results begin with."""

    folder: Path
    """The output folder."""
    selection: Selection | None = field(default=None, repr=False)
    """Of which recordings; all that are there if not given."""

    def __post_init__(self) -> None:
        if not len(self.verdicts):
            raise nothing(self.folder)

    @property
    @abstractmethod
    def verdicts(self) -> pd.DataFrame:
        """Whether to believe each model: ``verdict`` in a few words, ``reasons`` in sentences."""

    @property
    @abstractmethod
    def reports(self) -> tuple[Path, ...]:
        """The HTML pages."""

    @abstractmethod
    def _overview(self) -> pd.DataFrame:
        """Give the numbers that a notebook shows."""

    @property
    def report(self) -> Path:
        """The HTML page, if there is one only."""
        return Path(only(map(str, self.reports), None, "report", "reports"))

    @property
    def models(self) -> dict[str, Path]:
        """Folders of the trained models by name, e.g. ``sub-01_hybrid``."""
        return {name: self.folder / "models" / name for name in self._cards}

    def model(self, name: str | None = None, device: str = "auto") -> Model:
        """Load a trained model.

        Parameters
        ----------
        name
            One of ``models``; needed where there are several.
        device
            As in :func:`bids_eeg2fmri.load_model`.

        Raises
        ------
        AppError
            If there is none of that name, or it cannot be applied.
        """
        return load_model(self.models[only(self.models, name, "model", "name")], device)

    @cached_property
    def _cards(self) -> dict[str, dict[str, object]]:
        """What is known of each trained model."""
        cards = (path for path in sorted(self.folder.glob("models/*/model.json")))
        found = {path.parent.name: read_sidecar(path) for path in cards}
        owners = {name: owner_of(name, card) for name, card in found.items()}
        kind = f"{self._KIND}[-_]"
        return {
            name: found[name]
            for name, owner in owners.items()
            if re.match(kind, owner) and is_chosen(self.selection, owner)
        }

    def _verdicts_of_models(self) -> pd.DataFrame:
        told = {name: dict(card["tested"]) for name, card in self._cards.items()}  # type: ignore[call-overload]
        rows = {name: (one["verdict"], one["verdict_text"]) for name, one in told.items()}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["verdict", "reasons"])
        return table.rename_axis("model")

    def __repr__(self) -> str:
        """Say in plain words what is there."""
        lines = [f"{type(self).__name__} in {self.folder}"]
        lines += [f"  {name}: {verdict}" for name, verdict in self.verdicts["verdict"].items()]
        return "\n".join(lines[: SHOWN + 1])

    def _repr_html_(self) -> str:
        """Show a notebook the verdicts, the numbers behind them and the reports."""
        from bids_eeg2fmri.report.page import render

        numbers = self._overview()
        return render(
            "notebook.html.jinja",
            counts=counted(self.verdicts["verdict"]),
            verdicts=[*self.verdicts.head(3).itertuples(name=None)],
            columns=[*numbers.index.names, *numbers.columns],
            rows=[*numbers.head(SHOWN).reset_index().itertuples(index=False, name=None)],
            more=max(0, len(numbers) - SHOWN),
            links=[(quote(os.path.relpath(one)), one.name) for one in self.reports[:SHOWN]],
            folder=str(self.folder),
        )


@dataclass(frozen=True, repr=False)
class RunResults(Results):
    """Results that are files of recordings; where there are several, ``run`` names one."""

    @abstractmethod
    def _entities(self, run: str | None) -> dict[str, str]:
        """Give the labels in the names of a recording's files."""

    def _path(
        self,
        run: str | None,
        suffix: str,
        extension: str = ".nii.gz",
        *,
        desc: str = "synth",
        stat: str | None = None,
        datatype: str = "func",
    ) -> Path:
        names = {"suffix": suffix, "extension": extension, "desc": desc}
        return derivative_path(self.folder, self._entities(run), datatype, stat=stat, **names)


def nothing(folder: Path) -> MissingInputError:
    """Say that there is nothing to be read."""
    return MissingInputError(
        f"{folder}: no results of this kind of the chosen recordings. Run it first."
    )


def counted(verdicts: "pd.Series[str]") -> dict[str, int]:
    """Count how often each verdict was given, the most frequent first."""
    return {str(verdict): int(n) for verdict, n in verdicts.value_counts().items()}
