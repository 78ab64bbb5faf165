"""What each model recovers of a coupling that was planted between real EEG and real BOLD noise.

Prints, for each strength of the coupling, how the synthesised mean signal of the coupled parcels
correlates over time with what is observed of them in the test, as a share of what could be had: the
correlation of the planted signal itself. At strength 0 nothing can be had; there the table gives in
how many of the seeds p against shifted EEG falls below .05.

Every predictor sees the same recordings, divided alike: the last quarter of one person is the
test, or each of seven people in turn. All draws of the noise share the EEG, and are cut from the
same rest of three people: they are fewer than their number says. The data are not part of this
project.
"""

import argparse
import csv
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import groupby, product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from semisynthetic import (
    KINDS,
    PREDICTORS,
    RESPONSES,
    Coupling,
    Recording,
    Task,
    Volumes,
    eegbci,
    eegmat,
    prepare,
)

from bids_eeg2fmri.evaluate.evidence import Evidence
from bids_eeg2fmri.evaluate.metrics import pearsoncorrelation, sd_ratio
from bids_eeg2fmri.evaluate.null import correlation_by_shift, least_shift, skill_by_shift
from bids_eeg2fmri.evaluate.verdict import judge
from bids_eeg2fmri.preprocess.parcels import parcel_means
from bids_eeg2fmri.presets import PRESETS
from bids_eeg2fmri.settings import from_mapping, override

SETTINGS: Mapping[str, Callable[[Path, Coupling, int], list[Recording]]] = {
    "within": eegbci,
    "held-out": eegmat,
}
"""Within one person, or on people whom the model never saw."""
DEFAULT = (
    *("recommended/hybrid", "recommended/hrf-ridge", "recommended/lagged-ridge"),
    *("paper/hrf-ridge", "paper/topo-rff", "paper/liu-sajda"),
)
DATA = Path(__file__).parents[2] / "shared" / "data" / "semisynthetic"


@dataclass(frozen=True)
class Result:
    """How one predictor did on one draw of the noise."""

    setting: str
    kind: str
    response: str
    strength: float
    seed: int
    predictor: str
    """Preset and model."""
    r: float
    """Correlation over time with the coupled parcels, mean of parcels and people."""
    ceiling: float
    """That of what was planted in them."""
    p: float
    """Of the correlation with all parcels, against shifted EEG."""
    skill: float
    """Against the mean volume, all parcels."""
    verdict: str


def assess(task: Task, predicted: Sequence[Volumes]) -> list[tuple[float, float, Evidence]]:
    """Score predictions of parcels: r and the ceiling of the coupled ones, evidence of all."""
    found = []
    window, tr = task.config.window, task.recordings[0].clock.tr
    least = math.ceil(window.start * window.seconds(tr) / tr)
    means = np.concatenate([p.bold[i] for p, i in zip(task.pairs, task.split.train, strict=True)])
    for (recording, pairs, _, test), volumes in zip(task.tested, predicted, strict=True):
        series = (pairs.bold[test], volumes, means.mean(axis=0)[None])
        y, y_hat, (mean,) = (parcel_means(v, recording.parcels, recording.mask) for v in series)
        truth, coupled = recording.signal[pairs.volume[test]], recording.coupled
        r, ceiling = (_mean_r(y[:, coupled], z[:, coupled]) for z in (y_hat, truth))
        variances = (z.var(axis=0).sum(keepdims=True) for z in (y_hat, y))
        evidence = Evidence(
            correlation_by_shift(y, y_hat),
            skill_by_shift(y, y_hat, mean),
            least_shift(y, y_hat, least),
            float(sd_ratio(*variances)[0]),
        )
        found.append((r, ceiling, evidence))
    return found


def _mean_r(y: Float64[np.ndarray, "t p"], y_hat: Float64[np.ndarray, "t p"]) -> float:
    """Average temporal r over parcels; a constant prediction has none, which counts as 0."""
    return float(np.nan_to_num(pearsoncorrelation(y, y_hat)).mean())


