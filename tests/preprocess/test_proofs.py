"""Whatever befalls triggers, a clock that proves itself is the true one."""

import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_eeg2fmri.config import ClockConfig
from bids_eeg2fmri.errors import ClockError, DataWarning
from bids_eeg2fmri.preprocess.clock import find_clock
from bids_eeg2fmri.types import Evidence, Markers, Recorded

TRS = (0.8, 1.28, 2.0, 2.16)


def scan(rng: np.random.Generator) -> tuple[Evidence, np.ndarray]:
    """A scan with every oddity by chance, and the true onset of each volume.

    Triggers of volumes that were never stored do not occur where their number is unknowable: with
    an EEG that joins the scan, and where the sidecar tells of volumes that had no trigger.
    """
    tr, n, slices = rng.choice(TRS), int(rng.integers(30, 90)), int(rng.choice([1, 1, 20]))
    joins, stops, late = (rng.random(3) < 0.2) & np.eye(3, dtype=bool)[rng.integers(3)]
    dummies = int(rng.integers(0, 5) * (rng.random() < 0.3))
    extra = 0 if joins else int(rng.integers(0, 3))
    volumes = np.arange(-dummies, n + extra)
    lost = rng.choice(volumes[1:-1], rng.integers(0, 3), replace=False)
    first, slope = rng.uniform(1, 100) + 60, 1 + rng.uniform(-1e-4, 1e-4)
    false = -rng.uniform(4, 20) - np.arange(rng.integers(2, 9)) * (rng.random() < 0.3)
    kept = np.append(np.setdiff1d(volumes, lost), false - dummies)
    time = first + slope * tr * (kept[:, None] + np.arange(slices) / slices).ravel()
    begin = first + joins * rng.uniform(0, n / 2) * tr if joins else 0.0
    end = first + (rng.uniform(0.6, 1) if stops else 1.0) * n * tr + extra * tr
    end += 0 if stops else rng.uniform(0.1, 60)
    appear = first + late * rng.uniform(0.1, 0.7) * n * tr if late else 0.0
    time = np.sort(time[(time >= max(begin, appear)) & (time < end)]) - begin
    labels = ("Response/R128",) * len(time)
    recorded = Recorded("eeg", Markers(time, labels), no_markers(), 5000.0, float(end - begin))
    onset = first - begin + slope * tr * np.arange(n)
    return Evidence("sub-01", recorded, n, float(tr), (dummies, 0)), onset


def no_markers() -> Markers:
    return Markers(np.empty(0), ())


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_a_clock_is_true_or_refused(seed):
    evidence, onset = scan(np.random.default_rng(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            clock = find_clock(evidence, ClockConfig())
        except ClockError:
            return
    np.testing.assert_allclose(clock.onset, onset, atol=0.01)


def test_most_scans_are_not_refused():
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        for seed in range(100):
            try:
                find_clock(scan(np.random.default_rng(seed))[0], ClockConfig())
            except ClockError:
                refused += 1
    assert refused < 40
