"""What a trained model is on disk: its card, its tensors, and how it comes back to life."""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.plan import Plan
from bids_eeg2fmri.app.preparing import UNITS
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.reference import Reference
from bids_eeg2fmri.bids.models import read_model
from bids_eeg2fmri.config import Config, ModelConfig
from bids_eeg2fmri.errors import AppError, DataError
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.domain import Range
from bids_eeg2fmri.runtime.environment import versions
from bids_eeg2fmri.settings import from_mapping
from bids_eeg2fmri.train.fit import Fitting
from bids_eeg2fmri.types import Architecture, Grid, Scale, typed

CARD = 2
"""Form of the card; raised when an older program could no longer read it."""
INFORMATIVE = "informative"
"""The one verdict that needs no caution."""
_SECTIONS = ("bold", "window", "spectrogram", "scale", "model")
"""Settings without which a model cannot be applied."""
_TOLD = ("dataset", "runs", "tested", "software", "space_of", "history", "config")
"""What of a card is passed on to whoever reads the output."""
_MISFITS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError)
"""What a card makes of the program that says other than it should."""
_IN_USE = ("model", "shapes", "channels", "positions_m", "freqs_hz", "tr_s", "affine")
"""What else of a card its output depends on."""


def card_of(job: Job, plan: Plan, runs: Sequence[PairedRun], fitting: Fitting) -> dict[str, Any]:
    """Write down what one must know to use a model, and on what it rests."""
    first, split = runs[0], plan.split
    pairs, eeg = first.pairs, first.recording.eeg
    parts = {"train": split.train, "valid": split.valid, "test": split.test}
    return {
        "form": CARD,
        "model": plan.model,
        "software": versions(),
        "shapes": asdict(plan.shapes),
        "channels": pairs.channels,
        "positions_m": eeg.positions[[eeg.channels.index(one) for one in pairs.channels]],
        "freqs_hz": pairs.freqs,
        "tr_s": first.clock.tr,
        "affine": first.recording.bold.affine,
        "native_grid": pairs.mask.shape,
        "space_of": first.files.name,
        "config": asdict(job.config),
        "parameters": sum(p.numel() for p in fitting.model.parameters()),
        "best_epoch": fitting.best_epoch,
        "history": [asdict(epoch) for epoch in fitting.history],
        "diverged_in_epoch": fitting.diverged,
        "parts_of_batch": fitting.parts,
        "runs": {
            part: {run.files.name: len(i) for run, i in zip(runs, index, strict=True) if len(i)}
            for part, index in parts.items()
        },
    }


def tensors_beside(
    scale: Scale, reference: Reference, mask: Bool[np.ndarray, "x y z"], usual: Range
) -> dict[str, np.ndarray]:
    """Lay what turns the model's units into the scanner's beside its weights."""
    fields = {name: value for name, value in vars(scale).items() if value is not None}
    own = fields.pop("bold_of_run")
    for name in ("anatomy_of_run", "eeg_mean_of_run"):  # of use to these runs alone
        fields.pop(name)
    named = {f"scale.{name}": np.asarray(value) for name, value in fields.items()}
    named |= {f"scale.bold_of_run.{run}": np.asarray(numbers) for run, numbers in own.items()}
    return named | {"reference.mean": reference.mean, "mask": mask, "eeg_range": usual}


def rebuild(
    card: Mapping[str, Any], tensors: Mapping[str, np.ndarray], cfg: ModelConfig, device: str
) -> Network:
    """Build a trained network again.

    Raises
    ------
    ValueError
        If the shapes of the card are not those of the tensors; before any memory is taken.
    """
    told = card["shapes"]
    shapes = Shapes(
        eeg=tuple(told["eeg"]),
        bold=tuple(told["bold"]),
        eeg_encoder=_read_architecture(told["eeg_encoder"]),
        bold_encoder=_read_architecture(told["bold_encoder"]),
        bands=tuple(map(tuple, told["bands"])),
        lags=tuple(told["lags"]),
        brain=told["brain"],
    )
    # On this device tensors have shapes, and nothing else.
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        hollow = build(card["model"], shapes, cfg).state_dict()
    weights = {name: torch.from_numpy(tensors[name]) for name in hollow}
    for name, weight in weights.items():
        if weight.shape != hollow[name].shape:
            raise ValueError(f"{name}: {tuple(weight.shape)}, not {tuple(hollow[name].shape)}")
    network = build(card["model"], shapes, cfg)
    network.load_state_dict(weights)
    return network.to(device)


