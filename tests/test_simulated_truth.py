"""What the app says of simulated data is what was put into them: on this all else rests."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.signal import detrend

from bids_eeg2fmri import cli
from bids_eeg2fmri.simulate import SimulationConfig, simulate

SIZES = {"participants": 1, "volumes": 600, "channels": 16, "grid": (12, 14, 11)}
SETTINGS = (
    *("--preset", "paper"),
    *("--set", "spectrogram.fmax=20", "--epochs", "3", "--set", "explain.pairs=0"),
    *("--set", "report.figures=false"),
    *("--n-cpus", "1", "--omp-nthreads", "1"),
)
STEM = "sub-01/func/sub-01_task-rest"
LEAST_SHIFT = 13
"""Volumes of 2 s that carry the EEG out of its window of 26 s."""


def regional_scores(folder, coupling, draws, **sizes):
    """Temporal r, its null and skill in the coupled regions, and all models' scores, from files."""
    bids, out = folder / "bids", folder / "out"
    simulate(bids, SimulationConfig(**SIZES | sizes, coupling=coupling))
    assert cli.main([str(bids), str(out), "participant", *SETTINGS, "--set", draws]) == 0
    regions = nib.load(bids / "sourcedata" / "simulation_regions.nii.gz").get_fdata() > 0
    target, synthesised = (
        nib.load(out / f"{STEM}_desc-{desc}_bold.nii.gz").get_fdata()[regions].T
        for desc in ("target", "synth")
    )
    skill = nib.load(out / f"{STEM}_stat-skill_desc-synth_boldmap.nii.gz").get_fdata()[regions]
    models = sidecar(out)["models"]
    shifts = range(LEAST_SHIFT, len(target) - LEAST_SHIFT)
    y, y_hat = detrend(target, axis=0), detrend(synthesised, axis=0)
    return (
        temporal_r(y, y_hat),
        [temporal_r(y, np.roll(y_hat, shift, axis=0)) for shift in shifts],
        skill.mean(),
        models,
    )


def sidecar(out):
    return json.loads((out / f"{STEM}_desc-synth_metrics.json").read_text())


def temporal_r(y, y_hat):
    norms = np.linalg.norm(y, axis=0) * np.linalg.norm(y_hat, axis=0)
    return np.mean(np.sum(y * y_hat, axis=0) / norms)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("coupled")


@pytest.fixture(scope="module")
def coupled(folder):
    return regional_scores(folder, 0.9, "evaluate.phase_draws=20")


@pytest.fixture(scope="module")
def uncoupled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uncoupled")
    return regional_scores(folder, 0.0, "evaluate.phase_draws=0", volumes=300)


def test_bold_that_was_held_back_is_told_from_eeg_by_the_model_of_someone_else(
    folder, coupled, tmp_path
):
    bids, out, stem = tmp_path / "bids", tmp_path / "out", STEM.replace("01", "02")
    simulate(bids, SimulationConfig(**{**SIZES, "participants": 2, "volumes": 150}, coupling=0.9))
    regions = nib.load(bids / "sourcedata" / "simulation_regions.nii.gz").get_fdata() > 0
    truth = json.loads((bids / "sourcedata" / "simulation_truth.json").read_text())
    onset = truth["participants"]["sub-02"]["first_volume_eeg_s"]
    observed = nib.load(bids / f"{stem}_bold.nii.gz").get_fdata()[regions].T
    for func in bids.glob("sub-*/func"):
        shutil.rmtree(func)
    model = folder / "out" / "models" / "sub-01_topo-rff"
    call = (bids, out, "participant", "--participant-label", "02", "--apply", model)
    assert cli.main([*map(str, call), "--eeg-onset", str(onset), *SETTINGS[-4:]]) == 0
    start = json.loads((out / f"{stem}_desc-synth_bold.json").read_text())["StartTime"]
    synthesised = nib.load(out / f"{stem}_desc-synth_bold.nii.gz").get_fdata()[regions].T
    own = slice(round((onset - start) / 2), round((onset - start) / 2) + len(observed))
    y, y_hat = detrend(observed, axis=0), detrend(synthesised[own], axis=0)
    assert temporal_r(y, y_hat) > 0.7 * coupled[0]
    assert temporal_r(y, y_hat) > temporal_r(y, np.roll(y_hat, 75, axis=0)) + 0.1


