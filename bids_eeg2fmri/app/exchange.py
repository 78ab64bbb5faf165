"""What models make of the EEG of other participants."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Float64

from bids_eeg2fmri.app.baselines import FROM_EEG, Beside, predict_from_eeg
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.testing import Tested
from bids_eeg2fmri.evaluate.evidence import Chance
from bids_eeg2fmri.evaluate.exchange import Exchange, exchanged_correlation
from bids_eeg2fmri.evaluate.null import p_value
from bids_eeg2fmri.evaluate.surrogates import mean_correlation
from bids_eeg2fmri.preprocess.bold import resize
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit

NAME = "other-participants"
Test = TypeVar("Test", bound=Tested | Beside)


@dataclass(frozen=True)
class Exchanged:
    """One model's predictions from everybody's EEG, in one fold."""

    fold: int
    """Division of the participants, from zero."""
    model: str
    """Which model, or which baseline."""
    unit: Unit

    @property
    def r(self) -> Float64[np.ndarray, "people people"]:
        """See ``Exchange``."""
        return np.asarray(arrays.load(self.unit.folder, "exchange", Exchange).r)


def exchange(job: Job, owner: str, fold: int, tests: Sequence[Tested]) -> list[Exchanged]:
    """Let one model predict the volumes of each test participant from the EEG of each other."""
    parents = [tests[0].trained.unit, *(one.unit for one in tests)]
    name = tests[0].trained.name
    return _exchange(job, owner, fold, name, tests, parents, lambda one: one.synthesised)


def exchange_beside(job: Job, owner: str, fold: int, tests: Sequence[Beside]) -> list[Exchanged]:
    """Let the baseline that looks at the EEG do so."""
    fitted = tests[0].fitted
    parents = [fitted.unit, *(one.unit for one in tests)]
    ridge = fitted.ridges[FROM_EEG]

    def predict(one: Beside) -> Float32[np.ndarray, "volumes x y z"]:
        volumes = predict_from_eeg(job, ridge, one.run.pairs, one.run.clock.tr)
        return np.asarray(volumes[one.index])

    return _exchange(job, owner, fold, FROM_EEG, tests, parents, predict)


def _exchange(
    job: Job,
    owner: str,
    fold: int,
    name: str,
    tests: Sequence[Test],
    parents: Sequence[Unit],
    predict: Callable[[Test], Float32[np.ndarray, "volumes x y z"]],
) -> list[Exchanged]:
    people: dict[str, list[Test]] = {}
    for test in tests:
        people.setdefault(test.run.files.participant, []).append(test)
    if len(people) < 2:
        return []

    def make(folder: Path) -> None:
        r = _cross([*people.values()], predict)
        arrays.save(folder, "exchange", Exchange((*people,), r))

    unit = job.store.unit("exchange", f"{owner}_{name}", [], parents, make)
    told = f"{name}  EEG of {len(people)} test participants exchanged"
    log.tell_unit(owner, "test", unit, told)
    return [Exchanged(fold, name, unit)]


def _cross(
    people: Sequence[Sequence[Test]], predict: Callable[[Test], Float32[np.ndarray, "_ x y z"]]
) -> Float64[np.ndarray, "people people"]:
    """Correlate run by run, the first of one participant with the first of another, and so on."""
    found: list[list[list[float]]] = [[[] for _ in people] for _ in people]
    for column, theirs in enumerate(people):
        for k, other in enumerate(theirs):
            volumes = predict(other)
            for row, own in enumerate(people):
                if k < len(own):
                    found[row][column].append(_correlate(own[k], other, volumes))
    return np.array([[np.mean(r) for r in row] for row in found])


def _correlate(own: Test, other: Test, volumes: Float32[np.ndarray, "volumes x y z"]) -> float:
    """Correlate one's observed volumes with those from another's EEG, by number of volume.

    One volume at a time is brought to the grid of the first.
    """
    pairs, mask = own.run.pairs, own.run.pairs.mask
    numbers = (pairs.volume[own.index], other.run.pairs.volume[other.index])
    _, mine, theirs = np.intersect1d(*numbers, assume_unique=True, return_indices=True)
    observed = [resize(pairs.bold[i], mask.shape)[mask] for i in own.index[mine]]
    predicted = [resize(volumes[i], mask.shape)[mask] for i in theirs]
    return mean_correlation(np.stack(observed), np.stack(predicted))


def weigh_exchanges(job: Job, exchanges: Iterable[Exchanged]) -> Mapping[str, Mapping[str, Chance]]:
    """Test each model's true order of EEG against exchanges; trainings of a fold are averaged."""
    found: dict[str, dict[int, list[Float64[np.ndarray, "_ _"]]]] = {}
    for one in exchanges:
        found.setdefault(one.model, {}).setdefault(one.fold, []).append(one.r)
    weighed = {}
    for model, folds in found.items():
        matrices = [np.mean(trainings, axis=0) for trainings in folds.values()]
        draws = (job.config.evaluate.null_draws, job.config.seed)
        true, null = exchanged_correlation(matrices, *draws)
        weighed[model] = {NAME: Chance(p_value(true, null), len(null))}
    return weighed
