"""BOLD prepared from the command line, to the files."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

ONE = ("--participant-label", "01")
FUNC = "sub-01/func/sub-01_task-rest"
PERCENT = ("--set", "bold.smoothing=5", "--set", "bold.units=percent")


@pytest.fixture(scope="module")
def moved(simulated, tmp_path_factory):
    """The dataset with a table of head motion as fMRIPrep leaves it."""
    root = tmp_path_factory.mktemp("moved") / "bids"
    shutil.copytree(simulated, root)
    n = nib.load(root / f"{FUNC}_bold.nii.gz").shape[3]
    columns = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    motion = np.cumsum(np.random.default_rng(0).normal(0, 0.01, (n, 6)), axis=0)
    table = root / "derivatives/fmriprep" / f"{FUNC}_desc-confounds_timeseries.tsv"
    table.parent.mkdir(parents=True)
    pd.DataFrame(motion, columns=columns).to_csv(table, sep="\t", index=False)
    return root


def test_prepared_bold_is_what_is_learnt_from_and_every_file_says_so(moved, fast, app, tmp_path):
    call = (moved, tmp_path / "out", "participant", *ONE, *fast, "--bold-clean", "confounds")
    assert app(*call, *PERCENT).code == 0
    series = nib.load(tmp_path / "out" / f"{FUNC}_desc-target_bold.nii.gz")
    told = json.loads((tmp_path / "out" / f"{FUNC}_desc-target_bold.json").read_text())
    brain = nib.load(tmp_path / "out" / f"{FUNC}_desc-brain_mask.nii.gz").get_fdata() > 0
    assert told["Units"] == "percent"
    assert told["Preparation"] == (
        "BOLD smoothed by 5 mm, cleaned of linear trends and 24 regressors of head motion, "
        "in percent of the mean"
    )
    assert np.median(series.get_fdata()[brain]) == pytest.approx(100, abs=1)
    page = (tmp_path / "out/sub-01.html").read_text()
    assert "24 regressors of head motion" in page
    card = json.loads((tmp_path / "out/models/sub-01_topo-rff/model.json").read_text())
    assert card["config"]["bold"]["clean"] == "confounds"


def test_without_a_table_of_head_motion_confounds_are_refused(simulated, fast, app, tmp_path):
    call = (simulated, tmp_path / "out", "participant", *ONE, *fast, "--bold-clean", "confounds")
    told = app(*call)
    assert told.code == 65
    assert "no table of head motion that fits. Name the folder of the pipeline" in told.err
