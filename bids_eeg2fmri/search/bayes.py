"""Search hyperparameters by Bayesian optimisation, §4.1 and Appendix B of the paper.

Nothing is remembered between calls: which points come next follows from the trials so far and the
seed, so that a search whose trials were stored goes on after an interruption as if there had been
none.
"""

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32
from scipy.stats import rankdata
from skopt import Optimizer
from skopt.sampler import Lhs
from skopt.space import Categorical, Integer, Real

from bids_eeg2fmri.config import OptimiseConfig
from bids_eeg2fmri.errors import DataError, MemoryShortageError, UsageError, is_shortage
from bids_eeg2fmri.train.examples import Examples

DESIGN = 10
"""Points spread over the whole space before the first one is drawn from a surrogate."""
KILLED = "Killed, mostly for want of memory."
"""Why a trial failed whose process the system killed."""
MARGIN = 1e-3
"""Share of the mean volume's score by which a trial must lie below it; the best of several epochs
lies a little below with steps of any size, however small."""

Value = bool | int | float
"""One setting's value."""
Values = Mapping[str, Value]
"""One point of a space: settings by their names, e.g. ``train.learning_rate``."""


@dataclass(frozen=True)
class Domain:
    """What a setting may be while hyperparameters are searched."""

    kind: Literal["log-uniform", "integer", "choice"]
    """How values are drawn."""
    values: tuple[Value, ...]
    """Smallest and largest value; of a choice, all there are."""


Space = Mapping[str, Domain]
"""Domains by the name of the setting."""


def search_space(phase: Literal["autoencoder", "synthesis"], cfg: OptimiseConfig) -> Space:
    """List what is searched in a phase, §4.1 of Calhas & Henriques 2022.

    The ``autoencoder`` of BOLD finds K too; ``synthesis`` from EEG keeps the K that was found.
    """
    switch = Domain("choice", (False, True))
    shared = {
        "train.learning_rate": Domain("log-uniform", cfg.learning_rate),
        "train.weight_decay": Domain("log-uniform", cfg.weight_decay),
        "model.filters": Domain("choice", (2, 4)),
        "model.max_pool": switch,
        "model.batch_norm": switch,
        "model.skip": switch,
        "model.dropout": Domain("choice", (0.0, 0.5)),  # {0, 1} in §4.1, 0.5 where on in Table 3
    }
    return (
        shared if phase == "synthesis" else {"model.latent": Domain("integer", cfg.latent)} | shared
    )


@dataclass(frozen=True)
class Trial:
    """One evaluation; ``dataclasses.asdict`` makes JSON of it, ``Trial(**read)`` reads it."""

    number: int
    """Counted from zero, in the order in which points were drawn."""
    values: Values
    """Where in the space it was."""
    score: float | None
    """Validation loss, the lower the better; none where the trial failed."""
    reason: str = ""
    """Why it failed, in words."""
    seconds: float | None = None
    """Time it took; none where its process was killed."""


def attempt(number: int, values: Values, evaluate: Callable[[Values], float]) -> Trial:
    """Evaluate one point, and record it as failed where that cannot be done.

    Failures are lack of memory, a `DataError` (the loss is not a number, or no architecture leads
    to this K), and a score that is not finite. Anything else is a defect and passes through.
    """
    began = time.monotonic()
    score, reason = None, ""
    try:
        score = evaluate(values)
    except (DataError, MemoryShortageError, MemoryError, RuntimeError) as error:
        reason = _why_failed(error)
    if score is not None and not math.isfinite(score):
        score, reason = None, f"The score is {score}."
    return Trial(number, values, score, reason, time.monotonic() - began)


def score_of_mean(
    valid: Examples, mean: Float32[np.ndarray, "x y z"], batch_size: int = 64
) -> float:
    """Score the training mean volume as trials are scored: mean absolute error, in model units.

    It is what a decoder starts from; a network that learns nothing scores the same.
    """
    total = 0.0
    for first in range(0, len(valid), batch_size):
        chosen = np.arange(first, min(first + batch_size, len(valid)))
        bold = valid.take_bold(chosen, "cpu")
        total += len(chosen) * float(np.abs(bold.numpy() - mean).mean(dtype=np.float64))
    return total / len(valid)


def beats(trial: Trial, mean_score: float) -> bool:
    """Tell whether a trial scores better than the training mean volume, by more than `MARGIN`."""
    return trial.score is not None and trial.score < (1 - MARGIN) * mean_score


