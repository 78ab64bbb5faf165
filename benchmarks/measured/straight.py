"""Model (iv) of the paper as one writes it in plain torch from Fig. 1 and 7, for comparison.

Two convolutions enter each block, Adam is torch's own, and nothing is arranged for speed.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

Triple = tuple[int, int, int]


class Block(nn.Module):
    """ResNet-18 block, Fig. 7."""

    def __init__(self, channels: int, filters: int, kernel: Triple, stride: Triple, pool: Triple):
        super().__init__()

        def down() -> nn.Sequential:
            conv = nn.Conv3d(channels, filters, kernel, stride)
            return nn.Sequential(conv, nn.MaxPool3d(pool, stride=1), nn.BatchNorm3d(filters))

        self.main, self.skip = down(), down()
        again = nn.Conv3d(filters, filters, 3, padding="same")
        self.again = nn.Sequential(again, nn.BatchNorm3d(filters))

    def forward(self, x: Tensor) -> Tensor:
        """Add both paths."""
        main = torch.relu(self.again(torch.relu(self.main(x))))
        return torch.relu(main + self.skip(x))


class Encoder(nn.Module):
    """Blocks, and a dense layer that makes the latent."""

    def __init__(self, shape: Triple, layers: list[tuple[Triple, Triple]], pool: Triple):
        super().__init__()
        blocks = [Block(1 if i == 0 else 4, 4, *layer, pool) for i, layer in enumerate(layers)]
        self.blocks = nn.Sequential(*blocks)
        with torch.no_grad():
            flat = self.blocks.eval()(torch.zeros(1, 1, *shape)).numel()
        self.train()
        self.head = nn.Linear(flat, 7**3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the latent."""
        return self.head(self.blocks(x[:, None]).flatten(1))


class TopographicalFourier(nn.Module):
    """Attention, encoder, random Fourier features, style, decoder."""

    def __init__(self, eeg: Triple, bold: Triple, eeg_encoder: Encoder, bold_encoder: Encoder):
        super().__init__()
        channels, latent = eeg[0], 7**3
        self.grid = bold
        self.attention = nn.Parameter(torch.randn(channels, eeg[1] * eeg[2]) * 1e-2)
        self.eeg_encoder, self.bold_encoder = eeg_encoder, bold_encoder
        self.register_buffer("omega", torch.randn(latent, latent))
        self.register_buffer("phase", 2 * math.pi * torch.rand(latent))
        self.style = nn.Parameter(torch.randn(channels, channels, latent) * 1e-2)
        self.dropout = nn.Dropout(0.5)
        self.decoder = nn.Linear(latent, math.prod(bold))

    def forward(self, eeg: Tensor, bold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return volumes and both latents."""
        volumes, latent = self.synthesise(eeg)
        return volumes, latent, self.dropout(self.bold_encoder(bold))

    def synthesise(self, eeg: Tensor) -> tuple[Tensor, Tensor]:
        """Return volumes and the latent of the EEG."""
        flat = eeg.flatten(2)
        scores = torch.softmax(torch.einsum("bif,jf->bij", flat, self.attention), dim=-1)
        attended = torch.einsum("bij,bjf->bif", scores, flat).view_as(eeg)
        latent = self.eeg_encoder(attended)
        features = math.sqrt(2 / len(self.omega)) * torch.cos(latent @ self.omega.T + self.phase)
        styled = features * torch.einsum("bij,ijl->bl", scores, self.style)
        return self.decoder(styled).view(-1, *self.grid), latent


def loss_of(volumes: Tensor, latent: Tensor, latent_bold: Tensor, observed: Tensor) -> Tensor:
    """Mean absolute error and cosine distance, §4 of the paper."""
    distance = 1 - nn.functional.cosine_similarity(latent, latent_bold).mean()
    return (volumes - observed).abs().mean() + distance


def stepper(model: TopographicalFourier) -> Callable[[Tensor, Tensor], float]:
    """Return what takes one step of training on a batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2.98e-3, weight_decay=4.4e-4)

    def step(eeg: Tensor, bold: Tensor) -> float:
        optimizer.zero_grad()
        loss = loss_of(*model(eeg, bold), bold)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
