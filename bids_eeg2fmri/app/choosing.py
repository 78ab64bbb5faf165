"""Which encoders a network gets: the first that fit, or the best of several candidates."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from bids_eeg2fmri.app.checkpoints import drop_if_damaged, read_checkpoint, write_checkpoint
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.bids.write import plain
from bids_eeg2fmri.config import Config, TrainConfig
from bids_eeg2fmri.evaluate.baselines import training_brain
from bids_eeg2fmri.model.autoencoder import Autoencoder
from bids_eeg2fmri.model.loss import mean_absolute_error
from bids_eeg2fmri.model.names import first_encoding
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.bands import band_ranges, window_lags
from bids_eeg2fmri.preprocess.scale import expected, fit_scale, mean_volume
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.execute import seed_for
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.search.architectures import Shape, generate
from bids_eeg2fmri.search.bayes import Reconstructions
from bids_eeg2fmri.search.darts import Contender, SearchEpoch, Selection, select
from bids_eeg2fmri.search.darts import start as start_selection
from bids_eeg2fmri.train.fit import Examples, Fitting, drawing, start, train_epoch
from bids_eeg2fmri.train.splits import Split, extents
from bids_eeg2fmri.types import Architecture

Kind = Literal["bold", "eeg"]
KINDS: tuple[Kind, ...] = ("bold", "eeg")
"""The encoders, in the order in which they are chosen: that of EEG is tried with that of BOLD."""
POOLING = {"eeg": (2, 2, 1), "bold": (2, 2, 2)}
"""Max-pool of each encoder (Tables 4 and 5); the ten windows of EEG are not pooled."""
AXES = {
    "eeg": ("EEG channels", "EEG frequencies", "EEG windows"),
    "bold": ("BOLD axis x", "BOLD axis y", "BOLD axis z"),
}


@dataclass(frozen=True)
class Choice:
    """How one encoder was chosen among candidates."""

    kind: Kind
    """``eeg`` or ``bold``."""
    candidates: tuple[Architecture, ...]
    """All that were tried."""
    chosen: int
    """Which of them it is."""
    history: tuple[SearchEpoch, ...]
    """Weights and losses by epoch."""
    unit: Unit
    """Where it is kept."""


@dataclass(frozen=True)
class Encoders:
    """What the networks of a job are built from."""

    shapes: Shapes
    choices: tuple[Choice, ...] = ()
    """How they were chosen; nothing where the first that fit were taken, or there was no choice."""


def choose_encoders(job: Job, owner: str, runs: Sequence[PairedRun], split: Split) -> Encoders:
    """Choose an encoder of EEG and one of BOLD, as ``search.choose`` says, on training pairs.

    The same candidates are drawn for every owner, so that what differs are the data.

    Raises
    ------
    ShapeError
        If no encoder leads from these shapes to the latent space.
    """
    cfg, pairs, choices = job.config, runs[0].pairs, []
    shapes = first_shapes(cfg, pairs.eeg.shape[1:], pairs.bold.shape[1:])
    shapes = replace(
        shapes,
        bands=tuple(band_ranges(pairs.freqs).values()),
        lags=tuple(window_lags(cfg.window, cfg.spectrogram, runs[0].clock.tr).tolist()),
        brain=int(training_brain([run.pairs for run in runs], split.train).sum()),
    )
    if cfg.search.choose != "first" and cfg.search.candidates > 1:
        for kind in KINDS:
            shape = shapes.eeg if kind == "eeg" else shapes.bold
            candidates = draw_candidates(cfg, kind, shape, cfg.search.candidates)
            choice = _choose(job, owner, kind, runs, split, shapes, candidates)
            shapes = _with(shapes, kind, choice.candidates[choice.chosen])
            choices.append(choice)
    return Encoders(shapes, tuple(choices))


def first_shapes(cfg: Config, eeg: Shape, bold: Shape) -> Shapes:
    """Take the first encoders that fit these shapes.

    Raises
    ------
    ShapeError
        If there are none.
    """
    (eeg_encoder,) = draw_candidates(cfg, "eeg", eeg, 1)
    (bold_encoder,) = draw_candidates(cfg, "bold", bold, 1)
    return Shapes(eeg, bold, eeg_encoder, bold_encoder)


def draw_candidates(cfg: Config, kind: Kind, shape: Shape, n: int) -> tuple[Architecture, ...]:
    """Draw encoders of one kind, the same whoever asks.

    Raises
    ------
    ShapeError
        If there are fewer.
    """
    largest = {"eeg": cfg.search.eeg_depth, "bold": cfg.search.bold_depth}[kind]
    pooling = POOLING[kind] if cfg.model.max_pool else (1, 1, 1)
    axes = AXES[kind]
    seed = seed_for(cfg.seed, *axes)
    given = (shape, cfg.model.latent, pooling, largest, seed, cfg.search, cfg.model)
    return tuple(generate(*given, n=n, axes=axes))


def read_architecture(card: Mapping[str, Any]) -> Architecture:
    """Read an architecture from JSON."""
    kernels, strides = (tuple(map(tuple, card[name])) for name in ("kernels", "strides"))
    return Architecture(kernels, strides, tuple(card["pooling"]))


def _with(shapes: Shapes, kind: Kind, architecture: Architecture) -> Shapes:
    if kind == "eeg":
        return replace(shapes, eeg_encoder=architecture)
    return replace(shapes, bold_encoder=architecture)


def _choose(
    job: Job,
    owner: str,
    kind: Kind,
    runs: Sequence[PairedRun],
    split: Split,
    shapes: Shapes,
    candidates: Sequence[Architecture],
) -> Choice:
    """Train the candidates of one encoder on the training pairs; weigh them on the validation."""
    cfg = job.config
    seed = job.seed_of(owner, "search", kind)
    tried = {"seed": seed, "device": job.device, "shapes": asdict(shapes), "kind": kind}
    tried |= {"candidates": [asdict(one) for one in candidates]}
    tried |= {"split": [extents(split.train), extents(split.valid)]}
    if kind == "eeg":
        tried["model_name"] = first_encoding(cfg.models)
    # Neither what is held in memory nor which of the outcomes is taken changes them.
    same = replace(cfg.search, one_at_a_time=False, choose="darts")
    config = [same, cfg.model, _training(cfg), cfg.scale, tried]
    item, parents = f"{owner}_{kind}", [run.unit for run in runs]
    key = job.store.key("search", item, config, parents)

    def make(folder: Path) -> None:
        scratch = job.store.scratch("search", key)
        search = _Search(job, owner, kind, runs, split, shapes, tuple(candidates), seed, scratch)
        selection = search.run()
        best = {"darts": selection.largest_weight, "best-validation": selection.best_validation}
        told = {"best": best, "history": [plain(asdict(epoch)) for epoch in selection.history]}
        (folder / "choice.json").write_text(json.dumps(told, allow_nan=False))

    unit = job.store.unit("search", item, config, parents, make)
    told = json.loads((unit.folder / "choice.json").read_text())
    history, chosen = tuple(map(_epoch, told["history"])), told["best"][cfg.search.choose]
    text = f"candidate {chosen + 1} of {len(candidates)} for the {kind.upper()} encoder"
    log.tell_unit(owner, "search", unit, text)
    return Choice(kind, tuple(candidates), chosen, history, unit)


def _training(cfg: Config) -> TrainConfig:
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
        eeg, _ = self.valid.take(_batch(self.valid, batch, self.cfg.batch_size), str(model.device))
        predicted: Tensor = model(eeg).bold
        return predicted


@dataclass
class _Search:
    """The candidates of one encoder side by side."""

    job: Job
    owner: str
    kind: Kind
    runs: Sequence[PairedRun]
    split: Split
    shapes: Shapes
    candidates: tuple[Architecture, ...]
    seed: int
    scratch: Path
    held: dict[int, _Candidate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pairs = [run.pairs for run in self.runs]
        scale = fit_scale(pairs, self.split.train, self.job.config.scale, self.split.before_test)
        kind = Examples if self.kind == "eeg" else Reconstructions
        self.train = kind(pairs, self.split.train, scale)
        self.valid = kind(pairs, self.split.valid, scale)
        self.start_at = expected(mean_volume(pairs, self.split.train, scale), scale)
        self.brain = training_brain(pairs, self.split.train)
        self.cfg = _training(self.job.config)

    def run(self) -> Selection:
        """Train all candidates, epoch by epoch; go on where an interruption left off."""
        cfg, size = self.job.config.search, self.cfg.batch_size
        selection, saved = start_selection(len(self.candidates), cfg), self.scratch / "weights"
        candidates = [self._saved(i) for i in range(len(self.candidates))]
        drop_if_damaged([saved, *candidates], self.owner, f"{self.kind} encoders")
        if saved.exists():
            tensors, history = read_checkpoint(saved)
            selection.restore(tensors, [_epoch(row) for row in history])
        targets = _Targets(self.valid, size)
        epochs = select(
            selection,
            self.lend,
            targets,
            mean_absolute_error,
            cfg,
            math.ceil(len(self.train) / size),
            self.seed,
            lambda name, shape, dtype: arrays.allocate(self.scratch, name, shape, dtype),
        )
        with log.progress(cfg.epochs, f"{self.owner} {self.kind} encoders") as advance:
            advance(len(selection.history))
            for epoch in epochs:
                history = [plain(asdict(one)) for one in selection.history]
                write_checkpoint(saved, selection.tensors(), history)
                self._tell(epoch)
                advance(1)
        return selection

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
        if not self.job.config.search.one_at_a_time:
            self.held[i] = candidate

    def _saved(self, i: int) -> Path:
        return self.scratch / f"candidate-{i}"

    def _build(self, i: int) -> _Candidate:
        seed = seed_for(self.seed, str(i))
        with drawing(seed):
            model = self._network(_with(self.shapes, self.kind, self.candidates[i]))
        fitting = start(model.to(self.job.device), self.cfg, self.start_at, self.brain)
        return _Candidate(fitting, self.train, self.valid, self.cfg, seed)

    def _network(self, shapes: Shapes) -> Network:
        cfg = self.job.config
        if self.kind == "bold":
            return Autoencoder(shapes, cfg.model)
        return build(first_encoding(cfg.models), shapes, cfg.model)

    def _tell(self, epoch: SearchEpoch) -> None:
        if self.job.config.search.choose == "darts":
            best = int(np.argmax(epoch.weights))
            leads = f"{epoch.weights[best]:.3f}, mixture {epoch.mixture_loss:.4f}"
        else:
            best = int(np.nanargmin(epoch.valid_loss))
            leads = f"{epoch.valid_loss[best]:.4f}"
        text = f"{self.kind} encoders  epoch {epoch.number}/{self.cfg.epochs}  candidate {best + 1}"
        log.tell(self.owner, "search", f"{text} leads with {leads}")
        for i in epoch.dropped:
            text = f"{self.kind} candidate {i + 1} gives no number and is dropped"
            log.tell(self.owner, "search", text)


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
        return self.valid.take(_batch(self.valid, batch, self.size), "cpu")[1]


def _batch(examples: Examples, batch: int, size: int) -> np.ndarray:
    return np.arange(batch * size, min((batch + 1) * size, len(examples)))


def _epoch(row: Mapping[str, Any]) -> SearchEpoch:
    losses = {
        name: [math.nan if loss is None else loss for loss in row[name]]
        for name in ("train_loss", "valid_loss")
    }
    return SearchEpoch(**{**row, **losses})
