"""The Boutiques descriptor is the command line, and what it launches is the app."""

import json
import shlex
from pathlib import Path

import boutiques
import make_descriptor
import pytest
from launched import DESCRIPTOR, PLATFORMS, VERSION, start

from bids_eeg2fmri import errors
from bids_eeg2fmri.arguments import make_parser

GIVEN = {"bids_dir": "bids", "output_dir": "out", "analysis_level": "group"}
# Each input with a value, and what the parser makes of it.
VALUES = {
    "participant_label": (["01", "sub-02"], ["01", "sub-02"]),
    "session_label": (["a"], ["a"]),
    "task_id": (["rest", "eyes"], ["rest", "eyes"]),
    "run_id": (["1"], ["1"]),
    "bids_filter_file": ("a filter.json", Path("a filter.json")),
    "match": (["eeg.task-A=bold.task-B", "pairs.tsv"], ["eeg.task-A=bold.task-B", "pairs.tsv"]),
    "eeg_from": ("derivatives/eeg", Path("derivatives/eeg")),
    "echo": ("2", 2),
    "derivatives": (["fmriprep=/data/prep", "/data/other"], ["fmriprep=/data/prep", "/data/other"]),
    "space": ("MNI152NLin2009cAsym:res-2", "MNI152NLin2009cAsym:res-2"),
    "bids_database_dir": ("index", Path("index")),
    "skip_bids_validation": (True, True),
    "trigger": ("Response/R128", "Response/R128"),
    "eeg_onset": (-1e-05, -1e-05),
    "clean_eeg": ("gradient+bcg", "gradient+bcg"),
    "bold_clean": ("detrend", "detrend"),
    "preset": ("paper", "paper"),
    "models": (["hybrid", "topo-rff"], ["hybrid", "topo-rff"]),
    "style": ("prior", "prior"),
    "search": ("darts", "darts"),
    "folds": ("loo", 0),
    "optimise": ([1, 2], [1, 2]),
    "iterations": (5, 5),
    "epochs": (3, 3),
    "seed": (-4, -4),
    "test_participants": (["03"], ["03"]),
    "config": ("best.toml", Path("best.toml")),
    "set": (["a.b=1", 'clock.trigger="R 1"'], ["a.b=1", 'clock.trigger="R 1"']),
    "apply": ("out/models/sub-01_hybrid", Path("out/models/sub-01_hybrid")),
    "atlas": (["a.nii.gz", "a.tsv"], [Path("a.nii.gz"), Path("a.tsv")]),
    "work_dir": ("/scratch/my work", Path("/scratch/my work")),
    "n_cpus": (4, 4),
    "omp_nthreads": (1, 1),
    "device": ("cuda", "cuda"),
    "dask_scheduler": ("tcp://host:8786", "tcp://host:8786"),
    "stop_on_first_crash": (True, True),
    "reports_only": (True, True),
    "dry_run": (True, True),
    "json": (True, True),
    "verbose": ("-vv", 2),
}


def simulate(**inputs):
    """The words of the command that Boutiques makes."""
    invocation = json.dumps({**GIVEN, **inputs})
    return shlex.split(boutiques.execute("simulate", str(DESCRIPTOR), "-i", invocation).stdout)


def parse(words):
    assert words[0] == "bids-eeg2fmri"
    return vars(make_parser().parse_args(words[1:]))


@pytest.mark.parametrize("copy", make_descriptor.COPIES)
def test_the_descriptor_is_up_to_date(copy):
    written = json.loads((PLATFORMS / copy).read_text())
    assert written == make_descriptor.describe(), "run `make platforms`"


def test_boutiques_finds_the_descriptor_valid():
    boutiques.validate(str(DESCRIPTOR))


def test_every_argument_but_help_and_version_is_an_input_that_is_tried_here():
    inputs = {one["id"] for one in json.loads(DESCRIPTOR.read_text())["inputs"]}
    dests = {action.dest for action in make_parser()._actions}
    assert inputs == dests - {"help", "version"} == {*GIVEN, *VALUES}


