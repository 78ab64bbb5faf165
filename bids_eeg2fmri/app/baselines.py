"""What every model stands beside: predictions that need no network, fitted once for all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.reference import Reference, measure
from bids_eeg2fmri.bids.confounds import find_confounds, read_motion
from bids_eeg2fmri.evaluate.baselines import (
    BASELINES,
    Designs,
    fit_baselines,
    make_designs,
    predict_baselines,
)
from bids_eeg2fmri.evaluate.ridge import Ridge
from bids_eeg2fmri.preprocess.bands import window_lags
from bids_eeg2fmri.preprocess.scale import fit_scale
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit, fingerprint
from bids_eeg2fmri.train.splits import Index, Split, extents
from bids_eeg2fmri.types import Scale


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
        scale = self.scale
        designs, mean = _designs(job, run, scale), np.asarray(self.reference.mean)
        yield from predict_baselines(self.ridges, designs, run.pairs, train, test, mean, scale)


def fit(job: Job, owner: str, runs: Sequence[PairedRun], split: Split) -> Fitted:
    """Fit the baselines to the training pairs of some runs, in the scanner's units."""
    seed, cfg = job.seed_of(owner, "baselines"), job.config
    given = {"seed": seed, "split": {part: extents(index) for part, index in vars(split).items()}}
    tables = [(run.files.root, find_confounds(run.files)) for run in runs]
    motion = [fingerprint(root, [path]) for root, path in tables if path is not None]

    def make(folder: Path) -> None:
        pairs = [run.pairs for run in runs]
        scale = fit_scale(pairs, split.train, cfg.scale, split.before_test)
        designs = [_designs(job, run, scale) for run in runs]
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
