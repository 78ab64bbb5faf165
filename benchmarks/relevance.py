"""Whether relevance points to what was planted.

First, couplings planted between real EEG and real BOLD noise: posterior alpha, central beta and
frontal theta drive three groups of parcels. Each electrode in each band of the EEG is a cell, 20 of
which are planted. Prints for each strength how far relevance ranks these above all others: the
chance that a planted cell has more than another one (AUC; .5 is chance, 1 perfect), the rank of the
planted band at the planted electrodes (1 to 5), the share of the planted cells among as many of the
largest, the AUC of the coupled voxels in the relevance of the BOLD, and how much the network counts
beside the linear path.

Beside it stand gradient × input; what 95 % of random orders of the cells stay below; and relevance
once the weights that were learnt are exchanged at random, which must tell nothing.

Then a pair of electrodes, one of which decides how much the other counts (`planted_pair.py`): the
rank of its attention scores among those of all 56 ordered pairs, beside the same controls; a rank
by chance is 28 on average, and the graph of a report would show the first alone. The data of the
first part are not part of this project.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import planted_pair
import torch
from jaxtyping import Bool, Float
from scipy.stats import rankdata
from semisynthetic import SOURCES, Coupling, Recording, Task, eegbci, prepare, train_network
from torch import Tensor

from bids_eeg2fmri.config import ExplainConfig
from bids_eeg2fmri.explain.relevance import Batches, explain
from bids_eeg2fmri.model.hybrid import Hybrid
from bids_eeg2fmri.model.network import Network
from bids_eeg2fmri.preprocess.bands import band_bins
from bids_eeg2fmri.preprocess.scale import meet
from bids_eeg2fmri.presets import PRESETS
from bids_eeg2fmri.settings import from_mapping, override
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.types import Pairs, Scale

DATA = Path(__file__).parents[2] / "shared" / "data" / "semisynthetic"
CONFIG = ExplainConfig(start="variance")
ORDERS = 1000
"""Random orders of the cells."""
Cells = Float[np.ndarray, "channels bands"]
Measures = Mapping[str, float]
Way = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From spectrograms and volumes to what is explained, and to what it is made from."""


def auc(values: np.ndarray, planted: Bool[np.ndarray, "..."]) -> float:
    """Chance that something planted has a larger value than something else."""
    ranks, n = rankdata(values.ravel()), np.count_nonzero(planted)
    others = planted.size - n
    return float((ranks[planted.ravel()].sum() - n * (n + 1) / 2) / (n * others))


def plan(pairs: Pairs) -> Bool[np.ndarray, "channels bands"]:
    """Mark the cells that drive the BOLD."""
    bands = [*band_bins(pairs.freqs)]
    names = [name.lower() for name in pairs.channels]
    planted = np.zeros((len(names), len(bands)), bool)
    for band, source in SOURCES.items():
        rows = [names.index(one.lower()) for one in source.electrodes if one.lower() in names]
        planted[rows, bands.index(band)] = True
    return planted


def cells(eeg: Float[np.ndarray, "channels freqs windows"], pairs: Pairs) -> Cells:
    """Add up the relevance of each electrode and band."""
    spectrum = eeg.sum(axis=2)
    bins = band_bins(pairs.freqs).values()
    return np.stack([spectrum[:, those].sum(axis=1) for those in bins], axis=1)


def measure(values: Cells, planted: Bool[np.ndarray, "channels bands"]) -> Measures:
    """Say how well values agree with what was planted."""
    n = np.count_nonzero(planted)
    largest = np.argsort(-values.ravel())[:n]
    ranks = []
    for band in np.flatnonzero(planted.any(axis=0)):
        by_band = values[planted[:, band]].sum(axis=0)
        ranks.append(1 + np.count_nonzero(by_band > by_band[band]))
    return {
        "AUC": auc(values, planted),
        "band rank": float(np.mean(ranks)),
        "overlap": float(planted.ravel()[largest].mean()),
    }


def batches_of(pairs: Pairs, index: np.ndarray, scale: Scale, size: int = 16) -> Batches:
    """Go through test pairs in the model's units."""
    examples = Examples([pairs], [index], meet(scale, pairs, index))

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for first in range(0, len(index), size):
            yield examples.take(np.arange(first, min(first + size, len(index))), "cpu")

    return batches


def gradient_times_input(way: Way, batches: Batches) -> np.ndarray:
    """Explain the same quantity by plain gradients."""
    with torch.no_grad():
        outputs = torch.cat([way(eeg, bold)[0] for eeg, bold in batches()])
    centre, found = outputs.mean(dim=0), 0.0
    for eeg, bold in batches():
        output, source = way(eeg.requires_grad_(), bold.requires_grad_())
        (gradient,) = torch.autograd.grad(output, source, output.detach() - centre)
        found = found + (source.detach() * gradient).sum(dim=0)
    return np.asarray(found)


def from_eeg(model: Network) -> Way:
    """Lead from the EEG to the output."""
    return lambda eeg, _bold: (model(eeg).bold, eeg)


def from_scores(model: Network) -> Way:
    """Lead from the attention scores to the output."""

    def way(eeg: Tensor, _bold: Tensor) -> tuple[Tensor, Tensor]:
        found = model(eeg)
        return found.bold, found.attention

    return way


def from_bold(model: Network) -> Way:
    """Lead from volumes to their latents."""
    network = model.network if isinstance(model, Hybrid) else model
    return lambda _eeg, bold: (network.bold_encoder(bold), bold)


