"""The benchmark plants what it says, in real parts where they are there."""

from pathlib import Path

import numpy as np
import pytest
from semisynthetic import Coupling, eegbci, eegmat
from semisynthetic.couple import SOURCES, drive

from bids_eeg2fmri.preprocess.parcels import parcel_means
from bids_eeg2fmri.types import EEG, VolumeClock

DATA = Path(__file__).parents[2] / "shared" / "data" / "semisynthetic"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real parts at {DATA}")
SFREQ, SECONDS = 100.0, 200
CLOCK = VolumeClock(np.arange(0.0, SECONDS, 0.5), 0.5, "truth", 0, 0.0, 0.0)


def burst(at):
    """Weak noise, and for two seconds a strong alpha rhythm at the back of the head."""
    rng = np.random.default_rng(0)
    time = np.arange(round(SECONDS * SFREQ)) / SFREQ
    names = tuple(name for source in SOURCES.values() for name in source.electrodes)
    data = 1e-6 * rng.normal(size=(len(names), len(time)))
    loud = (time >= at) & (time < at + 2)
    back = [name in SOURCES["alpha"].electrodes for name in names]
    data[back] += 5e-6 * loud * np.sin(2 * np.pi * 10 * time)
    return EEG(data.astype(np.float32), SFREQ, names, np.full((len(names), 3), np.nan))


@pytest.mark.parametrize(("response", "peak"), [("canonical", 6), ("late", 8.2), ("wide", 7.5)])
def test_what_follows_alpha_falls_when_its_response_peaks(response, peak):
    followed = drive(burst(at=100), CLOCK, Coupling(0.5, "power", response))["alpha"]
    assert CLOCK.onset[np.argmin(followed)] == pytest.approx(100 + peak, abs=1.0)
    assert followed.mean() == pytest.approx(0, abs=1e-9)
    assert followed.std() == pytest.approx(1)


def test_gated_alpha_counts_only_while_beta_is_low():
    eeg = burst(at=100)
    central = [name in SOURCES["beta"].electrodes for name in eeg.channels]
    time = np.arange(eeg.data.shape[1]) / SFREQ
    data = eeg.data.copy()
    data[central] += (5e-6 * (time > 95) * np.sin(2 * np.pi * 20 * time)).astype(np.float32)
    noisy = EEG(data, SFREQ, eeg.channels, eeg.positions)
    free, gated = (drive(one, CLOCK, Coupling(0.5, "gated"))["alpha"] for one in (eeg, noisy))
    assert np.argmin(free) in range(205, 220)
    assert np.argmin(gated) not in range(205, 220)


@needs_data
def test_coupled_parcels_hold_as_much_of_the_signal_as_asked_and_the_others_none():
    (coupled,), (free,) = (eegbci(DATA, Coupling(strength), seed=0) for strength in (0.5, 0.0))
    y, noise = (
        parcel_means(np.moveaxis(r.bold.data, -1, 0), r.parcels, r.mask) for r in (coupled, free)
    )
    np.testing.assert_array_equal(y[:, ~coupled.coupled], noise[:, ~coupled.coupled])
    signal = coupled.signal[:, coupled.coupled]
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(y[:, coupled.coupled].T, signal.T, strict=True)]
    assert np.mean(r) == pytest.approx(0.5, abs=0.05)
    assert coupled.coupled.sum() == 32


@needs_data
def test_people_share_the_map_and_no_noise():
    people = eegmat(DATA, Coupling(0.0), seed=0)
    assert len(people) == 7
    first, second = (p.bold.data[p.mask][:, :110] for p in people[:2])
    change = [(v - v.mean(axis=1, keepdims=True)).ravel() for v in (first, second)]
    assert abs(np.corrcoef(*change)[0, 1]) < 0.2
    np.testing.assert_array_equal(people[0].coupled, people[1].coupled)
