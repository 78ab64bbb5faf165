"""What the report of a participant shows of one run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float64, Int64
from nibabel.affines import voxel_sizes

from bids_eeg2fmri.app import standings
from bids_eeg2fmri.app.baselines import ORACLES, Beside
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.labels import own_label
from bids_eeg2fmri.app.parcels import (
    ParcelTest,
    ScoreOfParcels,
    ScoresByModel,
    parcel_scores_path,
)
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.testing import BASELINE, Tested
from bids_eeg2fmri.app.verdicts import evidence_of, shown, summaries_of, verdicts_of
from bids_eeg2fmri.bids.anatomy import find_t1w, read_anatomy
from bids_eeg2fmri.bids.write import derivative_path
from bids_eeg2fmri.evaluate.baselines import BASELINES
from bids_eeg2fmri.evaluate.metrics import Metric
from bids_eeg2fmri.evaluate.null import admissible_shifts, range_of_shifted
from bids_eeg2fmri.evaluate.parcels import PARCEL_SCORES
from bids_eeg2fmri.preprocess.parcels import parcel_means
from bids_eeg2fmri.report.page import Outcome
from bids_eeg2fmri.report.parcels import ParcelTable, reach_of_q
from bids_eeg2fmri.report.result import RunResult, TimeCourse
from bids_eeg2fmri.report.words import number
from bids_eeg2fmri.runtime.store import fingerprint
from bids_eeg2fmri.types import Anatomy

COARSEST = 10.0
"""Size in millimetres of voxels beyond which a glass brain shows blocks rather than places."""
BOLD_UNITS = {"scanner": "units of the scanner", "percent": "% of the mean"}
"""How the BOLD is counted, in words."""
OF_PARCELS = ("pearsoncorrelation", "r_low", "r_high", "p", "q", "skill")
"""The scores of parcels that are shown."""


def outcome(tested: Tested) -> Outcome:
    """Give the numbers that a report opens with."""
    check, skill = tested.check, tested.skill
    return Outcome(check.r, skill[0], skill[1], check.null, check.p)


def show(
    job: Job, of_run: Sequence[Tested], beside: Beside | None, parcels: ParcelTest | None
) -> RunResult:
    """Pick what is shown of one run: a volume, maps and signals of its first model, all scores."""
    tested = of_run[0]
    scores, target, run = tested.scores[tested.trained.name], tested.target, tested.run
    middle = len(tested.index) // 2
    onset = run.pairs.onset[tested.index]
    mask, affine = run.pairs.mask, run.recording.bold.affine
    honest = [name for name in (beside.names if beside else []) if name not in ORACLES]
    rows, verdicts = summaries_of(of_run, beside), verdicts_of(of_run, beside)
    check = tested.check
    anatomy, template = background(run, affine)
    return RunResult(
        name=run.files.name,
        bold_units=BOLD_UNITS[job.config.bold.units],
        model=tested.trained.name,
        outcome=outcome(tested),
        rows={shown(name): row for name, row in rows.items()},
        rivals=(*(one.trained.name for one in of_run), *honest, BASELINE),
        verdicts={name: (one.label, one.paragraph) for name, one in verdicts.items()},
        affine=affine,
        mask=mask,
        mean=np.asarray(target.mean(axis=0)),
        observed=target[middle],
        synthesised=tested.synthesised[middle],
        model_grid=run.pairs.bold.shape[1:],
        example_time=float(onset[middle]),
        r_map=scores.maps["pearsoncorrelation"],
        skill_map=scores.maps["skill"],
        p_map=check.p_map if check.null.size else None,
        q_map=check.q_map if check.null.size else None,
        sd_map=scores.maps["sdratio"],
        anatomy=anatomy,
        template=template,
        time=onset,
        time_courses=time_courses(job, tested, parcels),
        parcels=show_parcels(job, tested, parcels) if parcels else None,
        standings=standings.of_run(rows, evidence_of(of_run, beside)),
        chances=standings.chances(verdicts),
        files=files_of(job, tested),
    )


def anatomy_key(run: PairedRun) -> str:
    """Tell one image behind the maps of a run from another; empty where there is none."""
    path = find_t1w(run.files)
    return fingerprint(run.files.root, [path]) if path else ""


def background(run: PairedRun, affine: Float64[np.ndarray, "4 4"]) -> tuple[Anatomy | None, str]:
    """Find what lies behind the maps of a run, and the template whose glass brain fits, if any."""
    from bids_eeg2fmri.bids.parcels import space_of  # nilearn takes seconds

    space = glass_space(space_of(run.files.bold) or "", affine)
    return read_anatomy(run.files, run.pairs.mask, affine), space


def glass_space(space: str, affine: Float64[np.ndarray, "4 4"]) -> str:
    """Give back a template space whose glass brain shows places, not blocks; else nothing."""
    fits = space.startswith("MNI") and float(voxel_sizes(affine).max()) <= COARSEST
    return space * fits


def files_of(job: Job, tested: Tested) -> dict[str, tuple[str, ...]]:
    """Name the files with what pictures of a run show, by the picture's name."""
    label = own_label(job.config.models, tested.trained.name)

    def path(suffix: str, desc: str, **parts: str) -> str:
        given = {"suffix": suffix, "desc": desc, "extension": ".nii.gz", **parts}
        where = derivative_path(job.out, tested.run.files.entities, "func", **given)
        return where.relative_to(job.out).as_posix()

    stats = {"r": "pearsoncorrelation", "skill": "skill", "q": "q", "sd": "sdratio"}
    maps = {name: (path("boldmap", f"synth{label}", stat=stat),) for name, stat in stats.items()}
    series = [path("bold", desc) for desc in ("target", f"synth{label}", f"residual{label}")]
    glass = {f"{name}_glass": maps[name] for name in ("r", "skill", "q")}
    return {**maps, **glass, "planes": maps["r"], "volume": tuple(series)}


