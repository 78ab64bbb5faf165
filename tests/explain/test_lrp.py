"""Relevance against closed forms, layer by layer, and what is left of it at the end."""

from dataclasses import replace

import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn
from torch.nn import functional

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.explain.lrp import BENT, Propagation, propagate, stabilise
from bids_eeg2fmri.model.attention import attend, sparsemax
from bids_eeg2fmri.model.hybrid import HaemodynamicPath, Response
from bids_eeg2fmri.model.names import MODELS
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.types import Architecture

SHAPES = Shapes(
    eeg=(6, 8, 5),
    bold=(7, 6, 5),
    eeg_encoder=Architecture(((3, 5, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((4, 3, 2),), ((1, 1, 1),), (2, 2, 2)),
    bands=((0, 3), (3, 8)),
    lags=(9.0, 7.0, 5.0, 3.0, 1.0),
)
CONFIG = ModelConfig(latent=3)
OFFSETS = ("bias", "offset", "levels")


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def trained(name, cfg=CONFIG) -> Network:
    """Build a network all of whose numbers are drawn; means of its input are in the offsets."""
    torch.manual_seed(0)
    model = build(name, SHAPES, cfg).double().eval().requires_grad_(False)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            layer.running_var.uniform_(0.5, 2)
            nn.init.normal_(layer.weight)
    for key, parameter in model.named_parameters():
        if key.endswith(("bias", "offset", "decoder.weight", "response.weight")):
            nn.init.normal_(parameter)
    if name == "hybrid":
        solved(model.linear)
    return model


def solved(path: HaemodynamicPath):
    sizes, weights = draws(12, seed=3).abs() + 1, draws(12, *SHAPES.bold, seed=4)
    path.solve(Response(0.5, 1.2), draws(12, seed=5), sizes, weights)


def offsets_of(model):
    """What is added to sums whatever the EEG."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return [t.requires_grad_() for key, t in named.items() if key.split(".")[-1] in OFFSETS]


def run(layer, x, epsilon=0.0, relevance=None):
    """Propagate from the output of a layer to its input; by default the output itself."""
    x = x.clone().requires_grad_()
    with Propagation(epsilon):
        z = layer(x)
    coefficient = torch.ones_like(z) if relevance is None else relevance / z.detach()
    return z.detach(), propagate(z, coefficient, [x])[0]


def by_the_book(matrix, bias, x, relevance, epsilon):
    """Eq. (9) written out, weights as ``[input, output]``."""
    z = x @ matrix + bias
    shares = x[:, :, None] * matrix / (z + epsilon * z.sign())[:, None, :]
    return (shares * relevance[:, None, :]).sum(dim=-1), z


def as_matrix(layer, shape):
    """Matrix and offset of an affine layer."""
    offset = layer(torch.zeros(1, *shape, dtype=torch.float64)).flatten(1)
    eye = torch.eye(torch.Size(shape).numel(), dtype=torch.float64).view(-1, *shape)
    return layer(eye).flatten(1) - offset, offset


def norm(kind, filters):
    layer = kind(filters).eval()
    layer.running_mean, layer.running_var = draws(filters), draws(filters).abs() + 1
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer


SUMS = {
    "Linear": (nn.Linear(7, 5), (7,)),
    "Conv3d": (nn.Conv3d(2, 3, 2, stride=(1, 2, 1)), (2, 3, 4, 3)),
    "Conv3d, same": (nn.Conv3d(2, 2, 3, padding="same"), (2, 3, 4, 3)),
    "Conv2d": (nn.Conv2d(2, 3, (3, 1), padding="same"), (2, 4, 3)),
    "BatchNorm3d": (norm(nn.BatchNorm3d, 3), (3, 2, 2, 2)),
    "BatchNorm2d": (norm(nn.BatchNorm2d, 3), (3, 2, 2)),
    "einsum": (lambda x: torch.einsum("bc,cd->bd", x, draws(4, 3)), (4,)),
    "matmul": (lambda x: x @ draws(4, 3), (4,)),
    "interpolate": (
        lambda x: functional.interpolate(x, (5, 3, 4), mode="trilinear"),
        (1, 3, 2, 3),
    ),
}


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
@pytest.mark.parametrize("name", SUMS)
def test_weighted_sums_share_relevance_by_the_epsilon_rule(name, epsilon):
    layer, shape = SUMS[name]
    layer = layer.double() if isinstance(layer, nn.Module) else layer
    matrix, bias = as_matrix(layer, shape)
    x, wanted = draws(2, *shape), draws(2, matrix.shape[1], seed=1)
    with torch.no_grad():
        relevance = wanted.view_as(layer(x))
    _, found = run(layer, x, epsilon, relevance)
    expected, z = by_the_book(matrix, bias, x.flatten(1), wanted, epsilon)
    torch.testing.assert_close(found.flatten(1), expected)
    taken = wanted * (bias + epsilon * z.sign()) / (z + epsilon * z.sign())
    torch.testing.assert_close(found.sum(), wanted.sum() - taken.sum())


@pytest.mark.parametrize(
    "layer",
    [nn.ReLU(), nn.Dropout().eval(), nn.Flatten(), nn.Identity()],
    ids=lambda layer: type(layer).__name__,
)
def test_what_sums_nothing_passes_relevance_on(layer):
    z, found = run(layer, draws(2, 3, 4), epsilon=0.1)
    torch.testing.assert_close(found.view_as(z), z)


def test_a_maximum_gives_its_relevance_to_the_winner():
    x = torch.tensor([[[[[3.0, -1.0, 2.0]]]]])
    _, found = run(nn.MaxPool3d((1, 1, 2), stride=1), x)
    assert found.flatten().tolist() == [3, 0, 2]


def test_either_path_of_a_skip_addition_gets_its_own_part():
    z, found = run(lambda x: 2 * x + 3 * x, draws(2, 3))
    torch.testing.assert_close(found, z)


def test_a_sum_of_zero_shares_nothing_and_divides_by_nothing():
    x = torch.tensor([[1.0, -1.0]], requires_grad=True)
    z = stabilise(x.sum(dim=1), 0.0)
    assert propagate(z, torch.ones(1), [x])[0].tolist() == [[0, 0]]


def test_relevance_ends_at_a_cosine():
    assert run(lambda x: torch.cos(x) + x, draws(5))[1].equal(draws(5))
    assert not run(torch.cos, draws(5))[1].any()


def test_the_factors_of_a_product_get_half_each():
    x, y = (draws(3, seed=i).requires_grad_() for i in (1, 2))
    with Propagation(0.0):
        z = x * y
    torch.testing.assert_close(z, x.detach() * y.detach())
    for found in propagate(z, torch.ones(3, dtype=torch.float64), [x, y]):
        torch.testing.assert_close(found, z.detach() / 2)


def test_the_other_factor_of_a_cosine_gets_all():
    x, y = (draws(3, seed=i).requires_grad_() for i in (1, 2))
    with Propagation(0.0):
        z = torch.cos(x) * y
    of_x, of_y = propagate(z, torch.ones_like(z), [x, y])
    torch.testing.assert_close(of_y, z.detach())
    assert not of_x.any()


def test_attended_signals_take_all_and_their_scores_nothing():
    scores, eeg = draws(2, 4, 4).requires_grad_(), draws(2, 4, 9, seed=1).requires_grad_()
    with Propagation(0.0):
        z = attend(eeg, scores)
    of_scores, of_eeg = propagate(z, torch.ones_like(z), [scores, eeg])
    torch.testing.assert_close(of_eeg, eeg.detach() * scores.detach().sum(dim=1)[:, :, None])
    assert not of_scores.any()


def test_a_softmax_gives_no_relevance_to_what_raises_all_products_alike():
    products, weights = draws(2, 5), draws(5, seed=1)
    z, found = run(lambda p: torch.softmax(p, dim=-1) * weights, products)
    scores = torch.softmax(products, dim=-1)
    torch.testing.assert_close(found, products * (z - scores * z.sum(dim=-1, keepdim=True)))
    equal = torch.full((1, 5), 2.0, dtype=torch.float64)
    assert run(lambda p: torch.softmax(p, dim=-1), equal)[1].abs().max() < 1e-12


def test_sparsemax_gives_products_without_a_score_no_relevance():
    products = torch.tensor([[2.0, 1.8, -1.0]], dtype=torch.float64)
    _, found = run(lambda p: sparsemax(p) * torch.tensor([1.0, 0.0, 5.0]), products)
    torch.testing.assert_close(found, products * torch.tensor([[0.5, -0.5, 0.0]]))


def test_of_the_logarithm_of_mean_power_a_bin_gets_its_share_of_the_power_times_its_value():
    path = HaemodynamicPath(SHAPES).double()
    path.expect_logarithms(draws(6, 8), 2.0)
    x = draws(2, *SHAPES.eeg)
    _, found = run(path.power, x)
    power = path.averages[None, ..., None] * torch.exp(2 * x)[:, :, None]
    shares = power / power.sum(dim=3, keepdim=True)
    torch.testing.assert_close(found, (shares * x[:, :, None]).sum(dim=2))
    flat = torch.full_like(x, 0.7)  # bins that are alike keep all
    torch.testing.assert_close(run(path.power, flat)[1].sum(), run(path.power, flat)[0].sum())


class Bookkeeping(Propagation):
    """Remember what goes into softmax and logarithms, and what comes out."""

    def __init__(self, epsilon):
        super().__init__(epsilon)
        self.ends = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs)
        if func in BENT and result.requires_grad:
            self.ends.append((args[0], result))
        return result


def balance(model, eeg):
    """Relevance of the EEG, of offsets, and what tangents keep, with what they should add up to."""
    offsets = offsets_of(model)
    with Bookkeeping(0.0) as book:
        output = model(eeg).bold
    ends = [end for pair in book.ends for end in pair]
    found = propagate(output, torch.ones_like(output), [eeg, *offsets, *ends])
    sums = [one.sum().item() for one in found]
    before, after = (sums[1 + len(offsets) + i :: 2] for i in (0, 1))
    return sums[0], sum(sums[1 : 1 + len(offsets)]), sum(after) - sum(before), output.sum().item()


BALANCED = {
    "linear": CONFIG,
    "liu-sajda": CONFIG,
    "topo-unstyled": CONFIG,
    "linear without skip, norm and pool": replace(
        CONFIG, skip=False, batch_norm=False, max_pool=False
    ),
    "topo": CONFIG,
    "topo-rff": CONFIG,
    "hybrid": CONFIG,
}


@pytest.mark.parametrize("name", BALANCED)
def test_eeg_offsets_and_tangents_share_all_of_the_output_end_to_end(name):
    model = trained(name.split()[0], BALANCED[name])
    if name == "hybrid":
        model.linear.expect_logarithms(draws(6, 8), 2.0)
    eeg, offsets, tangents, output = balance(model, draws(1, *SHAPES.eeg).requires_grad_())
    assert eeg != 0
    assert eeg + offsets + tangents == pytest.approx(output)
    assert (abs(tangents) > 1e-9) == (name in ("topo", "topo-rff", "hybrid"))


@pytest.mark.parametrize("function", [torch.sin, torch.square, torch.mul, torch.matmul])
def test_a_function_without_a_rule_is_refused(function):
    x = draws(3, 3).requires_grad_()
    with Propagation(0.0), pytest.raises(NotImplementedError, match="no rule"):
        function(x, x) if function in (torch.mul, torch.matmul) else function(x)


@pytest.mark.parametrize(("name", "part"), [("topo-rff", 1.0), ("topo", 0.5)])
def test_attention_scores_share_what_the_decoder_leaves_the_style(name, part):
    model, eeg = trained(name), draws(3, *SHAPES.eeg).requires_grad_()
    with Propagation(0.0):
        found = model(eeg)
    (of_scores,) = propagate(found.bold, torch.ones_like(found.bold), [found.attention])
    wanted = part * (found.bold.detach() - model.decoder.bias.view(SHAPES.bold)).sum()
    torch.testing.assert_close(of_scores.sum(), wanted)


def test_the_linear_path_of_the_hybrid_loses_nothing_but_its_levels():
    path, eeg = trained("hybrid").linear, draws(3, *SHAPES.eeg).requires_grad_()
    path.levels.requires_grad_()
    with Propagation(0.0):
        output = path(eeg)
    of_eeg, of_levels = propagate(output, torch.ones_like(output), [eeg, path.levels])
    torch.testing.assert_close(of_eeg.sum() + of_levels.sum(), output.detach().sum())


@pytest.mark.parametrize("name", ["rff", "topo-rff-unstyled", "topo-rff-prior"])
def test_nothing_leads_back_to_the_eeg_where_all_goes_through_cosines(name):
    model, eeg = trained(name), draws(3, *SHAPES.eeg).requires_grad_()
    with Propagation(0.0):
        output = model(eeg).bold
    assert not propagate(output, torch.ones_like(output), [eeg])[0].any()


def test_a_latent_of_bold_shares_its_relevance_among_voxels():
    model, bold = trained("topo-rff").bold_encoder, draws(3, *SHAPES.bold).requires_grad_()
    offsets = offsets_of(model)
    with Propagation(0.0):
        latent = model(bold)
    of_bold, *of_offsets = propagate(latent, torch.ones_like(latent), [bold, *offsets])
    total = of_bold.sum() + sum(one.sum() for one in of_offsets)
    torch.testing.assert_close(total, latent.detach().sum())


@pytest.mark.parametrize("name", [*MODELS, "topo with sparsemax"])
def test_rules_change_no_output(name):
    cfg = replace(CONFIG, attention="sparsemax" if "sparsemax" in name else "softmax")
    model, eeg = trained(name.split()[0], cfg), draws(1, *SHAPES.eeg)
    with Propagation(0.1):
        found = model(eeg.requires_grad_())
    torch.testing.assert_close(found.bold, model(eeg.detach()).bold)


@pytest.mark.parametrize(("name", "least"), [("linear", 0.9), ("topo-unstyled", 0.7)])
def test_integrated_gradients_and_relevance_point_the_same_way(name, least):
    model, eeg = trained(name), draws(3, *SHAPES.eeg)
    with Propagation(0.0):
        output = model(signal := eeg.clone().requires_grad_()).bold
    (ours,) = propagate(output, torch.ones_like(output), [signal])
    theirs = IntegratedGradients(lambda x: model(x).bold.flatten(1).sum(dim=1)).attribute(eeg)
    assert torch.corrcoef(torch.stack([ours.flatten(), theirs.flatten()]))[0, 1] > least


def test_integrated_gradients_are_the_relevance_of_a_linear_path():
    path, eeg = trained("hybrid").linear, draws(3, *SHAPES.eeg)
    with Propagation(0.0):
        output = path(signal := eeg.clone().requires_grad_())
    (ours,) = propagate(output, torch.ones_like(output), [signal])
    theirs = IntegratedGradients(lambda x: path(x).flatten(1).sum(dim=1)).attribute(eeg)
    torch.testing.assert_close(ours, theirs)
