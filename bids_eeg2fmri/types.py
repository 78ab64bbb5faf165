"""The nouns: every array that crosses a stage, with its axes, units and meaning.

Axis words: ``pairs channels freqs windows time | x y z volumes voxels | latent features batch``.
Each noun checks shapes and dtypes when it is made; arrays may be memory-mapped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar, dataclass_transform, runtime_checkable

import numpy as np
from beartype import beartype
from jaxtyping import Bool, Float32, Float64, Int32, Int64, jaxtyped
from numpy.typing import DTypeLike

T = TypeVar("T")

Grid = tuple[int, int, int]
"""Voxels along each axis."""
Allocate = Callable[[tuple[int, ...], DTypeLike], np.ndarray]
"""Makes an array of this shape and dtype that is filled: in memory by ``np.empty``, or on disk, so
that memory stays flat."""
AllocateNamed = Callable[[str, tuple[int, ...], DTypeLike], np.ndarray]
"""The same for several arrays, each of which has a name."""


@dataclass_transform(frozen_default=True, eq_default=False)
def typed(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen dataclass whose fields are checked against their annotations."""
    return jaxtyped(typechecker=beartype)(dataclass(frozen=True, eq=False)(cls))


def nothing() -> Float64[np.ndarray, " 0"]:
    """Make the array of what there is none of."""
    return np.empty(0)


@runtime_checkable
class Signal(Protocol):
    """One continuous EEG recording that is taken piece by piece, from memory or from its file."""

    @property
    def sfreq(self) -> float:
        """Sampling rate in hertz."""
        ...

    @property
    def channels(self) -> tuple[str, ...]:
        """Name of each channel."""
        ...

    @property
    def positions(self) -> Float64[np.ndarray, "channels 3"]:
        """Electrode position in the head frame in metres; NaN where unknown."""
        ...

    @property
    def bad(self) -> tuple[str, ...]:
        """Channels that were flat or marked bad and are interpolated from their neighbours."""
        ...

    @property
    def n_times(self) -> int:
        """Samples of each channel."""
        ...

    @property
    def duration(self) -> float:
        """Length in seconds."""
        ...

    def stretch(self, start: int, stop: int) -> Float32[np.ndarray, "time channels"]:
        """Give all channels from one sample up to another one, in volts."""
        ...

    def rows(self, picked: Sequence[int]) -> Float32[np.ndarray, "picked time"]:
        """Give all samples of some channels, in volts."""
        ...

    def of(self, channels: tuple[str, ...]) -> "Signal":
        """Take some channels, in this order."""
        ...


@typed
class EEG:
    """One continuous EEG recording; channels that do not measure the scalp are left out."""

    data: Float32[np.ndarray, "channels time"]
    """Potential in volts."""
    sfreq: float
    """Sampling rate in hertz."""
    channels: tuple[str, ...]
    """Name of each channel."""
    positions: Float64[np.ndarray, "channels 3"]
    """Electrode position in the head frame in metres; NaN where unknown."""
    bad: tuple[str, ...] = ()
    """Channels that were flat or marked bad and were interpolated from their neighbours."""

    @property
    def n_times(self) -> int:
        """Samples of each channel."""
        return int(self.data.shape[1])

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return float(self.n_times / self.sfreq)

    def stretch(self, start: int, stop: int) -> Float32[np.ndarray, "time channels"]:
        """Give all channels from one sample up to another one."""
        return self.data[:, start:stop].T

    def rows(self, picked: Sequence[int]) -> Float32[np.ndarray, "picked time"]:
        """Give all samples of some channels."""
        return np.asarray(self.data[[*picked]])

    def of(self, channels: tuple[str, ...]) -> "EEG | PickedEEG":
        """Take some channels, in this order; nothing is copied before they are asked for."""
        if channels == self.channels:
            return self
        return PickedEEG(self, tuple(self.channels.index(name) for name in channels))


@typed
class PickedEEG:
    """Some channels of a recording, which stay in it until they are asked for."""

    whole: EEG
    """The recording."""
    picked: tuple[int, ...]
    """Which of its channels are given, in this order."""

    @property
    def sfreq(self) -> float:
        """Sampling rate in hertz."""
        return self.whole.sfreq

    @property
    def n_times(self) -> int:
        """Samples of each channel."""
        return self.whole.n_times

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return self.whole.duration

    @property
    def channels(self) -> tuple[str, ...]:
        """Name of each channel."""
        return tuple(self.whole.channels[i] for i in self.picked)

    @property
    def positions(self) -> Float64[np.ndarray, "channels 3"]:
        """Electrode position in the head frame in metres; NaN where unknown."""
        return self.whole.positions[[*self.picked]]

    @property
    def bad(self) -> tuple[str, ...]:
        """Channels of the whole recording that were interpolated from their neighbours."""
        return self.whole.bad

    def stretch(self, start: int, stop: int) -> Float32[np.ndarray, "time channels"]:
        """Give these channels from one sample up to another one."""
        return np.asarray(self.whole.data[[*self.picked], start:stop].T)

    def rows(self, picked: Sequence[int]) -> Float32[np.ndarray, "picked time"]:
        """Give all samples of some of these channels."""
        return self.whole.rows([self.picked[i] for i in picked])

    def of(self, channels: tuple[str, ...]) -> "PickedEEG":
        """Take some of these channels, in this order."""
        at = dict(zip(self.channels, self.picked, strict=True))
        return PickedEEG(self.whole, tuple(at[name] for name in channels))


