"""Encoder architectures for any shape, found by a solver (Appendix A of Calhas & Henriques 2022).

A block is a convolution with kernel k > stride s ≥ 1 and valid padding, followed by a max-pool of
size p and stride 1. What one block does along one axis does not depend on the other axes, so the
solver is asked for one axis at a time; the axes only share the number of blocks.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np
import torch
import z3

from bids_eeg2fmri.config import ModelConfig, SearchConfig
from bids_eeg2fmri.errors import ShapeError
from bids_eeg2fmri.model.resnet import Encoder
from bids_eeg2fmri.train.fit import drawing
from bids_eeg2fmri.types import Architecture

PATIENCE = 200
"""Draws in a row without a new candidate after which the search gives up; about two seconds."""

Shape = tuple[int, int, int]
"""Size of each axis."""


def conv_output_size(size: int, kernel: int, stride: int) -> int:
    r"""Size that a valid convolution leaves of one axis, Eq. (6) of Calhas & Henriques 2022.

    .. math:: O = \lfloor (I - k) / s \rfloor + 1

    Notes
    -----
    The paper divides exactly; its own candidates (Table 4) and every library round down.
    """
    return (size - kernel) // stride + 1


@dataclass(frozen=True)
class ChainFormula:
    """What the solver knows about the blocks along one axis."""

    size: int
    """Size of the axis."""
    solver: Any
    """A ``z3.Solver`` that holds the constraints."""
    kernels: list[Any]
    """Unknown kernel size of each block."""
    strides: list[Any]
    """Unknown stride of each block."""


def chain_formula(size: int, latent: int, depth: int, pool: int) -> ChainFormula:
    r"""State that blocks lead from ``size`` to ``latent``, Eq. (8) of Calhas & Henriques 2022.

    .. math:: O_N = K \wedge \bigwedge_{n=1}^N O_n \le O_{n-1} \wedge k_n > s_n > 0

    Notes
    -----
    With the floor of the convolution written as two inequalities,
    :math:`(C - 1) s \le I - k < C s`, and :math:`C = O + p - 1` for the max-pool of size p.
    The paper asks for k > 0; k > s, which its candidates obey, lets no voxel be skipped.
    """
    # A context of its own, so that an answer does not depend on what was asked before it.
    context = z3.Context()
    solver = z3.Solver(ctx=context)
    kernels = [z3.Int(f"k{n}", context) for n in range(depth)]
    strides = [z3.Int(f"s{n}", context) for n in range(depth)]
    sizes = [z3.IntVal(size, context), *(z3.Int(f"o{n}", context) for n in range(depth))]
    for k, s, before, after in zip(kernels, strides, sizes[:-1], sizes[1:], strict=True):
        convolved = after + (pool - 1)
        solver.add(s >= 1, k > s, latent <= after, after <= before)
        solver.add((convolved - 1) * s <= before - k, before - k < convolved * s)
    solver.add(sizes[-1] == latent)
    return ChainFormula(size, solver, kernels, strides)


class Block(NamedTuple):
    """What one block makes of a sample."""

    kernel: int
    """Voxels under the kernel of the downsampling convolution."""
    channels: int
    """Channels that come in."""
    convolved: int
    """Voxels after the downsampling convolution."""
    after: Shape
    """Shape after the max-pool."""


def output_shape(architecture: Architecture, shape: Shape) -> Shape:
    """Shape to which the blocks bring an array of ``shape``."""
    return list(_blocks(architecture, shape, filters=1))[-1].after


def prove(architecture: Architecture, shape: Shape, latent: Shape, model: ModelConfig) -> None:
    """Lead a sample through the layers that a network would have.

    Raises
    ------
    ShapeError
        If they leave another shape than ``latent``.
    """
    with drawing(seed=0), torch.inference_mode():
        blocks = Encoder(architecture, shape, model).blocks.eval()
        left = tuple(blocks(torch.zeros(1, 1, *shape)).shape[2:])
    if left != latent:
        raise ShapeError(f"{architecture} leaves {_times(left)} instead of {_times(latent)}.")


def macs(architecture: Architecture, shape: Shape, model: ModelConfig) -> int:
    """Count the multiply–adds of the convolutions for one sample, on all paths of Fig. 7."""
    return sum(
        _paths(model) * model.filters * block.channels * block.kernel * block.convolved
        + model.filters**2 * 3**3 * prod(block.after)
        for block in _blocks(architecture, shape, model.filters)
    )


def parameters(architecture: Architecture, shape: Shape, model: ModelConfig) -> int:
    """Count the trained weights, those of the dense layer that makes the latent included."""
    filters, norm = model.filters, 2 * model.batch_norm
    left = filters * prod(output_shape(architecture, shape))
    return (left + 1) * model.latent**3 + sum(
        _paths(model) * filters * (block.channels * block.kernel + 1 + norm)
        + filters * (filters * 3**3 + 1 + norm)
        for block in _blocks(architecture, shape, filters)
    )


def memory(architecture: Architecture, shape: Shape, model: ModelConfig) -> int:
    """Count the bytes a sample that a forward pass keeps for the backward pass, in float32.

    These are the inputs of convolutions, normalisations and the dense layer, the outputs of ReLUs,
    and the inputs and indices (of 8 bytes) of max-pools. What lives only for a moment is not
    counted.
    """
    paths, norm, pool = _paths(model), model.batch_norm, max(architecture.pooling) > 1
    kept = prod(shape) + model.filters * prod(output_shape(architecture, shape))
    for block in _blocks(architecture, shape, model.filters):
        kept += pool * paths * model.filters * block.convolved
        # Indices count twice; each path's and the main path's normalisation; two or three ReLUs.
        each = 2 * pool * paths + norm * (paths + 1) + (paths + 1)
        kept += each * model.filters * prod(block.after)
    return 4 * kept


COSTS = (("max_macs", macs), ("max_parameters", parameters), ("max_memory", memory))
"""The limits of `SearchConfig` and what they hold for."""


def generate(
    shape: Shape,
    latent: int | Shape,
    pooling: Shape,
    depth: int,
    seed: int,
    search: SearchConfig,
    model: ModelConfig,
    n: int = 1,
    axes: tuple[str, str, str] = ("x", "y", "z"),
) -> list[Architecture]:
    """Draw distinct random encoders from ``shape`` to exactly the latent (Appendices A and C).

    Each is proved by a forward pass.

    Parameters
    ----------
    shape
        Size of the three axes of a sample.
    latent
        K, for a latent of K×K×K, or its three sizes.
    pooling
        Max-pool size after each convolution along each axis, 1 for none.
    depth
        Largest number of blocks; every number that the shape allows is tried.
    seed
        From which the candidates follow; fewer candidates are the first of more.
    search
        What an encoder may cost, see `macs`, `parameters` and `memory`.
    model
        Filters, paths and normalisation, on which the costs depend.
    n
        Number of candidates.
    axes
        What the axes are called in an error.

    Raises
    ------
    ShapeError
        When an axis is too short for any encoder, or the limits leave fewer than ``n``.
    """
    latents = (latent, latent, latent) if isinstance(latent, int) else latent
    largest = _largest_depth(shape, latents, pooling, axes)
    formulas = _formulas(shape, latents, pooling, min(depth, largest))
    rng = np.random.default_rng(seed)
    found: dict[tuple[tuple[Shape, ...], tuple[Shape, ...]], Architecture] = {}
    too_high: dict[str, list[int]] = defaultdict(list)
    misses = 0
    while len(found) < n:
        candidate = _draw(formulas[int(rng.integers(len(formulas)))], pooling, rng)
        key = (candidate.kernels, candidate.strides)
        over = _over_limits(candidate, shape, search, model)
        if key not in found and not over:
            prove(candidate, shape, latents, model)
            found[key], misses = candidate, 0
            continue
        for limit, cost in over.items():
            too_high[limit].append(cost)
        if (misses := misses + 1) == PATIENCE:
            where = f"{' × '.join(axes)} of {_times(shape)}: {len(found)} of {n} encoders"
            raise ShapeError(f"{where} to {_times(latents)} found{_remedy(too_high, search)}")
    return list(found.values())


def _formulas(shape: Shape, latents: Shape, pooling: Shape, depth: int) -> list[list[ChainFormula]]:
    """State for each number of blocks what the solver knows of each axis."""
    triples = list(zip(shape, latents, pooling, strict=True))
    return [
        [chain_formula(size, latent, blocks, pool) for size, latent, pool in triples]
        for blocks in range(1, depth + 1)
    ]


def _over_limits(
    candidate: Architecture, shape: Shape, search: SearchConfig, model: ModelConfig
) -> dict[str, int]:
    """Costs of a candidate that are above their limit, by the name of the limit."""
    costs = {limit: cost(candidate, shape, model) for limit, cost in COSTS}
    return {limit: c for limit, c in costs.items() if c > (getattr(search, limit) or inf)}


def _remedy(too_high: Mapping[str, list[int]], search: SearchConfig) -> str:
    """Name the limit that kept out most candidates, and what would let in one of them."""
    if not too_high:
        return "; there are hardly more. Ask for fewer with --set search.candidates=NUMBER."
    limit, costs = max(too_high.items(), key=lambda item: len(item[1]))
    return (
        f" within search.{limit}={getattr(search, limit):g}. "
        f"Give --set search.{limit}={min(costs)} or more, or fewer search.candidates."
    )


def _draw(formulas: list[ChainFormula], pooling: Shape, rng: np.random.Generator) -> Architecture:
    blocks = zip(*(_draw_chain(formula, rng) for formula in formulas), strict=True)
    kernels, strides = zip(*(zip(*block, strict=True) for block in blocks), strict=True)
    return Architecture(kernels, strides, pooling)


def _draw_chain(formula: ChainFormula, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Wish a random value for each unknown; drop wishes that conflict until the rest hold."""
    unknowns = formula.kernels + formula.strides
    wishes = [unknown == int(rng.integers(1, formula.size + 1)) for unknown in unknowns]
    while formula.solver.check(*wishes) == z3.unsat:
        conflict = formula.solver.unsat_core()
        dropped = conflict[int(rng.integers(len(conflict)))]
        wishes = [wish for wish in wishes if not wish.eq(dropped)]
    model = formula.solver.model()
    return [
        (model[k].as_long(), model[s].as_long())
        for k, s in zip(formula.kernels, formula.strides, strict=True)
    ]


