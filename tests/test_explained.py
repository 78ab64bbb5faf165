"""What a synthesis rests on, from the command line to files and reports."""

import json
import os
import shutil
import xml.etree.ElementTree as ET

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from observed import dead_links, files, issues_of, listed, stamps

from bids_eeg2fmri import cli

ONE = ("--participant-label", "01")
EEG = "sub-01/eeg/sub-01_task-rest_desc"
FUNC = "sub-01/func/sub-01_task-rest"
EXPLAIN = (
    *("--set", "explain.pairs=9", "--set", "explain.start=variance"),
    *("--set", "report.figures=true"),
)


@pytest.fixture(scope="module")
def explained(simulated, undisturbed, fast, tmp_path_factory):
    """Two models of one participant, one of them without attention; nobody writes here."""
    folder = tmp_path_factory.mktemp("explained") / "out"
    out = shutil.copytree(undisturbed, folder, copy_function=os.link)
    call = (simulated, out, "participant", *ONE, *fast, *EXPLAIN, "--models", "topo-rff", "rff")
    assert cli.main([*map(str, call)]) == 0
    return out


def sidecar(out, name):
    return json.loads((out / f"{name}.json").read_text())


def test_files_of_a_participant_are_those_that_images_are_held_to(explained):
    found, wanted = files(explained), listed("participant")
    assert {name for name in found if "sub-02" not in name} == {
        name for name in wanted if "sub-02" not in name
    }


def test_the_tables_of_electrodes_and_of_the_spectrogram_tell_the_same(explained):
    channels = pd.read_table(explained / f"{EEG}-relevance_channels.tsv").set_index("name")
    spectrum = pd.read_table(explained / f"{EEG}-relevance_spectrogram.tsv")
    lags = [name for name in spectrum if name.startswith("lag_")]
    assert lags == [f"lag_{lag}" for lag in range(25, 6, -2)]
    total = spectrum.groupby("name", sort=False)[lags].sum().sum(axis=1)
    np.testing.assert_allclose(channels["relevance"], total[channels.index], rtol=1e-4)
    bands = [name for name in channels if name.startswith("relevance_")]
    np.testing.assert_allclose(channels["relevance"], channels[bands].sum(axis=1), rtol=1e-3)


def test_sidecars_say_what_a_relevance_is_of_and_whether_to_believe_it(explained):
    verdicts = sidecar(explained, f"{FUNC}_desc-synth_metrics")["models"]
    for name, model in (
        (f"{EEG}-relevance_channels", "topo-rff"),
        (f"{EEG}-attention_graph", "topo-rff"),
        (f"{FUNC}_stat-relevance_desc-lrp_boldmap", "topo-rff"),
        (f"{FUNC}_stat-relevance_desc-lrpRff_boldmap", "rff"),
    ):
        told = sidecar(explained, name)
        assert told["Model"] == f"models/sub-01_{model}"
        assert len(told["Sources"]) == 2
        assert told["Verdict"] == verdicts[model]["verdict"]
        assert any("no finding about the brain" in one for one in told["Remarks"]) == (
            told["Verdict"] != "informative"
        )


def test_a_model_without_attention_or_a_way_back_says_what_there_is_none_of(explained):
    remarks = sidecar(explained, f"{FUNC}_stat-relevance_desc-lrpRff_boldmap")["Remarks"]
    assert "There is no electrode graph: rff takes no style from attention scores." in remarks
    assert any(one.startswith("No relevance reaches the EEG") for one in remarks)
    assert not [*explained.glob("sub-01/eeg/*Rff_*")]


def test_the_graph_holds_as_many_edges_as_its_table_marks(explained):
    table = pd.read_table(explained / f"{EEG}-attention_graph.tsv")
    assert len(table) == 64
    np.testing.assert_allclose(table.groupby("target")["score"].sum(), 1, rtol=1e-4)
    graph = ET.parse(explained / f"{EEG}-attention_graph.graphml")
    space = "{http://graphml.graphdrawing.org/xmlns}"
    drawn = {(e.get("source"), e.get("target")) for e in graph.iter(f"{space}edge")}
    marked = table[table["edge"]]
    assert drawn == {*zip(marked["source"], marked["target"], strict=True)}
    assert len(drawn) == 1  # 0.3 % of 56, and there is always a largest
    assert len([*graph.iter(f"{space}node")]) == 8


def test_the_map_lies_on_the_grid_of_the_bold(explained):
    image = nib.load(explained / f"{FUNC}_stat-relevance_desc-lrp_boldmap.nii.gz")
    bold = nib.load(explained / f"{FUNC}_desc-synth_bold.nii.gz")
    assert image.shape == bold.shape[:3]
    np.testing.assert_array_equal(image.affine, bold.affine)
    mask = nib.load(explained / f"{FUNC}_desc-brain_mask.nii.gz").get_fdata() > 0
    values = image.get_fdata()
    np.testing.assert_array_equal(np.isfinite(values), mask)
    assert np.abs(values[mask]).max() > 0


def test_the_report_shows_it_and_the_validator_finds_nothing(explained):
    page = (explained / "sub-01.html").read_text()
    assert 'id="run-1-explanation"' in page
    names = {path.name for path in (explained / "sub-01/figures").iterdir()}
    assert {f"sub-01_task-rest_desc-relevance_{of}" for of in ("eeg.svg", "bold.png")} <= names
    assert dead_links(explained / "sub-01.html") == []
    assert issues_of(explained) == []


def test_only_what_a_setting_changes_is_explained_anew(simulated, explained, tmp_path, fast):
    out = shutil.copytree(explained, tmp_path / "out", copy_function=os.link)
    call = [*map(str, (simulated, out, "participant", *ONE, *fast, *EXPLAIN))]
    units = stamps(out / "work/explain")
    assert cli.main([*call, "--set", "explain.percentile=80"]) == 0
    assert stamps(out / "work/explain") == units
    assert pd.read_table(out / f"{EEG}-attention_graph.tsv")["edge"].sum() > 1
    assert cli.main([*call, "--set", "explain.epsilon=0.1"]) == 0
    assert stamps(out / "work/explain").keys() > units.keys()


def test_an_explanation_that_is_missing_costs_its_part_of_the_report_alone(
    simulated, explained, tmp_path, app, fast
):
    out = shutil.copytree(explained, tmp_path / "out", copy_function=os.link)
    call = (simulated, out, "participant", *ONE, *fast, *EXPLAIN, "--reports-only")
    told = app(*call, "--set", "explain.epsilon=0.5")
    assert told.code == 70
    assert "explanation of topo-rff" in told.verdict
    page = (out / "sub-01.html").read_text()
    assert "no stored result of the stage explain (config.epsilon 1e-06 → 0.5)" in page
    assert 'id="run-1-scores"' in page
    assert 'id="run-1-explanation"' not in page
