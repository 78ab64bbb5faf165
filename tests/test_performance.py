"""What is compared computes the same, each side is measured by itself, curves have exponents."""

import importlib
import inspect
from dataclasses import replace
from pathlib import Path

import gpu
import numpy as np
import pytest
import torch
from measured import datasets, grids, images, signals, training
from measured.curves import CURVES, slope
from measured.process import Side
from measured.rows import ROWS
from measured.table import lines
from measured.turns import measure

from bids_eeg2fmri.config import Config, ModelConfig, TrainConfig
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.types import Architecture

TARGETS = [
    (row, target)
    for row in ROWS.values()
    for target in (row.ours, row.material, *(rival.target for rival in row.rivals))
    if target
]
SHAPES = Shapes(
    eeg=(8, 12, 10),
    bold=(11, 12, 10),
    eeg_encoder=Architecture(((1, 4, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((3, 4, 2), (2, 2, 2)), ((1, 1, 1),) * 2, (2, 2, 2)),
)


def test_every_row_calls_what_is_there_with_what_it_takes():
    for row, target in TARGETS:
        module, name = target.split(":")
        prepare = getattr(importlib.import_module(module), name)
        for quick in (False, True):
            inspect.signature(prepare).bind(Path(), **row.arguments(quick))
            assert row.title.format(**row.arguments(quick))


def test_every_point_of_a_curve_calls_what_is_there_with_what_it_takes():
    for curve in CURVES.values():
        assert len(curve.values) == len(curve.options) > 1
        for target in filter(None, (curve.row.ours, curve.row.material)):
            module, name = target.split(":")
            prepare = getattr(importlib.import_module(module), name)
            for differing in curve.options:
                inspect.signature(prepare).bind(Path(), **curve.row.options, **differing)


def test_the_exponent_of_a_power_law_is_found():
    assert slope((2, 4, 8), (3 * 2**1.5, 3 * 4**1.5, 3 * 8**1.5)) == pytest.approx(1.5)
    assert slope((1, 2), (8.0, 4.0)) == pytest.approx(-1)


def test_scipy_resamples_volumes_to_the_same_numbers():
    ours, theirs = (prepare(Path(), 2)() for prepare in (grids.our_grid, grids.scipy_grid))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_mne_and_scipy_make_the_same_spectrograms_of_a_recording(tmp_path):
    size = {"channels": 4, "sfreq": 250.0, "minutes": 1.0}
    signals.recording(tmp_path, **size)
    ours = signals.our_pairs(tmp_path, **size)()
    theirs = signals.straight_pairs(tmp_path, **size)()
    assert ours.shape == (len(ours), 4, 134, 10)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-9)


def test_pybids_finds_the_same_runs(tmp_path):
    datasets.many_participants(tmp_path, 3)
    found = [f(tmp_path, 3, 2)() for f in (datasets.our_index, datasets.pybids_index)]
    assert len(found[0]) == 2
    assert found[0] == found[1]


def test_scikit_image_and_numpy_score_volumes_alike():
    ours, theirs = (f(Path(), 8)() for f in (images.our_scores, images.straight_scores))
    for name, expected in ours.items():
        varies = np.isfinite(expected)  # temporal r of a constant voxel is undefined
        assert varies.mean() > 0.99
        np.testing.assert_allclose(theirs[name][varies], expected[varies], rtol=1e-3, atol=1e-5)


def test_plain_torch_is_model_iv():
    ours, plain = build("topo-rff", SHAPES, ModelConfig()), training.straight_model(SHAPES)
    ours.load_state_dict(_renamed(plain.state_dict()))
    eeg, bold = torch.randn(3, *SHAPES.eeg), torch.randn(3, *SHAPES.bold)
    with torch.no_grad():
        found = ours.eval()(eeg, bold)
        expected = plain.eval()(eeg, bold)
    for one, other in zip((found.bold, found.latent_eeg, found.latent_bold), expected, strict=True):
        torch.testing.assert_close(one, other)


def _renamed(state):
    """Give plain torch's weights the names of ours; what enters a block stands in one layer."""
    renamed = {}
    for name, value in state.items():
        both = name.replace("main.0", "entry").replace("main.2", "entry_norm")
        both = both.replace("again.0", "main").replace("again.1", "main_norm")
        both = both.replace("attention", "attention.weight").replace("style", "style.weight")
        both = both.replace("omega", "projection.omega").replace("phase", "projection.phase")
        beside = name.replace("main.", "skip.")
        if "skip." in name:
            continue
        joined = "main." in name and not name.endswith("num_batches_tracked")
        renamed[both] = torch.cat([value, state[beside]]) if joined else value
    return renamed


def test_a_row_is_measured_and_laid_out(tmp_path):
    row = replace(ROWS["grid"], rivals=ROWS["grid"].rivals[:1], options={"volumes": 1})
    outcomes = measure(row, turns=2, home=tmp_path)
    assert [len(one.taken) for one in outcomes] == [2, 2]
    assert all(one.seconds(clock) > 0 for one in outcomes for clock in ("cpu", "wall"))
    ((title, _, against, _, _, goal, met),) = lines(row, outcomes, quick=False)
    assert title.endswith("a volume")
    assert (against, goal) == ("scipy dctn, crop, idctn", "≤ 0.2×")
    assert met in ("yes", "no")
    assert not any(tmp_path.iterdir())


def test_a_side_does_not_count_the_memory_of_its_parent(tmp_path):
    held = np.ones(50_000_000)  # 400 MB
    side = Side("measured.starts:version", tmp_path, {})
    taken, peak = side.once(), side.end()
    assert 5e6 < peak < 100e6 < held.nbytes
    assert taken.cpu > 0


def test_a_side_that_fails_ends_the_comparison(tmp_path, capfd):
    with pytest.raises(SystemExit, match=r"starts:version .* ended with an error"):
        Side("measured.starts:version", tmp_path, {"nonsense": 1})
    assert "nonsense" in capfd.readouterr().err


def test_a_training_for_the_gpu_is_measured_on_any_device(tmp_path):
    examples = gpu.stored_noise(tmp_path, 8, SHAPES)
    assert [*map(len, examples)] == [8, 1]
    cfg, peak = replace(Config(), train=TrainConfig(epochs=2)), gpu.Peak(1e10, 1e11)
    told = gpu.train("topo-rff", cfg, examples, "cpu", peak, SHAPES)
    assert len(told) == len(gpu.HEAD) - 3
    assert told[-2].endswith("%")


def test_what_a_step_moves_follows_from_shapes():
    linear = build("linear", SHAPES, ModelConfig())
    trained = sum(p.numel() for p in linear.parameters())
    decoder = (7**3 + 1) * 11 * 12 * 10
    assert gpu.bytes_of_step(linear) == 4 * (7 * trained + 3 * decoder)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_without_cuda_one_line_says_so(capsys):
    gpu.main([])
    assert capsys.readouterr().out == "There is no CUDA here; nothing is measured.\n"