@typed
class Markers:
    """What the recording itself says happened, in time order."""

    time: Float64[np.ndarray, " markers"]
    """Seconds since the first EEG sample."""
    label: tuple[str, ...]
    """Type and description, e.g. ``Response/R128``."""

    @classmethod
    def none(cls) -> "Markers":
        """Tell that nothing is said to have happened."""
        return cls(nothing(), ())

    def times(self, wanted: Callable[[str], object]) -> Float64[np.ndarray, " found"]:
        """Give the times of those whose label is wanted."""
        return np.asarray(self.time[np.array([bool(wanted(x)) for x in self.label], dtype=bool)])


@typed
class Recorded:
    """What an EEG recording tells before its signal is read."""

    name: str
    """The file, for messages."""
    markers: Markers
    """Those in the recording itself."""
    tabled: Markers
    """Those of its ``events.tsv``, labelled ``events/…``."""
    sfreq: float
    """Sampling rate in hertz."""
    duration: float
    """Length in seconds."""
    started: float | None = None
    """When it began, in seconds by the calendar of the recorder; None where it does not say."""

    def by_table(self) -> "Recorded":
        """Take the rows of ``events.tsv`` for its markers."""
        return replace(self, markers=self.tabled)


@typed
class Evidence:
    """One EEG and one BOLD recording, as far as their clocks go."""

    name: str
    """The run, for messages."""
    recorded: Recorded
    """The EEG."""
    n_volumes: int
    """Number of stored volumes."""
    tr: float
    """Repetition time in seconds."""
    discarded: tuple[int, int] = (0, 0)
    """Volumes before the first stored one that the user and the scanner have thrown away."""
    trials: Markers = field(default_factory=Markers.none)
    """What the ``events.tsv`` of the BOLD says happened, in seconds since its first volume."""
    others: tuple[Recorded, ...] = ()
    """Other recordings of the same EEG, such as one that was cut and cleaned."""


@typed
class BOLD:
    """One BOLD run on its native grid."""

    data: Float32[np.ndarray, "x y z volumes"]
    """Intensity in the scanner's units."""
    tr: float
    """Repetition time in seconds."""
    affine: Float64[np.ndarray, "4 4"]
    """From voxel indices to millimetres."""

    @property
    def n_volumes(self) -> int:
        """Number of stored volumes."""
        return int(self.data.shape[3])


@typed
class VolumeClock:
    """When each BOLD volume was acquired, on the EEG recording's own time axis."""

    onset: Float64[np.ndarray, " volumes"]
    """EEG time of each stored volume, in seconds since the first EEG sample; may be negative."""
    tr: float
    """Repetition time in seconds, as the scanner counts it."""
    source: str
    """The strategy that proved itself, e.g. ``triggers:Response/R128``."""
    n_markers: int
    """Markers that the clock rests on; 0 for a clock given by the user."""
    drift: float
    """How much faster the EEG clock runs than the scanner's, in parts per million."""
    residual: float
    """Largest distance of a marker from the fitted clock, in seconds."""
    delay: float = 0.0
    """Seconds from the onset of a volume to the time that its values stand for; other than 0 only
    where slice timing was corrected to such a time."""
    marker_time: Float64[np.ndarray, " markers"] = field(default_factory=nothing)
    """EEG time of each marker that the clock rests on, in seconds."""
    marker_residual: Float64[np.ndarray, " markers"] = field(default_factory=nothing)
    """How far it lies from where the fitted clock expects it, in seconds."""

    def summary(self) -> dict[str, str | int | float]:
        """Give all but the volumes' own times, under names that tell the units."""
        return {
            "source": self.source,
            "first_volume_eeg_s": float(self.onset[0]),
            "tr_s": self.tr,
            "n_volumes": len(self.onset),
            "n_markers": self.n_markers,
            "drift_ppm": self.drift,
            "residual_s": self.residual,
            "delay_s": self.delay,
        }


