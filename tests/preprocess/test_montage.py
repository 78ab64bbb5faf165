"""A model's electrodes, from those that were recorded."""

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_eeg2fmri.bids.electrodes import spline_weights
from bids_eeg2fmri.config import ApplyConfig
from bids_eeg2fmri.errors import EEGError
from bids_eeg2fmri.preprocess.montage import Electrodes, map_electrodes

_IN_ORDER = "FP1 FP2 F7 F3 FZ F4 F8 T7 C3 CZ C4 T8 P7 P3 PZ P4 P8 O1 O2"
TEN_20 = tuple(_IN_ORDER.split())
OTHERS = ("AF3", "FC1", "FC2", "CP1", "CP2", "PO3", "OZ", "FC5", "CP6")
PLACES = {
    name.upper(): place
    for name, place in mne.channels.make_standard_montage("colin27_1005")
    .get_positions()["ch_pos"]
    .items()
}


def electrodes(names, places=None):
    positions = [PLACES.get(name, [np.nan] * 3) for name in places or names]
    return Electrodes(tuple(names), np.array(positions, dtype=float))


def unasked(positions, lost):
    raise AssertionError("nothing is to be interpolated")


def find(wanted, recorded, splines=spline_weights, **cfg):
    return map_electrodes(wanted, recorded, ApplyConfig(**cfg), splines, "sub-01")


@settings(max_examples=20)
@given(st.permutations(TEN_20))
def test_recorded_electrodes_are_taken_as_they_are_in_whatever_order(names):
    found = find(electrodes(TEN_20), electrodes(names), unasked)
    assert found.weights.sum() == found.weights.max(axis=1).sum() == len(TEN_20)
    assert [names[i] for i in found.weights.argmax(axis=1)] == [*TEN_20]
    assert found.source == TEN_20


def test_names_suffice_where_no_place_is_known():
    wanted = Electrodes(("A", "B"), np.full((2, 3), np.nan))
    recorded = Electrodes(("B", "A", "X"), np.full((3, 3), np.nan))
    found = find(wanted, recorded, unasked)
    np.testing.assert_array_equal(found.weights, [[0, 1, 0], [1, 0, 0]])
    assert np.isnan(found.distance).all()


def test_an_electrode_of_another_name_at_the_same_place_is_the_same():
    recorded = electrodes(["T3", *TEN_20[:3]], ["T7", *TEN_20[:3]])
    assert find(electrodes(["T7"]), recorded, unasked).source == ("T3",)


def test_an_electrode_of_the_same_name_far_away_is_another():
    recorded = electrodes(["C3", *TEN_20], ["PO8", *TEN_20])
    assert recorded.sites.count("C3") == 2
    found = find(electrodes(["C3"]), recorded, unasked)
    np.testing.assert_array_equal(np.flatnonzero(found.weights[0]), [1 + TEN_20.index("C3")])


def test_a_smooth_field_comes_back_between_electrodes():
    recorded, wanted = electrodes(TEN_20), electrodes((*TEN_20, *OTHERS))
    found = find(wanted, recorded)
    assert found.interpolated.tolist() == [False] * len(TEN_20) + [True] * len(OTHERS)

    def field(positions):
        return positions @ np.array([2.0, -3.0, 5.0])

    back, true = found.weights @ field(recorded.positions), field(wanted.positions)
    np.testing.assert_array_equal(back[: len(TEN_20)], true[: len(TEN_20)])
    # A head is no sphere, so that the field along it is not quite smooth.
    assert np.abs(back - true).max() < 0.15 * np.ptp(true)


def test_what_all_electrodes_share_is_kept():
    found = find(electrodes(OTHERS), electrodes(TEN_20))
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, atol=1e-6)


def test_the_distance_is_that_to_the_nearest_recorded_electrode():
    found = find(electrodes(["OZ"]), electrodes(TEN_20))
    near = min(np.linalg.norm(PLACES["OZ"] - PLACES[name]) for name in ("O1", "O2"))
    assert found.distance == pytest.approx([1000 * near])


def test_half_a_head_is_refused_and_a_setting_lets_it_through():
    front = electrodes(TEN_20[:7])
    with pytest.raises(EEGError, match=r"sub-01: 12 of .* 19 .* \(T7, C3, .* 164 mm") as e:
        find(electrodes(TEN_20), front)
    assert str(e.value).endswith("or raise --set apply.max_uncovered.")
    assert find(electrodes(TEN_20), front, max_uncovered=1.0).interpolated.sum() == 12


def test_unknown_places_are_named():
    wanted = electrodes(["CZ", "E7", "E8"])
    with pytest.raises(EEGError, match="electrodes E7, E8 are not among the recorded ones"):
        find(wanted, electrodes(TEN_20))


def test_too_few_electrodes_to_interpolate_from_are_counted():
    with pytest.raises(EEGError, match=r"takes 4 of known place, where there are 3\. Add an elec"):
        find(electrodes(["OZ"]), electrodes(["O1", "O2", "PZ", "E7"]))
