"""Prepare BOLD before anything is learnt from it: smooth, take nuisances out, count in percent."""

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.ndimage import gaussian_filter

from bids_eeg2fmri.config import BoldConfig
from bids_eeg2fmri.errors import BOLDError
from bids_eeg2fmri.preprocess.bold import temporal_moments
from bids_eeg2fmri.types import BOLD, Allocate

LEAST_LEFT = 0.5
"""Share of the degrees of freedom that nuisances must leave."""
FAINT = 0.05
"""Share of the brain's median below which a mean over time is no measure of a voxel."""
FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian of unit standard deviation."""


def motion_regressors(
    motion: Float64[np.ndarray, "volumes 6"], n: int
) -> Float64[np.ndarray, "volumes regressors"]:
    r"""Expand motion parameters as Satterthwaite et al. (2013), after Friston et al. (1996).

    .. math:: [R_t,\; R_t - R_{t-1},\; R_t^2,\; (R_t - R_{t-1})^2]

    Parameters
    ----------
    n
        How many of these 24: 6 for the parameters, 12 with their changes, 24 with the squares.

    Notes
    -----
    Friston et al. have the parameters of the volume before, :math:`R_{t-1}` and its square, in the
    place of changes. The first 12 span the same either way, the squares do not.
    """
    both = np.concatenate([motion, np.diff(motion, axis=0, prepend=motion[:1])], axis=1)
    return np.concatenate([both, both**2], axis=1)[:, :n]


def prepare_bold(
    bold: BOLD,
    mask: Bool[np.ndarray, "x y z"],
    motion: Float64[np.ndarray, "volumes 6"] | None,
    cfg: BoldConfig,
    allocate: Allocate = np.empty,
) -> BOLD:
    """Smooth a series, regress nuisances out of it, and bring it to the units that are wanted.

    Each voxel keeps its mean over time. One volume, then one slice of all volumes is in memory.

    Parameters
    ----------
    mask
        The brain; beyond it there is no percentage, and the series becomes 0.
    motion
        Millimetres and radians; needed where ``cfg.clean`` is ``confounds``.
    allocate
        Makes the series that is filled.

    Raises
    ------
    BOLDError
        The run is too short for so many regressors.
    """
    regressors = None if motion is None else motion_regressors(motion, cfg.motion)
    _check_freedom(bold, regressors, cfg)
    data = allocate(bold.data.shape, np.float32)
    for v in range(bold.n_volumes):
        data[..., v] = smooth(bold.data[..., v], bold.affine, cfg.smoothing)
    is_share = cfg.units == "percent"
    faint = FAINT * float(np.median(temporal_moments(data)[0][mask])) if is_share else 0.0
    for z in range(data.shape[2]):
        series = data[:, :, z].reshape(-1, bold.n_volumes).T.astype(np.float64)
        if cfg.clean != "none":
            series = regress_out(series, regressors, cfg.high_pass, bold.tr)
        if is_share:
            series = percent(series, mask[:, :, z].ravel(), faint)
        data[:, :, z] = series.T.reshape(*data.shape[:2], -1)
    return BOLD(data, bold.tr, bold.affine)


def smooth(
    volume: Float32[np.ndarray, "x y z"], affine: Float64[np.ndarray, "4 4"], fwhm: float
) -> Float32[np.ndarray, "x y z"]:
    """Blur a volume with a Gaussian whose full width at half maximum is given in millimetres."""
    size = np.linalg.norm(affine[:3, :3], axis=0)
    return np.asarray(gaussian_filter(volume, fwhm / FWHM / size)) if fwhm else volume


def regress_out(
    series: Float64[np.ndarray, "volumes voxels"],
    regressors: Float64[np.ndarray, "volumes regressors"] | None,
    high_pass: float,
    tr: float,
) -> Float64[np.ndarray, "volumes voxels"]:
    """Take linear trends, cosines slower than ``high_pass`` hertz and regressors out; keep means.

    All at once, so that none brings back what another took out (Lindquist et al. 2019).
    """
    # Here, as it takes a second or two and few runs need it.
    from nilearn.signal import clean

    slow = {"filter": "cosine", "high_pass": high_pass, "t_r": tr} if high_pass else {}
    left = clean(
        series,
        detrend=True,
        standardize=None,
        confounds=regressors,
        standardize_confounds=regressors is not None,
        **slow,
    )
    return np.asarray(left + series.mean(axis=0))


def _check_freedom(
    bold: BOLD, regressors: Float64[np.ndarray, "volumes regressors"] | None, cfg: BoldConfig
) -> None:
    if cfg.clean == "none":
        return
    slow = int(2 * bold.n_volumes * bold.tr * cfg.high_pass)
    n = 2 + slow + (0 if regressors is None else regressors.shape[1])
    if n > (1 - LEAST_LEFT) * bold.n_volumes:
        raise BOLDError(
            f"{n} regressors would leave too little of {bold.n_volumes} volumes. Take fewer by "
            "--set bold.motion=6 or a lower bold.high_pass, or leave the run out."
        )


def percent(
    series: Float64[np.ndarray, "volumes voxels"],
    brain: Bool[np.ndarray, " voxels"],
    faint: float = 0.0,
) -> Float64[np.ndarray, "volumes voxels"]:
    """Express series in percent of their mean; 0 outside the brain and where it is ``faint``."""
    mean = series.mean(axis=0)
    told = brain & (mean > faint)
    return np.asarray(100 * np.divide(series, mean, out=np.zeros_like(series), where=told))