def test_a_command_of_no_option_asks_for_nothing_but_the_defaults():
    base = {"bids_dir": Path("bids"), "output_dir": Path("out"), "analysis_level": "group"}
    defaults = {name: make_parser().get_default(name) for name in VALUES}
    assert parse(simulate()) == base | defaults


def test_a_command_of_all_inputs_is_understood_as_it_was_meant():
    parsed = parse(simulate(**{name: value for name, (value, _) in VALUES.items()}))
    meant = {name: meant for name, (_, meant) in VALUES.items()}
    assert {name: parsed[name] for name in VALUES} == meant
    assert all(meant[name] != make_parser().get_default(name) for name in VALUES)


def test_any_text_reaches_the_app_as_it_was_entered():
    # But for brackets: [SEED] in a text is where Boutiques puts another input.
    texts = ["two words", "it's", '"', "$HOME `id`", "a;b|c&d", "*", "\\", "--seed=3", "é=µ", "\t"]
    parsed = parse(simulate(set=texts, trigger="-x 'y'"))
    assert (parsed["set"], parsed["trigger"]) == (texts, "-x 'y'")


@pytest.mark.parametrize(
    "inputs",
    [
        {"device": "tpu"},
        {"epochs": 1.5},
        {"atlas": ["a", "b", "c"]},
        {"optimise": [3]},
        {"participant_label": []},
        {"analysis_level": "session"},
    ],
)
def test_boutiques_refuses_what_the_parser_would_refuse(inputs):
    invocation = json.dumps({**GIVEN, **inputs})
    with pytest.raises(boutiques.InvocationValidationError):
        boutiques.invocation(str(DESCRIPTOR), "-i", invocation)


def test_all_documented_exit_codes_are_told():
    told = {one["code"] for one in json.loads(DESCRIPTOR.read_text())["error-codes"]}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    raised = {kind.exit_code for kind in kinds if issubclass(kind, errors.AppError)}
    assert told == raised | {17}


def test_platforms_name_one_image_of_this_version():
    image = f"{(PLATFORMS / 'image').read_text().strip()}:{VERSION}"
    container = json.loads(DESCRIPTOR.read_text())["container-image"]
    bundle = json.loads((PLATFORMS / "nipoppy" / "config.json").read_text())
    uri = bundle["CONTAINER_INFO"]["URI"].replace("[[PIPELINE_VERSION]]", bundle["VERSION"])
    assert (container["image"], uri) == (image, f"docker://{image}")
    zipped = f'bids_eeg2fmri: "{VERSION.replace(".", "-")}"'
    assert zipped in (PLATFORMS / "babs" / "bids-eeg2fmri.yaml").read_text()


def launch(inputs, folder):
    """Let ``bosh`` run the app as it is installed beside this Python."""
    (folder / "invocation.json").write_text(json.dumps(inputs))
    command = ["bosh", "exec", "launch", "--no-container", "--skip-data-collection"]
    return start([*command, DESCRIPTOR, "invocation.json"], folder)


def test_a_launch_without_container_runs_the_app(simulated, tmp_path):
    where = {"bids_dir": str(simulated), "output_dir": "out", "analysis_level": "participant"}
    done = launch({**where, "dry_run": True, "json": True}, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [recording["participant"] for recording in told] == ["01", "02"]
    assert [recording["clock"]["n_volumes"] for recording in told] == [100, 100]


def test_a_launch_ends_with_the_exit_code_of_the_app_and_what_it_means(simulated, tmp_path):
    where = {"bids_dir": str(simulated), "output_dir": "out", "analysis_level": "participant"}
    done = launch({**where, "n_cpus": 0}, tmp_path)
    assert done.returncode == 64
    assert "An argument or a setting cannot be used." in done.stdout
