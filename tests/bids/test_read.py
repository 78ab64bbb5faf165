import json
import shutil
from dataclasses import replace

import edfio
import mne
import numpy as np
import pytest
from test_eeglab import write_set
from whole import read_whole

from bids_eeg2fmri.bids.bold import read_bold
from bids_eeg2fmri.bids.electrodes import spline_weights
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.read import open_eeg, read_ecg, read_markers
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.config import ReadConfig
from bids_eeg2fmri.errors import DataWarning, EEGError

NAME = "sub-01_task-rest"


def noise(channels, n_times=1000):
    return np.random.default_rng(1).normal(0, 1e-5, (channels, n_times))


def run_of(folder, eeg):
    """A recording that lies outside any dataset."""
    return RunFiles(folder, "01", None, "rest", None, {"sub": "01"}, folder / eeg, folder / "none")


# EEG


def test_eeg_comes_in_volts_without_the_channels_off_the_scalp(dataset):
    channels = (*dataset.scalp, "ECG", "VEOGu", "EMG1", "Status", "A2-A1", "CWL3", "EXG1")
    data = noise(len(channels), 7001)  # in three chunks, the last of them short
    dataset.eeg(NAME, data, channels)
    eeg = read_whole(dataset.run(NAME))
    assert eeg.channels == dataset.scalp
    assert eeg.sfreq == dataset.sfreq
    assert eeg.bad == ()
    np.testing.assert_allclose(eeg.data, data[: len(dataset.scalp)], atol=1e-11)


def ecg_of(run):
    return read_ecg(run, open_eeg(run, ReadConfig()))


def test_the_heart_is_read_from_its_own_channel_where_there_is_one(dataset):
    data = noise(len(dataset.scalp) + 1)
    dataset.eeg(NAME, data, (*dataset.scalp, "EKG1"))
    np.testing.assert_allclose(ecg_of(dataset.run(NAME)), data[-1], atol=1e-11)
    rows = [("name", "type"), *((name, "EEG") for name in dataset.scalp), ("EKG1", "MISC")]
    rows[1] = (dataset.scalp[0], "ECG")
    dataset.text("task-rest_channels.tsv", "\n".join("\t".join(row) for row in rows))
    np.testing.assert_allclose(ecg_of(dataset.run(NAME)), data[0], atol=1e-11)
    dataset.eeg("sub-02_task-rest", data[:-1], dataset.scalp)
    (dataset.root / "task-rest_channels.tsv").unlink()
    assert ecg_of(dataset.run("sub-02_task-rest")) is None


@pytest.mark.parametrize("aligned", [False, True])
def test_channels_tsv_tells_types_and_bad_channels_even_when_aligned_by_spaces(dataset, aligned):
    dataset.eeg(NAME)
    rows = [("name", "type", "units", "status")]
    rows += [(name, "EEG", "uV", "bad" if name == "C3" else "good") for name in dataset.scalp[:-1]]
    rows += [("Pz", "MISC", "uV", "good"), ("ECG", "EEG", "uV", "good")]
    if aligned:
        rows[1:] = [(f"'{name}'", *rest) for name, *rest in rows[1:]]
    lines = [("   " if aligned else "\t").join(row) for row in rows]
    dataset.text("task-rest_channels.tsv", "\n".join(lines))
    with pytest.warns(DataWarning, match=r"C3 flat, not finite or marked bad; interpolated"):
        eeg = read_whole(dataset.run(NAME))
    assert eeg.channels == dataset.scalp[:-1]
    assert eeg.bad == ("C3",)


def test_a_recording_that_mne_bids_refuses_is_read_all_the_same(dataset):
    dataset.eeg(NAME)
    dataset.text(f"sub-01/eeg/{NAME}_channels.tsv", "name\ttype\nFp1\tMISC\nXY\tEEG\n")
    dataset.text("task-rest_events.tsv", "value\n3\n")
    with pytest.warns(DataWarning, match="mne-bids cannot read the EEG .KeyError: 'onset'"):
        eeg = read_whole(dataset.run(NAME))
    assert eeg.channels == dataset.scalp[1:]


@pytest.mark.filterwarnings("ignore:.*mne-bids cannot read:bids_eeg2fmri.errors.DataWarning")
def test_an_empty_table_is_told_by_name(dataset):
    dataset.eeg(NAME, markers=[])
    for suffix, read in (("events", read_markers), ("channels", read_whole)):
        file = dataset.text(f"task-rest_{suffix}.tsv", "")
        with pytest.raises(EEGError, match=rf"task-rest_{suffix}\.tsv: cannot be read"):
            read(dataset.run(NAME))
        file.unlink()


