"""Predictions that need no network, beside which every model stands.

Some look at the very volumes that are to be predicted: these oracles say how far one comes by
knowing nothing but the anatomy, the global signal or the head motion of the test.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy.polynomial.legendre import legvander

from bids_eeg2fmri.evaluate.cross_validation import Design
from bids_eeg2fmri.evaluate.ridge import Ridge, fit_ridge, predict
from bids_eeg2fmri.preprocess.bands import Value, hrf_features
from bids_eeg2fmri.preprocess.bold import grid_mask, training_brain
from bids_eeg2fmri.preprocess.nuisance import motion_regressors
from bids_eeg2fmri.preprocess.scale import own_scale, scale_bold, transfer, unscale_bold
from bids_eeg2fmri.types import Pairs, Scale

DRIFT_DEGREE = 2
"""Highest power of time: more would run away in a test block that lies beyond the training one."""


@dataclass(frozen=True)
class Baseline:
    """One baseline, for tables and reports."""

    title: str
    """What it predicts from, for people."""
    eeg: bool = False
    """Whether it looks at the EEG."""
    oracle: bool = False
    """Whether it looks at the test volumes, or at what was estimated from them."""


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "mean-volume": Baseline("mean of the training volumes"),
        "participant-mean": Baseline("mean of the test volumes (oracle)", oracle=True),
        "hrf-ridge": Baseline(
            "ridge regression on EEG band power through the canonical haemodynamic response",
            eeg=True,
        ),
        "global-signal": Baseline(
            "ridge regression on the observed global signal (oracle)", oracle=True
        ),
        "drift": Baseline("ridge regression on the time since the run began"),
        "motion": Baseline("ridge regression on the observed head motion (oracle)", oracle=True),
    }
)
"""All baselines, in the order in which they are told of."""

Designs = Mapping[str, Float64[np.ndarray, "_ _"]]
"""What each baseline predicts all pairs of one run from, by its name in ``BASELINES``."""


def mean_volume_prediction(
    mean: Float32[np.ndarray, "x y z"], n: int
) -> Float32[np.ndarray, "volumes x y z"]:
    """Predict the training mean ``n`` times over: all that is known without any EEG.

    Returns
    -------
    A read-only view that takes no memory.
    """
    return np.broadcast_to(mean, (n, *mean.shape))


def drift_design(
    onset: Float64[np.ndarray, " pairs"],
) -> Float64[np.ndarray, "pairs degrees"]:
    """Give the Legendre polynomials of time, which runs from −1 to 1 within these pairs."""
    time = np.interp(onset, [onset[0], onset[-1]], [-1.0, 1.0])
    return np.asarray(legvander(time, DRIFT_DEGREE)[:, 1:])


def motion_design(
    parameters: Float64[np.ndarray, "volumes 6"], volume: Int64[np.ndarray, " pairs"]
) -> Float64[np.ndarray, "pairs 12"]:
    """Give the head's position at each pair and how it changed since the volume before.

    Parameters
    ----------
    parameters
        Translations and rotations at all stored volumes, in any unit.
    volume
        Index of each pair's volume.
    """
    return np.asarray(motion_regressors(parameters, 12)[volume])


def global_signal(
    bold: Float32[np.ndarray, "pairs x y z"], mask: Bool[np.ndarray, "x y z"]
) -> Float64[np.ndarray, "pairs 1"]:
    """Average each observed volume over the mask; one volume is in memory at a time."""
    return np.array([[volume[mask].mean(dtype=np.float64)] for volume in bold])


def make_designs(
    pairs: Pairs,
    scale: Scale,
    value: Value,
    lags: Float64[np.ndarray, " windows"],
    motion: Float64[np.ndarray, "volumes 6"] | None = None,
) -> Designs:
    """Gather what the baselines predict one run from.

    Parameters
    ----------
    pairs
        All pairs of the run.
    scale
        The model's units, in which the global signal is taken.
    value
        What the spectrograms hold.
    lags
        Seconds from each window of the spectrogram to the volume, see ``window_lags``.
    motion
        Translations and rotations of the head at all stored volumes, where they are known.

    Raises
    ------
    UsageError
        If the spectrograms hold no frequency or no window that ``hrf_features`` could use.
    """
    own = own_scale(scale, pairs.run)
    observed = global_signal(pairs.bold, grid_mask(pairs))
    designs = {
        "hrf-ridge": hrf_features(pairs.eeg, pairs.freqs, value, lags),
        "global-signal": (observed - own.bold_mean) / own.bold_sd,
        "drift": drift_design(pairs.onset),
    }
    if motion is not None:
        designs["motion"] = motion_design(motion, pairs.volume)
    return designs


def fit_baselines(
    designs: Sequence[Designs],
    pairs: Sequence[Pairs],
    train: Sequence[Int64[np.ndarray, " _"]],
    scale: Scale,
    gap: float,
    seed: int,
) -> dict[str, Ridge]:
    """Fit the baselines that are regressions, to the training pairs and in the model's units.

    Parameters
    ----------
    designs, pairs
        Runs with the same channels and grid, and what each is predicted from.
    train
        The training pairs of each run; no other pair is used. One run is in memory at a time.
    scale
        Measured on the training pairs.
    gap
        Seconds that pairs of a run must be apart to share no EEG.
    seed
        From which the voxels are drawn that choose the penalties.

    Returns
    -------
    In the order of ``BASELINES``, those for which all runs with training pairs have a design.
    """
    runs = [(d, p, i) for d, p, i in zip(designs, pairs, train, strict=True) if len(i)]
    mask = training_brain(pairs, train)
    fitted = {}
    for name in BASELINES:
        if all(name in own for own, _, _ in runs):
            known = [Design(d[name][i], p.onset[i], p.participant) for d, p, i in runs]
            volumes = (scale_bold(p.bold[i], own_scale(scale, p.run)) for _, p, i in runs)
            whiten = BASELINES[name].eeg
            fitted[name] = fit_ridge(known, volumes, mask, gap, seed=seed, whiten=whiten)
    return fitted


def predict_baselines(
    fitted: Mapping[str, Ridge],
    designs: Designs,
    pairs: Pairs,
    train: Int64[np.ndarray, " _"],
    test: Int64[np.ndarray, " _"],
    mean: Float32[np.ndarray, "x y z"],
    scale: Scale,
) -> Iterator[tuple[str, Float32[np.ndarray, "volumes x y z"]]]:
    """Predict the test volumes of one run by every baseline, in the scanner's units.

    Parameters
    ----------
    fitted
        From ``fit_baselines``.
    designs, pairs
        The run, and what it is predicted from; without a design a regression is left out.
    train, test
        Its training pairs, if it has any, and those to be predicted.
    mean
        The mean training volume in the units of ``scale``, see ``preprocess.scale.mean_volume``.
    scale
        The model's units.

    Yields
    ------
    Name and volumes on the model's grid, one baseline at a time in the order of ``BASELINES``.

    Notes
    -----
    Features are taken about the mean of the run's training pairs, as in the fit. A run without any
    has them about the mean of its test pairs, or else the gain of its electrodes would be taken for
    activity: of these pairs it uses the EEG, the times, or where it is an oracle what that knows.
    """
    own = own_scale(scale, pairs.run)
    yield "mean-volume", mean_volume_prediction(transfer(mean, scale, own), len(test))
    oracle = pairs.bold[test].mean(axis=0, dtype=np.float64).astype(np.float32)
    yield "participant-mean", mean_volume_prediction(oracle, len(test))
    for name, ridge in fitted.items():
        if name in designs:
            values = designs[name]
            centre = values[train if len(train) else test].mean(axis=0)
            yield name, unscale_bold(predict(ridge, values[test], centre), own)
