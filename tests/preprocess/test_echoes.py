"""Echoes combined by how fast their signal decays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bids_eeg2fmri.preprocess.echoes import decay_rate, echo_weights

TIMES = np.array([0.0145, 0.0385, 0.0625])


def decaying(t2star, times=TIMES, start=800.0):
    """Signals of one row of voxels with these T2*."""
    rate = 1 / np.asarray(t2star, float)
    return start * np.exp(-times[:, None, None, None] * rate[None, :, None, None])


def test_the_decay_of_an_exponential_is_found_exactly():
    t2star = np.array([0.01, 0.03, 0.06, 0.2])
    np.testing.assert_allclose(decay_rate(decaying(t2star), TIMES)[:, 0, 0], 1 / t2star, rtol=1e-9)


def test_the_weights_are_the_closed_form():
    weights = echo_weights(decaying([0.03]), TIMES)[:, 0, 0, 0]
    expected = TIMES * np.exp(-TIMES / 0.03)
    np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-6)


def test_a_signal_that_does_not_decay_weighs_echoes_by_their_times():
    for mean in (np.ones((3, 1, 1, 1)), decaying([-0.05]), np.zeros((3, 1, 1, 1))):
        weights = echo_weights(mean, TIMES)[:, 0, 0, 0]
        np.testing.assert_allclose(weights, TIMES / TIMES.sum(), rtol=1e-6)


def test_where_only_the_first_echo_has_a_signal_it_has_nearly_all_the_weight():
    mean = np.concatenate([decaying([0.04]), np.array([900.0, 0, -3]).reshape(3, 1, 1, 1)], axis=1)
    assert echo_weights(mean, TIMES)[0, 1, 0, 0] > 0.9


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda w: sum(w) > 0.01),
    st.floats(0.01, 0.1),
)
def test_no_other_weights_have_a_larger_contrast_to_noise(others, t2star):
    def contrast_to_noise(weights):
        change = TIMES * np.exp(-TIMES / t2star)  # of the signal, by the decay rate
        return weights @ change / np.linalg.norm(weights)

    own = echo_weights(decaying([t2star]), TIMES)[:, 0, 0, 0].astype(np.float64)
    assert contrast_to_noise(own) >= contrast_to_noise(np.array(others)) - 1e-6


def test_weights_sum_to_one_and_do_not_depend_on_the_scale_of_the_signal():
    mean = np.random.default_rng(0).gamma(2, 100, (3, 4, 5, 6))
    weights = echo_weights(mean, TIMES)
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(echo_weights(7 * mean, TIMES), weights, rtol=1e-4)
