"""A saved model on EEG in memory does what it does on a dataset."""

import dataclasses
import json
from pathlib import Path

import mne
import numpy as np
import pytest

from bids_eeg2fmri import Study, load_model
from bids_eeg2fmri.errors import DataError, DataWarning, EEGError, MissingInputError, UsageError

NEVER = pytest.mark.filterwarnings("ignore:Do not rely:bids_eeg2fmri.errors.DataWarning")


@pytest.fixture(scope="module")
def model(undisturbed):
    return load_model(undisturbed / "models" / "sub-01_topo-rff", "cpu")


@pytest.fixture(scope="module")
def applied(only_eeg, model, tmp_path_factory):
    """What a study makes of the EEG of a dataset; nobody writes here."""
    out = tmp_path_factory.mktemp("applied") / "out"
    study = Study(only_eeg, out, n_cpus=1, omp_nthreads=1, verbose=False)
    return study.apply(model, "01")


@pytest.fixture
def raw(only_eeg):
    return mne.io.read_raw_brainvision(
        only_eeg / "sub-01/eeg/sub-01_task-rest_eeg.vhdr", preload=True, verbose="ERROR"
    )


@NEVER
def test_a_prediction_is_what_a_study_writes(model, applied, raw):
    image, series = model.predict(raw, omp_nthreads=1), applied.bold()
    np.testing.assert_allclose(image.get_fdata(), series.get_fdata(), rtol=1e-5)
    np.testing.assert_array_equal(image.affine, series.affine)
    assert image.header.get_zooms() == series.header.get_zooms()
    assert image.header.get_xyzt_units() == series.header.get_xyzt_units()
    sidecar = Path(series.get_filename().replace(".nii.gz", ".json"))
    assert json.loads(sidecar.read_text()).items() >= image.extra.items()


def test_results_of_an_application_open_with_the_verdict_on_its_model(applied, model):
    assert applied.verdicts.loc[model.name, "verdict"] == model.verdict
    assert model.verdict[1:] in applied._repr_html_()
    assert len(applied.timeseries()) == applied.bold().shape[3]
    assert (applied.montage()["distance"] == 0).all()
    np.testing.assert_allclose(
        applied.map("mean").get_fdata(), applied.bold().get_fdata().mean(axis=3), rtol=1e-4
    )
    assert applied.report.name == "sub-01_applied.html"


@NEVER
def test_an_onset_places_a_volume_there(model, raw):
    image = model.predict(raw, eeg_onset=31.7, omp_nthreads=1)
    assert (31.7 - image.extra["StartTime"]) % model.tr == pytest.approx(0, abs=1e-9)
    assert image.extra["Units"] == model.units


def test_a_model_that_is_not_to_be_relied_on_warns_each_time(model, raw):
    assert model.verdict != "informative"
    for _ in range(2):
        with pytest.warns(DataWarning, match="Do not rely on this BOLD"):
            model.predict(raw, omp_nthreads=1)


@NEVER
def test_a_flat_channel_is_interpolated_with_a_warning_and_raw_stays_as_it_was(model, raw):
    raw._data[0] = 0
    before = raw.get_data()
    with pytest.warns(DataWarning, match=f"EEG: {raw.ch_names[0]} flat"):
        model.predict(raw, omp_nthreads=1)
    np.testing.assert_array_equal(raw.get_data(), before)


@pytest.mark.parametrize(
    ("spoil", "kind", "complaint"),
    [
        (lambda raw: raw.get_data(), UsageError, "raw is a ndarray: give a recording of MNE"),
        (lambda raw: raw.crop(0, 10), EEGError, "too short for a single volume"),
        (lambda raw: raw.pick(raw.ch_names[:2]), DataError, "EEG: "),
        (
            lambda raw: raw.set_channel_types(dict.fromkeys(raw.ch_names, "misc")),
            EEGError,
            "no channel measures the scalp",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:The unit for channel:RuntimeWarning")
def test_eeg_that_will_not_do_is_refused(model, raw, spoil, kind, complaint):
    with pytest.raises(kind, match=complaint):
        model.predict(spoil(raw), omp_nthreads=1)


def test_what_the_model_has_settled_cannot_be_set(model, raw):
    with pytest.raises(UsageError, match=r"the model brings its own window\.stop"):
        model.predict(raw, settings={"window.stop": 1})


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(MissingInputError, match=r"holds no model\.safetensors"):
        load_model(tmp_path)


def test_a_model_shows_a_notebook_whether_to_believe_it(model):
    page = model._repr_html_()
    assert page.index(model.verdict[1:]) < page.index("trained on")
    assert dataclasses.is_dataclass(model)
    assert "SavedModel" not in repr(model)
