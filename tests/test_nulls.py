"""Nulls that cost runs of the model, through the whole app."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from bids_eeg2fmri import cli

SIDECAR = "sub-01/func/sub-01_task-rest_desc-synth_metrics.json"
ONE = ("--participant-label", "01")
DRAWN = ("--set", "evaluate.phase_draws=20", "--set", "evaluate.retrained_draws=2")


@pytest.fixture(scope="module")
def drawn(simulated, undisturbed, fast, tmp_path_factory):
    """A participant with all nulls, by a network and by the hybrid; nobody writes here."""
    folder = tmp_path_factory.mktemp("drawn") / "out"
    out = Path(shutil.copytree(undisturbed, folder, copy_function=os.link))
    call = (simulated, out, "participant", *ONE, *fast, *DRAWN, "--models", "topo-rff", "hybrid")
    assert cli.main([*map(str, call)]) == 0
    return out


@pytest.fixture
def finished_drawn(drawn, tmp_path):
    """The same output and work folders, to go on with."""
    return Path(shutil.copytree(drawn, tmp_path / "out", copy_function=os.link))


def numbers(out, model, sidecar=SIDECAR):
    return json.loads((out / sidecar).read_text())["models"][model]["verdict_numbers"]


def draws_of(out, stage):
    """Correlations of each unit of a stage, by its name."""
    paths = out.glob(f"work/{stage}/*/drawn.r.sub-01_task-rest.npy")
    return {path.parent.name.split("__")[0]: np.load(path) for path in paths}


@pytest.mark.parametrize("model", ["topo-rff", "hybrid"])
def test_each_p_is_that_of_the_stored_draws_and_stands_with_their_number(drawn, model):
    told = numbers(drawn, model)
    phases = draws_of(drawn, "phases")[f"sub-01_task-rest_{model}"]
    retrained = [r for name, r in draws_of(drawn, "retrain").items() if f"_{model}_" in name]
    for name, null in (
        ("phase-randomised-eeg", phases),
        ("retrained", np.concatenate(retrained)),
    ):
        expected = (1 + np.sum(null >= told["r"]["mean"])) / (1 + len(null))
        assert told["p_other"][name] == pytest.approx(expected)
        assert told["draws_other"][name] == len(null)


def test_the_baseline_that_looks_at_the_eeg_is_held_against_random_phases(drawn):
    told = numbers(drawn, "hrf-ridge")
    assert told["draws_other"] == {"phase-randomised-eeg": 20}


def test_the_report_tells_each_p_with_its_draws(drawn):
    page = (drawn / "sub-01.html").read_text()
    assert "(20 draws), against models trained on shifted EEG p = " in page
    assert "(2 draws)." in page


def test_models_of_one_draw_see_the_same_shifts_and_those_of_another_do_not(drawn):
    phases = draws_of(drawn, "phases")
    assert len(np.unique(phases["sub-01_task-rest_hrf-ridge"])) == 20
    retrained = draws_of(drawn, "retrain")
    assert {*retrained} == {
        f"sub-01_{model}_draw-{draw}" for model in ("topo-rff", "hybrid") for draw in (1, 2)
    }
    assert retrained["sub-01_hybrid_draw-1"] != retrained["sub-01_hybrid_draw-2"]


def test_more_draws_keep_those_that_are_done_and_still_too_few_are_told(
    simulated, finished_drawn, app, fast
):
    call = (simulated, finished_drawn, "participant", *ONE, *fast, *DRAWN, "--models", "hybrid")
    told = app(*call, "--set", "evaluate.retrained_draws=3")
    lines = [line for line in told.err.splitlines() if "retrained" in line and "temporal r" in line]
    assert [line.endswith("(kept)") for line in lines] == [True, True, False]
    assert "hybrid  retrained 3 of 3  epoch 1/2" in told.err
    assert numbers(finished_drawn, "hybrid")["draws_other"]["retrained"] == 3
    phases = [line for line in told.err.splitlines() if "with random phases" in line]
    assert all(line.endswith("(kept)") for line in phases)
    (warning,) = [line for line in told.err.splitlines() if line.startswith("warning: ")]
    assert "evaluate.retrained_draws=3: too few draws for the p of a run" in warning
    assert warning.endswith("set 20 or more")
