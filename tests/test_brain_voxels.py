"""Networks that make the brain alone, from training to application."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_eeg2fmri import cli
from bids_eeg2fmri.app.optimise import PHASES, ready
from bids_eeg2fmri.app.saved import open_model
from bids_eeg2fmri.bids.models import read_model
from bids_eeg2fmri.preprocess.bold import training_brain
from bids_eeg2fmri.runtime import arrays
from bids_eeg2fmri.types import Pairs

FUNC = "sub-01/func/sub-01_task-rest"


def volumes(out: Path, name: str) -> np.ndarray:
    return np.moveaxis(nib.load(out / f"{FUNC}_{name}.nii.gz").get_fdata(), -1, 0)


def sidecar(out: Path, name: str) -> dict:
    return json.loads((out / f"{FUNC}_{name}.json").read_text())


@pytest.fixture(scope="module")
def trained(simulated, undisturbed, fast, tmp_path_factory):
    """What the app makes of a participant whose recordings are prepared; nobody writes here."""
    out = tmp_path_factory.mktemp("brain") / "out"
    shutil.copytree(undisturbed, out, copy_function=os.link)
    chosen = ("--participant-label", "01", "--models", "hybrid", "--epochs", "1")
    settings = ("--set", "model.voxels=brain", "--set", "explain.pairs=3")
    assert cli.main([str(simulated), str(out), "participant", *fast, *chosen, *settings]) == 0
    return out


def test_the_surroundings_of_the_brain_stay_what_they_are(trained):
    made = volumes(trained, "desc-synth_bold")
    brain = nib.load(trained / f"{FUNC}_desc-brain_mask.nii.gz").get_fdata() > 0
    assert 0 < brain.sum() < brain.size
    assert (made.std(axis=0)[brain] > 0).all()
    assert np.ptp(made[:, ~brain], axis=0).max() == 0


def test_a_saved_model_has_weights_for_the_brain_alone(trained):
    tensors, card = read_model(trained / "models" / "sub-01_hybrid")
    assert len(tensors["network.decoder.weight"]) == tensors["mask"].sum()
    assert tensors["linear.weights"].shape[1] == tensors["mask"].sum()
    assert card["shapes"]["brain"] == tensors["mask"].sum()


def test_a_saved_model_makes_of_the_eeg_what_it_made_in_its_test(simulated, trained, tmp_path):
    model, out = trained / "models" / "sub-01_hybrid", tmp_path / "out"
    first = sidecar(trained, "desc-synth_metrics")["clock"]["first_volume_eeg_s"]
    alone = ("--participant-label", "01", "--n-cpus", "1", "--omp-nthreads", "1")
    options = ("--apply", str(model), "--eeg-onset", repr(first), *alone)
    assert cli.main([str(simulated), str(out), "participant", *options]) == 0
    test, found = (sidecar(one, "desc-synth_bold") for one in (trained, out))
    onset = first + 2.0 * np.array(test["VolumeIndices"])
    index = np.rint((onset - found["StartTime"]) / 2.0).astype(int)
    made, tested = volumes(out, "desc-synth_bold"), volumes(trained, "desc-synth_bold")
    np.testing.assert_array_equal(made[index], tested)


@pytest.mark.parametrize("phase", PHASES.values())
def test_hyperparameters_are_searched_for_the_network_of_the_setting(trained, phase):
    (folder,) = trained.glob("work/pairs/sub-01*")
    pairs, few = [arrays.load(folder, "pairs", Pairs)], [np.arange(9)]
    cfg = open_model(trained / "models" / "sub-01_hybrid", "cpu").config
    brain, mean = training_brain(pairs, few), pairs[0].bold[few[0]].mean(axis=0)
    model = ready(cfg, phase, pairs, few, mean, 0, "cpu").model
    assert len(model.decoder.weight) == brain.sum() < brain.size
    np.testing.assert_array_equal(model.decoder.voxels.index, np.flatnonzero(brain))
    np.testing.assert_array_equal(model.decoder.voxels.elsewhere, mean.ravel())
    whole = replace(cfg, model=replace(cfg.model, voxels="box"))
    assert len(ready(whole, phase, pairs, few, mean, 0, "cpu").model.decoder.weight) == brain.size
