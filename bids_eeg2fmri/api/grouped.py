"""Results of the group level."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import pandas as pd

from bids_eeg2fmri.api.owners import is_chosen
from bids_eeg2fmri.api.reading import existing, find, only, read_sidecar, read_table
from bids_eeg2fmri.api.results import Results
from bids_eeg2fmri.bids.sidecars import entities_of
from bids_eeg2fmri.bids.write import derivative_path

_TOLD = {
    "pearsoncorrelation": "temporal r",
    "skill": "skill",
    "sd_ratio": "deviation ratio",
    "n_participants": "test participants",
}
"""Scores that a notebook shows."""


@dataclass(frozen=True, repr=False)
class GroupResults(Results):
    """What was learnt on some participants and tested on others, task by task.

    Where there are several tasks, methods want to know which: ``group`` is one of ``groups``.
    """

    _KIND = "group"

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the experiments, e.g. ``group_task-rest``."""
        return tuple(self._sidecars)

    @property
    def verdicts(self) -> pd.DataFrame:
        """Whether to believe each model on people whom it never saw."""
        rows = {
            (group, name): (one["verdict"], one["verdict_text"])
            for group, told in self._sidecars.items()
            for name, one in told["models"].items()
            if "verdict" in one
        }
        table = pd.DataFrame([*rows.values()], columns=["verdict", "reasons"])
        names = [f"{group} {name}" for group, name in rows]
        return table.set_axis(names).rename_axis("model")

    @property
    def scores(self) -> pd.DataFrame:
        """Scores of each test: by group, participant, run, fold, repeat and model."""
        keys = ["participant_id", "run", "fold", "repeat", "model"]
        tables = {one: read_table(self._table(one)).set_index(keys) for one in self._sidecars}
        return pd.concat(tables, names=["group"])

    def by_model(self, *, group: str | None = None) -> pd.DataFrame:
        """Read mean, standard deviation and interval of each score by model."""
        return read_table(self._table(self._group(group), "models")).set_index("model")

    def comparisons(self, *, group: str | None = None) -> pd.DataFrame:
        """Read the paired tests between all models."""
        return read_table(self._table(self._group(group), "comparisons"))

    def parcels(self, *, group: str | None = None) -> pd.DataFrame:
        """Read the scores by model and parcel over participants."""
        return read_table(self._table(self._group(group), "parcels"))

    def map(
        self, stat: str = "pearsoncorrelation", *, desc: str = "synth", group: str | None = None
    ) -> nib.Nifti1Image:
        """Open a map over test participants.

        Parameters
        ----------
        stat
            E.g. ``skill``, or ``t``, ``p`` and ``q`` of a pair of models.
        desc
            Whose, as files are named: ``synthTopoRff`` of others than the first model,
            ``LinearvsTopo`` of a pair.
        """
        entities = entities_of(Path(f"{self._group(group)}_bold"))
        names = {"suffix": "boldmap", "extension": ".nii.gz", "desc": desc, "stat": stat}
        return nib.load(existing(derivative_path(self.folder / "group", entities, "func", **names)))

    @property
    def reports(self) -> tuple[Path, ...]:
        """The HTML pages."""
        names = [f"{one}.html" for one in self._sidecars]
        if self.selection is None or not self.selection.suffix():
            names.insert(0, "group.html")
        return tuple(p for p in (self.folder / name for name in names) if p.exists())

    @cached_property
    def _sidecars(self) -> dict[str, dict[str, Any]]:
        found = {}
        for path in find(self.folder, "group*_metrics.json"):
            group = path.name.removesuffix("_metrics.json")
            if "desc" not in entities_of(path) and is_chosen(self.selection, group):
                found[group] = read_sidecar(path)
        return found

    def _group(self, group: str | None) -> str:
        return only(self._sidecars, group, "group", "group")

    def _table(self, group: str, desc: str = "") -> Path:
        label = f"_desc-{desc}" if desc else ""
        return self.folder / f"{group}{label}_metrics.tsv"

    def _overview(self) -> pd.DataFrame:
        from bids_eeg2fmri.evaluate.baselines import BASELINES

        oracles = {name: f"{name} (oracle)" for name, one in BASELINES.items() if one.oracle}
        tables = {one: self.by_model(group=one).rename(index=oracles) for one in self._sidecars}
        told = pd.concat(tables, names=["group"]).rename(columns=_TOLD)[[*_TOLD.values()]]
        return told.droplevel("group") if len(tables) == 1 else told
