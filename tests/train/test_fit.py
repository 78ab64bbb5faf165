import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from bids_eeg2fmri.config import ModelConfig, ScaleConfig, TrainConfig
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.model.loss import mean_absolute_error
from bids_eeg2fmri.model.names import MODELS
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.scale import fit_scale, mean_volume, scale_bold
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.fit import (
    Epoch,
    Fitting,
    fit,
    learning_rate,
    start,
    synthesise,
    validation_loss,
)
from bids_eeg2fmri.types import Architecture, Pairs

CONFIG = TrainConfig(epochs=4)
SHAPES = Shapes(
    eeg=(5, 6, 4),
    bold=(5, 6, 5),
    eeg_encoder=Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 2)),
    bands=((0, 3), (3, 6)),
    lags=(9.0, 7.0, 5.0, 3.0),
)


def run(seed: int, n: int) -> Pairs:
    rng = np.random.default_rng(seed)
    return Pairs(
        eeg=(1e-6 * rng.random((n, *SHAPES.eeg))).astype(np.float32),
        bold=(1000 + 20 * rng.standard_normal((n, *SHAPES.bold))).astype(np.float32),
        volume=np.arange(n),
        onset=2.0 * np.arange(n),
        freqs=np.arange(6.0),
        channels=tuple("ABCDE"),
        run=f"sub-0{seed}",
        mask=np.ones(SHAPES.bold, dtype=bool),
        n_volumes=n,
    )


RUNS = [run(1, 14), run(2, 12)]
CHOSEN = [np.arange(10), np.arange(2, 7)]
SCALE = fit_scale(RUNS, CHOSEN, ScaleConfig())
TRAIN = Examples(RUNS, CHOSEN, SCALE)
VALID = Examples(RUNS, [np.arange(10, 14), np.arange(9, 12)], SCALE)


def begin(cfg: TrainConfig = CONFIG, name: str = "topo-rff") -> Fitting:
    torch.manual_seed(0)
    model = build(name, SHAPES, ModelConfig(latent=2))
    return start(model, cfg, scale_bold(mean_volume(RUNS, CHOSEN, SCALE), SCALE))


def losses(history: list[Epoch]) -> list[tuple[float, float]]:
    return [(epoch.train_loss, epoch.valid_loss) for epoch in history]


def same_weights(one: Fitting, other: Fitting) -> bool:
    weights = other.model.state_dict()
    return all(torch.equal(w, weights[name]) for name, w in one.model.state_dict().items())


def test_examples_count_on_from_run_to_run():
    eeg, bold = TRAIN.take(np.array([10, 0, 14]), "cpu")
    assert len(TRAIN) == 15
    expected = scale_bold(np.stack([RUNS[1].bold[2], RUNS[0].bold[0], RUNS[1].bold[6]]), SCALE)
    np.testing.assert_array_equal(bold, expected)
    assert eeg.shape == (3, *SHAPES.eeg)


def test_examples_are_seen_in_the_scale_of_their_own_participant():
    bright = [RUNS[0], replace(RUNS[0], run="sub-02", bold=3 * RUNS[0].bold + 50)]
    chosen = [np.arange(10)] * 2
    scale = fit_scale(bright, chosen, ScaleConfig(bold="participant"))
    _, bold = Examples(bright, chosen, scale).take(np.array([4, 14]), "cpu")
    torch.testing.assert_close(bold[0], bold[1], atol=1e-4, rtol=0)
    expected = (RUNS[0].bold[4] - RUNS[0].bold.mean()) / RUNS[0].bold.std()
    np.testing.assert_allclose(bold[0], expected, atol=1e-4)


def test_the_same_seed_gives_the_same_training_and_another_seed_another():
    first, second, other = (begin() for _ in range(3))
    for fitting, seed in ((first, 1), (second, 1), (other, 2)):
        list(fit(fitting, TRAIN, VALID, CONFIG, seed))
    assert losses(first.history) == losses(second.history)
    assert same_weights(first, second)
    assert losses(first.history) != losses(other.history)


def test_training_does_not_touch_the_state_that_torch_draws_from():
    before = torch.get_rng_state()
    fitting = start(build_without_drawing(), CONFIG, np.zeros(SHAPES.bold, np.float32))
    list(fit(fitting, TRAIN, VALID, CONFIG, seed=0))
    assert torch.equal(torch.get_rng_state(), before)


def build_without_drawing():
    with torch.random.fork_rng():
        return build("topo-rff", SHAPES, ModelConfig(latent=2))


