import numpy as np
import pytest

from bids_eeg2fmri.config import CleanConfig
from bids_eeg2fmri.errors import DataWarning
from bids_eeg2fmri.preprocess.artifact import clean_eeg
from bids_eeg2fmri.types import EEG, VolumeClock

SFREQ, TR, VOLUMES = 1000.0, 1.6, 40
ONSET = 6.0 + TR * np.arange(VOLUMES)
TIME = np.arange(round(80 * SFREQ)) / SFREQ
CLOCK = VolumeClock(ONSET, TR, "user", 0, 0.0, 0.0)
BEAT = 0.83
"""Seconds; no multiple of it is one of the TR, or an ECG would go with the gradients."""
ALPHA = 2e-5 * np.sin(2 * np.pi * 10.3 * TIME)


def recorded(artefact=1e-3, heart=0.0):
    """A rhythm and noise; what 16 slices in a volume add, and a heart that beats 72 times."""
    noise = 3e-6 * np.random.default_rng(0).standard_normal((2, len(TIME)))
    scanned = np.logical_and(ONSET[0] <= TIME, ONSET[-1] + TR > TIME)
    slices = (
        np.sin(2 * np.pi * 10 * TIME)
        + np.sin(2 * np.pi * 40 * TIME)
        + np.sin(2 * np.pi * 230 * TIME)
    )
    pulse = np.sin(2 * np.pi * 3 * (TIME % BEAT)) * np.exp(-(((TIME % BEAT) - 0.25) ** 2) / 0.01)
    data = ALPHA + noise + artefact * scanned * slices + heart * pulse
    return EEG(data.astype(np.float32), SFREQ, ("O1", "O2"), np.full((2, 3), np.nan))


def ecg():
    return (1e-3 * np.exp(-((((TIME + 0.4) % BEAT - 0.4) / 0.012) ** 2))).astype(np.float32)


def no_ecg():
    return None


def clean(eeg, method="auto", fmax=40.0, read=no_ecg, **more):
    return clean_eeg(eeg, CLOCK, CleanConfig(method, **more), fmax, 16, "sub-01", read)


@pytest.mark.parametrize("method", ["auto", "none"])
def test_eeg_without_artefact_is_left_alone(method):
    eeg = recorded(artefact=0.0)
    made, account = clean(eeg, method)
    assert made is eeg
    assert account.steps == ()
    assert ("gradients" in account.in_words()) == (method == "auto")


def test_gradients_are_found_and_taken_out_before_samples_are_left_out():
    made, account = clean(recorded(), "gradient")
    assert made.sfreq == 250.0
    assert made.data.shape == (2, len(TIME) // 4)
    rest = slice(500, -500)
    assert np.std((made.data - ALPHA[::4])[:, rest]) < 0.25 * ALPHA.std()
    told = account.summary()
    assert told["removed"] == ["gradient"]
    assert told["slice_lines_db"]["before"] > 20
    assert told["slice_lines_db"]["after"] < 3
    assert abs(told["alpha_change_db"]) < 1
    assert account.mean_before.max() > 30 * account.mean_after.max()


def test_the_rate_leaves_room_for_the_frequencies_that_models_see():
    assert clean(recorded(), "gradient", fmax=67.0)[0].sfreq == 250.0
    assert clean(recorded(), "gradient", fmax=150.0)[0].sfreq == 500.0
    assert clean(recorded(), "gradient", fmax=300.0)[0].sfreq == 1000.0


def test_the_heart_is_taken_out_where_its_share_is_large():
    eeg = recorded(heart=1e-4)
    made, account = clean(eeg, read=ecg)
    assert account.steps == ("gradient", "bcg")
    assert account.rate == pytest.approx(60 / BEAT, rel=0.01)
    before, after = account.locked
    assert before > 0.3
    assert after < before / 3
    assert made.data.std() < 0.6 * clean(eeg, "gradient")[0].data.std()
    assert "heart at 72/min by ECG taken out" in account.in_words()


def test_a_heart_that_hardly_shows_is_left_alone_unless_asked_for():
    assert clean(recorded(), read=ecg)[1].steps == ("gradient",)
    assert clean(recorded(), "gradient+bcg", read=ecg)[1].steps == ("gradient", "bcg")


def test_where_no_heart_beats_it_is_told():
    with pytest.warns(DataWarning, match="no regular beats of a heart in the EEG"):
        _, account = clean(recorded(), "gradient+bcg")
    assert account.steps == ("gradient",)


def test_too_few_volumes_are_told_and_left_alone():
    eeg = recorded()
    some = EEG(eeg.data[:, : round(15 * SFREQ)], SFREQ, eeg.channels, eeg.positions)
    assert clean(some, "gradient")[1].in_words() == "gradients of 6 volumes taken out"
    short = EEG(eeg.data[:, : round(9 * SFREQ)], SFREQ, eeg.channels, eeg.positions)
    assert clean(short)[1].in_words() == "too few volumes to look for artefacts"
    assert clean(short)[0] is short
    with pytest.warns(DataWarning, match="too few volumes have EEG"):
        assert clean(short, "gradient")[0] is short
