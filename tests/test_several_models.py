"""Several models at once: each has its files, and none changes what another does."""

import json
import os
import shutil

import pandas as pd
import pytest
from observed import complaints, issues_of, results

from bids_eeg2fmri import cli

BASELINES = ("participant-mean", "hrf-ridge", "global-signal", "drift", "mean-volume")
MODELS = ("topo-rff", "linear", "liu-sajda")
ONE = ("--participant-label", "01")
FUNC = "sub-01/func/sub-01_task-rest"
DIVERGING = ("--set", "train.learning_rate=1e14", "--set", "train.weight_decay=0")
"""The network of Liu & Sajda, all batch normalisations, gives numbers even so; others do not."""


@pytest.fixture(scope="module")
def several(simulated, undisturbed, fast, tmp_path_factory):
    """Three models of one participant; nobody writes here."""
    folder = tmp_path_factory.mktemp("several") / "out"
    out = shutil.copytree(undisturbed, folder, copy_function=os.link)
    assert (
        cli.main([*map(str, (simulated, out, "participant", *ONE, *fast, "--models", *MODELS))])
        == 0
    )
    return out


def card(out, model):
    return json.loads((out / "models" / f"sub-01_{model}" / "model.json").read_text())


def named(out, label):
    """Names of a model's files with its label left out; the first one asked for has none."""
    wanted = (f"desc-synth{label}_", f"desc-residual{label}_")
    files = {path.name for path in (out / "sub-01/func").iterdir()}
    files = {name for name in files if any(part in name for part in wanted)}
    return {name.replace(f"{label}_", "_") for name in files if "_metrics" not in name}


def test_each_model_has_its_series_maps_and_table_by_volume(several):
    first = named(several, "")
    assert {name.removeprefix("sub-01_task-rest_") for name in first} >= {
        "desc-synth_bold.nii.gz",
        "desc-residual_bold.nii.gz",
        "stat-pearsoncorrelation_desc-synth_boldmap.nii.gz",
        "desc-synth_timeseries.tsv",
    }
    assert named(several, "Linear") == named(several, "LiuSajda") == first


def test_sidecars_name_the_model_that_made_a_file(several):
    for label, model in zip(("", "Linear", "LiuSajda"), MODELS, strict=True):
        sidecar = json.loads((several / f"{FUNC}_desc-synth{label}_bold.json").read_text())
        assert sidecar["Model"] == f"models/sub-01_{model}"
        assert card(several, model)["model"] == model


def test_the_table_has_a_row_for_each_model_and_each_baseline_and_the_mean_volume_last(several):
    table = pd.read_table(several / f"{FUNC}_desc-synth_metrics.tsv")
    assert table["model"].tolist() == [*MODELS, *BASELINES]
    assert table["rmse"].nunique() == 8


def test_the_models_of_a_call_share_their_encoders(several):
    shapes = [card(several, model)["shapes"] for model in MODELS]
    assert shapes[0] == shapes[1] == shapes[2]


def test_a_model_does_the_same_in_company_as_alone(several, undisturbed):
    for name in ("desc-synth_bold.nii.gz", "stat-skill_desc-synth_boldmap.nii.gz"):
        alone = (undisturbed / f"{FUNC}_{name}").read_bytes()
        assert (several / f"{FUNC}_{name}").read_bytes() == alone
    alone = pd.read_table(undisturbed / f"{FUNC}_desc-synth_metrics.tsv").set_index("model")
    table = pd.read_table(several / f"{FUNC}_desc-synth_metrics.tsv").set_index("model")
    pd.testing.assert_frame_equal(table.loc[alone.index], alone)


def test_the_report_tells_of_every_model(several):
    page = (several / "sub-01.html").read_text()
    assert all(model in page for model in MODELS)


def test_the_validator_finds_nothing_in_results_of_several_models(several):
    assert issues_of(several) == []


def test_a_test_long_enough_has_a_shifted_row_for_each_model(simulated, finished, app, fast):
    options = ("--models", "linear", "rff", "--set", "split.test=0.4")
    assert app(simulated, finished, "participant", *ONE, *fast, *options).code == 0
    table = pd.read_table(finished / f"{FUNC}_desc-synth_metrics.tsv")
    shifted = [f"{model} on shifted EEG" for model in ("linear", "rff")]
    assert table["model"].tolist() == ["linear", shifted[0], "rff", shifted[1], *BASELINES]


def test_models_that_are_no_longer_asked_for_leave(simulated, several, tmp_path, app, fast):
    work = shutil.copytree(several / "work", tmp_path / "work", copy_function=os.link)
    call = (simulated, tmp_path / "out", "participant", "-w", work, *ONE, *fast)
    assert app(*call, "--models", "topo-rff", "linear").code == 0
    both = results(tmp_path / "out")
    assert app(*call).code == 0
    assert sorted(both.keys() - results(tmp_path / "out")) == sorted(
        name for name in both if "Linear" in name
    )
    assert [path.name for path in tmp_path.glob("out/models/*/*.json")] == ["model.json"]


def test_a_model_that_fails_stops_no_other_and_leaves_its_file_names_to_none(
    simulated, finished, app, fast
):
    assert app(simulated, finished, "participant", *ONE, *fast, "--models", "linear").code == 0
    assert named(finished, "")
    call = (simulated, finished, "participant", *ONE, *fast, *DIVERGING)
    told = app(*call, "--models", "linear", "liu-sajda")
    first, last = complaints(told)
    assert told.code == 70
    assert "sub-01 linear     failed  The loss is not a number in epoch 1. Lower train." in first
    assert last == "error: Failed: sub-01 linear. The reasons stand above; all others are done."
    table = pd.read_table(finished / f"{FUNC}_desc-synth_metrics.tsv")
    assert table["model"].tolist() == ["liu-sajda", *BASELINES]
    page = (finished / "sub-01.html").read_text()
    assert "sub-01 linear: The loss is not a number" in page
    said = "linear, the first model asked for, has no result. What is shown is of liu-sajda."
    assert said in page
    assert named(finished, "LiuSajda")
    assert not named(finished, "")


def test_models_that_all_fail_leave_what_stands_there(simulated, finished, undisturbed, app, fast):
    call = (simulated, finished, "participant", *ONE, *fast, *DIVERGING)
    told = app(*call, "--models", "linear", "rff")
    assert told.code == 65
    assert "The loss is not a number in epoch 1" in complaints(told)[-1]
    assert results(finished) == results(undisturbed)
