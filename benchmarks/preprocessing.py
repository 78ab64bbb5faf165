"""Time and memory from an EEG file of half an hour at 5 kHz to pairs, beside reading it once.

One run in BrainVision form, 64 channels in 16 bits with a volume marker every 2.16 s. Measured are
reading, cleaning (``auto``, which finds nothing) and pairing; ``cat`` of the same file; and, with
``--straight``, what one would write for it with MNE and scipy: all of the file as 64-bit numbers,
and a ``ShortTimeFFT`` of the EEG before each volume. Each is a process of its own, with one thread;
they take turns, and medians of their processor time are printed with their most memory, of their
own and with the pages of mapped files. ``--bold`` measures BOLD instead, ``--dct`` its resizing.

    python benchmarks/preprocessing.py [--minutes N] [--turns N] [--straight] [--bold] [--dct]
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import nibabel as nib
import numpy as np
from measured.memory import watching

TR, SFREQ, CHANNELS, MINUTES = 2.16, 5000.0, 64, 30.0
LEAD = 10.0
"""Seconds of EEG before the first volume."""
RESOLUTION = 0.5
"""Microvolts of a step of the converter."""
VOLUMES = 16
LARGE, SMALL = (108, 108, 54), (64, 64, 30)
"""Grids between which the resizing of BOLD is measured."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--straight", action="store_true", help="MNE and scipy beside it")
    parser.add_argument("--bold", action="store_true", help="measure the memory of BOLD instead")
    parser.add_argument("--dct", action="store_true", help="measure the resizing of BOLD instead")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stage:
        _stage(args.stage, args.folder)
    elif args.dct:
        compare_resizing(args.turns)
    elif args.bold:
        measure_bold()
    else:
        measure(args.minutes, args.turns, args.straight)


def make_dataset(
    root: Path,
    minutes: float = MINUTES,
    sfreq: float = SFREQ,
    channels: int = CHANNELS,
    grid: tuple[int, int, int] = (16, 16, 8),
    tr: float = TR,
) -> Path:
    """Write a dataset with one run, and give the file of its EEG's signal.

    EEG is pink noise and an alpha rhythm on electrodes with offsets, some 100 µV in size, the same
    minute again and again; BOLD is noise.
    """
    rng = np.random.default_rng(0)
    eeg, func = root / "sub-01" / "eeg", root / "sub-01" / "func"
    eeg.mkdir(parents=True)
    func.mkdir()
    volumes = int((60 * minutes - LEAD) / tr)
    about = {"Name": "benchmark", "BIDSVersion": "1.9.0"}
    (root / "dataset_description.json").write_text(json.dumps(about))
    name = "sub-01_task-rest"
    data = rng.normal(800, 30, (*grid, volumes)).astype(np.float32)
    image = nib.Nifti1Image(data, np.diag([3.0, 3.0, 4.0, 1.0]))
    image.header.set_zooms((3.0, 3.0, 4.0, tr))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, func / f"{name}_bold.nii.gz")
    sidecar = {"TaskName": "rest", "RepetitionTime": tr}
    (func / f"{name}_bold.json").write_text(json.dumps(sidecar))
    _write_headers(eeg / f"{name}_eeg", sfreq, channels, volumes, tr)
    signal = eeg / f"{name}_eeg.eeg"
    minute = _minute(rng, sfreq, channels)
    with signal.open("wb") as file:
        left = round(60 * minutes * sfreq)
        while left > 0:
            file.write(minute[:left].tobytes())
            left -= len(minute)
    return signal


def _minute(rng: np.random.Generator, sfreq: float, channels: int) -> np.ndarray:
    """Make a minute of EEG in steps of the converter, of shape time × channels."""
    n = round(60 * sfreq)
    freqs = np.fft.rfftfreq(n, 1 / sfreq)
    made = np.empty((n, channels), np.int16)
    time_ = np.arange(n) / sfreq
    for channel in range(channels):
        spectrum = np.fft.rfft(rng.standard_normal(n)) / np.sqrt(np.maximum(freqs, 0.5))
        pink = np.fft.irfft(spectrum, n)
        alpha = np.sin(2 * np.pi * 10.2 * time_ + rng.uniform(0, 6)) * rng.uniform(0.2, 1)
        series = 30 * pink / pink.std() + 20 * alpha + rng.normal(0, 1000)
        made[:, channel] = np.round(series / RESOLUTION).clip(-32768, 32767)
    return made