def suggest(space: Space, trials: Sequence[Trial], n: int, seed: int) -> list[dict[str, Value]]:
    """Draw the next ``n`` points from what all ``trials`` have shown.

    The first `DESIGN` points are a Latin hypercube; the others have the largest expected
    improvement under a Gaussian process (Snoek et al. 2012), each as if the points drawn in the
    same call had scored like the best so far (constant liar, Ginsbourger et al. 2010). More points
    in one call begin with the same ones.

    Notes
    -----
    The surrogate sees ranks instead of scores, and failed trials share the last one. A step size
    of 1e-2 can leave losses of any size, beside which all others would look alike; and a failure
    must count as worse than the worst score, even the only one, for the search to keep away. The
    authors left failed trials out (Appendix B), so that nothing kept theirs from failing again.
    """
    told = sorted(trials, key=lambda trial: trial.number)
    dimensions = [_dimension(name, domain) for name, domain in space.items()]
    design = Lhs().generate(dimensions, DESIGN, random_state=seed)
    points = [_plain(point) for point in design[len(told) : len(told) + n]]
    if len(points) < n:
        known = [[trial.values[name] for name in space] for trial in told] + points
        ranks = _ranks(told)
        ranks += [min(ranks, default=0.0)] * len(points)
        # A stream of its own for each step, or a point drawn for want of better would come again.
        stream = int(np.random.SeedSequence((seed, len(told))).generate_state(1)[0])
        points += _improvements(dimensions, known, ranks, n - len(points), stream)
    return [dict(zip(space, point, strict=True)) for point in points]


def due(
    space: Space, trials: Sequence[Trial], cfg: OptimiseConfig, seed: int
) -> dict[int, dict[str, Value]]:
    """Give the points that are to be evaluated now, by number; none when the budget is spent.

    They are what is missing of the first ``cfg.parallel`` trials that are not all done; those
    before alone decide on them. So an interrupted search goes on with the very same points.
    """
    done = {trial.number for trial in trials}
    missing = next(number for number in count() if number not in done)
    first = missing - missing % cfg.parallel
    n = min(cfg.parallel, cfg.iterations - first)
    if missing >= cfg.iterations:
        return {}
    points = suggest(space, [trial for trial in trials if trial.number < first], n, seed)
    return {number: p for number, p in enumerate(points, first) if number not in done}


def best(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the lowest score, of equals the first.

    Raises
    ------
    DataError
        If all failed.
    """
    scored = [(trial.score, trial.number, trial) for trial in trials if trial.score is not None]
    if not scored:
        reason = f" The last one: {trials[-1].reason}" if trials else ""
        raise DataError(
            f"None of {len(trials)} trials of the hyperparameter search succeeded.{reason} "
            "Narrow optimise.latent or optimise.learning_rate, or lower optimise.batch_size."
        )
    return min(scored)[2]


def overrides(values: Values) -> dict[str, dict[str, Value]]:
    """Nest a point by sections, ``{"train": {...}, "model": {...}}``, as settings files do."""
    nested: dict[str, dict[str, Value]] = {}
    for name, value in values.items():
        section, key = name.split(".")
        nested.setdefault(section, {})[key] = value
    return nested


def describe(space: Space) -> dict[str, list[Value | str]]:
    """Write a space down as JSON takes it, to be stored with its trials."""
    return {name: [domain.kind, *domain.values] for name, domain in space.items()}


def check_same_space(space: Space, recorded: Mapping[str, Any]) -> None:
    """Refuse to go on with trials from another space than `describe` has recorded.

    Raises
    ------
    UsageError
        Naming the first setting whose domain differs.
    """
    now = describe(space)
    for name in [*now, *recorded]:
        if now.get(name) != recorded.get(name):
            raise UsageError(
                f"{name}: the hyperparameter search was begun with {_spell(recorded.get(name))} "
                f"and cannot go on with {_spell(now.get(name))}. Set the domain back, or search "
                "in another work folder."
            )


def _dimension(name: str, domain: Domain) -> Real | Integer | Categorical:
    match domain.kind:
        case "log-uniform":
            return Real(*domain.values, prior="log-uniform", name=name)
        case "integer":
            return Integer(*domain.values, name=name)
        case "choice":
            return Categorical(domain.values, name=name)


def _improvements(
    dimensions: list[Any], known: list[list[Value]], ranks: list[float], n: int, seed: int
) -> list[list[Value]]:
    # Expected improvement alone, as hedging among criteria would need to know its earlier steps.
    optimizer = Optimizer(dimensions, "GP", n_initial_points=0, acq_func="EI", random_state=seed)
    points: list[list[Value]] = []
    while len(points) < n:
        optimizer.tell(known, ranks)
        with warnings.catch_warnings():
            # Where its choice has been tried before, it draws at random, which is as well.
            warnings.filterwarnings("ignore", "The objective has been evaluated", UserWarning)
            points.append(_plain(optimizer.ask()))
        known, ranks = [points[-1]], [min(optimizer.yi)]
    return points


def _ranks(trials: Sequence[Trial]) -> list[float]:
    scores = [math.inf if trial.score is None else trial.score for trial in trials]
    ranks: list[float] = rankdata(scores).tolist()
    return ranks


def _plain(point: Sequence[Any]) -> list[Value]:
    """Undo numpy's types, which JSON refuses."""
    return [value.item() if isinstance(value, np.generic) else value for value in point]


def _why_failed(error: Exception) -> str:
    """Put a failure into words; raise again what is none."""
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, MemoryShortageError) or is_shortage(error):
        return "Out of memory."
    raise error


def _spell(entry: Sequence[Any] | None) -> str:
    return "nothing" if entry is None else f"{entry[0]} {list(entry[1:])}"
