"""The network that leads from EEG to BOLD, Fig. 1 of Calhas & Henriques 2022."""

import math

from jaxtyping import Float
from torch import Tensor, nn

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.attention import TopographicalAttention
from bids_eeg2fmri.model.decoder import Decoder
from bids_eeg2fmri.model.fourier import FourierProjection, NormalisedFourierProjection
from bids_eeg2fmri.model.glorot import draw_glorot
from bids_eeg2fmri.model.names import Parts, Style
from bids_eeg2fmri.model.network import Network, Prediction, Shapes
from bids_eeg2fmri.model.resnet import Encoder
from bids_eeg2fmri.model.style import StylePosterior, StylePrior
from bids_eeg2fmri.model.voxels import Voxels


class Synthesizer(Network):
    """Encode EEG, project and style its latent, and decode it into a volume by one dense layer.

    Models (i)–(iv) of §5 and their variants differ in their `Parts`. The BOLD encoder serves only
    the latent regularisation while training.

    Notes
    -----
    What does not see Fourier features has a linear projection of the latent in their place: so the
    caption of Table 1 names models (i) and (ii), and so the authors' public code builds them.

    The decoder's weights start at zero, so that training starts from its offset and no noise of the
    draw has to be unlearnt. The paper names no initialisation; that of the public code is
    ``ModelConfig.initialisation``.
    """

    def __init__(self, shapes: Shapes, cfg: ModelConfig, parts: Parts) -> None:
        super().__init__()
        channels, freqs, windows = shapes.eeg
        latent = cfg.latent**3
        self.attention = (
            TopographicalAttention(channels, freqs * windows, cfg) if parts.attention else None
        )
        self.eeg_encoder = Encoder(shapes.eeg_encoder, shapes.eeg, cfg)
        self.bold_encoder = Encoder(shapes.bold_encoder, shapes.bold, cfg)
        self.bold_dropout = nn.Dropout(cfg.dropout)
        self.projection = _projection(parts.fourier, latent, cfg)
        self.style = _style(parts.style, channels, latent)
        brain = shapes.brain if cfg.voxels == "brain" else 0
        self.decoder = Decoder(latent, Voxels(shapes.bold, brain))
        if cfg.initialisation == "glorot":
            draw_glorot(self, cfg.filters)

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
        features = self.projection(latent)
        if self.style is not None:
            features = features * self.style(scores)
        volumes = self.decoder(features)
        latent_bold = None if bold is None else self.bold_dropout(self.bold_encoder(bold))
        return Prediction(volumes, latent, latent_bold, scores)

    def start_at(self, volume: Float[Tensor, "x y z"]) -> None:
        """Make ``volume`` the decoder's offset."""
        self.decoder.start_at(volume)

    def step_shares(self) -> dict[str, float]:
        """Give each dense layer one part in the sum of its inputs' sizes."""
        latent = self.decoder.in_features
        shares = {
            "eeg_encoder.head": 1 / self.eeg_encoder.head.in_features,
            "bold_encoder.head": 1 / self.bold_encoder.head.in_features,
            # L numbers of a latent of about unit length, or as many Fourier features of Eq. (2)
            "decoder": latent**-0.5,
        }
        if isinstance(self.projection, nn.Linear):
            shares["projection"] = latent**-0.5
        elif isinstance(self.projection, NormalisedFourierProjection):
            shares["decoder"] = math.sqrt(2) / latent  # cosines without √(2 / L)
        if self.attention is not None:
            shares["attention"] = self.attention.step_share
        return shares


def _projection(fourier: bool, latent: int, cfg: ModelConfig) -> nn.Module:
    if not fourier:
        projection = nn.Linear(latent, latent)
        nn.init.orthogonal_(projection.weight)  # keeps the latent's length
        nn.init.zeros_(projection.bias)
        return projection
    if cfg.fourier == "normalised":
        return NormalisedFourierProjection(latent, latent)
    return FourierProjection(latent, latent)


def _style(style: Style, channels: int, latent: int) -> nn.Module | None:
    match style:
        case "posterior":
            return StylePosterior(channels, latent)
        case "prior":
            return StylePrior(latent)
        case "none":
            return None
