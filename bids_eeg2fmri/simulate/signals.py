"""EEG, BOLD and the coupling between them, as arrays."""

import math
from collections.abc import Iterator
from typing import Any

import mne
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, UInt8
from nibabel import Nifti1Image
from nibabel.affines import apply_affine, from_matvec, voxel_sizes
from nibabel.processing import resample_from_to, smooth_image
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
from nilearn.glm.first_level import glover_hrf
from scipy import fft, signal
from scipy.ndimage import gaussian_filter

from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.simulate.config import REGIONS, Region, SimulationConfig
from bids_eeg2fmri.types import BOLD, EEG, VolumeClock, typed

FIELD_OF_VIEW = np.array([[-84.0, 84.0], [-118.0, 84.0], [-80.0, 90.0]])
"""Edges of the BOLD grid in MNI152 millimetres: the brain and a rim of air."""


@typed
class Head:
    """What all participants share: the brain and its coupled regions on the BOLD grid."""

    intensity: Float32[np.ndarray, "x y z"]
    """Mean BOLD signal of a participant of average brightness, in arbitrary units."""
    brain: Bool[np.ndarray, "x y z"]
    """Where at least half of the voxel is brain."""
    regions: UInt8[np.ndarray, "x y z"]
    """1, 2, … inside the first, second, … of ``REGIONS``, 0 elsewhere."""
    affine: Float64[np.ndarray, "4 4"]
    """From voxel indices to MNI152 millimetres."""


@typed
class Recording:
    """A simultaneous recording of one simulated participant, with the truth about its coupling."""

    eeg: EEG
    """Scalp EEG."""
    ecg: Float32[np.ndarray, " time"]
    """Electrocardiogram in volts, sampled as the EEG."""
    bold: BOLD
    """BOLD series in whole numbers, as a scanner stores it."""
    clock: VolumeClock
    """True EEG time of each volume; in general between two EEG samples."""
    drivers: Float64[np.ndarray, "regions volumes"]
    """What the regions follow: band power convolved with the HRF, mean 0 and variance 1."""


def electrodes(region: Region, sites: tuple[str, ...]) -> tuple[str, ...]:
    """Name the electrodes of ``region`` that are among ``sites``."""
    return tuple(name for name in region.electrodes if name in sites)


def make_head(grid: tuple[int, int, int]) -> Head:
    """Bring nilearn's MNI152 template and ``REGIONS`` to a BOLD grid over the whole brain.

    Raises
    ------
    UsageError
        If the grid is too coarse to tell the regions apart.
    """
    size = (FIELD_OF_VIEW[:, 1] - FIELD_OF_VIEW[:, 0]) / grid
    affine = from_matvec(np.diag(size), FIELD_OF_VIEW[:, 0] + size / 2)
    brain = _resample(load_mni152_brain_mask(resolution=3), grid, affine)
    t1w = _resample(load_mni152_template(resolution=3), grid, affine)
    regions = _label(brain > 0.5, affine)
    if set(np.unique(regions[regions > 0])) != set(range(1, len(REGIONS) + 1)):
        raise UsageError(f"Cannot simulate. A grid of {grid} is too coarse: give more voxels.")
    # The contrast of T2*-weighted images is the reverse: white matter is darker than grey.
    intensity = np.clip(1000 * (1.4 * brain - 0.8 * t1w), 0, None).astype(np.float32)
    return Head(intensity=intensity, brain=brain > 0.5, regions=regions, affine=affine)


def _resample(
    image: Nifti1Image, grid: tuple[int, int, int], affine: Float64[np.ndarray, "4 4"]
) -> Float[np.ndarray, "x y z"]:
    """Smooth to the target's voxel size, so that a coarse voxel is the mean of what it covers."""
    floats = Nifti1Image(image.get_fdata(dtype=np.float32), image.affine)
    smooth = smooth_image(floats, voxel_sizes(affine))
    return np.asarray(resample_from_to(smooth, (grid, affine), order=1).dataobj)


def _label(
    brain: Bool[np.ndarray, "x y z"], affine: Float64[np.ndarray, "4 4"]
) -> UInt8[np.ndarray, "x y z"]:
    voxels = np.argwhere(brain)
    regions = np.zeros(brain.shape, np.uint8)
    for label, region in enumerate(REGIONS, start=1):
        centres = apply_affine(affine, voxels)
        distance = np.linalg.norm(centres - region.centre, axis=1)
        inside = voxels[distance <= max(region.radius, distance.min(initial=np.inf))]
        regions[tuple(inside.T)] = label
    return regions