@pytest.mark.parametrize(
    ("name", "done"), [("topo-rff", 1), ("topo-rff", 3), ("linear", 2), ("liu-sajda", 2)]
)
def test_an_interrupted_and_restored_training_equals_the_undisturbed_one(name, done):
    undisturbed, interrupted, resumed = (begin(name=name) for _ in range(3))
    list(fit(undisturbed, TRAIN, VALID, CONFIG, seed=5))
    epochs = fit(interrupted, TRAIN, VALID, CONFIG, seed=5)
    for _ in range(done):
        next(epochs)
    kept = {name: tensor.clone() for name, tensor in interrupted.tensors().items()}
    resumed.restore(kept, interrupted.history)
    list(fit(resumed, TRAIN, VALID, CONFIG, seed=5))
    assert losses(resumed.history) == losses(undisturbed.history)
    assert same_weights(resumed, undisturbed)


def test_the_weights_of_the_best_epoch_are_kept():
    fitting = begin(replace(CONFIG, epochs=8, learning_rate=0.05))
    cfg = replace(CONFIG, epochs=8, learning_rate=0.05)
    list(fit(fitting, TRAIN, VALID, cfg, seed=0))
    lowest = min(epoch.valid_loss for epoch in fitting.history)
    assert fitting.best_epoch < 8
    assert validation_loss(fitting.model, VALID, 4) == pytest.approx(lowest, rel=1e-6)


def test_the_best_weights_are_written_down_only_where_they_are_not_the_last():
    cfg = replace(CONFIG, epochs=8, learning_rate=0.05)
    fitting = begin(cfg)
    for _ in fit(fitting, TRAIN, VALID, cfg, seed=0):
        is_last = fitting.best_epoch == len(fitting.history)
        assert any(name.startswith("best.") for name in fitting.tensors()) != is_last
    assert not is_last


@pytest.mark.parametrize("name", ["topo-rff", "linear", "hybrid"])
def test_half_the_precision_gives_nearly_the_same_losses_and_single_precision_after(name):
    half = replace(CONFIG, precision="bfloat16")
    fittings = [begin(cfg, name) for cfg in (CONFIG, half)]
    for fitting, cfg in zip(fittings, (CONFIG, half), strict=True):
        list(fit(fitting, TRAIN, VALID, cfg, seed=0))
    single, halved = (np.array(losses(fitting.history)) for fitting in fittings)
    assert 0 < np.abs(halved - single).max() < 0.02 * single.min()
    assert {p.dtype for p in fittings[1].model.parameters()} == {torch.float32}
    volumes = next(synthesise(fittings[1].model, VALID))
    fittings[0].model.load_state_dict(fittings[1].model.state_dict())
    np.testing.assert_array_equal(volumes, next(synthesise(fittings[0].model, VALID)))


def test_the_weights_of_the_last_epoch_are_kept_where_that_is_asked_for():
    cfg = replace(CONFIG, epochs=8, learning_rate=0.05, patience=1, keep="last")
    fitting = begin(cfg)
    list(fit(fitting, TRAIN, VALID, cfg, seed=0))
    assert fitting.best_epoch == len(fitting.history) == 8
    last = fitting.history[-1].valid_loss
    assert last > min(epoch.valid_loss for epoch in fitting.history)
    assert validation_loss(fitting.model, VALID, 4) == pytest.approx(last, rel=1e-6)


def test_training_stops_when_the_validation_loss_no_longer_falls():
    cfg = replace(CONFIG, epochs=50, learning_rate=0.05, patience=2)
    fitting = begin(cfg)
    list(fit(fitting, TRAIN, VALID, cfg, seed=0))
    assert len(fitting.history) == fitting.best_epoch + 2


def test_a_finished_training_is_not_trained_again():
    fitting = begin()
    list(fit(fitting, TRAIN, VALID, CONFIG, seed=0))
    assert list(fit(fitting, TRAIN, VALID, CONFIG, seed=0)) == []


