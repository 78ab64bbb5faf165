"""Whatever is wrong with the input: one clear line, the documented exit code, nothing lost."""

import gzip
import json
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from observed import complaints, results, stamps
from spoilt import empty

SFREQ = 100
CHANNELS = 9
"""Those of the simulated recordings, the ECG included."""


def eeg(participant, extension):
    return participant / "eeg" / f"{participant.name}_task-rest_eeg{extension}"


def bold(participant, extension=".nii.gz"):
    return participant / "func" / f"{participant.name}_task-rest_bold{extension}"


def rewrite_bold(participant, change=lambda data: data, tr=2.0):
    image = nib.load(bold(participant))
    data = change(np.asarray(image.dataobj))
    header = image.header.copy()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header.set_zooms((*header.get_zooms()[:3], tr)[: data.ndim])
    nib.save(nib.Nifti1Image(data, None, header), bold(participant))


def rewrite_sidecar(participant, **changes):
    path = bold(participant, ".json")
    sidecar = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in sidecar.items() if value is not None}))


def rewrite_signal(participant, change):
    path = eeg(participant, ".eeg")
    change(np.fromfile(path, dtype="<i2").reshape(-1, CHANNELS)).tofile(path)


def silence(participant, *channels):
    def zero(signal):
        signal[:, channels] = 0
        return signal

    rewrite_signal(participant, zero)


def keep_markers(participant, wanted):
    """Keep the volume triggers of which ``wanted(number, sample)`` holds."""
    path = eeg(participant, ".vmrk")
    lines = path.read_text().splitlines()
    triggers = [line for line in lines if "Response" in line]
    lost = {x for i, x in enumerate(triggers) if not wanted(i, int(x.split(",")[2]))}
    path.write_text("\n".join(line for line in lines if line not in lost) + "\n")


def end_eeg(participant, seconds):
    rewrite_signal(participant, lambda signal: signal[: seconds * SFREQ])
    keep_markers(participant, lambda _, sample: sample <= seconds * SFREQ)


def keep_volumes(participant, n):
    rewrite_bold(participant, lambda data: data[..., :n])
    keep_markers(participant, lambda number, _: number < n)


