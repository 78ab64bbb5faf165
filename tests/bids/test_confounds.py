"""Head motion from the tables of preprocessing pipelines."""

from pathlib import Path

import numpy as np
import pytest

from bids_eeg2fmri.bids.confounds import MOTION, find_confounds, read_motion
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.errors import DataWarning

STEM = "sub-01_task-rest_run-1"


@pytest.fixture
def run(tmp_path):
    func = tmp_path / "sub-01" / "func"
    return RunFiles(
        root=tmp_path,
        participant="01",
        session=None,
        task="rest",
        run="1",
        entities={"sub": "01", "task": "rest", "run": "1"},
        eeg=tmp_path / "sub-01" / "eeg" / f"{STEM}_eeg.vhdr",
        bold=func / f"{STEM}_bold.nii.gz",
    )


def write(run: RunFiles, text: str, ending: str = "timeseries", stem: str = STEM) -> Path:
    path = run.root / "derivatives/fmriprep/sub-01/func" / f"{stem}_desc-confounds_{ending}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def table(rows: int, columns: tuple[str, ...] = MOTION) -> str:
    values = np.arange(rows * len(columns), dtype=float).reshape(rows, -1) / 10
    lines = ["\t".join(["csf", *columns])]
    lines += ["\t".join(["n/a", *map(str, row)]) for row in values]
    return "\n".join(lines) + "\n"


def test_motion_is_read_in_the_order_of_its_columns(run):
    write(run, table(4, (*reversed(MOTION),)))
    expected = np.arange(24.0).reshape(4, 6)[:, ::-1] / 10
    np.testing.assert_allclose(read_motion(run, 4), expected)


def test_a_table_of_an_older_release_serves_too(run):
    path = write(run, table(3), "regressors")
    assert find_confounds(run) == path
    assert read_motion(run, 3).shape == (3, 6)


def test_the_table_of_another_run_is_no_confound_of_this_one(run):
    write(run, table(3), stem="sub-01_task-rest_run-2")
    assert find_confounds(run) is None
    assert read_motion(run, 3) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (table(3), "has 3 rows for 4 volumes"),
        (table(4, MOTION[:5]), "has no rot_z"),
        (table(4).replace("0.1", "half"), "could not convert"),
    ],
)
def test_a_table_that_does_not_fit_is_named_and_left_aside(run, text, said):
    write(run, text)
    with pytest.warns(DataWarning, match=said) as warned:
        assert read_motion(run, 4) is None
    assert f"{STEM}_desc-confounds_timeseries.tsv" in str(warned[0].message)
