"""Topographical attention between electrodes, §3.2 of the paper."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bids_eeg2fmri.config import ModelConfig


def sparsemax(products: Float[Tensor, "*batch choices"]) -> Float[Tensor, "*batch choices"]:
    r"""Project onto the probability simplex along the last axis (Martins & Astudillo 2016, Alg. 1).

    .. math:: \operatorname{argmin}_{p \in \Delta} \lVert p - z \rVert^2
        = \max(z - \tau(z),\, 0)

    Unlike those of the softmax, small scores are exactly zero.
    """
    falling = products.sort(dim=-1, descending=True).values
    surplus = falling.cumsum(dim=-1) - 1
    ranks = torch.arange(1, products.shape[-1] + 1, device=products.device)
    support = (ranks * falling > surplus).sum(dim=-1, keepdim=True)
    threshold = surplus.gather(-1, support - 1) / support
    return torch.relu(products - threshold)


def attention_scores(
    eeg: Float[Tensor, "batch channels features"],
    weight: Float[Tensor, "channels features"],
    form: Literal["softmax", "sparsemax"] = "softmax",
    scale: float = 1.0,
) -> Float[Tensor, "batch channels channels"]:
    r"""Score how much each electrode draws on each other one, Eq. (3) of Calhas & Henriques 2022.

    .. math:: w_{ij} = \operatorname{softmax}_j (x_i^\top A_j)

    Parameters
    ----------
    eeg
        Spectrogram of each electrode, frequencies and windows laid out in one axis.
    weight
        One learnt pattern :math:`A_j` for each electrode.
    form
        What makes scores of the products: the paper's softmax, or `sparsemax`.
    scale
        Factor of the products; the paper has none.

    Returns
    -------
    Scores whose rows sum to one.
    """
    products = scale * (eeg @ weight.T)
    return sparsemax(products) if form == "sparsemax" else torch.softmax(products, dim=-1)


def attend(
    eeg: Float[Tensor, "batch channels features"],
    scores: Float[Tensor, "batch channels channels"],
) -> Float[Tensor, "batch channels features"]:
    r"""Replace each electrode by the scored sum of all, Eq. (4) of Calhas & Henriques 2022.

    .. math:: T_i = \sum_j w_{ij} x_j

    Notes
    -----
    The paper writes the sum over the index that it also leaves free; the text around it ("an
    element-wise product on the electrode dimension") settles which is meant.
    """
    return scores @ eeg


class TopographicalAttention(nn.Module):
    """Learn the patterns of `attention_scores` and apply them."""

    def __init__(self, channels: int, features: int, cfg: ModelConfig) -> None:
        super().__init__()
        self.form = cfg.attention
        self.scale = features**-0.5 if cfg.attention_scale else 1.0
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(channels, features)))

    def forward(
        self, eeg: Float[Tensor, "batch channels freqs windows"]
    ) -> tuple[
        Float[Tensor, "batch channels freqs windows"], Float[Tensor, "batch channels channels"]
    ]:
        """Return the attended EEG and the scores."""
        flat = eeg.flatten(2)
        scores = attention_scores(flat, self.weight, self.form, self.scale)
        return attend(flat, scores).view_as(eeg), scores

    @property
    def step_share(self) -> float:
        """Share of a step, see `Network.step_shares`: one part in its scaled inputs."""
        return 1 / (self.scale * self.weight.shape[1])
