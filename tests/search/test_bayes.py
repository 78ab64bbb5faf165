import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from bids_eeg2fmri.config import ModelConfig, OptimiseConfig, ScaleConfig, TrainConfig
from bids_eeg2fmri.errors import DataError, ShapeError, UsageError
from bids_eeg2fmri.model.autoencoder import Autoencoder
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.preprocess.scale import fit_scale, mean_volume, scale_bold
from bids_eeg2fmri.search.bayes import (
    DESIGN,
    Domain,
    Trial,
    attempt,
    beats,
    best,
    check_same_space,
    describe,
    due,
    overrides,
    score_of_mean,
    search_space,
    suggest,
)
from bids_eeg2fmri.settings import from_mapping, to_toml, validate
from bids_eeg2fmri.train.examples import Examples, Reconstructions
from bids_eeg2fmri.train.fit import fit, start, validation_loss
from bids_eeg2fmri.types import Architecture, Pairs

CONFIG = OptimiseConfig(iterations=22)
PAPER = search_space("autoencoder", CONFIG)
TOY = {
    "train.learning_rate": Domain("log-uniform", (1e-10, 1e-2)),
    "model.latent": Domain("integer", (4, 8)),
    "model.skip": Domain("choice", (False, True)),
}


def loss(values):
    """Lowest, 0, at a step size of 1e-4 with K = 6 and skips; K = 8 needs too much memory."""
    decades = math.log10(values["train.learning_rate"]) + 4
    if values["model.latent"] == 8:
        raise MemoryError
    if decades > 1.5:
        return 1e12 * decades  # diverged
    return 0.1 * decades**2 + 0.1 * abs(values["model.latent"] - 6) + (not values["model.skip"])


def search(cfg=CONFIG, trials=(), seed=0, stop=math.inf):
    """Go on with a search until its budget is spent, or it is killed after ``stop`` trials."""
    trials = list(trials)
    while points := due(TOY, trials, cfg, seed):
        for number, values in points.items():
            trials.append(replace(attempt(number, values, loss), seconds=None))
            if len(trials) >= stop:
                return trials
    return trials


@pytest.fixture(scope="module")
def undisturbed():
    return search()


def failed(values):
    return [Trial(i, v, None, "Out of memory.") for i, v in enumerate(values)]


def lies_within(domain, value):
    if domain.kind == "choice":
        return value in domain.values
    return domain.values[0] <= value <= domain.values[1]


def test_a_known_optimum_is_found_better_than_at_random(undisturbed):
    found = best(undisturbed)
    assert found.score < 0.005
    assert found.values["model.latent"] == 6
    assert found.values["model.skip"] is True
    assert found.values["train.learning_rate"] == pytest.approx(1e-4, rel=0.7)


def test_random_draws_of_the_same_number_rarely_come_as_close():
    draws = np.random.default_rng(0)
    lowest = []
    for _ in range(200):
        decades, skips = draws.uniform(-6, 2, CONFIG.iterations), draws.integers(0, 2, 22)
        latents = draws.integers(4, 9, CONFIG.iterations)
        scores = 0.1 * decades**2 + 0.1 * abs(latents - 6) + (1 - skips)
        lowest.append(scores[latents < 8].min())
    assert np.mean(np.array(lowest) < 0.005) < 0.15


@pytest.mark.parametrize("done", [8, 13])
def test_a_killed_search_goes_on_as_if_undisturbed(undisturbed, done):
    stored = json.loads(json.dumps([asdict(trial) for trial in undisturbed[:done]]))
    assert search(trials=[Trial(**t) for t in stored], stop=done + 4) == undisturbed[: done + 4]


def test_parallel_trials_may_end_in_any_order_and_be_killed_halfway():
    cfg = replace(CONFIG, iterations=14, parallel=4)
    whole = search(cfg)
    assert search(cfg, trials=[whole[i] for i in (9, 2, 0, 3, 1, 5, 4, 6, 7, 11)])[10:] == [
        whole[i] for i in (8, 10, 12, 13)
    ]


def test_a_larger_budget_goes_on_with_the_same_search(undisturbed):
    shorter = search(replace(CONFIG, iterations=12))
    assert shorter == undisturbed[:12]
    assert search(trials=shorter, stop=14) == undisturbed[:14]


def test_a_spent_budget_asks_for_nothing(undisturbed):
    assert due(TOY, undisturbed, CONFIG, seed=0) == {}
    assert due(TOY, undisturbed, replace(CONFIG, iterations=5), seed=0) == {}