def simulate_recording(config: SimulationConfig, head: Head, participant: int) -> Recording:
    """Simulate one participant, whose BOLD regions follow the power of the EEG rhythms.

    Parameters
    ----------
    config
        Sizes, coupling and noise.
    head
        From ``make_head(config.grid)``.
    participant
        Number from 0; the recording depends on it and on the seed, not on who else is simulated.
    """
    seeds = np.random.SeedSequence(config.seed, spawn_key=(participant,)).spawn(3)
    clock_rng, eeg_rng, bold_rng = (np.random.default_rng(seed) for seed in seeds)
    onset = config.lead + 10 * clock_rng.random() + config.tr * np.arange(config.volumes)
    duration = onset[-1] + config.tr + 5 + 5 * clock_rng.random()
    eeg, ecg = simulate_eeg(config, duration, eeg_rng)
    drivers = np.stack([driver(eeg, region, onset) for region in REGIONS])
    return Recording(
        eeg=eeg,
        ecg=ecg,
        bold=simulate_bold(config, head, drivers, bold_rng),
        clock=VolumeClock(onset, float(config.tr), "simulation", config.volumes, 0.0, 0.0),
        drivers=drivers,
    )


def place_cap(sites: tuple[str, ...]) -> dict[str, Any]:
    """Give electrodes (``ch_pos``) and landmarks of an EasyCap in MNE's head frame, in metres."""
    info = mne.create_info(list(sites), 1.0, "eeg").set_montage("easycap-M1")
    return dict(info.get_montage().get_positions())


def simulate_eeg(
    config: SimulationConfig, duration: float, rng: np.random.Generator
) -> tuple[EEG, Float32[np.ndarray, " time"]]:
    """Simulate scalp EEG, with the rhythms of ``REGIONS`` in a 1/f background, and the ECG."""
    n = round(duration * config.sfreq)
    cap = place_cap(config.sites)["ch_pos"]
    positions = np.array([cap[name] for name in config.sites])
    data = _background(positions, n, config.sfreq, rng)
    for region in REGIONS:
        at = [config.sites.index(name) for name in electrodes(region, config.sites)]
        distance = np.linalg.norm(positions - positions[at].mean(axis=0), axis=1)
        topography = np.exp(-0.5 * (distance / 0.06) ** 2)
        data += np.outer(topography, _rhythm(region, config, n, rng)).astype(np.float32)
    eeg = EEG(data, float(config.sfreq), config.sites, positions)
    return eeg, _heart(n, config.sfreq, rng)


def _background(
    positions: Float64[np.ndarray, "channels 3"], n: int, sfreq: float, rng: np.random.Generator
) -> Float32[np.ndarray, "channels time"]:
    """Draw 10 µV of noise, its power 1/f above 1 Hz, alike at neighbouring electrodes."""
    distance = np.linalg.norm(positions[:, None] - positions, axis=-1)
    mixing = np.linalg.cholesky(np.exp(-distance / 0.06)).astype(np.float32)
    size = fft.next_fast_len(n, real=True)
    gain = np.maximum(fft.rfftfreq(size, 1 / sfreq), 1.0) ** -0.5
    gain *= 10e-6 / np.sqrt(np.mean(gain**2))
    white = rng.standard_normal((len(positions), size), dtype=np.float32)
    return mixing @ fft.irfft(fft.rfft(white) * gain.astype(np.float32), size)[:, :n]


def _rhythm(
    region: Region, config: SimulationConfig, n: int, rng: np.random.Generator
) -> Float64[np.ndarray, " time"]:
    """Draw a rhythm of wandering frequency with a log-normal envelope."""
    slow = _wandering(n, config.envelope_time * config.sfreq, rng)
    envelope = np.exp(config.envelope_sd * slow - config.envelope_sd**2)  # mean square 1
    frequency = sum(region.band) / 2 + 0.3 * _wandering(n, 0.5 * config.sfreq, rng)
    phase = 2 * np.pi * (rng.random() + np.cumsum(frequency) / config.sfreq)
    return region.amplitude * math.sqrt(2) * envelope * np.cos(phase)


def _wandering(n: int, time: float, rng: np.random.Generator) -> Float64[np.ndarray, " time"]:
    """Draw a stationary AR(1) series of variance 1 that forgets itself in ``time`` samples."""
    memory = np.exp(-1 / time)
    steps = np.sqrt(1 - memory**2) * rng.standard_normal(n)
    start = memory * rng.standard_normal(1)
    return np.asarray(signal.lfilter([1], [1, -memory], steps, zi=start)[0])