def shorten(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def without_tr(participant, in_sidecar):
    rewrite_bold(participant, tr=0.0)
    rewrite_sidecar(participant, RepetitionTime=in_sidecar)


def nan_like(data):
    return np.full(data.shape, np.nan, np.float32)


BROKEN = {
    "BOLD sidecar no JSON": (
        lambda p: bold(p, ".json").write_text('{"RepetitionTime": 2,}'),
        (16, "sub-02/func/sub-02_task-rest_bold.json: not valid JSON", "Mend the file"),
    ),
    "EEG sidecar no object": (
        lambda p: eeg(p, ".json").write_text("[]"),
        (16, "sub-02_task-rest_eeg.json: not valid JSON (not an object)", "Mend the file"),
    ),
    "no EEG": (
        lambda p: shutil.rmtree(p / "eeg"),
        (18, "no EEG file of sub-02", "are needed"),
    ),
    "no BOLD": (
        lambda p: shutil.rmtree(p / "func"),
        (18, "no BOLD file of sub-02", "are needed"),
    ),
    "EEG shorter than the scan": (
        lambda p: end_eeg(p, 60),
        (65, "the EEG lasts 60 s, the scan 200 s", "--eeg-onset"),
    ),
    "no volume triggers": (
        lambda p: keep_markers(p, lambda number, _: False),
        (65, "no marker stands for the 100 volumes of 2 s", "--trigger"),
    ),
    "a third of the triggers lost": (
        lambda p: keep_markers(p, lambda number, _: number % 3),
        (65, "but 66 times, 100 volumes are stored", "--trigger"),
    ),
    "3-D": (
        lambda p: rewrite_bold(p, lambda data: data[..., 0]),
        (65, "sub-02_task-rest_bold.nii.gz: shape 9×10×9 is no series", "Give the 4-D"),
    ),
    "no TR": (
        lambda p: without_tr(p, None),
        (65, "repetition time is in neither", "Add RepetitionTime"),
    ),
    "TR of 0": (
        lambda p: without_tr(p, 0),
        (65, "repetition time is in neither", "Add RepetitionTime"),
    ),
    "two TRs": (
        lambda p: rewrite_sidecar(p, RepetitionTime=3.0),
        (65, "RepetitionTime is 3 s, the NIfTI header's 2 s", "Correct"),
    ),
    "all-zero BOLD": (
        lambda p: rewrite_bold(p, np.zeros_like),
        (65, "no voxel changes from volume to volume", "Copy or convert it again"),
    ),
    "all-NaN BOLD": (
        lambda p: rewrite_bold(p, nan_like),
        (65, "no voxel changes from volume to volume", "Copy or convert it again"),
    ),
    "truncated NIfTI": (
        lambda p: shorten(bold(p), 0.5),
        (65, "sub-02_task-rest_bold.nii.gz: cannot be read (EOFError", "Copy it again"),
    ),
    "empty NIfTI": (
        lambda p: shorten(bold(p), 0),
        (65, "sub-02_task-rest_bold.nii.gz: cannot be read (ImageFileError", "Copy it again"),
    ),
    "no NIfTI": (
        lambda p: bold(p).write_bytes(gzip.compress(bytes(1000))),
        (65, "sub-02_task-rest_bold.nii.gz: cannot be read (ImageFileError", "Copy it again"),
    ),
    "truncated EEG": (
        lambda p: shorten(eeg(p, ".eeg"), 0.5),
        (65, "is truncated", "Copy it again"),
    ),
    "EEG truncated between samples": (
        lambda p: rewrite_signal(p, lambda signal: signal[: 150 * SFREQ]),
        (65, "markers lie after the end of the EEG at 150.0 s", "Copy it again"),
    ),
    "truncated EEG header": (
        lambda p: shorten(eeg(p, ".vhdr"), 0.5),
        (65, "sub-02_task-rest_eeg.vhdr: cannot be read", "Copy it again"),
    ),
    "empty EEG header": (
        lambda p: shorten(eeg(p, ".vhdr"), 0),
        (65, "sub-02_task-rest_eeg.vhdr: cannot be read", "Copy it again"),
    ),
    "EEG signal lost": (
        lambda p: eeg(p, ".eeg").unlink(),
        (66, "sub-02_task-rest_eeg.eeg: missing", "Copy it too"),
    ),
    "half of the channels flat": (
        lambda p: silence(p, 0, 1, 2, 3),
        (65, "4 of 8 channels are flat or bad (Fz, Oz, Cz, Pz)", "read.max_bad_channels"),
    ),
    "fewer volumes than one history": (
        lambda p: keep_volumes(p, 10),
        (65, "10 volumes of 2 s are shorter than the 26 s", "leave the run out"),
    ),
    "too few volumes for three parts": (
        lambda p: keep_volumes(p, 20),
        (65, "cannot be divided into training, validation and test", "split.gap"),
    ),
    "one volume": (
        lambda p: keep_volumes(p, 1),
        (65, "shape 9×10×9×1 is no series of volumes", "Give the 4-D"),
    ),
}
"""What is done to a participant, and the exit code, the complaint and the advice that follow."""


@contextmanager
def disk_full_after(size):
    """Let no file grow beyond ``size`` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_recording_is_one_line_and_leaves_what_others_gave(
    name, bids_dir, finished, app, fast
):
    wreck, (code, complaint, advice) = BROKEN[name]
    wreck(bids_dir / "sub-02")
    before = stamps(finished / "sub-01", finished / "sub-02")
    told = app(bids_dir, finished, "participant", "--participant-label", "02", *fast)
    (line,) = complaints(told)
    assert told.code == code
    assert "sub-02" in line
    assert complaint in line
    assert advice in line
    assert stamps(finished / "sub-01", finished / "sub-02") == before


def test_a_broken_participant_does_not_stop_the_others(bids_dir, finished, app, fast, tmp_path):
    shorten(bold(bids_dir / "sub-01"), 0.5)
    out = tmp_path / "anew"
    told = app(bids_dir, out, "participant", "-w", finished / "work", *fast)
    first, last = complaints(told)
    assert told.code == 70
    assert "sub-01_task-rest_bold.nii.gz: cannot be read" in first
    assert last == ("error: Failed: sub-01. The reasons stand above; all others are done.")
    assert results(out) == results(finished, "sub-02")
    assert "sub-02" in (out / "participants.tsv").read_text()
    assert not (out / "sub-01.html").exists()


@pytest.mark.parametrize("half", ["eeg", "func"])
def test_half_a_recording_is_left_out_and_told(half, bids_dir, finished, app, fast):
    shutil.rmtree(bids_dir / "sub-01" / half)
    told = app(bids_dir, finished, "participant", *fast)
    assert told.code == 0
    assert complaints(told) == []
    kind = {"eeg": "BOLD without EEG", "func": "EEG without BOLD"}[half]
    assert sum(kind in line for line in told.err.splitlines()) == 1
    assert "sub-01            skipped left out" in told.verdict


def test_half_a_recording_that_was_asked_for_is_a_failure(bids_dir, finished, app, fast):
    shutil.rmtree(bids_dir / "sub-01" / "eeg")
    told = app(bids_dir, finished, "participant", "--participant-label", "01", "02", *fast)
    assert told.code == 70
    assert "Failed: sub-01." in told.verdict


def test_halves_alone_are_nothing_to_work_on(bids_dir, tmp_path, app):
    shutil.rmtree(bids_dir / "sub-01" / "eeg")
    shutil.rmtree(bids_dir / "sub-02" / "func")
    told = app(bids_dir, tmp_path / "out", "participant")
    assert told.code == 18
    assert len(complaints(told)) == 1
    assert "no EEG and BOLD of the same participant, session, task and run" in told.verdict


def copy_files(source, target, old, new):
    """Copy a participant or a run; BrainVision headers go on naming the old files."""
    for path in [*source.rglob(f"*{old}_*")]:
        copy = target / path.relative_to(source).with_name(path.name.replace(old, new))
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


@pytest.mark.parametrize(
    ("broken", "content", "complaint"),
    [
        ("func/sub-01_task-again_bold.json", b"{", "not valid JSON"),
        ("func/sub-01_task-again_bold.nii.gz", b"", "cannot be read"),
    ],
)
def test_a_broken_run_does_not_stop_the_others_of_its_participant(
    broken, content, complaint, bids_dir, finished, app, fast
):
    participant = bids_dir / "sub-01"
    copy_files(participant, participant, "task-rest", "task-again")
    (participant / broken).write_bytes(content)
    told = app(bids_dir, finished, "participant", *fast)
    assert told.code == 70
    assert len(complaints(told)) == 2
    assert told.verdict.startswith("error: Failed: sub-01_task-again.")
    assert f"{broken}: {complaint}" in (finished / "sub-01.html").read_text()


def test_the_first_failure_may_end_it_all(bids_dir, finished, app, fast):
    for participant in ("sub-01", "sub-02"):
        shorten(bold(bids_dir / participant), 0.5)
    told = app(bids_dir, finished, "participant", "--stop-on-first-crash", *fast)
    (line,) = complaints(told)
    assert told.code == 65
    assert "sub-01" in line


def test_a_broken_participant_does_not_stop_the_group(bids_dir, finished, app, fast):
    copy_files(bids_dir / "sub-01", bids_dir / "sub-03", "sub-01", "sub-03")
    told = app(bids_dir, finished, "group", *fast)
    assert told.code == 70
    assert "sub-03/eeg/sub-01_task-rest_eeg.eeg: missing" in complaints(told)[0]
    assert "Failed: sub-03." in told.verdict
    assert "sub-01_task-rest_eeg.eeg: missing" in (finished / "group.html").read_text()
    assert (finished / "group_task-rest_metrics.tsv").exists()


def test_more_folds_than_participants_are_one_line(simulated, finished, app, fast):
    told = app(simulated, finished, "group", "--folds", "9", *fast)
    (line,) = complaints(told)
    assert told.code == 65
    assert "2 usable participants cannot be divided into 9 folds. Give --folds fewer." in line


def test_one_participant_is_no_group(simulated, finished, app, fast):
    told = app(simulated, finished, "group", "--participant-label", "01", *fast)
    (line,) = complaints(told)
    assert told.code == 65
    assert line == (
        "error: task-rest         failed  No participant is left to train on: 1 usable, 1 held "
        "out. The group level needs at least two; for one, run the participant level."
    )


@pytest.mark.parametrize("level", ["participant", "group"])
def test_training_that_gives_no_number_is_told_once(level, simulated, finished, app, fast):
    told = app(simulated, finished, level, *fast, "--set", "train.learning_rate=1e30")
    assert told.code == 65
    lines = complaints(told)
    assert all("The loss is not a number in epoch 1. Lower train.learning_rate" in x for x in lines)
    assert len(lines) == {"participant": 2, "group": 1}[level]


def test_what_is_odd_is_dealt_with_and_told_in_the_report(bids_dir, tmp_path, app, fast):
    participant = bids_dir / "sub-01"
    rewrite_bold(participant, spoil_voxels, tr=1.0)
    silence(participant, 3)
    mark_bad(participant, "Fp1")
    end_eeg(participant, 200)
    onset = json.loads((bids_dir / "sourcedata" / "simulation_truth.json").read_text())
    onset = onset["participants"]["sub-01"]["first_volume_eeg_s"]
    out = tmp_path / "out"
    options = ("--participant-label", "01", "--eeg-onset", onset)
    told = app(bids_dir, out, "participant", *options, *fast)
    assert (told.code, complaints(told)) == (0, [])
    for note in (
        "200 BOLD values are not finite and were set to 0",
        "3 voxels inside the brain never change",
        "Pz, Fp1 flat, not finite or marked bad; interpolated",
        "the NIfTI header has no repetition time; 2 s is the sidecar's",
        "EEG ends 36.7 s before the last BOLD volume",
    ):
        assert note in told.err
        assert note.replace("'", "&#39;") in (out / "sub-01.html").read_text()


def spoil_voxels(data):
    data = data.astype(np.float32)
    data[4, 5, 4] = 1000
    data[4, 4, 4:6] = np.nan
    return data


def mark_bad(participant, channel):
    path = participant / "eeg" / f"{participant.name}_task-rest_channels.tsv"
    head, *lines = [line.split("\t") for line in path.read_text().splitlines()]
    for line in lines:
        if line[0] == channel:
            line[head.index("status")] = "bad"
    path.write_text("".join("\t".join(line) + "\n" for line in [head, *lines]))


@pytest.mark.parametrize(
    ("make", "code", "complaint"),
    [
        (lambda folder: None, 66, "no such folder"),
        (lambda folder: folder.touch(), 66, "no such folder"),
        (lambda folder: folder.mkdir(), 16, "the folder is empty"),
        (lambda folder: (folder / "sub-01").mkdir(parents=True), 16, "no dataset_description.json"),
    ],
)
@pytest.mark.parametrize("level", ["participant", "group"])
def test_what_is_no_dataset_is_refused(make, code, complaint, level, tmp_path, app):
    make(tmp_path / "data")
    told = app(tmp_path / "data", tmp_path / "out", level)
    (line,) = complaints(told)
    assert told.code == code
    assert str(tmp_path / "data") in line
    assert complaint in line


def test_a_dataset_without_a_description_is_taken_if_asked_to(bids_dir, finished, app, fast):
    (bids_dir / "dataset_description.json").unlink()
    told = app(bids_dir, finished, "participant", "--skip-bids-validation", *fast)
    assert (told.code, complaints(told)) == (0, [])
    described = json.loads((finished / "dataset_description.json").read_text())
    assert described["Name"] == "fMRI synthesised from EEG: bids"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--participant-label", "99"), "no participant 99. There are 01, 02."),
        (("--task", "nback"), "the filters match no EEG and no BOLD file. Tasks: rest"),
        (("--session-label", "1"), "sessions: none"),
    ],
)
def test_filters_that_match_nothing_are_told_what_there_is(
    options, complaint, simulated, tmp_path, app
):
    told = app(simulated, tmp_path / "out", "participant", *options)
    (line,) = complaints(told)
    assert told.code == 18
    assert complaint in line


@pytest.mark.parametrize(
    ("out", "options"),
    [
        ("file", ()),
        ("file/below", ()),
        ("/proc/out", ()),
        ("/dev/full", ()),
        ("out", ("--work-dir", "file")),
        ("out", ("--work-dir", "/proc/work")),
    ],
)
def test_a_folder_that_cannot_be_written_is_told_before_any_work(
    out, options, simulated, tmp_path, app, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    told = app(simulated, out, "participant", *options)
    (line,) = complaints(told)
    assert told.code == 73
    assert (options[-1] if options else out) in line
    assert "hoose a" in line


@pytest.mark.parametrize(
    ("out", "work"), [(".", "../work"), ("sub-01/out", "../work"), ("../out", "work")]
)
def test_nothing_is_ever_written_into_the_raw_dataset(out, work, bids_dir, app):
    before = stamps(bids_dir)
    told = app(bids_dir, bids_dir / out, "participant", "--work-dir", bids_dir / work)
    (line,) = complaints(told)
    assert told.code == 64
    assert "lies in the input dataset" in line
    assert stamps(bids_dir) == before


def test_the_derivatives_folder_of_the_dataset_is_a_fine_place(bids_dir, app):
    shutil.rmtree(bids_dir / "sub-01" / "eeg")
    out = bids_dir / "derivatives" / "eeg2fmri"
    told = app(bids_dir, out, "participant", "--participant-label", "01")
    assert told.code == 18  # not 64
    assert (out / "README.md").exists()


@pytest.mark.parametrize("size", [0, 2_000, 100_000])
def test_a_full_disk_is_one_line_and_leaves_nothing_half_done(size, simulated, tmp_path, app):
    out = tmp_path / "out"
    with disk_full_after(size):
        told = app(simulated, out, "participant", "--participant-label", "01")
    (line,) = complaints(told)
    assert told.code == 73
    assert str(out) in line
    assert "File too large" in line
    assert "ree " in line
    assert {path.name for path in out.rglob(".*")} <= {".bidsignore"}
    assert [*out.glob("work/tmp-*")] == []


def test_work_goes_on_once_there_is_room_again(simulated, finished, tmp_path, app, fast):
    out = tmp_path / "anew"
    call = (simulated, out, "participant", "-w", finished / "work", *fast)
    with disk_full_after(100_000):  # enough for images, not for reports
        told = app(*call)
    assert told.code == 73
    assert not (out / "sub-01.html").exists()
    assert app(*call).code == 0
    assert results(out) == results(finished)


def test_what_nobody_foresaw_is_one_line_and_keeps_its_traceback(simulated, finished, app, fast):
    (path,) = (finished / "work" / "pairs").glob("sub-02*/pairs.json")
    empty(path)
    told = app(simulated, finished, "participant", "--participant-label", "02", *fast)
    (line,) = complaints(told)
    assert told.code == 1
    (crash,) = (finished / "logs").glob("crash-sub-02-*.txt")
    assert f"Please report it with {crash}." in line
    assert "Traceback" in crash.read_text()
