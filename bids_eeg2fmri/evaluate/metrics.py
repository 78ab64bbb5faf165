"""How close a prediction comes: each score is one function, ``score`` gathers them.

The paper's own scores, RMSE and SSIM of whole volumes, mostly tell how well the anatomy is
reproduced. What tells whether the EEG adds anything is the temporal correlation of a voxel, the
skill against the training mean and the ratio of deviations.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from bids_eeg2fmri.evaluate.effective import effective_size
from bids_eeg2fmri.evaluate.series import standardise
from bids_eeg2fmri.evaluate.similarity import mae, mse, psnr, ssim, ssim_slices
from bids_eeg2fmri.types import Scores


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
    "r2": Metric(
        "R²",
        "1",
        "One minus the squared error over that of the test mean, both summed over the mask; unlike "
        "skill, measured against a mean that nobody knows beforehand, so never above it.",
        True,
    ),
    "sd_ratio": Metric(
        "Deviation ratio",
        "1",
        "Standard deviation over time of the synthesised signal over that of the observed, pooled "
        "over the mask; near 0 the output is constant.",
        None,
    ),
    "n_effective": Metric(
        "Effective volumes",
        "volumes",
        "Independent volumes that would give temporal r the same precision, median over the mask; "
        "fewer than there are, as both signals are autocorrelated.",
        None,
    ),
    "rmse": Metric(
        "RMSE", BOLD_SD, f"Root mean squared error {_WHOLE}, as in the paper's code.", False
    ),
    "rmse_mask": Metric("RMSE in mask", BOLD_SD, f"Root mean squared error {_IN_MASK}.", False),
    "mae": Metric("MAE", BOLD_SD, f"Mean absolute error {_WHOLE}.", False),
    "mae_mask": Metric("MAE in mask", BOLD_SD, f"Mean absolute error {_IN_MASK}.", False),
    "psnr": Metric("PSNR", "dB", f"Range of the training volumes over the RMSE {_WHOLE}.", True),
    "psnr_mask": Metric(
        "PSNR in mask", "dB", f"Range of the training volumes over the RMSE {_IN_MASK}.", True
    ),
    "ssim": Metric("SSIM", "1", f"3-D structural similarity {_WHOLE}.", True),
    "ssim_mask": Metric("SSIM in mask", "1", f"3-D structural similarity {_IN_MASK}.", True),
    "ssim_slices": Metric(
        "SSIM of slices",
        "1",
        "2-D structural similarity of every third axial slice in SD of BOLD, with the larger "
        "maximum as range, mean over slices and volumes: as in the paper's code, to compare.",
        True,
    ),
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
    "r2": Metric("R²", "1", "One minus the squared error over that of the test mean.", True),
    "sdratio": Metric(
        "Deviation ratio",
        "1",
        "Standard deviation over time of the synthesised signal over that of the observed.",
        None,
    ),
    "neffective": Metric(
        "Effective volumes",
        "volumes",
        "Independent volumes that would give temporal r the same precision.",
        None,
    ),
}
"""The scores of ``Scores.maps``."""


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

    NaN where the reference is perfect. Against the training mean it is called skill, against the
    test mean R², which is lower wherever the two means differ.
    """
    return 1 - _ratio(mse, reference_mse)


def sd_ratio(
    predicted_variance: Float64[np.ndarray, " voxels"], variance: Float64[np.ndarray, " voxels"]
) -> Float64[np.ndarray, " voxels"]:
    r"""Deviation over time of the prediction over that of the signal, :math:`s_{\hat y} / s_y`.

    Near 0 the output is constant. What correlates with the signal by r errs least at a ratio of r.
    NaN where the signal is constant.
    """
    return np.asarray(np.sqrt(_ratio(predicted_variance, variance)))


def _ratio(
    a: Float64[np.ndarray, " voxels"], b: Float64[np.ndarray, " voxels"]
) -> Float64[np.ndarray, " voxels"]:
    ratio = np.full_like(a, np.nan)
    np.divide(a, b, out=ratio, where=b > 0)
    return ratio


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
    mean = float(reference.mean(dtype=np.float64))
    volumes, ssim_map = _score_volumes(observed, predicted, mask, mean, scale_sd, data_range)
    voxels = _score_voxels(observed, predicted, reference, mask)
    maps = {
        "rmse": np.sqrt(voxels["mse"]),
        "mae": voxels["mae"],
        "ssim": ssim_map[mask],
        "pearsoncorrelation": voxels["pearsoncorrelation"],
        "skill": skill(voxels["mse"], voxels["reference_mse"]),
        "r2": skill(voxels["mse"], voxels["variance"]),
        "sdratio": sd_ratio(voxels["predicted_variance"], voxels["variance"]),
        "neffective": voxels["n_effective"],
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
    mean: float,
    scale_sd: float,
    data_range: float,
) -> tuple[dict[str, Float64[np.ndarray, " volumes"]], Float64[np.ndarray, "x y z"]]:
    """Score volume by volume, so that a memory-mapped series never stands in memory as a whole."""
    ssim_map = np.zeros(mask.shape)
    rows = []
    for y, y_hat in zip(observed, predicted, strict=True):
        whole, local = ssim(y, y_hat, data_range)
        ssim_map += local / len(observed)
        row = {"ssim": np.array([whole]), "ssim_mask": local[mask].mean(keepdims=True)}
        row["ssim_slices"] = np.array([ssim_slices(y, y_hat, mean, scale_sd)])
        error = np.subtract(y, y_hat, dtype=np.float64)
        for suffix, part in (("", error), ("_mask", error[mask])):
            rmse = np.sqrt(np.mean(part**2, keepdims=True).ravel())
            row["rmse" + suffix] = rmse / scale_sd
            row["mae" + suffix] = np.abs(part).mean(keepdims=True).ravel() / scale_sd
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
                "n_effective": effective_size(y, y_hat),
                "variance": y.var(axis=0, dtype=np.float64),
                "predicted_variance": y_hat.var(axis=0, dtype=np.float64),
            }
        )
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _pool(voxels: dict[str, Float64[np.ndarray, " voxels"]]) -> dict[str, float]:
    """Sum up the voxels in one number each."""
    total = {name: values.sum(keepdims=True) for name, values in voxels.items()}
    defined = np.isfinite(voxels["pearsoncorrelation"])
    r, n = voxels["pearsoncorrelation"][defined], voxels["n_effective"][defined]
    return {
        "pearsoncorrelation": float(r.mean()) if r.size else np.nan,
        "skill": float(skill(total["mse"], total["reference_mse"])[0]),
        "r2": float(skill(total["mse"], total["variance"])[0]),
        "sd_ratio": float(sd_ratio(total["predicted_variance"], total["variance"])[0]),
        "n_effective": float(np.median(n)) if n.size else np.nan,
    }


def unmask(
    values: Float64[np.ndarray, " voxels"], mask: Bool[np.ndarray, "x y z"]
) -> Float32[np.ndarray, "x y z"]:
    """Put values back where they come from; NaN outside the mask."""
    volume = np.full(mask.shape, np.nan, np.float32)
    volume[mask] = values
    return volume
