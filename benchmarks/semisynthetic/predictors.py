"""What can be compared: plain regressions, and every baseline and model of the program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from jaxtyping import Float32
from sklearn.linear_model import RidgeCV

from bids_eeg2fmri.app.choosing import first_shapes
from bids_eeg2fmri.app.reference import units
from bids_eeg2fmri.config import ScaleConfig
from bids_eeg2fmri.evaluate.baselines import fit_baselines, make_designs, predict_baselines
from bids_eeg2fmri.model.hybrid import Hybrid
from bids_eeg2fmri.model.names import MODELS, find
from bids_eeg2fmri.model.network import Network
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.bands import band_power, band_ranges, window_lags
from bids_eeg2fmri.preprocess.scale import expected, from_model, mean_volume, meet
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.fit import drawing, fit, start, synthesise
from bids_eeg2fmri.train.hybrid import settle, solve_linear_path
from bids_eeg2fmri.types import Scale

from .task import Task

Volumes = Float32[np.ndarray, "volumes x y z"]
PENALTIES = np.logspace(-2, 4, 13)
"""Of the plain ridge, for features of unit size and a pair."""
T = TypeVar("T")


def predict_by_baseline(name: str, task: Task) -> list[Volumes]:
    """Predict by a baseline of the program."""
    scale = units(task.config.scale, task.pairs, task.split)
    mean = mean_volume(task.pairs, task.split.train, scale)
    lags = window_lags(task.config.window, task.config.spectrogram, task.recordings[0].clock.tr)
    value = task.config.spectrogram.value
    designs = [{name: make_designs(p, scale, value, lags)[name]} for p in task.pairs]
    fitted = fit_baselines(designs, task.pairs, task.split.train, scale, task.gap, task.seed)
    found = []
    for design, (_, pairs, train, test) in zip(_of_tested(task, designs), task.tested, strict=True):
        given = (fitted, design, pairs, train, test, mean, scale)
        found.append(dict(predict_baselines(*given))[name])
    return found


def predict_by_lags(task: Task) -> list[Volumes]:
    """Predict by a plain ridge on the band power of every window, as anyone would write it."""
    value = task.config.spectrogram.value
    designs = [band_power(p.eeg, p.freqs, value).reshape(len(p.eeg), -1) for p in task.pairs]
    x, y = (_about_runs(values, task) for values in (designs, [p.bold for p in task.pairs]))
    size = x.std(axis=0)
    fitted = RidgeCV(PENALTIES * len(x)).fit(x / size, y.reshape(len(y), -1))
    mean = mean_volume(task.pairs, task.split.train, units(ScaleConfig(), task.pairs, task.split))
    found = []
    for own, (_, _, train, test) in zip(_of_tested(task, designs), task.tested, strict=True):
        level = own[train if len(train) else test].mean(axis=0)
        change = fitted.predict((own[test] - level) / size)
        found.append(mean + change.reshape(-1, *mean.shape).astype(np.float32))
    return found


def train_network(name: str, task: Task) -> tuple[Network, Scale]:
    """Train a model of the program; give its units too."""
    cfg, shape = task.config, task.pairs[0]
    if find(name).linear_path:
        cfg = replace(cfg, scale=replace(cfg.scale, target="deviation"))
    scale = units(cfg.scale, task.pairs, task.split)
    mean = expected(mean_volume(task.pairs, task.split.train, scale), scale)
    shapes = replace(
        first_shapes(cfg, shape.eeg.shape[1:], shape.bold.shape[1:]),
        bands=tuple(band_ranges(shape.freqs).values()),
        lags=tuple(window_lags(cfg.window, cfg.spectrogram, task.recordings[0].clock.tr).tolist()),
    )
    with drawing(task.seed):
        model = build(name, shapes, cfg.model)
    fitting = start(model, cfg.train, mean)
    train, valid = (
        Examples(task.pairs, part, scale) for part in (task.split.train, task.split.valid)
    )
    if isinstance(model, Hybrid):
        response = solve_linear_path(model, train, cfg.spectrogram.value, task.gap, task.seed)
    for _ in fit(fitting, train, valid, cfg.train, task.seed):
        pass
    if isinstance(model, Hybrid):
        settle(model, valid, response)
    return model, scale


def predict_by_network(name: str, task: Task) -> list[Volumes]:
    """Train a model of the program and let it predict."""
    model, scale = train_network(name, task)
    found = []
    for _, pairs, _, test in task.tested:
        met = meet(scale, pairs, test)
        batches = synthesise(model, Examples([pairs], [test], met))
        found.append(np.concatenate([from_model(one, met, pairs.run) for one in batches]))
    return found


PREDICTORS: Mapping[str, Callable[[Task], list[Volumes]]] = {
    "lagged-ridge": predict_by_lags,
    "hrf-ridge": partial(predict_by_baseline, "hrf-ridge"),
    **{name: partial(predict_by_network, name) for name in MODELS},
}
"""What can be compared, by name; each gives the test volumes of each recording that is tested."""


def _about_runs(values: Sequence[np.ndarray], task: Task) -> np.ndarray:
    """Lay the training pairs of all runs end to end, each run about its mean."""
    known = [own[i] for own, i in zip(values, task.split.train, strict=True) if len(i)]
    return np.concatenate([own - own.mean(axis=0) for own in known])


def _of_tested(task: Task, designs: Sequence[T]) -> list[T]:
    return [own for own, test in zip(designs, task.split.test, strict=True) if len(test)]
