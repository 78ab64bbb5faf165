import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import mne
import numpy as np
import pybv
import pytest

from bids_eeg2fmri.bids.multiplexed import FileEEG, open_multiplexed
from bids_eeg2fmri.bids.opening import open_recording, open_scalp
from bids_eeg2fmri.bids.read import open_eeg, read_ecg, take_eeg
from bids_eeg2fmri.config import ReadConfig
from bids_eeg2fmri.errors import DataWarning, EEGError
from bids_eeg2fmri.types import EEG, Signal

NAME = "sub-01_task-rest"
FORMS = pytest.mark.parametrize("form", ["binary_int16", "binary_float32"])


def write(dataset, form, flat=()):
    """Scalp channels with something else between them; those that are named are flat."""
    names = [*dataset.scalp[:5], "ECG", *dataset.scalp[5:]]
    data = np.random.default_rng(1).normal(0, 1e-5, (len(names), 40007))
    data += np.random.default_rng(2).normal(0, 1e-3, (len(names), 1))
    data[[names.index(name) for name in flat]] = 3e-6
    folder = dataset.eeg(NAME).parent
    pybv.write_brainvision(
        data=data, sfreq=250.0, ch_names=names, fname_base=f"{NAME}_eeg", folder_out=folder,
        fmt=form, resolution=0.1, overwrite=True,
    )  # fmt: skip
    return dataset.run(NAME)


def by_mne(run):
    """The same EEG from MNE, which reads the whole signal into memory."""
    return take_eeg(open_recording(run), ReadConfig(), run.name)


@FORMS
def test_eeg_that_stays_in_its_file_is_that_which_is_read(dataset, form):
    run = write(dataset, form)
    read, left = by_mne(run), open_eeg(run, ReadConfig())
    assert isinstance(left, FileEEG)
    assert isinstance(left, Signal)
    assert isinstance(read, Signal)
    for name in ("sfreq", "channels", "bad", "n_times", "duration"):
        assert getattr(left, name) == getattr(read, name)
    np.testing.assert_array_equal(left.positions, read.positions)
    np.testing.assert_allclose(left.stretch(0, left.n_times), read.data.T, rtol=1e-6)
    np.testing.assert_allclose(left.rows([3, 12, 0]), read.data[[3, 12, 0]], rtol=1e-6)
    np.testing.assert_array_equal(left.stretch(39990, 50000), left.stretch(0, 40007)[39990:])
    assert left.stretch(7, 7).shape == (0, 13)
    some = left.of(("Pz", "F4"))
    assert some.channels == read.of(("Pz", "F4")).channels == ("Pz", "F4")
    np.testing.assert_array_equal(some.rows([1]), left.rows([left.channels.index("F4")]))
    picked = read.of(("O1", "F4", "Pz")).of(("Pz", "F4"))
    assert isinstance(picked, Signal)
    assert (picked.n_times, picked.duration) == (some.n_times, some.duration)
    np.testing.assert_allclose(some.stretch(3, 90), picked.stretch(3, 90), rtol=1e-6)
    np.testing.assert_allclose(some.rows([1]), picked.rows([1]), rtol=1e-6)
    np.testing.assert_array_equal(some.positions, read.of(("Pz", "F4")).positions)


@FORMS
def test_lost_channels_are_made_from_the_others_whenever_they_are_read(dataset, form):
    run = write(dataset, form, flat=("C3", "Fz"))
    with pytest.warns(DataWarning, match="C3, Fz flat"):
        read = by_mne(run)
    with pytest.warns(DataWarning, match="C3, Fz flat"):
        left = open_eeg(run, ReadConfig())
    assert left.bad == read.bad == ("C3", "Fz")
    np.testing.assert_allclose(left.stretch(0, 40007), read.data.T, atol=1e-9)
    at = read.channels.index("Fz")
    np.testing.assert_allclose(left.of(("O1", "Fz")).rows([1])[0], read.data[at], atol=1e-9)


def test_a_value_that_is_no_number_loses_its_channel(dataset):
    run = write(dataset, "binary_float32")
    file = run.eeg.with_suffix(".eeg")
    values = np.fromfile(file, "<f4").reshape(-1, 14)
    values[40000, 2] = np.nan
    values.tofile(file)
    with pytest.warns(DataWarning, match="F3 flat, not finite"):
        left = open_eeg(run, ReadConfig())
    assert np.isfinite(left.stretch(0, 40007)).all()


