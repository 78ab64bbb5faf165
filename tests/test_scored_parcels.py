"""Parcels from the command line to tables: scores, and atlases that do not fit."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from observed import complaints
from scipy.signal import detrend

from bids_eeg2fmri.app.group_parcels import sum_up_parcels
from bids_eeg2fmri.app.parcels import Parcellation, ParcelScores, ParcelTest
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.runtime import arrays
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.types import Parcels

FUNC = "sub-01/func/sub-01_task-rest"
ONE = ("--participant-label", "01")
TABLE = f"{FUNC}_desc-parcels_metrics.tsv"


def parcels_of(out):
    return pd.read_table(out / TABLE)


@pytest.fixture
def atlas(simulated, tmp_path):
    """Two halves of the image of a run, with their table beside them."""
    bold = nib.load(simulated / f"{FUNC}_bold.nii.gz")
    labels = np.full(bold.shape[:3], 7, np.int16)
    labels[5:] = 9
    path = tmp_path / "halves.nii.gz"
    nib.save(nib.Nifti1Image(labels, bold.affine), path)
    path.with_name("halves.tsv").write_text("index\tname\n7\tone side\n9\tthe other\n")
    return path


def test_scores_of_parcels_follow_from_the_images_beside_them(undisturbed):
    observed, synthesised, labels = (
        np.asarray(nib.load(undisturbed / f"{FUNC}_desc-{desc}.nii.gz").dataobj)
        for desc in ("target_bold", "synth_bold", "parcels_dseg")
    )
    mask = np.asarray(nib.load(undisturbed / f"{FUNC}_desc-brain_mask.nii.gz").dataobj) > 0
    scores = parcels_of(undisturbed)
    names = pd.read_table(undisturbed / f"{FUNC}_desc-parcels_dseg.tsv")
    assert scores["model"].unique().tolist() == ["topo-rff", "hrf-ridge"]
    own = scores[scores["model"] == "topo-rff"].reset_index()
    pd.testing.assert_frame_equal(own[["index", "name"]], names)
    for _, row in own[::7].iterrows():
        where = mask & (labels == row["index"])
        y, y_hat = (series[where].mean(axis=0) for series in (observed, synthesised))
        r = np.corrcoef(detrend(y), detrend(y_hat))[0, 1]
        assert row["n_voxels"] == where.sum()
        assert row["pearsoncorrelation"] == pytest.approx(r, abs=1e-3)
        assert row["sd_ratio"] == pytest.approx(y_hat.std() / y.std(), rel=1e-2)


def test_another_atlas_or_table_scores_parcels_anew_and_nothing_else(
    simulated, finished, atlas, app, fast
):
    table = atlas.with_name("halves.tsv")
    for names in (["one side", "the other"], ["left", "right"]):
        table.write_text("index\tname\n7\t{}\n9\t{}\n".format(*names))
        told = app(simulated, finished, "participant", *ONE, *fast, "--atlas", atlas)
        lines = [line.split("  ", 1)[1] for line in told.err.splitlines()]
        kept = {line.split()[0] for line in lines if line.endswith("(kept)")}
        assert told.code == 0
        assert kept == {"read", "clock", "clean", "pairs", "train", "baselines", "test"}
        assert parcels_of(finished)["name"].unique().tolist() == names
    sidecar = json.loads((finished / TABLE).with_suffix(".json").read_text())
    assert sidecar["AtlasFiles"] == ["halves.nii.gz", "halves.tsv"]


def test_an_atlas_that_does_not_fit_costs_the_parcels_and_nothing_else(
    simulated, finished, tmp_path, atlas, app, fast
):
    image = nib.load(atlas)
    image.affine[0, 3] += 500
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine), atlas)
    out, work = tmp_path / "anew", finished / "work"
    told = app(simulated, out, "participant", *ONE, *fast, "--atlas", atlas, "-w", work)
    first, last = complaints(told)
    assert told.code == 70
    assert "halves.nii.gz: in another space than the BOLD of sub-01_task-rest: 0 % of it" in first
    assert last.startswith("error: Failed: sub-01_task-rest parcels. The reasons stand above")
    assert told.err.index(first) < told.err.index("train ")
    assert "halves.nii.gz: in another space" in (out / "sub-01.html").read_text()
    assert (out / f"{FUNC}_desc-synth_metrics.tsv").exists()
    assert not [*out.glob("sub-01/func/*_desc-parcels_*")]


@pytest.mark.parametrize("level", ["participant", "group"])
def test_what_is_no_atlas_is_refused_before_any_work(level, simulated, tmp_path, app, atlas):
    out, other = tmp_path / "out", tmp_path / "other.tsv"
    other.write_text("index\tname\n1\tcuneus\n")
    for files, code, complaint in (
        ((tmp_path / "none.nii",), 66, "none.nii: no such file"),
        ((atlas, tmp_path / "none.tsv"), 66, "none.tsv: no such file"),
        ((other,), 65, "other.tsv: cannot be read"),
        ((atlas, other), 65, "other.tsv: not the table of halves.nii.gz"),
    ):
        told = app(simulated, out, level, "--atlas", *files)
        (line,) = complaints(told)
        assert told.code == code
        assert complaint in line
    assert not out.exists()


# Over participants


@pytest.fixture
def stored(tmp_path):
    """Store the scores of a participant's parcels, by their numbers, as a test would."""

    def store(participant, names, r):
        folder = tmp_path / participant
        folder.mkdir()
        values = np.array(r, float)
        labels, index = np.zeros((1, 1, 1), np.int32), np.array([*names])
        arrays.save(folder, "parcels", Parcels(labels, index, (*names.values(),), f"a test; {r}"))
        scores = ParcelScores(("pearsoncorrelation", "skill"), np.array([values, values]))
        arrays.save(folder, "scores", scores)
        unit = Unit(participant, folder, reused=False, why="")
        files = RunFiles(folder, participant, None, "rest", None, {}, folder, folder)
        return ParcelTest(Parcellation(files, unit, ()), {"linear": unit})

    return store


def test_what_a_participant_lacks_is_left_out_of_that_parcel(stored):
    first = stored("01", {1: "cuneus", 2: "insula"}, [0.3, np.nan])
    second = stored("02", {1: "cuneus", 3: "vermis"}, [0.1, 0.2])
    found, why = sum_up_parcels([first, second])
    assert found.names == {1: "cuneus", 2: "insula", 3: "vermis"}
    assert (found.origin, why) == ("a test", "")
    scores = found.scores["linear"]
    assert scores["n_participants"].tolist() == [2, 0, 1]
    mean = np.tanh(np.arctanh([0.3, 0.1]).mean())
    np.testing.assert_allclose(scores["pearsoncorrelation"], [mean, np.nan, 0.2])
    np.testing.assert_allclose(scores["skill"], [0.2, np.nan, 0.2])


def test_runs_and_trainings_of_a_participant_count_once(stored):
    runs = [stored(name, {1: "cuneus"}, [r]) for name, r in (("a", 0.1), ("b", 0.5))]
    same = [replace(one, parcellation=runs[0].parcellation) for one in runs]
    found, _ = sum_up_parcels(same)
    assert found.scores["linear"]["n_participants"].tolist() == [1]
    assert found.scores["linear"]["skill"].tolist() == [0.3]


def test_parcels_of_one_number_and_two_names_are_not_averaged(stored):
    tests = [stored("01", {1: "cuneus"}, [0.1]), stored("02", {1: "insula"}, [0.1])]
    found, why = sum_up_parcels(tests)
    assert found is None
    assert "those of the test runs differ" in why
