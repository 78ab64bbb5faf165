"""The group level: learn on some participants, test on others that the model never saw."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bids_eeg2fmri.app.choosing import Encoders, choose_for_folds
from bids_eeg2fmri.app.delivery import deliver
from bids_eeg2fmri.app.experiment import Experiment
from bids_eeg2fmri.app.group_maps import compare_maps, mean_maps, write_maps
from bids_eeg2fmri.app.group_parcels import score_all, sum_up_parcels, write_group_parcels
from bids_eeg2fmri.app.group_relevance import explain_group, write_group_relevance
from bids_eeg2fmri.app.group_report import SummedUp, report_group
from bids_eeg2fmri.app.group_tables import write_tables
from bids_eeg2fmri.app.group_work import Work, pair_task, test_baselines_of_folds, test_models
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.members import Members, draw_folds, whole_runs
from bids_eeg2fmri.app.outputs import publish_model, write_choices
from bids_eeg2fmri.app.parcels import parcellate
from bids_eeg2fmri.app.plan import Plan
from bids_eeg2fmri.app.recordings import PairedRun, Recording, read_all
from bids_eeg2fmri.app.testing import headline, tell_few_draws
from bids_eeg2fmri.app.triage import attempt, conclude, find, merged
from bids_eeg2fmri.bids.behind import writing_behind
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.train.splits import Split, hold_back


def run_group(job: Job) -> None:
    """Run the group level, task by task.

    Raises
    ------
    AppError
        If participants, runs, trainings or tasks failed, after the others are done.
    """
    tell_few_draws(job)
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
    conclude(found, [*recorded], failed, problems | merged(lost) | refused)


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
    """Train every model on some participants of a task, test on the others; give what failed.

    Parameters
    ----------
    before
        What failed until now; for the report.
    alone
        Whether there is no other task.
    """
    runs, problems = pair_task(job, recorded)
    folds = draw_folds(job, [*dict.fromkeys(run.files.participant for run in runs)])
    owner = f"group{job.selection.suffix(task)}"
    names = _fold_names(owner, len(folds))
    splits = [_split(job, runs, members) for members in folds]
    tested = {label for members in folds for label in members["test"]}
    parcellations, unfit = parcellate(
        job, [run.recording for run in runs if run.files.participant in tested]
    )
    encoders = choose_for_folds(job, names, runs, splits)
    results, exchanges, lost = test_models(job, runs, _trainings(job, names, splits, encoders))
    by_fold = dict(zip(names, splits, strict=True))
    beside, exchanges_beside, unfitted = test_baselines_of_folds(job, runs, by_fold)
    problems |= lost | unfitted | unfit
    experiment = Experiment(
        job=job,
        owner=owner,
        task=task,
        runs=runs,
        folds=folds,
        splits=splits,
        encoders=encoders,
        results=results,
        beside=beside,
        exchanges=[*exchanges, *exchanges_beside],
        parcels=score_all(job, parcellations, results, beside),
    )
    page = job.out / ("group.html" if alone else f"{owner}.html")
    _deliver(experiment, {**before, **problems}, page)
    for one in results:
        text = experiment.which(one) + headline(one.tested)
        log.tell(one.tested.run.files.name, "result", text)
    log.tell(owner, "report", str(page))
    return problems


def _trainings(
    job: Job, names: Sequence[str], splits: Sequence[Split], encoders: Sequence[Encoders]
) -> dict[str, Work]:
    """List what is to be trained: every model in every fold, as often as is asked for."""
    return {
        f"{owner} {model}": Work(
            fold, repeat, Plan(owner, model, splits[fold], encoders[fold].shapes)
        )
        for fold, name in enumerate(names)
        for repeat, owner in enumerate(_repeat_names(name, job.config.split.repeats))
        for model in job.config.models
    }


def _fold_names(owner: str, n: int) -> list[str]:
    """Name what is made in each fold; a single one needs no number."""
    return [owner] if n == 1 else [f"{owner}_fold-{i + 1}" for i in range(n)]


def _repeat_names(owner: str, n: int) -> list[str]:
    """Name what each repeat trains; the first needs no number."""
    return [owner, *(f"{owner}_repeat-{i + 1}" for i in range(1, n))]


def _split(job: Job, runs: Sequence[PairedRun], members: Members) -> Split:
    """Give each run whole to its participant's part."""
    parts = {part: whole_runs(runs, members[part]) for part in ("train", "valid", "test")}
    if not members["valid"]:  # too few participants to set one aside
        onsets = [run.pairs.onset[i] for run, i in zip(runs, parts["train"], strict=True)]
        gap = job.gap(run.clock.tr for run in runs)
        kept, held = hold_back(onsets, job.config.split.valid, gap)
        parts |= {"train": kept, "valid": held}
    return Split(**parts)


def _deliver(experiment: Experiment, problems: Mapping[str, AppError], page: Path) -> None:
    """Write tables, maps, models and report."""
    job, owner = experiment.job, experiment.owner
    links = _pages_of_participants(experiment)

    @writing_behind(job.threads)
    def write() -> None:
        write_tables(experiment)
        found = _sum_up(experiment)
        names = _fold_names(owner, len(experiment.folds))
        for name, encoders in zip(names, experiment.encoders, strict=True):
            write_choices(job, name, encoders)
        for trained in experiment.published:
            # Of several trainings, the first one's scores are the last to be laid down.
            tests = [r.tested for r in reversed(experiment.results) if r.model == trained.name]
            publish_model(job, owner, trained, tests, experiment.verdicts[trained.name])
        report_group(experiment, page, found, problems, links)

    patterns = [f"{owner}_*", f"search/{owner}_*", page.name, f"group/**/*task-{experiment.task}_*"]
    patterns += [f"models/{owner}_*/*"]
    facts = {"page": page.name, "dataset": job.dataset_name, "links": links}
    deliver(job, owner, experiment.units, patterns, problems, facts, write)


def _pages_of_participants(experiment: Experiment) -> dict[str, str]:
    """Name the report of each participant, if there is one: of the chosen recordings or of all."""
    job = experiment.job
    found: dict[str, str] = {}
    for label in dict.fromkeys(run.files.participant for run in experiment.runs):
        pages = (f"sub-{label}{job.selection.suffix()}.html", f"sub-{label}.html")
        found |= {f"sub-{label}": page for page in reversed(pages) if (job.out / page).exists()}
    return found


def _sum_up(experiment: Experiment) -> SummedUp:
    """Sum up maps, parcels and relevance over participants, and write them."""
    maps, coverage = mean_maps(experiment)
    duels = compare_maps(experiment, maps.mask) if maps is not None else {}
    if maps is not None:
        write_maps(experiment, maps, duels)
    parcels, no_parcels = sum_up_parcels(experiment.parcels)
    if parcels is not None:
        write_group_parcels(experiment, parcels)
    explanations = explain_group(experiment, alike=maps is not None)
    for one in explanations.values():
        write_group_relevance(experiment, one)
    return SummedUp(maps, coverage, duels, parcels, no_parcels, tuple(explanations.values()))
