import numpy as np
import pytest

from bids_eeg2fmri.preprocess.pulse import Beats, find_beats, locked_share, subtract_beats
from bids_eeg2fmri.types import EEG

SFREQ, SECONDS = 125.0, 80.0
TIME = np.arange(round(SECONDS * SFREQ)) / SFREQ


def hearts(rate=70.0, jitter=0.03):
    """When a heart beats that is not quite regular."""
    between = 60 / rate * (1 + jitter * np.random.default_rng(3).standard_normal(500))
    beats = 0.5 + np.cumsum(between)
    return beats[beats < SECONDS - 1]


def waves(beats, shape):
    made = np.zeros_like(TIME)
    for beat in beats:
        made += shape(TIME - beat)
    return made


def ecg_of(beats):
    quick = waves(beats, lambda t: np.exp(-((t / 0.012) ** 2)))
    noise = np.random.default_rng(4).standard_normal(len(TIME))
    return (1e-3 * quick + 2e-5 * noise).astype(np.float32)


def pulse_of(beats):
    """Half a second that begins with the beat."""
    return waves(
        beats, lambda t: np.exp(-(((t - 0.25) / 0.1) ** 2)) * np.sin(2 * np.pi * 4 * (t - 0.2))
    )


def brain():
    rng = np.random.default_rng(0)
    return 1e-5 * rng.standard_normal((3, len(TIME)))


def eeg_of(data):
    return EEG(data.astype(np.float32), SFREQ, tuple("abc"), np.full((3, 3), np.nan))


GAINS = np.array([[1.0], [-0.7], [1.5]])


def test_beats_are_found_in_the_ecg_to_a_sample():
    found = find_beats(eeg_of(brain()), ecg_of(hearts()))
    assert found.source == "ECG"
    assert found.rate == pytest.approx(70, rel=0.02)
    away = np.abs(found.time[:, None] - 0.21 - hearts()).min(axis=1)
    assert away.max() <= 1.01 / SFREQ
    assert len(found.time) >= 0.9 * len(hearts())


def test_without_an_ecg_beats_are_found_in_what_electrodes_share():
    found = find_beats(eeg_of(brain() + 8e-5 * GAINS * pulse_of(hearts())), None)
    assert found.source == "EEG"
    assert found.rate == pytest.approx(70, rel=0.03)


@pytest.mark.parametrize("rate", [30.0, 170.0])
def test_what_beats_as_no_heart_does_is_none(rate):
    assert find_beats(eeg_of(brain()), ecg_of(hearts(rate))) is None


@pytest.mark.parametrize("ecg", [None, "noise", "flat"])
def test_noise_has_no_beats(ecg):
    noise = np.random.default_rng(1).standard_normal(len(TIME)).astype(np.float32)
    channel = {None: None, "noise": noise, "flat": 0 * noise}[ecg]
    assert find_beats(eeg_of(brain()), channel) is None


def test_half_a_minute_is_too_short_for_a_pulse():
    eeg = eeg_of(brain())
    short = EEG(eeg.data[:, : round(29 * SFREQ)], SFREQ, eeg.channels, eeg.positions)
    assert find_beats(short, ecg_of(hearts())[: round(29 * SFREQ)]) is None


def test_what_all_beats_share_is_taken_out_and_the_rest_stays():
    added = 5e-5 * GAINS * pulse_of(hearts())
    eeg = eeg_of(brain() + added + 1e-3)
    beats = Beats(hearts() + 0.21, "ECG")
    made = np.stack([subtract_beats(series, SFREQ, beats, 2) for series in eeg.data])
    middle = slice(round(2 * SFREQ), round(-2 * SFREQ))
    left = (made - 1e-3 - brain())[:, middle]
    assert added[:, middle].std() > brain().std()
    assert left.std() < 0.35 * added[:, middle].std()


def test_the_share_of_the_beats_is_that_of_their_power():
    assert locked_share(eeg_of(brain()), Beats(hearts(), "ECG")) == pytest.approx(
        1 / len(hearts()), rel=0.3
    )
    pulse = GAINS * pulse_of(hearts(jitter=0.0))
    eeg = eeg_of(brain() + 1e-5 * pulse / pulse.std(axis=1, keepdims=True))
    assert locked_share(eeg, Beats(hearts(jitter=0.0) + 0.21, "ECG")) == pytest.approx(
        0.5, abs=0.05
    )
