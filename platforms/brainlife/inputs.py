"""From the inputs that Brainlife has staged to a BIDS dataset."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bids_eeg2fmri.errors import MissingInputError, UsageError


class Kind(NamedTuple):
    """What a datatype of Brainlife is in BIDS."""

    folder: str
    """In the participant's folder."""
    suffix: str
    """Of the recording."""
    files: tuple[str, ...]
    """Names that the datatype gives its files."""


_BESIDE = ("channels.tsv", "events.tsv", "events.json", "electrodes.tsv", "coordsystem.json")
_FUNC = ("bold.nii.gz", "events.tsv", "events.json", "physio.tsv.gz", "physio.json")
KINDS = {
    "6000753eaacf9e6591a691d9": Kind("eeg", "eeg", ("eeg.vhdr", "eeg.vmrk", "eeg.eeg", *_BESIDE)),
    "60007410aacf9e4edda691d4": Kind("eeg", "eeg", ("eeg.set", "eeg.fdt", *_BESIDE)),
    "600074f6aacf9e7acda691d7": Kind("eeg", "eeg", ("eeg.edf", *_BESIDE)),
    "60007567aacf9e1615a691dd": Kind("eeg", "eeg", ("eeg.bdf", *_BESIDE)),
    "59b685a08e5d38b0b331ddc5": Kind("func", "bold", _FUNC),
    "58c33bcee13a50849b25879a": Kind("anat", "T1w", ("t1.nii.gz",)),
}
"""neuro/eeg/{brainvision,eeglab,edf,bdf}, neuro/func/task and neuro/anat/t1w by their numbers."""
LABELS = (("ses", "session"), ("task", "task"), ("acq", "acquisition"), ("run", "run"))
"""Entities by their names in ``meta``, in the order of file names."""
OF_SESSION = ("electrodes.tsv", "coordsystem.json")
"""What several recordings have in common; without task and run in its name."""
_HEADER = re.compile(rb"(?m)^(DataFile|MarkerFile)=[^\r\n]*")


def lay_out(config: Mapping[str, Any], bids: Path) -> Path:
    """Return the dataset: the one that is named as ``bids``, or else one made of the inputs.

    Raises
    ------
    UsageError
        There is neither, or an input cannot be placed.
    MissingInputError
        A file that was named does not exist.
    """
    if config.get("bids"):
        return Path(config["bids"])
    if not config.get("_inputs"):
        raise UsageError("config.json: neither bids nor _inputs. Register EEG and BOLD as inputs.")
    shutil.rmtree(bids, ignore_errors=True)
    turns: Counter[str] = Counter()
    for entry in config["_inputs"]:
        _lay_out_one(entry, _recording(entry, config, turns), bids)
    description = {"Name": "Brainlife", "BIDSVersion": "1.9.0", "DatasetType": "raw"}
    (bids / "dataset_description.json").write_text(json.dumps(description), "utf-8")
    return bids


def _recording(entry: Mapping[str, Any], config: Mapping[str, Any], turns: Counter[str]) -> Path:
    """Find the first file of an input; several inputs with one key take turns."""
    key = entry["keys"][0]
    paths = config.get(key)
    path = Path(str(paths[turns[key]] if isinstance(paths, list) else paths))
    turns[key] += 1
    if not path.exists():
        raise MissingInputError(f"config.json: {key}: {path} does not exist. Stage it again.")
    return path


def _lay_out_one(entry: Mapping[str, Any], recording: Path, bids: Path) -> None:
    kind = KINDS.get(entry["datatype"])
    if kind is None:
        raise UsageError(
            f"config.json: input {entry['id']!r} is of a datatype that cannot be used. These can: "
            "neuro/eeg/brainvision, eeglab, edf and bdf, neuro/func/task, neuro/anat/t1w."
        )
    meta = dict(entry["meta"])
    if not meta.get("subject"):
        raise UsageError(f"config.json: input {entry['id']!r} has no meta.subject. Set it there.")
    labels = _labels(meta, kind)
    sessions = (label for label in labels if label.startswith("ses-"))
    folder = bids.joinpath(labels[0], *sessions, kind.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in kind.files:
        if recording.with_name(name).exists():
            _place(recording.with_name(name), folder / _named(labels, name))
    sidecar = folder / "_".join([*labels, f"{kind.suffix}.json"])
    sidecar.write_text(json.dumps(meta), "utf-8")


def _labels(meta: dict[str, Any], kind: Kind) -> list[str]:
    """Take the entities out of ``meta``; what is left is for the sidecar."""
    labels = [f"sub-{_clean(meta.pop('subject'))}"]
    given = {entity: meta.pop(key, None) for entity, key in LABELS}
    if kind.folder == "anat":
        given["task"] = None
    else:
        given["task"] = given["task"] or meta.get("TaskName") or "rest"
        meta.setdefault("TaskName", given["task"])
    return labels + [f"{entity}-{_clean(label)}" for entity, label in given.items() if label]


def _clean(label: object) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "", str(label))


def _named(labels: list[str], name: str) -> str:
    if name in OF_SESSION:
        labels = [label for label in labels if not label.startswith(("task-", "run-"))]
    return "_".join([*labels, name.replace("t1.", "T1w.")])


def _place(source: Path, target: Path) -> None:
    """Link a file, or copy a header of BrainVision, which names the files beside it."""
    if target.exists():
        if source.name in OF_SESSION:
            return
        raise UsageError(f"config.json: two inputs are {target.name}. Set meta.run of each.")
    if source.suffix in (".vhdr", ".vmrk"):
        names = {b"DataFile": f"{target.stem}.eeg", b"MarkerFile": f"{target.stem}.vmrk"}
        renamed = _HEADER.sub(lambda m: m[1] + b"=" + names[m[1]].encode(), source.read_bytes())
        target.write_bytes(renamed)
        return
    try:
        target.hardlink_to(source)
    except OSError:  # on another file system
        target.symlink_to(source.resolve())
