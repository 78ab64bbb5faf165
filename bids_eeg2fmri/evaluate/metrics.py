"""How close a prediction comes: each score is one function, ``score`` gathers them.

The paper's own scores, RMSE and SSIM of whole volumes, mostly tell how well the anatomy is
reproduced. What tells whether the EEG adds anything is the temporal correlation of a voxel, the
skill against the training mean and the ratio of deviations.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64
from skimage.metrics import structural_similarity

from bids_eeg2fmri.types import Scores

CONSTANT = 1e-6
"""Deviation over mean below which a series is constant: single precision promises no more."""


@dataclass(frozen=True)
class Metric:
    """What a score means, for sidecars and reports."""

    name: str
    """In plain words."""
    units: str
    """Unit of the score."""
    description: str
    """How it is computed."""
    higher_is_better: bool | None
    """Which way is better; ``None`` where neither is."""


BOLD_SD = "SD of BOLD"
"""Unit of errors: what BOLD was divided by for training, see ``scale.bold``."""
_NATIVE = "units of the BOLD series"
_IN_MASK = "over the brain mask, then the mean over volumes"
_WHOLE = "over the whole volume, then the mean over volumes"

METRICS: Mapping[str, Metric] = {
    "pearsoncorrelation": Metric(
        "Temporal r",
        "1",
        "Pearson correlation over time of observed and synthesised signal, linear trends taken "
        "out, mean over the voxels of the mask where neither is constant.",
        True,
    ),
    "skill": Metric(
        "Skill",
        "1",
        "One minus the squared error over that of the training mean, both summed over the mask; "
        "0 is no better than the mean volume.",
        True,
    ),
    "sd_ratio": Metric(
        "Deviation ratio",
        "1",
        "Standard deviation over time of the synthesised signal over that of the observed, pooled "
        "over the mask; near 0 the output is constant.",
        None,
    ),
    "rmse": Metric("RMSE", BOLD_SD, f"Root mean squared error {_WHOLE}.", False),
    "rmse_mask": Metric("RMSE in mask", BOLD_SD, f"Root mean squared error {_IN_MASK}.", False),
    "mae": Metric("MAE", BOLD_SD, f"Mean absolute error {_WHOLE}.", False),
    "mae_mask": Metric("MAE in mask", BOLD_SD, f"Mean absolute error {_IN_MASK}.", False),
    "psnr": Metric("PSNR", "dB", f"Range of the training volumes over the RMSE {_WHOLE}.", True),
    "psnr_mask": Metric(
        "PSNR in mask", "dB", f"Range of the training volumes over the RMSE {_IN_MASK}.", True
    ),
    "ssim": Metric("SSIM", "1", f"3-D structural similarity {_WHOLE}.", True),
    "ssim_mask": Metric("SSIM in mask", "1", f"3-D structural similarity {_IN_MASK}.", True),
}
"""The scores of ``Scores.summary``, first those that tell whether the EEG adds anything.

