"""Solve the linear path of the hybrid before training; settle after it what is to stay."""

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from bids_eeg2fmri.evaluate.cross_validation import Design, is_clear
from bids_eeg2fmri.evaluate.ridge import choose_design, fit_ridge
from bids_eeg2fmri.model.hybrid import Hybrid, Response, double_gamma
from bids_eeg2fmri.preprocess.bands import Value
from bids_eeg2fmri.preprocess.bold import training_brain
from bids_eeg2fmri.preprocess.scale import to_model
from bids_eeg2fmri.train.examples import Examples, in_parts

RESPONSES = (
    Response(),
    *(
        Response(*one)
        for one in product((-1.0, 0.0, 1.5, 3.0), (0.75, 1.0, 1.5))
        if one != Response()
    ),
)
"""Haemodynamic responses among which cross-validation chooses, the canonical one unless another is
clearly better; they peak 2.8 to 10.5 s late."""
BATCH = 16
"""Pairs in memory at a time."""
STRETCHES = 10
"""Stretches of the validation pairs that must agree on what the network is worth."""


@torch.no_grad()
def solve_linear_path(
    model: Hybrid, train: Examples, value: Value, gap: float, seed: int
) -> Response:
    """Choose the response and fit the weights on the training pairs, by ridge regression.

    Parameters
    ----------
    train
        Training pairs of deviations; the volumes of one run are in memory at a time.
    value
        What the spectrograms hold.
    gap
        Seconds that pairs of a run must be apart to share no EEG.
    seed
        From which the voxels are drawn that choose response and penalty.

    Returns
    -------
    The response chosen.
    """
    scale = train.scale
    if value == "log" and not scale.across_electrodes:
        steepness = math.log(10) * scale.eeg_sd
        model.linear.expect_logarithms(torch.from_numpy(scale.eeg_mean), steepness)
    power = list(_power(model, train))
    mask = training_brain(train.runs, train.index)
    designs = [
        [_design(train, r, values @ _weights(model, response)) for r, values in power]
        for response in RESPONSES
    ]
    best = choose_design(designs, _volumes(train), mask, gap, seed=seed, whiten=True)
    ridge = fit_ridge(designs[best], _volumes(train), mask, gap, seed=seed, whiten=True)
    levels = np.concatenate([values for _, values in power]).mean(axis=(0, 2), dtype=np.float64)
    given = (torch.from_numpy(values) for values in (levels, ridge.sd, ridge.weights))
    model.linear.solve(RESPONSES[best], *given)
    return RESPONSES[best]


@torch.no_grad()
def settle(model: Hybrid, valid: Examples, solved: Response) -> None:
    r"""Keep of what training moved what the validation pairs bear out.

    The response stays where it errs less than the one that was solved. The network N counts by its
    least-squares share of what the linear path L leaves, both about their mean, held to [0, 1],

    .. math:: b = \frac{\langle y - L(x), N(x) \rangle}{\langle N(x), N(x) \rangle},

    and not at all unless what that gains is clear, see ``is_clear``.

    Parameters
    ----------
    solved
        What `solve_linear_path` chose.
    """
    model.eval()
    linear, device = model.linear, str(model.device)
    errors = {}
    for response in (solved, Response(linear.delay.item(), linear.width.item())):
        linear.respond(response)
        rests = (wanted - linear(eeg) for eeg, wanted in valid.batches(BATCH, device))
        errors[response] = sum(float((rest**2).sum()) for rest in rests)
    linear.respond(min(errors, key=lambda response: errors[response]))
    along, size = _compare(model, valid)
    share = min(max(along.sum() / size.sum(), 0.0), 1.0) if size.any() else 0.0
    gain = 2 * share * along - share**2 * size
    parts = [part.sum() for part in np.array_split(gain, STRETCHES)]
    model.mix.fill_(share if is_clear(np.array(parts)) else 0.0)


def _compare(
    model: Hybrid, valid: Examples
) -> tuple[Float64[np.ndarray, " pairs"], Float64[np.ndarray, " pairs"]]:
    """Multiply for each pair the network with what the linear path leaves, and with itself."""

    def deviations() -> Iterator[tuple[Tensor, Tensor]]:
        for eeg, wanted in valid.batches(BATCH, str(model.device)):
            yield wanted - model.linear(eeg), model.network(eeg).bold

    rest = found = torch.zeros((), device=model.device)
    for rests, outputs in deviations():
        rest = rest + rests.double().sum(dim=0) / len(valid)
        found = found + outputs.double().sum(dim=0) / len(valid)
    along, size = [], []
    for rests, outputs in deviations():
        own = (outputs - found).flatten(1)
        along.append(((rests - rest).flatten(1) * own).sum(dim=1).cpu().numpy())
        size.append((own**2).sum(dim=1).cpu().numpy())
    return np.concatenate(along), np.concatenate(size)


def _power(
    model: Hybrid, train: Examples
) -> Iterator[tuple[int, Float32[np.ndarray, "pairs features windows"]]]:
    """Give the number of each run with training pairs, and their band power."""
    ends = np.cumsum([0, *map(len, train.index)])
    for r in range(len(train.runs)):
        parts = [
            model.linear.power(train.take_eeg(chosen, str(model.device))).cpu().numpy()
            for chosen in in_parts(np.arange(ends[r], ends[r + 1]), BATCH)
        ]
        if parts:
            yield r, np.concatenate(parts)


def _weights(model: Hybrid, response: Response) -> Float64[np.ndarray, " windows"]:
    lags = model.linear.lags.cpu().double()
    delay, width = (torch.tensor(value, dtype=torch.float64) for value in response)
    return double_gamma(lags, delay, width).numpy()


def _design(train: Examples, r: int, values: Float64[np.ndarray, "pairs features"]) -> Design:
    run = train.runs[r]
    return Design(values, run.onset[train.index[r]], run.participant)


def _volumes(train: Examples) -> Iterator[Float32[np.ndarray, "_ x y z"]]:
    for run, index in zip(train.runs, train.index, strict=True):
        if len(index):
            yield to_model(run.bold[index], train.scale, run.run)