def test_points_asked_for_together_differ_and_begin_like_fewer(undisturbed):
    three, two = (suggest(TOY, undisturbed[:12], n, seed=0) for n in (3, 2))
    assert three[:2] == two
    assert len({tuple(point.values()) for point in three}) == 3


def test_another_seed_draws_other_points():
    assert suggest(PAPER, [], 3, seed=0) != suggest(PAPER, [], 3, seed=1)


def test_points_lie_in_their_domains_and_are_plain_python():
    for point in suggest(PAPER, [], DESIGN + 2, seed=3):
        assert list(point) == list(PAPER)
        assert json.loads(json.dumps(point)) == point
        assert all(lies_within(PAPER[name], value) for name, value in point.items())


def test_the_first_points_spread_evenly_over_the_decades_and_cover_every_choice():
    points = suggest(PAPER, [], DESIGN, seed=0)
    decades = np.log10([point["train.learning_rate"] for point in points])
    np.testing.assert_array_equal(np.histogram(decades, bins=DESIGN, range=(-10, -2))[0], 1)
    assert {point["model.latent"] for point in points} == {4, 5, 6, 7, 8}
    for name in ("model.filters", "model.max_pool", "model.skip", "model.dropout"):
        assert {point[name] for point in points} == set(PAPER[name].values)


def test_where_trials_failed_few_follow(undisturbed):
    later = [trial for trial in undisturbed if trial.number >= DESIGN]
    assert sum(trial.score is None for trial in undisturbed) >= 2
    assert sum(trial.score is None for trial in later) <= 1


def test_a_search_goes_on_although_all_trials_failed():
    tried = suggest(TOY, [], DESIGN, seed=0)
    after = suggest(TOY, failed(tried), 2, seed=0)
    assert all(point not in tried for point in after)
    with pytest.raises(DataError, match=r"None of 10 trials .* The last one: Out of memory\."):
        best(failed(tried))


def test_no_suggestion_depends_on_the_unit_of_the_score_or_on_how_far_others_diverged():
    points = suggest(TOY, [], DESIGN, seed=0)
    small = [Trial(i, point, 0.5 + 0.01 * i) for i, point in enumerate(points)]
    large = [replace(trial, score=math.exp(40 * trial.score)) for trial in small]
    assert suggest(TOY, small, 1, seed=0) == suggest(TOY, large, 1, seed=0)


def test_where_every_point_has_been_tried_points_are_drawn_again():
    space = {"model.skip": TOY["model.skip"]}
    points = [{"model.skip": i % 2 == 0} for i in range(DESIGN)]
    trials = [Trial(i, point, float(point["model.skip"])) for i, point in enumerate(points)]
    assert suggest(space, trials, 1, seed=0)[0] in points


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DataError("The loss is not a number in epoch 1."), "not a number"),
        (ShapeError("No architecture leads from 5 to 8."), "No architecture"),
        (MemoryError(), "Out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB"), "Out of memory"),
    ],
)
def test_what_could_not_be_evaluated_is_recorded_with_its_reason(error, reason):
    def evaluate(values):
        raise error

    trial = attempt(4, {"model.latent": 8}, evaluate)
    assert (trial.number, trial.values, trial.score) == (4, {"model.latent": 8}, None)
    assert reason in trial.reason


def test_the_processor_running_out_of_memory_is_a_failed_trial():
    trial = attempt(0, {}, lambda values: torch.empty(2**60).sum().item())
    assert trial.reason == "Out of memory."


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_a_failed_trial(score):
    trial = attempt(0, {}, lambda values: score)
    assert (trial.score, trial.reason) == (None, f"The score is {score}.")


def test_a_defect_is_no_failed_trial():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        attempt(0, {}, lambda values: (torch.ones(2, 3) @ torch.ones(2, 3)).sum().item())


def test_the_best_trial_is_the_first_of_the_lowest():
    scores = [0.3, None, 0.1, 0.1]
    assert best([Trial(i, {}, score) for i, score in enumerate(scores)]).number == 2


@pytest.mark.parametrize("phase", ["autoencoder", "synthesis"])
def test_every_point_is_a_valid_set_of_settings(phase):
    space = search_space(phase, CONFIG)
    assert ("model.latent" in space) == (phase == "autoencoder")
    for point in suggest(space, [], DESIGN, seed=0):
        config = validate(from_mapping(overrides(point)))
        for name, value in point.items():
            section, key = name.split(".")
            assert getattr(getattr(config, section), key) == value
        assert f"learning_rate = {point['train.learning_rate']!r}\n" in to_toml(config)


