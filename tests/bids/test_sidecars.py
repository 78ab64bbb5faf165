"""Tables and metadata as people write them."""

import pytest

from bids_eeg2fmri.bids.sidecars import inherited, read_json, read_table, spelt, told_number
from bids_eeg2fmri.errors import DatasetError

ROWS = [{"name": "Fp1", "type": "EEG"}, {"name": "ECG", "type": "ECG"}]


@pytest.mark.parametrize(
    "text",
    [
        "name\ttype\nFp1\tEEG\nECG\tECG\n",
        "\ufeffname\ttype\nFp1\tEEG\nECG\tECG\n",
        "name\ttype\r\nFp1\tEEG\r\nECG\tECG\r\n",
        '"name"\t\'type\'\n"Fp1"\t"EEG"\n\'ECG\'\tECG\n',
        "name   type\nFp1    EEG\nECG    ECG\n",
        "name \t type\n Fp1\tEEG \nECG\tECG\tand more\n",
        "name\ttype\ttype\nFp1\tEEG\tx\nECG\tECG\ty\n",
    ],
    ids=["plain", "byte order mark", "Windows", "quoted", "aligned", "spaces", "columns twice"],
)
def test_a_table_is_read_however_it_is_written(tmp_path, text):
    (tmp_path / "x.tsv").write_text(text, newline="")
    assert read_table(tmp_path / "x.tsv")[["name", "type"]].to_dict("records") == ROWS


def test_what_a_row_lacks_is_not_available(tmp_path):
    (tmp_path / "x.tsv").write_text("name\ttype\nFp1\n")
    assert read_table(tmp_path / "x.tsv")["type"].tolist() == ["n/a"]


def test_a_table_in_another_encoding_keeps_what_is_ascii(tmp_path):
    (tmp_path / "x.tsv").write_bytes("name\tunits\nFp1\tµV\n".encode("latin-1"))
    assert read_table(tmp_path / "x.tsv")["name"].tolist() == ["Fp1"]


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{", "[]", "null", "\udcff"])
def test_what_is_no_json_object_is_told_by_name(tmp_path, text):
    (tmp_path / "x.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DatasetError, match=r"^x\.json: not valid JSON \(.*Mend the file"):
        read_json(tmp_path, tmp_path / "x.json")


def test_json_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "x.json").write_text('\ufeff{"a": 1}')
    assert read_json(tmp_path, tmp_path / "x.json") == {"a": 1}


@pytest.mark.parametrize(
    ("value", "number"),
    [(2, 2.0), (0.5, 0.5), (-1, -1.0), (True, None), ("2", None), ([2], None), (10**400, None)]
    + [(float(text), None) for text in ("nan", "inf", "-inf")],
)
def test_only_a_finite_number_is_a_number(value, number):
    assert told_number({"x": value}, "x") == number
    assert told_number({}, "x") is None


def test_a_sidecar_of_another_space_does_not_apply_but_for_electrodes(tmp_path):
    bold = tmp_path / "sub-01_task-x_space-T1w_desc-preproc_bold.nii.gz"
    for name in (
        "sub-01_task-x_space-T1w_desc-preproc_bold.json",
        "sub-01_task-x_space-MNI_desc-preproc_bold.json",
        "task-x_bold.json",
        "sub-01_space-CapTrak_electrodes.tsv",
    ):
        (tmp_path / name).touch()
    assert [path.name for path in inherited(tmp_path, bold, "bold", ".json")] == [
        "task-x_bold.json",
        "sub-01_task-x_space-T1w_desc-preproc_bold.json",
    ]
    eeg = tmp_path / "sub-01_task-x_eeg.edf"
    assert len(inherited(tmp_path, eeg, "electrodes", ".tsv")) == 1


def test_an_index_has_no_leading_zeros_and_a_label_keeps_them():
    assert (spelt("run", "run-007"), spelt("run", "0"), spelt("ses", "ses-01")) == ("7", "0", "01")


# Real tables


@pytest.mark.parametrize(
    ("file", "column", "label"),
    [
        ("xp101_facetpy/sub-xp101_task-eegfmriNF_channels.tsv", "type", "EEG"),
        ("xp101_facetpy/sub-xp101_task-eegfmriNF_events.tsv", "trial_type", "Response/R128"),
        ("natview/sub-01_ses-01_task-rest_channels.tsv", "type", "ECG"),
        ("natview/sub-01_ses-01_task-rest_events.tsv", "marker_code", "R128"),
    ],
)
def test_real_tables_are_read_whole(ingest, file, column, label):
    path = ingest / f"markers_{file}"
    table = read_table(path)
    assert len(table) == len(path.read_text("utf-8-sig").splitlines()) - 1
    assert label in set(table[column])


def test_real_sidecars_are_read(ingest):
    found = [*ingest.glob("markers_*/*.json")]
    assert found
    assert all(read_json(ingest, path) for path in found)