def _heart(n: int, sfreq: float, rng: np.random.Generator) -> Float32[np.ndarray, " time"]:
    """Draw an electrocardiogram of 70 beats a minute: P, Q, R, S and T waves on some noise."""
    beats = np.cumsum(rng.normal(0.86, 0.05, size=round(2 * n / sfreq)))
    train = np.zeros(n)
    train[np.round(beats[beats < (n - 1) / sfreq] * sfreq).astype(int)] = 1
    t = np.arange(-round(0.5 * sfreq), round(0.5 * sfreq) + 1) / sfreq
    height = np.array([0.12e-3, -0.15e-3, 1.2e-3, -0.25e-3, 0.3e-3])[:, None]
    delay = np.array([-0.17, -0.03, 0, 0.03, 0.28])[:, None]
    width = np.array([0.025, 0.01, 0.011, 0.01, 0.05])[:, None]
    beat = np.sum(height * np.exp(-0.5 * ((t - delay) / width) ** 2), axis=0)
    wave = signal.fftconvolve(train, beat, mode="same")
    return (wave + 20e-6 * rng.standard_normal(n)).astype(np.float32)


def band_power(
    data: Float[np.ndarray, "channels time"], sfreq: float, band: tuple[float, float]
) -> Float[np.ndarray, " time"]:
    """Average the squared envelope in a frequency band over channels, in V²."""
    sos = signal.butter(4, band, "bandpass", fs=sfreq, output="sos")
    narrow = signal.sosfiltfilt(sos, data.astype(np.float64))
    return np.asarray(np.mean(np.abs(signal.hilbert(narrow)) ** 2, axis=0))


def driver(
    eeg: EEG, region: Region, onset: Float64[np.ndarray, " volumes"]
) -> Float64[np.ndarray, " volumes"]:
    """Convolve band power with the HRF of Glover (1999) and take it at the volumes.

    Parameters
    ----------
    eeg
        Scalp EEG.
    region
        Names the electrodes and the band.
    onset
        EEG time of each volume in seconds.

    Returns
    -------
    The predicted BOLD signal with mean 0 and variance 1 over the volumes.
    """
    at = [eeg.channels.index(name) for name in electrodes(region, eeg.channels)]
    power = band_power(eeg.data[at], eeg.sfreq, region.band)
    hrf = glover_hrf(t_r=1 / eeg.sfreq, oversampling=1)
    response = signal.fftconvolve(power, hrf)[: power.size]
    sampled = np.interp(onset, np.arange(power.size) / eeg.sfreq, response)
    return np.asarray((sampled - sampled.mean()) / sampled.std())


def simulate_bold(
    config: SimulationConfig,
    head: Head,
    drivers: Float64[np.ndarray, "regions volumes"],
    rng: np.random.Generator,
) -> BOLD:
    """Simulate BOLD whose regions follow ``drivers`` in autocorrelated noise and slow drift."""
    r = config.coupling * np.array([0.0, *(region.weight for region in REGIONS)])
    coupled = (r[:, None] * np.vstack([np.zeros(config.volumes), drivers])).astype(np.float32)
    unexplained = np.sqrt(1 - r**2).astype(np.float32)[head.regions]
    brightness = np.float32(rng.uniform(0.8, 1.2)) * head.intensity
    t = np.linspace(-1, 1, config.volumes)
    drift = config.drift * np.stack([np.sqrt(3) * t, np.sqrt(2) * np.cos(np.pi * t)])
    fields = _smooth_fields(head, config.noise_fwhm, rng)
    slopes = np.stack([next(fields), next(fields)])
    memory = math.exp(-config.tr / config.noise_time)
    field = next(fields)
    data = np.empty((*head.brain.shape, config.volumes), np.float32)
    for k in range(config.volumes):
        change = config.noise * (coupled[head.regions, k] + unexplained * field)
        change += np.tensordot(drift[:, k], slopes, 1)
        air = brightness + 8 * np.abs(field)
        data[..., k] = np.rint(np.where(head.brain, brightness * (1 + change), air))
        field = memory * field + math.sqrt(1 - memory**2) * next(fields)
    return BOLD(data=data, tr=float(config.tr), affine=head.affine)


def _smooth_fields(
    head: Head, fwhm: float, rng: np.random.Generator
) -> Iterator[Float32[np.ndarray, "x y z"]]:
    """Draw volume after volume of independent, spatially smooth noise of variance 1."""
    grid = head.brain.shape
    sigma = fwhm / math.sqrt(8 * math.log(2)) / voxel_sizes(head.affine)
    impulse = np.zeros(grid, np.float32)
    impulse[0, 0, 0] = 1
    # Wrapped around, so that the variance is the same at the rim of the grid.
    gain = 1 / np.linalg.norm(gaussian_filter(impulse, sigma, mode="wrap"))
    while True:
        white = rng.standard_normal(grid, dtype=np.float32)
        yield gaussian_filter(white, sigma, mode="wrap") * gain
