import numpy as np
import pytest
from scipy.signal import get_window

from bids_eeg2fmri.config import SpectrogramConfig
from bids_eeg2fmri.preprocess import spectra
from bids_eeg2fmri.preprocess.eeg import spectrogram
from bids_eeg2fmri.preprocess.spectra import spectrograms
from bids_eeg2fmri.preprocess.thinning import low_pass, thinning_for

SECONDS, LENGTH = 34, 12


def in_scanner(sfreq: float) -> np.ndarray:
    """EEG; the same with an offset of 50 mV, a drift, gradients of 5 mV, and steps."""
    rng = np.random.default_rng(0)
    time = np.arange(int(SECONDS * sfreq)) / sfreq
    eeg = 2e-5 * rng.standard_normal((5, len(time))) + 2e-5 * np.sin(2 * np.pi * 10.2 * time)
    eeg[1] += 0.05
    eeg[2] += 0.01 * time / SECONDS
    eeg[3] += 5e-3 * np.sin(2 * np.pi * (sfreq / 7 + 3.3) * time)
    eeg[3] += 5e-3 * np.sin(2 * np.pi * (sfreq / 4) * time)
    eeg[4] += 5e-3 * (time % 3 > 2)
    return eeg.astype(np.float32)


def all_of(data, sfreq, first, cfg, length=LENGTH):
    def read(start, stop):
        return data[:, start:stop].T

    made = [*spectrograms(read, sfreq, np.array(first), int(length * sfreq), cfg)]
    return np.concatenate(made)


def by_definition(data, sfreq, first, cfg):
    """The magnitudes in double precision, and how far the EEG of each window is from its mean."""
    size = int(2 * sfreq)
    taper = get_window(cfg.taper, size)
    starts = np.add.outer(first, (np.arange(0, LENGTH - 2 + cfg.hop, cfg.hop) * sfreq).astype(int))
    windows = data[:, starts[..., None] + np.arange(size)].astype(np.float64)
    windows -= windows.mean(axis=-1, keepdims=True)
    bins = np.fft.rfft(windows * taper)[..., 1:135] * 2 / taper.sum()
    return np.moveaxis(np.abs(bins), [0, 2], [1, 3]), np.abs(windows).max(axis=-1)


@pytest.mark.parametrize("taper", ["hann", "boxcar"])
@pytest.mark.parametrize(
    ("sfreq", "thinned"),
    [(250.0, 1), (600.0, 1), (1000.0, 4), (1003.0, 1), (2048.0, 8), (5000.0, 20)],
)
def test_stretches_at_once_are_those_by_definition_at_any_rate(sfreq, thinned, taper):
    thinning = thinning_for(int(2 * sfreq), sfreq, 67.5)
    assert (thinning.factor if thinning else 1) == thinned
    cfg, data = SpectrogramConfig(taper=taper, hop=0.5), in_scanner(sfreq)
    first = np.sort(np.random.default_rng(1).integers(0, int((SECONDS - LENGTH) * sfreq), 6))
    expected, away = by_definition(data, sfreq, first, cfg)
    away = np.moveaxis(away, 0, 1)[:, :, None]
    offset = np.abs(data).max(axis=1)[:, None, None]
    found = all_of(data, sfreq, first, cfg)
    assert found.shape == (6, 5, 134, 21)
    # Of what the window holds, a millionth; of the offset, what single precision has lost of it.
    assert (np.abs(found - expected) < 1e-6 * away + 3e-6 * offset).all()
    apart = [spectrogram(data[:, i : i + int(LENGTH * sfreq)], sfreq, cfg)[0] for i in first]
    np.testing.assert_allclose(found[:, 0], np.array(apart)[:, 0], rtol=1e-3, atol=1e-10)


@pytest.mark.parametrize("sfreq", [250.0, 1000.0, 5000.0])
def test_what_lies_between_stretches_has_no_part_in_them(sfreq):
    cfg, data = SpectrogramConfig(), in_scanner(sfreq)
    first = [int(0.01 * sfreq) + 1, int(16.003 * sfreq)]
    quiet = all_of(data, sfreq, first, cfg)
    outside = np.ones(data.shape[1], bool)
    for start in first:
        outside[start : start + int(LENGTH * sfreq)] = False
    data[:, outside] += 1e3
    np.testing.assert_array_equal(all_of(data, sfreq, first, cfg), quiet)


@pytest.mark.parametrize("tr", [2.0, 2.16])
@pytest.mark.parametrize("sfreq", [250.0, 1000.0])
def test_how_much_is_read_at_once_changes_no_spectrogram(sfreq, tr, monkeypatch):
    cfg, data = SpectrogramConfig(hop=1.0), in_scanner(sfreq)
    first = (np.arange(9) * tr * sfreq).astype(int)
    together = all_of(data, sfreq, first, cfg)
    monkeypatch.setattr(spectra, "PER_READ", int(15 * sfreq * 5))
    np.testing.assert_allclose(all_of(data, sfreq, first, cfg), together, rtol=1e-3, atol=3e-9)


def test_the_filter_keeps_what_is_kept_and_folds_nothing_onto_it():
    sfreq, highest, factor = 5000.0, 67.5, 20
    thinning = low_pass(sfreq, highest, factor)
    kept = np.linspace(0, highest, 200)
    np.testing.assert_allclose(thinning.response(kept / sfreq), 1, atol=2e-6)
    folded = np.concatenate([n * sfreq / factor + kept * s for n in (1, 2, 7, 10) for s in (-1, 1)])
    assert np.abs(thinning.response(folded / sfreq)).max() < 2e-6


def test_thinning_out_is_filtering_and_keeping_one_of_so_many():
    data = np.random.default_rng(0).standard_normal((4321, 3)).astype(np.float32)
    thinning = low_pass(1000.0, 60.0, 5)
    filtered = [np.convolve(one, thinning.taps, "valid")[::5] for one in data.T]
    np.testing.assert_allclose(thinning.thin(data).T, filtered, atol=1e-6)
    assert len(thinning.thin(data[: len(thinning.taps) - 1])) == 0
