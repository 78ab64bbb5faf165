"""What the report of a saved model on EEG alone shows."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bids_eeg2fmri.app.applied_outputs import path_of
from bids_eeg2fmri.app.applying import Applied, Synthesis, domain_note, montage_in_words, parcels_of
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.reports import reasons_of
from bids_eeg2fmri.app.saved import SavedModel
from bids_eeg2fmri.bids.methods import applied_text
from bids_eeg2fmri.bids.references import REFERENCES
from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.preprocess.quality import power_spectrum
from bids_eeg2fmri.report.applied import (
    AppliedReport,
    AppliedRun,
    Domain,
    ElectrodeMap,
    write_applied_report,
)
from bids_eeg2fmri.report.page import Provenance
from bids_eeg2fmri.report.pictures import Training
from bids_eeg2fmri.report.quality import Spectrum
from bids_eeg2fmri.report.words import counted, number, signed
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.environment import versions

SHOWN = 3
"""Parcels whose signal is shown."""


def report_applied(
    job: Job,
    page: Path,
    label: str,
    model: SavedModel,
    applied: Sequence[Applied],
    problems: Mapping[str, AppError],
) -> None:
    """Write the report of one participant."""
    with log.capture_warnings() as notes:
        report = AppliedReport(
            participant=f"sub-{label}",
            dataset=job.dataset_name,
            model=model.name,
            headline=(f"The verdict on the model: {model.verdict}.", model.reasons),
            caution=model.caution,
            model_facts=_model_facts(model),
            runs=tuple(_run(job, model, one) for one in applied),
            training=_training(model),
            provenance=_provenance(job, model, applied),
            problems=reasons_of(problems),
        )
        write_applied_report(page, report, write_bytes, job.out / f"sub-{label}" / "figures")
    for note in notes:
        log.tell(page.stem, "report", note, logging.WARNING)


def _model_facts(model: SavedModel) -> dict[str, str]:
    card, parts = model.card, model.card["runs"]
    tested = [*card["tested"]["runs"].values()]
    scores = [one["scores"][card["model"]] for one in tested]
    r = _mean([one["pearsoncorrelation"] for one in scores])
    null = _mean([one["r_shifted_eeg"] for one in tested])
    skill = _mean([one["skill"] for one in scores])
    return {
        "Model": f"{model.name} ({card['model']})",
        "Trained on": f"{card['dataset']}: {', '.join(parts['train'])}",
        "By": f"bids_eeg2fmri {card['software']['bids_eeg2fmri']}",
        "Tested on": counted(len(tested), "run"),
        "Temporal r there": f"{number(r)}, with shifted EEG {number(null)}",
        "Skill there": signed(skill),
    }


def _mean(values: Sequence[float | None]) -> float:
    """Average over runs what is defined; NaN where nothing is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")


def _run(job: Job, model: SavedModel, one: Applied) -> AppliedRun:
    heard, found = one.heard, one.synthesis
    eeg, clock, montage, files = heard.eeg, heard.clock, heard.montage, heard.files
    freqs, power = power_spectrum(eeg)
    cfg = model.config.spectrogram
    notes = (*heard.notes, domain_note(job.config.apply, one.synthesis.outside))

    def link(suffix: str, **more: str) -> tuple[str, ...]:
        return (path_of(job, files, suffix, **more).relative_to(job.out).as_posix(),)

    return AppliedRun(
        name=files.name,
        facts={
            "EEG": f"{len(eeg.channels)} channels at {eeg.sfreq:g} Hz for {eeg.duration:.0f} s",
            "Electrodes": montage_in_words(montage),
            "Volumes": f"{len(clock.onset)}, one every {clock.tr:g} s",
            "First volume": f"{clock.onset[0]:g} s into the EEG",
            "EEG file": files.relative(files.eeg),
        },
        mapping=ElectrodeMap(
            model.channels, model.positions, montage.interpolated, montage_in_words(montage)
        ),
        domain=Domain(model.freqs, found.outside, job.config.apply.shifted),
        spectrum=Spectrum(
            freqs, np.percentile(power, [5, 50, 95], axis=0), (cfg.fmin, float(model.freqs[-1]))
        ),
        time=clock.onset,
        courses=_courses(model, found),
        mean=found.mean,
        sd=_in_percent(found),
        mask=model.mask,
        affine=model.affine,
        notes=tuple(note.removeprefix(f"{files.name}: ") for note in notes if note),
        files={
            "mean": link("boldmap", stat="mean", desc="synth"),
            "sd": link("boldmap", stat="std", desc="synth"),
            "time": link("bold", desc="synth"),
        },
    )


def _in_percent(found: Synthesis) -> np.ndarray:
    mean = np.abs(found.mean)
    return np.asarray(100 * np.divide(found.sd, mean, out=np.zeros_like(mean), where=mean > 0))


def _courses(model: SavedModel, found: Synthesis) -> dict[str, np.ndarray]:
    """Pick the signal of the brain, and of the parcels that vary most."""
    percent = 100 * (found.parcels / found.parcels.mean(axis=0) - 1)
    varies = np.nan_to_num(percent.std(axis=0))
    names = parcels_of(model).names
    brain = {"mean over the brain mask": 100 * (found.brain / found.brain.mean() - 1)}
    most = np.argsort(-varies, kind="stable")[:SHOWN]
    return brain | {f"{names[i]} parcel": percent[:, i] for i in most if varies[i] > 0}


def _training(model: SavedModel) -> Training:
    card = model.card
    history = card["history"]
    return Training(
        card["model"],
        tuple(epoch["train_loss"] for epoch in history),
        tuple(epoch["valid_loss"] for epoch in history),
        card["best_epoch"],
        sum(epoch["seconds"] for epoch in history),
        card.get("diverged_in_epoch"),
    )


def _provenance(job: Job, model: SavedModel, applied: Sequence[Applied]) -> Provenance:
    montages = dict.fromkeys(montage_in_words(one.heard.montage) for one in applied)
    window = model.config.window
    times = f"a volume every {model.tr:g} s, from the first on that has {window.start:g} "
    times += f"{'s' if window.unit == 's' else 'repetition times'} of EEG before it"
    if job.config.clock.eeg_onset is not None:
        times += f", such that one lies at {job.config.clock.eeg_onset:g} s"
    text = applied_text(model.name, model.card["dataset"], [*montages], times)
    works = [(work.text, work.url) for work in REFERENCES.values() if work.label in text]
    given = (versions(), job.command, job.config.seed)
    return Provenance(tuple(text.split("\n\n")), tuple(works), *given)
