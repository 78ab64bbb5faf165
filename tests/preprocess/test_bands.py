import numpy as np
import pytest
from scipy.stats import gamma

from bids_eeg2fmri.config import SpectrogramConfig, WindowConfig
from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.preprocess.bands import (
    BANDS,
    band_bins,
    band_power,
    band_ranges,
    canonical_hrf,
    hrf_features,
    window_lags,
)
from bids_eeg2fmri.preprocess.eeg import bin_freqs, spectrogram
from bids_eeg2fmri.preprocess.pairs import make_pairs
from bids_eeg2fmri.types import BOLD, EEG, VolumeClock

FREQS = bin_freqs(SpectrogramConfig())


def spectrograms(value="magnitude", seed=0, shape=(3, 2, 134, 4)):
    magnitude = 1e-6 * np.random.default_rng(seed).lognormal(size=shape)
    held = {"magnitude": magnitude, "power": magnitude**2, "log": np.log10(magnitude**2)}
    return held[value].astype(np.float32)


def test_each_bin_is_in_one_band():
    assert (np.sum(list(band_bins(FREQS).values()), axis=0) == 1).all()
    assert tuple(band_bins(FREQS)) == tuple(BANDS)


def test_bands_follow_each_other_bin_by_bin():
    assert band_ranges(np.arange(1.0, 41)) == {
        "delta": (0, 3), "theta": (3, 7), "alpha": (7, 12), "beta": (12, 29), "gamma": (29, 40),
    }  # fmt: skip


def test_a_band_that_the_spectrogram_does_not_reach_is_left_out():
    assert list(band_bins(bin_freqs(SpectrogramConfig(fmax=20.0)))) == [*BANDS][:4]
    assert list(band_bins(bin_freqs(SpectrogramConfig(fmin=9.0, fmax=29.5)))) == ["alpha", "beta"]


def test_frequencies_in_no_band_are_refused():
    with pytest.raises(UsageError, match=r"spectrogram\.fmin"):
        band_bins(np.array([90.0, 95.0]))


def test_a_10_hz_sine_has_its_power_in_the_alpha_band_alone():
    sine = 30e-6 * np.sin(2 * np.pi * 10 * np.arange(5000) / 250)
    found, freqs = spectrogram(sine[None, None], 250.0, SpectrogramConfig())
    delta, theta, alpha, beta, gamma_ = band_power(found, freqs, "magnitude")[0, 0, :, 0]
    # A Hann taper puts half of the amplitude into each of the two bins beside; 10 are in the band.
    np.testing.assert_allclose(alpha, np.log10(1.5 * (30e-6) ** 2 / 10), atol=1e-4)
    assert max(delta, theta, beta, gamma_) < alpha - 6


@pytest.mark.parametrize("value", ["power", "log"])
def test_band_power_does_not_depend_on_what_the_spectrogram_holds(value):
    np.testing.assert_allclose(
        band_power(spectrograms(value), FREQS, value),
        band_power(spectrograms(), FREQS, "magnitude"),
        rtol=1e-5,
    )


def test_silence_has_a_finite_band_power():
    assert np.isfinite(band_power(np.zeros((1, 1, 134, 2), np.float32), FREQS, "power")).all()


def test_the_windows_of_the_paper_are_25_to_7_seconds_old():
    lags = window_lags(WindowConfig(), SpectrogramConfig(), tr=2.16)
    np.testing.assert_allclose(lags, np.arange(25, 5, -2))


def test_lags_are_counted_in_repetition_times_where_the_settings_are():
    window = WindowConfig(start=20.0, stop=0.0, unit="tr")
    lags = window_lags(window, SpectrogramConfig(window=1.0, hop=1.0), tr=2.16)
    np.testing.assert_allclose(lags, 2.16 * np.arange(19.5, 0, -1))


@pytest.mark.parametrize("unit", ["s", "tr"])
def test_a_burst_is_in_the_window_whose_lag_before_the_volume_it_has(unit):
    window, spectro = WindowConfig(12.0, 0.0, unit), SpectrogramConfig(fmax=30.0)
    tr, sfreq, volumes = 1.5, 100.0, 40
    lags = window_lags(window, spectro, tr)
    burst = tr * 30 - lags[2]
    time = np.arange(int(tr * volumes * sfreq)) / sfreq
    data = np.sin(2 * np.pi * 10 * time) * (np.abs(time - burst) < 0.4)
    eeg = EEG(data[None].astype(np.float32), sfreq, ("Oz",), np.zeros((1, 3)))
    bold = BOLD(np.zeros((1, 1, 1, volumes), np.float32), tr, np.eye(4))
    clock = VolumeClock(tr * np.arange(float(volumes)), tr, "given", 0, 0.0, 0.0)
    mask = np.ones((1, 1, 1), bool)
    pairs = make_pairs(eeg, bold, clock, mask, (1, 1, 1), window, spectro, "sub-01")
    own = pairs.eeg[pairs.volume == 30][0, 0].sum(axis=0)
    assert len(own) == len(lags)
    assert np.argmax(own) == 2


def test_the_response_is_the_difference_of_two_gamma_densities():
    lags = np.arange(25.0, 0, -2)
    expected = gamma.pdf(lags, 6) - gamma.pdf(lags, 16) / 6
    np.testing.assert_allclose(canonical_hrf(lags), expected / np.abs(expected).sum(), atol=2e-3)


def test_the_response_peaks_at_5_seconds_and_its_weights_add_up_to_one():
    lags = np.arange(0, 33, 0.5)
    weights = canonical_hrf(lags)
    assert lags[np.argmax(weights)] == 5
    np.testing.assert_allclose(np.abs(weights).sum(), 1)


def test_eeg_outside_the_response_is_refused():
    with pytest.raises(UsageError, match=r"EEG 49 to 41 s before a volume"):
        canonical_hrf(np.arange(49.0, 40, -2))


def test_features_are_the_weighted_past_of_each_electrode_and_band():
    eeg, lags = spectrograms(shape=(40, 2, 134, 4)), np.array([7.0, 5.0, 3.0, 1.0])
    features = hrf_features(eeg, FREQS, "magnitude", lags)
    power, weights = band_power(eeg, FREQS, "magnitude"), canonical_hrf(lags)
    assert features.shape == (40, 10)
    np.testing.assert_allclose(features[33, 7], np.sum(power[33, 1, 2] * weights))


def test_the_gain_of_an_electrode_only_shifts_its_features():
    eeg, lags = spectrograms(), np.array([7.0, 5.0, 3.0, 1.0])
    shift = hrf_features(3 * eeg, FREQS, "magnitude", lags) - hrf_features(
        eeg, FREQS, "magnitude", lags
    )
    np.testing.assert_allclose(shift, 2 * np.log10(3) * canonical_hrf(lags).sum(), rtol=1e-5)
