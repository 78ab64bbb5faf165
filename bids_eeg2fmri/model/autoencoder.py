"""The BOLD autoencoder by which the latent dimension is chosen, §4.1 of the paper."""

from jaxtyping import Float
from torch import Tensor, nn

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.decoder import Decoder
from bids_eeg2fmri.model.glorot import draw_glorot
from bids_eeg2fmri.model.network import Network, Prediction, Shapes
from bids_eeg2fmri.model.resnet import Encoder
from bids_eeg2fmri.model.voxels import Voxels


class Autoencoder(Network):
    r"""Encode BOLD and decode it by one dense layer, §4.1 of Calhas & Henriques 2022.

    .. math:: \hat y = D_y(E_y(y))

    It stands in for a `Synthesizer` whose input is its target: given volumes where that is given
    spectrograms, it is trained, validated and tested as any network is.

    Notes
    -----
    Encoder, dropout of the latent and decoder, with its start at zero, are those of the
    `Synthesizer`, so that what is found good here is good there. The loss is the mean absolute
    error alone; the paper names none for this phase.
    """

    def __init__(self, shapes: Shapes, cfg: ModelConfig) -> None:
        super().__init__()
        self.bold_encoder = Encoder(shapes.bold_encoder, shapes.bold, cfg)
        self.bold_dropout = nn.Dropout(cfg.dropout)
        brain = shapes.brain if cfg.voxels == "brain" else 0
        self.decoder = Decoder(cfg.latent**3, Voxels(shapes.bold, brain))
        if cfg.initialisation == "glorot":
            draw_glorot(self, cfg.filters)

    def forward(
        self, eeg: Float[Tensor, "batch x y z"], bold: Float[Tensor, "batch x y z"] | None = None
    ) -> Prediction:
        """Reconstruct the volumes given in the place of ``eeg``; ``bold`` is their target only."""
        latent = self.bold_dropout(self.bold_encoder(eeg))
        return Prediction(self.decoder(latent), latent_bold=latent)

    def start_at(self, volume: Float[Tensor, "x y z"]) -> None:
        """Make ``volume`` the decoder's offset."""
        self.decoder.start_at(volume)

    def step_shares(self) -> dict[str, float]:
        """Give each dense layer one part in the sum of its inputs' sizes."""
        return {
            "bold_encoder.head": 1 / self.bold_encoder.head.in_features,
            "decoder": self.decoder.in_features**-0.5,  # L numbers of about unit length
        }
