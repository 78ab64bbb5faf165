"""EEG that stays in its file: BrainVision in binary form, one sample of all channels after another.

Any stretch of such a file can be read at once, so that no copy of it has to be made, which at 5 kHz
would be twice its size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import mne
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from bids_eeg2fmri.bids.formats import vhdr_field
from bids_eeg2fmri.bids.guard import reading
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.errors import EEGError
from bids_eeg2fmri.types import typed

_FORMS = {"INT_16": "<i2", "IEEE_FLOAT_32": "<f4"}
"""What a file may consist of, by the names that headers give it."""
_PROOF = 500
"""Samples at the beginning, in the middle and at the end that must be those that MNE reads."""
_BLOCK = 2**19
"""Numbers that are read at once: what stays in a processor's cache on its way to volts."""


@typed
class Layout:
    """Where in a file the scalp channels are, and how they come to volts."""

    file: str
    """Its path from the folder of the header, as the header names it."""
    size: int
    """Its bytes when it was looked at first."""
    mtime_ns: int
    """When it had been changed last, in nanoseconds since 1970."""
    sfreq: float
    """Sampling rate in hertz."""
    n_times: int
    """Samples of each channel."""
    form: str
    """Of each number, as numpy writes it."""
    width: int
    """Channels in the file."""
    channels: tuple[str, ...]
    """Name of each scalp channel."""
    positions: Float64[np.ndarray, "channels 3"]
    """Electrode position in the head frame in metres; NaN where unknown."""
    column: Int64[np.ndarray, " channels"]
    """Place of each among the channels of the file."""
    volts: Float64[np.ndarray, " channels"]
    """What a step is worth."""
    lost: Int64[np.ndarray, " lost"]
    """Channels that are made from others."""
    donors: Int64[np.ndarray, " donors"]
    """Those that they are made from."""
    weights: Float64[np.ndarray, "lost donors"]
    """How much each has of each."""

    def interpolated(
        self,
        lost: Int64[np.ndarray, " lost"],
        donors: Int64[np.ndarray, " donors"],
        weights: Float64[np.ndarray, "lost donors"],
    ) -> "Layout":
        """Make some channels from others."""
        return replace(self, lost=lost, donors=donors, weights=weights)


