"""The network that leads from EEG to BOLD, Fig. 1 of Calhas & Henriques 2022."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.attention import TopographicalAttention
from bids_eeg2fmri.model.fourier import FourierProjection
from bids_eeg2fmri.model.resnet import Encoder
from bids_eeg2fmri.model.style import StylePosterior, StylePrior
from bids_eeg2fmri.types import Architecture


@dataclass(frozen=True)
class Shapes:
    """What a network must know before its first weight can be drawn."""

    eeg: tuple[int, int, int]
    """Channels, frequencies and windows of a spectrogram."""
    bold: tuple[int, int, int]
    """Grid of a volume."""
    eeg_encoder: Architecture
    """Blocks that lead from the spectrogram to the latent space."""
    bold_encoder: Architecture
    """Blocks that lead from the volume to the latent space."""


@dataclass(frozen=True)
class Prediction:
    """What the network makes of a batch."""

    bold: Float[Tensor, "batch x y z"]
    """Synthesised volumes, in the model's units."""
    latent_eeg: Float[Tensor, "batch latent"]
    """EEG in the shared latent space, :math:`z_x`."""
    latent_bold: Float[Tensor, "batch latent"] | None
    """BOLD in the shared latent space, :math:`z_y`; only where volumes were given."""
    attention: Float[Tensor, "batch channels channels"] | None
    """Attention scores between electrodes; only of models with attention."""


class Synthesizer(nn.Module):
    """Encode EEG, style its latent, and decode it into a volume by one dense linear layer.

    Models (i)–(iv) of §5 differ in two switches: `attention` between electrodes and `fourier`
    features of the latent. The BOLD encoder serves only the latent regularisation while training.

    Notes
    -----
    The decoder's weights start at zero, so that training starts from its offset and no noise of the
    draw has to be unlearnt. The paper names no initialisation.
    """

    def __init__(
        self, shapes: Shapes, cfg: ModelConfig, *, attention: bool = True, fourier: bool = True
    ) -> None:
        super().__init__()
        channels, freqs, windows = shapes.eeg
        latent = cfg.latent**3
        self.grid = shapes.bold
        self.attention = TopographicalAttention(channels, freqs * windows) if attention else None
        self.eeg_encoder = Encoder(shapes.eeg_encoder, cfg)
        self.bold_encoder = Encoder(shapes.bold_encoder, cfg)
        self.bold_dropout = nn.Dropout(cfg.dropout)
        self.fourier = FourierProjection(latent, latent) if fourier else None
        self.style = _style(cfg, channels, latent) if attention else None
        self.decoder = nn.Linear(latent, math.prod(shapes.bold))
        nn.init.zeros_(self.decoder.weight)
        nn.init.zeros_(self.decoder.bias)

    def forward(
        self,
        eeg: Float[Tensor, "batch channels freqs windows"],
        bold: Float[Tensor, "batch x y z"] | None = None,
    ) -> Prediction:
        """Synthesise a volume for each spectrogram; encode ``bold`` too where it is given."""
        scores = None
        if self.attention is not None:
            eeg, scores = self.attention(eeg)
        latent = self.eeg_encoder(eeg)
        features = latent if self.fourier is None else self.fourier(latent)
        if self.style is not None:
            features = features * self.style(scores)
        volumes = self.decoder(features).view(-1, *self.grid)
        latent_bold = None if bold is None else self.bold_dropout(self.bold_encoder(bold))
        return Prediction(volumes, latent, latent_bold, scores)

    @torch.no_grad()
    def start_at(self, volume: Float[Tensor, "x y z"]) -> None:
        """Make ``volume`` the decoder's offset: the untrained network then predicts about that."""
        self.decoder.bias.copy_(volume.flatten())

    def step_shares(self) -> dict[str, float]:
        """Say, by the start of a parameter's name, which share of a step its layer takes.

        Adam moves every weight by about the step size, and so the sum of n inputs of size s by n·s
        of it; a share of 1 / (n·s) moves every layer's output alike, however wide it is (Yang & Hu
        2021). The convolutions need none, as the batch normalisation takes their scale out.
        """
        shares = {
            "eeg_encoder.head": 1 / self.eeg_encoder.head.in_features,
            "bold_encoder.head": 1 / self.bold_encoder.head.in_features,
        }
        if self.fourier is not None:  # features of size √(1 / L)
            shares["decoder"] = self.decoder.in_features**-0.5
        if self.attention is not None:
            shares["attention"] = 1 / self.attention.weight.shape[1]
        return shares


def _style(cfg: ModelConfig, channels: int, latent: int) -> nn.Module | None:
    match cfg.style:
        case "posterior":
            return StylePosterior(channels, latent)
        case "prior":
            return StylePrior(latent)
        case "none":
            return None
