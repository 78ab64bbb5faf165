"""Fit a network to pairs, epoch by epoch, so that the caller can log, keep and stop."""

import copy
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor
from torch.nn import Parameter

from bids_eeg2fmri.config import TrainConfig
from bids_eeg2fmri.errors import DataError, is_shortage
from bids_eeg2fmri.model.decoder import Decoder
from bids_eeg2fmri.model.loss import mean_absolute_error, synthesis_loss
from bids_eeg2fmri.model.network import Network
from bids_eeg2fmri.model.resnet import Encoder
from bids_eeg2fmri.train.examples import Examples, in_parts
from bids_eeg2fmri.train.memory import Before, halve, in_halves, needs_several, single_pairs
from bids_eeg2fmri.train.optimiser import BlockwiseAdamW


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training pairs gave."""

    number: int
    """Counted from one."""
    train_loss: float
    """Mean of the minimised loss over the steps."""
    valid_loss: float
    """Mean absolute error over the validation pairs, in the model's units."""
    seconds: float
    """Time it took."""


@dataclass
class Fitting:
    """A network under training: all that is needed to go on after an interruption."""

    model: Network
    """The network, with its weights as they are now."""
    optimizer: torch.optim.Optimizer
    """What moves them, with its moments."""
    history: list[Epoch] = field(default_factory=list)
    """What each epoch gave, in their order."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """State of the network after the epoch that is kept so far."""
    keep: Literal["best", "last"] = "best"
    """Which epoch is kept, see ``TrainConfig.keep``."""
    diverged: int | None = None
    """Epoch in which the loss was no longer a number, so that training stopped early."""
    parts: int = 1
    """In how many parts each batch is taken, as memory wants; see :func:`train_epoch`."""

    @property
    def best_epoch(self) -> int:
        """Number of the epoch that is kept: that of the lowest validation loss, or the last."""
        if self.keep == "last":
            return self.history[-1].number
        return min(self.history, key=lambda epoch: epoch.valid_loss).number

    def keep_best(self) -> None:
        """Keep the weights as they are now; where some are kept, in their place in memory."""
        state = self.model.state_dict()
        if not self.best:
            self.best = copy.deepcopy(state)
        for name, value in state.items():
            self.best[name].copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """Return weights, best weights and the optimiser's moments under one flat set of names.

        Without the best where they are those of the last epoch, and without the number of parts
        where batches are whole.
        """
        named = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        if self.history and self.best_epoch != self.history[-1].number:
            named |= {f"best.{name}": value for name, value in self.best.items()}
        for i, moments in self.optimizer.state_dict()["state"].items():
            named |= {f"optimizer.{i}.{name}": value for name, value in moments.items()}
        if self.parts > 1:
            named["parts"] = torch.tensor(self.parts)
        return named

    def restore(self, tensors: Mapping[str, Tensor], history: Sequence[Epoch]) -> None:
        """Take up what `tensors` gave at an earlier time."""
        self.history = list(history)
        self.parts = int(tensors.get("parts", 1))
        self.model.load_state_dict(_below("model.", tensors))
        self.best = _below("best.", tensors)
        if self.history and not self.best:
            self.keep_best()
        state = self.optimizer.state_dict()
        state["state"] = {}
        for name, value in _below("optimizer.", tensors).items():
            i, moment = name.split(".", 1)
            state["state"].setdefault(int(i), {})[moment] = value
        self.optimizer.load_state_dict(state)


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Let torch draw weights or dropout from a seed, and leave its global state as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def start(
    model: Network,
    cfg: TrainConfig,
    mean: Float32[np.ndarray, "x y z"],
    brain: Bool[np.ndarray, "x y z"] | None = None,
) -> Fitting:
    """Ready an untrained network.

    Parameters
    ----------
    mean
        The training mean volume in the model's units.
    brain
        As many voxels as the model was told that the brain has.
    """
    volume = torch.from_numpy(mean).to(model.device)
    if brain is not None:
        model.keep_to(torch.from_numpy(brain).to(model.device), volume)
    if cfg.start == "mean":
        model.start_at(volume)
    for encoder in (m for m in model.modules() if isinstance(m, Encoder)):
        encoder.halved = cfg.precision == "bfloat16"
    # On a GPU, the whole gradient at once costs less than many small blocks.
    decoders = [m for m in model.modules() if isinstance(m, Decoder) and model.device.type == "cpu"]
    rates = {"lr": cfg.learning_rate, "weight_decay": cfg.weight_decay}
    return Fitting(model, BlockwiseAdamW(_groups(model, cfg), decoders, **rates), keep=cfg.keep)


def _groups(model: Network, cfg: TrainConfig) -> list[dict[str, Any]]:
    """Gather the parameters that take the same share of a step."""
    groups: dict[float, list[Parameter]] = defaultdict(list)
    shares = model.step_shares() if cfg.shares else {}
    for name, parameter in model.named_parameters():
        layer = next((layer for layer in shares if name.startswith(layer)), None)
        groups[shares[layer] if layer else 1.0].append(parameter)
    return [{"params": params, "share": share} for share, params in groups.items()]


def fit(
    fitting: Fitting, train: Examples, valid: Examples, cfg: TrainConfig, seed: int
) -> Iterator[Epoch]:
    """Train until the epochs are over or the validation loss no longer falls.

    Yields after each epoch, when ``fitting`` can be kept and later taken up again: on a CPU an
    interrupted training gives the same network as an undisturbed one. At the end the model holds
    the weights of the epoch that is kept. An epoch in which the loss is no number ends the
    training; what was kept before stays.

    Raises
    ------
    DataError
        If the loss is no number in the first epoch.
    MemoryShortageError
        If the memory does not suffice for a single pair.
    """
    for number in range(len(fitting.history) + 1, cfg.epochs + 1):
        if fitting.history and number - 1 - fitting.best_epoch >= cfg.patience:
            break
        began = time.monotonic()
        train_loss = train_epoch(fitting, train, cfg, seed, number)
        valid_loss = math.nan
        if math.isfinite(train_loss):
            valid_loss = validation_loss(fitting.model, valid, cfg.batch_size)
        if not math.isfinite(valid_loss):
            _stop(fitting, number)
            break
        fitting.history.append(Epoch(number, train_loss, valid_loss, time.monotonic() - began))
        if fitting.best_epoch == number:
            fitting.keep_best()
        yield fitting.history[-1]
    fitting.model.load_state_dict(fitting.best)


def _stop(fitting: Fitting, number: int) -> None:
    """End a training whose loss is no number with what it has, if it has anything."""
    if not fitting.history:
        raise DataError(
            f"The loss is not a number in epoch {number}. "
            "Lower train.learning_rate; the data of all runs passed their checks."
        )
    fitting.diverged = number


def learning_rate(cfg: TrainConfig, progress: float) -> float:
    """Return the step size after a share ``progress`` of all steps (Loshchilov & Hutter 2017)."""
    if cfg.schedule == "constant":
        return cfg.learning_rate
    return cfg.learning_rate * (1 + math.cos(math.pi * progress)) / 2


@torch.no_grad()
def validation_loss(model: Network, valid: Examples, batch_size: int) -> float:
    """Return the mean absolute error over all examples, in the model's units."""
    total = 0.0
    for eeg, bold in valid.batches(batch_size, str(model.eval().device)):
        predicted = in_halves(lambda part: model(part).bold, eeg)
        total += len(eeg) * mean_absolute_error(predicted, bold).item()
    return total / len(valid)


