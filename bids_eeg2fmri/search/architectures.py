"""Encoder architectures for any shape, found by a solver (Appendix A of Calhas & Henriques 2022).

A block is a convolution with kernel k > stride s ≥ 1 and valid padding, followed by a max-pool of
size p and stride 1. What one block does along one axis does not depend on the other axes, so the
solver is asked for one axis at a time; the axes only share the number of blocks.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import z3

from bids_eeg2fmri.errors import ShapeError
from bids_eeg2fmri.types import Architecture

PATIENCE = 200
"""Draws in a row without a new candidate after which the search gives up; about two seconds."""

Shape = tuple[int, int, int]


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


def output_shape(architecture: Architecture, shape: Shape) -> Shape:
    """Shape to which the blocks bring an array of ``shape``."""
    return _sizes(architecture, shape)[-1]


def macs(architecture: Architecture, shape: Shape, filters: int) -> int:
    """Count the multiply–adds of the convolutions for one sample, on both paths of Fig. 7.

    Parameters
    ----------
    architecture
        The blocks.
    shape
        Shape of the sample, which has one channel.
    filters
        Channels of each convolution.
    """
    total, channels, before = 0, 1, shape
    for k, s, after in zip(
        architecture.kernels, architecture.strides, _sizes(architecture, shape), strict=True
    ):
        total += 2 * prod(map(conv_output_size, before, k, s)) * prod(k) * channels * filters
        total += prod(after) * 3**3 * filters**2
        channels, before = filters, after
    return total


def generate(
    shape: Shape,
    latent: int,
    pooling: Shape,
    depth: int,
    seed: int,
    max_macs: float,
    filters: int,
    n: int = 1,
    axes: tuple[str, str, str] = ("x", "y", "z"),
) -> list[Architecture]:
    """Draw distinct random encoders from ``shape`` to exactly K×K×K (Appendices A and C).

    Parameters
    ----------
    shape
        Size of the three axes of a sample.
    latent
        K.
    pooling
        Max-pool size after each convolution along each axis, 1 for none.
    depth
        Largest number of blocks; every number that the shape allows is tried.
    seed
        From which the candidates follow; fewer candidates are the first of more.
    max_macs
        Largest number of multiply–adds of one forward pass of one sample, see ``macs``.
    filters
        Channels of each convolution.
    n
        Number of candidates.
    axes
        What the axes are called in an error.

    Raises
    ------
    ShapeError
        When an axis is too short for any encoder, or ``max_macs`` leaves fewer than ``n``.
    """
    rng = np.random.default_rng(seed)
    depths = range(1, min(depth, _largest_depth(shape, latent, pooling, axes)) + 1)
    formulas = {
        blocks: [
            chain_formula(size, latent, blocks, p) for size, p in zip(shape, pooling, strict=True)
        ]
        for blocks in depths
    }
    found: dict[tuple[tuple[Shape, ...], tuple[Shape, ...]], Architecture] = {}
    misses = 0
    while len(found) < n:
        candidate = _draw(formulas[int(rng.choice(depths))], pooling, rng)
        key = (candidate.kernels, candidate.strides)
        if key not in found and macs(candidate, shape, filters) <= max_macs:
            found[key], misses = candidate, 0
        elif (misses := misses + 1) == PATIENCE:
            raise ShapeError(
                f"{' × '.join(axes)} of {'×'.join(map(str, shape))}: {len(found)} of {n} encoders "
                f"to {latent} (K) found with at most {max_macs:g} multiply–adds. "
                f"Raise it with --set search.max_macs=NUMBER, or ask for fewer candidates."
            )
    return list(found.values())


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


def _largest_depth(shape: Shape, latent: int, pooling: Shape, axes: tuple[str, str, str]) -> int:
    """Largest number of blocks that all axes allow."""
    # The smallest step, k = 2 and s = 1, takes one voxel and its pool p − 1; a larger kernel takes
    # any number more. So N blocks exist just when K ≤ size − N p.
    for axis, size, p in zip(axes, shape, pooling, strict=True):
        if latent > size - p:
            largest = min(size - p for size, p in zip(shape, pooling, strict=True))
            remedy = f"--set model.latent={largest} or less, or " if largest > 0 else ""
            raise ShapeError(
                f"{axis} is {size} long: no encoder leads to {latent} (K). "
                f"Give {remedy}a longer axis."
            )
    return min((size - latent) // p for size, p in zip(shape, pooling, strict=True))


def _sizes(architecture: Architecture, shape: Shape) -> list[Shape]:
    """Shape after each block."""
    sizes = [shape]
    for kernel, stride in zip(architecture.kernels, architecture.strides, strict=True):
        convolved = map(conv_output_size, sizes[-1], kernel, stride)
        x, y, z = (size - p + 1 for size, p in zip(convolved, architecture.pooling, strict=True))
        sizes.append((x, y, z))
    return sizes[1:]
