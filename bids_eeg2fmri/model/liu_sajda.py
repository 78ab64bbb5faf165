"""The convolutional transcoder of Liu & Sajda 2019, from EEG to BOLD."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from bids_eeg2fmri.model.network import Network, Prediction

FILTERS = 16
"""Channels of each convolution but the last ones."""
SPATIAL_LAYERS = 12
"""Convolutions over the sources of a window."""
TEMPORAL_LAYERS = 6
"""Convolutions over the windows of a source, the one that spans them all included."""
SOURCE_GRID = (16, 16, 7)
"""Sources along each axis."""


class LiuSajda(Network):
    """Decode EEG into sources and encode these as BOLD (Liu & Sajda 2019, their EEG-to-fMRI half).

    Spatial layers lead from the electrodes of each window to one activity at each point of a source
    grid, temporal layers from the windows of each source to BOLD, which is then brought to the grid
    of the volume. It is trained with the mean absolute error alone, one volume at a time, as in
    Calhas & Henriques 2022 (§5). At the shape of NODDI it has 320,002 trained parameters, 122,880
    of them the offset of each voxel.

    Notes
    -----
    No code of the original is public, and of its text this follows the abstract: a convolutional
    network from electrodes to sources to BOLD, without a given lead field or haemodynamic response,
    linear and non-linear. Numbers are those that Calhas & Henriques name in their reimplementation:
    sources on 16×16×7, 12 spatial layers, then 6 temporal ones, 16 filters that end in one. Theirs
    is linear, as it lacks activations, has 8×8×4 sources and kernels of one. Filled in here:

    - input: the original reads the potential of each electrode at each time, this network the
      spectrogram that all models get. Each filter sums the frequencies, alike for all electrodes
      and windows; then the electrodes lead to the sources, alike for all filters and windows;
    - kernels of 3 along each axis, padded; a batch normalisation and a ReLU follow each convolution
      but the last of either kind, so that sources and BOLD can have both signs;
    - the last temporal layer spans all windows, which makes one volume;
    - the source grid is no finer than the volume's; BOLD is interpolated trilinearly from it;
    - an offset for each voxel holds what does not depend on the EEG, as the decoder of the others.
    """

    def __init__(self, eeg: tuple[int, int, int], bold: tuple[int, int, int]) -> None:
        super().__init__()
        channels, freqs, windows = eeg
        x, y, z = map(min, SOURCE_GRID, bold)
        self.source_grid = (x, y, z)
        self.grid = bold
        self.spectral = nn.Linear(freqs, FILTERS, bias=False)
        self.lead_field = nn.Linear(channels, x * y * z, bias=False)
        nn.init.normal_(self.spectral.weight, std=freqs**-0.5)
        nn.init.normal_(self.lead_field.weight, std=channels**-0.5)
        self.spatial = nn.Sequential(
            nn.BatchNorm3d(FILTERS),
            *(_spatial_layer() for _ in range(SPATIAL_LAYERS - 1)),
            nn.Conv3d(FILTERS, 1, 3, padding="same", bias=False),
            nn.BatchNorm3d(1),
        )
        self.temporal = nn.Sequential(
            *(_temporal_layer(1 if n == 0 else FILTERS) for n in range(TEMPORAL_LAYERS - 1))
        )
        self.response = nn.Conv2d(FILTERS, 1, (windows, 1), bias=False)
        self.offset = nn.Parameter(torch.zeros(bold))
        nn.init.zeros_(self.response.weight)

    def forward(
        self,
        eeg: Float[Tensor, "batch channels freqs windows"],
        bold: Float[Tensor, "batch x y z"] | None = None,
    ) -> Prediction:
        """Synthesise a volume for each spectrogram; ``bold`` is not looked at."""
        batch, windows = eeg.shape[0], eeg.shape[3]
        filtered = self.spectral(eeg.permute(0, 3, 1, 2)).mT  # batch windows filters channels
        sources = self.lead_field(filtered).view(batch * windows, FILTERS, *self.source_grid)
        activity = self.spatial(sources).view(batch, 1, windows, -1)  # one number a source
        response = self.response(self.temporal(activity)).view(batch, 1, *self.source_grid)
        volumes = interpolate(response, self.grid, mode="trilinear", align_corners=False)
        return Prediction(volumes.squeeze(1) + self.offset)

    @torch.no_grad()
    def start_at(self, volume: Float[Tensor, "x y z"]) -> None:
        """Make ``volume`` the offset."""
        self.offset.copy_(volume)

    def step_shares(self) -> dict[str, float]:
        """Give the last layer, which no normalisation follows, one part in its inputs."""
        return {"response": 1 / self.response.weight.numel()}


def _spatial_layer() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(FILTERS, FILTERS, 3, padding="same", bias=False),
        nn.BatchNorm3d(FILTERS),
        nn.ReLU(),
    )


def _temporal_layer(filters: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(filters, FILTERS, (3, 1), padding="same", bias=False),
        nn.BatchNorm2d(FILTERS),
        nn.ReLU(),
    )
