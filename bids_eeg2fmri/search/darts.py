"""Choose among networks by weights that are learnt on validation pairs (Liu et al. 2019, DARTS).

As in Appendices C and D of Calhas & Henriques 2022, by zero order: each candidate is trained on its
own loss and knows nothing of the others; the weights see the candidates' predictions alone.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bids_eeg2fmri.config import SearchConfig
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.preprocess.pairs import in_memory
from bids_eeg2fmri.types import AllocateNamed


@runtime_checkable
class Contender(Protocol):
    """A candidate in training."""

    def train_epoch(self, number: int) -> float:
        """Pass once over the training pairs and return the mean loss, be it a number or not.

        After an interruption it may be asked for the epoch that it did last: it then only returns
        that epoch's loss again.
        """

    def predict(self, batch: int) -> Tensor:
        """Predict a batch of validation pairs, without gradients."""


Lend = Callable[[int], AbstractContextManager[Contender]]
"""Hand out a candidate for one epoch. What it does before and after is the caller's: nothing where
all stay in memory; reading the candidate's state and putting it away where one does at a time."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Mean error of predicted against observed."""

Losses = tuple[float, float]
"""Mean training loss and mean validation loss of one candidate in one epoch."""

Turns = Callable[[int, Sequence[int], Sequence[np.ndarray]], Iterable[Losses]]
"""Let candidates have their turn, one after the other or side by side: in the epoch of this number,
those of these indices. They leave what they predict in arrays, one a validation batch, of which row
i is that of candidate i. Gives their losses in their order."""


@dataclass(frozen=True)
class SearchEpoch:
    """What one epoch of all candidates gave; losses of those that are out are NaN."""

    number: int
    """Counted from one."""
    weights: Sequence[float]
    """Weight of each candidate after the epoch; their sum is one (Fig. 9)."""
    train_loss: Sequence[float]
    """Mean training loss of each candidate."""
    valid_loss: Sequence[float]
    """Mean validation loss of each candidate alone."""
    mixture_loss: float
    """Mean validation loss of the weighted mean of all predictions, over this epoch's steps."""
    dropped: Sequence[int]
    """Candidates that gave no number in this epoch and take no further part."""

    @property
    def shares(self) -> list[float]:
        """The weights, with NaN for candidates that are out."""
        pairs = zip(self.weights, self.valid_loss, strict=True)
        return [weight if math.isfinite(loss) else math.nan for weight, loss in pairs]


@dataclass
class Selection:
    """The weights under way: all that is needed, beside the candidates, to go on later."""

    logits: Float[Tensor, " candidates"]
    """Of which the weights are the softmax; minus infinity for a candidate that is out."""
    optimizer: torch.optim.Adam
    """What moves them."""
    history: list[SearchEpoch] = field(default_factory=list)
    """What each epoch gave, in their order."""

    @property
    def running(self) -> Bool[Tensor, " candidates"]:
        """Whether each candidate is still in."""
        return torch.isfinite(self.logits.detach())

    @property
    def weights(self) -> Float[Tensor, " candidates"]:
        """Weight of each candidate."""
        return torch.softmax(self.logits.detach(), dim=0)

    @property
    def largest_weight(self) -> int:
        """Candidate with the largest weight, which the search chooses (Appendix C)."""
        return int(self.weights.argmax())

    @property
    def best_validation(self) -> int:
        """Candidate with the lowest validation loss after any epoch: the plain alternative."""
        running = self.running.nonzero().flatten().tolist()
        return int(min(running, key=self._lowest_loss))

    def tensors(self) -> dict[str, Tensor]:
        """Return the logits and the optimiser's moments under one flat set of names."""
        moments = self.optimizer.state_dict()["state"].get(0, {})
        return {"logits": self.logits.detach()} | {f"adam.{k}": v for k, v in moments.items()}

    def restore(self, tensors: Mapping[str, Tensor], history: Sequence[SearchEpoch]) -> None:
        """Take up what `tensors` gave at an earlier time."""
        self.history = list(history)
        self.logits.data.copy_(tensors["logits"])
        state = self.optimizer.state_dict()
        moments = {k.removeprefix("adam."): v.clone() for k, v in tensors.items() if k != "logits"}
        state["state"] = {0: moments} if moments else {}
        self.optimizer.load_state_dict(state)

    def _lowest_loss(self, candidate: int) -> float:
        return min((epoch.valid_loss[candidate] for epoch in self.history), default=math.inf)


def start(candidates: int, cfg: SearchConfig) -> Selection:
    """Give all candidates the same weight."""
    logits = torch.zeros(candidates, requires_grad=True)
    return Selection(logits, torch.optim.Adam([logits], lr=cfg.learning_rate))


