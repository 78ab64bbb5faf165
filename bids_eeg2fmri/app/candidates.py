"""The candidates of one encoder in training, one after the other or side by side."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from bids_eeg2fmri.app.checkpoints import (
    drop_if_damaged,
    read_checkpoint,
    sweep_half_written,
    write_checkpoint,
)
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.bids.write import plain
from bids_eeg2fmri.config import Config, TrainConfig
from bids_eeg2fmri.model.autoencoder import Autoencoder
from bids_eeg2fmri.model.loss import mean_absolute_error
from bids_eeg2fmri.model.names import first_encoding
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.bold import training_brain
from bids_eeg2fmri.preprocess.scale import expected, fit_scale, mean_volume
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.execute import Failure, map_items, seed_for
from bids_eeg2fmri.search.darts import (
    Contender,
    Losses,
    SearchEpoch,
    Selection,
    Turns,
    one_after_the_other,
    select,
    take_turn,
)
from bids_eeg2fmri.search.darts import start as start_selection
from bids_eeg2fmri.train.examples import Examples, Reconstructions
from bids_eeg2fmri.train.fit import Fitting, drawing, start, train_epoch
from bids_eeg2fmri.train.splits import Split
from bids_eeg2fmri.types import Architecture, Scale

Kind = Literal["bold", "eeg"]


def with_encoder(shapes: Shapes, kind: Kind, architecture: Architecture) -> Shapes:
    """Build networks with another encoder of one kind."""
    if kind == "eeg":
        return replace(shapes, eeg_encoder=architecture)
    return replace(shapes, bold_encoder=architecture)


def training_of(cfg: Config) -> TrainConfig:
    """Give what candidates are trained by; none of them stops before the last epoch."""
    epochs, rate = cfg.search.epochs, cfg.search.learning_rate
    return replace(cfg.train, epochs=epochs, learning_rate=rate, patience=epochs, keep="last")


@dataclass
class _Candidate:
    """A candidate in training, whose state outlives the process."""

    fitting: Fitting
    train: Examples
    valid: Examples
    cfg: TrainConfig
    seed: int
    losses: list[float] = field(default_factory=list)
    """Training loss of each epoch that is done."""

    def train_epoch(self, number: int) -> float:
        """Pass once over the training pairs, unless that was done before an interruption."""
        if len(self.losses) < number:
            loss = train_epoch(self.fitting, self.train, self.cfg, self.seed, number)
            self.losses.append(loss)
        return self.losses[number - 1]

    @torch.no_grad()
    def predict(self, batch: int) -> Tensor:
        """Predict a batch of validation pairs."""
        model = self.fitting.model.eval()
        chosen = _batch(self.valid, batch, self.cfg.batch_size)
        eeg = self.valid.take_eeg(chosen, str(model.device))
        predicted: Tensor = model(eeg).bold
        return predicted


@dataclass(frozen=True)
class Candidates:
    """What candidates are, and what they learn from; travels to workers."""

    job: Job
    owner: str
    kind: Kind
    runs: Sequence[PairedRun]
    split: Split
    shapes: Shapes
    architectures: tuple[Architecture, ...]
    seed: int
    scratch: Path
    """Where their states are kept between epochs."""


@dataclass(frozen=True)
class Measure:
    """What all candidates begin with."""

    scale: Scale
    """Units of the training pairs."""
    start_at: Float32[np.ndarray, "x y z"]
    """Their mean volume, scaled."""
    brain: Bool[np.ndarray, "x y z"]
    """Their brain."""

    @classmethod
    def of(cls, candidates: Candidates) -> "Measure":
        """Measure the training pairs."""
        pairs, split = [run.pairs for run in candidates.runs], candidates.split
        scale = fit_scale(pairs, split.train, candidates.job.config.scale, split.before_test)
        start_at = expected(mean_volume(pairs, split.train, scale), scale)
        return cls(scale, start_at, training_brain(pairs, split.train))

    @classmethod
    def load(cls, folder: Path) -> "Measure":
        """Read what :meth:`save` has kept."""
        volumes = (np.load(folder / f"{name}.npy") for name in ("start", "brain"))
        return cls(arrays.load(folder, "scale", Scale), *volumes)

    def save(self, folder: Path) -> None:
        """Keep it for workers."""
        arrays.save(folder, "scale", self.scale)
        np.save(folder / "start.npy", self.start_at)
        np.save(folder / "brain.npy", self.brain)


@dataclass
class Search:
    """The candidates of one encoder in training."""

    candidates: Candidates
    measure: Measure
    held: dict[int, _Candidate] = field(default_factory=dict)
    """Those that stay in memory between their turns."""
    cfg: TrainConfig = field(init=False)
    train: Examples = field(init=False)
    valid: Examples = field(init=False)
    targets: "_Targets" = field(init=False)

    def __post_init__(self) -> None:
        candidates = self.candidates
        pairs, scale = [run.pairs for run in candidates.runs], self.measure.scale
        kind = Examples if candidates.kind == "eeg" else Reconstructions
        self.train = kind(pairs, candidates.split.train, scale)
        self.valid = kind(pairs, candidates.split.valid, scale)
        self.cfg = training_of(candidates.job.config)
        self.targets = _Targets(self.valid, self.cfg.batch_size)

    def run(self) -> Selection:
        """Train all candidates, epoch by epoch; go on where an interruption left off."""
        candidates, cfg = self.candidates, self.candidates.job.config.search
        selection = start_selection(len(candidates.architectures), cfg)
        saved = candidates.scratch / "weights"
        kept = [self._saved(i) for i in range(len(candidates.architectures))]
        sweep_half_written(candidates.scratch)
        drop_if_damaged([saved, *kept], candidates.owner, f"{candidates.kind} encoders")
        if saved.exists():
            tensors, history = read_checkpoint(saved)
            selection.restore(tensors, [read_epoch(row) for row in history])
        epochs = select(
            selection,
            self._turns(),
            self.targets,
            mean_absolute_error,
            cfg,
            math.ceil(len(self.train) / self.cfg.batch_size),
            candidates.seed,
            lambda name, shape, dtype: arrays.allocate(candidates.scratch, name, shape, dtype),
        )
        with log.progress(cfg.epochs, f"{candidates.owner} {candidates.kind} encoders") as advance:
            advance(len(selection.history))
            for epoch in epochs:
                history = [plain(asdict(one)) for one in selection.history]
                write_checkpoint(saved, selection.tensors(), history)
                self._tell(epoch)
                advance(1)
        return selection

    def _turns(self) -> Turns:
        """Train candidates in the worker processes, where there are some that are free."""
        if not self.candidates.job.pool.is_shared():
            return one_after_the_other(self.lend, self.targets, mean_absolute_error)
        return _SideBySide(self.candidates, self.measure)

    @contextmanager
    def lend(self, i: int) -> Iterator[Contender]:
        """Hand out a candidate for one epoch and put its state away after it."""
        saved = self._saved(i)
        candidate = self.held.pop(i, None) or self._build(i)
        if not candidate.losses and saved.exists():
            tensors, candidate.losses = read_checkpoint(saved)
            candidate.fitting.restore(tensors, [])
        yield candidate
        write_checkpoint(saved, candidate.fitting.tensors(), candidate.losses)
        if not self.candidates.job.config.search.one_at_a_time:
            self.held[i] = candidate

    def _saved(self, i: int) -> Path:
        return self.candidates.scratch / f"candidate-{i}"

    def _build(self, i: int) -> _Candidate:
        candidates, seed = self.candidates, seed_for(self.candidates.seed, str(i))
        with drawing(seed):
            shapes = with_encoder(candidates.shapes, candidates.kind, candidates.architectures[i])
            model = self._network(shapes)
        beginning = (self.measure.start_at, self.measure.brain)
        fitting = start(model.to(candidates.job.device), self.cfg, *beginning)
        return _Candidate(fitting, self.train, self.valid, self.cfg, seed)

    def _network(self, shapes: Shapes) -> Network:
        cfg = self.candidates.job.config
        if self.candidates.kind == "bold":
            return Autoencoder(shapes, cfg.model)
        return build(first_encoding(cfg.models), shapes, cfg.model)

    def _tell(self, epoch: SearchEpoch) -> None:
        owner, kind = self.candidates.owner, self.candidates.kind
        if self.candidates.job.config.search.choose == "darts":
            best = int(np.argmax(epoch.weights))
            leads = f"{epoch.weights[best]:.3f}, mixture {epoch.mixture_loss:.4f}"
        else:
            best = int(np.nanargmin(epoch.valid_loss))
            leads = f"{epoch.valid_loss[best]:.4f}"
        text = f"{kind} encoders  epoch {epoch.number}/{self.cfg.epochs}  candidate {best + 1}"
        log.tell(owner, "search", f"{text} leads with {leads}")
        for i in epoch.dropped:
            text = f"{kind} candidate {i + 1} gives no number and is dropped"
            log.tell(owner, "search", text)


@dataclass(frozen=True)
class _SideBySide:
    """Candidates that have their turn in worker processes; states go through the disk."""

    candidates: Candidates
    measure: Measure

    def __call__(
        self, number: int, turns: Sequence[int], kept: Sequence[np.ndarray]
    ) -> list[Losses]:
        """Give each its turn in an epoch, and gather what they predicted.

        Raises
        ------
        AppError
            If a turn failed.
        """
        candidates, job = self.candidates, self.candidates.job
        self.measure.save(candidates.scratch)
        losses: list[Losses] = []
        told = map_items(_Turn(candidates, number), turns, job.pool, apart=True)
        for i, one in zip(turns, told, strict=True):
            if isinstance(one, Failure):
                raise job.explain(candidates.owner, one)
            predicted = np.load(candidates.scratch / f"{_predicted(i)}.npy", mmap_mode="r")
            ends = np.cumsum([len(batch[i]) for batch in kept])
            for batch, rows in zip(kept, np.split(predicted, ends[:-1]), strict=True):
                batch[i] = rows
            losses.append(one)
        return losses


@dataclass(frozen=True)
class _Turn:
    """Train one candidate for an epoch and keep what it predicts; travels to workers."""

    candidates: Candidates
    number: int

    def __call__(self, i: int) -> Losses:
        candidates = self.candidates
        search = Search(candidates, Measure.load(candidates.scratch))
        shape = (len(search.valid), *search.targets[0].shape[1:])
        predicted = arrays.allocate(candidates.scratch, _predicted(i), shape, np.float32)
        size = search.cfg.batch_size
        rows = [predicted[b * size : (b + 1) * size] for b in range(len(search.targets))]
        with search.lend(i) as contender:
            losses = take_turn(contender, self.number, rows, search.targets, mean_absolute_error)
        predicted.flush()
        return losses


def _predicted(i: int) -> str:
    """Name the array of what a candidate predicted in its last turn."""
    return f"predicted{i}"


@dataclass(frozen=True)
class _Targets(Sequence[Tensor]):
    """The validation volumes by batch, read when they are asked for."""

    valid: Examples
    size: int

    def __len__(self) -> int:
        return math.ceil(len(self.valid) / self.size)

    def __getitem__(self, batch: Any) -> Any:
        if batch >= len(self):
            raise IndexError(batch)
        return self.valid.take_bold(_batch(self.valid, batch, self.size), "cpu")


def _batch(examples: Examples, batch: int, size: int) -> np.ndarray:
    return np.arange(batch * size, min((batch + 1) * size, len(examples)))


def read_epoch(row: Mapping[str, Any]) -> SearchEpoch:
    """Read an epoch from JSON."""
    losses = {
        name: [math.nan if loss is None else loss for loss in row[name]]
        for name in ("train_loss", "valid_loss")
    }
    return SearchEpoch(**{**row, **losses})
