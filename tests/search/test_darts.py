"""Weights against known answers, a replica in numpy, and interruptions."""

import weakref
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from bids_eeg2fmri.config import SearchConfig
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.search.darts import SearchEpoch, mixture, one_after_the_other, select, start

QUICK = SearchConfig(epochs=3, learning_rate=0.05)
FORMS = ((0, 1), (0, 1, 2), (0, 3), (1,))
"""Powers of x that each toy network sums; the second has the form of the truth."""


@dataclass(eq=False)
class Polynomial:
    """A regressor that learns the coefficients of some powers."""

    powers: tuple[int, ...]
    seed: int = 0
    layer: nn.Linear = field(init=False)
    optimizer: torch.optim.Adam = field(init=False)

    def __post_init__(self):
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.layer = nn.Linear(len(self.powers), 1, bias=False)
        self.optimizer = torch.optim.Adam(self.layer.parameters(), lr=0.05)

    def __call__(self, x):
        return self.layer(x ** torch.tensor(self.powers, dtype=x.dtype))

    def train_epoch(self, number):
        x, y = toy(64, seed=1)
        losses = []
        for chosen in np.random.default_rng(number).permutation(64).reshape(-1, 8):
            loss = nn.functional.mse_loss(self(x[chosen]), y[chosen])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    @torch.no_grad()
    def predict(self, batch):
        return self(toy(30, seed=2)[0].split(8)[batch])


@dataclass
class Constant:
    """A network that has nothing to learn."""

    value: float
    trained: int = 0

    def train_epoch(self, number):
        self.trained += 1
        return self.value

    def predict(self, batch):
        return torch.full((4, 1), self.value)


