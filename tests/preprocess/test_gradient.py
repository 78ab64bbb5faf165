import tracemalloc

import numpy as np
import pytest
from mne import create_info
from mne.io import RawArray
from mne.preprocessing import remove_fmri_gradient_artifact

from bids_eeg2fmri.preprocess import thinning
from bids_eeg2fmri.preprocess.channels import STANDING_FOR_ALL
from bids_eeg2fmri.preprocess.comb import find_comb
from bids_eeg2fmri.preprocess.gradient import find_scan, subtract
from bids_eeg2fmri.types import EEG, VolumeClock

SFREQ, TR, VOLUMES, SLICES = 500.0, 2.0, 60, 25


def artefact(time, slices=SLICES):
    """A millivolt at multiples of the slices' rate, and a little at those of the volumes'."""
    rng = np.random.default_rng(1)
    lines = [*range(slices, 150 * 2, slices), *range(21, 300, 40)]
    size = [1 if line % slices == 0 else 0.1 for line in lines]
    phase = rng.uniform(0, 2 * np.pi, len(lines))
    waves = np.cos(2 * np.pi * np.outer(time / TR, lines) + phase) @ size
    return 1e-3 * waves / np.sqrt(len(lines))


def record(brain, onset, sfreq=SFREQ, gains=(1.0, -0.5, 2.0, 0.3)):
    """Add to what a brain does the artefact of each volume."""
    time = np.arange(brain.shape[1]) / sfreq
    added = np.zeros_like(time)
    for one in onset:
        own = (time >= one) & (time < one + TR)
        added[own] = artefact(time[own] - one)
    data = (brain + np.outer(gains, added)).astype(np.float32)
    return EEG(data, sfreq, tuple("abcd"), np.full((4, 3), np.nan))


def clock(onset):
    return VolumeClock(onset, TR, "user", 0, 0.0, 0.0)


def noise(seconds=160.0, sfreq=SFREQ):
    rng = np.random.default_rng(0)
    white = rng.standard_normal((4, round(seconds * sfreq)))
    return 2e-5 * (np.cumsum(white, axis=1) * 0.02 + white)


def cleaned(eeg, onset, averaged=21, components=4):
    scan = find_scan(eeg, clock(onset), averaged, components)
    return np.stack([subtract(series, scan) for series in eeg.data])


def inside(eeg, onset):
    time = np.arange(eeg.data.shape[1]) / eeg.sfreq
    return (time >= onset[0]) & (time < onset[-1] + TR)


def error(eeg, onset, brain, **how):
    """Root mean square of what is left, as a share of the EEG."""
    during = inside(eeg, onset)
    left = cleaned(eeg, onset, **how) - brain
    return np.sqrt(np.mean(left[:, during] ** 2) / np.var(brain[:, during]))


ONSET = 20.0 + TR * np.arange(VOLUMES)
LATE = 20.0007 + TR * (1 + 1e-5) * np.arange(VOLUMES)


def test_a_sine_between_the_lines_comes_back_to_five_percent():
    time = np.arange(80_000) / SFREQ
    brain = 2e-5 * np.sin(2 * np.pi * 10.23 * time + np.arange(4)[:, None])
    eeg = record(brain, ONSET)
    assert eeg.data[0].std() > 30 * brain.std()
    assert error(eeg, ONSET, brain, components=0) < 0.05


def test_what_is_lost_of_white_noise_is_the_share_of_a_volume_in_its_template():
    brain = 2e-5 * np.random.default_rng(0).standard_normal((4, 80_000))
    for averaged in (10, 20):
        eeg = record(brain, ONSET)
        left = error(eeg, ONSET, brain, averaged=averaged, components=0)
        assert left == pytest.approx(averaged**-0.5, rel=0.05)


@pytest.mark.parametrize(("true", "told"), [(LATE, LATE), (LATE, ONSET), (ONSET, LATE)])
def test_volumes_that_begin_between_samples_are_aligned_whatever_the_drift_of_the_clock(true, told):
    brain = noise()
    expected = error(record(brain, ONSET), ONSET, brain)
    assert error(record(brain, true), told, brain) == pytest.approx(expected, rel=0.1)