def test_the_same_potential_everywhere_is_interpolated_exactly(dataset):
    data = np.tile(noise(1), (len(dataset.scalp), 1))
    expected = data[0].copy()
    data[3] = 0
    dataset.eeg(NAME, data, dataset.scalp)
    with pytest.warns(DataWarning, match="F4 flat"):
        eeg = read_whole(dataset.run(NAME))
    assert eeg.bad == ("F4",)
    np.testing.assert_allclose(eeg.data[3], expected, atol=1e-10)


def test_a_dipole_field_is_interpolated_closely_and_nan_is_no_value(dataset):
    dataset.eeg(NAME)
    positions = read_whole(dataset.run(NAME)).positions
    field = positions @ [1.0, 2.0, 3.0]
    data = 1e-4 * np.outer(field, np.sin(np.arange(1000) / 20))
    expected = data[11].copy()
    data[11, 500] = np.nan
    dataset.eeg(NAME, data, dataset.scalp)
    with pytest.warns(DataWarning, match="Cz flat, not finite"):
        eeg = read_whole(dataset.run(NAME))
    np.testing.assert_allclose(eeg.data[11], expected, atol=0.15 * np.abs(expected).max())


def test_spline_weights_agree_with_what_mne_interpolates(dataset):
    dataset.eeg(NAME)
    eeg = read_whole(dataset.run(NAME))
    lost = np.isin(eeg.channels, ["Fp1", "Pz"])
    info = mne.create_info(list(eeg.channels), eeg.sfreq, "eeg")
    places = dict(zip(eeg.channels, eeg.positions, strict=True))
    raw = mne.io.RawArray(eeg.data.astype(float), info, verbose="ERROR")
    raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    raw.info["bads"] = ["Fp1", "Pz"]
    raw.interpolate_bads(verbose="ERROR")
    np.testing.assert_allclose(
        spline_weights(eeg.positions, lost) @ eeg.data[~lost],
        raw.get_data(["Fp1", "Pz"]),
        atol=1e-12,
    )


def test_a_flat_channel_of_unknown_place_is_left_out(dataset):
    data = noise(len(dataset.scalp) + 2)
    data[-1] = 3e-6
    dataset.eeg(NAME, data, (*dataset.scalp, "X1", "X2"))
    with pytest.warns(DataWarning, match="X2 flat.*left out"):
        eeg = read_whole(dataset.run(NAME))
    assert eeg.channels == (*dataset.scalp, "X1")
    assert eeg.bad == ()
    assert np.isnan(eeg.positions[-1]).all()
    assert np.isfinite(eeg.positions[:-1]).all()


def test_too_many_bad_channels_refuse_the_recording(dataset):
    data = noise(len(dataset.scalp))
    data[:4] = 0
    dataset.eeg(NAME, data, dataset.scalp)
    with pytest.raises(EEGError, match="4 of 13 channels are flat or bad"):
        read_whole(dataset.run(NAME), ReadConfig(max_bad_channels=0.3))


def test_a_recording_without_scalp_channels_is_refused(dataset):
    dataset.eeg(NAME, noise(2), ("ECG", "EOG"))
    with pytest.raises(EEGError, match="no channel measures the scalp"):
        read_whole(dataset.run(NAME))


@pytest.mark.parametrize("name", ["fp1", "EEG Fp1", "EEG Fp1-REF", "Fp1."])
def test_sites_are_recognised_however_they_are_spelt(dataset, name):
    dataset.eeg(NAME, noise(14), (name, *dataset.scalp[1:], "Fp1-F7"))
    positions = read_whole(dataset.run(NAME)).positions
    right, forward, _ = positions[0]
    assert right < 0 < forward
    assert np.isnan(positions[-1]).all()  # a bipolar channel sits nowhere


def test_the_letters_and_numbers_of_biosemi_are_no_sites_of_the_10_05_system(dataset):
    dataset.eeg(
        NAME, noise(64), [f"{letter}{number}" for letter in "ABCF" for number in range(1, 17)]
    )
    assert np.isnan(read_whole(dataset.run(NAME)).positions).all()


