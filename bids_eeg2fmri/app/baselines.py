"""What every model stands beside: predictions that need no network, fitted once for all of them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.reference import Reference, measure, units
from bids_eeg2fmri.app.testing import BASELINE, Nulls, observed_volumes, recipe, weigh, with_nulls
from bids_eeg2fmri.bids.confounds import find_confounds, read_motion
from bids_eeg2fmri.evaluate.baselines import (
    BASELINES,
    Designs,
    fit_baselines,
    make_designs,
    predict_baselines,
)
from bids_eeg2fmri.evaluate.evidence import Evidence
from bids_eeg2fmri.evaluate.metrics import score
from bids_eeg2fmri.evaluate.ridge import Ridge, predict
from bids_eeg2fmri.preprocess.bands import hrf_features, window_lags
from bids_eeg2fmri.preprocess.bold import resize
from bids_eeg2fmri.preprocess.scale import own_scale
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit, fingerprint
from bids_eeg2fmri.train.splits import Index, Split, extents
from bids_eeg2fmri.types import Pairs, Scale, Scores

FROM_EEG = "hrf-ridge"
"""The baseline that looks at the EEG."""
ORACLES = frozenset(name for name, one in BASELINES.items() if one.oracle)
"""The baselines that look at the test volumes."""


@dataclass(frozen=True)
class Fitted:
    """The baselines of an owner."""

    unit: Unit

    @property
    def scale(self) -> Scale:
        """The units in which they were fitted."""
        return arrays.load(self.unit.folder, "scale", Scale)

    @property
    def reference(self) -> Reference:
        """The mean training volume, and the range of the training volumes."""
        return arrays.load(self.unit.folder, "reference", Reference)

    @property
    def ridges(self) -> dict[str, Ridge]:
        """The regressions among them."""
        names = [name for name in BASELINES if (self.unit.folder / f"{name}.json").exists()]
        return {name: arrays.load(self.unit.folder, name, Ridge) for name in names}

    def predict(
        self, job: Job, run: PairedRun, train: Index, test: Index
    ) -> Iterator[tuple[str, Float32[np.ndarray, "volumes x y z"]]]:
        """Predict test volumes of one run by each baseline, on the model's grid."""
        scale, mean = self.scale, np.asarray(self.reference.mean)
        with log.capture_warnings():  # told when they were fitted
            designs = _designs(job, run, scale)
        yield from predict_baselines(self.ridges, designs, run.pairs, train, test, mean, scale)


def predict_from_eeg(
    job: Job, ridge: Ridge, pairs: Pairs, tr: float
) -> Float32[np.ndarray, "pairs x y z"]:
    """Predict by band power alone, on the model's grid and in its units, but for a constant."""
    cfg = job.config
    lags = window_lags(cfg.window, cfg.spectrogram, tr)
    return predict(ridge, hrf_features(pairs.eeg, pairs.freqs, cfg.spectrogram.value, lags))


def fit(job: Job, owner: str, runs: Sequence[PairedRun], split: Split) -> Fitted:
    """Fit the baselines to the training pairs of some runs, in the scanner's units."""
    seed, cfg = job.seed_of(owner, "baselines"), job.config
    given = {"seed": seed, "split": {part: extents(index) for part, index in vars(split).items()}}
    given["gap"] = job.config.split.gap
    tables = [(run.files.root, find_confounds(run.files)) for run in runs]
    motion = [fingerprint(root, [path]) for root, path in tables if path is not None]

    def make(folder: Path) -> None:
        pairs = [run.pairs for run in runs]
        scale = units(cfg.scale, pairs, split)
        with log.capture_warnings() as notes:
            designs = [_designs(job, run, scale) for run in runs]
        for note in notes:
            log.tell(owner, "baselines", note, logging.WARNING)
        gap = job.gap(run.clock.tr for run in runs)
        for name, ridge in fit_baselines(designs, pairs, split.train, scale, gap, seed).items():
            arrays.save(folder, name, ridge)
        arrays.save(folder, "scale", scale)
        arrays.save(folder, "reference", measure(pairs, split.train, scale))

    config = [cfg.scale, {"value": cfg.spectrogram.value}, given]
    parents: list[str | Unit] = [*(run.unit for run in runs), *motion]
    unit = job.store.unit("baselines", owner, config, parents, make)
    fitted = Fitted(unit)
    told = ", ".join(f"{name} λ {ridge.penalty:.3g}" for name, ridge in fitted.ridges.items())
    log.tell_unit(owner, "baselines", unit, told)
    return fitted


