"""What relevance adds up to: layer by layer, through whole models, and beside integrated gradients.

For each kind of layer with numbers drawn at random: the relevance that comes out, what of it goes
to the input, to offsets and to what tangents keep (softmax, logarithms), and by how much these miss
the whole. Then the same for each model from its output to the EEG, at ε = 0 and at the default,
where what is missing of models whose ways all lead through cosines has ended there;
relevance of the EEG beside integrated gradients (Sundararajan et al. 2017) as the correlation over
all entries of the spectrogram. Needs captum.
"""

from collections.abc import Callable, Mapping

import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn
from torch.nn import functional

from bids_eeg2fmri.config import ExplainConfig, ModelConfig
from bids_eeg2fmri.explain.lrp import BENT, Propagation, propagate
from bids_eeg2fmri.model.hybrid import Hybrid, Response
from bids_eeg2fmri.model.names import MODELS
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.types import Architecture

SHAPES = Shapes(
    eeg=(16, 24, 10),
    bold=(14, 15, 12),
    eeg_encoder=Architecture(((5, 7, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((5, 5, 5),), ((1, 1, 1),), (2, 2, 2)),
    bands=((0, 4), (4, 12), (12, 24)),
    lags=tuple(float(lag) for lag in range(19, 0, -2)),
)
OFFSETS = ("bias", "offset", "levels")
LAYERS: Mapping[str, tuple[nn.Module, tuple[int, ...]]] = {
    "Linear": (nn.Linear(40, 30), (40,)),
    "Conv3d": (nn.Conv3d(3, 4, 3, padding="same"), (3, 6, 7, 5)),
    "BatchNorm3d": (nn.BatchNorm3d(3), (3, 6, 7, 5)),
    "MaxPool3d": (nn.MaxPool3d(2, stride=1), (3, 6, 7, 5)),
    "ReLU": (nn.ReLU(), (40,)),
    "Flatten": (nn.Flatten(), (3, 6, 7, 5)),
    "Softmax": (nn.Softmax(dim=-1), (40,)),
}
Parts = tuple[float, float, float, float]
"""Relevance of the input, of offsets, what tangents keep, and the whole."""


class Bookkeeping(Propagation):
    """Remember what goes into functions that tangents stand for, and what comes out."""

    def __init__(self, epsilon: float) -> None:
        super().__init__(epsilon)
        self.ends: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = super().__torch_function__(func, types, args, kwargs)
        if func in BENT and result.requires_grad:
            self.ends += [args[0], result]
        return result


def draw(module: nn.Module) -> nn.Module:
    """Draw all numbers of a module but running means, which are offsets too; ready it for use."""
    module = module.double().eval().requires_grad_(False)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            layer.running_var.uniform_(0.5, 2)
            nn.init.normal_(layer.weight)
    for name, parameter in module.named_parameters():
        if name.endswith(("bias", "offset", "decoder.weight", "response.weight")):
            nn.init.normal_(parameter)
    return module


def network(name: str) -> Network:
    """Build a model with numbers at random; the hybrid on logarithms of power."""
    torch.manual_seed(0)
    model = build(name, SHAPES, ModelConfig(latent=4))
    draw(model)
    if isinstance(model, Hybrid):
        channels, freqs, _ = SHAPES.eeg
        n = channels * len(SHAPES.bands)
        weights = torch.randn(n, *SHAPES.bold).double()
        levels, sizes = torch.randn(n).double(), torch.rand(n).double() + 1
        model.linear.solve(Response(0.5, 1.2), levels, sizes, weights)
        model.linear.expect_logarithms(torch.randn(channels, freqs).double(), 1.5)
    return model


def balance(call: Callable[[Tensor], Tensor], x: Tensor, module: nn.Module, eps: float) -> Parts:
    """Propagate the output, as its own relevance, to all that it can go to."""
    x = x.clone().requires_grad_()
    named = [*module.named_parameters(), *module.named_buffers()]
    offsets = [t.requires_grad_() for name, t in named if name.split(".")[-1] in OFFSETS]
    with Bookkeeping(eps) as book:
        output = call(x)
    found = propagate(output, torch.ones_like(output), [x, *offsets, *book.ends])
    first, *rest = [one.sum().item() for one in found]
    own, ends = rest[: len(offsets)], rest[len(offsets) :]
    return first, sum(own), sum(ends[1::2]) - sum(ends[::2]), output.sum().item()


def agreement(model: Network, eeg: Tensor) -> float:
    """Correlate relevance with integrated gradients."""
    with Propagation(0.0):
        output = model(signal := eeg.clone().requires_grad_()).bold
    (ours,) = propagate(output, torch.ones_like(output), [signal])
    attribute = IntegratedGradients(lambda x: model(x).bold.flatten(1).sum(dim=1)).attribute
    theirs = attribute(eeg, n_steps=50, internal_batch_size=8)
    both = torch.stack([ours.flatten(), theirs.flatten()])
    return torch.corrcoef(both)[0, 1].item()


def line(name: str, parts: Parts, more: str = "") -> str:
    """Lay out what goes where as shares of the size of the whole, and what is missing."""
    *shares, whole = parts
    size = abs(whole)
    cells = "".join(f"{100 * share / size:11.2f}" for share in (*shares, whole))
    return f"{name:22}{cells}{(whole - sum(shares)) / size:14.1e}{more}"


def main() -> None:
    """Print the tables."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    heads = ("input", "offsets", "tangents", "whole")
    head = "".join(f"{one + ' %':>11}" for one in heads) + f"{'missing':>14}"
    print(f"{'layer, ε = 0':22}{head}")
    for name, (layer, shape) in LAYERS.items():
        layer = draw(layer)
        weights = torch.randn_like(layer(torch.zeros(2, *shape).double()))
        own = balance(lambda x: functional.relu(layer(x) * weights),  # noqa: B023  # called at once
                      torch.randn(2, *shape).double(), layer, 0.0)  # fmt: skip
        print(line(name, own))
    print(f"\n{'model':22}{head}{'r with integrated gradients':>30}")
    for epsilon in (0.0, ExplainConfig().epsilon):
        for name in MODELS:
            model = network(name)
            eeg = torch.randn(2, *SHAPES.eeg).double()
            parts = balance(lambda x: model(x).bold, eeg, model, epsilon)  # noqa: B023
            r = "" if epsilon else f"{agreement(model, eeg):30.2f}"
            print(line(f"{name}, ε = {epsilon:g}", parts, r))


if __name__ == "__main__":
    main()
