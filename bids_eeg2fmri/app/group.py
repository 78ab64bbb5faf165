"""The group level: learn on some participants, test on others that the model never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from bids_eeg2fmri.app.delivery import deliver
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.members import Members, draw_members
from bids_eeg2fmri.app.outputs import (
    metric_columns,
    publish_model,
    score_rows,
    sources_of,
)
from bids_eeg2fmri.app.participant import MODEL
from bids_eeg2fmri.app.recordings import (
    PairedRun,
    Recording,
    common_ground,
    pair_all,
    read_all,
)
from bids_eeg2fmri.app.reports import report_group
from bids_eeg2fmri.app.testing import Tested, headline, test
from bids_eeg2fmri.app.training import Trained, train
from bids_eeg2fmri.app.triage import attempt, conclude, find
from bids_eeg2fmri.bids.query import RunFiles
from bids_eeg2fmri.bids.write import derivative_path, write_image, write_table
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.metrics import MAPS, METRICS
from bids_eeg2fmri.report.group import GroupMaps
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.execute import limited_threads
from bids_eeg2fmri.train.splits import Index, Split, hold_back
from bids_eeg2fmri.types import Grid

SPACE = (
    "The mean over the participants' own grids, voxel by voxel, as in the paper. These are not in "
    "a template space: a voxel is not the same place in every head."
)


def run_group(job: Job) -> None:
    """Run the group level, one model for each task.

    Raises
    ------
    AppError
        If participants, runs or tasks failed, after the others are done.
    """
    found = find(job)
    recorded, failed = job.spread(read_participant, found.runs)
    problems = {f"sub-{label}": error for label, error in (found.failed | failed).items()}
    for broken in (*found.problems.values(), *(broken for _, broken in recorded.values())):
        problems |= broken
    by_task: dict[str, dict[str, list[Recording]]] = {}
    for label, (recordings, _) in recorded.items():
        for recording in recordings:
            members = by_task.setdefault(recording.files.task, {})
            members.setdefault(label, []).append(recording)
    # Chosen recordings may have siblings, whose report must not be overwritten by another call.
    alone = len(by_task) == 1 and not job.selection.suffix()
    lost, refused = attempt(
        lambda task: run_task(job, task, by_task[task], problems, alone=alone),
        {f"task-{task}": task for task in by_task},
    )
    conclude(found, [*recorded], failed, [*problems, *chain(*lost), *refused])


def read_participant(
    job: Job, _label: str, files: Sequence[RunFiles]
) -> tuple[list[Recording], dict[str, AppError]]:
    """Read the runs of one participant; give those that failed too."""
    return read_all(job, files)


def run_task(
    job: Job,
    task: str,
    recorded: Mapping[str, Sequence[Recording]],
    before: Mapping[str, AppError],
    *,
    alone: bool,
) -> dict[str, AppError]:
    """Train on some participants of a task, test on the others; give what failed.

    Parameters
    ----------
    before
        What failed until now; for the report.
    alone
        Whether there is no other task.
    """
    ground = common_ground(job, [*chain(*recorded.values())])
    paired, failed = job.spread(
        _Pairing(*ground), {label: list(recordings) for label, recordings in recorded.items()}
    )
    if not paired:
        raise next(iter(failed.values()))
    problems = {f"sub-{label}": error for label, error in failed.items()}
    for _, broken in paired.values():
        problems |= broken
    members = draw_members(job, [*paired])
    runs = [run for label in paired for run in paired[label][0]]
    split = _split(job, runs, members)
    owner = f"group{job.selection.suffix(task)}"
    with limited_threads(job.threads):
        trained = train(job, owner, MODEL, runs, split)
    chosen = {
        label: [
            (run, index) for run, index in _tests(runs, split) if run.files.participant == label
        ]
        for label in members["test"]
    }
    results, lost = job.spread(_Testing(trained), chosen)
    if not results:
        raise next(iter(lost.values()))
    tested = [one for ones in results.values() for one in ones]
    problems |= {f"sub-{label}": error for label, error in lost.items()}
    told = {**before, **problems}
    page = job.out / ("group.html" if alone else f"{owner}.html")

    def write() -> None:
        _write_metrics(job, owner, tested, members)
        maps = _mean_maps(tested)
        if maps is not None:
            _write_maps(job, task, maps, tested)
        publish_model(job, owner, trained)
        report_group(job, page, task, members, runs, split, trained, tested, maps, told, links)

    links = {name: f"{name}{job.selection.suffix()}.html" for name in map("sub-{}".format, paired)}
    links = {name: link for name, link in links.items() if (job.out / link).exists()}
    patterns = [f"{owner}_*", page.name, f"group/**/*task-{task}_*", f"models/{owner}_*/*"]
    facts = {"page": page.name, "dataset": job.dataset_name, "links": links}
    deliver(job, owner, [one.unit for one in tested], patterns, told, facts, write)
    for one in tested:
        log.tell(one.run.files.name, "result", headline(one))
    log.tell(owner, "report", str(page))
    return problems


@dataclass(frozen=True)
class _Pairing:
    """Pair a participant's recordings on the ground that all share; travels to workers."""

    grid: Grid
    channels: tuple[str, ...]

    def __call__(
        self, job: Job, _label: str, recordings: Sequence[Recording]
    ) -> tuple[list[PairedRun], dict[str, AppError]]:
        return pair_all(job, recordings, self.grid, self.channels)