def _designs(job: Job, run: PairedRun, scale: Scale) -> Designs:
    cfg, pairs = job.config, run.pairs
    lags = window_lags(cfg.window, cfg.spectrogram, run.clock.tr)
    motion = read_motion(run.files, pairs.n_volumes)
    return make_designs(pairs, scale, cfg.spectrogram.value, lags, motion)


@dataclass(frozen=True)
class Beside:
    """What the baselines made of the test volumes of one run."""

    run: PairedRun
    index: Index
    """Its pairs that are tested."""
    fitted: Fitted
    unit: Unit
    """Where the scores are stored."""
    nulls: Nulls = field(default_factory=dict)
    """Draws of further nulls, where any were asked for."""

    @property
    def units(self) -> list[Unit]:
        """All that reports of it rest on."""
        return [self.unit, *chain(*self.nulls.values())]

    @property
    def mean(self) -> Float32[np.ndarray, "x y z"]:
        """The mean training volume on the native grid, in the units of the run's participant."""
        return self.fitted.reference.on(self.run, self.fitted.scale)

    def predicted(self, name: str) -> Float32[np.ndarray, "volumes x y z"]:
        """Read the volumes of a baseline that looks at the EEG, on the native grid."""
        return np.asarray(np.load(self.unit.folder / f"predicted.{name}.npy", mmap_mode="r"))

    @property
    def scores(self) -> dict[str, Scores]:
        """Scores by baseline, in the order of ``BASELINES``."""
        folder = self.unit.folder
        return {name: arrays.load(folder, f"scores.{name}", Scores) for name in self.names}

    @property
    def names(self) -> list[str]:
        """The baselines that ran."""
        return [name for name in BASELINES if (self.unit.folder / f"scores.{name}.json").exists()]

    @property
    def evidence(self) -> dict[str, Evidence]:
        """What the verdicts of those that look at the EEG rest on."""
        folder, names = self.unit.folder, [name for name in self.names if BASELINES[name].eeg]
        found = {name: arrays.load(folder, f"evidence.{name}", Evidence) for name in names}
        return {name: with_nulls(one, self.nulls, self.run) for name, one in found.items()}


def test(job: Job, fitted: Fitted, run: PairedRun, train: Index, index: Index) -> Beside:
    """Score what the baselines predict for the test volumes of one run."""

    def make(folder: Path) -> None:
        target, mask = observed_volumes(run, index), run.pairs.mask
        mean = fitted.reference.on(run, fitted.scale)
        sd = own_scale(fitted.scale, run.files.name).bold_sd
        span = fitted.reference.span * (sd / fitted.scale.bold_sd)
        for name, predicted in fitted.predict(job, run, train, index):
            if name == BASELINE:
                continue  # stands in the scores of every model
            volumes = resize(predicted, mask.shape)
            scores = score(name, target, volumes, mean, mask, sd, span)
            arrays.save(folder, f"scores.{name}", scores)
            if BASELINES[name].eeg:
                evidence = weigh(job, run, target, volumes, mean)
                arrays.save(folder, f"evidence.{name}", evidence)
                np.save(folder / f"predicted.{name}.npy", volumes)

    item = f"{run.files.name}_baselines"
    unit = job.store.unit("test", item, recipe(job, index), [fitted.unit, run.unit], make)
    return Beside(run, index, fitted, unit)


def test_baselines(
    job: Job, owner: str, runs: Sequence[PairedRun], split: Split
) -> dict[str, Beside]:
    """Fit the baselines and test them on all runs with test pairs; give the results by run."""
    fitted = fit(job, owner, runs, split)
    parts = zip(runs, split.train, split.test, strict=True)
    tested = [test(job, fitted, run, train, index) for run, train, index in parts if len(index)]
    return {one.run.files.name: one for one in tested}
