"""Experiments on participants: who learns, who chooses, who tests, and what it adds up to."""

import json
import os
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from observed import complaints, dead_links, files, issues_of, listed, results, stamps
from safetensors.numpy import load_file
from scipy.signal import detrend
from scipy.stats import ttest_1samp, ttest_rel
from spoilt import empty

from bids_eeg2fmri import cli, load_results
from bids_eeg2fmri.simulate import SimulationConfig, simulate

MODELS = ("topo-rff", "linear")
PICTURES = ("--set", "report.figures=true")
EXPLAIN = ("--set", "explain.pairs=6", *PICTURES)
GROUP = "group_task-rest"
MAPS = "group/func/task-rest"
FASTER = (
    *("--epochs", "1"),
    *("--set", "model.latent=2"),
    *("--set", "spectrogram.fmax=10"),
    *("--set", "evaluate.null_draws=20"),
)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Six participants, enough to set one aside for choosing the epoch; nobody writes here."""
    folder = tmp_path_factory.mktemp("people") / "bids"
    sizes = {"participants": 6, "volumes": 60, "grid": (6, 7, 6), "channels": 8, "sfreq": 100.0}
    simulate(folder, SimulationConfig(**sizes))
    return folder


@pytest.fixture(scope="module")
def compared(people, fast, tmp_path_factory):
    """Two models in three folds, twice each; nobody writes here."""
    out = tmp_path_factory.mktemp("compared") / "out"
    call = (people, out, "group", *fast, *FASTER, "--models", *MODELS, "--folds", "3")
    assert cli.main([*map(str, call), "--set", "split.repeats=2", *PICTURES]) == 0
    return out


@pytest.fixture(scope="module")
def each_left_out(simulated, undisturbed, fast, tmp_path_factory):
    """Two models, two participants, each of whom tests once; nobody writes here."""
    folder = tmp_path_factory.mktemp("each") / "out"
    out = shutil.copytree(undisturbed, folder, copy_function=os.link)
    call = (simulated, out, "group", *fast, "--models", *MODELS, "--folds", "loo")
    assert cli.main([*map(str, call), *EXPLAIN]) == 0
    return out


def table(out, name="metrics"):
    return pd.read_table(out / f"{GROUP}_{name}.tsv")


def cards(out):
    """What is known of each training in the work folder, by its name."""
    folders = out.glob(f"work/train/{GROUP}_*")
    return {
        path.name.split("__")[0].removeprefix(f"{GROUP}_"): json.loads(
            (path / "model.json").read_text()
        )
        for path in folders
    }


def group_results(out):
    """Tables and maps, bit for bit."""
    files = [*out.glob(f"{GROUP}_*.tsv"), *out.glob("group/func/*.nii.gz")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def test_every_participant_is_tested_once_by_each_training_of_each_model(compared):
    scores = table(compared)
    own = scores[scores["model"].isin(MODELS)]
    assert len(own) == 6 * 2 * 2
    assert not own.duplicated(["participant_id", "model", "repeat"]).any()
    assert (own.groupby("participant_id")["fold"].nunique() == 1).all()


def test_nobody_who_trains_or_chooses_tests_in_the_same_fold(compared):
    folds = json.loads((compared / f"{GROUP}_metrics.json").read_text())["participants"]
    everyone = [f"{number:02d}" for number in range(1, 7)]
    assert sorted(label for fold in folds for label in fold["test"]) == everyone
    for fold in folds:
        assert sorted(fold["train"] + fold["valid"] + fold["test"]) == everyone
        assert len(fold["valid"]) == 1


def test_models_rest_on_the_participants_that_the_table_names(compared):
    folds = json.loads((compared / f"{GROUP}_metrics.json").read_text())["participants"]
    trained = cards(compared)
    assert len(trained) == 3 * 2 * 2
    for name, card in trained.items():
        fold = folds[int(name.split("_")[0].removeprefix("fold-")) - 1]
        for part, labels in fold.items():
            assert [*card["runs"][part]] == [f"sub-{label}_task-rest" for label in labels]


def test_models_of_a_fold_share_their_encoders(compared):
    trained = cards(compared)
    for fold in (1, 2, 3):
        shapes = [card["shapes"] for name, card in trained.items() if f"fold-{fold}_" in name]
        assert len(shapes) == 4
        assert all(one == shapes[0] for one in shapes)


def test_repeats_are_drawn_anew(compared):
    scores = table(compared).query("model in @MODELS")
    by_repeat = scores.pivot(index=["participant_id", "model"], columns="repeat", values="rmse")
    assert (by_repeat[1] != by_repeat[2]).all()
    assert (table(compared, "desc-models_metrics")["n_seeds"] == 2).all()


def test_the_table_of_models_is_the_mean_and_deviation_of_its_scores(compared):
    scores, summed = table(compared), table(compared, "desc-models_metrics").set_index("model")
    baselines = ["participant-mean", "hrf-ridge", "global-signal", "drift", "mean-volume"]
    assert [*summed.index] == [*MODELS, *baselines]
    assert (summed["n_participants"] == 6).all()
    for metric in ("rmse", "ssim", "skill", "pearsoncorrelation"):
        of_model = scores.groupby("model")[metric]
        expected = pd.DataFrame({metric: of_model.mean(), f"{metric}_sd": of_model.std()})
        found = summed[[metric, f"{metric}_sd"]]
        pd.testing.assert_frame_equal(found, expected.loc[found.index], rtol=1e-9)


def test_the_page_judges_each_test_participant_and_leads_to_files_that_are_there(compared):
    assert dead_links(compared / "group.html") == []
    rows = re.findall(
        r'<th scope="row">(sub-\d+)</th><td class="text">', (compared / "group.html").read_text()
    )
    assert rows == sorted(table(compared)["participant_id"].unique())


def test_intervals_are_over_participants_whose_trainings_are_averaged(compared):
    summed = table(compared, "desc-models_metrics").set_index("model")
    own = table(compared).groupby(["model", "participant_id"])[["rmse"]].mean()
    judged = json.loads((compared / f"{GROUP}_metrics.json").read_text())["models"]
    for model in MODELS:
        rmse = ttest_1samp(own.loc[model, "rmse"], 0).confidence_interval()
        assert summed.loc[model, ["rmse_low", "rmse_high"]].tolist() == pytest.approx([*rmse])
        r = judged[model]["verdict_numbers"]["r"]
        ends = summed.loc[model, ["pearsoncorrelation_low", "pearsoncorrelation_high"]].tolist()
        assert ends == pytest.approx([r["low"], r["high"]], abs=1e-6)
    page = (compared / "group.html").read_text()
    assert "of 6 runs of held-out participants, trainings averaged." in page
    assert "below it the 95 % interval of the mean, best" in page
    assert "of the mean over the 6 test participants at 95 %, seeds averaged first" in page


def test_models_are_compared_by_a_paired_test_over_participants(compared):
    scores = table(compared)
    tests = table(compared, "desc-comparisons_metrics").set_index(["metric", "first", "second"])
    own = scores.pivot_table(index="participant_id", columns="model", values="rmse")
    for first, second in ((*MODELS,), (MODELS[0], "mean-volume"), (MODELS[1], "mean-volume")):
        row, expected = tests.loc["rmse", first, second], ttest_rel(own[first], own[second])
        assert row["n"] == 6
        assert row["df"] == expected.df
        assert row["t"] == pytest.approx(expected.statistic, rel=1e-6)
        assert row["p"] == pytest.approx(expected.pvalue, rel=1e-6)
        assert row["difference"] == pytest.approx((own[first] - own[second]).mean(), rel=1e-6)
        assert row["q"] >= row["p"]


def test_the_map_of_residuals_averages_what_each_fold_left(simulated, each_left_out):
    left = [
        residual(simulated, each_left_out, fold, label, "linear")
        for fold, label in ((1, "01"), (2, "02"))
    ]
    path = each_left_out / "group/func/task-rest_stat-mae_desc-synthLinear_boldmap.nii.gz"
    found = nib.load(path).get_fdata()
    inside = np.isfinite(found)
    assert inside.sum() > 100
    np.testing.assert_allclose(found[inside], np.mean(left, axis=0)[inside], rtol=1e-4)


def test_parcels_are_averaged_over_participants_by_fishers_z(each_left_out):
    found = table(each_left_out, "desc-parcels_metrics")
    assert found["model"].unique().tolist() == [*MODELS, "hrf-ridge"]
    z = {}
    for label in ("01", "02"):
        (scores,) = each_left_out.glob(f"work/parcel-scores/sub-{label}_task-rest_linear__*")
        (parcels,) = each_left_out.glob(f"work/parcels/sub-{label}_task-rest__*")
        names = json.loads((scores / "scores.json").read_text())["names"]
        r = np.load(scores / "scores.values.npy")[names.index("pearsoncorrelation")]
        z[label] = pd.Series(np.arctanh(r), np.load(parcels / "parcels.index.npy"))
    own = found[found["model"] == "linear"].set_index("index")["pearsoncorrelation"]
    pd.testing.assert_series_equal(own, np.tanh(pd.DataFrame(z).mean(axis=1)), check_names=False)
    assert f"{len(own)} parcels: blocks" in (each_left_out / "group.html").read_text()


def test_the_map_of_t_is_scipys_over_participants_whose_trainings_are_averaged(people, compared):
    folds = json.loads((compared / f"{GROUP}_metrics.json").read_text())["participants"]
    tested = [(i + 1, label) for i, fold in enumerate(folds) for label in fold["test"]]
    first, second = (
        np.stack([residual(people, compared, *one, model) for one in tested]) for model in MODELS
    )
    expected = ttest_rel(second, first)
    for stat, values in (("t", expected.statistic), ("p", expected.pvalue)):
        path = compared / f"{MAPS}_stat-{stat}_desc-TopoRffvsLinear_boldmap"
        found = nib.load(f"{path}.nii.gz").get_fdata()
        inside = np.isfinite(found)
        assert inside.sum() > 50
        np.testing.assert_allclose(found[inside], values[inside], rtol=1e-2, atol=1e-3)
    said = json.loads(Path(f"{path}.json").read_text())["Description"]
    assert "paired t-test of the mean absolute residual over 6 test participants" in said
    assert (
        "paired t-test of the mean absolute residual over 6"
        in (compared / "group.html").read_text()
    )


def residual(bids, out, fold, label, model):
    """Mean absolute residual of one participant over volumes and trainings, in SD of BOLD."""
    trained = next(iter(out.glob(f"work/train/{GROUP}_fold-{fold}_{model}__*")))
    bold = nib.load(bids / f"sub-{label}/func/sub-{label}_task-rest_bold.nii.gz").get_fdata()
    tested = out.glob(f"work/test/sub-{label}_task-rest_{model}__*/synthesised.npy")
    left = [np.abs(np.moveaxis(bold, -1, 0) - np.load(path)).mean(axis=0) for path in tested]
    return np.mean(left, axis=0) / load_file(trained / "model.safetensors")["scale.bold_sd"]


def test_the_validator_finds_nothing_but_that_there_is_no_participant_yet(compared):
    assert [code for _, code, _ in issues_of(compared)] == ["SUBJECT_FOLDERS"]


def test_relevance_is_the_mean_over_held_out_participants(each_left_out):
    stored = each_left_out.glob("work/explain/sub-*_topo-rff__*/relevance.attention.npy")
    mean = np.mean([np.load(path) for path in stored], axis=0)
    graph = pd.read_table(each_left_out / "group/eeg/task-rest_desc-attention_graph.tsv")
    np.testing.assert_allclose(graph["relevance"], mean.ravel(), rtol=1e-5)
    for name in ("eeg/task-rest_desc-relevance_channels", "eeg/task-rest_desc-attention_graph"):
        told = json.loads((each_left_out / f"group/{name}.json").read_text())
        assert len(told["Sources"]) == 4
        assert told["Verdict"] in (each_left_out / "group.html").read_text()


def test_the_validator_finds_nothing_in_both_levels(each_left_out):
    assert issues_of(each_left_out) == []


def test_files_of_a_group_are_those_that_images_are_held_to(each_left_out, undisturbed):
    assert files(each_left_out) - files(undisturbed) == listed("group")


def test_leaving_one_out_tests_each_of_two(each_left_out):
    scores = table(each_left_out).query("model in @MODELS")
    assert sorted(zip(scores["participant_id"], scores["fold"], strict=True)) == [
        *[("sub-01", 1)] * 2,
        *[("sub-02", 2)] * 2,
    ]
    for card in cards(each_left_out).values():
        (tested,), (learnt,) = card["runs"]["test"], card["runs"]["train"]
        assert card["runs"]["valid"].keys() == {learnt}
        assert tested != learnt


def test_a_second_run_of_a_group_does_nothing_again(simulated, each_left_out, app, fast):
    before = stamps(*each_left_out.glob("work/t*"), each_left_out / "group")
    call = (*fast, "--models", *MODELS, "--folds", "loo", *EXPLAIN)
    told = app(simulated, each_left_out, "group", *call)
    assert told.code == 0
    lines = [line for line in told.err.splitlines() if line.split("  ", 1)[0] != "group task-rest"]
    assert sum(line.endswith("(kept)") for line in lines) >= 2 * 3 + 4 * 2
    told_of = [line.split("  ")[1:4] for line in lines if "  result  " in line]
    assert told_of == [["result", fold, model] for fold in ("fold 1", "fold 2") for model in MODELS]
    assert stamps(*each_left_out.glob("work/t*"), each_left_out / "group") == before


def test_results_of_both_levels_do_not_depend_on_the_number_of_workers(
    simulated, undisturbed, each_left_out, tmp_path, app, fast
):
    out, two = tmp_path / "out", (*fast, "--n-cpus", "2")
    assert app(simulated, out, "participant", *two).code == 0
    assert results(out) == results(undisturbed)
    call = (*two, "--models", *MODELS, "--folds", "loo", *EXPLAIN)
    assert app(simulated, out, "group", *call).code == 0
    assert group_results(out) == group_results(each_left_out)


def test_a_training_that_fails_does_not_stop_the_group(
    simulated, each_left_out, tmp_path, app, fast
):
    out = damaged(each_left_out, tmp_path, (2, "linear"))
    told = app(simulated, out, "group", *fast, "--models", *MODELS, "--folds", "loo")
    first, last = complaints(told)
    assert told.code == 70
    assert "group task-rest fold-2 linear  failed" in first
    assert last.startswith("error: Failed: group_task-rest_fold-2 linear. The reasons")
    scores = table(out).query("model in @MODELS")
    assert scores.groupby("model")["participant_id"].apply(list).to_dict() == {
        "topo-rff": ["sub-01", "sub-02"],
        "linear": ["sub-01"],
    }
    compared = table(out, "desc-comparisons_metrics").set_index(["metric", "first", "second"])
    assert compared.loc["rmse", *MODELS]["n"] == 1
    assert compared.loc["rmse", "topo-rff", "mean-volume"]["n"] == 2
    assert (out / f"{MAPS}_stat-mae_desc-synthLinear_boldmap.nii.gz").exists()
    (crash,) = out.glob("logs/crash-*")
    assert crash.name.startswith("crash-group_task-rest_fold-2_linear-")
    page = (out / "group.html").read_text()
    assert "group_task-rest_fold-2 linear: " in page
    assert "The maps rest on 1 of 2 tests, those in which no model failed." in page
    assert "not to be ranked: linear (n = 1)" in page


def test_maps_that_no_test_allows_are_said_to_be_missing(
    simulated, each_left_out, tmp_path, app, fast
):
    out = damaged(each_left_out, tmp_path, (1, "topo-rff"), (2, "linear"))
    assert app(simulated, out, "group", *fast, "--models", *MODELS, "--folds", "loo").code == 70
    assert "no test has results of all of topo-rff, linear." in (out / "group.html").read_text()
    assert not [*out.glob("group/func/*")]


def test_a_model_does_not_take_the_name_of_the_first_that_failed(
    simulated, each_left_out, tmp_path, app, fast
):
    out = damaged(each_left_out, tmp_path, (1, "topo-rff"), (2, "topo-rff"))
    assert app(simulated, out, "group", *fast, "--models", *MODELS, "--folds", "loo").code == 70
    assert not [*out.glob("group/func/*_desc-synth_*")]
    assert (out / f"{MAPS}_stat-skill_desc-synthLinear_boldmap.nii.gz").exists()
    page = (out / "group.html").read_text()
    assert "topo-rff, the first model asked for, has no result." in page
    assert "The maps rest on" not in page


def damaged(each_left_out, tmp_path, *trainings):
    """The same output and work folders, without maps and with trainings that cannot be read."""
    out = Path(shutil.copytree(each_left_out, tmp_path / "out", copy_function=os.link))
    shutil.rmtree(out / "group")
    for fold, model in trainings:
        (path,) = out.glob(f"work/train/{GROUP}_fold-{fold}_{model}__*/model.json")
        empty(path)
    return out


def test_the_smallest_p_of_few_participants_is_told_beside_maps_and_tests(each_left_out):
    sidecar = json.loads(
        (each_left_out / f"{MAPS}_stat-p_desc-TopoRffvsLinear_boldmap.json").read_text()
    )
    said = re.search(r"p is not below about [0-9.]+", sidecar["Description"])
    assert said
    assert said[0] in (each_left_out / "group.html").read_text()
    tests = json.loads((each_left_out / f"{GROUP}_desc-comparisons_metrics.json").read_text())
    assert "With n = 2 signed_rank_p is never below 0.5." in tests["Description"]


def test_settings_of_the_group_are_said_to_be_idle_at_participant_level(
    simulated, finished, app, fast
):
    idle = ("--set", "split.folds=2", "--set", "split.repeats=3")
    told = app(simulated, finished, "participant", "--participant-label", "01", *fast, *idle)
    assert told.code == 0
    (warning,) = [line for line in told.err.splitlines() if line.startswith("warning: ")]
    assert "split.folds and split.repeats: for the group level" in warning


def test_a_group_is_held_against_draws_that_take_runs_of_the_model(
    simulated, each_left_out, tmp_path, app, fast
):
    out = Path(shutil.copytree(each_left_out, tmp_path / "out", copy_function=os.link))
    few = ("--set", "evaluate.phase_draws=2", "--set", "evaluate.retrained_draws=1")
    call = (simulated, out, "group", *fast, *few, "--models", "linear", "--folds", "loo")
    assert app(*call).code == 0
    models = json.loads((out / f"{GROUP}_metrics.json").read_text())["models"]
    # nobody to exchange EEG with where one participant is tested at a time
    drawn = {"block-permutation": 5, "phase-randomised-eeg": 2, "retrained": 1}
    assert models["linear"]["verdict_numbers"]["draws_other"] == drawn
    assert (
        "(2 draws a run), against models trained on shifted EEG" in (out / "group.html").read_text()
    )


def test_participants_of_a_fold_exchange_their_eeg(compared):
    models = json.loads((compared / f"{GROUP}_metrics.json").read_text())["models"]
    for name in (*MODELS, "hrf-ridge"):
        numbers = models[name]["verdict_numbers"]
        # three folds of two, of which the true order is one of eight
        assert numbers["draws_other"]["other-participants"] == 7
        assert numbers["p_other"]["other-participants"] * 8 == pytest.approx(
            round(numbers["p_other"]["other-participants"] * 8)
        )
    assert "against the EEG of other participants p = " in (compared / "group.html").read_text()


def test_exchanged_eeg_is_scored_against_the_volumes_of_the_same_number(compared, people):
    (unit,) = compared.glob(f"work/exchange/{GROUP}_fold-1_linear__*")
    labels = json.loads((unit / "exchange.json").read_text())["participants"]
    observed, synthesised = [], []
    for label in labels:
        stem = f"sub-{label}_task-rest"
        bold = nib.load(people / f"sub-{label}/func/{stem}_bold.nii.gz").get_fdata()
        made = [*compared.glob(f"work/test/{stem}_linear__*/synthesised.npy")]
        synthesised.append([np.load(path) for path in made])
        mask = np.load(next(compared.glob(f"work/read/{stem}__*/mask.npy")))
        observed.append((np.moveaxis(bold, -1, 0), mask))
    found = np.load(unit / "exchange.r.npy")
    for a, (y, mask) in enumerate(observed):
        for b, repeats in enumerate(synthesised):
            y_used = detrend(y[-len(repeats[0]) :][:, mask], axis=0)
            each = [temporal_r(y_used, detrend(one[:, mask], axis=0)) for one in repeats]
            assert np.isclose(each, found[a, b], atol=1e-5).any()


def temporal_r(y, y_hat):
    norms = np.linalg.norm(y, axis=0) * np.linalg.norm(y_hat, axis=0)
    return np.mean(np.sum(y * y_hat, axis=0) / norms)


def test_python_reads_what_was_written(compared):
    results = load_results(compared, "group")
    assert results.groups == (GROUP,)
    told = json.loads((compared / f"{GROUP}_metrics.json").read_text())["models"]
    assert results.verdicts.loc[f"{GROUP} linear", "verdict"] == told["linear"]["verdict"]
    scores = results.scores.reset_index()
    assert scores["skill"].tolist() == table(compared)["skill"].tolist()
    means = results.by_model()["skill"]
    assert means["linear"] == pytest.approx(table(compared, "desc-models_metrics")["skill"][1])
    assert {*results.comparisons()["first"]} <= {*means.index}
    assert results.map("skill").shape == results.map("t", desc="TopoRffvsLinear").shape
    assert results.report.name == "group.html"
    assert {*results.models} == {path.name for path in compared.glob("models/*")}
    assert f"{GROUP} linear" in results._repr_html_()
