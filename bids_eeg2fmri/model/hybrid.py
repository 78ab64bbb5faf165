"""Our own model: a linear path through the haemodynamic response, the paper's network beside it.

That the power of rhythms, delayed and smoothed by the haemodynamic response, goes with BOLD is the
best established coupling of the two (Goldman et al. 2002; Laufs et al. 2003). The linear path says
just that and is solved, not trained; the network can only add to it.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bids_eeg2fmri.model.network import Network, Prediction, Shapes
from bids_eeg2fmri.model.voxels import Voxels

PEAK, UNDERSHOOT, RATIO = 6.0, 16.0, 6.0
"""Shapes of the two gamma densities and the ratio of their areas (Friston et al. 1998)."""


class Response(NamedTuple):
    """How the haemodynamic response differs from the canonical one."""

    delay: float = 0.0
    """Seconds by which it begins later."""
    width: float = 1.0
    """Factor by which it is longer."""


def double_gamma(
    lag: Float[Tensor, " windows"], delay: Float[Tensor, ""], width: Float[Tensor, ""]
) -> Float[Tensor, " windows"]:
    r"""Haemodynamic response some seconds after its cause, delayed and stretched.

    .. math:: h(t) = g_6(u) - g_{16}(u) / 6, \quad u = (t - \delta) / w, \quad
              g_k(u) = u^{k-1} e^{-u} / \Gamma(k)

    At :math:`\delta = 0` s and :math:`w = 1` it is the canonical response (Friston et al. 1998),
    which peaks at 5 s.
    """
    u = ((lag - delay) / width).clamp(min=1e-6)

    def density(shape: float) -> Tensor:
        return torch.exp((shape - 1) * torch.log(u) - u - math.lgamma(shape))

    return density(PEAK) - density(UNDERSHOOT) / RATIO


class HaemodynamicPath(nn.Module):
    """Predict deviations from band power through the haemodynamic response, linearly.

    Parameters
    ----------
    shapes
        Of spectrogram and volume, with the bands and lags of the former.

    Notes
    -----
    Weights and levels are those of a ridge regression, in which the response was chosen too;
    training then moves the response alone. Outside the brain nothing deviates.
    """

    averages: Float[Tensor, "channels bands freqs"]
    """How much each bin counts in the mean of a band; they add up to one."""
    steepness: Float[Tensor, ""]
    """What turns values into natural logarithms of power, see `expect_logarithms`; 0 where they are
    none."""
    lags: Float[Tensor, " windows"]
    """Seconds from each window to the volume."""
    levels: Float[Tensor, " features"]
    """Mean of each feature, that is of each electrode and band, over the training pairs."""
    sizes: Float[Tensor, " features"]
    """Standard deviation of each feature."""
    weights: Float[Tensor, "features voxels"]
    """How much a voxel deviates with one standard deviation of each feature."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        channels, freqs, _ = shapes.eeg
        self.voxels = Voxels(shapes.bold, shapes.brain)
        features = channels * len(shapes.bands)
        averages = torch.zeros(channels, len(shapes.bands), freqs)
        for band, (first, last) in enumerate(shapes.bands):
            averages[:, band, first:last] = 1 / (last - first)
        self.register_buffer("averages", averages)
        self.register_buffer("steepness", torch.tensor(0.0))
        self.register_buffer("lags", torch.tensor(shapes.lags))
        self.register_buffer("levels", torch.zeros(features))
        self.register_buffer("sizes", torch.ones(features))
        self.register_buffer("weights", torch.zeros(features, len(self.voxels)))
        self.delay = nn.Parameter(torch.tensor(0.0))
        self.width = nn.Parameter(torch.tensor(1.0))

    def power(
        self, eeg: Float[Tensor, "batch channels freqs windows"]
    ) -> Float[Tensor, "batch features windows"]:
        r"""Average the bins of each band, electrode by electrode; bands vary fastest.

        .. math:: \frac{1}{a} \log \sum_{f \in B} w_f e^{a x_f}

        With what `expect_logarithms` sets this is the logarithm of the band's mean power; without,
        at :math:`a = 0`, the mean of its bins.
        """
        if self.steepness == 0:
            return torch.einsum("ncft,cbf->ncbt", eeg, self.averages).flatten(1, 2)
        power = torch.einsum("ncft,cbf->ncbt", torch.exp(self.steepness * eeg), self.averages)
        return torch.log(power).flatten(1, 2) / self.steepness

    @torch.no_grad()
    def expect_logarithms(self, levels: Float[Tensor, "channels freqs"], steepness: float) -> None:
        """Average power where spectrograms hold its logarithm, instead of averaging that.

        Parameters
        ----------
        levels
            Decimal logarithm of the power about which each bin was scaled.
        steepness
            What turns a scaled value into the natural logarithm of power over that.

        Notes
        -----
        As with all that is taken over, it does not matter on which device the levels are.
        """
        levels = levels.to(self.averages.device)
        weights = self.averages * 10 ** (levels - levels.max(dim=1, keepdim=True).values)[:, None]
        self.averages.copy_(weights / weights.sum(dim=-1, keepdim=True))
        self.steepness.fill_(steepness)

    def forward(
        self, eeg: Float[Tensor, "batch channels freqs windows"]
    ) -> Float[Tensor, "batch x y z"]:
        """Predict the deviation for each spectrogram."""
        response = double_gamma(self.lags, self.delay, self.width)
        power = self.power(eeg) - self.levels[:, None]
        volumes: Tensor = self.voxels((power @ response / self.sizes) @ self.weights)
        return volumes

    @torch.no_grad()
    def solve(
        self,
        response: Response,
        levels: Float[Tensor, " features"],
        sizes: Float[Tensor, " features"],
        weights: Float[Tensor, "features x y z"],
    ) -> None:
        """Take over a ridge regression: the response; each feature's level, size and weights."""
        self.respond(response)
        self.levels.copy_(levels)
        self.sizes.copy_(sizes)
        self.weights.copy_(self.voxels.take(weights.to(self.weights.device)))

    @torch.no_grad()
    def respond(self, response: Response) -> None:
        """Take over a response."""
        self.delay.fill_(response.delay)
        self.width.fill_(response.width)


class Hybrid(Network):
    r"""Add to the linear path what a network finds beyond it, as far as validation bears it out.

    .. math:: \hat y = \bar y + L(x) + b\, N(x)

    Parameters
    ----------
    linear
        The linear path L.
    network
        The second path N, any network of the paper, whose output starts at zero.

    Notes
    -----
    :math:`b` is 1 while the network is trained and is then fitted to the validation pairs, between
    0 and 1: where the network adds nothing that is clear, what is left is the best linear answer.
    """

    mix: Float[Tensor, ""]
    """The share b."""

    def __init__(self, linear: HaemodynamicPath, network: Network) -> None:
        super().__init__()
        self.linear, self.network = linear, network
        self.register_buffer("mix", torch.tensor(1.0))

    def forward(
        self,
        eeg: Float[Tensor, "batch channels freqs windows"],
        bold: Float[Tensor, "batch x y z"] | None = None,
    ) -> Prediction:
        """Predict the deviation for each spectrogram; encode ``bold`` too where it is given."""
        found: Prediction = self.network(eeg, bold)
        return replace(found, bold=self.linear(eeg) + self.mix * found.bold)

    def start_at(self, volume: Float[Tensor, "x y z"]) -> None:
        """Let the second path start at ``volume``, which for deviations is zero."""
        self.network.start_at(volume)

    def step_shares(self) -> dict[str, float]:
        """Give the layers of the second path their shares."""
        return {f"network.{layer}": share for layer, share in self.network.step_shares().items()}
