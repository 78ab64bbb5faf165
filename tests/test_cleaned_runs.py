"""From a dataset whose EEG holds the scanner's artefact to pairs without it."""

import numpy as np
import pytest

from bids_eeg2fmri.app.clocks import tie
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import prepare
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.config import CleanConfig, ClockConfig, Config, SpectrogramConfig


@pytest.fixture
def spoilt(bids_dir):
    """A dataset to the EEG of whose first participant a scanner has added its part."""
    (header,) = bids_dir.glob("sub-01/eeg/*.vhdr")
    eeg = np.memmap(header.with_suffix(".eeg"), np.int16, "r+").reshape(-1, 9)  # tenths of a µV
    (run,) = runs_of(bids_dir)
    onset = tie(run, ClockConfig()).onset
    time = np.arange(len(eeg)) / 100.0 - onset[0]
    during = (time >= 0) & (time < 2.0 * len(onset))
    eeg += (1e4 * during * np.sin(2 * np.pi * 7.5 * time) ** 3).astype(np.int16)[:, None]
    eeg.flush()
    return bids_dir


def runs_of(root):
    return find_runs(root, Selection(participants=("01",)))[0]


def prepared(root, work, method):
    cfg = Config(clean=CleanConfig(method), spectrogram=SpectrogramConfig(fmax=30.0))
    (run,), failed = prepare(Job(root, work, work, cfg), runs_of(root))
    assert not failed
    return run


def test_pairs_of_a_spoilt_recording_are_those_of_the_brain(spoilt, simulated, tmp_path):
    cleaned = prepared(spoilt, tmp_path / "cleaned", "auto")
    assert cleaned.cleaned.account.steps == ("gradient",)
    assert cleaned.cleaned.account.volumes == 100
    truth = prepared(simulated, tmp_path / "truth", "auto")
    assert truth.cleaned.account.steps == ()
    np.testing.assert_array_equal(cleaned.clock.onset, truth.clock.onset)
    everything = [one.stretch(0, one.n_times) for one in (truth.eeg, truth.recording.eeg)]
    np.testing.assert_array_equal(*everything)
    spectra = [np.log(run.pairs.eeg).ravel() for run in (cleaned, truth)]
    assert np.corrcoef(*spectra)[0, 1] > 0.9
    left = prepared(spoilt, tmp_path / "left", "none")
    assert np.corrcoef(np.log(left.pairs.eeg).ravel(), spectra[1])[0, 1] < 0.8


def test_other_settings_of_cleaning_clean_again_and_read_nothing(spoilt, tmp_path):
    first = prepared(spoilt, tmp_path, "auto")
    again = prepared(spoilt, tmp_path, "auto")
    other = prepared(spoilt, tmp_path, "gradient")
    assert again.unit.reused
    assert other.recording.unit.reused
    assert first.cleaned.unit.folder != other.cleaned.unit.folder
