"""What the header of an EEG file promises: the files beside it, and how many bytes they hold."""

import math
import re
from pathlib import Path

EEG_EXTENSIONS = (".vhdr", ".set", ".edf", ".bdf", ".fif")
"""Formats that can be read, in order of preference where a recording comes in several."""


def companions(eeg: Path) -> list[Path]:
    """Files that a recording consists of beside its header; those of BrainVision may be missing."""
    if eeg.suffix == ".vhdr" and eeg.exists():
        named = (vhdr_field(eeg, field) for field in ("DataFile", "MarkerFile"))
        return [eeg.parent / name for name in named if name]
    if eeg.suffix == ".fif":
        return _further_parts(eeg)
    fdt = eeg.with_suffix(".fdt")
    return [fdt] if eeg.suffix == ".set" and (fdt.exists() or fdt.is_symlink()) else []


def _further_parts(fif: Path) -> list[Path]:
    """Parts into which MNE has split a large recording, named as BIDS does or as MNE does."""
    name = re.sub(r"_split-0*1(?=_)", "_split-*", fif.name)
    pattern = name if name != fif.name else f"{fif.stem}-[0-9]*.fif"
    return sorted(path for path in fif.parent.glob(pattern) if path != fif)


def vhdr_field(header: Path, field: str) -> str | None:
    """Value of a field of a BrainVision header, e.g. ``DataFile``."""
    match = re.search(rf"(?m)^{field}\s*=\s*(\S.*?)\s*$", header.read_text("utf-8", "replace"))
    return match[1].replace("$b", header.stem) if match else None


def stored_and_promised(eeg: Path, n_channels: int, n_times: int) -> tuple[int, int]:
    """Bytes that the signal takes on disk, and those that its header speaks of.

    MNE reads a truncated BrainVision or EDF file without complaint as far as it goes.
    """
    if eeg.suffix == ".vhdr" and vhdr_field(eeg, "DataFormat") != "ASCII":
        return _vhdr_bytes(eeg, n_channels)
    if eeg.suffix in (".edf", ".bdf"):
        return _edf_bytes(eeg)
    for fdt in companions(eeg) if eeg.suffix == ".set" else ():
        return fdt.stat().st_size, 4 * n_channels * n_times
    return 0, 0


def _vhdr_bytes(header: Path, n_channels: int) -> tuple[int, int]:
    stored = companions(header)[0].stat().st_size
    sample = 4 if vhdr_field(header, "BinaryFormat") == "IEEE_FLOAT_32" else 2
    points = vhdr_field(header, "DataPoints")
    frame = n_channels * sample
    return stored, frame * (int(points) if points else math.ceil(stored / frame))


def _edf_bytes(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        fixed = file.read(256)
        n_signals = int(fixed[252:256])
        file.seek(256 + 216 * n_signals)
        lengths = [int(file.read(8)) for _ in range(n_signals)]
    n_records = max(int(fixed[236:244]), 0)  # -1 while a recording is under way
    sample = 3 if path.suffix == ".bdf" else 2
    return path.stat().st_size, int(fixed[184:192]) + n_records * sample * sum(lengths)
