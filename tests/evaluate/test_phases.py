"""Random phases: what they keep, what they break, and how often they mislead."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import csd, lfilter
from scipy.stats import kstest

from bids_eeg2fmri.config import SpectrogramConfig, WindowConfig
from bids_eeg2fmri.evaluate.metrics import pearsoncorrelation
from bids_eeg2fmri.evaluate.null import p_value
from bids_eeg2fmri.evaluate.phases import phase_randomise, phase_randomised_pairs
from bids_eeg2fmri.evaluate.surrogates import mean_correlation
from bids_eeg2fmri.preprocess.pairs import make_pairs
from bids_eeg2fmri.types import BOLD, EEG, VolumeClock

TR, VOLUMES = 2.0, 60
WINDOW = WindowConfig(start=10.0, stop=6.0)
SPECTRO = SpectrogramConfig(fmin=5.0, fmax=10.0)


def eeg(n: int) -> np.ndarray:
    """Two channels that share a source, and one that does not, about different means."""
    source, *own = np.random.default_rng(0).standard_normal((4, n))
    mixed = np.array([source + own[0], source - own[1] / 2, own[2]])
    return (1e-5 * lfilter([1], [1, -0.9], mixed) + [[0], [3e-5], [0]]).astype(np.float32)


def surrogate(data: np.ndarray, seed: int = 1, every: int = 1) -> np.ndarray:
    (drawn,) = phase_randomise(data, [np.random.default_rng(seed)], every)
    return drawn


def closed(data: np.ndarray) -> np.ndarray:
    """Each channel about the line from its first sample to its last."""
    return data - np.linspace(data[:, 0], data[:, -1], data.shape[1], axis=1)


def recording(data: np.ndarray, sfreq: float, seed: int = 0, grid=(1, 1, 1)):
    """Pairs of some EEG with noise, and what they were made from."""
    channels = tuple(f"E{i}" for i in range(len(data)))
    recorded = EEG(data.astype(np.float32), sfreq, channels, np.zeros((len(data), 3)))
    noise = np.random.default_rng(seed).standard_normal((*grid, VOLUMES)).astype(np.float32)
    clock = VolumeClock(TR * np.arange(VOLUMES), TR, "user", 0, 0.0, 0.0)
    made = (BOLD(noise, TR, np.eye(4)), clock, np.ones(grid, bool), grid)
    return recorded, clock, make_pairs(recorded, *made, WINDOW, SPECTRO, "run")


def drawn_pairs(recorded, clock, pairs, index, draws):
    generators = (np.random.default_rng((7, draw)) for draw in range(draws))
    given = (recorded, clock, pairs, index, WINDOW, SPECTRO, generators)
    return phase_randomised_pairs(*given)


@pytest.mark.parametrize("n", [500, 501])
def test_random_phases_keep_the_power_of_each_channel_and_its_mean(n):
    true = eeg(n)
    line = true - closed(true)
    power = [np.abs(np.fft.rfft(s - line)) ** 2 for s in (true, surrogate(true))]
    np.testing.assert_allclose(power[1], power[0], rtol=1e-3, atol=1e-6 * power[0].max())
    np.testing.assert_allclose(surrogate(true).mean(axis=1), true.mean(axis=1), rtol=1e-4)
    assert surrogate(true).dtype == np.float32


@pytest.mark.parametrize("n", [500, 501])
def test_random_phases_keep_how_channels_go_together(n):
    true = closed(eeg(n))
    drawn = surrogate(true.astype(np.float32))
    cross = [
        np.fft.rfft(s[0].astype(float)) * np.fft.rfft(s[1].astype(float)).conj()
        for s in (true, drawn)
    ]
    np.testing.assert_allclose(cross[1], cross[0], atol=1e-6 * np.abs(cross[0]).max())


def test_random_phases_lose_when_anything_happened():
    true = eeg(4000)
    drawn = surrogate(true)
    assert (np.abs(pearsoncorrelation(true.T, drawn.T)) < 0.25).all()
    _, coherent = csd(true[0], drawn[0], nperseg=128)
    _, power = csd(true[0], true[0], nperseg=128)
    assert np.median(np.abs(coherent) / power.real) < 0.4


def test_phases_follow_from_the_generator():
    true = eeg(100)
    np.testing.assert_array_equal(surrogate(true, 1), surrogate(true, 1))
    assert not np.array_equal(surrogate(true, 1), surrogate(true, 2))


def test_a_drift_is_not_spread_over_the_surrogate():
    true = eeg(4000) - eeg(4000).mean(axis=1, keepdims=True)
    drifting = true + np.linspace(0, 0.1, 4000, dtype=np.float32)
    change = np.diff(surrogate(drifting)).std() / np.diff(surrogate(true)).std()
    assert change == pytest.approx(1, abs=0.01)


def test_fewer_samples_are_those_of_the_surrogate_without_its_high_frequencies():
    time = np.arange(4000) / 1000
    rng = np.random.default_rng(0)
    slow = sum(np.cos(2 * np.pi * (f * time + rng.random())) for f in range(1, 100))[None]
    slow = closed(slow).astype(np.float32)
    few, all_of_them = surrogate(slow, every=4), surrogate(slow)
    assert few.shape == (1, 1000)
    power = [np.abs(np.fft.rfft(s[0].astype(float)))[:400] / s.shape[1] for s in (few, all_of_them)]
    np.testing.assert_allclose(power[0], power[1], atol=1e-3 * power[1].max())


@pytest.mark.parametrize("sfreq", [50.0, 512.0])
def test_surrogate_pairs_have_the_spectra_of_the_recording(sfreq):
    recorded, clock, pairs = recording(eeg(int(sfreq * VOLUMES * TR)), sfreq)
    index = np.arange(20, len(pairs.volume) - 3)
    draws = [*drawn_pairs(recorded, clock, pairs, index, 20)]
    assert draws[0].eeg.shape == pairs.eeg[index].shape
    np.testing.assert_array_equal(draws[0].bold, pairs.bold[index])
    mean = np.mean([one.eeg.mean(axis=(0, 3)) for one in draws], axis=0)
    np.testing.assert_allclose(mean, pairs.eeg[index].mean(axis=(0, 3)), rtol=0.3)


class Still(np.random.Generator):
    """Draws nothing but zeros: phases that do not turn."""

    def random(self, n):
        return np.zeros(n)


@pytest.mark.parametrize("chosen", [slice(0, 10), slice(-10, None), slice(None)])
def test_without_turned_phases_the_pairs_are_those_of_the_recording(chosen):
    recorded, clock, pairs = recording(eeg(int(512 * VOLUMES * TR) + 3), 512.0)
    index = np.arange(len(pairs.volume))[chosen]
    given = (recorded, clock, pairs, index, WINDOW, SPECTRO, [Still(np.random.PCG64())])
    (same,) = phase_randomised_pairs(*given)
    np.testing.assert_allclose(same.eeg, pairs.eeg[index], atol=0.05 * pairs.eeg.max())
    np.testing.assert_array_equal(same.volume, pairs.volume[index])


def power(data: np.ndarray) -> np.ndarray:
    """What a linear model of two voxels makes of one channel: its power, volume by volume."""
    told = (data.reshape(VOLUMES, -1) ** 2).mean(axis=1)
    return np.stack([told, -told], axis=1)


def p_of(seed: int, coupling: float = 0.0) -> float:
    """Test such a model on EEG and BOLD of one seed against 19 draws."""
    rng = np.random.default_rng(seed)
    data = lfilter([1], [1, -0.7], rng.standard_normal((1, 20 * VOLUMES))).astype(np.float32)
    predicted = power(data)
    noise = lfilter([1], [1, -0.5], rng.standard_normal((VOLUMES, 2)), axis=0)
    observed = coupling * predicted / predicted.std(axis=0) + noise
    draws = phase_randomise(data, (np.random.default_rng((seed, draw)) for draw in range(19)))
    null = np.array([mean_correlation(observed, power(one)) for one in draws])
    return p_value(mean_correlation(observed, predicted), null)


def test_without_coupling_p_is_uniform():
    # p takes 20 values; a draw within each makes them continuous
    p = np.array([p_of(seed) for seed in range(200)])
    spread = p - np.random.default_rng(0).random(len(p)) / 20
    assert kstest(spread, "uniform").pvalue > 0.01


def test_a_coupling_has_the_smallest_p():
    assert [p_of(seed, 1.0) for seed in range(3)] == [1 / 20] * 3


def test_chosen_volumes_may_have_holes():
    recorded, clock, pairs = recording(eeg(int(50 * VOLUMES * TR)), 50.0)
    few = replace(
        pairs, **{name: getattr(pairs, name)[::2] for name in ("eeg", "bold", "volume", "onset")}
    )
    index = np.arange(5, len(few.volume))
    (every,) = drawn_pairs(recorded, clock, few, index, 1)
    np.testing.assert_array_equal(every.volume, few.volume[index])
