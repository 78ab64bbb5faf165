"""Combine the echoes of a BOLD series by how fast their signal decays, Posse et al. (1999)."""

import numpy as np
from jaxtyping import Float, Float32, Float64

_LEAST = 1e-3
"""Share of the brightest mean below which a signal counts as this share: it is noise."""


def echo_weights(
    mean: Float[np.ndarray, "echoes x y z"], echo_times: Float64[np.ndarray, " echoes"]
) -> Float32[np.ndarray, "echoes x y z"]:
    r"""Weigh each echo by the BOLD contrast that it carries, voxel by voxel.

    .. math:: w_n \propto TE_n\, e^{-TE_n / T_2^*}

    A change of the decay rate changes the signal of an echo by just this, so that among all
    weighted sums of echoes with noise of the same size this one has the largest contrast to noise.

    Parameters
    ----------
    mean
        Mean over the volumes of each echo; negative where there is nothing but noise.
    echo_times
        In seconds, all of them different.

    Returns
    -------
    Weights that sum to 1 in each voxel. Where the signal is gone after the first echo, that one has
    nearly all the weight; where it does not decay, echoes weigh as much as they are late.
    """
    late = echo_times.reshape(-1, 1, 1, 1)
    exponent = -late * decay_rate(mean, echo_times)
    weights = late * np.exp(exponent - exponent.max(axis=0))
    return np.asarray(weights / weights.sum(axis=0), np.float32)


def decay_rate(
    mean: Float[np.ndarray, "echoes x y z"], echo_times: Float64[np.ndarray, " echoes"]
) -> Float64[np.ndarray, "x y z"]:
    r"""Fit :math:`S(TE) = S_0 e^{-R_2^* TE}` to the logarithm by least squares.

    Returns
    -------
    :math:`R_2^* = 1 / T_2^*` in 1/s; 0 where the signal does not decay.
    """
    brightest = float(mean.max())
    floor = _LEAST * brightest if brightest > 0 else 1.0
    log = np.log(np.maximum(mean, floor, dtype=np.float64))
    centred = echo_times - echo_times.mean()
    slope = np.tensordot(centred, log, axes=1) / np.sum(centred**2)
    return np.asarray(np.maximum(-slope, 0.0))
