"""The output folder as a whole: its description, its participants, and the BIDS validator."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from observed import issues_of

from bids_eeg2fmri.bids.dataset import write_dataset, write_participants
from bids_eeg2fmri.bids.images import write_image, write_mask, write_series
from bids_eeg2fmri.bids.models import write_model
from bids_eeg2fmri.bids.write import (
    bids_uri,
    derivative_path,
    write_json,
    write_table,
    write_text,
)
from bids_eeg2fmri.errors import DataWarning

AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])
ENTITIES = {"sub": "01", "task": "rest"}
COLUMNS = {
    "model": {"Description": "Which model"},
    "volume": {"Description": "Index of the volume"},
    "rmse": {"Description": "Root mean squared error", "Units": "a.u."},
}


def make_input(folder: Path, **description: object) -> Path:
    write_json(
        folder / "dataset_description.json",
        {"Name": "Rest", "BIDSVersion": "1.8.0", **description},
    )
    write_text(
        folder / "participants.tsv",
        "participant_id\tage\nsub-02\t31\nsub-01\t27\nsub-03\t\n",
    )
    write_json(folder / "participants.json", {"age": {"Description": "Age", "Units": "year"}})
    return folder


def description_of(out: Path) -> dict:
    return json.loads((out / "dataset_description.json").read_text())


def write_participant_level(out: Path, raw: Path) -> None:
    """What `participant` leaves of one run."""
    rng = np.random.default_rng(0)
    series = rng.normal(1000, 20, (6, 5, 4, 8)).astype(np.float32)
    source = bids_uri(raw / "sub-01/func/sub-01_task-rest_bold.nii.gz", raw)
    given = {"Description": "A test", "Sources": [source]}
    metadata = {**given, "Units": "arbitrary"}
    for desc in ("synth", "target", "residual"):
        path = derivative_path(out, ENTITIES, "func", desc=desc, suffix="bold", extension=".nii.gz")
        about = {**metadata, "TaskName": "rest"}
        write_series(
            path, np.moveaxis(series, -1, 0), series.shape, AFFINE, tr=2.16, metadata=about
        )
    path = derivative_path(out, ENTITIES, "func", desc="brain", suffix="mask", extension=".nii.gz")
    write_mask(path, series[..., 0] > 1000, AFFINE, metadata={**given, "SpatialReference": source})
    for stat in ("rmse", "mae", "pearsoncorrelation", "skill", "p"):
        path = derivative_path(
            out, ENTITIES, "func", stat=stat, desc="synth", suffix="boldmap", extension=".nii.gz"
        )
        write_image(path, series[..., 0], AFFINE, metadata=metadata)
    for suffix in ("timeseries", "metrics"):
        path = derivative_path(out, ENTITIES, "func", desc="synth", suffix=suffix, extension=".tsv")
        write_table(path, {"volume": [3, 4], "rmse": [0.5, np.nan]}, COLUMNS)
    write_text(out / "sub-01.html", "<!doctype html><title>sub-01</title>")
    write_model(out / "models" / "sub-01", {"weight": np.ones(3, np.float32)}, {"epochs": 10})
    write_participants(out, raw)


def write_group_level(out: Path) -> None:
    """What `group` adds."""
    write_text(out / "group.html", "<!doctype html><title>group</title>")
    rows = {"model": ["paper", "mean-volume"], "rmse": [0.5, 0.4]}
    write_table(out / "group_task-rest_metrics.tsv", rows, COLUMNS)
    path = derivative_path(
        out / "group", {"task": "rest"}, "func", stat="rmse", desc="synth", suffix="boldmap",
        extension=".nii.gz",
    )  # fmt: skip
    write_image(path, np.ones((6, 5, 4), np.float32), AFFINE, metadata={"Units": "1"})
    write_model(out / "models" / "group", {"weight": np.ones(3, np.float32)}, {})
    write_text(out / "logs" / "20260101T000000_node_1_config.toml", "seed = 0\n")


def test_the_validator_finds_nothing_in_what_both_levels_write(tmp_path):
    raw = make_input(tmp_path / "raw", License="CC0", DatasetDOI="10.5281/zenodo.1")
    write_text(raw / "LICENSE", "Do as you like.\n")
    out = tmp_path / "out"
    about = {"version": "0.1.0", "container": "bids-eeg2fmri:0.1.0"}
    write_dataset(out, raw, command="run.py raw out participant", **about)
    write_participant_level(out, raw)
    assert issues_of(out) == []
    write_group_level(out)
    write_text(out / "work" / "prepare" / "meta.json", "{")
    assert issues_of(out) == []


def test_the_validator_does_object_where_something_is_wrong(tmp_path):
    raw, out = make_input(tmp_path / "raw"), tmp_path / "out"
    write_dataset(out, raw, command="", version="0.1.0")
    write_participant_level(out, raw)
    (out / "sub-01/func/sub-01_task-rest_desc-synth_bold.json").unlink()
    assert ("error", "SIDECAR_KEY_REQUIRED") in [issue[:2] for issue in issues_of(out)]


def test_the_description_names_the_source_and_keeps_its_authors_and_licence(tmp_path):
    raw = make_input(
        tmp_path / "raw", License="CC0", Authors=["A. Lovelace"], DatasetDOI="doi:10.5281/zenodo.1"
    )
    write_dataset(tmp_path / "out", raw, command="", version="0.1.0", container="bids-eeg2fmri:1")
    described = description_of(tmp_path / "out")
    container = {"Type": "docker", "Tag": "bids-eeg2fmri:1"}
    assert described["DatasetType"] == "derivative"
    assert described["License"] == "CC0"
    assert described["Authors"] == ["A. Lovelace", "The bids_eeg2fmri developers"]
    assert described["SourceDatasets"] == [
        {"DOI": "doi:10.5281/zenodo.1", "URL": "https://doi.org/10.5281/zenodo.1"}
    ]
    assert described["GeneratedBy"] == [
        {"Name": "bids_eeg2fmri", "Version": "0.1.0", "Container": container}
    ]


@pytest.mark.parametrize(
    "spelt",
    [
        "doi:10.18112/openneuro.ds002336.v2.0.2",
        "10.18112/openneuro.ds002336.v2.0.2",
        "DOI: 10.18112/openneuro.ds002336.v2.0.2",
        "https://doi.org/10.18112/openneuro.ds002336.v2.0.2",
    ],
)
def test_a_doi_is_a_uri_however_the_input_spells_it_and_tells_the_snapshot(spelt, tmp_path):
    raw, out = make_input(tmp_path / "raw", DatasetDOI=spelt), tmp_path / "out"
    write_dataset(out, raw, command="", version="0.1.0")
    doi = "10.18112/openneuro.ds002336.v2.0.2"
    (source,) = description_of(out)["SourceDatasets"]
    assert source == {"DOI": f"doi:{doi}", "URL": f"https://doi.org/{doi}", "Version": "2.0.2"}


@pytest.mark.parametrize("odd", ["", "n/a", "to come", 7, ["10.5281/zenodo.1"]])
def test_what_is_no_doi_is_none(odd, tmp_path):
    raw, out = make_input(tmp_path / "raw", DatasetDOI=odd), tmp_path / "out"
    write_dataset(out, raw, command="", version="0.1.0")
    assert description_of(out)["SourceDatasets"] == [{"URL": raw.resolve().as_uri()}]


@pytest.mark.parametrize(
    ("given", "licence"),
    [
        ({"License": "CC BY-NC-SA 4.0, after registration"}, "CC BY-NC-SA 4.0, after registration"),
        ({"License": ""}, None),
        ({"License": ["CC0"]}, None),
        ({}, None),
    ],
)
def test_the_licence_is_that_of_the_input_or_none(given, licence, tmp_path):
    raw, out = make_input(tmp_path / "raw", **given), tmp_path / "out"
    write_dataset(out, raw, command="", version="0.1.0")
    assert description_of(out).get("License") == licence


def test_a_licence_file_goes_with_what_was_derived_unless_it_leads_out_of_the_dataset(tmp_path):
    raw, out = make_input(tmp_path / "raw", License="PDDL"), tmp_path / "out"
    write_text(raw / "LICENSE", "Do as you like.\n")
    write_dataset(out, raw, command="", version="0.1.0")
    assert (out / "LICENSE").read_text() == "Do as you like.\n"
    write_text(tmp_path / "secret", "key")
    (raw / "LICENSE").unlink()
    (raw / "LICENSE").symlink_to(tmp_path / "secret")
    write_dataset(tmp_path / "out2", raw, command="", version="0.1.0")
    assert not (tmp_path / "out2" / "LICENSE").exists()


@pytest.mark.parametrize(
    ("given", "begins"),
    [
        ({"HowToAcknowledge": "Cite Lovelace (1843)."}, "Cite Lovelace (1843). Of this"),
        (
            {"DatasetDOI": "10.5281/zenodo.1"},
            "Cite the dataset it was made from, Rest (https://doi.org/10.5281/zenodo.1). Of this",
        ),
        ({}, "Cite the dataset it was made from, Rest. Of this"),
    ],
)
def test_who_is_to_be_acknowledged_is_who_made_the_input_and_what_was_run(given, begins, tmp_path):
    raw, out = make_input(tmp_path / "raw", **given), tmp_path / "out"
    write_dataset(out, raw, command="", version="0.1.0")
    assert description_of(out)["HowToAcknowledge"].startswith(begins)
    assert "logs/CITATION.md" in description_of(out)["HowToAcknowledge"]


def test_the_link_to_the_input_moves_with_a_dataset_that_holds_the_output(tmp_path):
    raw = make_input(tmp_path / "raw")
    for out, link in (
        (raw / "derivatives" / "eeg2fmri", "../.."),
        (tmp_path / "out", raw.resolve().as_uri()),
    ):
        write_dataset(out, raw, command="", version="0.1.0")
        assert description_of(out)["DatasetLinks"] == {"raw": link}


def test_a_published_input_is_linked_by_its_doi_and_no_path_of_this_machine_is_told(tmp_path):
    raw = make_input(tmp_path / "raw", DatasetDOI="10.5281/zenodo.1")
    for out, link in (
        (raw / "derivatives" / "eeg2fmri", "../.."),
        (tmp_path / "out", "doi:10.5281/zenodo.1"),
    ):
        write_dataset(out, raw, command="", version="0.1.0")
        assert description_of(out)["DatasetLinks"] == {"raw": link}
        assert str(tmp_path) not in (out / "dataset_description.json").read_text()


def test_describing_twice_gives_the_same_bytes(tmp_path):
    raw, out = make_input(tmp_path / "raw"), tmp_path / "out"

    def contents() -> dict[Path, bytes]:
        write_dataset(out, raw, command="run.py", version="0.1.0")
        return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    assert contents() == contents()


def test_participants_keep_their_rows_and_those_unknown_to_the_input_get_one(tmp_path):
    raw, out = make_input(tmp_path / "raw"), tmp_path / "out"
    for label in ("sub-09", "sub-03", "sub-01"):
        (out / label).mkdir(parents=True)
    write_participants(out, raw)
    assert (out / "participants.tsv").read_text() == (
        "participant_id\tage\nsub-01\t27\nsub-03\tn/a\nsub-09\tn/a\n"
    )
    assert json.loads((out / "participants.json").read_text())["age"]["Units"] == "year"


@pytest.mark.parametrize("text", ["subject\tage\nsub-01\t27\n", ""])
def test_a_broken_participants_file_is_told_and_left_out(tmp_path, text):
    raw, out = make_input(tmp_path / "raw"), tmp_path / "out"
    write_text(raw / "participants.tsv", text)
    (out / "sub-01").mkdir(parents=True)
    with pytest.warns(DataWarning, match="participants.tsv: cannot be read"):
        write_participants(out, raw)
    assert (out / "participants.tsv").read_text() == "participant_id\nsub-01\n"


def test_an_input_without_participants_file_is_fine(tmp_path):
    (tmp_path / "out" / "sub-01").mkdir(parents=True)
    write_participants(tmp_path / "out", tmp_path)
    assert (tmp_path / "out" / "participants.tsv").read_text() == "participant_id\nsub-01\n"


def finish(label: str, out: Path, raw: Path) -> None:
    """One participant's job, in a process of its own."""
    write_dataset(out, raw, command="run.py", version="0.1.0")
    (out / label).mkdir()
    write_participants(out, raw)


def test_jobs_side_by_side_lose_no_participant(tmp_path):
    raw, out = make_input(tmp_path / "raw"), tmp_path / "out"
    labels = [f"sub-{i:02d}" for i in range(24)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for job in [pool.submit(finish, label, out, raw) for label in labels]:
            job.result()
    table = pd.read_csv(out / "participants.tsv", sep="\t")
    assert table["participant_id"].tolist() == labels
    assert not list(out.glob(".*.tsv"))