@typed
class Pairs:
    """EEG spectrograms and the BOLD volumes they lead to, of one run."""

    eeg: Float32[np.ndarray, "pairs channels freqs windows"]
    """Spectrogram of the EEG that precedes the volume; unit set by ``SpectrogramConfig.value``."""
    bold: Float32[np.ndarray, "pairs x y z"]
    """Volume on the model's grid, in the scanner's units."""
    volume: Int64[np.ndarray, " pairs"]
    """Index of the volume in the stored series."""
    onset: Float64[np.ndarray, " pairs"]
    """Seconds since the onset of the first stored volume."""
    freqs: Float64[np.ndarray, " freqs"]
    """Centre of each frequency bin in hertz."""
    channels: tuple[str, ...]
    """Name of each EEG channel."""
    run: str
    """The run they come from, e.g. ``sub-01_task-rest``."""
    mask: Bool[np.ndarray, "i j k"]
    """Brain mask on the native grid."""
    n_volumes: int
    """Volumes stored in the run; those without a pair had no full EEG history."""

    @property
    def participant(self) -> str:
        """Whose run it is, e.g. ``sub-01``."""
        return self.run.split("_")[0]


@typed
class Parcels:
    """Parts of a brain that have a name, on the native grid of a run."""

    labels: Int32[np.ndarray, "x y z"]
    """Which parcel a voxel belongs to, counted from 1; 0 for none."""
    index: Int64[np.ndarray, " parcels"]
    """Number of each parcel in the atlas that it comes from."""
    names: tuple[str, ...]
    """Name of each parcel."""
    origin: str
    """Where they come from, in words; what follows a semicolon is a remark."""


@typed
class Anatomy:
    """What lies behind the maps of a run."""

    data: Float32[np.ndarray, "x y z"]
    """Intensity on the native grid of the run, each of whose voxels may be cut into several, as
    many along each axis."""
    affine: Float64[np.ndarray, "4 4"]
    """From its voxel indices to millimetres."""
    origin: str
    """What it is, in words, e.g. ``the mean volume``."""


@typed
class Architecture:
    """Kernels and strides of an encoder's blocks, Eq. (7) of Calhas & Henriques 2022."""

    kernels: tuple[tuple[int, int, int], ...]
    """Kernel size of each block along each axis."""
    strides: tuple[tuple[int, int, int], ...]
    """Stride of each block along each axis."""
    pooling: tuple[int, int, int]
    """Max-pool size after each convolution along each axis, at stride 1; all ones for none."""


@typed
class Scale:
    """What turns raw pairs into the model's units and back."""

    eeg_mean: Float32[np.ndarray, "channels freqs"]
    """Mean of each electrode and frequency."""
    eeg_sd: float
    """Standard deviation about these means, over all electrodes, frequencies, windows and pairs."""
    bold_mean: float
    """Mean intensity over voxels and volumes, in the scanner's units."""
    bold_sd: float
    """Standard deviation over voxels and volumes, in the scanner's units."""
    eeg_mean_of_run: dict[str, Float32[np.ndarray, "channels freqs"]] = field(default_factory=dict)
    """Mean of each electrode and frequency in the place of ``eeg_mean``, by run; empty where that
    serves all."""
    across_electrodes: bool = False
    """Whether EEG is standardised across electrodes, each pair by itself, and by no number here."""
    bold_of_run: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Mean and standard deviation of the participant in the place of ``bold_mean`` and ``bold_sd``,
    by run; empty where these two serve all."""
    anatomy: Float32[np.ndarray, "x y z"] | None = None
    """Mean training volume, so scaled, from which predictions deviate; none where whole volumes are
    predicted."""
    anatomy_of_run: dict[str, Float32[np.ndarray, "x y z"]] = field(default_factory=dict)
    """What volumes deviate from while a network learns: the mean of each run, so scaled."""
    deviation_sd: float = 1.0
    """Root mean square of these deviations; 1 where whole volumes are predicted."""


@typed
class Scores:
    """How one prediction compares with what was observed, over the test volumes of one run."""

    model: str
    """Which model made the prediction."""
    volumes: dict[str, Float64[np.ndarray, " volumes"]]
    """Score of each volume, by metric."""
    maps: dict[str, Float32[np.ndarray, "x y z"]]
    """Score of each voxel, by metric; NaN outside the mask."""
    summary: dict[str, float]
    """One number a metric; NaN where it is undefined."""


@typed
class Relevance:
    """What the synthesis of some volumes rests on: means over pairs.

    Each is a share of the size of what is explained, that of the synthesised volumes unless it says
    otherwise, see ``ExplainConfig.start``; below 0 where it speaks against it.
    """

    eeg: dict[str, Float32[np.ndarray, "channels freqs windows"]]
    """Of the spectrogram, by the path through the model; the paths add up."""
    attention: Float32[np.ndarray, "channels channels"] | None
    """Of each score, what the electrode of the row draws on that of the column, for the output of
    the network that has it; none without a style from attention."""
    scores: Float32[np.ndarray, "channels channels"] | None
    """These scores themselves."""
    bold: Float32[np.ndarray, "x y z"] | None
    """Of observed volumes for their latents, on the model's grid; none without a BOLD encoder."""
    network_weight: float
    """How much the network counts beside a linear path; 1 where there is none."""
    n_pairs: int
    """Pairs that were explained."""
