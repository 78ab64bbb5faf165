"""Tiny BIDS datasets of simultaneous EEG and BOLD, written file by file."""

import json
from pathlib import Path

import hydrated
import nibabel as nib
import numpy as np
import pybv
import pytest

from bids_eeg2fmri.bids.recording import RunFiles


class Dataset:
    """A folder into which recordings are written."""

    scalp = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "Fz", "Cz", "Pz")
    sfreq = 100.0

    def __init__(self, root: Path):
        self.root = root
        self.json("dataset_description.json", {"Name": "test", "BIDSVersion": "1.9.0"})

    def text(self, path, content):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def json(self, path, content):
        return self.text(path, json.dumps(content))

    def eeg(self, name, data=None, channels=(*scalp, "ECG"), markers=((100, 128),)):
        if data is None:
            data = np.random.default_rng(0).normal(0, 1e-5, (len(channels), 1000))
        events = [
            {"onset": onset, "duration": 1, "description": code, "type": "Response"}
            for onset, code in markers
        ]
        folder = self.root / name.split("_")[0] / "eeg"
        folder.mkdir(parents=True, exist_ok=True)
        pybv.write_brainvision(
            data=data,
            sfreq=self.sfreq,
            ch_names=list(channels),
            fname_base=f"{name}_eeg",
            folder_out=folder,
            events=events,
            overwrite=True,
        )
        return folder / f"{name}_eeg.vhdr"

    def bold(self, name, data=None, tr=2.0, sidecar=2.0, unit="sec", extension=".nii.gz"):
        if data is None:
            data = np.random.default_rng(0).normal(100, 5, (4, 5, 6, 20)).astype(np.float32)
        image = nib.Nifti1Image(data, np.diag([3.0, 3.0, 4.0, 1.0]))
        image.header.set_zooms((3.0, 3.0, 4.0, tr, 1.0)[: data.ndim])
        image.header.set_xyzt_units("mm", unit)
        file = self.root / name.split("_")[0] / "func" / f"{name}_bold{extension}"
        file.parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, file)
        if sidecar is not None:
            self.json(
                file.relative_to(self.root).with_name(f"{name}_bold.json"), sidecar_of(sidecar)
            )
        return file

    def run(self, name="sub-01_task-rest"):
        """The run as it would be found, with whatever was written of it so far."""
        folder = self.root / name.split("_")[0]
        bold = folder / "func" / f"{name}_bold.nii.gz"
        eeg = folder / "eeg" / f"{name}_eeg.vhdr"
        entities = dict(part.split("-") for part in name.split("_"))
        return RunFiles(
            self.root, entities["sub"], None, entities["task"], None, entities, eeg, bold
        )


def sidecar_of(repetition_time):
    return {"TaskName": "rest", "RepetitionTime": repetition_time}


@pytest.fixture
def dataset(tmp_path):
    return Dataset(tmp_path / "bids_dataset")


@pytest.fixture(scope="session")
def hydrate(tmp_path_factory):
    """Fill the skeleton of a real dataset with signals; the answer is its folder."""
    made = {}

    def make(name):
        if name not in made:
            options = ("--participants", "2", "--volumes", "10")
            made[name] = hydrated.hydrate(name, tmp_path_factory.mktemp(name), *options)
        return made[name]

    return make


@pytest.fixture
def ingest():
    """Real recordings in the formats that occur."""
    folder = hydrated.SHARED / "data" / "ingest"
    if not folder.exists():
        pytest.skip("the real recordings are not at hand")
    return folder
