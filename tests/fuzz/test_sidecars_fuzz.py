"""Whatever stands in sidecars and tables: a line of our own or success, never a traceback."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pybv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_eeg2fmri.bids.bold import bold_delay, bold_metadata, read_bold, read_bold_header
from bids_eeg2fmri.bids.confounds import MOTION, read_motion
from bids_eeg2fmri.bids.dataset import write_participants
from bids_eeg2fmri.bids.matching import read_matches
from bids_eeg2fmri.bids.query import Refusal, find_runs
from bids_eeg2fmri.bids.read import open_eeg, read_markers
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.config import ReadConfig
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.preprocess.echoes import echo_weights

FUZZ = settings(settings.get_profile("fuzz"))
STEM = "sub-01_task-rest"
SIDECARS = (
    f"sub-01/func/{STEM}_echo-1_bold.json",
    f"sub-01/func/{STEM}_echo-2_bold.json",
    f"sub-01/eeg/{STEM}_eeg.json",
    "sub-01/eeg/sub-01_coordsystem.json",
    "task-rest_bold.json",
    "participants.json",
    "dataset_description.json",
)
TABLES = (
    f"sub-01/eeg/{STEM}_channels.tsv",
    f"sub-01/eeg/{STEM}_events.tsv",
    "sub-01/eeg/sub-01_electrodes.tsv",
    f"derivatives/prep/sub-01/func/{STEM}_desc-confounds_timeseries.tsv",
    "participants.tsv",
)
COLUMNS = ("name", "type", "status", "onset", "sample", "value", "x", "y", "z", *MOTION)
KEYS = ("RepetitionTime", "EchoTime", "StartTime", "SliceTimingCorrected", "TaskName", "Name")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
values = st.recursive(scalars, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(), x))
objects = st.dictionaries(st.sampled_from(KEYS), values)
texts = st.one_of(objects.map(json.dumps), values.map(json.dumps), st.text(), st.just("[" * 99999))
cells = st.one_of(st.sampled_from(["Fp1", "EEG", "bad", "n/a", "0.1", "1e999", ""]), st.text())
rows = st.lists(st.lists(cells, max_size=5), max_size=5)
headers = st.lists(st.sampled_from(COLUMNS) | st.text(max_size=5), max_size=9)


@st.composite
def tables(draw):
    between = draw(st.sampled_from(["\t", "  ", ",", "\x00"]))
    lines = [between.join(line) for line in [draw(headers), *draw(rows)]]
    return draw(st.sampled_from(["", "\ufeff"])) + draw(st.sampled_from(["\n", "\r\n"])).join(lines)


def contents(text):
    """The text in some encoding, cut somewhere, or no text at all."""
    encodings = st.sampled_from(["utf-8", "utf-16", "latin-1"])
    encoded = st.builds(lambda x, y: x.encode(y, "replace"), text, encodings)
    return st.one_of(encoded, st.builds(lambda x, n: x[:n], encoded, st.integers(0)), st.binary())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """One run of two echoes; its sidecars are what is made up."""
    root = tmp_path_factory.mktemp("fuzz") / "bids"
    rng = np.random.default_rng(0)
    for folder in ("eeg", "func"):
        (root / "sub-01" / folder).mkdir(parents=True)
    events = [{"onset": 10, "duration": 1, "description": 128, "type": "Response"}]
    names, options = ["Fp1", "O1", "Cz", "Pz", "Oz"], {"events": events, "overwrite": True}
    pybv.write_brainvision(
        data=rng.normal(0, 1e-5, (5, 200)),
        sfreq=100,
        ch_names=names,
        fname_base=f"{STEM}_eeg",
        folder_out=root / "sub-01/eeg",
        **options,
    )
    for echo in (1, 2):
        data = rng.normal(100, 5, (2, 2, 2, 5)).astype(np.float32)
        image = nib.Nifti1Image(data, np.eye(4))
        image.header.set_zooms((1, 1, 1, 2))
        image.header.set_xyzt_units("mm", "sec")
        nib.save(image, root / f"sub-01/func/{STEM}_echo-{echo}_bold.nii")
    return root


def put(root: Path, files: dict[str, bytes]) -> None:
    """Let just these sidecars and tables stand in the dataset."""
    for name in (*SIDECARS, *TABLES):
        (root / name).unlink(missing_ok=True)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def line_of(step, *args, **options) -> str:
    """What is said if a step is refused."""
    try:
        step(*args, **options)
    except AppError as error:
        return str(error)
    return ""


def read_everything(root: Path) -> None:
    """Find the run and read all there is of it; each step may be refused by itself."""
    found: list[tuple[list[RunFiles], list[Refusal]]] = []
    told = line_of(
        lambda: found.append(find_runs(root, Selection(validate=False, echo="combined")))
    )
    assert "\n" not in told
    if told:  # of the dataset as a whole
        return
    ((runs, refusals),) = found
    assert len(runs) + len(refusals) == 1
    lines = [refusal.reason for refusal in refusals]
    for run in runs:
        lines += [line_of(step, run) for step in (bold_metadata, bold_delay, read_markers)]
        lines += [line_of(read_bold_header, run), line_of(read_bold, run, weigh=echo_weights)]
        lines += [line_of(open_eeg, run, ReadConfig()), line_of(read_motion, run, 5)]
    assert not any("\n" in line for line in lines)


@FUZZ
@given(files=st.dictionaries(st.sampled_from(SIDECARS), contents(texts), min_size=1))
@pytest.mark.filterwarnings("ignore::bids_eeg2fmri.errors.DataWarning")
def test_no_sidecar_ends_in_a_traceback(dataset, files):
    put(dataset, files)
    read_everything(dataset)


@FUZZ
@given(files=st.dictionaries(st.sampled_from(TABLES), contents(tables()), min_size=1))
@pytest.mark.filterwarnings("ignore::bids_eeg2fmri.errors.DataWarning")
def test_no_table_ends_in_a_traceback(dataset, tmp_path_factory, files):
    put(dataset, files)
    read_everything(dataset)
    out = tmp_path_factory.mktemp("out")
    (out / "sub-01").mkdir()
    write_participants(out, dataset)


@FUZZ
@given(text=st.text() | st.from_regex(r"eeg\.[a-z,-]*=bold\.[a-z,-]*", fullmatch=True))
@pytest.mark.filterwarnings("ignore::bids_eeg2fmri.errors.DataWarning")
def test_no_match_ends_in_a_traceback(dataset, text):
    def find():
        found = read_matches([text], dataset)
        find_runs(dataset, Selection(validate=False, matches=found))

    assert "\n" not in line_of(find).replace(text, "")


@FUZZ
@given(content=contents(tables()), eeg=st.text(), bold=st.text())
def test_no_table_of_matches_ends_in_a_traceback(dataset, tmp_path_factory, content, eeg, bold):
    table = tmp_path_factory.mktemp("matches") / "pairs.tsv"
    for written in (content, f"eeg\tbold\n{eeg}\t{bold}\n".encode("utf-8", "replace")):
        table.write_bytes(written)
        line_of(read_matches, [str(table)], dataset)
