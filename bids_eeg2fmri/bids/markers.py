"""What a recording says happened, and what the events file beside it says."""

from pathlib import Path

import mne
import numpy as np
import pandas as pd

from bids_eeg2fmri.bids.formats import companions
from bids_eeg2fmri.bids.sidecars import read_table
from bids_eeg2fmri.types import Markers


def recorded_markers(eeg: Path, raw: mne.io.BaseRaw) -> Markers:
    """Markers in the recording itself, those after the end of its signal included."""
    annotations = raw.annotations
    for path in companions(eeg):
        if path.suffix in (".vmrk", ".amrk") and path.exists():
            annotations = mne.read_annotations(path, sfreq=raw.info["sfreq"])
    start = 0.0 if annotations.orig_time is None else float(raw.first_time)
    happened = annotations.description != "New Segment/"
    return _sorted(annotations.onset[happened] - start, annotations.description[happened])


def tabled_markers(events: Path, sfreq: float | None) -> Markers:
    """Rows of an ``events.tsv`` as ``events/VALUE``, else as ``events/TRIAL_TYPE``.

    The sample is believed before the onset, which may stand on another clock (NATVIEW); without a
    sampling rate in hertz there are only onsets.
    """
    table = read_table(events)
    seconds = pd.Series(np.nan, index=table.index)
    for name, rate in (("sample", sfreq), ("onset", 1.0)):
        if rate is not None and name in table:
            seconds = seconds.fillna(pd.to_numeric(table[name], errors="coerce") / rate)
    labels = pd.Series("n/a", index=table.index)
    for name in ("value", "trial_type"):
        if name in table:
            labels = labels.where(labels != "n/a", table[name])
    told = np.isfinite(seconds.to_numpy(np.float64)) & (labels != "n/a").to_numpy()
    return _sorted(seconds.to_numpy(np.float64)[told], "events/" + labels.to_numpy(str)[told])


def _sorted(time: np.ndarray, label: np.ndarray) -> Markers:
    order = np.argsort(time, kind="stable")
    return Markers(time[order].astype(np.float64), tuple(label[order].tolist()))