@dataclass(frozen=True)
class _Testing:
    """Test a model on a participant's runs; travels to workers."""

    trained: Trained

    def __call__(
        self, job: Job, _label: str, runs: Sequence[tuple[PairedRun, Index]]
    ) -> list[Tested]:
        return [test(job, self.trained, run, index) for run, index in runs]


def _split(job: Job, runs: Sequence[PairedRun], members: Members) -> Split:
    """Give each run whole to its participant's part."""
    whole = [np.arange(len(run.pairs.volume)) for run in runs]
    parts = {
        part: [
            index if run.files.participant in members[part] else index[:0]
            for run, index in zip(runs, whole, strict=True)
        ]
        for part in ("train", "valid", "test")
    }
    if not members["valid"]:  # too few participants to set one aside
        onsets = [run.pairs.onset[i] for run, i in zip(runs, parts["train"], strict=True)]
        kept, held = hold_back(onsets, job.config.split.valid, job.gap)
        parts |= {"train": list(kept), "valid": list(held)}
    return Split(*(tuple(part) for part in parts.values()))


def _tests(runs: Sequence[PairedRun], split: Split) -> list[tuple[PairedRun, Index]]:
    return [(run, index) for run, index in zip(runs, split.test, strict=True) if len(index)]


def _write_metrics(job: Job, owner: str, tested: Sequence[Tested], members: Members) -> None:
    summaries = [{name: s.summary for name, s in one.scores.items()} for one in tested]
    rows: dict[str, list[Any]] = {"participant_id": [], "run": []}
    for one, by_model in zip(tested, summaries, strict=True):
        rows["participant_id"] += [f"sub-{one.run.files.participant}"] * len(by_model)
        rows["run"] += [one.run.files.name] * len(by_model)
        for column, values in score_rows(by_model).items():
            rows.setdefault(column, []).extend(values)
    models = {
        name: {metric: _mean([s[name][metric] for s in summaries]) for metric in METRICS}
        for name in summaries[0]
    }
    write_table(
        job.out / f"{owner}_metrics.tsv",
        rows,
        metric_columns(),
        metadata={
            "Description": "Scores on participants that the model never saw",
            **sources_of([one.run for one in tested]),
            "participants": members,
            "models": models,
        },
    )


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")


def _mean_maps(tested: Sequence[Tested]) -> GroupMaps | None:
    """Average the maps of all test runs, where their grids lie alike."""
    first, *others = [one.run.recording.bold.affine for one in tested]
    masks = [one.run.pairs.mask for one in tested]
    same = all(mask.shape == masks[0].shape for mask in masks)
    mask = np.logical_and.reduce(masks) if same else np.zeros(1, bool)
    if not mask.any() or not all(np.allclose(affine, first, atol=0.1) for affine in others):
        return None
    maps = [one.scores[one.trained.name].maps for one in tested]
    mean = np.mean([one.target.mean(axis=0) for one in tested], axis=0)
    r, skill = (
        np.where(mask, np.mean([one[name] for one in maps], axis=0), np.nan)
        for name in ("pearsoncorrelation", "skill")
    )
    return GroupMaps(first, mask, mean, r, skill, SPACE)


def _write_maps(job: Job, task: str, maps: GroupMaps, tested: Sequence[Tested]) -> None:
    sources = sources_of([one.run for one in tested])
    for stat, values in (("pearsoncorrelation", maps.r_map), ("skill", maps.skill_map)):
        path = derivative_path(
            job.out / "group",
            job.selection.entities(task),
            "func",
            suffix="boldmap",
            extension=".nii.gz",
            stat=stat,
            desc="synth",
        )
        about = {"Description": f"{MAPS[stat].description} {SPACE}", "Units": MAPS[stat].units}
        write_image(path, values.astype(np.float32), maps.affine, metadata=about | sources)