@dataclass(frozen=True)
class FileEEG:
    """EEG that is read piece by piece from its file; a ``types.Signal``."""

    run: EEGFiles
    layout: Layout
    picked: tuple[int, ...]
    """Channels that are given."""

    @property
    def sfreq(self) -> float:
        """Sampling rate in hertz."""
        return self.layout.sfreq

    @property
    def n_times(self) -> int:
        """Samples of each channel."""
        return self.layout.n_times

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(self.n_times / self.sfreq)

    @property
    def channels(self) -> tuple[str, ...]:
        """Name of each channel."""
        return tuple(self.layout.channels[i] for i in self.picked)

    @property
    def positions(self) -> Float64[np.ndarray, "channels 3"]:
        """Electrode position in the head frame in metres; NaN where unknown."""
        return self.layout.positions[[*self.picked]]

    @property
    def bad(self) -> tuple[str, ...]:
        """Channels that are made from others."""
        return tuple(self.layout.channels[i] for i in self.layout.lost)

    def of(self, channels: tuple[str, ...]) -> "FileEEG":
        """Take some channels, in this order."""
        at = dict(zip(self.channels, self.picked, strict=True))
        return replace(self, picked=tuple(at[name] for name in channels))

    def stretch(self, start: int, stop: int) -> Float32[np.ndarray, "time channels"]:
        """Read all channels from one sample up to another one, in volts.

        Raises
        ------
        EEGError
            The file cannot be read, or has changed since it was looked at first.
        """
        stop, channels = min(stop, self.n_times), [*self.picked]
        made = np.empty((max(0, stop - start), len(channels)), np.float32)
        for begin, block in self._blocks(start, stop):
            made[begin - start :][: len(block)] = self._volts(block, channels)
        return made

    def rows(self, picked: Sequence[int]) -> Float32[np.ndarray, "picked time"]:
        """Read all samples of some channels, in volts.

        Raises
        ------
        EEGError
            The file cannot be read, or has changed since it was looked at first.
        """
        channels = [self.picked[i] for i in picked]
        made = np.empty((len(channels), self.n_times), np.float32)
        for start, block in self._blocks(0, self.n_times):
            made[:, start : start + len(block)] = self._volts(block, channels).T
        return made

    def usable(self) -> Bool[np.ndarray, " channels"]:
        """Tell which channels vary and stay finite.

        Whole numbers are finite, so that they are read only as far as some channel is flat.

        Raises
        ------
        EEGError
            The file cannot be read, or has changed since it was looked at first.
        """
        column, whole = self.layout.column, np.dtype(self.layout.form).kind == "i"
        first, varies = self._stored(0, 1), np.zeros(self.layout.width, bool)
        finite = np.ones_like(varies)
        for _, block in self._blocks(0, self.n_times):
            varies |= (block != first).any(axis=0)
            finite &= whole or np.isfinite(block).all(axis=0)
            if whole and varies[column].all():
                break
        return np.asarray((varies & finite)[column])

    def check_unchanged(self) -> None:
        """Make sure, after something was read of the file, that it is still what it was.

        Raises
        ------
        EEGError
            It is gone, or has changed since it was looked at first.
        """
        path = self.run.eeg.parent / self.layout.file
        with reading(self.run, path, EEGError):
            seen = path.stat()
        if (seen.st_size, seen.st_mtime_ns) != (self.layout.size, self.layout.mtime_ns):
            name = self.run.relative(path)
            raise EEGError(f"{name}: the EEG has changed since it was read. Run again.")

    def _blocks(self, start: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
        """Read a stretch as it is stored, part by part, with the first sample of each."""
        step = max(1, _BLOCK // self.layout.width)
        for begin in range(start, stop, step):
            yield begin, self._stored(begin, min(begin + step, stop))

    def _stored(self, start: int, stop: int) -> np.ndarray:
        width, dtype = self.layout.width, np.dtype(self.layout.form)
        n, path = (stop - start) * width, self.run.eeg.parent / self.layout.file
        with reading(self.run, path, EEGError):
            found = np.fromfile(path, dtype, n, offset=start * width * dtype.itemsize)
            self.check_unchanged()
            if len(found) < n:
                raise ValueError(f"it ends {n - len(found)} numbers too early")
        return found.reshape(-1, width)

    def _volts(self, stored: np.ndarray, channels: list[int]) -> Float32[np.ndarray, "time _"]:
        layout = self.layout
        made = _scaled(stored, layout, channels)
        lost = np.flatnonzero(np.isin(channels, layout.lost))
        if len(lost):
            weights = layout.weights[np.searchsorted(layout.lost, np.array(channels)[lost])]
            donors = _scaled(stored, layout, layout.donors.tolist())
            made[:, lost] = donors @ weights.T.astype(np.float32)
        return made


def open_multiplexed(
    run: EEGFiles,
    raw: mne.io.BaseRaw,
    recorded: Sequence[str],
    positions: Float64[np.ndarray, "channels 3"],
) -> FileEEG | None:
    """Find the channels of ``raw`` in the file; none where it is in another form.

    Parameters
    ----------
    recorded
        All channels of the file, as they are called in ``raw``.
    """
    if run.eeg.suffix != ".vhdr" or vhdr_field(run.eeg, "DataFormat") != "BINARY":
        return None
    form = _FORMS.get(vhdr_field(run.eeg, "BinaryFormat") or "")
    file = vhdr_field(run.eeg, "DataFile")
    if not form or not file or vhdr_field(run.eeg, "DataOrientation") != "MULTIPLEXED":
        return None
    with reading(run, run.eeg.parent / file, EEGError):
        seen = (run.eeg.parent / file).stat()
    n = len(raw.ch_names)
    layout = Layout(
        file=file,
        size=seen.st_size,
        mtime_ns=seen.st_mtime_ns,
        sfreq=float(raw.info["sfreq"]),
        n_times=int(raw.n_times),
        form=form,
        width=len(recorded),
        channels=tuple(raw.ch_names),
        positions=positions,
        column=np.array([recorded.index(name) for name in raw.ch_names], np.int64),
        volts=np.array([one["cal"] * one["range"] for one in raw.info["chs"]], np.float64),
        lost=np.empty(0, np.int64),
        donors=np.empty(0, np.int64),
        weights=np.empty((0, 0)),
    )
    found = FileEEG(run, layout, tuple(range(n)))
    return found if _is_proved(found, raw) else None


def _is_proved(eeg: FileEEG, raw: mne.io.BaseRaw) -> bool:
    """Make sure that what is read is what MNE reads, whatever else the header may say.

    What cannot be read in this way is not proved either: MNE may know another one.
    """
    n = eeg.n_times
    try:
        return all(_agrees(eeg, raw, start) for start in (0, n // 2, max(0, n - _PROOF)))
    except EEGError:
        return False


def _agrees(eeg: FileEEG, raw: mne.io.BaseRaw, start: int) -> bool:
    stop = min(start + _PROOF, eeg.n_times)
    with reading(eeg.run, eeg.run.eeg, EEGError):
        expected = raw.get_data(start=start, stop=stop, verbose="ERROR")
    found = eeg.stretch(start, stop).T
    return bool(np.allclose(found, expected, rtol=1e-5, atol=0, equal_nan=True))


def _scaled(
    stored: np.ndarray, layout: Layout, channels: list[int]
) -> Float32[np.ndarray, "time _"]:
    """Bring some channels to volts."""
    column = layout.column[channels]
    if len(column) and (np.diff(column) == 1).all():  # no copy of what lies side by side
        chosen = stored[:, column[0] : column[-1] + 1]
    else:
        chosen = stored[:, column]
    made = chosen.astype(np.float32)
    made *= layout.volts[channels].astype(np.float32)
    return made
