from dataclasses import replace

import numpy as np

from bids_eeg2fmri.preprocess.scale import (
    fit_scale,
    mean_volume,
    scale_bold,
    scale_eeg,
    unscale_bold,
)
from bids_eeg2fmri.types import Pairs


def run(seed: int, n: int = 70) -> Pairs:
    rng = np.random.default_rng(seed)
    return Pairs(
        eeg=(5e-6 + 1e-6 * rng.standard_normal((n, 3, 4, 5))).astype(np.float32),
        bold=(1000 + 20 * rng.standard_normal((n, 2, 3, 4))).astype(np.float32),
        volume=np.arange(n),
        onset=2.0 * np.arange(n),
        freqs=np.arange(4.0),
        channels=("A", "B", "C"),
        run=f"sub-0{seed}",
        mask=np.ones((2, 3, 4), dtype=bool),
        n_volumes=n,
    )


RUNS = [run(1), run(2, 45)]
TRAIN = [np.arange(41), np.arange(3, 45, 2)]


def train_of(name: str) -> np.ndarray:
    parts = [getattr(r, name)[i] for r, i in zip(RUNS, TRAIN, strict=True)]
    return np.concatenate(parts).astype(np.float64)


def test_scale_is_the_mean_and_spread_of_the_training_pairs_of_all_runs():
    scale, eeg, bold = fit_scale(RUNS, TRAIN), train_of("eeg"), train_of("bold")
    np.testing.assert_allclose(scale.eeg_mean, eeg.mean(axis=(0, 3)), rtol=1e-6)
    about_means = eeg - eeg.mean(axis=(0, 3))[:, :, None]
    np.testing.assert_allclose(scale.eeg_sd, about_means.std())
    np.testing.assert_allclose([scale.bold_mean, scale.bold_sd], [bold.mean(), bold.std()])


def test_scaled_training_pairs_have_zero_mean_and_unit_spread():
    scale = fit_scale(RUNS, TRAIN)
    eeg = scale_eeg(train_of("eeg").astype(np.float32), scale)
    np.testing.assert_allclose(eeg.mean(axis=(0, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(eeg.std(), 1, rtol=1e-5)
    assert eeg.dtype == np.float32


def test_bold_comes_back_in_its_own_units():
    scale = fit_scale(RUNS, TRAIN)
    bold = RUNS[0].bold
    np.testing.assert_allclose(unscale_bold(scale_bold(bold, scale), scale), bold, rtol=1e-6)
    assert scale_bold(bold, scale).dtype == np.float32


def test_pairs_that_are_not_for_training_change_nothing():
    other = RUNS[0].eeg.copy(), RUNS[0].bold.copy()
    for array in other:
        array[41:] = np.nan
    changed = [replace(RUNS[0], eeg=other[0], bold=other[1]), RUNS[1]]
    before, after = fit_scale(RUNS, TRAIN), fit_scale(changed, TRAIN)
    np.testing.assert_array_equal(before.eeg_mean, after.eeg_mean)
    assert before.eeg_sd == after.eeg_sd
    assert (before.bold_mean, before.bold_sd) == (after.bold_mean, after.bold_sd)
    np.testing.assert_array_equal(mean_volume(RUNS, TRAIN), mean_volume(changed, TRAIN))


def test_what_does_not_vary_has_unit_spread():
    flat = replace(RUNS[0], eeg=np.full_like(RUNS[0].eeg, 3.3e-6), bold=RUNS[0].bold * 0 + 7)
    scale = fit_scale([flat], [np.arange(70)])
    assert scale.eeg_sd == 1
    assert scale.bold_sd == 1
    np.testing.assert_allclose(scale_eeg(flat.eeg, scale), 0, atol=1e-12)


def test_a_strong_rhythm_stands_out_and_a_dead_electrode_does_not():
    eeg = RUNS[0].eeg.copy()
    eeg[:, 0, 0] += 20 * (eeg[:, 0, 0] - 5e-6)
    eeg[:, 1] = 0
    spread = scale_eeg(eeg, fit_scale([replace(RUNS[0], eeg=eeg)], [np.arange(70)])).std((0, 3))
    np.testing.assert_allclose(spread[0, 0] / spread[0, 1:], 21, rtol=0.2)
    np.testing.assert_array_equal(spread[1], 0)
    assert spread[0, 0] > 3


def test_mean_volume_is_that_of_the_training_pairs():
    np.testing.assert_allclose(mean_volume(RUNS, TRAIN), train_of("bold").mean(axis=0), rtol=1e-6)
