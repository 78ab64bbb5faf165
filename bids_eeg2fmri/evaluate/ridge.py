"""Ridge regression from a few numbers a volume to all voxels, run by run (Hoerl & Kennard 1970)."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.linalg import eigh

from bids_eeg2fmri.evaluate.prewhiten import autocorrelation, prewhiten
from bids_eeg2fmri.types import typed

PENALTIES = np.logspace(3, -3, 13)
"""Penalties tried, the largest first. A prediction that is shrunk a thousandfold still has a
temporal correlation; more would be lost in the rounding of the volume that it is added to."""
FOLDS = 5
"""Parts of the training pairs of which each is predicted once from the others."""
VOXELS = 2000
"""Voxels by which the penalty is chosen."""
NO_SPREAD = 1e-9
"""A standard deviation below this part of the largest value is rounding, and counts as zero."""

Fold = tuple[Int64[np.ndarray, " _"], Int64[np.ndarray, " _"]]
"""The pairs that are fitted and those that are predicted."""


@typed
class Design:
    """What the volumes of one run are predicted from."""

    values: Float64[np.ndarray, "pairs features"]
    """Features in any unit."""
    onset: Float64[np.ndarray, " pairs"]
    """Onset of each volume in seconds on the run's own clock."""
    participant: str
    """Whose run it is."""


@typed
class Ridge:
    """A fitted ridge regression, in the unit of the volumes that it was fitted to."""

    offset: Float32[np.ndarray, "x y z"]
    """Mean training volume, which features at their mean predict."""
    weights: Float32[np.ndarray, "features x y z"]
    """How much a volume changes with one standard deviation of each feature."""
    mean: Float64[np.ndarray, " features"]
    """Mean of each feature over the training pairs."""
    sd: Float64[np.ndarray, " features"]
    """Standard deviation of each feature about the mean of its run; 1 where it does not vary."""
    penalty: float
    """λ, a training pair and for features of unit standard deviation."""


def fit_ridge(
    designs: Sequence[Design],
    volumes: Iterable[Float32[np.ndarray, "_ x y z"]],
    mask: Bool[np.ndarray, "x y z"],
    gap: float,
    *,
    seed: int,
    whiten: bool = False,
    penalties: Float64[np.ndarray, " penalties"] = PENALTIES,
) -> Ridge:
    r"""Fit all voxels to standardised features, the penalty chosen by blocked cross-validation.

    .. math:: W = (X^\top X + n \lambda I)^{-1} X^\top Y

    Parameters
    ----------
    designs
        Training pairs of each run.
    volumes
        Their volumes in one unit, run by run; each run is read once and let go.
    mask
        Voxels by which the penalty is chosen, of which ``VOXELS`` are drawn.
    gap
        Seconds that pairs of a run must be apart to share nothing, see ``blocked_folds``.
    seed
        From which these voxels are drawn.
    whiten
        Whether features and volumes are prewhitened first, see ``prewhiten``; not where a drift is
        what is looked for.
    penalties
        Positive λ to choose from, the largest first.

    Notes
    -----
    Features and volumes are taken about the mean of their run: how anatomies and electrodes differ
    between runs and participants is not how BOLD follows EEG.
    """
    x, mean, sd = _standardise(designs)
    offset, cross, sample, memory = _pass_over(volumes, designs, x, mask, seed, whiten)
    design, folds = _prewhiten(x, designs, memory), blocked_folds(designs, gap)
    error = validation_error(design, sample, _run_of(designs), folds, penalties)
    penalty = float(penalties[np.argmin(error)])
    power, axes = eigh(design.T @ design)
    inverse = (axes / (power + len(design) * penalty)) @ axes.T
    weights = (inverse.astype(np.float32) @ cross).reshape(-1, *mask.shape)
    return Ridge(offset, weights, mean, sd, penalty)


