"""The solver against dynamic programming and against real convolutions."""

from functools import cache

import numpy as np
import pytest
import torch
import z3

from bids_eeg2fmri.errors import ShapeError
from bids_eeg2fmri.search.architectures import (
    chain_formula,
    conv_output_size,
    generate,
    macs,
    output_shape,
)
from bids_eeg2fmri.types import Architecture

NODDI_EEG = {"shape": (64, 134, 10), "latent": 7, "pooling": (2, 2, 1), "depth": 3}
NODDI_BOLD = {"shape": (64, 64, 30), "latent": 7, "pooling": (2, 2, 2), "depth": 5}
LIMITS = {"max_macs": 4e8, "filters": 4}

# Candidate 2 of Table 4, on which the public code's own count of multiply–adds is known.
TABLE_4_CANDIDATE_2 = Architecture(
    kernels=((7, 37, 2), (7, 7, 2)), strides=((3, 5, 1), (2, 2, 1)), pooling=(2, 2, 1)
)


@cache
def count_chains(size: int, latent: int, depth: int, pool: int) -> int:
    """How many chains of blocks lead from ``size`` to ``latent``, by dynamic programming."""
    if depth == 0:
        return int(size == latent)
    leaves = (
        (size - kernel) // stride + 1 - (pool - 1)
        for kernel in range(2, size + 1)
        for stride in range(1, kernel)
    )
    return sum(count_chains(left, latent, depth - 1, pool) for left in leaves if left >= latent)


def enumerate_chains(size: int, latent: int, depth: int, pool: int) -> set[tuple[int, ...]]:
    """Every chain that the solver finds."""
    formula = chain_formula(size, latent, depth, pool)
    unknowns = formula.kernels + formula.strides
    chains = set()
    while formula.solver.check() == z3.sat:
        model = formula.solver.model()
        chains.add(tuple(model[unknown].as_long() for unknown in unknowns))
        formula.solver.add(z3.Or([unknown != model[unknown] for unknown in unknowns]))
    return chains


def torch_output_shape(architecture: Architecture, shape: tuple[int, int, int]) -> tuple[int, ...]:
    """Shape after real convolutions and max-pools (meta tensors: shapes without numbers)."""
    x = torch.empty(1, 1, *shape, device="meta")
    for kernel, stride in zip(architecture.kernels, architecture.strides, strict=True):
        x = torch.nn.Conv3d(1, 1, kernel, stride, device="meta")(x)
        x = torch.nn.MaxPool3d(architecture.pooling, stride=1)(x)
    return tuple(x.shape[2:])


@pytest.mark.parametrize(
    ("size", "counts"),
    [(64, (28, 781, 11_483)), (134, (125, 8_038, 283_672)), (30, (6, 62, 323))],
)
def test_the_search_space_has_the_size_known_from_dynamic_programming(size, counts):
    assert tuple(count_chains(size, 7, depth, 2) for depth in (1, 2, 3)) == counts


@pytest.mark.parametrize(
    ("size", "depth", "pool"),
    [(64, 1, 2), (134, 1, 2), (30, 1, 2), (30, 2, 2), (10, 2, 1), (10, 3, 1), (16, 2, 3)],
)
def test_the_solver_knows_every_chain_and_no_other(size, depth, pool):
    assert len(enumerate_chains(size, 7, depth, pool)) == count_chains(size, 7, depth, pool)


def test_conv_output_size_is_that_of_a_real_convolution():
    for size, kernel, stride in [(64, 7, 3), (134, 37, 5), (10, 2, 1), (9, 9, 4), (30, 4, 3)]:
        convolved = torch.nn.functional.conv1d(
            torch.zeros(1, 1, size), torch.zeros(1, 1, kernel), stride=stride
        )
        assert conv_output_size(size, kernel, stride) == convolved.shape[2]


