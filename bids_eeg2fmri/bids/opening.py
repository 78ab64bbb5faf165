"""Open EEG recordings, with what BIDS says of them or without, before their signal is read."""

from collections.abc import Mapping
from pathlib import Path

import mne
import mne_bids

from bids_eeg2fmri.bids.contents import check_inside
from bids_eeg2fmri.bids.electrodes import scalp_channels
from bids_eeg2fmri.bids.formats import stored_and_promised
from bids_eeg2fmri.bids.guard import brief, reading, warn
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.bids.sidecars import read_table
from bids_eeg2fmri.errors import EEGError


def open_recording(run: EEGFiles) -> mne.io.BaseRaw:
    """Open a recording with what BIDS says of it, or where mne-bids gives up, without."""
    if not run.relative(run.eeg).startswith("sub-"):
        return open_bare(run)  # of a derivative, which mne-bids does not know
    try:
        path = mne_bids.get_bids_path_from_fname(run.eeg, verbose="ERROR")
        raw = mne_bids.read_raw_bids(path.update(root=run.root), verbose="ERROR")
    except Exception as error:
        raw = open_bare(run)
        warn(run, f"mne-bids cannot read the EEG ({brief(error)}); it is read without mne-bids")
    else:
        _check_complete(run, raw)
    return raw


def open_bare(run: EEGFiles) -> mne.io.BaseRaw:
    """Open a recording with what it says itself.

    Raises
    ------
    EEGError
        It cannot be opened, is truncated, or its signal lies outside the dataset.
    """
    with reading(run, run.eeg, EEGError):
        raw = mne.io.read_raw(run.eeg, preload=False, verbose="ERROR")
    _check_complete(run, raw)
    return raw


def open_scalp(run: EEGFiles) -> tuple[mne.io.BaseRaw, set[str], tuple[str, ...]]:
    """Open the channels that measure the scalp; name those marked bad, and all in the file."""
    raw = open_recording(run)
    recorded = tuple(raw.ch_names)
    types, marked = declared(run)
    names = scalp_names(raw, types, run.relative(run.eeg))
    marked |= set(raw.info["bads"])
    return raw.pick(names), marked, recorded


def scalp_names(raw: mne.io.BaseRaw, types: Mapping[str, str], told: str) -> list[str]:
    """Name the channels that measure the scalp, of which there must be one.

    Parameters
    ----------
    types
        In capitals, by channel, where they are declared.
    told
        What the recording is called in messages.
    """
    if names := scalp_channels(raw, types):
        return names
    raise EEGError(f"{told}: no channel measures the scalp. Check its types.")


def _check_complete(run: EEGFiles, raw: mne.io.BaseRaw) -> None:
    signals = [Path(name) for name in raw.filenames if name is not None]
    check_inside(run.root, run.eeg, signals, run.homes)
    with reading(run, run.eeg, EEGError):
        stored, promised = stored_and_promised(run.eeg, len(raw.ch_names), int(raw.n_times))
    if stored < promised:
        raise EEGError(
            f"{run.relative(run.eeg)}: {stored} of the {promised} bytes of signal that its header "
            "promises, so it is truncated. Copy it again."
        )


def declared(run: EEGFiles) -> tuple[dict[str, str], set[str]]:
    """Type of each channel in capitals, and the bad channels, by the nearest channels.tsv."""
    for path in run.sidecars(run.eeg, "channels", ".tsv")[-1:]:
        with reading(run, path, EEGError):
            table = read_table(path)
        if {"name", "type"} <= set(table):
            status = table.get("status", table["type"])
            types = dict(zip(table["name"], table["type"].str.upper(), strict=True))
            return types, set(table["name"][status.str.lower() == "bad"])
        warn(run, f"{path.name} lacks the column name or type and is left aside")
    return {}, set()
