"""Style of the latent space, §3.2 of the paper."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def style_posterior(
    scores: Float[Tensor, "batch channels channels"],
    weight: Float[Tensor, "channels channels latent"],
) -> Float[Tensor, "batch latent"]:
    r"""Turn attention scores into the style of the latent, Eq. (5) of Calhas & Henriques 2022.

    .. math:: z_w = B^\top W, \qquad \text{to be used as } z_x^* \odot z_w
    """
    return torch.einsum("bij,ijl->bl", scores, weight)


class StylePosterior(nn.Module):
    """Learn the tensor B of `style_posterior`; the style follows from the EEG by its attention."""

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        flat = nn.init.xavier_uniform_(torch.empty(channels**2, latent))
        self.weight = nn.Parameter(flat.view(channels, channels, latent))

    def forward(
        self, scores: Float[Tensor, "batch channels channels"]
    ) -> Float[Tensor, "batch latent"]:
        """Return the style that multiplies the latent."""
        return style_posterior(scores, self.weight)


class StylePrior(nn.Module):
    """Learn one style for all EEG (§5.2 of the paper)."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(latent))

    def forward(
        self, scores: Float[Tensor, "batch channels channels"]
    ) -> Float[Tensor, "batch latent"]:
        """Return the same style for each member of the batch."""
        return self.weight.expand(scores.shape[0], -1)
