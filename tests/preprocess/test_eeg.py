import numpy as np
import pytest
from scipy.signal import ShortTimeFFT, get_window

from bids_eeg2fmri.config import SpectrogramConfig, WindowConfig
from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.preprocess.eeg import bin_freqs, n_windows, spectrogram

TAPERS = pytest.mark.parametrize("taper", ["hann", "boxcar"])
RATES = pytest.mark.parametrize("sfreq", [160.0, 250.0, 512.0, 5000.0])


def sine(amplitude: float, frequency: float, sfreq: float, duration: float = 20) -> np.ndarray:
    time = np.arange(int(duration * sfreq)) / sfreq
    return amplitude * np.sin(2 * np.pi * frequency * time + 0.4)


def test_the_paper_has_134_bins_and_ten_windows():
    freqs = bin_freqs(SpectrogramConfig())
    np.testing.assert_allclose(freqs, np.arange(1, 135) / 2)
    assert n_windows(WindowConfig(), SpectrogramConfig()) == 10


@TAPERS
@RATES
def test_a_10_hz_sine_lands_in_the_10_hz_bin_with_its_amplitude(sfreq, taper):
    found, freqs = spectrogram(sine(30e-6, 10, sfreq), sfreq, SpectrogramConfig(taper=taper))
    assert found.shape == (134, 10)
    np.testing.assert_allclose(found[freqs == 10], 30e-6, rtol=1e-4)
    assert found[np.abs(freqs - 10) > 0.5].max() < 1e-4 * 30e-6


@pytest.mark.parametrize(("value", "expected"), [("power", 9e-10), ("log", np.log10(9e-10))])
def test_power_is_the_square_and_log_its_decimal_logarithm(value, expected):
    found, freqs = spectrogram(sine(30e-6, 10, 250.0), 250.0, SpectrogramConfig(value=value))
    np.testing.assert_allclose(found[freqs == 10], expected, rtol=1e-4)


def test_silence_has_a_finite_logarithm():
    found, _ = spectrogram(np.zeros(5000), 250.0, SpectrogramConfig(value="log"))
    np.testing.assert_allclose(found, -20)


@TAPERS
def test_an_electrode_offset_leaks_into_no_bin(taper):
    found, _ = spectrogram(np.full(5000, 0.05), 250.0, SpectrogramConfig(taper=taper))
    assert found.max() < 1e-8


def test_the_transform_is_that_of_scipy():
    data = np.random.default_rng(0).standard_normal((3, 5000))
    cfg = SpectrogramConfig(hop=0.5)
    taper = get_window("hann", 500)
    reference = ShortTimeFFT(taper, 125, 250, scale_to="magnitude")
    windows = reference.stft_detrend(data, "constant", p0=2, p1=39)
    found, _ = spectrogram(data, 250.0, cfg)
    np.testing.assert_allclose(found, 2 * np.abs(windows[:, 1:135]), rtol=1e-3, atol=1e-6)


def test_a_batch_is_transformed_as_each_of_its_parts():
    data = np.random.default_rng(1).standard_normal((2, 3, 1000)).astype(np.float32)
    together, _ = spectrogram(data, 250.0, SpectrogramConfig())
    apart = [[spectrogram(x, 250.0, SpectrogramConfig())[0] for x in xs] for xs in data]
    np.testing.assert_allclose(together, apart, rtol=1e-5)
    assert together.dtype == np.float32


def test_a_rate_at_which_windows_are_no_whole_samples_keeps_shape_and_frequency():
    sfreq = 256.3
    found, freqs = spectrogram(sine(1, 10, sfreq), sfreq, SpectrogramConfig())
    assert found.shape == (134, 10)
    np.testing.assert_allclose(found[freqs == 10], 1, rtol=0.02)


def test_a_frequency_that_the_rate_cannot_hold_is_refused_with_the_one_that_it_can():
    with pytest.raises(UsageError, match=r"--set spectrogram\.fmax=63\.5"):
        spectrogram(np.zeros(2560), 128.0, SpectrogramConfig())
    spectrogram(np.zeros(2560), 128.0, SpectrogramConfig(fmax=63.5))


@pytest.mark.parametrize(("tr", "highest"), [(2.16, 62.04), (2.0, 67.0), (1.28, 104.69)])
def test_the_lowest_134_bins_are_those_of_the_public_code_at_any_repetition_time(tr, highest):
    freqs = bin_freqs(SpectrogramConfig(window=tr, fmin=0.0, fmax=1000.0, bins=134))
    np.testing.assert_allclose(freqs, np.arange(1, 135) / tr)
    np.testing.assert_allclose(freqs[-1], highest, atol=0.01)


def test_no_more_bins_are_kept_than_lie_in_the_band():
    assert bin_freqs(SpectrogramConfig(fmax=30.0, bins=134))[-1] == 30
    assert len(bin_freqs(SpectrogramConfig(fmax=30.0, bins=7))) == 7


def test_a_band_without_a_bin_is_refused():
    with pytest.raises(UsageError, match=r"no multiple of 0\.5 Hz"):
        bin_freqs(SpectrogramConfig(fmin=10.1, fmax=10.4))


@pytest.mark.parametrize("window", [WindowConfig(6.0, 26.0), WindowConfig(7.5, 6.0)])
def test_eeg_shorter_than_a_fourier_window_is_refused(window):
    with pytest.raises(UsageError, match=r"window\.start"):
        n_windows(window, SpectrogramConfig())