def mixture(
    logits: Float[Tensor, " candidates"], predictions: Float[Tensor, "candidates ..."]
) -> Float[Tensor, "..."]:
    r"""Average predictions by the softmax of ``logits`` (Liu et al. 2019, §2.2).

    .. math:: \sum_i \frac{\exp \alpha_i}{\sum_j \exp \alpha_j}\, \hat y_i
    """
    mixed: Tensor = torch.tensordot(torch.softmax(logits, dim=0), predictions, dims=1)
    return mixed


def take_turn(
    contender: Contender,
    number: int,
    rows: Sequence[np.ndarray],
    targets: Sequence[Tensor],
    loss: Loss,
) -> Losses:
    """Train a candidate for an epoch; leave what it predicts of each batch in its row.

    Returns
    -------
    Its losses, be they numbers or not.
    """
    train_loss, total, pairs = contender.train_epoch(number), 0.0, 0
    for b, row in enumerate(rows):
        predicted, target = contender.predict(b).detach().cpu(), targets[b]
        row[:] = predicted.numpy()
        total += len(target) * loss(predicted, target).item()
        pairs += len(target)
    return train_loss, total / pairs


def one_after_the_other(lend: Lend, targets: Sequence[Tensor], loss: Loss) -> Turns:
    """Let candidates have their turn in this process; no two are lent at a time."""

    def turn(i: int, number: int, kept: Sequence[np.ndarray]) -> Losses:
        with lend(i) as contender:
            return take_turn(contender, number, [batch[i] for batch in kept], targets, loss)

    return lambda number, candidates, kept: [turn(i, number, kept) for i in candidates]


def select(
    selection: Selection,
    turns: Turns,
    targets: Sequence[Tensor],
    loss: Loss,
    cfg: SearchConfig,
    steps: int,
    seed: int,
    allocate: AllocateNamed = in_memory,
) -> Iterator[SearchEpoch]:
    """Train the candidates in turn and fit their weights, epoch by epoch (Appendices C and D).

    Yields after each epoch, when ``selection`` and the candidates can be kept and later taken up
    again: an interrupted search gives the same numbers as an undisturbed one. It ends early when
    only one candidate is left; one alone is not trained at all.

    Parameters
    ----------
    selection
        The weights, from `start`.
    turns
        Trains the candidates. What they predicted is kept in arrays, so the numbers are the same
        whether all candidates stay in memory or one does, and wherever they are trained.
    targets
        What was observed, on the CPU, by validation batch; may be read from disk when asked for.
    loss
        What the weights minimise, over the validation batches.
    steps
        Steps of the weights in each epoch, a batch each; Liu et al. take as many as the candidates
        take.
    seed
        From which the order of the batches follows.
    allocate
        Makes an array ``candidates × target`` for the predictions of each batch.

    Raises
    ------
    DataError
        If no candidate gives a number any more.

    Notes
    -----
    Liu et al. take a step of the weights after each step of the networks, which all candidates in
    memory at once would need. Here the steps of the weights come after the epoch.
    """
    kept: list[np.ndarray] = []
    while len(selection.history) < cfg.epochs and selection.running.sum() > 1:
        kept = kept or _allocate(len(selection.logits), targets, allocate)
        number = len(selection.history) + 1
        losses = np.full((2, len(selection.logits)), np.nan)
        running = [*map(int, selection.running.nonzero())]
        losses[:, running] = np.transpose([*turns(number, running, kept)])
        dropped = _drop(selection, losses)
        order = np.resize(np.random.default_rng((seed, number)).permutation(len(targets)), steps)
        mixed = [_step(selection, kept[b], targets[b], loss) for b in order.tolist()]
        train_loss, valid_loss = losses.tolist()
        weights = selection.weights.tolist()
        epoch = SearchEpoch(number, weights, train_loss, valid_loss, float(np.mean(mixed)), dropped)
        selection.history.append(epoch)
        yield epoch


def _allocate(n: int, targets: Sequence[Tensor], allocate: AllocateNamed) -> list[np.ndarray]:
    shapes = [(n, *target.shape) for target in targets]
    return [allocate(f"predictions{b}", shape, np.float32) for b, shape in enumerate(shapes)]


def _drop(selection: Selection, losses: Float[np.ndarray, "2 candidates"]) -> list[int]:
    """Take out who gave no number; weights of minus infinity stay there whatever the steps."""
    lost = selection.running.numpy() & ~np.isfinite(losses).all(axis=0)
    selection.logits.data[torch.from_numpy(lost)] = -math.inf
    if not selection.running.any():
        raise DataError(
            f"No candidate architecture gives a number in epoch {len(selection.history) + 1}. "
            "Lower search.learning_rate; the data of all runs passed their checks."
        )
    return [int(i) for i in lost.nonzero()[0]]


def _step(selection: Selection, kept: np.ndarray, target: Tensor, loss: Loss) -> float:
    """Move the weights down the gradient of the mixture's loss on one batch."""
    running = selection.running
    predictions = torch.from_numpy(kept[running.numpy()])
    error = loss(mixture(selection.logits[running], predictions), target)
    selection.optimizer.zero_grad()
    error.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    selection.optimizer.step()
    return error.item()