def _names(channels: int) -> list[str]:
    """Take sites of the 10-10 system, of which MNE knows the places."""
    import mne

    montage = mne.channels.make_standard_montage("biosemi64")
    names = montage.ch_names[:channels]
    return [*names, *(f"E{i + 1}" for i in range(channels - len(names)))]


def _write_headers(stem: Path, sfreq: float, channels: int, volumes: int, tr: float) -> None:
    names = _names(channels)
    rows = [f"Ch{i + 1}={name},,{RESOLUTION},µV" for i, name in enumerate(names)]
    stem.with_suffix(".vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={stem.name}.eeg\nMarkerFile={stem.name}.vmrk\nDataFormat=BINARY\n"
        f"DataOrientation=MULTIPLEXED\nNumberOfChannels={channels}\n"
        f"SamplingInterval={1e6 / sfreq:g}\n\n[Binary Infos]\nBinaryFormat=INT_16\n\n"
        "[Channel Infos]\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )
    marks = [
        f"Mk{i + 1}=Response,R128,{round((LEAD + i * tr) * sfreq) + 1},1,0" for i in range(volumes)
    ]
    stem.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={stem.name}.eeg\n\n[Marker Infos]\n" + "\n".join(marks) + "\n",
        encoding="utf-8",
    )


def measure(minutes: float, turns: int, straight: bool) -> None:
    """Print what each way costs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        signal = make_dataset(folder / "bids", minutes)
        print(f"{signal.stat().st_size / 1e9:.2f} GB of EEG")
        stages = ["cat", "once", "read", "clean", "pairs", "all", *["straight"] * straight]
        taken: dict[str, list[list[float]]] = {stage: [] for stage in stages}
        for turn in range(turns):
            for stage in stages:
                if stage != "straight" or not turn:
                    taken[stage].append(_in_process(stage, folder))
        read = median(one[0] for one in taken["cat"])
        print(f"{'':10}{'CPU s':>10}{'wall s':>10}{'of cat':>10}{'own GB':>10}{'mapped too':>12}")
        for stage, figures in taken.items():
            cpu, wall, own, mapped = map(median, zip(*figures, strict=True))
            print(f"{stage:10}{cpu:10.2f}{wall:10.2f}{cpu / read:10.1f}{own:10.2f}{mapped:12.2f}")


def measure_bold() -> None:
    """Print what BOLD of common sizes costs, from the compressed file to pairs."""
    for grid, volumes in (((64, 64, 30), 300), ((108, 108, 54), 370)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_dataset(folder / "bids", (volumes * 2 + LEAD) / 60, 250.0, 32, grid, 2.0)
            size = 4 * np.prod(grid) * volumes / 1e6
            print(f"{'×'.join(map(str, grid))}, {volumes} volumes, {size:.0f} MB")
            for stage in ("read", "clean", "pairs", "all"):
                cpu, _, own, mapped = _in_process(stage, folder)
                print(f"  {stage:8} {cpu:6.2f} CPU s {own:6.2f} GB own {mapped:6.2f} with mapped")


def compare_resizing(turns: int) -> None:
    """Print what it takes to resize volumes, by matrices and by scipy's transforms."""
    from scipy.fft import dctn, idctn
    from threadpoolctl import threadpool_limits

    from bids_eeg2fmri.preprocess.bold import resize

    # In the order of NIfTI files, in which the app holds them: x runs fastest.
    shape = (VOLUMES, *reversed(LARGE))
    stored = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    volumes = stored.transpose(0, 3, 2, 1)
    kept = tuple(map(slice, SMALL))
    factor = np.float32(np.sqrt(np.prod(SMALL) / np.prod(LARGE)))

    def ours() -> np.ndarray:
        return np.stack([resize(one, SMALL) for one in volumes])

    def by_scipy(dtype: type = np.float32) -> np.ndarray:
        made = np.empty((VOLUMES, *SMALL), np.float32)
        for one, room in zip(volumes, made, strict=True):
            coefficients = dctn(one.astype(dtype, copy=False), norm="ortho")[kept]
            room[:] = idctn(coefficients, norm="ortho") * factor
        return made

    ways: dict[str, Callable[[], np.ndarray]] = {
        "matrices": ours,
        "scipy, single precision": by_scipy,
        "scipy, double precision": lambda: by_scipy(np.float64),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    with threadpool_limits(1):
        for _ in range(turns + 1):
            for way, made in ways.items():
                started = time.process_time()
                made()
                times[way].append(time.process_time() - started)
        error = np.abs(ours() - by_scipy(np.float64)).max()
    own = median(times["matrices"][1:])
    for way, taken in times.items():
        each = median(taken[1:])
        print(f"{way:25}{1e3 * each / VOLUMES:8.2f} ms a volume, {each / own:5.1f} times")
    print(f"largest difference {error:.1e}")


def _in_process(stage: str, folder: Path) -> list[float]:
    """Run one stage by itself; processor and wall seconds, and most memory in GB of either kind."""
    command = [sys.executable, __file__, "--stage", stage, "--folder", str(folder)]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        command, env={**os.environ, **one}, check=True, capture_output=True, text=True
    )
    told: list[float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _stage(stage: str, folder: Path) -> None:
    """Do one stage, and print what it took; what goes before it is done or found first."""
    run = {"cat": _cat, "once": _once, "straight": _straight}.get(stage)
    call = (lambda: run(folder)) if run else _of_app(stage, folder)
    with watching() as peaks:
        started = _cpu(), time.perf_counter()
        call()
        taken = [_cpu() - started[0], time.perf_counter() - started[1]]
    print(json.dumps([*taken, *peaks.values()]))


def _of_app(stage: str, folder: Path) -> Callable[[], object]:
    from bids_eeg2fmri.app import recordings
    from bids_eeg2fmri.app.cleaning import clean
    from bids_eeg2fmri.app.job import Job
    from bids_eeg2fmri.bids.query import find_runs
    from bids_eeg2fmri.bids.selection import Selection
    from bids_eeg2fmri.config import Config

    logging.disable()
    warnings.simplefilter("ignore")
    work = Path(tempfile.mkdtemp(dir=folder)) if stage == "all" else folder / "work"
    job = Job(folder / "bids", folder / "out", work, Config(), threads=1)
    runs, _ = find_runs(folder / "bids", Selection())
    if stage == "all":
        return lambda: recordings.prepare(job, runs)
    _forget(work, stage)
    if stage == "read":
        return lambda: recordings.read(job, runs[0])
    recording = recordings.read(job, runs[0])
    if stage == "clean":
        return lambda: clean(job, runs[0], recording.unit)
    clean(job, runs[0], recording.unit)
    ground = recordings.common_ground(job, [recording])
    return lambda: recordings.pair(job, recording, *ground)


def _forget(work: Path, stage: str) -> None:
    """Take away what an earlier turn has made."""
    import shutil

    shutil.rmtree(work / stage, ignore_errors=True)


def _signal(folder: Path) -> Path:
    return next((folder / "bids").glob("sub-01/eeg/*.eeg"))


def _cat(folder: Path) -> None:
    room = bytearray(1 << 17)  # as cat does
    with _signal(folder).open("rb", buffering=0) as file:
        while file.readinto(room):
            pass


def _once(folder: Path) -> None:
    """Turn every sample into a 32-bit number, the least that any way of using them does."""
    room = np.empty((20000, CHANNELS), np.float32)
    with _signal(folder).open("rb") as file:
        while (part := np.fromfile(file, np.int16, 20000 * CHANNELS)).size:
            part = part.reshape(-1, CHANNELS)
            np.multiply(part, np.float32(RESOLUTION * 1e-6), out=room[: len(part)])


def _straight(folder: Path) -> None:
    """Do what one would write with MNE and scipy."""
    import mne
    from scipy.signal import ShortTimeFFT, get_window

    path = _signal(folder).with_suffix(".vhdr")
    raw = mne.io.read_raw_brainvision(path, preload=True, verbose="ERROR")
    sfreq, data = raw.info["sfreq"], raw.get_data()
    onsets = raw.annotations.onset
    size = round(2 * sfreq)
    transform = ShortTimeFFT(get_window("hann", size), size, sfreq, scale_to="magnitude")
    made = []
    for onset in onsets[onsets >= 26]:
        first = round((onset - 26) * sfreq)
        cut = data[:, first : first + 10 * size]
        windows = transform.stft_detrend(cut, "constant", p0=0, p1=11, k_offset=-size // 2)
        made.append(2 * np.abs(windows[:, 1:135]).astype(np.float32))
    np.save(folder / "straight.npy", np.stack(made))


def _cpu() -> float:
    """Processor seconds of this process and of those it has started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
