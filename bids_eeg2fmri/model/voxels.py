"""Some voxels of a grid, which alone are computed."""

from math import prod

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from bids_eeg2fmri.types import Grid


class Voxels(nn.Module):
    """Lay what was computed for the brain into a volume, or for all voxels if none are counted.

    Parameters
    ----------
    grid
        Of the volume.
    brain
        Number of voxels that are computed; which ones, `choose` says. 0 for all.
    """

    index: Int64[Tensor, " voxels"]
    """Which voxels of the flattened grid are computed."""
    elsewhere: Float[Tensor, " all"]
    """Values of the flattened grid, of which those that are not computed stay."""

    def __init__(self, grid: Grid, brain: int = 0) -> None:
        super().__init__()
        self.grid, self.brain = grid, brain
        if brain:
            self.register_buffer("index", torch.arange(brain))
            self.register_buffer("elsewhere", torch.zeros(prod(grid)))

    def __len__(self) -> int:
        return self.brain or prod(self.grid)

    def forward(self, values: Float[Tensor, "batch voxels"]) -> Float[Tensor, "batch x y z"]:
        """Lay out the values of each member of a batch."""
        if self.brain:
            around = self.elsewhere.to(values.dtype).expand(len(values), -1)
            values = around.index_copy(1, self.index, values)
        return values.view(-1, *self.grid)

    def take(self, volume: Float[Tensor, "*batch x y z"]) -> Float[Tensor, "*batch voxels"]:
        """Give what of a volume is computed."""
        flat = volume.flatten(-3)
        return flat[..., self.index] if self.brain else flat

    @torch.no_grad()
    def choose(self, brain: Bool[Tensor, "x y z"], volume: Float[Tensor, "x y z"]) -> None:
        """Compute the voxels of the brain, and let the others be those of ``volume``."""
        if self.brain:
            self.index.copy_(brain.flatten().nonzero().squeeze(1))
            self.elsewhere.copy_(volume.flatten())
