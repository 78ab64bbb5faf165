"""The simulated signals have the coupling, rhythms and noise that they are said to have."""

import numpy as np
import pytest
from nibabel.affines import apply_affine
from nilearn.glm.first_level import glover_hrf
from scipy import signal

from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.simulate import REGIONS, SimulationConfig, make_head, simulate_recording
from bids_eeg2fmri.simulate.signals import driver, simulate_eeg


def record(participant=0, **settings):
    config = SimulationConfig(**settings)
    head = make_head(config.grid)
    return config, head, simulate_recording(config, head, participant)


def replicated_driver(recording, names, band):
    """Band power from overlapping periodograms, instead of from the Hilbert envelope."""
    eeg, step = recording.eeg, 0.25
    data = eeg.data[[eeg.channels.index(name) for name in names]]
    width = round(eeg.sfreq)
    freqs, time, power = signal.spectrogram(
        data, eeg.sfreq, nperseg=width, noverlap=width - round(step * eeg.sfreq)
    )
    chosen = (freqs >= band[0]) & (freqs <= band[1])
    envelope = power[:, chosen].sum(axis=1).mean(axis=0)
    response = np.convolve(envelope, glover_hrf(step, oversampling=1))[: time.size]
    return np.interp(recording.clock.onset, time, response)


def without_drift(series):
    t = np.linspace(-1, 1, len(series))
    drift = np.stack([np.ones_like(t), t, np.cos(np.pi * t)], axis=1)
    return series - drift @ np.linalg.lstsq(drift, series)[0]


def correlations(recording, inside, predicted):
    series = without_drift(recording.bold.data[inside].T.astype(float))
    predicted = without_drift(predicted)
    scale = np.linalg.norm(series, axis=0) * np.linalg.norm(predicted)
    return predicted @ series / scale


def mean_correlation(label, electrodes, band, coupling):
    """Over the voxels of a region and three participants, to be precise to about 0.01."""
    r = []
    for participant in range(3):
        _, head, recording = record(participant, coupling=coupling, channels=22)
        predicted = replicated_driver(recording, electrodes, band)
        r.append(correlations(recording, head.regions == label, predicted).mean())
    return np.mean(r)


def test_occipital_bold_follows_alpha_power_at_the_stated_correlation():
    r = mean_correlation(1, ["O1", "O2", "Oz"], (8, 12), coupling=0.6)
    assert r == pytest.approx(-0.6, abs=0.03)


def test_medial_frontal_bold_follows_theta_power_at_the_stated_correlation():
    r = mean_correlation(2, ["Fz", "FC1", "FC2"], (4, 7), coupling=0.5)
    assert r == pytest.approx(0.8 * 0.5, abs=0.03)


def test_coupling_zero_leaves_no_correlation():
    assert abs(mean_correlation(1, ["O1", "O2", "Oz"], (8, 12), coupling=0.0)) < 0.03
    assert abs(mean_correlation(2, ["Fz", "FC1", "FC2"], (4, 7), coupling=0.0)) < 0.03


def test_coupling_changes_the_coupled_regions_alone():
    sizes = {"volumes": 20, "grid": (8, 9, 7), "channels": 8}
    _, head, null = record(coupling=0.0, **sizes)
    _, _, coupled = record(coupling=0.6, **sizes)
    changed = np.any(null.bold.data != coupled.bold.data, axis=-1)
    np.testing.assert_array_equal(null.eeg.data, coupled.eeg.data)
    np.testing.assert_array_equal(changed, head.regions > 0)


def test_full_coupling_leaves_no_noise():
    _, head, recording = record(coupling=1.0, drift=0.0, volumes=60, channels=8)
    r = correlations(recording, head.regions == 1, recording.drivers[0])
    assert r.max() < -0.99


def test_alpha_and_theta_wax_and_wane_independently():
    config = SimulationConfig(channels=2, sfreq=100.0)
    onset = np.arange(40, 640, 2.0)
    shared = []
    for seed in range(12):
        eeg, _ = simulate_eeg(config, 650.0, np.random.default_rng(seed))
        alpha, theta = (driver(eeg, region, onset) for region in REGIONS)
        shared.append(np.mean(alpha * theta))
    assert abs(np.mean(shared)) < 0.15


def test_each_rhythm_stands_out_where_it_belongs():
    _, _, recording = record(volumes=60)
    freqs, power = signal.welch(recording.eeg.data, recording.eeg.sfreq, nperseg=800)
    peak = {
        name: freqs[(freqs > 3) & (freqs < 30)][np.argmax(row[(freqs > 3) & (freqs < 30)])]
        for name, row in zip(recording.eeg.channels, power, strict=True)
    }
    assert peak["Oz"] == pytest.approx(10, abs=1)
    assert peak["Fz"] == pytest.approx(5.5, abs=1)
    alpha = power[:, (freqs >= 8) & (freqs <= 12)].sum(axis=1)
    assert recording.eeg.channels[np.argmax(alpha)] in {"O1", "O2", "Oz"}


