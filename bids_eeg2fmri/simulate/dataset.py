"""Write simulated recordings as a BIDS dataset."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from jaxtyping import Shaped
from pybv import write_brainvision

from bids_eeg2fmri import __version__
from bids_eeg2fmri.errors import OutputError, UsageError
from bids_eeg2fmri.simulate.config import REGIONS, SimulationConfig
from bids_eeg2fmri.simulate.signals import (
    Head,
    Recording,
    electrodes,
    make_head,
    place_cap,
    simulate_recording,
)
from bids_eeg2fmri.types import BOLD, EEG

log = logging.getLogger(__name__)

README = """# Simulated simultaneous EEG–fMRI

Written by bids_eeg2fmri {version} with coupling R = {coupling:g} and seed {seed}.
Nobody was measured.

Each participant rests once (task `rest`) while scalp EEG, an ECG channel and BOLD are recorded.
The EEG holds a 1/f background, an occipital alpha and a frontal midline theta rhythm that wax and
wane independently. It starts more than half a minute before the scan; the marker `Response/R128`
stands where each BOLD volume begins. The BOLD anatomy is the MNI152 template.

The power of each rhythm, convolved with the haemodynamic response of Glover (1999), drives one
region. What drives what, how strongly, and the true EEG time of each first volume is written in
`sourcedata/simulation_truth.json`; `sourcedata/simulation_regions.nii.gz` labels the regions.
"""


def simulate(out: str | os.PathLike[str], config: SimulationConfig) -> None:
    """Write a BIDS dataset of simultaneous EEG–fMRI with known coupling, one participant at a time.

    Parameters
    ----------
    out
        Folder to write; made where missing.
    config
        Size, coupling and noise.

    Raises
    ------
    UsageError
        If ``out`` holds something already, or the grid is too coarse to tell the regions apart.
    OutputError
        If ``out`` cannot be written.
    """
    out, head = Path(out), make_head(config.grid)
    truths = {}
    try:
        if out.exists() and any(out.iterdir()):
            raise UsageError(f"{out} is not empty. Name a new folder for the simulated dataset.")
        for number in range(config.participants):
            label = f"sub-{number + 1:02d}"
            recording = simulate_recording(config, head, number)
            _write_eeg(out / label / "eeg", f"{label}_task-rest", recording)
            _write_bold(out / label / "func", f"{label}_task-rest", recording.bold)
            truths[label] = {
                "first_volume_eeg_s": recording.clock.onset[0],
                "tr_s": recording.clock.tr,
                "n_volumes": config.volumes,
            }
            log.info("%s  written to %s", label, out / label)
        _write_top(out, config, tuple(truths))
        _write_truth(out / "sourcedata", config, head, truths)
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written: {error.strerror or error}. Name another folder."
        ) from error


def _write_eeg(folder: Path, stem: str, recording: Recording) -> None:
    eeg, clock = recording.eeg, recording.clock
    write_brainvision(
        data=np.vstack([eeg.data, recording.ecg]),
        sfreq=eeg.sfreq,
        ch_names=[*eeg.channels, "ECG"],
        fname_base=f"{stem}_eeg",
        folder_out=folder,
        events=[
            {"onset": sample, "type": "Response", "description": 128}
            for sample in np.round(clock.onset * eeg.sfreq).astype(int).tolist()
        ],
        resolution=0.1,
        fmt="binary_int16",
    )
    _write_json(folder / f"{stem}_eeg.json", _eeg_sidecar(eeg))
    _write_montage(folder, stem, eeg)
    scan = {
        "onset": clock.onset[0],
        "duration": clock.onset.size * clock.tr,
        "trial_type": "scan",
        "sample": round(clock.onset[0] * eeg.sfreq),
    }
    _write_table(folder / f"{stem}_events.tsv", [scan])
    levels = {"scan": "From the start of the first BOLD volume to the end of the last."}
    _write_json(
        folder / f"{stem}_events.json",
        {
            "trial_type": {"Description": "What happened.", "Levels": levels},
            "sample": {"Description": "EEG sample at the onset, counted from 0."},
        },
    )


def _eeg_sidecar(eeg: EEG) -> dict[str, Any]:
    return {
        "TaskName": "rest",
        "TaskDescription": "Rest with closed eyes.",
        "Instructions": "None: simulated.",
        "Manufacturer": "bids_eeg2fmri (simulated)",
        "CapManufacturer": "EasyCap",
        "CapManufacturersModelName": "M1",
        "EEGPlacementScheme": "10-10",
        "EEGReference": "none (simulated potential against infinity)",
        "EEGGround": "none (simulated)",
        "SamplingFrequency": eeg.sfreq,
        "PowerLineFrequency": "n/a",
        "HardwareFilters": "n/a",
        "SoftwareFilters": "n/a",
        "EEGChannelCount": len(eeg.channels),
        "ECGChannelCount": 1,
        "EOGChannelCount": 0,
        "EMGChannelCount": 0,
        "MISCChannelCount": 0,
        "TriggerChannelCount": 0,
        "RecordingDuration": eeg.duration,
        "RecordingType": "continuous",
    }


def _write_montage(folder: Path, stem: str, eeg: EEG) -> None:
    """Write which channels there are and where: CapTrak is what MNE calls the head frame."""
    channels = [
        {
            "name": name,
            "type": kind,
            "units": "µV",
            "sampling_frequency": eeg.sfreq,
            "status": "good",
        }
        for name, kind in [*((name, "EEG") for name in eeg.channels), ("ECG", "ECG")]
    ]
    _write_table(folder / f"{stem}_channels.tsv", channels)
    participant = stem.split("_")[0]
    sites = [
        {"name": name, **dict(zip("xyz", position, strict=True))}
        for name, position in zip(eeg.channels, np.round(eeg.positions, 5).tolist(), strict=True)
    ]
    _write_table(folder / f"{participant}_space-CapTrak_electrodes.tsv", sites)
    head = place_cap(eeg.channels)
    landmarks = {
        name: np.round(head[key], 5).tolist()
        for name, key in [("NAS", "nasion"), ("LPA", "lpa"), ("RPA", "rpa")]
    }
    _write_json(
        folder / f"{participant}_space-CapTrak_coordsystem.json",
        {
            "EEGCoordinateSystem": "CapTrak",
            "EEGCoordinateUnits": "m",
            "AnatomicalLandmarkCoordinates": landmarks,
            "AnatomicalLandmarkCoordinateSystem": "CapTrak",
            "AnatomicalLandmarkCoordinateUnits": "m",
        },
    )


def _write_bold(folder: Path, stem: str, bold: BOLD) -> None:
    folder.mkdir(parents=True)
    image = _image(bold.data.astype(np.int16), bold.affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], bold.tr))
    nibabel.save(image, folder / f"{stem}_bold.nii.gz")
    sidecar = {
        "TaskName": "rest",
        "TaskDescription": "Rest with closed eyes.",
        "Instructions": "None: simulated.",
        "RepetitionTime": bold.tr,
        "Manufacturer": "bids_eeg2fmri (simulated)",
    }
    _write_json(folder / f"{stem}_bold.json", sidecar)


def _image(
    data: Shaped[np.ndarray, "..."], affine: Shaped[np.ndarray, "4 4"]
) -> nibabel.Nifti1Image:
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, "mni")
    image.set_qform(affine, "mni")
    return image


def _write_top(out: Path, config: SimulationConfig, participants: Sequence[str]) -> None:
    _write_json(
        out / "dataset_description.json",
        {
            "Name": "Simulated simultaneous EEG–fMRI",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "License": "CC0",
            "Authors": ["The bids_eeg2fmri developers"],
            "GeneratedBy": [{"Name": "bids_eeg2fmri", "Version": __version__}],
        },
    )
    text = README.format(version=__version__, coupling=config.coupling, seed=config.seed)
    (out / "README.md").write_text(text, encoding="utf-8")
    _write_table(out / "participants.tsv", [{"participant_id": name} for name in participants])
    described = {"participant_id": {"Description": "Label of the simulated participant."}}
    _write_json(out / "participants.json", described)


def _write_truth(
    folder: Path,
    config: SimulationConfig,
    head: Head,
    participants: Mapping[str, Mapping[str, float]],
) -> None:
    """Write what is true of the dataset and cannot be known from real recordings."""
    regions = [
        {
            "label": label,
            "name": region.name,
            "rhythm": region.rhythm,
            "electrodes": electrodes(region, config.sites),
            "band_hz": region.band,
            "sign": int(np.sign(region.weight)),
            "r": config.coupling * region.weight,
            "n_voxels": int(np.sum(head.regions == label)),
        }
        for label, region in enumerate(REGIONS, start=1)
    ]
    folder.mkdir()
    _write_json(
        folder / "simulation_truth.json",
        {
            "version": __version__,
            "config": asdict(config),
            "regions": regions,
            "participants": participants,
        },
    )
    nibabel.save(_image(head.regions, head.affine), folder / "simulation_regions.nii.gz")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False, na_rep="n/a")
