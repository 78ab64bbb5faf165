"""What trained models make of EEG with random phases."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.baselines import Beside, predict_from_eeg
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.testing import Tested, observed_volumes, synthesise_natively
from bids_eeg2fmri.app.training import load_model
from bids_eeg2fmri.evaluate.evidence import Drawn
from bids_eeg2fmri.evaluate.phases import phase_randomised_pairs
from bids_eeg2fmri.evaluate.surrogates import mean_correlation
from bids_eeg2fmri.preprocess.bold import resize
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.execute import seed_for
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.train.splits import Index
from bids_eeg2fmri.types import Pairs

NAME = "phase-randomised-eeg"
Predict = Callable[[Pairs, Index], Iterable[Float32[np.ndarray, "batch x y z"]]]
"""Predict chosen pairs on the native grid, in any unit, some at a time."""


def randomise_phases(job: Job, tested: Tested) -> Tested:
    """Hold a model's test against what it makes of the same EEG with random phases."""
    model = tested.trained
    item = f"{tested.run.files.name}_{model.name}"

    def load() -> Predict:
        network, scale = load_model(job, model), model.scale
        return lambda pairs, index: synthesise_natively(network, scale, pairs, index)

    unit = _draw(job, item, tested, model.unit, load)
    return replace(tested, nulls={**tested.nulls, **unit})


def randomise_phases_beside(job: Job, beside: Beside) -> Beside:
    """Do so with the baseline that looks at the EEG."""
    run = beside.run

    def load() -> Predict:
        ridge = beside.fitted.ridges["hrf-ridge"]

        def predict(pairs: Pairs, index: Index) -> Iterable[Float32[np.ndarray, "batch x y z"]]:
            for volume in predict_from_eeg(job, ridge, pairs, run.clock.tr)[index]:
                yield resize(volume[None], pairs.mask.shape)

        return predict

    unit = _draw(job, f"{run.files.name}_hrf-ridge", beside, beside.fitted.unit, load)
    return replace(beside, nulls={**beside.nulls, **unit})


def _draw(
    job: Job, item: str, test: Tested | Beside, model: Unit, load: Callable[[], Predict]
) -> dict[str, tuple[Unit]]:
    """Let a model predict the test volumes from each surrogate; nothing where none is asked for."""
    run, index, n = test.run, test.index, job.config.evaluate.phase_draws
    seed = seed_for(job.config.seed, run.files.name, NAME)
    if not n:
        return {}

    def make(folder: Path) -> None:
        cfg, mask, predict = job.config, run.pairs.mask, load()
        observed = observed_volumes(run, index)[:, mask]
        draws = (np.random.default_rng((seed, draw)) for draw in range(n))
        given = (run.eeg, run.clock, run.pairs, index, cfg.window, cfg.spectrogram, draws)
        r = []
        with log.progress(n, f"{item} random phases") as advance:
            for pairs in phase_randomised_pairs(*given):
                batches = predict(pairs, index - index[0])
                predicted = np.concatenate([batch[:, mask] for batch in batches])
                r.append(mean_correlation(observed, predicted))
                advance()
        arrays.save(folder, "drawn", Drawn({run.files.name: np.array(r)}))

    config: list[Any] = [{"phase_draws": n, "seed": seed, "test_pairs": index.tolist()}]
    unit = job.store.unit("phases", item, config, [model, run.unit], make)
    log.tell_unit(run.files.name, "test", unit, _told(run.files.name, item, unit))
    return {NAME: (unit,)}


def _told(run: str, item: str, unit: Unit) -> str:
    r = arrays.load(unit.folder, "drawn", Drawn).r[run]
    name = item.removeprefix(f"{run}_")
    return f"{name}  temporal r from EEG with random phases {r.mean():.3f} ({len(r)} draws)"
