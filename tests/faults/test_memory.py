"""Where memory is short, batches are taken in parts, or it is said that not even those fit."""

import re
import resource
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from apart import FORKS
from tiny import begin, examples, losses, same_weights, shapes

from bids_eeg2fmri.config import ModelConfig, TrainConfig
from bids_eeg2fmri.errors import MemoryShortageError
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.runtime.execute import Pool, map_items
from bids_eeg2fmri.runtime.log import keeping_crashes
from bids_eeg2fmri.search.bayes import attempt
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.fit import fit, synthesise, train_epoch
from bids_eeg2fmri.train.memory import Before, in_halves
from bids_eeg2fmri.train.resident import reside_if_possible

CFG = TrainConfig(epochs=2, batch_size=8)
OF = shapes()
TRAIN, VALID, MEAN = examples(OF)
ALIKE = {"batch_norm": False, "dropout": 0.0}
"""Without what sees more than one pair at a time, or draws for each."""


def need_too_much_for(fitting, pairs):
    """Let a network ask for more memory than there is, whenever it gets so many pairs."""

    def ask(_, arguments):
        if len(arguments[0]) >= pairs:
            torch.empty(1 << 50)

    fitting.model.register_forward_pre_hook(ask)
    return fitting


@pytest.mark.parametrize(("pairs", "parts"), [(8, 2), (4, 4), (3, 4), (2, 8)])
def test_batches_in_parts_train_as_whole_ones(pairs, parts):
    whole = begin(CFG, OF, MEAN, **ALIKE)
    list(fit(whole, TRAIN, VALID, CFG, seed=0))
    short = need_too_much_for(begin(CFG, OF, MEAN, **ALIKE), pairs)
    list(fit(short, TRAIN, VALID, CFG, seed=0))
    assert (whole.parts, short.parts) == (1, parts)
    np.testing.assert_allclose(losses(short.history), losses(whole.history), rtol=1e-5)


def test_a_step_that_failed_leaves_no_trace():
    known, found = begin(CFG, OF, MEAN), begin(CFG, OF, MEAN)
    known.parts = 2
    need_too_much_for(found, 8)
    for fitting in (known, found):
        list(fit(fitting, TRAIN, VALID, CFG, seed=0))
    assert same_weights(known, found)
    assert losses(known.history) == losses(found.history)


def test_volumes_are_synthesised_in_halves():
    whole, short = begin(CFG, OF, MEAN), need_too_much_for(begin(CFG, OF, MEAN), 3)
    for fitting in (whole, short):
        torch.nn.init.ones_(fitting.model.decoder.weight)
    at_once, in_parts = (
        np.concatenate([*synthesise(fitting.model, VALID, 16)]) for fitting in (whole, short)
    )
    np.testing.assert_allclose(in_parts, at_once, rtol=1e-4, atol=1e-4)


def test_memory_that_suffices_for_no_pair_is_one_line():
    fitting = need_too_much_for(begin(CFG, OF, MEAN), 1)
    with pytest.raises(MemoryShortageError, match="not suffice for a single pair") as error:
        list(fit(fitting, TRAIN, VALID, CFG, seed=0))
    assert "\n" not in str(error.value)
    trial = attempt(0, {}, lambda _: list(fit(fitting, TRAIN, VALID, CFG, seed=0)))
    assert (trial.score, trial.reason) == (None, "Out of memory.")


def test_other_errors_are_no_lack_of_memory():
    def refuse(eeg):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        in_halves(refuse, torch.zeros(4, 1))


@pytest.mark.parametrize("ask", [np.empty, torch.empty])
def test_memory_that_is_not_there_is_one_line_wherever_it_is_asked_for(ask, tmp_path):
    (failure,) = map_items(ask, [1 << 50], Pool())
    assert (type(failure.error), failure.error.exit_code) == (MemoryShortageError, 75)
    assert str(failure.error).startswith("The memory does not suffice (")
    assert "\n" not in str(failure.error)
    with pytest.raises(MemoryShortageError, match="not suffice"), keeping_crashes(tmp_path, "all"):
        ask(1 << 50)
    assert not [*tmp_path.iterdir()]


LARGE = shapes((32, 32, 30))


def train_within_limits(answer):
    """Train with as little more memory as a few pairs need, once all code is loaded."""
    train, _, mean = examples(LARGE, 16)
    cfg = TrainConfig(epochs=1, batch_size=16)
    fitting = begin(cfg, LARGE, mean)
    for size in (1, 2, 4, 8):
        few = replace(train, index=[np.arange(size)])
        train_epoch(fitting, few, replace(cfg, batch_size=size), 0, 1)
    status = Path("/proc/self/status").read_text()
    now = int(re.search(r"VmSize:\s+(\d+)", status)[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (now + (20 << 20), -1))
    answer.send((train_epoch(fitting, train, cfg, 0, 1), fitting.parts))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is taken")
def test_a_process_with_little_memory_trains_on():
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=train_within_limits, args=(theirs,))
    process.start()
    theirs.close()
    loss, parts = ours.recv()
    process.join()
    assert 0 < loss < 10
    assert parts in (2, 4, 8)


def test_a_training_in_parts_is_taken_up_in_as_many():
    undisturbed, interrupted = (
        need_too_much_for(begin(CFG, OF, MEAN, dropout=0.5), 3) for _ in range(2)
    )
    list(fit(undisturbed, TRAIN, VALID, CFG, seed=0))
    next(fit(interrupted, TRAIN, VALID, CFG, seed=0))
    resumed = begin(CFG, OF, MEAN, dropout=0.5)
    resumed.restore(interrupted.tensors(), interrupted.history)
    list(fit(resumed, TRAIN, VALID, CFG, seed=0))
    assert resumed.parts == undisturbed.parts == 4
    assert same_weights(resumed, undisturbed)
    assert losses(resumed.history) == losses(undisturbed.history)


def test_only_the_statistics_of_batches_are_remembered():
    model = build("hybrid", OF, ModelConfig(latent=2))
    before = Before.of(model)
    remembered = sum(map(len, map(torch.atleast_1d, before.statistics)))
    assert 0 < remembered < model.linear.weights.numel()
    for buffer in model.buffers():
        buffer.add_(1)
    before.restore(model)
    assert (model.linear.weights == 1).all()
    fresh = build("hybrid", OF, ModelConfig(latent=2)).state_dict()
    for name, value in model.state_dict().items():
        if "running" in name or "batches" in name:
            assert torch.equal(value, fresh[name]), name


def test_single_pairs_of_which_batch_normalisation_makes_nothing_are_one_line():
    fitting = need_too_much_for(begin(CFG, OF, MEAN), 2)
    fitting.model.eeg_encoder.register_forward_hook(
        lambda _model, _given, latent: (
            torch.nn.functional.batch_norm(latent[:, :1], None, None, training=True)
            .expand_as(latent)
            .clone()
        )
    )
    with pytest.raises(MemoryShortageError, match="suffices for single pairs alone") as error:
        list(fit(fitting, TRAIN, VALID, CFG, seed=0))
    assert "\n" not in str(error.value)


class Unbounded(Examples):
    """More than there is memory for."""

    def take(self, chosen, device):
        return torch.empty(1 << 50), super().take(chosen, device)[1]


def test_examples_for_which_there_is_no_memory_stay_where_they_are():
    large = Unbounded(TRAIN.runs, TRAIN.index, TRAIN.scale)
    assert reside_if_possible(large, torch.device("cpu")) is large
    assert reside_if_possible(TRAIN, torch.device("cpu")) is not TRAIN
