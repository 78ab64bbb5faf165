"""A training whose loss is no longer a number ends with the last state that was good."""

import json
import math
from dataclasses import replace

import pytest
import torch
from observed import complaints
from tiny import begin, examples, losses, same_weights, shapes

from bids_eeg2fmri.config import TrainConfig
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.train.fit import fit, train_epoch, validation_loss

OF = shapes()
TRAIN, VALID, MEAN = examples(OF)
WILD = TrainConfig(epochs=9, learning_rate=2e4, schedule="constant", patience=9)
"""Steps so large that the weights overflow, but not in the first epoch."""
TOO_WILD = replace(WILD, learning_rate=1e30)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_training_that_diverges_keeps_its_last_good_state(keep):
    cfg = replace(WILD, keep=keep)
    fitting = begin(cfg, OF, MEAN)
    epochs = list(fit(fitting, TRAIN, VALID, cfg, seed=0))
    assert 1 < fitting.diverged == len(epochs) + 1 < 9
    kept = epochs[-1] if keep == "last" else min(epochs, key=lambda epoch: epoch.valid_loss)
    assert fitting.best_epoch == kept.number
    assert all(torch.isfinite(w).all() for w in fitting.model.parameters())
    assert validation_loss(fitting.model, VALID, cfg.batch_size) == kept.valid_loss


def test_a_training_killed_before_it_diverges_diverges_all_the_same():
    undisturbed, killed, resumed = (begin(WILD, OF, MEAN) for _ in range(3))
    list(fit(undisturbed, TRAIN, VALID, WILD, seed=0))
    for epoch in fit(killed, TRAIN, VALID, WILD, seed=0):
        if epoch.number == undisturbed.diverged - 1:
            break
    resumed.restore(killed.tensors(), killed.history)
    assert list(fit(resumed, TRAIN, VALID, WILD, seed=0)) == []
    assert resumed.diverged == undisturbed.diverged
    assert losses(resumed.history) == losses(undisturbed.history)
    assert same_weights(resumed, undisturbed)


def test_the_first_loss_that_is_no_number_ends_the_epoch():
    fitting = begin(TOO_WILD, OF, MEAN)
    steps = []
    fitting.model.register_forward_hook(lambda *_: steps.append(1))
    assert math.isnan(train_epoch(fitting, TRAIN, TOO_WILD, 0, 1))
    assert len(steps) == 2 < math.ceil(len(TRAIN) / TOO_WILD.batch_size)


def test_a_training_that_diverges_at_once_has_nothing_to_keep():
    fitting = begin(TOO_WILD, OF, MEAN)
    with pytest.raises(DataError, match=r"in epoch 1\. Lower train\.learning_rate"):
        list(fit(fitting, TRAIN, VALID, TOO_WILD, seed=0))
    assert fitting.diverged is None


def test_log_card_and_report_say_where_a_training_stopped(simulated, finished, app, fast):
    wild = ("--set", "train.learning_rate=6e3", "--set", "train.schedule=constant")
    call = ("participant", "--participant-label", "01", *fast, *wild, "--epochs", "9")
    told = app(simulated, finished, *call, "--set", "report.figures=true")
    assert (told.code, complaints(told)) == (0, [])
    card = json.loads((finished / "models/sub-01_topo-rff/model.json").read_text())
    last, kept = card["diverged_in_epoch"], card["best_epoch"]
    assert last == len(card["history"]) + 1
    (line,) = [line for line in told.err.splitlines() if "not a number" in line]
    said = f"stopped in epoch {last}: the loss was not a number; the state of epoch {kept} is kept"
    assert line.startswith("warning: sub-01            train   topo-rff  ")
    assert said in line
    page = (finished / "sub-01.html").read_text()
    assert f"It stopped in epoch {last}, in which the loss was not a number." in page
