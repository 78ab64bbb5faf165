"""All that a run leaves in the output folder, without what tells of the run itself."""

import gzip
import json
import re

from safetensors.numpy import load

LEFT_OUT = ("work", "logs")
"""Folders that tell how results came about: intermediate ones, and what was said when."""


def outputs(out):
    """Every output file by its path, as bytes.

    Left out of them is what tells of a run and not of its results: the command line, in README.md
    and pages; and seconds that something took, in models, tables of trials and pages.
    """
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    named = {path.relative_to(out): path for path in files}
    return {
        name.as_posix(): _content(path, out)
        for name, path in named.items()
        if name.parts[0] not in LEFT_OUT
    }


def differences(one, other):
    """Names of outputs that only one has, or that differ."""
    names = one.keys() | other.keys()
    return sorted(name for name in names if one.get(name) != other.get(name))


def _content(path, out):
    content = path.read_bytes()
    if path.name.endswith(".nii.gz"):
        return gzip.decompress(content)
    if path.name == "model.json":
        return _without_seconds(json.loads(content))
    if path.name == "model.safetensors":
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])["__metadata__"]
        tensors = {name: (t.dtype.str, t.shape, t.tobytes()) for name, t in load(content).items()}
        return _without_seconds(json.loads(header["card"])), tensors
    if path.name.endswith("_trials.tsv"):
        header, *rows = [line.split(b"\t") for line in content.splitlines()]
        at = header.index(b"seconds")
        return [row[:at] + row[at + 1 :] for row in (header, *rows)]
    if path.suffix in (".html", ".md"):
        content = re.sub(rb"bids-eeg2fmri [^\n<]*", b"COMMAND", content)
        content = re.sub(rb"(epochs?) took [^,<]*", rb"\1", content)
    return content.replace(str(out.parent).encode(), b"FOLDER")


def _without_seconds(card):
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in card["history"]]
    return {**card, "history": history}
