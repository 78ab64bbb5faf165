"""Whatever is wrong with the input: one clear line, the documented exit code, nothing lost."""

import gzip
import json
import shutil

import nibabel as nib
import numpy as np
import pytest

LABEL = "02"


def add_participant(bids_dir, label):
    """Copy the first participant under another label."""
    folder = shutil.copytree(bids_dir / "sub-01", bids_dir / f"sub-{label}")
    for path in [*folder.rglob("sub-01_*")]:
        renamed = path.with_name(path.name.replace("sub-01", f"sub-{label}"))
        path.rename(renamed)
        if path.suffix in (".vhdr", ".vmrk"):
            renamed.write_text(renamed.read_text().replace("sub-01", f"sub-{label}"))
    return folder


def eeg(folder, extension):
    return folder / "eeg" / f"{folder.name}_task-rest_eeg{extension}"


def bold(folder, extension=".nii.gz"):
    return folder / "func" / f"{folder.name}_task-rest_bold{extension}"


def rewrite_bold(folder, change=lambda data: data, tr=2.0):
    image = nib.load(bold(folder))
    data = change(np.asarray(image.dataobj))
    header = image.header.copy()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header.set_zooms((*header.get_zooms()[:3], tr)[: data.ndim])
    nib.save(nib.Nifti1Image(data, None, header), bold(folder))


def change_sidecar(folder, **changes):
    path = bold(folder, ".json")
    sidecar = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in sidecar.items() if value is not None}))


def shorten(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def shorten_eeg(folder, seconds):
    """End the recording, its signal and its markers, after that time."""
    signal, markers = eeg(folder, ".eeg"), eeg(folder, ".vmrk")
    signal.write_bytes(signal.read_bytes()[: int(seconds * 100) * 9 * 2])
    keep = [
        line
        for line in markers.read_text().splitlines()
        if not line.startswith("Mk") or int(line.split(",")[2]) < seconds * 100
    ]
    markers.write_text("\n".join(keep) + "\n")


def change_eeg(folder, channels, value):
    signal = np.fromfile(eeg(folder, ".eeg"), dtype="<i2").reshape(-1, 9)
    signal[:, channels] = value
    signal.tofile(eeg(folder, ".eeg"))


def remove_markers(folder):
    markers = eeg(folder, ".vmrk")
    markers.write_text(markers.read_text().replace("Response", "Comment"))
    text = [line for line in markers.read_text().splitlines() if "Comment" not in line]
    markers.write_text("\n".join(text) + "\n")


def drop_beats(folder):
    markers = eeg(folder, ".vmrk")
    lines = markers.read_text().splitlines()
    kept = [x for i, x in enumerate(lines) if "Response" not in x or i % 3]
    markers.write_text("\n".join(kept) + "\n")


WRECKS = {
    "invalid JSON": lambda f: bold(f, ".json").write_text("{oops"),
    "eeg JSON": lambda f: eeg(f, ".json").write_text("[1]"),
    "no BOLD": lambda f: shutil.rmtree(f / "func"),
    "no EEG": lambda f: shutil.rmtree(f / "eeg"),
    "EEG ends early": lambda f: shorten_eeg(f, 150),
    "EEG ends at once": lambda f: shorten_eeg(f, 20),
    "no triggers": remove_markers,
    "odd triggers": drop_beats,
    "3-D": lambda f: rewrite_bold(f, lambda data: data[..., 0]),
    "no TR": lambda f: (rewrite_bold(f, tr=0.0), change_sidecar(f, RepetitionTime=None)),
    "TR 0": lambda f: (rewrite_bold(f, tr=0.0), change_sidecar(f, RepetitionTime=0)),
    "two TRs": lambda f: change_sidecar(f, RepetitionTime=3.0),
    "TR text": lambda f: change_sidecar(f, RepetitionTime="2.0"),
    "all zero": lambda f: rewrite_bold(f, np.zeros_like),
    "all NaN": lambda f: rewrite_bold(f, lambda data: np.full(data.shape, np.nan, np.float32)),
    "truncated NIfTI": lambda f: shorten(bold(f), 0.5),
    "empty NIfTI": lambda f: shorten(bold(f), 0),
    "no NIfTI": lambda f: bold(f).write_bytes(gzip.compress(b"nothing" * 100)),
    "truncated EEG": lambda f: shorten(eeg(f, ".eeg"), 0.5),
    "empty header": lambda f: shorten(eeg(f, ".vhdr"), 0),
    "half header": lambda f: shorten(eeg(f, ".vhdr"), 0.5),
    "no signal": lambda f: eeg(f, ".eeg").unlink(),
    "no marker file": lambda f: eeg(f, ".vmrk").unlink(),
    "flat": lambda f: change_eeg(f, [0, 1, 2, 3], 0),
    "few volumes": lambda f: rewrite_bold(f, lambda data: data[..., :10]),
    "one volume": lambda f: rewrite_bold(f, lambda data: data[..., :1]),
    "medium": lambda f: rewrite_bold(f, lambda data: data[..., :30]),
}