Those with one number a volume are in ``Scores.volumes`` too.
"""

MAPS: Mapping[str, Metric] = {
    "rmse": Metric("RMSE", _NATIVE, "Root mean squared error over time.", False),
    "mae": Metric("MAE", _NATIVE, "Mean absolute error over time.", False),
    "ssim": Metric("SSIM", "1", "Local 3-D structural similarity, mean over volumes.", True),
    "pearsoncorrelation": Metric(
        "Temporal r", "1", "Pearson correlation over time, linear trends taken out.", True
    ),
    "skill": Metric(
        "Skill", "1", "One minus the squared error over that of the training mean.", True
    ),
}
"""The scores of ``Scores.maps``."""


def mse(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
    axis: int,
) -> Float64[np.ndarray, " scores"]:
    r"""Mean squared error, :math:`\frac{1}{n} \sum (y - \hat y)^2`, over time or over voxels."""
    return np.asarray(np.mean(np.subtract(observed, predicted, dtype=np.float64) ** 2, axis=axis))


def mae(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
    axis: int,
) -> Float64[np.ndarray, " scores"]:
    r"""Mean absolute error, :math:`\frac{1}{n} \sum |y - \hat y|`, over time or over voxels."""
    return np.asarray(
        np.mean(np.abs(np.subtract(observed, predicted, dtype=np.float64)), axis=axis)
    )


def psnr(
    rmse: Float64[np.ndarray, " volumes"], data_range: float
) -> Float64[np.ndarray, " volumes"]:
    r"""Peak signal-to-noise ratio, :math:`20 \log_{10} (R / \mathrm{RMSE})` in decibels.

    Infinite where the prediction is perfect.
    """
    with np.errstate(divide="ignore"):
        return 20 * np.log10(data_range / rmse)


def ssim(
    observed: Float32[np.ndarray, "x y z"],
    predicted: Float32[np.ndarray, "x y z"],
    data_range: float,
) -> tuple[float, Float64[np.ndarray, "x y z"]]:
    """Structural similarity (Wang et al. 2004) in three dimensions, and its local map.

    The window is a cube of 7 voxels, or the largest odd number that the grid holds.
    """
    window = min(7, (min(observed.shape) - 1) // 2 * 2 + 1)
    mean, local = structural_similarity(
        observed.astype(np.float64),
        predicted.astype(np.float64),
        win_size=window,
        data_range=data_range,
        full=True,
    )
    return float(mean), local


def standardise(
    series: Float[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, "volumes voxels"]:
    """Take each voxel's linear trend out and bring it to deviation 1; NaN where it is constant.

    A trend that both series happen to have would look like a coupling that shifted EEG lacks.
    """
    mean = series.mean(axis=0, dtype=np.float64)
    detrended = series - mean
    time = np.arange(len(series)) - (len(series) - 1) / 2
    detrended -= np.outer(time, time @ detrended / max(time @ time, 1))
    sd = detrended.std(axis=0)
    z: Float64[np.ndarray, "volumes voxels"] = np.full_like(detrended, np.nan)
    np.divide(detrended, sd, out=z, where=sd > CONSTANT * np.abs(mean))
    return z


def pearsoncorrelation(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, " voxels"]:
    r"""Temporal correlation of each voxel, :math:`\frac{1}{n} \sum_t z_y(t) z_{\hat y}(t)`.

    Linear trends are taken out of both series first, see ``standardise``.

    NaN where either series is constant.
    """
    return np.asarray(np.mean(standardise(observed) * standardise(predicted), axis=0))


def skill(
    mse: Float64[np.ndarray, " voxels"], reference_mse: Float64[np.ndarray, " voxels"]
) -> Float64[np.ndarray, " voxels"]:
    r"""Skill against a reference (Murphy 1988), :math:`1 - \mathrm{MSE} / \mathrm{MSE}_0`.

    NaN where the reference is perfect.
    """
    ratio = np.full_like(mse, np.nan)
    np.divide(mse, reference_mse, out=ratio, where=reference_mse > 0)
    return 1 - ratio


def score(
    model: str,
    observed: Float32[np.ndarray, "volumes x y z"],
    predicted: Float32[np.ndarray, "volumes x y z"],
    reference: Float32[np.ndarray, "x y z"],
    mask: Bool[np.ndarray, "x y z"],
    scale_sd: float,
    data_range: float,
) -> Scores:
    """Compare a prediction with what was observed, in every way of ``METRICS`` and ``MAPS``.

    Parameters
    ----------
    model
        Which model made the prediction.
    observed, predicted
        The test volumes of one run, in the scanner's units.
    reference
        Mean of the training volumes, against which skill is measured.
    mask
        Brain mask.
    scale_sd
        Standard deviation of the training volumes: the unit of RMSE and MAE, as in the paper.
    data_range
        Largest minus smallest value of the training volumes, for PSNR and SSIM.
    """
    volumes, ssim_map = _score_volumes(observed, predicted, mask, scale_sd, data_range)
    voxels = _score_voxels(observed, predicted, reference, mask)
    maps = {
        "rmse": np.sqrt(voxels["mse"]),
        "mae": voxels["mae"],
        "ssim": ssim_map[mask],
        "pearsoncorrelation": voxels["pearsoncorrelation"],
        "skill": skill(voxels["mse"], voxels["reference_mse"]),
    }
    return Scores(
        model=model,
        volumes=volumes,
        maps={name: unmask(values, mask) for name, values in maps.items()},
        summary={name: float(values.mean()) for name, values in volumes.items()} | _pool(voxels),
    )


def _score_volumes(
    observed: Float32[np.ndarray, "volumes x y z"],
    predicted: Float32[np.ndarray, "volumes x y z"],
    mask: Bool[np.ndarray, "x y z"],
    scale_sd: float,
    data_range: float,
) -> tuple[dict[str, Float64[np.ndarray, " volumes"]], Float64[np.ndarray, "x y z"]]:
    """Score volume by volume, so that a memory-mapped series never stands in memory as a whole."""
    everywhere = np.ones_like(mask)
    ssim_map = np.zeros(mask.shape)
    rows = []
    for y, y_hat in zip(observed, predicted, strict=True):
        whole, local = ssim(y, y_hat, data_range)
        ssim_map += local / len(observed)
        row = {"ssim": np.array([whole]), "ssim_mask": local[mask].mean(keepdims=True)}
        for suffix, where in (("", everywhere), ("_mask", mask)):
            a, b = y[where][None], y_hat[where][None]
            rmse = np.sqrt(mse(a, b, axis=1))
            row["rmse" + suffix] = rmse / scale_sd
            row["mae" + suffix] = mae(a, b, axis=1) / scale_sd
            row["psnr" + suffix] = psnr(rmse, data_range)
        rows.append(row)
    return {
        name: np.concatenate([row[name] for row in rows]) for name in METRICS if name in row
    }, ssim_map


def _score_voxels(
    observed: Float32[np.ndarray, "volumes x y z"],
    predicted: Float32[np.ndarray, "volumes x y z"],
    reference: Float32[np.ndarray, "x y z"],
    mask: Bool[np.ndarray, "x y z"],
) -> dict[str, Float64[np.ndarray, " voxels"]]:
    """Score the voxels of the mask over time, one plane of the grid after another."""
    rows = []
    for i, plane in enumerate(mask):
        y, y_hat = observed[:, i, plane], predicted[:, i, plane]
        rows.append(
            {
                "mse": mse(y, y_hat, axis=0),
                "mae": mae(y, y_hat, axis=0),
                "reference_mse": mse(y, np.broadcast_to(reference[i, plane], y.shape), axis=0),
                "pearsoncorrelation": pearsoncorrelation(y, y_hat),
                "variance": y.var(axis=0, dtype=np.float64),
                "predicted_variance": y_hat.var(axis=0, dtype=np.float64),
            }
        )
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _pool(voxels: dict[str, Float64[np.ndarray, " voxels"]]) -> dict[str, float]:
    """Sum up the voxels in one number each."""
    total = {name: values.sum(keepdims=True) for name, values in voxels.items()}
    r = voxels["pearsoncorrelation"]
    defined = r[np.isfinite(r)]
    return {
        "pearsoncorrelation": float(defined.mean()) if defined.size else np.nan,
        "skill": float(skill(total["mse"], total["reference_mse"])[0]),
        "sd_ratio": float(np.sqrt(total["predicted_variance"] / total["variance"])[0]),
    }


def unmask(
    values: Float64[np.ndarray, " voxels"], mask: Bool[np.ndarray, "x y z"]
) -> Float32[np.ndarray, "x y z"]:
    """Put values back where they come from; NaN outside the mask."""
    volume = np.full(mask.shape, np.nan, np.float32)
    volume[mask] = values
    return volume