def test_measured_positions_rank_above_standard_ones(dataset):
    dataset.eeg(NAME)
    angles = np.linspace(0.1, 3, len(dataset.scalp))
    places = 0.095 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    rows = [f"{name}\t{x}\t{y}\t{z}" for name, (x, y, z) in zip(dataset.scalp, places, strict=True)]
    electrodes = dataset.text(
        "sub-01/eeg/sub-01_electrodes.tsv", "name\tx\ty\tz\n" + "\n".join(rows)
    )
    dataset.json(
        "sub-01/eeg/sub-01_coordsystem.json",
        {"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "m"},
    )
    positions = read_whole(dataset.run(NAME)).positions
    np.testing.assert_allclose(positions, places, atol=1e-6)
    electrodes.write_text(
        "name\tx\ty\tz\n" + "\n".join(f"{name}\t1\t0\t0" for name in dataset.scalp)
    )
    with pytest.warns(DataWarning, match="which is no head"):
        assert read_whole(dataset.run(NAME)).positions[0, 0] < 0


# Markers


def test_markers_stand_at_their_sample_and_new_segment_is_left_out(dataset):
    dataset.eeg(NAME, markers=[(0, 128), (125, 1), (999, 128)])
    dataset.text("task-rest_events.tsv", "onset\tduration\ttrial_type\n2\t20\tRest\n")
    marker_file = dataset.run(NAME).eeg.with_suffix(".vmrk")
    marker_file.write_text(
        marker_file.read_text() + "Mk9=New Segment,,1,1,0,20200101120000000000\n"
    )
    info = read_markers(dataset.run(NAME))
    assert info.markers.label == ("Response/R128", "Response/R  1", "Response/R128")
    np.testing.assert_allclose(info.markers.time, [0, 1.25, 9.99])
    assert (info.sfreq, info.duration) == (100.0, 10.0)


def test_without_markers_the_events_file_speaks_sample_before_onset(dataset):
    dataset.eeg(NAME, markers=[])
    dataset.text(
        f"sub-01/eeg/{NAME}_events.tsv",
        "onset\tsample\tvalue\ttrial_type\n7\t250\t10\tgo\n0.5\tn/a\tn/a\trest\nn/a\tn/a\t3\tgo\n",
    )
    markers = read_markers(dataset.run(NAME)).tabled
    assert markers.label == ("events/rest", "events/10")
    np.testing.assert_allclose(markers.time, [0.5, 2.5])


def test_a_recording_with_no_markers_at_all_has_none(dataset):
    dataset.eeg(NAME, markers=[])
    assert read_markers(dataset.run(NAME)).markers.label == ()


# Broken EEG files


def both_refuse(run, match):
    """Dry runs, which read markers only, must not promise what reading cannot keep."""
    with pytest.raises(EEGError, match=match) as first:
        read_markers(run)
    with pytest.raises(EEGError, match=match):
        read_whole(run)
    assert "\n" not in str(first.value)


def test_a_signal_cut_within_a_sample_is_truncated(dataset):
    signal = dataset.eeg(NAME).with_suffix(".eeg")
    signal.write_bytes(signal.read_bytes()[:-100])
    both_refuse(dataset.run(NAME), r"sub-01/eeg/.*vhdr: .* so it is truncated")


def test_a_signal_with_fewer_points_than_the_header_says_is_truncated(dataset):
    header = dataset.eeg(NAME)
    header.write_text(
        header.read_text().replace("[Common Infos]", "[Common Infos]\nDataPoints=1001")
    )
    both_refuse(dataset.run(NAME), "truncated")


def test_markers_after_the_end_betray_a_truncated_signal(dataset):
    signal = dataset.eeg(NAME, markers=[(100, 128), (900, 128)]).with_suffix(".eeg")
    signal.write_bytes(signal.read_bytes()[: 14 * 4 * 500])
    with pytest.raises(EEGError, match=r"1 markers lie after the end of the EEG at 5\.0 s"):
        read_markers(dataset.run(NAME))


def test_a_header_without_its_signal_is_told_in_one_line(dataset):
    dataset.eeg(NAME).with_suffix(".eeg").unlink()
    both_refuse(dataset.run(NAME), f"cannot be read .*{NAME}_eeg.eeg")


def test_a_header_that_is_none_is_told_in_one_line(dataset):
    dataset.eeg(NAME).write_text("nothing of the kind")
    both_refuse(dataset.run(NAME), "cannot be read")


def test_a_truncated_edf_file_is_refused(tmp_path):
    signals = [edfio.EdfSignal(noise(1)[0], 100, label=name) for name in ("Fp1", "O1", "Cz", "Pz")]
    edfio.Edf(signals).write(tmp_path / "x.edf")
    assert read_markers(run_of(tmp_path, "x.edf")).duration == 10
    content = (tmp_path / "x.edf").read_bytes()
    (tmp_path / "x.edf").write_bytes(content[:-300])
    with pytest.raises(EEGError, match="truncated"):
        read_markers(run_of(tmp_path, "x.edf"))


# Formats


def recorded(n_channels=4, n_times=3000):
    """A recording with a marker after 1 s, as MNE holds it."""
    names = ["Fp1", "O1", "Cz", "Pz"][:n_channels]
    info = mne.create_info(names, 100.0, "eeg")
    raw = mne.io.RawArray(noise(n_channels, n_times), info, verbose="ERROR")
    return raw.set_annotations(mne.Annotations([1.0], [0.0], ["R128"]))


def as_fif(raw, folder):
    raw.save(folder / "x_eeg.fif", verbose="ERROR")
    return "x_eeg.fif"


def as_split_fif(raw, folder):
    raw.save(folder / "x_eeg.fif", split_size="2MB", buffer_size_sec=10, verbose="ERROR")
    assert (folder / "x_eeg-1.fif").exists()
    return "x_eeg.fif"


def as_bids_split_fif(raw, folder):
    options = {"split_size": "2MB", "buffer_size_sec": 10, "split_naming": "bids"}
    raw.save(folder / "sub-01_task-rest_eeg.fif", **options, verbose="ERROR")
    assert (folder / "sub-01_task-rest_split-02_eeg.fif").exists()
    return "sub-01_task-rest_split-01_eeg.fif"


def as_edf(raw, folder, write=edfio.Edf, signal=edfio.EdfSignal, name="x.edf"):
    signals = zip(raw.get_data() * 1e6, raw.ch_names, strict=True)
    told = [signal(data, 100, label=label, physical_dimension="uV") for data, label in signals]
    write(told, annotations=[edfio.EdfAnnotation(1.0, None, "R128")]).write(folder / name)
    return name


def as_bdf(raw, folder):
    return as_edf(raw, folder, edfio.Bdf, edfio.BdfSignal, "x.bdf")


@pytest.mark.parametrize("write", [as_fif, as_split_fif, as_bids_split_fif, as_edf, as_bdf])
@pytest.mark.filterwarnings("ignore:.*mne-bids cannot read:bids_eeg2fmri.errors.DataWarning")
def test_signal_and_markers_are_the_same_in_every_format(tmp_path, write):
    raw = recorded(n_times=300_000 if "split" in write.__name__ else 3000)
    run = run_of(tmp_path, write(raw, tmp_path))
    eeg, info = read_whole(run), read_markers(run)
    np.testing.assert_allclose(eeg.data, raw.get_data(), atol=2e-9)
    assert (eeg.channels, eeg.sfreq, info.duration) == (tuple(raw.ch_names), 100, raw.duration)
    assert (info.markers.label, info.markers.time.tolist()) == (("R128",), [1.0])
    assert {*run.files()} == {*tmp_path.glob("*.*")} | {run.bold}


def test_a_split_recording_whose_second_part_is_lost_is_refused(tmp_path):
    as_split_fif(recorded(n_times=300_000), tmp_path)
    (tmp_path / "x_eeg-1.fif").unlink()
    both_refuse(run_of(tmp_path, "x_eeg.fif"), r"x_eeg\.fif: cannot be read .*x_eeg-1\.fif")


def test_a_signal_outside_the_dataset_is_not_read(dataset, tmp_path):
    header = dataset.eeg(NAME)
    header.with_suffix(".eeg").rename(tmp_path / "elsewhere.eeg")
    header.write_text(header.read_text().replace(f"{NAME}_eeg.eeg", "../../../elsewhere.eeg"))
    both_refuse(dataset.run(NAME), "which lies outside the dataset")


def test_a_signal_that_a_set_file_names_outside_the_dataset_is_not_read(tmp_path):
    (tmp_path / "bids").mkdir()
    (tmp_path / "elsewhere.fdt").write_bytes(bytes(4 * 4 * 5000))
    write_set(tmp_path / "bids" / "x.set", data="../elsewhere.fdt")
    both_refuse(run_of(tmp_path / "bids", "x.set"), "which lies outside the dataset")


def test_eeg_of_a_derivative_is_read_without_mne_bids_beside_its_own_tables(dataset):
    header = dataset.eeg("derivatives_task-rest")
    home = dataset.root / "derivatives/sub-01/eeg_pp"
    home.parent.mkdir(parents=True)
    header.parent.rename(home)
    dataset.text("task-rest_channels.tsv", "name\ttype\nFp1\tEEG\n")
    dataset.text("derivatives/sub-01/eeg_pp/task-rest_channels.tsv", "name\ttype\nFp1\tMISC\n")
    run = replace(dataset.run(NAME), eeg=home / header.name)
    assert read_whole(run).channels == dataset.scalp[1:]
    assert read_markers(run).markers.label == ("Response/R128",)


# Real EEG files


@pytest.mark.filterwarnings("ignore:.*mne-bids cannot read:bids_eeg2fmri.errors.DataWarning")
@pytest.mark.parametrize(
    ("file", "channels", "sfreq", "marker"),
    [
        ("edf_eegmat/Subject00_2.edf", 19, 500, None),
        ("brainvision/test.vhdr", 26, 1000, "Stimulus/S253"),
        ("brainvision/test_old_layout_latin1_software_filter.vhdr", 25, 250, None),
        ("eeglab_set_fdt/eeglab_data.set", 30, 128, "square"),
        ("eeglab_variants/test_raw_hdf5.set", 256, 1024, "1240"),
    ],
)
def test_real_recordings_of_every_format_are_read(ingest, file, channels, sfreq, marker):
    if "hdf5" in file:
        pytest.importorskip("pymatreader")
    run = run_of(ingest, file)
    eeg, info = read_whole(run), read_markers(run)
    assert (len(eeg.channels), eeg.sfreq) == (channels, sfreq)
    assert 1e-7 < np.median(eeg.data.std(axis=1)) < 1e-3
    assert eeg.duration == info.duration
    assert marker is None or marker in info.markers.label


@pytest.mark.parametrize("folder", ["markers_eeg_rest_fmri", "markers_eeg_rest_fmri/derivatives"])
@pytest.mark.parametrize("participant", ["sub-32", "sub-35"])
def test_real_headers_without_their_signals_are_refused(ingest, folder, participant):
    name = f"{participant}_task-rest_eeg"
    both_refuse(run_of(ingest, f"{folder}/{name}.vhdr"), rf"{name}\.vhdr: cannot be read .*{name}")


@pytest.mark.filterwarnings("ignore:.*mne-bids cannot read:bids_eeg2fmri.errors.DataWarning")
def test_an_epoched_recording_is_refused(ingest):
    both_refuse(run_of(ingest, "eeglab_variants/test_epochs_onefile.set"), "number of trials is 4")


@pytest.mark.filterwarnings("ignore:.*mne-bids cannot read:bids_eeg2fmri.errors.DataWarning")
def test_a_truncated_fdt_file_is_refused(ingest, tmp_path):
    for ending in ("set", "fdt"):
        shutil.copyfile(
            ingest / f"eeglab_set_fdt/eeglab_data.{ending}", tmp_path / f"eeglab_data.{ending}"
        )
    content = (tmp_path / "eeglab_data.fdt").read_bytes()
    (tmp_path / "eeglab_data.fdt").write_bytes(content[: len(content) // 2])
    both_refuse(run_of(tmp_path, "eeglab_data.set"), "truncated|cannot be read")


# Real layouts


@pytest.mark.parametrize(("name", "scalp"), [("ds003768", 31), ("ds002336", 63)])
def test_real_layouts_give_signals_and_the_true_first_trigger(hydrate, name, scalp):
    root = hydrate(name)
    entries = json.loads((root / "sourcedata" / "hydrate_truth.json").read_text())["runs"]
    truth = {entry["run"]: entry for entry in entries}
    for run in find_runs(root, Selection())[0]:
        true, info = truth[run.name], read_markers(run)
        triggers = [
            time
            for time, label in zip(info.markers.time, info.markers.label, strict=True)
            if label == true["true_volume_marker"]
        ]
        assert abs(triggers[0] - true["first_volume_eeg_s"]) < 0.01
        assert len(triggers) == true["n_volumes"] + true["triggers_minus_volumes"]
        eeg, bold = read_whole(run), read_bold(run)
        assert (len(eeg.channels), eeg.duration) == (scalp, info.duration)
        assert (bold.n_volumes, bold.tr) == (true["n_volumes"], true["tr_s"])
