from dataclasses import replace

import numpy as np
import pytest

from bids_eeg2fmri.config import ScaleConfig
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.preprocess.scale import (
    expected,
    fit_scale,
    from_model,
    mean_volume,
    meet,
    own_scale,
    scale_bold,
    scale_eeg,
    to_model,
    transfer,
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
CONFIG = ScaleConfig()
BY_ELECTRODES = ScaleConfig(eeg="electrodes")
BY_RUN = ScaleConfig(eeg="run")
BY_PARTICIPANT = ScaleConfig(bold="participant")
DEVIATION = ScaleConfig(target="deviation")
PARTICIPANTS = [
    replace(RUNS[0], run="sub-01_run-1"),
    replace(RUNS[1], run="sub-01_run-2"),
    replace(RUNS[0], run="sub-02_run-1", bold=3 * RUNS[0].bold + 50),
]
FEW = [np.arange(20), np.arange(5), np.arange(0)]


def train_of(name: str) -> np.ndarray:
    parts = [getattr(r, name)[i] for r, i in zip(RUNS, TRAIN, strict=True)]
    return np.concatenate(parts).astype(np.float64)


def test_scale_is_the_mean_and_spread_of_the_training_pairs_of_all_runs():
    scale, eeg, bold = fit_scale(RUNS, TRAIN, CONFIG), train_of("eeg"), train_of("bold")
    np.testing.assert_allclose(scale.eeg_mean, eeg.mean(axis=(0, 3)), rtol=1e-6)
    about_means = eeg - eeg.mean(axis=(0, 3))[:, :, None]
    np.testing.assert_allclose(scale.eeg_sd, about_means.std())
    np.testing.assert_allclose([scale.bold_mean, scale.bold_sd], [bold.mean(), bold.std()])


def test_scaled_training_pairs_have_zero_mean_and_unit_spread():
    scale = fit_scale(RUNS, TRAIN, CONFIG)
    eeg = scale_eeg(train_of("eeg").astype(np.float32), scale)
    np.testing.assert_allclose(eeg.mean(axis=(0, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(eeg.std(), 1, rtol=1e-5)
    assert eeg.dtype == np.float32


def test_bold_comes_back_in_its_own_units():
    scale = fit_scale(RUNS, TRAIN, CONFIG)
    bold = RUNS[0].bold
    np.testing.assert_allclose(unscale_bold(scale_bold(bold, scale), scale), bold, rtol=1e-6)
    assert scale_bold(bold, scale).dtype == np.float32


def test_pairs_that_are_not_for_training_change_nothing():
    other = RUNS[0].eeg.copy(), RUNS[0].bold.copy()
    for array in other:
        array[41:] = np.nan
    changed = [replace(RUNS[0], eeg=other[0], bold=other[1]), RUNS[1]]
    before, after = fit_scale(RUNS, TRAIN, CONFIG), fit_scale(changed, TRAIN, CONFIG)
    np.testing.assert_array_equal(before.eeg_mean, after.eeg_mean)
    assert before.eeg_sd == after.eeg_sd
    assert (before.bold_mean, before.bold_sd) == (after.bold_mean, after.bold_sd)
    means = [mean_volume(runs, TRAIN, before) for runs in (RUNS, changed)]
    np.testing.assert_array_equal(*means)


def test_what_does_not_vary_has_unit_spread():
    flat = replace(RUNS[0], eeg=np.full_like(RUNS[0].eeg, 3.3e-6), bold=RUNS[0].bold * 0 + 7)
    scale = fit_scale([flat], [np.arange(70)], CONFIG)
    assert scale.eeg_sd == 1
    assert scale.bold_sd == 1
    np.testing.assert_allclose(scale_eeg(flat.eeg, scale), 0, atol=1e-12)


def test_a_strong_rhythm_stands_out_and_a_dead_electrode_does_not():
    eeg = RUNS[0].eeg.copy()
    eeg[:, 0, 0] += 20 * (eeg[:, 0, 0] - 5e-6)
    eeg[:, 1] = 0
    scale = fit_scale([replace(RUNS[0], eeg=eeg)], [np.arange(70)], CONFIG)
    spread = scale_eeg(eeg, scale).std((0, 3))
    np.testing.assert_allclose(spread[0, 0] / spread[0, 1:], 21, rtol=0.2)
    np.testing.assert_array_equal(spread[1], 0)
    assert spread[0, 0] > 3


def test_mean_volume_is_that_of_the_training_pairs():
    mean = mean_volume(RUNS, TRAIN, fit_scale(RUNS, TRAIN, CONFIG))
    np.testing.assert_allclose(mean, train_of("bold").mean(axis=0), rtol=1e-6)


def test_across_electrodes_each_frequency_and_window_has_zero_mean_and_unit_spread():
    eeg = scale_eeg(RUNS[0].eeg, fit_scale(RUNS, TRAIN, BY_ELECTRODES))
    np.testing.assert_allclose(eeg.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(eeg.std(axis=1), 1, rtol=1e-4)
    assert eeg.dtype == np.float32


def test_across_electrodes_what_all_of_them_share_is_lost():
    scale = fit_scale(RUNS, TRAIN, BY_ELECTRODES)
    louder = RUNS[0].eeg * np.linspace(1, 9, 70, dtype=np.float32)[:, None, None, None]
    shared = scale_eeg(louder, scale)
    np.testing.assert_allclose(shared, scale_eeg(RUNS[0].eeg, scale), atol=1e-4)
    np.testing.assert_array_equal(scale_eeg(np.full_like(louder, 3.3e-6), scale), 0)


def test_a_participants_scale_is_that_of_all_its_volumes_in_all_its_runs():
    scale = fit_scale(PARTICIPANTS, FEW, BY_PARTICIPANT)
    first = np.concatenate([PARTICIPANTS[0].bold, PARTICIPANTS[1].bold]).astype(np.float64)
    for run_of_first in ("sub-01_run-1", "sub-01_run-2"):
        own = own_scale(scale, run_of_first)
        np.testing.assert_allclose([own.bold_mean, own.bold_sd], [first.mean(), first.std()])
    own = own_scale(scale, "sub-02_run-1")
    np.testing.assert_allclose(own.bold_mean, 3 * first[:70].mean() + 50)
    np.testing.assert_allclose(own.bold_sd, 3 * first[:70].std())


def test_the_scale_that_serves_all_stays_that_of_the_training_pairs():
    scales = [fit_scale(PARTICIPANTS, FEW, cfg) for cfg in (CONFIG, BY_PARTICIPANT)]
    assert scales[0].bold_mean == scales[1].bold_mean
    assert scales[0].bold_sd == scales[1].bold_sd
    assert own_scale(scales[0], "sub-01_run-1") is scales[0]


def test_participants_who_differ_in_gain_and_offset_alone_are_alike_in_their_own_scales():
    runs, index = [PARTICIPANTS[0], PARTICIPANTS[2]], [np.arange(30), np.arange(30)]
    scale = fit_scale(runs, index, BY_PARTICIPANT)
    owns = [own_scale(scale, one.run) for one in runs]
    one, other = (scale_bold(p.bold, own) for p, own in zip(runs, owns, strict=True))
    np.testing.assert_allclose(one, other, atol=1e-4)
    mean = mean_volume(runs, index, scale)
    for p, own in zip(runs, owns, strict=True):
        expected = p.bold[:30].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(transfer(mean, scale, own), expected, rtol=1e-5)


def test_a_transfer_keeps_the_volume_in_the_models_units_and_comes_back():
    scale = fit_scale(PARTICIPANTS, FEW, BY_PARTICIPANT)
    own, volume = own_scale(scale, "sub-02_run-1"), PARTICIPANTS[2].bold[3]
    there = transfer(volume, own, scale)
    np.testing.assert_allclose(scale_bold(there, scale), scale_bold(volume, own), atol=1e-4)
    np.testing.assert_allclose(transfer(there, scale, own), volume, rtol=1e-6)
    assert transfer(volume, own, own) is volume


def test_runs_with_different_numbers_of_frequencies_are_refused_with_the_number_of_all():
    other = replace(RUNS[1], eeg=RUNS[1].eeg[:, :, :3], freqs=np.arange(3.0))
    with pytest.raises(DataError, match=r"--set spectrogram\.bins=3"):
        fit_scale([RUNS[0], other], TRAIN, CONFIG)


def test_a_participants_scale_can_be_held_to_the_volumes_that_were_seen():
    scale = fit_scale(PARTICIPANTS, FEW, BY_PARTICIPANT, seen=FEW)
    seen = [p.bold[i] for p, i in zip(PARTICIPANTS, FEW, strict=True)][:2]
    of_first = np.concatenate(seen).astype(np.float64)
    assert {*scale.bold_of_run} == {"sub-01_run-1", "sub-01_run-2"}
    for numbers in scale.bold_of_run.values():
        np.testing.assert_allclose(numbers, [of_first.mean(), of_first.std()])


def test_deviations_of_each_runs_training_volumes_are_about_zero_and_of_unit_size():
    runs = [RUNS[0], replace(RUNS[1], bold=RUNS[1].bold + 300)]
    scale = fit_scale(runs, TRAIN, DEVIATION)
    parts = [to_model(r.bold[i], scale, r.run) for r, i in zip(runs, TRAIN, strict=True)]
    for part in parts:
        np.testing.assert_allclose(part.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.mean(np.concatenate(parts) ** 2), 1, rtol=1e-3)


def test_no_deviation_is_the_training_mean_volume():
    scale = fit_scale(RUNS, TRAIN, DEVIATION)
    mean = mean_volume(RUNS, TRAIN, scale)
    nothing = expected(mean, scale)
    assert not nothing.any()
    np.testing.assert_allclose(from_model(nothing, scale, "sub-09"), mean, rtol=1e-6)


def test_a_deviation_comes_back_in_the_scanners_units_on_the_training_mean():
    scale = fit_scale(RUNS[:1], TRAIN[:1], DEVIATION)
    volumes = RUNS[0].bold[50:]
    back = from_model(to_model(volumes, scale, RUNS[0].run), scale, RUNS[0].run)
    np.testing.assert_allclose(back, volumes, rtol=1e-5)


def test_whole_volumes_are_predicted_in_the_models_units_as_they_are():
    scale = fit_scale(RUNS, TRAIN, CONFIG)
    wanted = to_model(RUNS[0].bold, scale, RUNS[0].run)
    np.testing.assert_array_equal(wanted, scale_bold(RUNS[0].bold, scale))
    np.testing.assert_array_equal(expected(RUNS[0].bold[0], scale), wanted[0])
    np.testing.assert_array_equal(
        from_model(wanted, scale, RUNS[0].run), unscale_bold(wanted, scale)
    )


def test_people_who_choose_the_epoch_deviate_from_their_own_mean():
    train, valid = [np.arange(41), np.arange(0)], np.arange(10, 30)
    scale = fit_scale(RUNS, train, DEVIATION, seen=[train[0], valid])
    own = to_model(RUNS[1].bold[valid], scale, RUNS[1].run)
    np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-4)
    blind = fit_scale(RUNS, train, DEVIATION, seen=train)
    assert RUNS[1].run not in blind.anatomy_of_run


def test_eeg_of_runs_that_differ_by_an_offset_alone_is_alike_about_their_means():
    runs = [RUNS[0], replace(RUNS[0], run="sub-07", eeg=RUNS[0].eeg + np.float32(4e-6))]
    scale = fit_scale(runs, [TRAIN[0]] * 2, BY_RUN)
    first, second = (scale_eeg(r.eeg, scale, r.run) for r in runs)
    np.testing.assert_allclose(first, second, atol=1e-5)
    np.testing.assert_allclose(first[TRAIN[0]].std(), 1, rtol=1e-2)
    alone = fit_scale(runs[:1], TRAIN[:1], CONFIG)
    np.testing.assert_allclose(first, scale_eeg(RUNS[0].eeg, alone), atol=1e-5)


def test_eeg_that_was_never_seen_is_met_by_its_own_mean_and_changes_no_other():
    scale = fit_scale(RUNS[:1], TRAIN[:1], BY_RUN)
    met = meet(scale, RUNS[1], TRAIN[1])
    own = scale_eeg(RUNS[1].eeg[TRAIN[1]], met, RUNS[1].run)
    np.testing.assert_allclose(own.mean(axis=(0, 3)), 0, atol=1e-5)
    assert meet(scale, RUNS[0], TRAIN[0]) is scale
    plain = fit_scale(RUNS[:1], TRAIN[:1], CONFIG)
    assert meet(plain, RUNS[1], TRAIN[1]) is plain
