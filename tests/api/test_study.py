"""A study does what the command line does, and leaves the process as it was."""

import copy
import dataclasses
import html
import inspect
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import warnings

import pytest
import torch
from observed import results as written
from observed import stamps

import bids_eeg2fmri
from bids_eeg2fmri import Study, load_results
from bids_eeg2fmri.api.spelling import spell_settings
from bids_eeg2fmri.arguments import make_parser
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.errors import (
    AppError,
    EEGError,
    MissingInputError,
    NothingFoundError,
    PartialFailureError,
    UsageError,
)
from bids_eeg2fmri.presets import PRESETS
from bids_eeg2fmri.settings import from_mapping, override, settings

OF_METHODS = {
    "analysis_level",
    "apply",
    "dry_run",
    "folds",
    "iterations",
    "json",
    "optimise",
    "test_participants",
}
"""What methods of a study take, and it does not itself."""


def process():
    """What a library must not change in the process of its user."""
    loggers = [logging.getLogger(name) for name in ("bids_eeg2fmri", "mne", "nilearn", "pybids")]
    return {
        "environment": dict(os.environ),
        "folders": (os.getcwd(), tempfile.tempdir),
        "signals": [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)],
        "loggers": [(one.level, one.propagate, [*one.handlers]) for one in loggers],
        "warnings": copy.copy(warnings.filters),
        "threads": torch.get_num_threads(),
        "draws": torch.get_rng_state().tolist(),
    }


def test_every_option_is_a_keyword_of_the_same_name():
    options = {action.dest for action in make_parser()._actions} - {"help", "version"}
    keywords = {entry.name for entry in dataclasses.fields(Study)}
    assert keywords - {"settings"} == options - OF_METHODS - {"set"}
    said = inspect.getdoc(Study)
    assert [name for name in keywords if name not in said] == []


