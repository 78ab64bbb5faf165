"""Topographical attention between electrodes, §3.2 of the paper."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def attention_scores(
    eeg: Float[Tensor, "batch channels features"],
    weight: Float[Tensor, "channels features"],
) -> Float[Tensor, "batch channels channels"]:
    r"""Score how much each electrode draws on each other one, Eq. (3) of Calhas & Henriques 2022.

    .. math:: w_{ij} = \operatorname{softmax}_j (x_i^\top A_j)

    Parameters
    ----------
    eeg
        Spectrogram of each electrode, frequencies and windows laid out in one axis.
    weight
        One learnt pattern :math:`A_j` for each electrode.

    Returns
    -------
    Scores whose rows sum to one.
    """
    return torch.softmax(eeg @ weight.T, dim=-1)


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

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(channels, features)))

    def forward(
        self, eeg: Float[Tensor, "batch channels freqs windows"]
    ) -> tuple[
        Float[Tensor, "batch channels freqs windows"], Float[Tensor, "batch channels channels"]
    ]:
        """Return the attended EEG and the scores."""
        flat = eeg.flatten(2)
        scores = attention_scores(flat, self.weight)
        return attend(flat, scores).view_as(eeg), scores