def test_too_many_lost_channels_are_refused_alike(dataset):
    run = write(dataset, "binary_int16", flat=dataset.scalp[:6])
    for read in (by_mne, lambda run: open_eeg(run, ReadConfig())):
        with pytest.raises(EEGError, match="6 of 13 channels are flat or bad"):
            read(run)


def test_what_does_not_agree_with_mne_is_not_left_in_its_file(dataset):
    run = write(dataset, "binary_int16")
    raw, _, recorded = open_scalp(run)
    positions = np.zeros((len(raw.ch_names), 3))
    assert open_multiplexed(run, raw, recorded, positions) is not None
    assert open_multiplexed(run, raw, recorded[::-1], positions) is None


@pytest.mark.filterwarnings("ignore:.*mne-bids cannot read:bids_eeg2fmri.errors.DataWarning")
@pytest.mark.parametrize("how", ["vectorized", "fif"])
def test_other_forms_are_read_at_once(dataset, how):
    run = write(dataset, "binary_float32")
    expected = by_mne(run).data
    header, signal = run.eeg, run.eeg.with_suffix(".eeg")
    values = np.fromfile(signal, "<f4").reshape(-1, 14)
    if how == "vectorized":
        header.write_text(header.read_text().replace("MULTIPLEXED", "VECTORIZED"))
        values.T.tofile(signal)
    else:
        raw = mne.io.read_raw(header, preload=True, verbose="ERROR")
        run = replace(run, eeg=header.with_suffix(".fif"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # MNE would like another name
            raw.save(run.eeg, verbose="ERROR")
    asked = []

    def allocate(shape, dtype):
        asked.append(shape)
        return np.empty(shape, dtype)

    eeg = open_eeg(run, ReadConfig(), allocate)
    assert isinstance(eeg, EEG)
    assert asked == [(13, 40007)]
    np.testing.assert_allclose(eeg.data, expected, rtol=1e-5, atol=1e-11)


def test_a_signal_that_lies_in_a_subfolder_stays_in_its_file(dataset):
    run = write(dataset, "binary_int16")
    expected = by_mne(run).data
    signal = run.eeg.with_suffix(".eeg")
    (signal.parent / "raw").mkdir()
    signal.rename(signal.parent / "raw" / "signal.eeg")
    header = run.eeg.read_text().replace(f"DataFile={signal.name}", "DataFile=raw/signal.eeg")
    run.eeg.write_text(header)
    eeg = open_eeg(run, ReadConfig())
    assert isinstance(eeg, FileEEG)
    np.testing.assert_allclose(eeg.stretch(0, 40007), expected.T, rtol=1e-6)


def test_what_cannot_be_read_in_place_is_left_to_mne(dataset):
    run = write(dataset, "binary_int16")
    raw, _, recorded = open_scalp(run)
    more = (*recorded, "another")  # so that the file ends before what would be its last sample
    assert open_multiplexed(run, raw, more, np.zeros((len(raw.ch_names), 3))) is None


def shorter(file):
    file.write_bytes(file.read_bytes()[:-1000])


def of_the_same_length(file):
    file.write_bytes(file.read_bytes()[::-1])
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))


@pytest.mark.parametrize("change", [shorter, of_the_same_length])
@pytest.mark.parametrize("linked", [False, True])
def test_a_signal_that_has_changed_is_told_however_it_is_read(dataset, change, linked):
    run = write(dataset, "binary_int16")
    file = run.eeg.with_suffix(".eeg")
    if linked:  # as DataLad does
        content = file.rename(dataset.root / "content")
        file.symlink_to(content)
    eeg = open_eeg(run, ReadConfig())
    eeg.stretch(0, 100)
    change(file.resolve())
    said = rf"{file.name}: the EEG has changed since it was read\. Run again\.$"
    ways = (lambda: eeg.stretch(0, 100), lambda: eeg.rows([0]), eeg.usable)
    if change is of_the_same_length:  # what is shorter, MNE has nothing of
        ways += (lambda: read_ecg(run, eeg),)
    for read in ways:
        with pytest.raises(EEGError, match=said):
            read()


def test_a_copied_dataset_is_read_by_what_was_found_in_the_first(dataset, tmp_path):
    run = write(dataset, "binary_int16")
    eeg = open_eeg(run, ReadConfig())
    root = Path(shutil.copytree(dataset.root, tmp_path / "copy"))  # with times, like cp -a
    moved = replace(run, root=root, eeg=root / run.eeg.relative_to(run.root))
    shutil.rmtree(dataset.root)
    assert replace(eeg, run=moved).rows([0]).shape == (1, 40007)