@pytest.mark.parametrize(
    "problem",
    [
        NODDI_EEG,
        NODDI_BOLD,
        {"shape": (31, 120, 20), "latent": 5, "pooling": (1, 1, 1), "depth": 4},
        {"shape": (9, 10, 200), "latent": 7, "pooling": (2, 2, 1), "depth": 3},
    ],
)
def test_every_candidate_leads_exactly_to_the_latent_space(problem):
    shape, latent = problem["shape"], problem["latent"]
    candidates = generate(**problem, seed=1, max_macs=2e9, filters=4, n=10)
    assert len({(c.kernels, c.strides) for c in candidates}) == 10
    for candidate in candidates:
        assert torch_output_shape(candidate, shape) == (latent, latent, latent)
        assert output_shape(candidate, shape) == (latent, latent, latent)
        assert 1 <= len(candidate.kernels) <= problem["depth"]
        assert (np.array(candidate.kernels) > np.array(candidate.strides)).all()


def test_candidates_differ_in_depth():
    depths = {len(c.kernels) for c in generate(**NODDI_EEG, **LIMITS, seed=0, n=10)}
    assert depths == {1, 2, 3}


def test_the_seed_decides_the_candidates():
    first, again, other = (
        [c.kernels for c in generate(**NODDI_BOLD, **LIMITS, seed=seed, n=3)] for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_one_candidate_is_the_first_of_several():
    one, several = (generate(**NODDI_EEG, **LIMITS, seed=5, n=n) for n in (1, 4))
    assert one[0].kernels == several[0].kernels


def test_candidates_keep_to_the_limit_of_multiply_adds():
    for candidate in generate(**NODDI_BOLD, max_macs=5e7, filters=4, seed=0, n=5):
        assert macs(candidate, NODDI_BOLD["shape"], 4) <= 5e7


def test_macs_of_the_candidate_that_the_paper_chose():
    # Table 4 states that it reaches 7³; its last axis ends at 8.
    assert output_shape(TABLE_4_CANDIDATE_2, (64, 134, 10)) == (6, 6, 8)
    assert macs(TABLE_4_CANDIDATE_2, (64, 134, 10), 4) == pytest.approx(17.7e6, rel=0.005)


def test_macs_of_one_block_written_out():
    block = Architecture(kernels=((3, 4, 5),), strides=((1, 2, 1),), pooling=(2, 1, 1))
    entry = (6 * 3 * 4) * (3 * 4 * 5) * 1 * 2  # outputs × kernel × channels in × out
    same = (5 * 3 * 4) * 27 * 2 * 2
    assert macs(block, (8, 8, 8), filters=2) == 2 * entry + same


def test_an_axis_that_is_too_short_is_named_with_the_largest_k():
    with pytest.raises(ShapeError, match=r"BOLD axis y is 6 long.*model\.latent=4 or less"):
        generate(
            (64, 6, 30),
            7,
            (2, 2, 2),
            5,
            0,
            4e8,
            4,
            axes=("BOLD axis x", "BOLD axis y", "BOLD axis z"),
        )


def test_the_largest_k_that_the_error_names_works():
    candidate = generate((64, 6, 30), 4, (2, 2, 2), 5, 0, 4e8, 4)[0]
    assert output_shape(candidate, (64, 6, 30)) == (4, 4, 4)


def test_an_axis_that_is_too_short_for_any_k_says_so():
    with pytest.raises(ShapeError, match=r"z is 1 long: .* Give a longer axis"):
        generate((64, 64, 1), 7, (2, 2, 2), 5, 0, 4e8, 4)


def test_a_limit_that_no_candidate_meets_ends_in_an_error():
    with pytest.raises(ShapeError, match=r"0 of 1 encoders .* at most 1000 multiply–adds"):
        generate(**NODDI_EEG, max_macs=1e3, filters=4, seed=0)


def test_more_candidates_than_there_are_ends_in_an_error():
    with pytest.raises(ShapeError, match="1 of 2 encoders"):
        generate((8, 8, 8), 7, (1, 1, 1), 3, 0, 4e8, 4, n=2)