def _largest_depth(shape: Shape, latents: Shape, pooling: Shape, axes: tuple[str, str, str]) -> int:
    """Largest number of blocks that all axes allow."""
    # The smallest step, k = 2 and s = 1, takes one voxel and its pool p − 1; a larger kernel takes
    # any number more. So N blocks exist just when K ≤ size − N p.
    for axis, size, latent, p in zip(axes, shape, latents, pooling, strict=True):
        if latent > size - p:
            k = min(size - p for size, p in zip(shape, pooling, strict=True))
            remedy = f"--set model.latent={k} or less, or " if k > 0 else ""
            raise ShapeError(
                f"{axis} is {size} long: no encoder leads to {_times(latents)} (K). "
                f"Give {remedy}a longer axis."
            )
    triples = zip(shape, latents, pooling, strict=True)
    return min((size - latent) // p for size, latent, p in triples)


def _blocks(architecture: Architecture, shape: Shape, filters: int) -> Iterator[Block]:
    """Lead one sample of one channel through the blocks."""
    channels, before = 1, shape
    for kernel, stride in zip(architecture.kernels, architecture.strides, strict=True):
        convolved = tuple(map(conv_output_size, before, kernel, stride))
        x, y, z = (size - p + 1 for size, p in zip(convolved, architecture.pooling, strict=True))
        yield Block(prod(kernel), channels, prod(convolved), (x, y, z))
        channels, before = filters, (x, y, z)


def _paths(model: ModelConfig) -> int:
    """Convolutions over the input of a block, Fig. 7."""
    return 2 if model.skip else 1


def _times(sizes: Shape) -> str:
    return "×".join(map(str, sizes))