def compare(
    wanted: Sequence[str], sets: Sequence[str], data: Path, setting: str, draw: tuple[Coupling, int]
) -> list[Result]:
    """Let predictors, each with its preset, predict one draw of the noise."""
    torch.set_num_threads(1)
    coupling, seed = draw
    recordings = SETTINGS[setting](data, coupling, seed)
    results = []
    for predictor in wanted:
        preset, model = predictor.split("/")
        config = override(from_mapping(PRESETS[preset]), sets)
        scores = [
            one
            for task in prepare(recordings, config, seed)
            for one in assess(task, PREDICTORS[model](task))
        ]
        r, ceiling = (float(np.mean(column)) for column in list(zip(*scores, strict=True))[:2])
        verdict = judge([[evidence] for *_, evidence in scores])
        numbers = (r, ceiling, verdict.numbers.p_r, verdict.numbers.skill.mean, verdict.label)
        planted = (coupling.kind, coupling.response, coupling.strength)
        results.append(Result(setting, *planted, seed, predictor, *numbers))
    return results


def table(results: Sequence[Result]) -> Iterator[str]:
    """Lay out shares and false positives, a block for each coupling, a line for each predictor."""

    def block(one: Result) -> tuple[str, str, str]:
        return one.setting, one.kind, one.response

    for about, rows in groupby(sorted(results, key=block), block):
        own = list(rows)
        strengths = sorted({one.strength for one in own})
        yield ""
        yield f"{' '.join(about):44}" + "".join(f"{f'planted r {s:g}':>24}" for s in strengths)
        for predictor in dict.fromkeys(one.predictor for one in own):
            cells = (
                _cell([o for o in own if o.predictor == predictor and o.strength == s])
                for s in strengths
            )
            yield f"{predictor:44}" + "".join(f"{cell:>24}" for cell in cells)


def _cell(draws: Sequence[Result]) -> str:
    """Put what was recovered over the seeds into a few words."""
    told = sum(one.verdict == "informative" for one in draws)
    if draws[0].strength == 0:
        false = sum(one.p < 0.05 for one in draws)
        return f"p<.05 {false}/{len(draws)}, inf. {told}/{len(draws)}"
    r, ceiling = (np.mean([getattr(one, name) for one in draws]) for name in ("r", "ceiling"))
    return f"{100 * r / ceiling:.0f} % (r {r:.3f}), inf. {told}/{len(draws)}"


def main() -> None:
    """Compare what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = partial(parser.add_argument, nargs="+")
    add(
        "--predictors",
        default=DEFAULT,
        metavar="PRESET/NAME",
        help=f"names: {', '.join(PREDICTORS)}",
    )
    add("--settings", default=[*SETTINGS], choices=SETTINGS)
    add("--strengths", default=[0.0, 0.1, 0.2, 0.4, 0.6], type=float)
    add("--kinds", default=["power"], choices=KINDS)
    add("--responses", default=["canonical"], choices=RESPONSES)
    add("--set", default=[], metavar="SECTION.KEY=VALUE", help="as in the program")
    parser.add_argument("--seeds", default=3, type=int, help="draws of the noise")
    parser.add_argument("--first-seed", default=0, type=int)
    parser.add_argument("--jobs", default=1, type=int, help="processes")
    parser.add_argument("--data", default=DATA, type=Path, help="folder with the real parts")
    parser.add_argument("--tsv", type=Path, help="where every single result is written")
    args = parser.parse_args()
    if not args.data.is_dir():
        sys.exit(f"{args.data}: no such folder. Give the one with the real parts by --data.")
    couplings = [Coupling(*one) for one in product(args.strengths, args.kinds, args.responses)]
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    results: list[Result] = []
    with ProcessPoolExecutor(args.jobs) as pool:
        for setting in args.settings:
            work = partial(compare, args.predictors, args.set, args.data, setting)
            for found in pool.map(work, product(couplings, seeds)):
                results += found
                if args.tsv:
                    _write(args.tsv, results)
    print("\n".join(table(results)))


def _write(path: Path, results: Sequence[Result]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Result)], delimiter="\t")
        writer.writeheader()
        writer.writerows(map(asdict, results))


if __name__ == "__main__":
    main()