def time_courses(job: Job, tested: Tested, parcels: ParcelTest | None) -> tuple[TimeCourse, ...]:
    """Pick signals to be shown: of the brain, then of the best, the median and the worst parcel."""
    target, volumes, mask = tested.target, tested.synthesised, tested.run.pairs.mask
    named = {"mean over the brain mask": (target[:, mask].mean(1), volumes[:, mask].mean(1))}
    if parcels is not None:
        found = parcels.parcellation.parcels
        r = parcels.scores[tested.trained.name]["pearsoncorrelation"]
        means = [parcel_means(series, found, mask) for series in (target, volumes)]
        for title, i in _best_median_worst(r).items():
            what = f"{title} parcel, {found.names[i]}, r = {number(float(r[i]), 2)}"
            named[what] = (means[0][:, i], means[1][:, i])
    least, n = tested.evidence.min_shift, len(volumes)
    cfg = job.config
    shifts = admissible_shifts(n, least, cfg.evaluate.null_draws, cfg.seed)
    return tuple(_course(title, *series, shifts) for title, series in named.items())


def _best_median_worst(r: ScoreOfParcels) -> dict[str, int]:
    """Find three parcels by their temporal r; fewer where there are fewer."""
    order = [i for i in np.argsort(-r, kind="stable").tolist() if np.isfinite(r[i])]
    if not order:
        return {}
    picked = {"best": order[0], "median": order[(len(order) - 1) // 2], "worst": order[-1]}
    return picked if len(order) > 2 else {"best": order[0]}


def _course(
    title: str,
    observed: Float[np.ndarray, " volumes"],
    synthesised: Float[np.ndarray, " volumes"],
    shifts: Int64[np.ndarray, " draws"],
) -> TimeCourse:
    mean = float(observed.mean(dtype=np.float64))
    y, y_hat = (
        np.asarray(100 * (series.astype(np.float64) / mean - 1))
        for series in (observed, synthesised)
    )
    shifted = range_of_shifted(y_hat, shifts) if len(shifts) else None
    return TimeCourse(title, y, y_hat, shifted)


def show_parcels(job: Job, tested: Tested, parcels: ParcelTest) -> ParcelTable:
    """Pick what is shown of the parcels of one run."""
    model, scores, found = tested.trained.name, parcels.scores, parcels.parcellation.parcels
    return ParcelTable(
        model,
        found.origin,
        found.names,
        *beside_baselines(model, scores, PARCEL_SCORES, OF_PARCELS),
        reach_of_q(scores[model]["p"], len(tested.index)),
        parcel_scores_path(job, parcels).relative_to(job.out).as_posix(),
    )


def beside_baselines(
    model: str, scores: ScoresByModel, metrics: Mapping[str, Metric], shown: Sequence[str]
) -> tuple[dict[str, ScoreOfParcels], dict[str, Metric]]:
    """Put some scores of a model beside the temporal r of baselines; give what they mean too."""
    values = {name: scores[model][name] for name in shown}
    meanings, r = {name: metrics[name] for name in shown}, metrics["pearsoncorrelation"]
    for baseline in scores.keys() & BASELINES.keys():
        values[baseline] = scores[baseline]["pearsoncorrelation"]
        meanings[baseline] = replace(r, name=f"{r.name} of {baseline}")
    return values, meanings
