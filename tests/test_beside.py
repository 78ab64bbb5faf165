"""What stands beside every model: baselines, and a verdict that says what the numbers mean."""

import json

import numpy as np
import pandas as pd
import pytest

FUNC = "sub-01/func/sub-01_task-rest"
ONE = ("--participant-label", "01")
LABELS = {
    "informative",
    "not better than the mean volume",
    "not distinguishable from shifted EEG",
    "near-constant output",
}


@pytest.fixture
def confounds(bids_dir):
    """Where fMRIPrep would have left the head motion of a run."""
    folder = bids_dir / "derivatives/fmriprep/sub-01/func"
    folder.mkdir(parents=True)
    return folder / "sub-01_task-rest_desc-confounds_timeseries.tsv"


def motion(rows):
    names = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
    return pd.DataFrame(np.random.default_rng(0).normal(size=(rows, 6)), columns=names)


def sidecar(out):
    return json.loads((out / f"{FUNC}_desc-synth_metrics.json").read_text())["models"]


def test_each_model_that_sees_the_eeg_has_one_of_four_verdicts(undisturbed):
    judged = {
        name: told["verdict"] for name, told in sidecar(undisturbed).items() if "verdict" in told
    }
    assert set(judged) == {"topo-rff", "hrf-ridge"}
    assert set(judged.values()) <= LABELS


def test_a_test_too_short_for_shifted_eeg_shows_nothing_and_says_so(undisturbed):
    told = sidecar(undisturbed)["topo-rff"]
    assert told["verdict"] != "informative"
    assert "nothing can be shown" in told["verdict_text"]


def test_the_report_opens_with_the_verdict(undisturbed):
    page = (undisturbed / "sub-01.html").read_text()
    verdict = sidecar(undisturbed)["topo-rff"]["verdict"]
    assert f"<p>{verdict[0].upper()}{verdict[1:]}.</p>" in page
    assert "participant-mean (oracle)" in page


def test_head_motion_is_a_baseline_where_it_is_known(bids_dir, finished, confounds, app, fast):
    motion(100).to_csv(confounds, sep="\t", index=False)
    assert app(bids_dir, finished, "participant", *ONE, *fast).code == 0
    table = pd.read_table(finished / f"{FUNC}_desc-synth_metrics.tsv", index_col="model")
    assert np.isfinite(table["rmse"]["motion"])
    assert sidecar(finished)["motion"]["oracle"]


def test_motion_of_another_series_is_named_and_left_aside(bids_dir, finished, confounds, app, fast):
    motion(99).to_csv(confounds, sep="\t", index=False)
    told = app(bids_dir, finished, "participant", *ONE, *fast)
    assert told.code == 0
    assert "has 99 rows for 100 volumes; head motion is left aside" in told.err
    assert "motion" not in sidecar(finished)


def test_a_changed_table_of_motion_fits_baselines_anew_and_no_network(
    bids_dir, finished, confounds, app, fast
):
    call = (bids_dir, finished, "participant", *ONE, *fast)
    assert app(*call).code == 0
    motion(100).to_csv(confounds, sep="\t", index=False)
    told = app(*call)
    assert "train   topo-rff  kept after epoch 2 of 2  (kept)" in told.err
    assert "motion λ" in told.err


def test_the_hybrid_predicts_deviations_and_is_judged_like_others(simulated, finished, app, fast):
    assert app(simulated, finished, "participant", *ONE, *fast, "--models", "hybrid").code == 0
    card = json.loads((finished / "models/sub-01_hybrid/model.json").read_text())
    assert card["shapes"]["lags"] == [25, 23, 21, 19, 17, 15, 13, 11, 9, 7]
    assert sidecar(finished)["hybrid"]["verdict"] in LABELS