@typed
class SavedModel:
    """A model as it stands in ``models/``, ready to be applied."""

    name: str
    """What it is called, e.g. ``sub-01_hybrid``."""
    card: dict[str, Any]
    """All that is known of it."""
    digest: str
    """SHA-256 of what its output depends on: weights, scaling, electrodes, settings."""
    config: Config
    """The settings that it was trained with, as far as they matter to whoever applies it."""
    network: Network
    scale: Scale
    """Its units; a recording brings the mean of its own EEG where the model wants that."""
    channels: tuple[str, ...]
    """Its electrodes."""
    positions: Float64[np.ndarray, "channels 3"]
    """Where they sit, in metres; NaN where unknown."""
    freqs: Float64[np.ndarray, " freqs"]
    """The frequencies that it looks at, in hertz."""
    usual: Range
    """Where its training EEG lies."""
    tr: float
    """Its repetition time in seconds."""
    grid: Grid
    """The grid on which it synthesises."""
    mask: Bool[np.ndarray, "x y z"]
    """Brain mask on the native grid, to which volumes are brought."""
    affine: Float64[np.ndarray, "4 4"]
    """From voxel indices of the native grid to millimetres."""
    verdict: str
    """Whether to believe it, in a few words."""

    @property
    def units(self) -> str:
        """Of the BOLD that it makes, as sidecars name them."""
        return UNITS[self.config.bold.units]

    @property
    def reasons(self) -> str:
        """What the verdict rests on, in plain sentences."""
        return str(self.card["tested"]["verdict_text"])

    @property
    def caution(self) -> str:
        """Why not to believe what it makes; empty where it was found informative."""
        if self.verdict == INFORMATIVE:
            return ""
        return f"Do not rely on this BOLD: the verdict on its model is “{self.verdict}”."


def open_model(folder: Path, device: str) -> SavedModel:
    """Read a model that ``participant`` or ``group`` has written.

    Raises
    ------
    MissingInputError
        The folder holds no model.
    DataError
        The file is damaged, or of a version that cannot be applied.
    """
    tensors, found = read_model(folder)
    card: dict[str, Any] = found
    _check_form(folder, card)
    try:
        config = _config_of(card)
        return SavedModel(
            name=folder.resolve().name,
            card=card,
            digest=_digest(tensors, card),
            config=config,
            network=rebuild(card, tensors, config.model, device),
            scale=_scale_of(tensors, config),
            channels=tuple(card["channels"]),
            positions=np.array(card["positions_m"], dtype=np.float64),
            freqs=np.array(card["freqs_hz"], dtype=np.float64),
            usual=tensors["eeg_range"],
            tr=float(card["tr_s"]),
            grid=tuple(card["shapes"]["bold"]),
            mask=tensors["mask"],
            affine=np.array(card["affine"], dtype=np.float64),
            verdict=card["tested"]["verdict"],
        )
    except (AppError, *_MISFITS) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(
            f"{folder}: the model does not fit its card ({reason}). Train it again."
        ) from error


def _check_form(folder: Path, card: Mapping[str, Any]) -> None:
    """Refuse a card of another form, and one that no report has gone with."""
    form = card.get("form", 0)
    version = dict(card.get("software", {})).get("bids_eeg2fmri", "?")
    if form > CARD:
        raise DataError(
            f"{folder}: saved by a newer program, bids_eeg2fmri {version}, in the form {form}; "
            f"this one reads {CARD}. Update it, or train the model with this one."
        )
    if form < CARD:
        raise DataError(
            f"{folder}: saved by an earlier program, bids_eeg2fmri {version}, in a form that is no "
            "longer read. Run the command again that trained it."
        )
    if lacking := [name for name in (*_IN_USE, *_TOLD) if name not in card]:
        raise DataError(
            f"{folder}: its card lacks {', '.join(lacking)}. Name a folder of models/, or run the "
            "command again that trained it."
        )


def _digest(tensors: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> str:
    settings = {name: card["config"][name] for name in _SECTIONS}
    told = settings | {name: card[name] for name in _IN_USE}
    found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(name.encode() + tensor.tobytes())
    return found.hexdigest()


def _config_of(card: Mapping[str, Any]) -> Config:
    return from_mapping({name: card["config"][name] for name in _SECTIONS})


def _scale_of(tensors: Mapping[str, np.ndarray], config: Config) -> Scale:
    """Undo ``tensors_beside``, without what only the runs of the training have."""
    mean = tensors["scale.eeg_mean"]
    return Scale(
        eeg_mean=mean,
        eeg_sd=float(tensors["scale.eeg_sd"]),
        bold_mean=float(tensors["scale.bold_mean"]),
        bold_sd=float(tensors["scale.bold_sd"]),
        deviation_sd=float(tensors["scale.deviation_sd"]),
        # One entry tells that runs have means of their own, see ``preprocess.scale.meet``.
        eeg_mean_of_run={"training": mean} if config.scale.eeg == "run" else {},
        across_electrodes=bool(tensors["scale.across_electrodes"]),
        anatomy=tensors.get("scale.anatomy"),
    )


def _read_architecture(card: Mapping[str, Any]) -> Architecture:
    """Read an architecture from JSON."""
    kernels, strides = (tuple(map(tuple, card[name])) for name in ("kernels", "strides"))
    return Architecture(kernels, strides, tuple(card["pooling"]))
