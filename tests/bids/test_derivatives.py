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
    raw = make_input(tmp_path / "raw", License="CC0")
    out = tmp_path / "out"
    write_dataset(out, raw, command="run.py raw out participant", version="0.1.0")
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
        tmp_path / "raw", License="CC0", Authors=["A. Lovelace"], DatasetDOI="doi:10.1/x"
    )
    write_dataset(tmp_path / "out", raw, command="", version="0.1.0", container="bids-eeg2fmri:1")
    described = description_of(tmp_path / "out")
    assert described["DatasetType"] == "derivative"
    assert described["License"] == "CC0"
    assert described["Authors"] == ["A. Lovelace", "The bids_eeg2fmri developers"]
    assert described["SourceDatasets"] == [{"DOI": "doi:10.1/x"}]
    assert described["GeneratedBy"] == [
        {"Name": "bids_eeg2fmri", "Version": "0.1.0", "Container": {"Tag": "bids-eeg2fmri:1"}}
    ]


def test_the_link_to_the_input_moves_with_a_dataset_that_holds_the_output(tmp_path):
    raw = make_input(tmp_path / "raw")
    for out, link in (
        (raw / "derivatives" / "eeg2fmri", "../.."),
        (tmp_path / "out", raw.resolve().as_uri()),
    ):
        write_dataset(out, raw, command="", version="0.1.0")
        assert description_of(out)["DatasetLinks"] == {"raw": link}


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
