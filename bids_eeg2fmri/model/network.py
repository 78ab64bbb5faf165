"""What all networks share, so that training, testing and explaining treat them alike."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from bids_eeg2fmri.model.voxels import Voxels
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
    bands: tuple[tuple[int, int], ...] = ()
    """First frequency of each band of EEG and the one after its last, counted from zero."""
    lags: tuple[float, ...] = ()
    """Seconds from the middle of each window to the volume."""
    brain: int = 0
    """Voxels of the grid that are brain in some training run; 0 where that is not known."""


@dataclass(frozen=True)
class Prediction:
    """What a network makes of a batch."""

    bold: Float[Tensor, "batch x y z"]
    """Synthesised volumes, in the model's units."""
    latent_eeg: Float[Tensor, "batch latent"] | None = None
    """EEG in the shared latent space, :math:`z_x`; only of models with one."""
    latent_bold: Float[Tensor, "batch latent"] | None = None
    """BOLD in the shared latent space, :math:`z_y`; only where volumes were given."""
    attention: Float[Tensor, "batch channels channels"] | None = None
    """Attention scores between electrodes; only of models with attention."""


class Network(nn.Module, ABC):
    """Lead from spectrograms to volumes."""

    @abstractmethod
    def forward(
        self,
        eeg: Float[Tensor, "batch channels freqs windows"],
        bold: Float[Tensor, "batch x y z"] | None = None,
    ) -> Prediction:
        """Synthesise a volume for each spectrogram; encode ``bold`` too where the model can."""

    @abstractmethod
    def start_at(self, volume: Float[Tensor, "x y z"]) -> None:
        """Make the untrained network predict ``volume``, whatever the EEG."""

    def keep_to(self, brain: Bool[Tensor, "x y z"], volume: Float[Tensor, "x y z"]) -> None:
        """Tell which voxels are brain, and what to predict elsewhere, to what decodes only these.

        There must be as many as ``Shapes.brain`` says.
        """
        for module in self.modules():
            if isinstance(module, Voxels):
                module.choose(brain, volume)

    @abstractmethod
    def step_shares(self) -> Mapping[str, float]:
        """Say, by the start of a parameter's name, which share of a step its layer takes.

        Adam moves every weight by about the step size, and so the sum of n inputs of size s by n·s
        of it; a share of 1 / (n·s) moves every layer's output alike, however wide it is (Yang et
        al. 2021). Convolutions before a batch normalisation need none, as that takes their scale
        out.
        """

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device
