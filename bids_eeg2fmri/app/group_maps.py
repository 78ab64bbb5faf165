"""Maps of a group: where models err, and which of two errs less (Figs 2, 3, 4 and 11)."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32

from bids_eeg2fmri.app.experiment import Experiment
from bids_eeg2fmri.app.labels import model_label, own_label, sources_of
from bids_eeg2fmri.app.showing import glass_space
from bids_eeg2fmri.app.testing import BASELINE, Tested
from bids_eeg2fmri.bids.images import write_image
from bids_eeg2fmri.bids.write import derivative_path
from bids_eeg2fmri.evaluate.metrics import BOLD_SD, MAPS
from bids_eeg2fmri.evaluate.statistics import MIN_PARTICIPANTS
from bids_eeg2fmri.evaluate.voxelwise import (
    Duel,
    TMap,
    by_participant,
    compare_voxelwise,
    normalise_residuals,
)
from bids_eeg2fmri.model.names import MODELS
from bids_eeg2fmri.report.group import GroupMaps

NATIVE = (
    "The mean over the participants' own grids, voxel by voxel, as in the paper. These are not in "
    "a template space: a voxel is not the same place in every head."
)
COMMON = "The mean over the participants, all in {}, voxel by voxel."
MISSING = "There are no maps of scores, of residuals and of which model errs less"
Pair = tuple[str, str]
"""Two models."""


def mean_maps(experiment: Experiment) -> tuple[GroupMaps | None, str]:
    """Average the maps of the tests in which no model failed, where their grids lie alike.

    Returns
    -------
    The maps, if there can be any, and in words why not or what they rest on if not on every test.
    """
    tested = experiment.mapped
    if not tested:
        reason = f"no test has results of all of {', '.join(experiment.models)}"
        return None, f"{MISSING}: {reason}. What failed stands above."
    affine, *others = [one.run.recording.bold.affine for one in tested]
    masks = [one.run.pairs.mask for one in tested]
    alike = all(mask.shape == masks[0].shape for mask in masks)
    if not alike or not all(np.allclose(other, affine, atol=0.1) for other in others):
        return None, f"{MISSING}: the test runs lie on different grids."
    mask = np.logical_and.reduce(masks)
    if not mask.any():
        return None, f"{MISSING}: no voxel is in the masks of all test runs."
    coverage = ""
    if len(tested) < experiment.n_tests:
        coverage = (
            f"The maps rest on {len(tested)} of {experiment.n_tests} tests, those in which no "
            "model failed."
        )
    return _average(experiment, affine, mask), coverage


def _average(
    experiment: Experiment,
    affine: Float[np.ndarray, "4 4"],
    mask: Bool[np.ndarray, "x y z"],
) -> GroupMaps:
    tested = experiment.mapped
    mean = _mean(one.target.mean(axis=0) for one in tested)
    r, skill = (
        np.where(mask, _mean(one.scores[one.trained.name].maps[name] for one in tested), np.nan)
        for name in ("pearsoncorrelation", "skill")
    )
    residuals = {
        name: np.where(mask, _residual(experiment, name).mean(axis=0), np.nan).astype(np.float32)
        for name in [*experiment.models, BASELINE]
    }
    template = _template(tested)
    space = COMMON.format(template) if template else NATIVE
    files = {
        name: (_path(experiment, stat, _label(experiment, experiment.models[0])),)
        for name, stat in (("r", "pearsoncorrelation"), ("skill", "skill"))
    }
    files |= {"planes": files["r"], "r_glass": files["r"], "skill_glass": files["skill"]}
    links = {
        name: tuple(path.relative_to(experiment.job.out).as_posix() for path in paths)
        for name, paths in files.items()
    }
    return GroupMaps(
        affine, mask, mean, r, skill, residuals, space, glass_space(template, affine), links
    )


def _mean(maps: Iterable[Float32[np.ndarray, "x y z"]]) -> Float32[np.ndarray, "x y z"]:
    """Average maps, of which one is in memory at a time."""
    total, n = np.zeros(()), 0
    for one in maps:
        total, n = total + one, n + 1
    return np.asarray(total / n, np.float32)


def _template(tested: Sequence[Tested]) -> str:
    """Name the template space that all runs say they are in; nothing where they do not."""
    from bids_eeg2fmri.bids.parcels import space_of  # nilearn takes seconds

    spaces = {space_of(one.run.files.bold) or "" for one in tested}
    (only, *others) = spaces
    return only if not others and only.startswith("MNI") else ""


def _path(experiment: Experiment, stat: str, desc: str) -> Path:
    """Say where a map stands."""
    return derivative_path(
        experiment.job.out / "group",
        experiment.job.selection.entities(experiment.task),
        "func",
        suffix="boldmap",
        extension=".nii.gz",
        stat=stat,
        desc=desc,
    )


def _residual(experiment: Experiment, model: str) -> Float32[np.ndarray, "participants x y z"]:
    """Mean absolute residual of a model and participant, in the unit that RMSE has."""
    own: dict[str, list[np.ndarray]] = {}
    for result in experiment.side_by_side:
        if model in (result.model, BASELINE):
            mae = result.tested.scores[model].maps["mae"]
            own.setdefault(result.participant, []).append(mae / result.tested.bold_sd)
    return by_participant(own).astype(np.float32)


def compare_maps(experiment: Experiment, mask: Bool[np.ndarray, "x y z"]) -> dict[Pair, TMap]:
    """Find where each of two models errs less: the models of Table 1, and each with the baseline.

    Figs 4 and 11 of Calhas & Henriques 2022.
    """
    models = experiment.models
    first = [name for name in models if MODELS[name].table != 2] or models
    pairs = [*combinations(first, 2), *((name, BASELINE) for name in models)]
    tested = {one.run.files.participant for one in experiment.mapped}
    return {
        (a, b): compare_voxelwise(
            _residual(experiment, a),
            _residual(experiment, b),
            _duels(experiment, a, b) if len(tested) < MIN_PARTICIPANTS else [],
            mask,
            experiment.job.config.seed,
        )
        for a, b in pairs
    }


def _duels(experiment: Experiment, first: str, second: str) -> list[Duel]:
    """Set two models beside what was observed, each run once: in its first fold and repeat."""
    found: dict[tuple[str, str], Tested] = {}
    for result in experiment.side_by_side:
        found.setdefault((result.model, result.tested.run.files.name), result.tested)
    names = [name for model, name in found if model == experiment.models[0]]
    duels = []
    for name in names:
        one = found[experiment.models[0], name]
        left, right = (
            one.baseline() if model == BASELINE else found[model, name].synthesised
            for model in (first, second)
        )
        duels.append(Duel(one.run.files.participant, one.target, left, right, one.bold_sd))
    return duels


def write_maps(experiment: Experiment, maps: GroupMaps, duels: Mapping[Pair, TMap]) -> None:
    """Write mean maps of the first model, residuals of all, and what pairs of models differ in."""
    sources = sources_of([one.run for one in experiment.mapped])

    def write(stat: str, desc: str, values: np.ndarray, description: str, units: str) -> None:
        about = {"Description": f"{description} {maps.space}", "Units": units}
        path = _path(experiment, stat, desc)
        write_image(path, values.astype(np.float32), maps.affine, metadata=about | sources)

    shown = experiment.models[0]
    for stat, values in (("pearsoncorrelation", maps.r_map), ("skill", maps.skill_map)):
        text = f"{MAPS[stat].description} Model {shown}."
        write(stat, _label(experiment, shown), values, text, MAPS[stat].units)
    for name, values in maps.residuals.items():
        label, whose = _label(experiment, name), f"of {name}."
        write("mae", label, values, f"Mean absolute residual {whose}", BOLD_SD)
        normalised = normalise_residuals(values, maps.mask)
        write("maenorm", label, normalised, f"The same over its maximum, {whose}", "1")
    for (first, second), found in duels.items():
        label = f"{model_label(first)}vs{model_label(second)}"
        for stat, values in (("t", found.t), ("p", found.p), ("q", found.q)):
            text = f"Positive t: {first} errs less than {second}. {found.test}."
            write(stat, label, values, text, "1")


def _label(experiment: Experiment, name: str) -> str:
    return f"synth{own_label(experiment.job.config.models, name)}"