def exchange_weights(model: Network, seed: int) -> None:
    """Shuffle what was learnt among the places where it could stand."""
    rng = torch.Generator().manual_seed(seed)
    learnt = [p for p in model.parameters() if p.ndim > 1]
    if isinstance(model, Hybrid):
        learnt.append(model.linear.weights)
    with torch.no_grad():
        for one in learnt:
            one.copy_(one.flatten()[torch.randperm(one.numel(), generator=rng)].view_as(one))


def assess(name: str, task: Task, recording: Recording, seed: int) -> dict[str, Measures]:
    """Train one model and hold what it rests on against what was planted."""
    model, scale = train_network(name, task)
    ((_, pairs, _, test),) = task.tested
    planted, batches = plan(pairs), batches_of(pairs, test, scale)
    found = explain(model, batches, CONFIG)
    own = cells(sum(found.eeg.values()), pairs)
    rng = np.random.default_rng(seed)
    orders = [
        measure(rng.permutation(own.ravel()).reshape(own.shape), planted) for _ in range(ORDERS)
    ]
    plain = cells(gradient_times_input(from_eeg(model), batches), pairs)
    coupled = np.isin(recording.parcels.labels, 1 + np.flatnonzero(recording.coupled))
    mask = recording.mask

    def of_voxels(bold: np.ndarray | None) -> Measures:
        return {} if bold is None else {"voxel AUC": auc(np.abs(bold[mask]), coupled[mask])}

    has_voxels = found.bold is not None
    by_gradient = gradient_times_input(from_bold(model), batches) if has_voxels else None
    exchange_weights(model, seed)
    anew = explain(model, batches, CONFIG)
    exchanged = cells(sum(anew.eeg.values()), pairs)
    r = float(np.corrcoef(own.ravel(), exchanged.ravel())[0, 1])
    return {
        "relevance": {
            **measure(own, planted),
            **of_voxels(found.bold),
            "network weight": found.network_weight,
        },
        "gradient × input": {**measure(plain, planted), **of_voxels(by_gradient)},
        "95 % of random orders": {
            "AUC": float(np.quantile([o["AUC"] for o in orders], 0.95)),
            "band rank": float(np.quantile([o["band rank"] for o in orders], 0.05)),
            "overlap": float(np.quantile([o["overlap"] for o in orders], 0.95)),
        },
        "weights exchanged": {
            **measure(exchanged, planted),
            **of_voxels(anew.bold),
            "r with learnt": r,
        },
    }


def edge_ranks(name: str, seed: int) -> dict[str, list[int]]:
    """Rank the planted pair among the scores, either way round, by way to explain; 1 is first."""
    pairs, model, scale, test = planted_pair.learn(name, 0.0, seed)
    batches = batches_of(pairs, test, scale)
    found = {
        "relevance": explain(model, batches, CONFIG).attention,
        "gradient × input": gradient_times_input(from_scores(model), batches),
    }
    exchange_weights(model, seed)
    found["weights exchanged"] = explain(model, batches, CONFIG).attention
    return {way: _ranks(values) for way, values in found.items() if values is not None}


def _ranks(relevance: np.ndarray) -> list[int]:
    size = np.where(np.eye(len(relevance)), -1.0, np.abs(relevance))
    return [1 + int((size > size[edge]).sum()) for edge in ((6, 2), (2, 6))]


def table(rows: Sequence[Mapping[str, Measures]]) -> Iterator[str]:
    """Average over seeds, a line for each way to explain."""
    heads = [*dict.fromkeys(key for row in rows for one in row.values() for key in one)]
    yield f"{'':26}" + "".join(f"{head:>16}" for head in heads)
    for way in rows[0]:
        own = [[row[way].get(head, np.nan) for head in heads] for row in rows]
        numbers = np.mean(own, axis=0)
        yield f"{way:26}" + "".join(f"{'' if np.isnan(x) else f'{x:.2f}':>16}" for x in numbers)


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["hybrid"])
    parser.add_argument("--strengths", nargs="*", default=[0.6, 0.4], type=float)
    parser.add_argument("--seeds", default=3, type=int, help="draws of the noise")
    parser.add_argument("--set", nargs="+", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--pair-models", nargs="*", default=["topo", "topo-rff"])
    parser.add_argument("--data", default=DATA, type=Path, help="folder with the real parts")
    args = parser.parse_args()
    if not args.data.is_dir():
        sys.exit(f"{args.data}: no such folder. Give the one with the real parts by --data.")
    config = override(from_mapping(PRESETS["recommended"]), args.set)
    for strength in args.strengths:
        drawn = [eegbci(args.data, Coupling(strength), seed) for seed in range(args.seeds)]
        for name in args.models:
            rows = []
            for seed, recordings in enumerate(drawn):
                (task,) = prepare(recordings, config, seed)
                rows.append(assess(name, task, recordings[0], seed))
            print(f"\n{name}, planted r {strength:g}, {args.seeds} seeds")
            print("\n".join(table(rows)), flush=True)
    for name in args.pair_models:
        ranks = [edge_ranks(name, seed) for seed in planted_pair.SEEDS]
        print(f"\n{name}: ranks of the planted pair and of its reverse among 56, by seed")
        for way in ranks[0]:
            print(f"{way:26}{[one[way] for one in ranks]}", flush=True)


if __name__ == "__main__":
    main()