def test_integer_clocks_give_what_mne_subtracts():
    brain = noise()
    brain -= brain.mean(axis=1, keepdims=True)
    eeg = record(brain, ONSET)
    ours = cleaned(eeg, ONSET, averaged=21, components=0)
    raw = RawArray(eeg.data, create_info(4, SFREQ, "eeg", verbose="ERROR"), verbose="ERROR")
    samples = np.round(ONSET * SFREQ).astype(int)
    theirs = remove_fmri_gradient_artifact(raw, samples, window=(10, 10)).get_data()
    middle = slice(samples[15], samples[45])
    artefact_of_ours = (eeg.data - ours)[:, middle]
    alike = np.corrcoef(artefact_of_ours.ravel(), (eeg.data - theirs)[:, middle].ravel())[0, 1]
    assert alike > 0.999  # the trend of each volume is treated otherwise


def test_a_template_is_made_of_the_nearest_volumes_only():
    brain, late = noise(), ONSET[40:]
    eeg = record(brain, ONSET)
    spoilt = EEG(eeg.data.copy(), SFREQ, eeg.channels, eeg.positions)
    spoilt.data[:, round(late[0] * SFREQ) :] *= 1.5
    untouched = slice(0, round(ONSET[25] * SFREQ))
    same = [cleaned(one, ONSET, components=0)[:, untouched] for one in (eeg, spoilt)]
    np.testing.assert_allclose(*same, atol=1e-6)  # all volumes together are aligned


def test_a_head_that_moves_changes_the_sizes_of_artefacts_and_leaves_nothing():
    brain, rng = noise(), np.random.default_rng(2)
    eeg = record(brain, ONSET)
    artefacts = eeg.data - brain
    begin = round(ONSET[0] * SFREQ)
    sizes = np.repeat(1 + 0.05 * rng.standard_normal(VOLUMES), round(TR * SFREQ))
    artefacts[:, begin : begin + len(sizes)] *= sizes
    moved = EEG((brain + artefacts).astype(np.float32), SFREQ, eeg.channels, eeg.positions)
    expected = error(eeg, ONSET, brain)
    assert error(moved, ONSET, brain, components=0) > 5 * expected
    assert error(moved, ONSET, brain) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("size", [0.02, 0.005, 0.002])
def test_of_an_artefact_weaker_than_the_eeg_the_clock_tells_the_place(size):
    brain = noise()
    expected = error(record(brain, LATE), LATE, brain)
    weak = record(brain, LATE, gains=size * np.array([1.0, -0.5, 2.0, 0.3]))
    assert error(weak, LATE, brain) == pytest.approx(expected, rel=0.1)


def test_loose_electrodes_spoil_no_other_channel():
    brain, rng = noise(), np.random.default_rng(4)
    brain = np.concatenate([brain, 0.01 * rng.standard_normal((6, brain.shape[1])).cumsum(axis=1)])
    gains = (1.0, -0.5, 2.0, 0.3, *(1.0,) * 6)
    alone = record(brain[:4], LATE)
    names = tuple("abcdefghij")
    added = np.outer(gains, (alone.data - brain[:4])[0]).astype(np.float32)
    eeg = EEG((brain + added).astype(np.float32), SFREQ, names, np.full((10, 3), np.nan))
    during = inside(eeg, LATE)
    left = (cleaned(eeg, LATE) - brain)[:4, during]
    assert np.sqrt(np.mean(left**2) / np.var(brain[:4, during])) == pytest.approx(
        error(alone, LATE, brain[:4]), rel=0.1
    )


