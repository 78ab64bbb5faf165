"""Scores of parcels: what a model gets right of the mean signal of a named part of the brain.

Voxels are many and noisy. The mean over a parcel has less noise, a name, and few enough companions
for q to be kind.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float32, Float64

from bids_eeg2fmri.evaluate.effective import effective_size
from bids_eeg2fmri.evaluate.metrics import MAPS, Metric, pearsoncorrelation, sd_ratio, skill
from bids_eeg2fmri.evaluate.null import shifted_p
from bids_eeg2fmri.evaluate.similarity import mse
from bids_eeg2fmri.evaluate.statistics import (
    false_discovery_q,
    fisher_interval,
    fisher_z,
    mean_correlation_interval,
    mean_interval,
    paired_t,
)
from bids_eeg2fmri.preprocess.parcels import parcel_means, voxel_counts
from bids_eeg2fmri.types import Parcels

PARCEL_SCORES: Mapping[str, Metric] = {
    "n_voxels": Metric("Voxels", "voxels", "Voxels of the parcel in the brain mask.", None),
    "pearsoncorrelation": MAPS["pearsoncorrelation"],
    "r_low": Metric(
        "Lower end", "1", "95 % interval of temporal r by Fisher's z and effective volumes.", None
    ),
    "r_high": Metric(
        "Upper end", "1", "95 % interval of temporal r by Fisher's z and effective volumes.", None
    ),
    "n_effective": MAPS["neffective"],
    "p": Metric("p", "1", "One-sided p of temporal r among shifts of the EEG, uncorrected.", False),
    "q": Metric("q", "1", "p adjusted over the parcels (Benjamini & Hochberg 1995).", False),
    "r2": MAPS["r2"],
    "skill": MAPS["skill"],
    "sd_ratio": MAPS["sdratio"],
}
"""The scores of ``score_parcels``, each of the mean signal over the voxels of a parcel."""
PARCEL_MEANS: Mapping[str, Metric] = {
    "n_participants": Metric("n", "1", "Test participants whose parcel has a temporal r.", None),
    "pearsoncorrelation": Metric(
        "Mean temporal r", "1", "Mean of temporal r over participants by Fisher's z.", True
    ),
    "r_low": Metric("Lower end", "1", "95 % interval of that mean over participants.", None),
    "r_high": Metric("Upper end", "1", "95 % interval of that mean over participants.", None),
    "t": Metric("t", "1", "Fisher's z of temporal r against 0 over participants.", True),
    "p": Metric("p", "1", "One-sided p of t, uncorrected.", False),
    "q": Metric("q", "1", "p adjusted over the parcels (Benjamini & Hochberg 1995).", False),
    "skill": Metric("Mean skill", "1", "Mean over participants.", True),
}
"""The scores of ``average_parcels``."""


def score_parcels(
    observed: Float32[np.ndarray, "volumes x y z"],
    predicted: Float32[np.ndarray, "volumes x y z"],
    reference: Float32[np.ndarray, "x y z"],
    parcels: Parcels,
    mask: Bool[np.ndarray, "x y z"],
    min_shift: int,
) -> dict[str, Float64[np.ndarray, " parcels"]]:
    """Score the mean signal of each parcel in every way of ``PARCEL_SCORES``.

    Parameters
    ----------
    observed, predicted
        The test volumes of one run, in the scanner's units; may be memory-mapped.
    reference
        Mean of the training volumes, against which skill is measured.
    mask
        Brain mask.
    min_shift
        Smallest shift of the EEG in volumes, see ``null.least_shift``.

    Returns
    -------
    Columns of a table, one row a parcel. A parcel without a voxel in the mask has 0 ``n_voxels``
    and is NaN otherwise; one where either series is constant has no r, nor what follows from it.

    Notes
    -----
    p comes from as many shifts as there are volumes, so that the q of a parcel that stands alone is
    never below the number of parcels over that of volumes. Its interval knows no such limit.
    """
    y, y_hat = (parcel_means(series, parcels, mask) for series in (observed, predicted))
    mean = np.broadcast_to(parcel_means(reference[None], parcels, mask), y.shape)
    error, r = mse(y, y_hat, axis=0), pearsoncorrelation(y, y_hat)
    n_effective = effective_size(y, y_hat)
    low, high = fisher_interval(r, n_effective)
    p = shifted_p(y, y_hat, min_shift)
    return {
        "n_voxels": voxel_counts(parcels, mask).astype(np.float64),
        "pearsoncorrelation": r,
        "r_low": low,
        "r_high": high,
        "n_effective": n_effective,
        "p": p,
        "q": false_discovery_q(p),
        "r2": skill(error, y.var(axis=0)),
        "skill": skill(error, mse(y, mean, axis=0)),
        "sd_ratio": sd_ratio(y_hat.var(axis=0), y.var(axis=0)),
    }


def average_parcels(
    r: Float64[np.ndarray, "participants parcels"],
    skill: Float64[np.ndarray, "participants parcels"],
) -> dict[str, Float64[np.ndarray, " parcels"]]:
    """Sum the scores of each parcel up over participants, in every way of ``PARCEL_MEANS``.

    Parameters
    ----------
    r, skill
        Temporal correlation and skill of each participant; NaN, as where a participant lacks the
        parcel, is left out of that parcel.

    Returns
    -------
    Columns of a table, one row a parcel. Interval, t, p and q take two participants or more.
    """
    known = [column[np.isfinite(column)] for column in r.T]
    intervals = [mean_correlation_interval(one) for one in known]
    t, two_sided = np.array([paired_t(fisher_z(one)) for one in known]).reshape(-1, 2).T
    p = np.where(t > 0, two_sided / 2, 1 - two_sided / 2)
    return {
        "n_participants": np.array([float(len(one)) for one in known]),
        "pearsoncorrelation": np.array([one.mean for one in intervals]),
        "r_low": np.array([one.low for one in intervals]),
        "r_high": np.array([one.high for one in intervals]),
        "t": t,
        "p": p,
        "q": false_discovery_q(p),
        "skill": np.array([mean_interval(column).mean for column in skill.T]),
    }
