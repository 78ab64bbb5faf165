"""EEG without a scanner: when a volume can be synthesised, and from what."""

import numpy as np
from jaxtyping import Bool, Float32, Float64

from bids_eeg2fmri.config import SpectrogramConfig, WindowConfig
from bids_eeg2fmri.errors import EEGError
from bids_eeg2fmri.preprocess.eeg import EPS, bin_freqs, n_windows
from bids_eeg2fmri.preprocess.pairs import in_seconds, stretches
from bids_eeg2fmri.preprocess.spectra import spectrograms
from bids_eeg2fmri.types import Allocate, Grid, Pairs, Signal, VolumeClock


def volume_times(
    sfreq: float,
    duration: float,
    tr: float,
    window: WindowConfig,
    spectro: SpectrogramConfig,
    onset: float | None,
    run: str,
) -> VolumeClock:
    """Place a volume every repetition time, from the first on that has all of its EEG.

    Parameters
    ----------
    sfreq, duration
        Of the EEG, in hertz and seconds.
    tr
        Repetition time of the model in seconds.
    onset
        EEG time of some volume in seconds, where a certain one is wanted.
    run
        For messages.

    Raises
    ------
    EEGError
        If the EEG is too short for a single volume, or sampled too slowly.
    """
    window, spectro = in_seconds(window, spectro, tr)
    highest = float(bin_freqs(spectro)[-1])
    if highest >= sfreq / 2:
        raise EEGError(
            f"{run}: the EEG is sampled at {sfreq:g} Hz, and the model looks at frequencies up to "
            f"{highest:g} Hz, which takes more than {2 * highest:g} Hz. Leave the recording out, "
            "or apply a model trained with a lower --set spectrogram.fmax."
        )
    start = window.start
    if onset is not None:
        start = onset + tr * np.ceil((window.start - onset) / tr - EPS)
    n = max(0, int((duration + window.stop - start) / tr + EPS)) + 1
    clock = VolumeClock(start + tr * np.arange(n), tr, "eeg", 0, 0.0, 0.0)
    first, length = stretches(clock, sfreq, window, spectro)
    whole = (first >= 0) & (first + length <= int(duration * sfreq + EPS))
    if not whole.any():
        raise EEGError(
            f"{run}: {duration:.1f} s of EEG are too short for a single volume, which takes "
            f"{length / sfreq:g} s. Leave the recording out."
        )
    return VolumeClock(clock.onset[whole], tr, "eeg", 0, 0.0, 0.0)


def make_spectrograms(
    eeg: Signal,
    weights: Float64[np.ndarray, "channels recorded"],
    clock: VolumeClock,
    window: WindowConfig,
    spectro: SpectrogramConfig,
    allocate: Allocate = np.empty,
) -> Float32[np.ndarray, "volumes channels freqs windows"]:
    """Transform the EEG that leads to each volume, as ``pairs.make_pairs`` does.

    Parameters
    ----------
    weights
        Of the recorded electrodes in those of the model.
    """
    window, spectro = in_seconds(window, spectro, clock.tr)
    first, length = stretches(clock, eeg.sfreq, window, spectro)
    shape = (len(first), len(weights), len(bin_freqs(spectro)), n_windows(window, spectro))
    spectra = allocate(shape, np.float32)
    mix, done = np.ascontiguousarray(weights.T, np.float32), 0

    def read(start: int, stop: int) -> Float32[np.ndarray, "time channels"]:
        return np.asarray(eeg.stretch(start, stop) @ mix)

    for some in spectrograms(read, eeg.sfreq, first, length, spectro):
        spectra[done : done + len(some)] = some
        done += len(some)
    return spectra


def without_bold(
    spectra: Float32[np.ndarray, "volumes channels freqs windows"],
    clock: VolumeClock,
    channels: tuple[str, ...],
    freqs: Float64[np.ndarray, " freqs"],
    mask: Bool[np.ndarray, "x y z"],
    grid: Grid,
    run: str,
) -> Pairs:
    """Take spectrograms for pairs whose BOLD nobody has observed: it is NaN, and takes no memory.

    Parameters
    ----------
    mask, grid
        The model's brain mask on its native grid, and its own grid.
    """
    n = len(spectra)
    return Pairs(
        eeg=spectra,
        bold=np.broadcast_to(np.float32(np.nan), (n, *grid)),
        volume=np.arange(n),
        onset=clock.onset - clock.onset[0],
        freqs=freqs,
        channels=channels,
        run=run,
        mask=mask,
        n_volumes=n,
    )
