"""Who gets whose EEG: a permutation test over test participants."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice, permutations, product
from math import factorial, prod

import numpy as np
from jaxtyping import Float64

from bids_eeg2fmri.types import typed


@typed
class Exchange:
    """How the volumes of test participants go with what one model makes of each one's EEG."""

    participants: tuple[str, ...]
    """Who they are."""
    r: Float64[np.ndarray, "participants participants"]
    """Temporal correlation: a row for whose volumes they are, a column for whose EEG it is."""


def exchanged_correlation(
    folds: Sequence[Float64[np.ndarray, "_ _"]], max_draws: int, seed: int
) -> tuple[float, Float64[np.ndarray, " draws"]]:
    """Average the correlation over all test participants, with their own EEG and with exchanged.

    Participants of a fold exchange their EEG with each other, for all of them the same model
    predicts; of several folds all do so at a time.

    Parameters
    ----------
    folds
        ``Exchange.r`` of each fold.
    max_draws
        Largest number of exchanges. All but the true order where they are no more, else so many
        drawn at random, each from all.
    seed
        From which the draw follows.

    Returns
    -------
    Mean with the own EEG, and in each exchange; none where no fold has two participants.
    """
    sizes = [len(r) for r in folds]
    null = [_mean(folds, order) for order in _orders(sizes, max_draws, seed)]
    return _mean(folds, [range(n) for n in sizes]), np.array(null, np.float64)


def _orders(sizes: Sequence[int], max_draws: int, seed: int) -> Iterator[Sequence[Sequence[int]]]:
    if prod(map(factorial, sizes)) - 1 <= max_draws:
        yield from islice(product(*(permutations(range(n)) for n in sizes)), 1, None)
        return
    rng = np.random.default_rng(seed)
    for _ in range(max_draws):
        yield [rng.permutation(n).tolist() for n in sizes]


def _mean(folds: Sequence[Float64[np.ndarray, "_ _"]], order: Sequence[Sequence[int]]) -> float:
    taken = (r[np.arange(len(r)), list(own)] for r, own in zip(folds, order, strict=True))
    return float(np.mean([*chain.from_iterable(taken)]))