def predict(
    ridge: Ridge,
    values: Float64[np.ndarray, "pairs features"],
    centre: Float64[np.ndarray, " features"] | None = None,
) -> Float32[np.ndarray, "pairs x y z"]:
    """Predict volumes from their features.

    Parameters
    ----------
    values
        Features of each pair.
    centre
        What features are taken about: the mean of the run they are from, or if not given that of
        all training pairs.
    """
    z = (values - (ridge.mean if centre is None else centre)) / ridge.sd
    change = z.astype(np.float32) @ ridge.weights.reshape(len(ridge.sd), -1)
    change += ridge.offset.ravel()
    return np.asarray(change.reshape(-1, *ridge.offset.shape))


def blocked_folds(designs: Sequence[Design], gap: float) -> list[Fold]:
    """Divide pairs, laid end to end, into parts to be predicted from pairs that share no EEG.

    Of several participants, some are predicted from the others. Of one, a stretch of time is, and
    the pairs of its run less than ``gap`` seconds away from it are left out.

    Returns
    -------
    Up to ``FOLDS``, each with what is fitted and what is predicted; fewer, or none, where the pairs
    are too few for the gaps.
    """
    run = _run_of(designs)
    onset = np.concatenate([design.onset for design in designs])
    people, person = np.unique([design.participant for design in designs], return_inverse=True)
    stretch = np.arange(len(run)) * FOLDS // len(run)
    part = person[run] % FOLDS if len(people) > 1 else stretch
    folds = [
        (np.flatnonzero(_apart(part == k, run, onset, gap)), np.flatnonzero(part == k))
        for k in range(FOLDS)
    ]
    return [(fitted, predicted) for fitted, predicted in folds if len(fitted) and len(predicted)]


def choose_design(
    candidates: Sequence[Sequence[Design]],
    volumes: Iterable[Float32[np.ndarray, "_ x y z"]],
    mask: Bool[np.ndarray, "x y z"],
    gap: float,
    *,
    seed: int,
    whiten: bool = False,
    penalties: Float64[np.ndarray, " penalties"] = PENALTIES,
) -> int:
    """Find which of several designs predicts best at its best penalty; of equals, the first.

    Parameters
    ----------
    candidates
        For each of them the training pairs of each run.
    volumes, mask, gap, seed, whiten, penalties
        As in ``fit_ridge``.
    """
    nothing = [design.values[:, :0] for design in candidates[0]]
    _, _, sample, memory = _pass_over(volumes, candidates[0], nothing, mask, seed, whiten)
    folds = blocked_folds(candidates[0], gap)
    least = []
    for designs in candidates:
        x = _prewhiten(_standardise(designs)[0], designs, memory)
        error = validation_error(x, sample, _run_of(designs), folds, penalties)
        least.append(error.min())
    return int(np.argmin(least))


def validation_error(
    x: Float64[np.ndarray, "pairs features"],
    y: Float64[np.ndarray, "pairs voxels"],
    run: Int64[np.ndarray, " pairs"],
    folds: Sequence[Fold],
    penalties: Float64[np.ndarray, " penalties"],
) -> Float64[np.ndarray, " penalties"]:
    """Sum the squared error of each penalty over the folds; zero where there is none.

    ``run`` numbers the run of each pair: in each fold, features and volumes are taken about the
    mean of what is fitted of it.
    """
    error = np.zeros(len(penalties))
    for fitted, predicted in folds:
        # Not about the mean of all: it would tell a drift where the predicted pairs lie.
        design, wanted = (_about_runs(values, run, fitted) for values in (x, y))
        power, axes = eigh(design[fitted].T @ design[fitted])
        coupling = axes.T @ (design[fitted].T @ wanted[fitted])
        z = design[predicted] @ axes
        for i, penalty in enumerate(penalties):
            shrunk = z / (power + len(fitted) * penalty)
            error[i] += np.sum((wanted[predicted] - shrunk @ coupling) ** 2)
    return error