def test_the_background_falls_with_one_over_the_frequency():
    _, _, recording = record(volumes=60)
    freqs, power = signal.welch(recording.eeg.data, recording.eeg.sfreq, nperseg=800)
    high = (freqs > 20) & (freqs < 80)
    slope = np.polyfit(np.log(freqs[high]), np.log(power[:, high].mean(axis=0)), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)


def test_scalp_amplitudes_are_tens_of_microvolts_and_neighbours_alike():
    _, _, recording = record(volumes=60)
    eeg = recording.eeg
    assert np.all((eeg.data.std(axis=1) > 5e-6) & (eeg.data.std(axis=1) < 40e-6))
    r = np.corrcoef(eeg.data)
    c3, near, far = (eeg.channels.index(name) for name in ("C3", "CP5", "T8"))
    assert r[c3, near] > r[c3, far] + 0.2


def test_the_heart_beats_seventy_times_a_minute():
    _, _, recording = record(volumes=60, channels=2)
    beats, _ = signal.find_peaks(recording.ecg, height=0.6e-3)
    assert 60 * beats.size / recording.eeg.duration == pytest.approx(70, abs=3)


@pytest.mark.parametrize("tr", [0.7, 2.0])
def test_bold_noise_has_the_stated_size_and_memory(tr):
    config, head, recording = record(coupling=0.0, drift=0.0, tr=tr, channels=2)
    series = recording.bold.data[head.brain]
    size = series.std(axis=1) / series.mean(axis=1)
    assert size.mean() == pytest.approx(config.noise, rel=0.03)
    z = (series - series.mean(axis=1, keepdims=True)) / series.std(axis=1, keepdims=True)
    memory = np.mean(z[:, 1:] * z[:, :-1])
    assert memory == pytest.approx(np.exp(-tr / config.noise_time), abs=0.03)


def test_bold_noise_is_smooth_in_millimetres():
    _, head, recording = record(coupling=0.0, drift=0.0, grid=(84, 25, 17), volumes=40, channels=2)
    z = recording.bold.data - recording.bold.data.mean(axis=-1, keepdims=True)
    z /= z.std(axis=-1, keepdims=True)
    apart = np.mean((z[3:] * z[:-3])[head.brain[3:] & head.brain[:-3]])
    # White noise under a Gaussian of width sigma correlates by exp(-d² / 4 sigma²) over d = 6 mm.
    sigma = 6 / np.sqrt(8 * np.log(2))
    assert apart == pytest.approx(np.exp(-(6**2) / (4 * sigma**2)), abs=0.03)


@pytest.mark.parametrize(
    ("grid", "tr"),
    [((6, 10, 10), 2.5), ((16, 18, 14), 0.72), ((40, 36, 1), 1.0), ((64, 64, 30), 3.0)],
)
def test_any_grid_and_tr(grid, tr):
    config, head, recording = record(grid=grid, tr=tr, volumes=12, channels=2, sfreq=100.0)
    corners = apply_affine(head.affine, [np.full(3, -0.5), np.array(grid) - 0.5])
    assert recording.bold.data.shape == (*grid, 12)
    assert np.all(corners[0] < (-70, -104, -70))
    assert np.all(corners[1] > (70, 70, 80))
    assert set(np.unique(head.regions)) == {0, 1, 2}
    assert np.all(head.brain[head.regions > 0])
    np.testing.assert_allclose(np.diff(recording.clock.onset), tr)
    assert recording.clock.onset[0] >= config.lead
    assert recording.eeg.duration > recording.clock.onset[-1] + tr


def test_a_region_lies_where_it_is_said_to_lie():
    head = make_head((42, 50, 34))
    for label, region in enumerate(REGIONS, start=1):
        voxels = apply_affine(head.affine, np.argwhere(head.regions == label))
        assert np.linalg.norm(voxels - region.centre, axis=1).max() <= region.radius
        np.testing.assert_allclose(voxels.mean(axis=0), region.centre, atol=12)


def test_participants_differ():
    sizes = {"volumes": 12, "grid": (6, 7, 6), "channels": 2}
    (_, _, first), (_, _, second) = (record(participant, **sizes) for participant in (0, 1))
    assert first.clock.onset[0] != second.clock.onset[0]
    assert abs(np.corrcoef(first.eeg.data[0, :2000], second.eeg.data[0, :2000])[0, 1]) < 0.5
    assert first.bold.data.mean() != pytest.approx(second.bold.data.mean(), rel=1e-3)


@pytest.mark.parametrize(
    "settings",
    [
        {"participants": 0},
        {"volumes": 9},
        {"tr": 0.0},
        {"tr": float("nan")},
        {"grid": (16, 0, 14)},
        {"channels": 1},
        {"channels": 65},
        {"sfreq": 64.0},
        {"coupling": 1.1},
        {"coupling": -0.1},
        {"seed": -1},
    ],
)
def test_what_cannot_be_simulated_is_refused(settings):
    with pytest.raises(UsageError, match=r"^Cannot simulate\. .*give|sample"):
        SimulationConfig(**settings)


def test_a_grid_too_coarse_for_two_regions_is_refused():
    with pytest.raises(UsageError, match="too coarse"):
        make_head((1, 1, 1))
