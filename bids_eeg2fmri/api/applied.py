"""Results of a saved model on EEG alone."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import pandas as pd

from bids_eeg2fmri.api.reading import existing, find, only, read_sidecar, read_table
from bids_eeg2fmri.api.results import RunResults
from bids_eeg2fmri.bids.selection import bare
from bids_eeg2fmri.bids.sidecars import entities_of

_SERIES = "_desc-synth_bold.json"
_SHOWN = ("ModelVerdict", "Model", "StartTime")


@dataclass(frozen=True, repr=False)
class AppliedResults(RunResults):
    """What a model made of EEG alone; where there are several recordings, ``run`` names one."""

    @property
    def runs(self) -> tuple[str, ...]:
        """Names of the recordings."""
        return tuple(self._series)

    @property
    def verdicts(self) -> pd.DataFrame:
        """Whether to believe the model, by its own tests: nobody can tell from EEG alone."""
        rows = {}
        for told in self._series.values():
            tested = told["ModelCard"]["tested"]
            rows[told["Model"]] = (told["ModelVerdict"], tested["verdict_text"])
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["verdict", "reasons"])
        return table.rename_axis("model")

    @property
    def reports(self) -> tuple[Path, ...]:
        """The HTML page of each participant."""
        labels = dict.fromkeys(run.split("_")[0] for run in self._series)
        suffix = self.selection.suffix() if self.selection else "*"
        return tuple(p for one in labels for p in find(self.folder, f"{one}{suffix}_applied.html"))

    def bold(self, *, run: str | None = None) -> nib.Nifti1Image:
        """Open the synthesised series; values are read when they are asked for."""
        return nib.load(existing(self._path(run, "bold")))

    def map(self, stat: Literal["mean", "std"], *, run: str | None = None) -> nib.Nifti1Image:
        """Open its mean or standard deviation over time."""
        return nib.load(existing(self._path(run, "boldmap", stat=stat)))

    def mask(self, *, run: str | None = None) -> nib.Nifti1Image:
        """Open the model's brain mask."""
        return nib.load(existing(self._path(run, "mask", desc="brain")))

    def timeseries(self, *, run: str | None = None) -> pd.DataFrame:
        """Read the signals of the brain and of blocks of it, one row a volume."""
        return read_table(self._path(run, "timeseries", ".tsv", desc="parcels"))

    def montage(self, *, run: str | None = None) -> pd.DataFrame:
        """Read where each electrode of the model comes from, and how unlike the training it is."""
        given = {"desc": "montage", "datatype": "eeg"}
        return read_table(self._path(run, "channels", ".tsv", **given))

    @cached_property
    def _series(self) -> dict[str, dict[str, Any]]:
        found = {}
        for path in find(self.folder, f"sub-*/**/func/*{_SERIES}"):
            if self._takes(entities_of(path)):
                told = read_sidecar(path)
                if "ModelVerdict" in told:
                    found[path.name.removesuffix(_SERIES)] = told
        return found

    def _takes(self, entities: dict[str, str]) -> bool:
        chosen = self.selection
        if chosen is None:
            return True
        labels = bare(chosen.participants, "sub-")
        return (not labels or entities["sub"] in labels) and chosen.takes(entities)

    def _entities(self, run: str | None) -> dict[str, str]:
        return entities_of(Path(f"{only(self._series, run, 'recording', 'run')}_bold"))

    def _overview(self) -> pd.DataFrame:
        rows = {run: [told[name] for name in _SHOWN] for run, told in self._series.items()}
        columns = ["verdict on the model", "model", "first volume at (s of the EEG)"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return table.rename_axis("run")