def test_a_stretch_without_signal_spoils_no_volume_beside_it():
    brain = noise()
    eeg = record(brain, LATE)
    flat = slice(round(LATE[VOLUMES // 2] * SFREQ), round(LATE[VOLUMES // 2 + 3] * SFREQ))
    eeg.data[:, flat] = 0
    left = cleaned(eeg, LATE) - brain
    left[:, flat] = 0
    assert left[:, inside(eeg, LATE)].std() < 0.3 * brain.std()


def test_a_pause_of_some_samples_is_cleaned_around():
    brain = noise()
    paused = ONSET + 0.1 * (np.arange(VOLUMES) >= VOLUMES // 2)
    assert error(record(brain, paused), paused, brain) < 0.25


def test_eeg_outside_the_scan_stays_as_it_is_and_its_edges_are_no_steps():
    brain = noise()
    eeg = record(brain, ONSET)
    made = cleaned(eeg, ONSET)
    during = inside(eeg, ONSET)
    np.testing.assert_array_equal(made[:, ~during], eeg.data[:, ~during])
    for volumes in (slice(0, 1), slice(-1, None)):
        first, last = ONSET[volumes][0], ONSET[volumes][-1] + TR
        part = slice(round(first * SFREQ), round(last * SFREQ))
        assert np.std((made - brain)[:, part]) < 0.4 * brain.std()


def test_volumes_that_were_not_stored_are_cleaned_like_the_others():
    brain = noise()
    every = 20.0 + TR * np.arange(-3, VOLUMES + 2)
    eeg = record(brain, every)
    assert error(eeg, ONSET, brain) < 0.25
    begin = round(every[0] * SFREQ)
    left = (cleaned(eeg, ONSET) - brain)[:, begin : begin + round(3 * TR * SFREQ)]
    assert left.std() < 0.4 * brain.std()


def test_a_scan_that_was_cut_off_or_paused_is_cleaned_to_its_ends():
    brain = noise()
    late = 20.0 + TR * np.r_[0:25, 29.37:60]
    eeg = record(brain, late)
    part = EEG(
        eeg.data[:, round(20.7 * SFREQ) : round(130.3 * SFREQ)], SFREQ, eeg.channels, eeg.positions
    )
    made = cleaned(part, late - 20.7)
    own = brain[:, round(20.7 * SFREQ) : round(130.3 * SFREQ)]
    assert np.abs(made - own).max() < 1.5 * np.abs(noise()).max()
    assert np.std(made - own) < 0.25 * own.std()


def test_three_whole_volumes_are_the_fewest_that_give_a_template():
    brain = noise(10.0)
    eeg = record(brain, 1.0 + TR * np.arange(3))
    assert find_scan(eeg, clock(1.0 + TR * np.arange(3)), 20, 0) is not None
    assert find_scan(eeg, clock(5.0 + TR * np.arange(3)), 20, 0) is None


def test_the_comb_of_slices_stands_out_and_is_gone_afterwards():
    brain = noise()
    eeg = record(brain, ONSET)
    found = find_comb(eeg, clock(ONSET))
    assert found.prominence() > 30
    assert found.prominence(SLICES) > found.prominence() + 10
    made = EEG(cleaned(eeg, ONSET), SFREQ, eeg.channels, eeg.positions)
    assert find_comb(made, clock(ONSET)).prominence(SLICES) < 0


def test_eeg_without_artefact_has_no_comb_nor_does_hum():
    brain = noise()
    time = np.arange(brain.shape[1]) / SFREQ
    hum = EEG(
        (brain + 1e-4 * np.sin(2 * np.pi * 50 * time)).astype(np.float32),
        SFREQ, tuple("abcd"), np.full((4, 3), np.nan),
    )  # fmt: skip
    found = find_comb(hum, clock(ONSET))
    assert abs(found.prominence()) < 0.5
    assert np.isnan(found.prominence(1000))


def test_alpha_is_told_from_between_the_lines():
    brain = noise()
    plain = find_comb(record(brain, ONSET, gains=(0.0,) * 4), clock(ONSET))
    assert find_comb(record(brain, ONSET), clock(ONSET)).alpha == pytest.approx(
        plain.alpha, rel=1e-3
    )


def test_fast_eeg_comes_into_memory_part_by_part_while_lines_are_looked_for(monkeypatch):
    monkeypatch.setattr(thinning, "PART", 2**10)
    rng, sfreq, n = np.random.default_rng(0), 5000.0, 300_000
    data = rng.standard_normal((20, n), dtype=np.float32)
    eeg = EEG(data, sfreq, tuple(map(str, range(20))), np.full((20, 3), np.nan))
    tracemalloc.start()
    found = find_comb(eeg, clock(np.arange(29) * TR))
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 0.5 * STANDING_FOR_ALL * n * 4
    np.testing.assert_allclose(found.power[16:].mean(), 2 / sfreq, rtol=0.1)  # of white noise


def test_a_scan_of_fewer_than_eight_volumes_shows_no_comb():
    assert find_comb(record(noise(20.0), ONSET[:0]), clock(ONSET[:7] - 19.0)) is None
