"""Verdicts on models of which the truth is known, and the corners of the rules."""

import json

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom, kstest, ttest_1samp

from bids_eeg2fmri.evaluate.evidence import Chance, Evidence, average, hold_against, sum_up
from bids_eeg2fmri.evaluate.null import correlation_by_shift, skill_by_shift
from bids_eeg2fmri.evaluate.verdict import judge

VOXELS = 12


def signal(seed: int, n: int = 120, phi: float = 0.5) -> np.ndarray:
    """Autoregressive in time; half of it is shared by all voxels."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((n + 50, VOXELS)) + rng.standard_normal((n + 50, 1))
    return lfilter([1], [1, -phi], white, axis=0)[50:]


def weigh(observed: np.ndarray, predicted: np.ndarray, min_shift: int = 8, **other) -> Evidence:
    return Evidence(
        correlation_by_shift(observed, predicted),
        skill_by_shift(observed, predicted, np.zeros(VOXELS)),
        min_shift,
        float(np.sqrt(predicted.var(axis=0).sum() / observed.var(axis=0).sum())),
        **other,
    )


def coupled(seed: int, r: float, n: int = 120, phi: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Observed, and what the EEG tells of it, shrunken so as to err least."""
    told, rest = signal(2 * seed, n, phi), signal(2 * seed + 1, n, phi)
    return r * told + np.sqrt(1 - r**2) * rest, r * told


def numbers(r=0.1, p_r=0.01, skill=0.01, p_skill=0.01, sd_ratio=0.1, **others) -> Evidence:
    """Evidence of 199 shifts that comes to these numbers."""

    def by_shift(true, p):
        better = round(200 * p) - 1
        return np.concatenate([[true], np.full(better, true + 1), np.full(199 - better, true - 1)])

    return Evidence(by_shift(r, p_r), by_shift(skill, p_skill), 10, sd_ratio, **others)


def label(evidence: Evidence) -> str:
    return judge([[evidence]]).label


def test_a_planted_coupling_is_informative():
    verdict = judge([[weigh(*coupled(0, 0.5))]])
    assert verdict.label == "informative"
    assert verdict.numbers.r.low < 0.5 < verdict.numbers.r.high < 1
    assert "The EEG told this model something" in verdict.paragraph


def test_a_constant_model_has_a_near_constant_output():
    observed, _ = coupled(0, 0.5)
    verdict = judge([[weigh(observed, np.full_like(observed, 0.1))]])
    assert verdict.label == "near-constant output"
    assert "undefined" in verdict.paragraph


def test_a_flicker_that_tells_nothing_is_a_near_constant_output():
    observed, _ = coupled(0, 0.5)
    assert label(weigh(observed, 0.01 * signal(99))) == "near-constant output"


def test_a_wrong_clock_loses_the_coupling():
    observed, predicted = coupled(0, 0.5)
    late = weigh(observed, np.roll(predicted, 30, axis=0))
    assert label(late) == "not better than the mean volume"
    assert sum_up([[late]]).p_r > 0.05


def test_a_mean_that_is_better_by_luck_is_not_distinguishable_from_shifted_eeg():
    observed = signal(0) + 3
    predicted = 2.5 + 0.3 * signal(7)
    assert label(weigh(observed, predicted)) == "not distinguishable from shifted EEG"


def test_a_right_time_course_of_the_wrong_size_is_not_better_than_the_mean_volume():
    observed, predicted = coupled(0, 0.5)
    verdict = judge([[weigh(observed, 5 * predicted)]])
    assert verdict.label == "not better than the mean volume"
    assert "its size or its level is wrong" in verdict.paragraph


@pytest.mark.parametrize("r", [0.03, 0.1, 0.5, 0.9])
def test_a_prediction_shrunken_to_its_correlation_is_no_constant_output(r):
    assert label(numbers(r=r, sd_ratio=r, skill=r**2)) == "informative"


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (numbers(sd_ratio=0.04, p_r=0.2), "near-constant output"),
        (numbers(sd_ratio=0.06, p_r=0.2), "not distinguishable from shifted EEG"),
        (numbers(r=0.5, sd_ratio=0.04), "near-constant output"),
        (numbers(r=0.5, sd_ratio=0.06), "informative"),
        (numbers(skill=0.0), "not better than the mean volume"),
        (numbers(skill=np.nan), "not better than the mean volume"),
        (numbers(p_skill=0.05), "not distinguishable from shifted EEG"),
        (numbers(p_r=0.05), "not distinguishable from shifted EEG"),
        (numbers(p_r=0.045, p_skill=0.045), "informative"),
        (numbers(r=np.nan), "not distinguishable from shifted EEG"),
        (hold_against(numbers(), "block-permutation", np.ones(9)), "informative"),
    ],
)
def test_the_corners_of_the_rules(evidence, expected):
    assert label(evidence) == expected


@pytest.mark.parametrize(("n", "said"), [(20, "cannot fall below 0.05"), (15, "too short")])
def test_a_short_test_shows_nothing_and_says_so(n, said):
    verdict = judge([[weigh(*coupled(0, 0.9, n))]])
    assert verdict.label == "not distinguishable from shifted EEG"
    assert "nothing can be shown" in verdict.paragraph
    assert said in verdict.paragraph


