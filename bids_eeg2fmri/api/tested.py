"""Results of the participant level."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import nibabel as nib
import pandas as pd

from bids_eeg2fmri.api.owners import owner_of
from bids_eeg2fmri.api.reading import existing, find, only, read_sidecar, read_table
from bids_eeg2fmri.api.results import RunResults
from bids_eeg2fmri.bids.sidecars import entities_of

_METRICS = "_desc-synth_metrics.json"
_TOLD = {"pearsoncorrelation": "temporal r", "skill": "skill", "sd_ratio": "deviation ratio"}
"""Scores that a notebook shows."""


class _Test(NamedTuple):
    """The test of one recording."""

    entities: dict[str, str]
    sidecar: dict[str, Any]
    """Of its scores."""
    labels: dict[str, str]
    """How files of each model are told from those of the others."""


@dataclass(frozen=True, repr=False)
class ParticipantResults(RunResults):
    """What was learnt within participants: scores, images and relevances of each recording.

    Where there is more than one recording, or model, methods want to know which: ``run`` is one of
    ``runs``, ``model`` a name such as ``"hybrid"`` (by default the first that was asked for).
    """

    @property
    def runs(self) -> tuple[str, ...]:
        """Names of the recordings that were tested, e.g. ``sub-01_task-rest``."""
        return tuple(self._tests)

    @property
    def verdicts(self) -> pd.DataFrame:
        """Whether to believe each trained model, over all of its tests.

        ``verdict`` is one of four labels, ``reasons`` says in plain sentences what it rests on.
        """
        return self._verdicts_of_models()

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores of models and baselines by ``run`` and ``model``.

        ``verdict`` is that on the recording, NaN for what looks at no EEG; ``oracle`` tells what
        has seen the test. ``docs/reference/outputs.md`` explains the scores and their units.
        """
        tables = []
        for run, test in self._tests.items():
            table, models = read_table(self._path(run, "metrics", ".tsv")), test.sidecar["models"]
            about = [dict(models.get(name, {})) for name in table["model"]]
            table.insert(1, "verdict", [one.get("verdict") for one in about])
            table.insert(2, "oracle", [bool(one.get("oracle", False)) for one in about])
            tables.append(table.assign(run=run).set_index(["run", "model"]))
        return pd.concat(tables)

    @property
    def reports(self) -> tuple[Path, ...]:
        """The HTML page of each participant."""
        owners = dict.fromkeys(owner_of(name, card) for name, card in self._cards.items())
        return tuple(p for p in (self.folder / f"{one}.html" for one in owners) if p.exists())

    def bold(
        self,
        what: Literal["synth", "target", "residual"] = "synth",
        *,
        run: str | None = None,
        model: str | None = None,
    ) -> nib.Nifti1Image:
        """Open the series of test volumes; values are read when they are asked for.

        Parameters
        ----------
        what
            Synthesised from EEG alone, observed, or observed − synthesised.

        Raises
        ------
        AppError
            If there is no such image.
        """
        run = self._run(run)
        label = "" if what == "target" else self._label(run, model)
        return nib.load(existing(self._path(run, "bold", desc=f"{what}{label}")))

    def map(
        self, stat: str = "pearsoncorrelation", *, run: str | None = None, model: str | None = None
    ) -> nib.Nifti1Image:
        """Open the map of a voxelwise score, e.g. ``skill`` or ``q``; NaN where it is undefined.

        Raises
        ------
        AppError
            If there is no such image.
        """
        run = self._run(run)
        desc = f"{'lrp' if stat == 'relevance' else 'synth'}{self._label(run, model)}"
        return nib.load(existing(self._path(run, "boldmap", desc=desc, stat=stat)))

    def mask(self, *, run: str | None = None) -> nib.Nifti1Image:
        """Open the brain mask."""
        return nib.load(existing(self._path(run, "mask", desc="brain")))

    def parcels(self, *, run: str | None = None) -> pd.DataFrame:
        """Read the scores of each model by parcel."""
        return read_table(self._path(run, "metrics", ".tsv", desc="parcels"))

    def by_volume(self, *, run: str | None = None, model: str | None = None) -> pd.DataFrame:
        """Read the scores of each test volume, with its index and onset in seconds."""
        run = self._run(run)
        desc = f"synth{self._label(run, model)}"
        return read_table(self._path(run, "timeseries", ".tsv", desc=desc))

    def relevance(
        self,
        of: Literal["channels", "spectrogram"] = "channels",
        *,
        run: str | None = None,
        model: str | None = None,
    ) -> pd.DataFrame:
        """Read on which electrodes, or frequencies and moments, the synthesis rests, in shares.

        Raises
        ------
        AppError
            If there is no such table, e.g. as ``explain.pairs`` was 0.
        """
        run = self._run(run)
        desc = f"relevance{self._label(run, model)}"
        return read_table(self._path(run, of, ".tsv", desc=desc, datatype="eeg"))

    def about(self, *, run: str | None = None) -> dict[str, Any]:
        """Tell how the clocks were tied, which volumes were used, and what was odd in the data."""
        told = self._tests[self._run(run)].sidecar
        return {name: told[name] for name in ("clock", "eeg_artefacts", "volumes", "notes")}

    @cached_property
    def _tests(self) -> dict[str, _Test]:
        found = {}
        for path in find(self.folder, f"sub-*/**/func/*{_METRICS}"):
            told = read_sidecar(path)
            folders = [name.removeprefix("models/") for name in told.get("Models", ())]
            if any(name in self._cards for name in folders):
                entities = entities_of(path)
                del entities["desc"]
                run = path.name.removesuffix(_METRICS)
                found[run] = _Test(entities, told, _labels(path.parent, run))
        return found

    def _run(self, run: str | None) -> str:
        return only(self._tests, run, "recording", "run")

    def _label(self, run: str, model: str | None) -> str:
        """Give what stands behind ``desc-synth`` in the files of a model."""
        labels = self._tests[run].labels
        if model is None and "" in labels.values():
            return ""
        return labels[only(labels, model, "model", "model")]

    def _entities(self, run: str | None) -> dict[str, str]:
        return self._tests[self._run(run)].entities

    def _overview(self) -> pd.DataFrame:
        told = self.scores.rename(columns=_TOLD).reset_index()
        told["model"] = told["model"].where(~told["oracle"], told["model"] + " (oracle)")
        index = ["run", "model"] if len(self.runs) > 1 else ["model"]
        return told.set_index(index)[[*_TOLD.values(), "verdict"]]


def _labels(folder: Path, run: str) -> dict[str, str]:
    """Find by model how its files are told from those of the others."""
    labels = {}
    for path in sorted(folder.glob(f"{run}_desc-synth*_bold.json")):
        model = str(read_sidecar(path).get("Model", "")).rpartition("_")[2]
        labels[model] = entities_of(path)["desc"].removeprefix("synth")
    return labels
