"""What the output of each model rests on, over participants that it never saw."""

from collections.abc import Sequence

from bids_eeg2fmri.app.experiment import Experiment
from bids_eeg2fmri.app.explaining import Explained, describe
from bids_eeg2fmri.app.labels import model_folder, sources_of
from bids_eeg2fmri.app.relevances import linked, write_explanation
from bids_eeg2fmri.explain.relevance import average
from bids_eeg2fmri.report.explanation import Explanation
from bids_eeg2fmri.types import Relevance


def explain_group(experiment: Experiment, *, alike: bool) -> dict[str, Explanation]:
    """Average by model what tests rest on, each participant's runs and trainings first.

    Parameters
    ----------
    alike
        Whether the grids of all participants lie alike, so that there can be a map.
    """
    found: dict[str, dict[str, list[Explained]]] = {}
    for result in experiment.results:
        if result.explained is not None:
            people = found.setdefault(result.model, {})
            people.setdefault(result.participant, []).append(result.explained)
    job, entities = experiment.job, experiment.job.selection.entities(experiment.task)
    return {
        model: linked(
            job,
            job.out / "group",
            entities,
            _over_people(experiment, model, found[model], alike=alike),
        )
        for model in experiment.models
        if model in found
    }


def write_group_relevance(experiment: Experiment, given: Explanation) -> None:
    """Write what the output of one model rests on."""
    job = experiment.job
    runs = [one.tested.run for one in experiment.results if one.model == given.model]
    (trained,) = [one for one in experiment.published if one.name == given.model]
    about = {**sources_of(runs), "Model": model_folder(experiment.owner, trained)}
    entities = job.selection.entities(experiment.task)
    write_explanation(job, job.out / "group", entities, given, about)


def _over_people(
    experiment: Experiment, model: str, people: dict[str, list[Explained]], *, alike: bool
) -> Explanation:
    own = [_over_tests(of) for of in people.values()]
    explained = [one for of in people.values() for one in of]
    verdict, n_pairs = experiment.verdicts[model], sum(one.n_pairs for one in own)
    whole = average(own, n_pairs)
    return describe(experiment.job, whole, explained, verdict, has_voxels=alike)


def _over_tests(explained: Sequence[Explained]) -> Relevance:
    """Average over runs and trainings of one participant; the latter are of the same pairs."""
    found = {one.unit.key: (one.run.files.name, one.relevance) for one in explained}
    n_pairs = {run: relevance.n_pairs for run, relevance in found.values()}
    return average([relevance for _, relevance in found.values()], sum(n_pairs.values()))
