"""The linear path finds what was planted, and the network counts for what it adds."""

import numpy as np
import pytest
import torch

from bids_eeg2fmri.config import ModelConfig, ScaleConfig
from bids_eeg2fmri.evaluate.metrics import pearsoncorrelation
from bids_eeg2fmri.model.hybrid import Hybrid, Response
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.scale import fit_scale, to_model
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.fit import synthesise
from bids_eeg2fmri.train.hybrid import RESPONSES, settle, solve_linear_path
from bids_eeg2fmri.types import Architecture, Pairs

LAGS = np.arange(19.0, 0, -2)
SHAPES = Shapes(
    eeg=(4, 6, 10),
    bold=(5, 6, 5),
    eeg_encoder=Architecture(((2, 4, 4),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 2)),
    bands=((0, 2), (2, 4), (4, 6)),
    lags=tuple(LAGS.tolist()),
)
N = 240


def coupled(response: Response, noise: float, seed: int = 0) -> Pairs:
    """Volumes that follow one band of one electrode through a haemodynamic response."""
    rng = np.random.default_rng(seed)
    series = rng.gamma(4, 1e-6, size=(N + 9, 4, 6))
    eeg = np.stack([np.moveaxis(series[i : i + 10], 0, -1) for i in range(N)])
    u = np.maximum((LAGS - response.delay) / response.width, 1e-6)
    h = u**5 * np.exp(-u) / 120 - u**15 * np.exp(-u) / 1307674368000 / 6
    drive = eeg[:, 1, 2:4].mean(axis=1) @ h
    drive = (drive - drive.mean()) / drive.std()
    pattern = np.random.default_rng(9).normal(size=SHAPES.bold)
    bold = 1000 + 5 * drive[:, None, None, None] * pattern
    bold = bold + 5 * noise * rng.normal(size=bold.shape)
    return Pairs(
        eeg=eeg.astype(np.float32),
        bold=bold.astype(np.float32),
        volume=np.arange(N),
        onset=2.0 * np.arange(N),
        freqs=np.arange(6.0),
        channels=tuple("ABCD"),
        run="sub-01_task-rest",
        mask=np.ones(SHAPES.bold, dtype=bool),
        n_volumes=N,
    )


def parts(pairs: Pairs) -> tuple[Examples, Examples]:
    train, test = [np.arange(160)], [np.arange(175, N)]
    scale = fit_scale([pairs], train, ScaleConfig(target="deviation"))
    return Examples([pairs], train, scale), Examples([pairs], test, scale)


def untrained():
    torch.manual_seed(0)
    return build("hybrid", SHAPES, ModelConfig(latent=2))


@pytest.mark.parametrize("planted", [Response(0.0, 1.0), Response(3.0, 1.0), Response(0.0, 1.5)])
def test_the_linear_path_finds_the_planted_response_and_predicts_by_it(planted):
    pairs = coupled(planted, noise=0.5)
    train, test = parts(pairs)
    model = untrained()
    solve_linear_path(model, train, "power", gap=26.0, seed=0)
    assert (model.linear.delay.item(), model.linear.width.item()) == planted
    predicted = np.concatenate(list(synthesise(model, test)))
    observed = to_model(pairs.bold[test.index[0]], train.scale, pairs.run)
    r = pearsoncorrelation(observed.reshape(65, -1), predicted.reshape(65, -1))
    assert np.mean(r) > 0.6


def test_no_pair_but_the_training_ones_moves_the_linear_path():
    pairs = coupled(RESPONSES[0], noise=1.0)
    pairs_too = coupled(RESPONSES[0], noise=1.0)
    pairs_too.bold[160:] = 0
    models = [untrained(), untrained()]
    for model, given in zip(models, (pairs, pairs_too), strict=True):
        solve_linear_path(model, parts(given)[0], "power", gap=26.0, seed=0)
    torch.testing.assert_close(models[0].state_dict(), models[1].state_dict(), rtol=0, atol=0)


def beside_a_solved_path(pairs: Pairs, size: float) -> tuple[Hybrid, Examples, Response]:
    """A hybrid that knows nothing beside a network that predicts so many times too much."""
    train, test = parts(pairs)
    inner, outer = untrained(), untrained()
    solved = solve_linear_path(inner, train, "power", gap=26.0, seed=0)
    inner.linear.weights.mul_(size)
    return Hybrid(outer.linear, inner).eval(), test, solved


@pytest.mark.parametrize(("size", "share"), [(1.0, 1.0), (-1.0, 0.0)])
def test_a_network_that_errs_is_left_out_and_one_that_is_right_counts_fully(size, share):
    model, test, solved = beside_a_solved_path(coupled(RESPONSES[0], noise=0.0), size)
    settle(model, test, solved)
    assert model.mix.item() == pytest.approx(share, abs=0.05)


def test_the_share_of_the_network_is_the_least_squares_one_of_what_varies():
    model, test, solved = beside_a_solved_path(coupled(RESPONSES[0], noise=1.0), 3.0)
    eeg, wanted = test.take(np.arange(65), "cpu")
    with torch.no_grad():
        found, rest = (v - v.mean(dim=0) for v in (model.network(eeg).bold, wanted))
    share = torch.linalg.lstsq(found.reshape(-1, 1), rest.flatten()).solution.item()
    settle(model, test, solved)
    assert 0.2 < share < 0.5
    assert model.mix.item() == pytest.approx(share, abs=1e-4)


def test_what_a_network_gains_by_luck_does_not_count():
    counted = 0
    for seed in range(20):
        _, test = parts(coupled(RESPONSES[0], noise=1e3, seed=seed))
        model = untrained()
        torch.nn.init.normal_(model.network.decoder.weight)
        settle(model, test, RESPONSES[0])
        counted += model.mix.item() > 0
    assert counted <= 1


@pytest.mark.parametrize("right", [True, False])
def test_the_response_that_training_moved_stays_where_validation_bears_it_out(right):
    planted, other = Response(1.5, 1.0), Response(-1.0, 1.5)
    pairs = coupled(planted, noise=0.3)
    train, test = parts(pairs)
    model = untrained()
    solve_linear_path(model, train, "power", gap=26.0, seed=0)
    model.linear.respond(planted if right else other)
    settle(model, test, other if right else planted)
    assert (model.linear.delay.item(), model.linear.width.item()) == planted
