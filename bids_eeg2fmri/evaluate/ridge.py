"""Ridge regression from a few numbers a volume to all voxels, run by run (Hoerl & Kennard 1970)."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.linalg import eigh

from bids_eeg2fmri.evaluate.cross_validation import (
    Design,
    blocked_folds,
    is_clear,
    run_of,
    validation_error,
)
from bids_eeg2fmri.evaluate.prewhiten import first_autocorrelation, prewhiten
from bids_eeg2fmri.types import typed

PENALTIES = np.logspace(3, -3, 13)
"""Penalties tried, the largest first. A prediction that is shrunk a thousandfold still has a
temporal correlation; more would be lost in the rounding of the volume that it is added to."""
VOXELS = 2000
"""Voxels by which the penalty is chosen."""
NO_SPREAD = 1e-9
"""A standard deviation below this part of the largest value is rounding, and counts as zero."""


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
    error = validation_error(design, sample, run_of(designs), folds, penalties)
    penalty = float(penalties[np.argmin(error.sum(axis=0))])
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
    """Find which of several designs predicts best at its best penalty, or keep to the first.

    That is the one to believe in: another must clearly err less than it, and than what knows
    nothing, see ``is_clear``, or weak couplings would have theirs drawn by lot.

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
    errors = []
    for designs in candidates:
        x = _prewhiten(_standardise(designs)[0], designs, memory)
        error = validation_error(x, sample, run_of(designs), folds, np.append(penalties, np.inf))
        errors.append(error[:, error[:, :-1].sum(axis=0).argmin()])
    best = int(np.argmin(np.sum(errors, axis=1)))
    of_nothing = error[:, -1]  # at infinite penalty, where all designs predict the mean
    rivals = (errors[0], of_nothing)
    return best if all(is_clear(rival - errors[best]) for rival in rivals) else 0


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
        phi = first_autocorrelation(y[:, chosen], design.onset) if whiten else 0.0
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