def toy(n, seed):
    """A parabola with a little noise."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 1))
    y = 1 - 2 * x**2 + 0.05 * rng.standard_normal((n, 1))
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


def targets():
    """What the toy networks ought to predict, in batches of which the last is shorter."""
    return toy(30, seed=2)[1].split(8)


def polynomials():
    return [Polynomial(powers, seed=i) for i, powers in enumerate(FORMS)]


def run(contenders, cfg=QUICK, observed=None, kept=None, lend=None, **how):
    """Search to the end, from what was kept of an earlier search where there is something."""
    selection = start(len(contenders), cfg)
    if kept:
        history = [SearchEpoch(**asdict(epoch)) for epoch in kept.history]
        selection.restore(load(save(kept.tensors())), history)
    observed = targets() if observed is None else observed
    lend = lend or (lambda i: nullcontext(contenders[i]))
    how = {"steps": 8, "seed": 0} | how
    loss = nn.functional.mse_loss
    turns = one_after_the_other(lend, observed, loss)
    list(select(selection, turns, observed, loss, cfg, **how))
    return selection


def test_two_constants_get_the_weights_that_make_their_mean_the_target():
    cfg = SearchConfig(epochs=20, learning_rate=0.05)
    observed = [torch.full((4, 1), 0.3)]
    weights = run([Constant(0.0), Constant(1.0)], cfg, observed).weights
    torch.testing.assert_close(weights, torch.tensor([0.7, 0.3]), atol=1e-3, rtol=0)


def test_the_candidate_with_the_form_of_the_truth_wins():
    selection = run(polynomials(), replace(QUICK, epochs=15))
    assert selection.largest_weight == 1
    assert selection.best_validation == 1
    assert selection.history[-1].weights[1] > 0.9


def test_the_weights_sum_to_one_after_every_epoch():
    for epoch in run(polynomials()).history:
        assert sum(epoch.weights) == pytest.approx(1)
        assert min(epoch.weights) > 0


def test_the_mixture_is_the_weighted_sum_written_out():
    logits, predictions = torch.randn(3), torch.randn(3, 4, 2, 2, 2)
    weights = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum()
    written = np.einsum("i,ibxyz->bxyz", weights, predictions.numpy())
    np.testing.assert_allclose(mixture(logits, predictions), written, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_the_mixture_agrees_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    logits, predictions, observed = (
        torch.randn(shape, dtype=torch.float64, generator=generator)
        for shape in ((3,), (3, 5, 2), (5, 2))
    )
    logits.requires_grad_()
    torch.autograd.gradcheck(lambda a: (mixture(a, predictions) - observed).abs().mean(), logits)


def test_the_weights_agree_with_adam_written_out_in_numpy():
    values, observed, rate = np.array([0.0, 1.0, 3.0]), 0.5, 0.05
    logits, first, second = np.zeros(3), np.zeros(3), np.zeros(3)
    for step in range(1, 25):  # 3 epochs of 8 steps
        weights = np.exp(logits) / np.exp(logits).sum()
        error = weights @ values - observed
        gradient = 2 * error * weights * (values - weights @ values)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        corrected = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        logits = logits - rate * first / (1 - 0.9**step) / corrected
    found = run([Constant(value) for value in values], observed=[torch.full((4, 1), observed)])
    np.testing.assert_allclose(found.weights, np.exp(logits) / np.exp(logits).sum(), atol=1e-5)


def test_candidates_are_trained_independently():
    together, apart = run(polynomials()), run([polynomials()[0], polynomials()[3]])
    assert [e.train_loss[0] for e in together.history] == [e.train_loss[0] for e in apart.history]


def test_the_validation_loss_is_that_of_all_pairs_at_once():
    contenders = polynomials()
    recorded = run(contenders).history[-1].valid_loss
    x, y = toy(30, seed=2)
    for contender, loss in zip(contenders, recorded, strict=True):
        assert loss == pytest.approx(nn.functional.mse_loss(contender(x), y).item(), rel=1e-5)


def one_at_a_time(held):
    """Lend a candidate whose state lies elsewhere the rest of the time."""
    away = {}

    @contextmanager
    def lend(i):
        assert not held
        contender = Polynomial(FORMS[i], seed=i)
        held.add(contender)
        if i in away:
            contender.layer.load_state_dict(away[i][0])
            contender.optimizer.load_state_dict(away[i][1])
        yield contender
        away[i] = contender.layer.state_dict(), contender.optimizer.state_dict()

    return lend


def test_one_at_a_time_gives_the_same_numbers_and_never_holds_two(tmp_path):
    def on_disk(name, shape, dtype):
        path = tmp_path / f"{name}.npy"
        return np.lib.format.open_memmap(path, "w+", dtype, shape)

    side_by_side = run(polynomials())
    lend = one_at_a_time(weakref.WeakSet())
    by_turns = run(polynomials(), lend=lend, allocate=on_disk)
    assert by_turns.history == side_by_side.history
    assert torch.equal(by_turns.logits, side_by_side.logits)
    assert len(list(tmp_path.iterdir())) == len(targets())


def test_a_search_taken_up_again_gives_the_same_numbers():
    undisturbed = run(polynomials(), replace(QUICK, epochs=4))
    contenders = polynomials()
    broken = run(contenders, replace(QUICK, epochs=2))
    resumed = run(contenders, replace(QUICK, epochs=4), kept=broken)
    assert [epoch.number for epoch in resumed.history] == [1, 2, 3, 4]
    assert resumed.history == undisturbed.history
    assert torch.equal(resumed.logits, undisturbed.logits)


def test_a_search_without_epochs_can_be_kept_and_taken_up():
    selection = start(3, QUICK)
    selection.restore(load(save(selection.tensors())), [])
    assert selection.weights.tolist() == pytest.approx([1 / 3] * 3)


def test_the_seed_decides_the_numbers():
    first, again, other = (run(polynomials(), seed=seed).history for seed in (3, 3, 4))
    assert first == again
    assert first[-1].weights != other[-1].weights


def test_the_candidates_leave_the_global_random_state_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    run(polynomials())
    assert torch.equal(torch.random.get_rng_state(), before)


@dataclass
class Failing(Constant):
    """A candidate that gives no number from some epoch on."""

    since: int = 2
    where: str = "train"

    def train_epoch(self, number):
        super().train_epoch(number)
        self.number = number
        return np.nan if self.where == "train" and number >= self.since else 0.1

    def predict(self, batch) -> Tensor:
        broken = self.where == "predict" and self.number >= self.since
        return torch.full((4, 1), np.inf if broken else self.value)


@pytest.mark.parametrize("where", ["train", "predict"])
def test_a_candidate_that_gives_no_number_is_dropped_and_named(where):
    failing = Failing(0.3, where=where)  # right, as long as it lasts
    contenders = [Constant(0.0), failing, Constant(1.0)]
    selection = run(contenders, observed=[torch.full((4, 1), 0.3)] * 2)
    first, second, third = selection.history
    assert (first.dropped, second.dropped, third.dropped) == ([], [1], [])
    assert first.weights[1] > 0
    assert second.weights[1] == third.weights[1] == 0
    assert sum(third.weights) == pytest.approx(1)
    assert np.isnan(third.valid_loss[1])
    assert np.isfinite(third.mixture_loss)
    assert failing.trained == 2
    assert selection.largest_weight == selection.best_validation == 0


def test_a_dropped_candidate_stays_out_after_an_interruption():
    contenders = [Constant(0.0), Failing(0.3), Constant(1.0)]
    observed = [torch.full((4, 1), 0.3)] * 2
    undisturbed = run(contenders, observed=observed)
    broken = run(contenders, replace(QUICK, epochs=2), observed=observed)

    def garbage(_name, shape, dtype):
        return np.full(shape, np.nan, dtype)

    resumed = run(contenders, observed=observed, kept=broken, allocate=garbage)
    assert torch.equal(resumed.weights, undisturbed.weights)


def test_the_search_ends_when_one_candidate_is_left():
    contenders = [Failing(0.3), Constant(1.0)]
    selection = run(contenders, replace(QUICK, epochs=5), observed=[torch.zeros(4, 1)])
    assert len(selection.history) == 2
    assert selection.weights.tolist() == [0, 1]
    assert selection.largest_weight == selection.best_validation == 1


def test_no_candidate_left_ends_in_an_error():
    contenders = [Failing(0.3), Failing(0.5)]
    with pytest.raises(DataError, match=r"in epoch 2\. Lower search\.learning_rate"):
        run(contenders, observed=[torch.zeros(4, 1)])


def test_one_candidate_alone_is_chosen_without_work():
    alone = Constant(1.0)
    selection = run([alone])
    assert (selection.history, alone.trained) == ([], 0)
    assert selection.largest_weight == selection.best_validation == 0


def test_best_validation_counts_a_candidates_best_epoch():
    selection = start(2, QUICK)
    losses = ([0.5, 0.2], [0.3, 0.9])
    history = [
        SearchEpoch(n, [0.6, 0.4], [1.0, 1.0], loss, 0.1, []) for n, loss in enumerate(losses, 1)
    ]
    selection.restore(selection.tensors(), history)
    assert selection.best_validation == 1