def test_without_coupling_p_is_uniform_and_few_models_are_called_informative():
    # as small as would err least if chance were coupling, so that many have skill above 0
    pairs = [(signal(2 * seed), 0.06 * signal(2 * seed + 1)) for seed in range(400)]
    verdicts = [judge([[weigh(*pair)]]) for pair in pairs]
    for name in ("p_r", "p_skill"):
        assert kstest([getattr(v.numbers, name) for v in verdicts], "uniform").pvalue > 0.01
    informative = sum(v.label == "informative" for v in verdicts)
    assert 0 < informative <= binom.ppf(0.99, 400, 0.05)


@pytest.mark.parametrize(("n", "phi"), [(38, 0.8), (120, 0.5)])
def test_the_interval_of_a_run_covers_the_true_correlation_and_agrees_with_p(n, phi):
    runs = [weigh(*coupled(seed, 0.3, n, phi), min_shift=13) for seed in range(300)]
    found = [sum_up([[run]]) for run in runs]
    assert np.mean([one.r.low < 0.3 < one.r.high for one in found]) > 0.93
    assert np.mean([one.p_r >= 0.05 and one.r.low > 0 for one in found]) < 0.05


def test_a_test_too_short_for_p_has_no_interval():
    r = sum_up([[weigh(*coupled(0, 0.5, 15))]]).r
    assert np.isfinite(r.mean)
    assert np.isnan([r.low, r.high]).all()


def test_other_nulls_are_told_with_their_draws():
    verdict = judge([[hold_against(numbers(r=0.1), "phase-randomised-eeg", np.zeros(39))]])
    assert "against EEG with random phases p = 0.025 (39 draws)." in verdict.paragraph
    assert verdict.summary()["verdict_numbers"]["draws_other"] == {"phase-randomised-eeg": 39}


def test_a_null_without_draws_is_not_told():
    assert hold_against(numbers(), "block-permutation", np.empty(0)).p_other == {}


def test_a_null_over_all_participants_stands_beside_those_of_runs():
    runs = [[hold_against(numbers(r=0.1), "phase-randomised-eeg", np.zeros(19))] for _ in range(2)]
    verdict = judge(runs, {"other-participants": Chance(0.5, 1)})
    told = verdict.numbers
    # Fisher's method for two: p (1 - ln p) of their product
    both = 0.05**2 * (1 - np.log(0.05**2))
    assert told.p_other == {"phase-randomised-eeg": pytest.approx(both), "other-participants": 0.5}
    assert told.draws_other == {"phase-randomised-eeg": 19, "other-participants": 1}
    assert "against EEG with random phases p = 0.017 (19 draws a run)" in verdict.paragraph
    assert "against the EEG of other participants p = 0.5 (1 draw)." in verdict.paragraph


def test_trainings_of_one_test_keep_the_median_p_of_other_nulls():
    trainings = [
        hold_against(numbers(r=r), "retrained", np.arange(9) / 10) for r in (0.0, 0.35, 1.0)
    ]
    one = average(trainings)
    assert one.p_other == {"retrained": (1 + 5) / 10}
    assert one.draws_other == {"retrained": 9}


def test_a_verdict_is_plain_json():
    summary = judge([[numbers()]]).summary()
    assert summary["verdict"] == "informative"
    assert json.loads(json.dumps(summary))["verdict_numbers"]["skill"]["mean"] == 0.01


def test_three_people_are_tested_over_people():
    people = [weigh(*coupled(seed, 0.5)) for seed in range(3)]
    verdict = judge([[one] for one in people])
    assert verdict.label == "informative"
    assert "over 3 test participants" in verdict.paragraph
    added = [one.r_by_shift[0] - one.r_by_shift[8:-7].mean() for one in people]
    expected = ttest_1samp(added, 0, alternative="greater").pvalue
    assert verdict.numbers.p_r == pytest.approx(expected)


def test_two_people_are_judged_by_their_combined_shifts():
    people = [numbers(p_r=0.04), numbers(p_r=0.2)]
    verdict = judge([[one] for one in people])
    # Fisher's method for two: p (1 - ln p) of their product
    product = 0.04 * 0.2
    assert verdict.numbers.p_r == pytest.approx(product * (1 - np.log(product)))
    assert verdict.label == "informative"
    assert "says nothing about other people" in verdict.paragraph


def test_a_person_with_two_runs_counts_once():
    one = weigh(*coupled(0, 0.5))
    others = [weigh(*coupled(seed, 0.5)) for seed in (1, 2)]
    twice = sum_up([[one, one], *([other] for other in others)])
    once = sum_up([[one], *([other] for other in others)])
    assert twice.participants == once.participants == 3
    assert twice.r.mean == pytest.approx(once.r.mean)
    assert twice.p_r == pytest.approx(once.p_r)


def test_two_short_runs_can_show_together_what_neither_can_alone():
    short = [[weigh(*coupled(seed, 0.9, 20)) for seed in (1, 2)]]
    assert judge([short[0][:1]]).label == "not distinguishable from shifted EEG"
    assert judge(short).label == "informative"


def test_people_whose_output_is_constant_count_as_not_predicted():
    constant = weigh(signal(5), np.zeros((120, VOXELS)))
    people = [[weigh(*coupled(seed, 0.5))] for seed in range(3)]
    assert sum_up([*people, [constant]]).p_r > sum_up(people).p_r


def test_among_people_without_coupling_few_groups_are_informative():
    found = 0
    for seed in range(100):
        pairs = [(signal(10 * seed + i), 0.06 * signal(10 * seed + i + 5)) for i in range(4)]
        found += judge([[weigh(*pair)] for pair in pairs]).label == "informative"
    assert found <= binom.ppf(0.99, 100, 0.05)
