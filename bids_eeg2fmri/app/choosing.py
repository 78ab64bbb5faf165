"""Which encoders a network gets: the first that fit, or the best of several candidates."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bids_eeg2fmri.app.candidates import (
    Candidates,
    Kind,
    Measure,
    Search,
    read_epoch,
    training_of,
    with_encoder,
)
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.bids.write import plain
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.model.names import first_encoding
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.model.noddi import BOLD_POOLING, EEG_POOLING
from bids_eeg2fmri.preprocess.bands import band_ranges, window_lags
from bids_eeg2fmri.preprocess.bold import training_brain
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.execute import seed_for
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.search.architectures import Shape, generate
from bids_eeg2fmri.search.darts import SearchEpoch
from bids_eeg2fmri.train.splits import Split, extents
from bids_eeg2fmri.types import Architecture

KINDS: tuple[Kind, ...] = ("bold", "eeg")
"""The encoders, in the order in which they are chosen: that of EEG is tried with that of BOLD."""
POOLING = {"eeg": EEG_POOLING, "bold": BOLD_POOLING}
"""Max-pool of each encoder."""
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


def choose_for_folds(
    job: Job, owners: Sequence[str], runs: Sequence[PairedRun], splits: Sequence[Split]
) -> list[Encoders]:
    """Choose the encoders of each fold; the folds, or the candidates of each, side by side.

    Raises
    ------
    AppError
        If those of a fold cannot be chosen.
    """
    work = dict(zip(owners, splits, strict=True))
    if not _is_choice(job.config) or len(work) < job.config.search.candidates:
        return [choose_encoders(job, owner, runs, split) for owner, split in work.items()]
    done, failed = job.spread(_Choosing(runs), work, prefix="")
    if failed:
        raise next(iter(failed.values()))
    return [done[owner] for owner in owners]


@dataclass(frozen=True)
class _Choosing:
    """Choose the encoders of one fold; travels to workers."""

    runs: Sequence[PairedRun]

    def __call__(self, job: Job, owner: str, split: Split) -> Encoders:
        return choose_encoders(job, owner, self.runs, split)


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
    if _is_choice(cfg):
        for kind in KINDS:
            shape = shapes.eeg if kind == "eeg" else shapes.bold
            candidates = draw_candidates(cfg, kind, shape, cfg.search.candidates)
            choice = _choose(job, owner, kind, runs, split, shapes, candidates)
            shapes = with_encoder(shapes, kind, choice.candidates[choice.chosen])
            choices.append(choice)
    return Encoders(shapes, tuple(choices))


def _is_choice(cfg: Config) -> bool:
    return cfg.search.choose != "first" and cfg.search.candidates > 1


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
    config = [same, cfg.model, training_of(cfg), cfg.scale, tried]
    item, parents = f"{owner}_{kind}", [run.unit for run in runs]
    key = job.store.key("search", item, config, parents)

    def make(folder: Path) -> None:
        scratch = job.store.scratch("search", key)
        these = Candidates(
            job=job,
            owner=owner,
            kind=kind,
            runs=runs,
            split=split,
            shapes=shapes,
            architectures=tuple(candidates),
            seed=seed,
            scratch=scratch,
        )
        selection = Search(these, Measure.of(these)).run()
        best = {"darts": selection.largest_weight, "best-validation": selection.best_validation}
        told = {"best": best, "history": [plain(asdict(epoch)) for epoch in selection.history]}
        (folder / "choice.json").write_text(json.dumps(told, allow_nan=False))

    unit = job.store.unit("search", item, config, parents, make)
    told = json.loads((unit.folder / "choice.json").read_text())
    history, chosen = tuple(map(read_epoch, told["history"])), told["best"][cfg.search.choose]
    text = f"candidate {chosen + 1} of {len(candidates)} for the {kind.upper()} encoder"
    log.tell_unit(owner, "search", unit, text)
    return Choice(kind, tuple(candidates), chosen, history, unit)
