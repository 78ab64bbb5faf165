"""What a synthesis rests on: from volumes back to the EEG, from latents back to BOLD."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from bids_eeg2fmri.config import ExplainConfig
from bids_eeg2fmri.explain.lrp import Propagation, propagate
from bids_eeg2fmri.model.hybrid import Hybrid
from bids_eeg2fmri.model.network import Network
from bids_eeg2fmri.model.style import StylePosterior
from bids_eeg2fmri.model.synthesizer import Synthesizer
from bids_eeg2fmri.types import Relevance

Array = Float32[np.ndarray, "..."]
Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]
"""Goes through spectrograms and volumes, in the model's units, as often as it is called."""
Way = Callable[[Tensor, Tensor], tuple[Mapping[str, Tensor], Tensor]]
"""From spectrograms and volumes to what is explained, in parts that add up, and to what it is made
from."""


def explain(model: Network, batches: Batches, cfg: ExplainConfig) -> Relevance:
    """Find on which electrodes, frequencies, moments, scores and voxels a model's output rests.

    Parameters
    ----------
    model
        Is left in evaluation, without gradients of its parameters.
    batches
        The pairs to be explained.

    Notes
    -----
    Shares are of the mean size of what is explained, over the same pairs: the sum of absolute
    values of the output, or of its variance over voxels.
    """
    model.eval().requires_grad_(False)
    network, weight = _network(model)
    average = partial(_average, batches=batches, cfg=cfg)
    eeg = average(partial(_from_eeg, model))
    attention = scores = bold = None
    if isinstance(network, Synthesizer):
        bold = average(partial(_from_bold, network))["latent"]
        if isinstance(network.style, StylePosterior):
            attention = average(partial(_from_scores, network))["network"]
            scores = _mean_scores(network, batches)
    n_pairs = sum(len(eeg) for eeg, _ in batches())
    return Relevance(eeg, attention, scores, bold, weight, n_pairs)


def average(found: Sequence[Relevance], n_pairs: int) -> Relevance:
    """Average what one model rests on over tests, each of which counts alike.

    What is of the network beside a linear path counts as much as that network does.

    Parameters
    ----------
    n_pairs
        How many different pairs the tests are of.
    """
    counts = np.array([one.network_weight for one in found])

    def of_network(arrays: Sequence[Array | None]) -> Array | None:
        there = [one for one in arrays if one is not None]
        if len(there) < len(found):
            return None
        mean = np.average(there, axis=0, weights=counts if counts.any() else None)
        return np.asarray(mean.astype(np.float32))

    return Relevance(
        eeg={name: _mean([one.eeg[name] for one in found]) for name in found[0].eeg},
        attention=of_network([one.attention for one in found]),
        scores=of_network([one.scores for one in found]),
        bold=of_network([one.bold for one in found]),
        network_weight=float(counts.mean()),
        n_pairs=n_pairs,
    )


def _network(model: Network) -> tuple[Network, float]:
    """Give the network itself, and how much it counts."""
    return (model.network, model.mix.item()) if isinstance(model, Hybrid) else (model, 1.0)


def _from_eeg(model: Network, eeg: Tensor, _bold: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    eeg = eeg.requires_grad_()
    if not isinstance(model, Hybrid):
        return {"network": model(eeg).bold}, eeg
    return {"linear": model.linear(eeg), "network": model.mix * model.network(eeg).bold}, eeg


def _from_scores(network: Network, eeg: Tensor, _bold: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    found = network(eeg.requires_grad_())
    return {"network": found.bold}, found.attention


def _from_bold(
    network: Synthesizer, _eeg: Tensor, bold: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    bold = bold.requires_grad_()
    return {"latent": network.bold_encoder(bold)}, bold


def _average(way: Way, batches: Batches, cfg: ExplainConfig) -> dict[str, Array]:
    """Average the relevance of what each part is made from, as a share of the size of all parts."""
    by_variance = cfg.start == "variance"
    centre = _mean_output(way, batches) if by_variance else 0.0
    total: dict[str, Tensor] = {}
    size = 0.0
    for eeg, bold in batches():
        with Propagation(cfg.epsilon):
            parts, source = way(eeg, bold)
        output = _whole(parts).detach() - centre
        coefficient = output if by_variance else torch.ones_like(output)
        size += (coefficient * output).abs().sum(dtype=torch.float64).item()
        for name, part in parts.items():
            (relevance,) = propagate(part, coefficient, [source])
            found = relevance.sum(dim=0, dtype=torch.float64)
            total[name] = total[name] + found if name in total else found
    return {name: (one / (size or 1.0)).float().cpu().numpy() for name, one in total.items()}


def _mean(arrays: Sequence[Array]) -> Array:
    return np.asarray(np.mean(arrays, axis=0, dtype=np.float64).astype(np.float32))


def _whole(parts: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([*parts.values()]).sum(dim=0)


@torch.no_grad()
def _mean_output(way: Way, batches: Batches) -> Tensor:
    found = []
    for eeg, bold in batches():
        output = _whole(way(eeg, bold)[0])
        found.append((output.sum(dim=0, dtype=torch.float64), len(output)))
    n = sum(count for _, count in found)
    return torch.stack([total for total, _ in found]).sum(dim=0).div(n).float()


@torch.no_grad()
def _mean_scores(network: Network, batches: Batches) -> Array:
    scores = torch.cat([network(eeg).attention for eeg, _ in batches()])
    return scores.mean(dim=0).cpu().numpy()