def test_coupled_regions_are_synthesised_clearly_better_than_from_shifted_eeg(coupled):
    r, null, *_ = coupled
    assert r > 0.2
    assert r > max(null) + 0.05


def test_coupled_regions_are_synthesised_better_than_by_the_mean_volume(coupled):
    assert coupled[2] > 0


def test_without_coupling_nothing_is_found(uncoupled):
    r, null, skill, _ = uncoupled
    assert np.mean([shifted >= r for shifted in null]) > 0.05
    assert abs(r) < 0.1
    assert skill < 0.01


def test_coupled_data_are_called_informative_and_uncoupled_are_not(coupled, uncoupled):
    for name in ("topo-rff", "hrf-ridge"):
        assert coupled[3][name]["verdict"] == "informative"
        assert uncoupled[3][name]["verdict"] != "informative"


def once_more(folder, out, *options):
    """Test coupled data again, with another setting and one epoch; give the models' scores."""
    call = (folder / "bids", out, "participant", "-w", folder / "out" / "work")
    assert (
        cli.main(
            [
                *map(str, call),
                *SETTINGS,
                "--epochs",
                "1",
                "--set",
                "evaluate.phase_draws=0",
                *options,
            ]
        )
        == 0
    )
    return sidecar(out)["models"]


def test_a_clock_that_is_a_minute_late_loses_the_coupling(folder, coupled, tmp_path):
    onset = sidecar(folder / "out")["clock"]["first_volume_eeg_s"]
    late = once_more(folder, tmp_path, "--eeg-onset", str(onset + 60))
    for name in ("topo-rff", "hrf-ridge"):
        assert late[name]["verdict"] != "informative"
        numbers = late[name]["verdict_numbers"]
        assert numbers["p_r"] > 0.05
        assert numbers["r"]["low"] < 0 < numbers["r"]["high"]
        assert numbers["r"]["high"] < coupled[3][name]["pearsoncorrelation"]


def test_a_model_that_learns_nothing_is_called_constant_where_there_is_something(
    folder, coupled, tmp_path
):
    models = once_more(folder, tmp_path, "--set", "train.learning_rate=1e-12")
    assert models["topo-rff"]["verdict"] == "near-constant output"
    assert models["topo-rff"]["sd_ratio"] < 1e-3
    assert models["hrf-ridge"]["verdict"] == "informative"


def test_no_eeg_with_random_phases_does_as_well_as_what_is_coupled(coupled):
    for name in ("topo-rff", "hrf-ridge"):
        numbers = coupled[3][name]["verdict_numbers"]
        assert numbers["p_other"]["phase-randomised-eeg"] == pytest.approx(1 / 21)


def test_the_ten_best_parcels_hold_a_coupled_region(coupled, folder):
    func = folder / "out" / STEM
    labels = np.asarray(nib.load(f"{func}_desc-parcels_dseg.nii.gz").dataobj)
    regions = nib.load(folder / "bids/sourcedata/simulation_regions.nii.gz").get_fdata() > 0
    scores = pd.read_table(f"{func}_desc-parcels_metrics.tsv")
    share = scores["index"].map(lambda index: regions[labels == index].mean())
    for _, own in scores.groupby("model"):
        assert (share[own["pearsoncorrelation"].nlargest(10).index] > 0.3).all()


def test_the_verdict_stands_with_the_numbers_behind_it(coupled):
    told = coupled[3]["topo-rff"]
    numbers = told["verdict_numbers"]
    assert numbers["r"]["mean"] == pytest.approx(told["pearsoncorrelation"], abs=1e-6)
    assert numbers["skill"]["mean"] == pytest.approx(told["skill"], abs=1e-6)
    assert numbers["p_r"] < 0.05
    assert 0 < numbers["p_other"]["block-permutation"] < 0.05
    assert f"Its temporal r is {told['pearsoncorrelation']:.3f}" in told["verdict_text"]


def test_only_an_oracle_is_called_one(coupled):
    oracles = {name for name, told in coupled[3].items() if told.get("oracle")}
    assert oracles == {"participant-mean", "global-signal"}
