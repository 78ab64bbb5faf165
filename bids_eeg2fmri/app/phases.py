"""What trained models make of EEG with random phases."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.baselines import FROM_EEG, Beside, predict_from_eeg
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.synthesising import synthesise_natively
from bids_eeg2fmri.app.testing import Nulls, Tested, observed_volumes
from bids_eeg2fmri.app.training import load_model
from bids_eeg2fmri.evaluate.evidence import Drawn
from bids_eeg2fmri.evaluate.phases import phase_randomised_pairs
from bids_eeg2fmri.evaluate.surrogates import Correlator
from bids_eeg2fmri.preprocess.bold import resize
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.execute import seed_for
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.train.splits import Index
from bids_eeg2fmri.types import Pairs

NAME = "phase-randomised-eeg"
Predict = Callable[[Pairs, Index], Iterable[Float32[np.ndarray, "batch x y z"]]]
"""Predict chosen pairs on the native grid, in any unit, some at a time."""
Test = TypeVar("Test", bound=Tested | Beside)


def randomise_phases(job: Job, tests: Sequence[Test]) -> list[Test]:
    """Hold tests of one run against what their models make of the same EEG with random phases."""
    drawn = _draw(job, tests)
    return [
        replace(one, nulls={**one.nulls, **found}) for one, found in zip(tests, drawn, strict=True)
    ]


def randomise_phases_of_run(
    job: Job, tested: Sequence[Tested], beside: Beside | None
) -> tuple[list[Tested], Beside | None]:
    """Do so with all models of a run, and with the baseline that looks at the EEG."""
    if beside is None:
        return randomise_phases(job, tested), None
    *drawn, last = _draw(job, [*tested, beside])
    held = [
        replace(one, nulls={**one.nulls, **found}) for one, found in zip(tested, drawn, strict=True)
    ]
    return held, replace(beside, nulls={**beside.nulls, **last})


def _draw(job: Job, tests: Sequence[Tested | Beside]) -> list[Nulls]:
    """Let each model predict the test volumes of a run from each surrogate; nothing if no draws.

    The surrogates are the same for all and take as long as the predictions, so models that lack
    their unit go through them together: the unit of one is made within that of the one before.
    """
    n = job.config.evaluate.phase_draws
    if not n:
        return [{} for _ in tests]
    run, index = tests[0].run, tests[0].index
    seed = seed_for(job.config.seed, run.files.name, NAME)
    config: list[Any] = [{"phase_draws": n, "seed": seed, "test_pairs": index.tolist()}]
    units: dict[str, Unit] = {}

    def fill(missing: dict[Path, Tested | Beside], rest: Sequence[Tested | Beside]) -> None:
        if not rest:
            _predict_surrogates(job, missing, seed)
            return
        one, made = rest[0], []

        def make(folder: Path) -> None:
            made.append(folder)
            fill({**missing, folder: one}, rest[1:])

        name, model = _model(one)
        item = f"{run.files.name}_{name}"
        units[name] = job.store.unit("phases", item, config, [model, run.unit], make)
        if not made:
            fill(missing, rest[1:])

    fill({}, tests)
    for name, _ in map(_model, tests):
        log.tell_unit(run.files.name, "test", units[name], _told(run.files.name, name, units[name]))
    return [{NAME: (units[name],)} for name, _ in map(_model, tests)]


def _predict_surrogates(job: Job, tests: dict[Path, Tested | Beside], seed: int) -> None:
    """Correlate what models make of each surrogate with the volumes; write into their folders."""
    if not tests:
        return
    first, cfg, n = next(iter(tests.values())), job.config, job.config.evaluate.phase_draws
    run, index, mask = first.run, first.index, first.run.pairs.mask
    predictors = {folder: _load(job, one) for folder, one in tests.items()}
    correlate = Correlator(observed_volumes(run, index)[:, mask])
    ahead = _ahead if job.threads > 1 else iter
    draws = (np.random.default_rng((seed, draw)) for draw in range(n))
    given = (run.eeg, run.clock, run.pairs, index, cfg.window, cfg.spectrogram, draws)
    r: dict[Path, list[float]] = {folder: [] for folder in tests}
    names = ", ".join(name for name, _ in map(_model, tests.values()))
    with log.progress(n, f"{run.files.name} {names} random phases") as advance:
        for pairs in ahead(phase_randomised_pairs(*given)):
            for folder, predict in predictors.items():
                batches = predict(pairs, index - index[0])
                predicted = np.concatenate([batch[:, mask] for batch in batches])
                r[folder].append(correlate(predicted))
            advance(1)
    for folder, of_model in r.items():
        arrays.save(folder, "drawn", Drawn({run.files.name: np.array(of_model)}))


def _ahead(surrogates: Iterator[Pairs]) -> Iterator[Pairs]:
    """Make the next surrogate in a thread of its own, while models predict from this one."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, surrogates, None)
        while (pairs := following.result()) is not None:
            following = thread.submit(next, surrogates, None)
            yield pairs


def _model(test: Tested | Beside) -> tuple[str, Unit]:
    """Name the model that looks at the EEG, and give the unit that holds it."""
    if isinstance(test, Beside):
        return FROM_EEG, test.fitted.unit
    return test.trained.name, test.trained.unit


def _load(job: Job, test: Tested | Beside) -> Predict:
    if isinstance(test, Beside):
        return partial(_predict_beside, job, test)
    return partial(synthesise_natively, load_model(job, test.trained), test.trained.scale)


def _predict_beside(
    job: Job, beside: Beside, pairs: Pairs, index: Index
) -> Iterable[Float32[np.ndarray, "batch x y z"]]:
    ridge = beside.fitted.ridges[FROM_EEG]
    for volume in predict_from_eeg(job, ridge, pairs, beside.run.clock.tr)[index]:
        yield resize(volume[None], pairs.mask.shape)


def _told(run: str, name: str, unit: Unit) -> str:
    r = arrays.load(unit.folder, "drawn", Drawn).r[run]
    return f"{name}  temporal r from EEG with random phases {r.mean():.3f} ({len(r)} draws)"