def test_domains_are_those_of_the_paper_and_move_with_the_settings():
    assert describe(PAPER)["train.learning_rate"] == ["log-uniform", 1e-10, 1e-2]
    assert describe(PAPER)["train.weight_decay"] == ["log-uniform", 1e-10, 1e-1]
    narrow = from_mapping({"optimise": {"latent": [2, 3]}}).optimise
    assert describe(search_space("autoencoder", narrow))["model.latent"] == ["integer", 2, 3]


def test_a_search_goes_on_in_the_space_it_was_begun_with():
    check_same_space(PAPER, json.loads(json.dumps(describe(PAPER))))


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        (
            describe(PAPER) | {"model.filters": ["choice", 2, 8]},
            r"model\.filters: .* begun with choice \[2, 8\] and cannot go on with choice \[2, 4\]",
        ),
        (describe(search_space("synthesis", CONFIG)), r"model\.latent: .* begun with nothing"),
        (describe(PAPER) | {"model.depth": ["choice", 2]}, r"model\.depth: .* on with nothing\."),
    ],
)
def test_a_search_begun_in_another_space_is_refused(recorded, words):
    with pytest.raises(UsageError, match=words):
        check_same_space(PAPER, recorded)


SHAPES = Shapes(
    eeg=(5, 6, 4),
    bold=(5, 6, 5),
    eeg_encoder=Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 2)),
)


def one_pattern_that_comes_and_goes(n):
    draws = np.random.default_rng(0)
    pattern = draws.standard_normal(SHAPES.bold)
    course = draws.standard_normal(n)
    return Pairs(
        eeg=(1e-6 * draws.random((n, *SHAPES.eeg))).astype(np.float32),
        bold=(1000 + 20 * np.multiply.outer(course, pattern)).astype(np.float32),
        volume=np.arange(n),
        onset=2.0 * np.arange(n),
        freqs=np.arange(6.0),
        channels=tuple("ABCDE"),
        run="sub-01",
        mask=np.ones(SHAPES.bold, dtype=bool),
        n_volumes=n,
    )


def test_an_autoencoder_is_fitted_as_any_network_and_learns_a_pattern():
    runs, chosen = [one_pattern_that_comes_and_goes(60)], [np.arange(40)]
    scale, cfg = fit_scale(runs, chosen, ScaleConfig()), TrainConfig(epochs=15, learning_rate=0.02)
    train = Reconstructions(runs, chosen, scale)
    valid = Reconstructions(runs, [np.arange(40, 60)], scale)
    given, wanted = train.take(np.arange(3), "cpu")
    assert torch.equal(given, wanted)
    torch.manual_seed(0)
    model = Autoencoder(SHAPES, ModelConfig(latent=2, dropout=0.0))
    mean = scale_bold(mean_volume(runs, chosen, scale), scale)
    losses = [epoch.valid_loss for epoch in fit(start(model, cfg, mean), train, valid, cfg, seed=0)]
    assert min(losses) < 0.5 * score_of_mean(valid, mean)


def test_the_mean_volume_scores_as_an_untrained_network_does_that_starts_from_it():
    runs = [one_pattern_that_comes_and_goes(n) for n in (30, 40)]
    train, held = [np.arange(20), np.arange(0)], [np.arange(20, 30), np.arange(33)]
    scale = fit_scale(runs, train, ScaleConfig())
    mean = scale_bold(mean_volume(runs, train, scale), scale)
    valid = Reconstructions(runs, held, scale)
    model = start(Autoencoder(SHAPES, ModelConfig(latent=2)), TrainConfig(), mean).model
    found = score_of_mean(valid, mean, batch_size=8)
    assert found == pytest.approx(validation_loss(model, valid, 16), rel=1e-6)
    assert found == pytest.approx(score_of_mean(Examples(runs, held, scale), mean), rel=1e-12)


@pytest.mark.parametrize(
    ("score", "told"), [(None, False), (2.0, False), (1.999, False), (1.99, True)]
)
def test_a_trial_beats_the_mean_volume_by_more_than_rounding(score, told):
    assert beats(Trial(0, {}, score), mean_score=2.0) == told