def _pass_over(
    volumes: Iterable[Float32[np.ndarray, "_ x y z"]],
    designs: Sequence[Design],
    x: Sequence[Float64[np.ndarray, "_ features"]],
    mask: Bool[np.ndarray, "x y z"],
    seed: int,
    whiten: bool,
) -> tuple[
    Float32[np.ndarray, "x y z"],
    Float32[np.ndarray, "features all"],
    Float64[np.ndarray, "pairs voxels"],
    list[float],
]:
    """Read each run once: mean volume, prewhitened X'Y, some voxels' series, autocorrelation."""
    total = np.zeros(mask.size)
    cross = np.zeros((x[0].shape[1], mask.size), np.float32)
    drawn, memory, chosen = [], [], _draw(mask, seed)
    for features, design, run in zip(x, designs, volumes, strict=True):
        y = run.reshape(len(features), -1)
        level = y.mean(axis=0, dtype=np.float64)
        total += level * len(features)
        y = y - level.astype(np.float32)
        phi = autocorrelation(y[:, chosen], design.onset) if whiten else 0.0
        y = prewhiten(y, design.onset, phi)
        cross += prewhiten(features, design.onset, phi).astype(np.float32).T @ y
        drawn.append(y[:, chosen].astype(np.float64))
        memory.append(phi)
    sample = np.concatenate(drawn)
    offset = (total / len(sample)).astype(np.float32).reshape(mask.shape)
    return offset, cross, sample / _spread(sample), memory


def _prewhiten(
    x: Sequence[Float64[np.ndarray, "_ features"]],
    designs: Sequence[Design],
    memory: Sequence[float],
) -> Float64[np.ndarray, "pairs features"]:
    """Treat the features of each run as its volumes were treated, and lay them end to end."""
    parts = zip(x, designs, memory, strict=True)
    return np.concatenate([prewhiten(own, design.onset, phi) for own, design, phi in parts])


def _standardise(
    designs: Sequence[Design],
) -> tuple[
    list[Float64[np.ndarray, "_ features"]],
    Float64[np.ndarray, " features"],
    Float64[np.ndarray, " features"],
]:
    """Bring features about the mean of their run and to unit size; give mean and size too."""
    within = [design.values - design.values.mean(axis=0) for design in designs]
    together = np.concatenate([design.values for design in designs])
    sd = _spread(np.concatenate(within), np.abs(together).max())
    return [centred / sd for centred in within], together.mean(axis=0), sd


def _run_of(designs: Sequence[Design]) -> Int64[np.ndarray, " pairs"]:
    return np.repeat(np.arange(len(designs)), [len(design.onset) for design in designs])


def _about_runs(
    values: Float64[np.ndarray, "pairs columns"],
    run: Int64[np.ndarray, " pairs"],
    fitted: Int64[np.ndarray, " _"],
) -> Float64[np.ndarray, "pairs columns"]:
    """Subtract the mean of each run's fitted pairs, or where it has none, of all its pairs."""
    centred = values.copy()
    for one in np.unique(run):
        own = np.flatnonzero(run == one)
        known = np.intersect1d(own, fitted)
        centred[own] -= values[known if len(known) else own].mean(axis=0)
    return centred


def _apart(
    held: Bool[np.ndarray, " pairs"],
    run: Int64[np.ndarray, " pairs"],
    onset: Float64[np.ndarray, " pairs"],
    gap: float,
) -> Bool[np.ndarray, " pairs"]:
    """Find the pairs ``gap`` seconds or more from a stretch of time, in each run that it is in."""
    apart = ~held
    for one in np.unique(run[held]):
        times = onset[held & (run == one)]
        near = (onset > times[0] - gap) & (onset < times[-1] + gap)
        apart &= ~(near & (run == one))
    return apart


def _draw(mask: Bool[np.ndarray, "x y z"], seed: int) -> Int64[np.ndarray, " voxels"]:
    inside = np.flatnonzero(mask)
    if len(inside) > VOXELS:
        inside = np.sort(np.random.default_rng(seed).choice(inside, VOXELS, replace=False))
    return inside


def _spread(
    centred: Float64[np.ndarray, "pairs columns"], size: float = 0.0
) -> Float64[np.ndarray, " columns"]:
    """Root mean square of each column; 1 where that is nothing beside ``size``."""
    sd = np.sqrt(np.mean(centred**2, axis=0))
    return np.where(sd > NO_SPREAD * size, sd, 1.0)
