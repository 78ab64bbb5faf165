"""What the output of each model rests on, over participants that it never saw."""

from bids_eeg2fmri.app.experiment import Experiment
from bids_eeg2fmri.app.explaining import Explained, describe
from bids_eeg2fmri.app.outputs import model_folder, sources_of
from bids_eeg2fmri.app.relevances import write_explanation
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
    return {
        model: _over_people(experiment, model, people, alike=alike)
        for model, people in found.items()
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
    own: list[Relevance] = [average([one.relevance for one in of]) for of in people.values()]
    explained = [one for of in people.values() for one in of]
    verdict = experiment.verdicts[model]
    return describe(experiment.job, average(own), explained, verdict, has_voxels=alike)