def synthesise(
    model: Network, examples: Examples, batch_size: int = 16
) -> Iterator[Float32[np.ndarray, "batch x y z"]]:
    """Yield the synthesised volumes of all examples in order, in the model's units."""
    model.eval()
    for chosen in in_parts(np.arange(len(examples)), batch_size):
        eeg = examples.take_eeg(chosen, str(model.device))
        with torch.inference_mode():
            volumes = in_halves(lambda part: model(part).bold, eeg)
        yield volumes.cpu().numpy()


def train_epoch(
    fitting: Fitting, train: Examples, cfg: TrainConfig, seed: int, number: int
) -> float:
    """Pass once over the training pairs in an order of the epoch's own; return the mean loss.

    A loss that is no number ends the epoch, and is returned.

    Notes
    -----
    Where memory is short, a batch is taken in parts whose gradients add up to that of the batch.
    Batch normalisation then takes its statistics from each part, so the numbers are others.
    """
    model, optimizer = fitting.model.train(), fitting.optimizer
    device = str(model.device)
    order = np.random.default_rng((seed, number)).permutation(len(train))
    steps = math.ceil(len(train) / cfg.batch_size)
    losses = []
    with drawing(seed + number):  # dropout
        for step, (eeg, bold) in enumerate(train.batches(cfg.batch_size, device, order)):
            rate = learning_rate(cfg, (number - 1 + step / steps) / cfg.epochs)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
            losses.append(_descend(fitting, eeg, bold, cfg.regularisation, first=step == 0))
            if not math.isfinite(losses[-1]):
                return losses[-1]
            optimizer.step()
            optimizer.zero_grad()  # now, so that gradients take no memory between epochs
    return float(np.mean(losses))


def _descend(
    fitting: Fitting, eeg: Tensor, bold: Tensor, regularisation: float, *, first: bool
) -> float:
    """Lay down the gradient of a batch and return its loss; take it in more parts if need be.

    Notes
    -----
    Where it is not the ``first`` step of an epoch that memory fails, which is rare as all steps
    need as much, the draws and batch statistics of the step that failed stay.
    """
    before = Before.of(fitting.model) if first else None
    while True:
        try:
            return _accumulate(fitting.model, eeg, bold, regularisation, fitting.parts)
        except (MemoryError, RuntimeError) as error:
            if not is_shortage(error):
                raise
            reason = str(error)
        except ValueError as error:
            if fitting.parts == 1 or not needs_several(error):
                raise
            raise single_pairs(error) from error
        # Outside of the clause, whose error holds on to all that was computed.
        fitting.optimizer.zero_grad()
        if before is not None:
            before.restore(fitting.model)
        fitting.parts = halve(fitting.parts, len(eeg), reason)


def _accumulate(
    model: Network, eeg: Tensor, bold: Tensor, regularisation: float, parts: int
) -> float:
    """Add up the gradients of the parts of a batch, each by its share; return the loss."""
    total, n = 0.0, min(parts, len(eeg))
    for eeg_part, bold_part in zip(eeg.tensor_split(n), bold.tensor_split(n), strict=True):
        share = len(eeg_part) / len(eeg)
        loss = share * synthesis_loss(model(eeg_part, bold_part), bold_part, regularisation)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        total += loss.item()
    return total


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what stands under a prefix, without it."""
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
