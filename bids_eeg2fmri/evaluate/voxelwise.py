"""Where in the brain a model errs most, and which of two errs less: Figs 3, 4 and 11.

A residual is observed minus synthesised. The mean absolute residuals of Fig. 2 are the map ``mae``
of ``metrics``.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int8

from bids_eeg2fmri.evaluate.metrics import unmask
from bids_eeg2fmri.evaluate.series import lagged_products
from bids_eeg2fmri.evaluate.statistics import MIN_PARTICIPANTS, false_discovery_q, paired_t
from bids_eeg2fmri.types import typed

CORRELATED = 0.05
"""Mean autocorrelation up to which volumes count as independent."""
TIE = 1e-9
"""Two sums that differ by a smaller share are equal."""
ALPHA = 0.05
"""q below which a model is better."""
BLOCK = 1024
"""Voxels that are permuted at a time."""


@typed
class TMap:
    """Which of two models errs less in each voxel; NaN outside the mask and where undefined."""

    t: Float32[np.ndarray, "x y z"]
    """Positive where the first model errs less."""
    p: Float32[np.ndarray, "x y z"]
    """Two-sided and uncorrected."""
    q: Float32[np.ndarray, "x y z"]
    """Adjusted over the mask (Benjamini & Hochberg 1995)."""
    test: str
    """Which test it was, in words."""


@typed
class Duel:
    """The test volumes of one run as observed and as two models have them."""

    participant: str
    """Whose run it is."""
    observed: Float32[np.ndarray, "volumes x y z"]
    """May be memory-mapped, as the others."""
    first: Float32[np.ndarray, "volumes x y z"]
    """As the first model has it."""
    second: Float32[np.ndarray, "volumes x y z"]
    """As the second model has it."""
    unit: float = 1.0
    """What all three are divided by to be in a unit that participants share."""


def normalise_residuals(
    absolute: Float[np.ndarray, "x y z"], mask: Bool[np.ndarray, "x y z"]
) -> Float32[np.ndarray, "x y z"]:
    """Divide a map by its largest value in the mask, Fig. 3; NaN outside.

    It shows where a model errs most, and no longer how much: two models are not to be compared by
    their size. NaN throughout where there is no residual at all.

    Notes
    -----
    The paper says "normalised" and not how. Zero stays zero here.
    """
    inside = absolute[mask].astype(np.float64)
    largest = np.nanmax(inside, initial=0)
    return unmask(inside / (largest if largest > 0 else np.nan), mask)


def by_participant(
    maps: Mapping[str, Sequence[Float[np.ndarray, "x y z"]]],
) -> Float64[np.ndarray, "participants x y z"]:
    """Average the maps of each participant's runs, folds and seeds; all on one grid.

    The mean over participants (``axis=0``) is then the map of the group. A voxel that is undefined
    in one map is so in the average.
    """
    return np.stack([np.mean(own, axis=0, dtype=np.float64) for own in maps.values()])


def compare_voxelwise(
    first: Float[np.ndarray, "participants x y z"],
    second: Float[np.ndarray, "participants x y z"],
    duels: Sequence[Duel],
    mask: Bool[np.ndarray, "x y z"],
    seed: int,
) -> TMap:
    """Find where one model errs less than another, Figs 4 and 11, by the test that the data allow.

    Parameters
    ----------
    first, second
        Mean absolute residual of each model and participant, see ``by_participant``; in a unit that
        participants share.
    duels
        The runs, each once, for ``sign_flip_map``; read only where there are fewer than
        ``MIN_PARTICIPANTS`` participants.
    mask
        Voxels that every participant has.
    seed
        From which the permutations are drawn.

    Notes
    -----
    The paper says "t-test". Volumes are correlated in time and both models see the same ones, so it
    is paired here, and over participants where there are enough.
    """
    if len(first) >= MIN_PARTICIPANTS:
        return paired_t_map(first, second, mask)
    return sign_flip_map(duels, mask, seed=seed)


def paired_t_map(
    first: Float[np.ndarray, "participants x y z"],
    second: Float[np.ndarray, "participants x y z"],
    mask: Bool[np.ndarray, "x y z"],
) -> TMap:
    """Compare the mean absolute residuals of two models across participants, voxel by voxel."""
    t, p = paired_t(np.subtract(second[:, mask], first[:, mask], dtype=np.float64))
    test = f"paired t-test of the mean absolute residual over {len(first)} test participants"
    return _t_map(t, p, mask, test)


def sign_flip_map(
    duels: Sequence[Duel],
    mask: Bool[np.ndarray, "x y z"],
    *,
    seed: int,
    block: int | None = None,
    n_flips: int = 4999,
) -> TMap:
    r"""Compare the absolute residuals of two models within their volumes, by flipping blocks.

    Were both models alike, the difference of their absolute residuals could as well have the other
    sign, in any stretch of time that is independent of its neighbours. So the signs of whole blocks
    of volumes are flipped at random (Winkler et al. 2014), :math:`p = (1 + \#\{|s_0| \ge |s|\}) /
    (1 + n)` of their sum s (Phipson & Smyth 2010).

    Parameters
    ----------
    duels
        The runs, each once; no block crosses from one to the next.
    mask
        Voxels that every run has.
    seed
        From which the flips are drawn.
    block
        Volumes in a block; by default ``decorrelation_block``.
    n_flips
        How many times all signs are drawn.

    Returns
    -------
    t is that of the blocks' sums, which orders the flips as their mean does. With n blocks p does
    not go below about 2^(1 − n), as ``test`` says.
    """
    block = block or decorrelation_block(duels, mask)
    sums = np.concatenate([_block_sums(planes, block) for planes in _differences(duels, mask)], 1)
    n, people = len(sums), len({duel.participant for duel in duels})
    t, _ = paired_t(sums)
    p = np.where(np.isfinite(t), _sign_flip_p(sums, n_flips, seed), np.nan)
    least = max(2.0 ** (1 - n), 1 / (1 + n_flips))
    hopeless = ", so that nothing can be significant" * (least >= ALPHA)
    test = (
        f"sign-flip permutation of the absolute residuals ({n_flips} draws) over {n} "
        f"block{'s' * (n > 1)} of {block} volume{'s' * (block > 1)} of {people} test "
        f"participant{'s' * (people > 1)}; p is not below about {least:.2g}{hopeless}; it holds "
        "for these volumes and says nothing about other people"
    )
    return _t_map(t, p, mask, test)


def decorrelation_block(duels: Sequence[Duel], mask: Bool[np.ndarray, "x y z"]) -> int:
    """Count the volumes in a block: one, and twice as many on either side as it is correlated with.

    They end where the autocorrelation of the differences, mean over voxels and runs, first falls to
    ``CORRELATED``. Twice, as neighbouring blocks are still correlated at their edges: with once as
    many, up to 9 of 100 voxels without a difference have p ≤ .05, with twice as many up to 7.
    """
    shortest = min(len(duel.observed) for duel in duels)
    total = np.zeros(shortest)
    for planes in _differences(duels, mask):
        for series in planes:
            total += _autocorrelation(series)[:shortest].sum(axis=1)
    lags = np.flatnonzero(total <= CORRELATED * total[0])
    return 4 * int(lags[0] if lags.size else shortest) - 3 if total[0] else 1


def best_model(comparison: TMap, *, alpha: float = ALPHA) -> Int8[np.ndarray, "x y z"]:
    """Name the better model of each voxel, Fig. 4: 1 for the first, −1 for the second, 0 for none.

    A model is better where q is below ``alpha``.
    """
    better = np.where(comparison.q < alpha, np.sign(comparison.t), 0)
    return np.asarray(better, np.int8)


def _differences(
    duels: Sequence[Duel], mask: Bool[np.ndarray, "x y z"]
) -> Iterator[list[Float64[np.ndarray, "_ voxels"]]]:
    """Yield |second residual| − |first residual| of each run, one plane of the grid at a time."""
    for i, plane in enumerate(mask):
        if plane.any():
            yield [_difference(duel, i, plane) for duel in duels]


def _difference(
    duel: Duel, i: int, plane: Bool[np.ndarray, "y z"]
) -> Float64[np.ndarray, "volumes voxels"]:
    y, first, second = (
        series[:, i, plane].astype(np.float64)
        for series in (duel.observed, duel.first, duel.second)
    )
    return (np.abs(y - second) - np.abs(y - first)) / duel.unit


def _block_sums(
    planes: Sequence[Float64[np.ndarray, "_ voxels"]], block: int
) -> Float64[np.ndarray, "blocks voxels"]:
    """Sum blocks of volumes, run by run; what a run has left over makes a shorter one."""
    return np.concatenate(
        [np.add.reduceat(series, np.arange(0, len(series), block)) for series in planes]
    )


def _sign_flip_p(
    sums: Float64[np.ndarray, "blocks voxels"], n_flips: int, seed: int
) -> Float64[np.ndarray, " voxels"]:
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (n_flips, len(sums)))
    p = np.empty(sums.shape[1])
    for start in range(0, len(p), BLOCK):
        some = sums[:, start : start + BLOCK]
        true = np.abs(some.sum(axis=0)) - TIE * np.abs(some).sum(axis=0)
        beaten = np.count_nonzero(np.abs(signs @ some) >= true, axis=0)
        p[start : start + BLOCK] = (1 + beaten) / (1 + n_flips)
    return p


def _autocorrelation(
    series: Float64[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, "lags voxels"]:
    """Autocorrelation of each voxel at every lag, its trend included; zero where it is constant."""
    products = lagged_products(series - series.mean(axis=0))
    result = np.zeros_like(products)
    np.divide(products, products[0], out=result, where=products[0] > 0)
    return result


def _t_map(
    t: Float64[np.ndarray, " voxels"],
    p: Float64[np.ndarray, " voxels"],
    mask: Bool[np.ndarray, "x y z"],
    test: str,
) -> TMap:
    q = false_discovery_q(p)
    return TMap(unmask(t, mask), unmask(p, mask), unmask(q, mask), test)
