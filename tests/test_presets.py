"""Each preset stands, changes what it names, and leads to results."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from bids_eeg2fmri import cli
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.presets import PRESETS
from bids_eeg2fmri.settings import from_mapping, override, read_toml, settings, validate

CODE = from_mapping(PRESETS["calhas2022-code"])


def gap(config: Config, *trs: float) -> float:
    return Job(Path(), Path(), Path(), config).gap(trs)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_valid(name):
    validate(from_mapping(PRESETS[name]))


def test_unset_settings_are_the_papers():
    assert from_mapping(PRESETS["paper"]) == Config()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_only_what_it_changes(name):
    sections = {key: keys for key, keys in PRESETS[name].items() if key != "models"}
    named = {f"{section}.{key}" for section, keys in sections.items() for key in keys}
    named |= PRESETS[name].keys() & {"models"}
    defaults, found = dict(settings(Config())), settings(from_mapping(PRESETS[name]))
    assert {key for key, value in found if value != defaults[key]} == named


def test_settings_that_are_given_win_over_the_preset():
    assert override(CODE, ["spectrogram.bins=7"]).spectrogram.bins == 7


def test_parts_of_a_run_lie_so_far_apart_that_no_eeg_is_shared_at_any_repetition_time():
    assert gap(Config(), 2.0, 0.8) == 26.0
    assert gap(CODE, 2.16) == pytest.approx(21.6)
    assert gap(CODE, 1.28, 2.0) == 20.0
    assert gap(override(CODE, ["split.gap=12"]), 2.0) == 24.0


@pytest.fixture(scope="module")
def out(simulated, tmp_path_factory, fast):
    folder = tmp_path_factory.mktemp("code") / "out"
    options = (*fast, "--preset", "calhas2022-code", "--epochs", "1")
    assert cli.main([str(simulated), str(folder), "group", *options]) == 0
    return folder


def test_the_public_codes_choices_lead_to_results_that_tell_them(out):
    (told,) = (out / "logs").glob("*_config.toml")
    used = from_mapping(read_toml(told))
    assert used.window == CODE.window
    assert used.scale == CODE.scale
    page = (out / "group.html").read_text(encoding="utf-8")
    for words in (
        "from t − 10 repetition times to t;",
        "of each participant, test volumes included",
        "those of 10 repetition times or more",
    ):
        assert words in page


def test_one_test_participant_has_no_interval_and_no_test_between_models(out):
    page = (out / "group.html").read_text(encoding="utf-8")
    assert "One test participant: no interval, and no test of these scores" in page
    assert "±" not in page.partition('id="scores"')[2].partition("</table>")[0]


def test_errors_are_told_in_the_test_participants_own_deviation(out, simulated):
    scores = pd.read_csv(out / "group_task-rest_metrics.tsv", sep="\t", index_col="model")
    tested = scores.loc["mean-volume", "participant_id"]
    (path,) = simulated.glob(f"{tested}/func/*_bold.nii.gz")
    bold = nib.load(path).get_fdata()
    (folder,) = (out / "models").iterdir()
    model = load_file(folder / "model.safetensors")
    mean = (model["reference.mean"] - model["scale.bold_mean"]) / model["scale.bold_sd"]
    z = (bold - bold.mean()) / bold.std()
    rmse = np.sqrt(np.mean((z - mean[..., None]) ** 2, axis=(0, 1, 2))).mean()
    assert scores.loc["mean-volume", "rmse"] == pytest.approx(rmse, rel=1e-3)
    own = model[f"scale.bold_of_run.{tested}_task-rest"]
    np.testing.assert_allclose(own, [bold.mean(), bold.std()], rtol=1e-4)