def test_the_cosine_schedule_goes_from_the_step_size_to_zero():
    rates = [
        learning_rate(CONFIG, progress) / CONFIG.learning_rate for progress in (0.0, 1 / 3, 1.0)
    ]
    np.testing.assert_allclose(rates, [1, 0.75, 0], atol=1e-12)
    assert learning_rate(replace(CONFIG, schedule="constant"), 0.9) == CONFIG.learning_rate


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_takes_its_share_of_the_step_to_the_end(name):
    cfg, fitting = replace(CONFIG, epochs=1), begin(name=name)
    list(fit(fitting, TRAIN, VALID, cfg, seed=0))
    last = learning_rate(cfg, 3 / 4)  # of four steps
    shares = {*fitting.model.step_shares().values(), 1.0}
    rates = [group["lr"] for group in fitting.optimizer.param_groups]
    assert sorted(rates) == pytest.approx(sorted(last * share for share in shares))
    trained = sum(len(group["params"]) for group in fitting.optimizer.param_groups)
    assert trained == len(list(fitting.model.parameters()))


def test_without_shares_every_layer_takes_the_whole_step():
    cfg = replace(CONFIG, epochs=1, shares=False, schedule="constant")
    fitting = begin(cfg)
    list(fit(fitting, TRAIN, VALID, cfg, seed=0))
    (group,) = fitting.optimizer.param_groups
    assert group["lr"] == cfg.learning_rate
    assert len(group["params"]) == len(list(fitting.model.parameters()))


@pytest.mark.parametrize("name", MODELS)
def test_each_model_learns_a_volume_that_follows_the_eeg(name):
    cfg = replace(CONFIG, epochs=20, learning_rate=0.02, patience=20)
    coupled = follow_the_eeg(run(3, 24))
    chosen = [np.arange(24)]
    scale = fit_scale([coupled], chosen, ScaleConfig())
    examples = Examples([coupled], chosen, scale)
    torch.manual_seed(0)
    model = build(name, SHAPES, ModelConfig(latent=3))
    fitting = start(model, cfg, scale_bold(mean_volume([coupled], chosen, scale), scale))
    untrained = validation_loss(fitting.model, examples, 8)
    list(fit(fitting, examples, examples, cfg, seed=0))
    assert validation_loss(fitting.model, examples, 8) < 0.9 * untrained


def follow_the_eeg(pairs: Pairs) -> Pairs:
    """Let each volume be a pattern, as strong as one frequency of one electrode."""
    driver = pairs.eeg[:, 1, 2].mean(axis=-1)
    pattern = np.random.default_rng(0).standard_normal(SHAPES.bold)
    strength = (driver - driver.mean()) / driver.std()
    bold = 1000 + 20 * strength[:, None, None, None] * pattern
    return replace(pairs, bold=bold.astype(np.float32))


def test_one_step_moves_the_latents_by_about_the_step_size_however_many_numbers_they_sum():
    fitting = begin(replace(CONFIG, regularisation=0.0))
    head = fitting.model.eeg_encoder.head
    before = head.weight.detach().clone()
    list(fit(fitting, TRAIN, VALID, replace(CONFIG, epochs=1), seed=0))
    furthest = (head.weight.detach() - before).abs().sum(dim=1).max().item()
    assert 0 < furthest < 4 * 1.5 * CONFIG.learning_rate


def test_training_can_start_from_zero():
    model = begin(replace(CONFIG, start="zero")).model
    np.testing.assert_array_equal(next(synthesise(model, VALID)), 0)


def test_the_validation_loss_is_the_mean_over_all_pairs_whatever_the_batches():
    model = begin().model.eval()
    eeg, bold = VALID.take(np.arange(7), "cpu")
    with torch.no_grad():
        expected = mean_absolute_error(model(eeg).bold, bold).item()
    for batch_size in (1, 4, 7):
        assert validation_loss(model, VALID, batch_size) == pytest.approx(expected, rel=1e-5)


def test_volumes_are_synthesised_in_order():
    model = begin().model
    torch.nn.init.normal_(model.decoder.weight)
    at_once, in_parts = (
        np.concatenate([*synthesise(model, VALID, batch_size)]) for batch_size in (7, 3)
    )
    np.testing.assert_allclose(in_parts, at_once, atol=1e-5)


def test_synthesis_looks_at_no_observed_volume():
    model = begin().model
    unseen = [replace(one, bold=np.full_like(one.bold, np.nan)) for one in RUNS]
    found = next(synthesise(model, Examples(unseen, VALID.index, SCALE)))
    np.testing.assert_array_equal(found, next(synthesise(model, VALID)))


def test_a_loss_that_is_not_a_number_is_refused():
    fitting = begin()
    fitting.model.start_at(torch.full(SHAPES.bold, math.nan))
    with pytest.raises(DataError, match="not a number in epoch 1"):
        list(fit(fitting, TRAIN, VALID, CONFIG, seed=0))
