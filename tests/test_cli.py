"""The command line: what is understood, what is refused, and what is only looked at."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from observed import complaints, stamps

from bids_eeg2fmri import __version__
from bids_eeg2fmri.arguments import make_parser
from bids_eeg2fmri.jobs import configure
from bids_eeg2fmri.model.names import ALL_PAPER

RUN = Path(__file__).parents[1] / "run.py"
HEAVY = {"bids", "matplotlib", "mne", "mne_bids", "nibabel", "nilearn", "pandas", "scipy", "torch"}


def imported_by(*argv):
    """Modules that a call of the app loads before it ends."""
    code = (
        "import sys\n"
        "from bids_eeg2fmri.cli import main\n"
        f"code = main({list(argv)})\n"
        "print('loaded:', *sys.modules)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said, _, loaded = done.stdout.partition("loaded: ")
    return done.returncode, said, {name.partition(".")[0] for name in loaded.split()}


def test_version_and_help_load_nothing_heavy():
    for option, answer in (("--version", __version__), ("--help", "--participant-label")):
        code, said, loaded = imported_by(option)
        assert code == 0
        assert answer in said
        assert not loaded & HEAVY


def test_a_mistyped_call_is_refused_before_anything_heavy_is_loaded():
    code, _, loaded = imported_by("data", "out", "participant", "--nonsense")
    assert code == 64
    assert not loaded & HEAVY


def test_run_py_is_the_same_program():
    done = subprocess.run([sys.executable, RUN, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"bids-eeg2fmri {__version__}\n")


def test_the_version_is_that_of_the_version_file():
    assert __version__ == RUN.with_name("version").read_text().strip()


def test_an_unknown_level_has_its_own_code(simulated, tmp_path, app):
    told = app(simulated, tmp_path / "out", "session")
    (line,) = complaints(told)
    assert told.code == 17
    assert "choose from 'participant', 'group'" in line


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--nonsense",), "unrecognized arguments: --nonsense"),
        (("--participant",), "unrecognized arguments: --participant"),  # no guessing
        (("--epochs", "many"), "--epochs: invalid int value: 'many'"),
        (("--epochs", "0"), "train.epochs = 0: must be 1 or more"),
        (("--seed", "-1"), "seed = -1: must be 0 or more"),
        (("--set", "train.epoch=3"), "train.epoch: no such setting. Did you mean train.epochs?"),
        (("--set", "nonsense=3"), "nonsense: no such setting"),
        (("--set", "train.epochs"), "write section.key=value"),
        (("--set", "window.stop=30"), "window.stop = 30.0: must be below window.start"),
        (("--n-cpus", "0"), "--n-cpus 0: give at least 1"),
        (("--omp-nthreads", "0"), "--omp-nthreads 0: give at least 1"),
        (("--json",), "--json goes with --dry-run"),
        (("--search", "darts", "--models", "liu-sajda"), "there is no encoder to search for"),
        (("--test-participants", "01"), "--test-participants is for the group level"),
        (("--device", "tpu"), "--device: invalid choice: 'tpu'"),
        (("--models", "all-papr"), "There is no model 'all-papr'. Did you mean all-paper?"),
        (("--models", "linear", "toporff"), "no model 'toporff'. Did you mean topo-rff?"),
        (("--models", "linear", "--style", "prior"), "'linear' has no attention"),
        (("--models", "all-paper", "--style", "none"), "'linear' has no attention"),
        (("--style", "late"), "--style: invalid choice: 'late'"),
        (("--preset", "papre"), "--preset: invalid choice: 'papre'"),
        (("--search", "best"), "--search: invalid choice: 'best'"),
        (("--set", "search.candidates=0"), "search.candidates = 0: must be 1 or more"),
        (("--folds", "2"), "--folds is for the group level"),
        (("--optimise", "3"), "--optimise: invalid choice: 3"),
        (("--optimise", "1", "--iterations", "0"), "optimise.iterations = 0: must be 1 or more"),
        (("--iterations", "3"), "--iterations goes with --optimise"),
        (("--atlas",), "--atlas: expected at least one argument"),
        (("--atlas", "a.nii", "b.tsv", "c.tsv"), "--atlas: 3 files; give one image"),
        (("--atlas", "a.nii", "--optimise", "1"), "--atlas: a search for hyperparameters scores"),
    ],
)
def test_a_wrong_option_is_one_line(options, complaint, simulated, tmp_path, app):
    told = app(simulated, tmp_path / "out", "participant", *options)
    (line,) = complaints(told)
    assert told.code == 64
    assert complaint in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--folds", "1"), "--folds: '1' is no number of folds; give 2 or more, or loo"),
        (("--folds", "all"), "'all' is no number of folds"),
        (("--folds", "2", "--test-participants", "01"), "with --folds everyone is tested"),
        (("--folds", "loo", "--test-participants", "01"), "with --folds everyone is tested"),
        (("--set", "split.folds=2", "--test-participants", "01"), "everyone is tested"),
    ],
)
def test_a_wrong_option_of_the_group_is_one_line(options, complaint, simulated, tmp_path, app):
    told = app(simulated, tmp_path / "out", "group", *options)
    (line,) = complaints(told)
    assert told.code == 64
    assert complaint in line
    assert not (tmp_path / "out").exists()


def test_settings_come_from_preset_file_set_and_options_the_later_ones_winning(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('[model]\nattention = "softmax"\n[train]\nepochs = 3\nlearning_rate = 0.5\n')
    config = configured(
        *("--epochs", "4", "--set", "train.learning_rate=0.25", "--set", "train.epochs=5"),
        *("--config", str(file), "--preset", "calhas2022-code"),
    )
    assert (config.train.schedule, config.model.attention) == ("constant", "softmax")
    assert (config.train.learning_rate, config.train.epochs) == (0.25, 4)


@pytest.mark.parametrize(
    ("options", "models"),
    [
        ((), ("hybrid",)),
        (("--preset", "paper"), ("topo-rff",)),
        (("--models", "all-paper"), ALL_PAPER),
        (("--models", "linear", "all-paper"), ("linear", *(m for m in ALL_PAPER if m != "linear"))),
        (("--models", "topo", "topo-rff", "--style", "prior"), ("topo-prior", "topo-rff-prior")),
        (("--models", "topo", "topo-prior", "--style", "none"), ("topo-unstyled",)),
        (("--set", 'models=["rff", "linear"]'), ("rff", "linear")),
        (("--set", 'models=["rff"]', "--models", "linear"), ("linear",)),
    ],
)
def test_models_are_listed_once_in_the_order_asked_for(options, models):
    assert configured(*options).models == models


@pytest.mark.parametrize(
    ("options", "folds"), [((), 1), (("--folds", "5"), 5), (("--folds", "loo"), 0)]
)
def test_leaving_one_out_is_a_number_of_folds(options, folds):
    assert configured(*options).split.folds == folds


def configured(*options):
    return configure(make_parser().parse_args(["bids", "out", "group", *options]))


def test_missing_arguments_are_named(tmp_path, app):
    told = app(tmp_path)
    assert (told.code, len(complaints(told))) == (64, 1)
    assert "output_dir, analysis_level" in told.verdict


@pytest.mark.parametrize(
    ("option", "text", "code", "complaint"),
    [
        ("--config", "[train", 64, "not valid TOML"),
        ("--config", "[train]\nepoch = 3\n", 64, "Did you mean train.epochs?"),
        ("--config", None, 66, "no such settings file"),
        ("--bids-filter-file", "{", 64, "not valid JSON"),
        ("--bids-filter-file", "[1]", 64, 'must look like {"bold"'),
        ("--bids-filter-file", '{"bold": {"colour": "red"}}', 64, "colour"),
        ("--bids-filter-file", None, 66, "no such file"),
    ],
)
def test_a_file_of_options_that_cannot_be_used_is_one_line(
    option, text, code, complaint, simulated, tmp_path, app
):
    file = tmp_path / "file"
    if text is not None:
        file.write_text(text)
    told = app(simulated, tmp_path / "out", "participant", option, file)
    (line,) = complaints(told)
    assert told.code == code
    assert complaint in line


def test_held_out_participants_must_exist_and_leave_others_to_learn_from(
    simulated, finished, app, fast
):
    for labels, code, complaint in (
        (("09",), 64, "sub-09 has no usable run. There are sub-01, sub-02"),
        (("01", "02"), 65, "No participant is left to train on: 2 usable, 2 held out. "),
    ):
        told = app(simulated, finished, "group", "--test-participants", *labels, *fast)
        (line,) = complaints(told)
        assert told.code == code
        assert complaint in line


def test_a_latent_space_out_of_reach_names_the_axis(simulated, finished, app, fast):
    options = (*fast, "--participant-label", "01", "--set", "model.latent=9")
    told = app(simulated, finished, "participant", *options)
    (line,) = complaints(told)
    assert told.code == 65
    assert re.search(r"sub-01 .* EEG channels is 8 long: no encoder leads to 9", line)


@pytest.mark.parametrize(
    "spelling",
    [
        ("--participant-label", "02", "--task-id", "rest"),
        ("--participant_label", "02", "--task_id", "rest"),
        ("--participant_label=sub-02", "--task=task-rest"),
        ("--participant-label", "sub-02", "--task", "rest", "--dry_run"),
    ],
)
def test_options_may_be_spelt_with_underscores_and_labels_with_prefixes(
    spelling, simulated, tmp_path, app
):
    told = app(simulated, tmp_path / "out", "participant", "--dry-run", "--json", *spelling)
    assert told.code == 0
    assert [json.loads(line)["participant"] for line in told.out.splitlines()] == ["02"]


def test_a_dry_run_tells_each_recording_and_writes_nothing(bids_dir, tmp_path, app):
    (bids_dir / "sub-02/func/sub-02_task-rest_bold.nii.gz").unlink()
    truth = json.loads((bids_dir / "sourcedata" / "simulation_truth.json").read_text())
    before = stamps(tmp_path)
    told = app(bids_dir, tmp_path / "out", "participant", "--dry-run", "--json")
    assert told.code == 0
    first, second = [json.loads(line) for line in told.out.splitlines()]
    clock = first.pop("clock")
    assert first == {
        "participant": "01",
        "session": None,
        "task": "rest",
        "run": None,
        "eeg": "sub-01/eeg/sub-01_task-rest_eeg.vhdr",
        "bold": "sub-01/func/sub-01_task-rest_bold.nii.gz",
    }
    assert clock.pop("source") == "triggers:Response/R128"
    proof = {"n_markers": 100, "drift_ppm": 0.0, "residual_s": 0.0, "delay_s": 0.0}
    within_a_sample = pytest.approx(truth["participants"]["sub-01"] | proof, abs=0.006)
    assert clock == within_a_sample
    assert second.keys() == {*first, "refused"}
    assert second["eeg"] == "sub-02/eeg/sub-02_task-rest_eeg.vhdr"
    assert second["bold"] is None
    assert "EEG without BOLD" in second["refused"]
    assert stamps(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_a_dry_run_of_a_group_tells_what_each_participant_serves_for(simulated, tmp_path, app):
    call = (simulated, tmp_path / "out", "group", "--dry-run", "--json", "--test-participants")
    rows = [json.loads(line) for line in app(*call, "02").out.splitlines()]
    assert {row["participant"]: row["part"] for row in rows} == {"01": "train", "02": "test"}
    told = app(*call, "99")
    assert told.code == 64
    assert [json.loads(line)["participant"] for line in told.out.splitlines()] == ["01", "02"]
    assert "--test-participants: sub-99 has no usable run" in told.verdict


def test_a_dry_run_refuses_what_a_run_would_refuse(bids_dir, tmp_path, app):
    markers = bids_dir / "sub-02/eeg/sub-02_task-rest_eeg.vmrk"
    markers.write_text(markers.read_text().replace("R128", "S  1").replace("Response", "Stimulus"))
    told = app(bids_dir, tmp_path / "out", "participant", "--dry-run", "--trigger", "R128")
    assert told.code == 0
    one, two = told.out.splitlines()
    assert one == (
        "sub-01_task-rest  triggers:Response/R128  first volume at 38.650 s of the EEG, "
        "100 volumes every 2 s"
    )
    assert two.startswith("sub-02_task-rest  refused: there is no marker 'R128'")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_the_list_of_files_is_never_kept_in_the_raw_dataset(dry, bids_dir, tmp_path, app):
    inside = ("--bids-database-dir", bids_dir / "sub-01" / "index")
    told = app(bids_dir, tmp_path / "out", "participant", *inside, *dry)
    (line,) = complaints(told)
    assert told.code == 64
    assert "--bids-database-dir" in line
    assert "never written to" in line
    assert not inside[1].exists()
    below = ("--bids-database-dir", bids_dir / "derivatives" / "index")
    assert app(bids_dir, tmp_path / "out", "participant", *below, "--dry-run").code == 0


def test_a_dry_run_of_no_dataset_is_one_line(tmp_path, app):
    told = app(tmp_path, tmp_path / "out", "participant", "--dry-run", "--json")
    assert (told.code, told.out, len(complaints(told))) == (16, "", 1)
