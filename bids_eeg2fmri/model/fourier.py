"""Random Fourier features of the latent space, §3.1 of the paper."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def random_fourier_features(
    latent: Float[Tensor, "batch latent"],
    omega: Float[Tensor, "features latent"],
    phase: Float[Tensor, " features"],
) -> Float[Tensor, "batch features"]:
    r"""Project latents onto random cosines, Eq. (1) and (2) of Calhas & Henriques 2022.

    .. math:: z_x^* = \sqrt{2 / L}\, \cos(\omega z_x + b)

    Parameters
    ----------
    latent
        Encoded EEG, :math:`z_x`.
    omega, phase
        Frequencies ~ N(0, 1) and phases ~ U(0, 2π) in radians; drawn once, never trained.

    Returns
    -------
    Features whose inner products approach the Gaussian kernel of the latents as they grow in number
    (Rahimi & Recht 2007).
    """
    return math.sqrt(2 / omega.shape[0]) * torch.cos(latent @ omega.T + phase)


class FourierProjection(nn.Module):
    """Hold the frequencies and phases of `random_fourier_features`; nothing in it is trained."""

    omega: Float[Tensor, "features latent"]
    phase: Float[Tensor, " features"]

    def __init__(self, latent: int, features: int) -> None:
        super().__init__()
        self.register_buffer("omega", torch.randn(features, latent))
        self.register_buffer("phase", 2 * math.pi * torch.rand(features))

    def forward(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch features"]:
        """Project latents onto the random cosines."""
        return random_fourier_features(latent, self.omega, self.phase)


class NormalisedFourierProjection(FourierProjection):
    r"""Random Fourier features in the form of the authors' public code.

    .. math:: \cos(\operatorname{LayerNorm}(\omega z_x / \sigma + b))

    The scale σ is trained, from √(L / 2) on, and so are the gain and the offset of the layer
    normalisation, from π / 2 on; frequencies and phases are not.

    Notes
    -----
    Without the factor √(2 / L) and with arguments that the normalisation keeps within about one
    turn, inner products of these features are no Gaussian kernel.
    """

    def __init__(self, latent: int, features: int) -> None:
        super().__init__(latent, features)
        self.scale = nn.Parameter(torch.tensor(math.sqrt(latent / 2)))
        self.norm = nn.LayerNorm(features)
        nn.init.constant_(self.norm.weight, math.pi / 2)
        nn.init.constant_(self.norm.bias, math.pi / 2)

    def forward(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch features"]:
        """Project latents onto cosines of normalised arguments."""
        arguments = latent @ self.omega.T / self.scale + self.phase
        return torch.cos(self.norm(arguments))