def test_a_study_spells_the_command_that_does_the_same():
    study = Study(
        "a b",
        "out",
        participant_label="sub-01",
        match=["eeg.task-A=bold.task-B", "eeg.run-1=bold.run-2"],
        eeg_onset=-1e-5,
        models=("hybrid", "topo-rff"),
        seed=0,
        settings={"train.epochs": 3},
        skip_bids_validation=True,
        stop_on_first_crash=False,
    )
    command = study.command("group", folds="loo", test_participants=())
    assert command == (
        "bids-eeg2fmri 'a b' out group --participant-label sub-01 "
        "--match eeg.task-A=bold.task-B --match eeg.run-1=bold.run-2 --skip-bids-validation "
        "--eeg-onset=-1e-05 --models hybrid topo-rff --seed 0 --set train.epochs=3 --folds loo"
    )
    args = make_parser().parse_args(shlex.split(command)[1:])
    assert (args.eeg_onset, args.folds, args.seed, args.models) == (
        -1e-5,
        0,
        0,
        ["hybrid", "topo-rff"],
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_survive_being_spelt(preset):
    config = from_mapping(PRESETS[preset])
    assert override(Config(), [*spell_settings(dict(settings(config)))]) == config
    assert override(Config(), [*spell_settings(dataclasses.asdict(config))]) == config


@pytest.mark.parametrize("label", ["128", "S  1", " padded ", "true", "3.5", '"', "a=b", "Ä"])
def test_a_text_that_looks_like_something_else_stays_a_text(label):
    (spelt,) = spell_settings({"clock.trigger": label})
    assert override(Config(), [spelt]).clock.trigger == label


@pytest.mark.parametrize(
    ("keywords", "kind", "complaint"),
    [
        ({"settings": {"train.epoch": 3}}, UsageError, "Did you mean train.epochs?"),
        ({"settings": {"train.epochs": object()}}, UsageError, "no setting is of this kind"),
        ({"models": ["resnet"]}, UsageError, "resnet"),
        ({"n_cpus": 0}, UsageError, "--n-cpus 0: give at least 1"),
        ({"config": "nowhere.toml"}, MissingInputError, "no such settings file"),
        ({"participant_label": "77"}, NothingFoundError, "77"),
    ],
)
def test_what_the_command_line_refuses_is_raised(simulated, tmp_path, keywords, kind, complaint):
    with pytest.raises(kind) as error:
        Study(simulated, tmp_path / "out", **keywords).participant()
    assert complaint in str(error.value)


def test_what_the_parser_refuses_is_raised_and_ends_nothing(study):
    with pytest.raises(UsageError, match="Argument --folds: '1' is no number of folds"):
        study.group(folds=1)


def test_a_study_goes_on_from_what_the_command_line_has_done(study, undisturbed, capsys):
    results = study.participant()
    assert written(study.output_dir) == written(undisturbed)
    assert stamps(study.output_dir / "work/train").keys() == {
        study.output_dir / path.relative_to(undisturbed)
        for path in stamps(undisturbed / "work/train")
    }
    assert results.runs == ("sub-01_task-rest", "sub-02_task-rest")
    said = capsys.readouterr()
    assert said.err.count("(kept)") > 10
    assert said.out == ""


def test_the_record_names_the_command_of_a_study(study):
    dataclasses.replace(study, reports_only=True).participant("01")
    page = (study.output_dir / "sub-01.html").read_text()
    assert html.escape(study.command("participant", "01")) in page


def test_a_run_leaves_the_process_as_it_was(study):
    before = process()
    study.participant("01")
    assert process() == before
    with pytest.raises(AppError):
        study.participant("77")
    assert process() == before


def test_a_home_that_cannot_be_written_to_is_lent_for_the_run_alone(study, monkeypatch):
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere/cache")
    before = process()
    study.participant("01")
    assert process() == before


def test_a_quiet_study_says_nothing(study, capsys):
    dataclasses.replace(study, verbose=False).participant("01")
    assert capsys.readouterr() == ("", "")


def test_what_failed_is_told_with_its_reason_and_the_rest_can_be_had(bids_dir, study, capsys):
    eeg = bids_dir / "sub-02/eeg/sub-02_task-rest_eeg.eeg"
    eeg.write_bytes(eeg.read_bytes()[:1000])
    torn = dataclasses.replace(study, bids_dir=bids_dir)
    with pytest.raises(PartialFailureError) as caught:
        torn.participant()
    ((name, reason),) = caught.value.failed.items()
    assert name == "sub-02"
    assert isinstance(reason, EEGError)
    assert "truncated" in str(reason)
    assert "study.results('participant')" in caught.value.__notes__[0]
    assert "sub-01_task-rest" in torn.results().runs
    assert "truncated" in capsys.readouterr().err


def test_results_of_participants_who_were_not_chosen_are_left_out(study):
    assert study.results("participant", "02").runs == ("sub-02_task-rest",)
    with pytest.raises(MissingInputError, match="no results"):
        dataclasses.replace(study, task_id="rest").results()
    assert len(load_results(study.output_dir).runs) == 2


def test_a_look_ahead_is_a_table_and_writes_nothing(simulated, tmp_path, app):
    table = Study(simulated, tmp_path / "out").dry_run("group")
    assert [*tmp_path.iterdir()] == []
    told = app(simulated, tmp_path / "out", "group", "--dry-run", "--json")
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert table["first_volume_eeg_s"].tolist() == [
        row["clock"]["first_volume_eeg_s"] for row in rows
    ]
    assert table["part"].tolist() == [row["part"] for row in rows]
    assert table.index.tolist() == ["sub-01_task-rest", "sub-02_task-rest"]


def test_a_study_shows_what_makes_it(study):
    assert eval(repr(Study("in", "out", epochs=3, task_id=["a"]))) == Study(
        "in", "out", epochs=3, task_id=["a"]
    )
    assert "n_cpus=1" in repr(study)
    assert "trigger" not in repr(study)


def test_to_import_the_package_is_cheap_and_its_names_are_known():
    code = "import sys, bids_eeg2fmri; print(*dir(bids_eeg2fmri)); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, loaded = (set(line.split()) for line in done.stdout.splitlines())
    assert {"Study", "load_model", "load_results"} <= names
    assert not loaded & {"torch", "pandas", "mne", "numpy", "nibabel", "argparse"}
    for name in names & set(bids_eeg2fmri.__all__):
        assert inspect.getdoc(getattr(bids_eeg2fmri, name))


def test_all_that_is_public_is_documented_and_typed():
    for name in bids_eeg2fmri.__all__:
        thing = getattr(bids_eeg2fmri, name)
        members = vars(thing).values() if isinstance(thing, type) else [thing]
        for one in members:
            function = one.fget if isinstance(one, property) else one
            if inspect.isfunction(function) and not function.__name__.startswith("_"):
                assert inspect.getdoc(function), f"{name}.{function.__name__}"
                assert "return" in function.__annotations__, f"{name}.{function.__name__}"


def test_an_empty_table_of_nothing_is_refused(tmp_path):
    with pytest.raises(MissingInputError, match="no such folder"):
        load_results(tmp_path / "nowhere")
    for kind in ("participant", "group", "applied", "search"):
        with pytest.raises(MissingInputError, match="no results"):
            load_results(tmp_path, kind)
