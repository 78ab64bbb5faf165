"""What training minimises, §4 of the paper."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from bids_eeg2fmri.model.network import Prediction


def mean_absolute_error(
    predicted: Float[Tensor, "batch x y z"], observed: Float[Tensor, "batch x y z"]
) -> Float[Tensor, ""]:
    r"""Average :math:`|\hat y - y|` over voxels and volumes (§4, :math:`\mathcal L`)."""
    return (predicted - observed).abs().mean()


def cosine_distance(
    latent_eeg: Float[Tensor, "batch latent"], latent_bold: Float[Tensor, "batch latent"]
) -> Float[Tensor, ""]:
    r"""Average :math:`1 - \cos(z_x, z_y)` over the pairs of a batch (§4, :math:`\Omega`)."""
    return 1 - cosine_similarity(latent_eeg, latent_bold, dim=-1).mean()


def synthesis_loss(
    prediction: Prediction, observed: Float[Tensor, "batch x y z"], regularisation: float
) -> Float[Tensor, ""]:
    r"""Add both terms, :math:`\mathcal L + \lambda\,\Omega` (§4; λ = 1 in the paper).

    Notes
    -----
    The BOLD encoder takes no part in the synthesis, so its gradient is that of Ω alone, although
    Fig. 1 writes both. A model without latents is trained with the first term alone.
    """
    error = mean_absolute_error(prediction.bold, observed)
    if prediction.latent_eeg is None or prediction.latent_bold is None:
        return error
    return error + regularisation * cosine_distance(prediction.latent_eeg, prediction.latent_bold)
