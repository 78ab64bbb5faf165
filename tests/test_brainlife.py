"""`main` as Brainlife runs it; for singularity stands a script that runs the command here."""

import base64
import io
import json
import os
import shutil
from pathlib import Path

import inputs
import options
import product
import pytest
from launched import ROOT, given, stand_in, start
from observed import results
from PIL import Image

from bids_eeg2fmri.arguments import make_parser
from bids_eeg2fmri.errors import MissingInputError, UsageError

# exec -e --bind FOLDER IMAGE COMMAND
SINGULARITY = """echo "$@" > called
[ "$1 $2 $3" = "exec -e --bind" ] && shift 5 && exec "$@"
"""
BRAINVISION, FUNC = (
    "6000753eaacf9e6591a691d9",
    "59b685a08e5d38b0b331ddc5",
)


@pytest.fixture
def task(tmp_path):
    """A folder as the platform makes it: a clone of the repository."""
    folder = tmp_path / "task"
    folder.mkdir()
    for name in ("main", "platforms", "version"):
        (folder / name).symlink_to(ROOT / name)
    stand_in(tmp_path / "bin" / "singularity", SINGULARITY)
    return folder


def run(task, config):
    """Start `main`; what it leaves in product.json comes with it."""
    (task / "config.json").write_text(json.dumps(config))
    done = start(["./main"], task, task.parent / "bin")
    return done, json.loads((task / "product.json").read_text())


def test_main_leaves_results_pages_and_a_product(task, simulated, undisturbed, fast):
    shutil.copytree(undisturbed / "work", task / "work", copy_function=os.link)  # spares a training
    config = {
        "bids": str(simulated),
        "preset": "paper",
        "set": given(fast, "--set"),
        "epochs": 2,
        "n_cpus": 1,
        "omp_nthreads": 1,
        "trigger": "",
        "eeg_onset": None,
        "dry_run": False,
        "_app": "5f0000000000000000000000",
    }
    done, told = run(task, config)
    assert done.returncode == 0, done.stderr
    image, version = ((ROOT / name).read_text().strip() for name in ("platforms/image", "version"))
    bound, named = (task / "called").read_text().split()[3:5]
    assert (bound, named) == (str(task.parent), f"docker://{image}:{version}")
    assert results(task / "output") == results(undisturbed)
    assert not (task / "work").exists()
    assert {page.name for page in (task / "report" / "html").iterdir()} == {
        "index.html",
        "sub-01.html",
        "sub-02.html",
    }
    kinds = [entry["type"] for entry in told["brainlife"]]
    assert (kinds.count("plotly"), kinds[-1]) == (2, "html")
    assert set(told["scores"]) == {"sub-01_task-rest", "sub-02_task-rest"}
    assert (task / "product.json").stat().st_size < 20_000


@pytest.mark.parametrize(
    ("config", "code", "reason"),
    [
        ({"bids": "nowhere"}, 66, "nowhere: no such folder"),
        ({"bids": "b", "epochz": 3}, 64, "no option 'epochz'"),
        ({}, 64, "neither bids nor _inputs"),
    ],
)
def test_main_ends_with_the_exit_code_of_the_app_and_the_product_says_so(
    task, config, code, reason
):
    done, told = run(task, config)
    assert done.returncode == code
    assert reason in done.stderr
    (message,) = told["brainlife"]
    assert message["type"] == "error"
    assert f"exit code {code}" in message["msg"]
    assert told["meta"]["exit_code"] == code


@pytest.fixture
def staged(simulated, tmp_path):
    """The first participant as the platform stages it, and its config.json."""
    raw = simulated / "sub-01"
    names = {
        "eeg/eeg.vhdr": "eeg/sub-01_task-rest_eeg.vhdr",
        "eeg/eeg.vmrk": "eeg/sub-01_task-rest_eeg.vmrk",
        "eeg/eeg.eeg": "eeg/sub-01_task-rest_eeg.eeg",
        "eeg/channels.tsv": "eeg/sub-01_task-rest_channels.tsv",
        "func/bold.nii.gz": "func/sub-01_task-rest_bold.nii.gz",
    }
    for name, source in names.items():
        target = tmp_path / "staged" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(raw / source, target)
    header = tmp_path / "staged" / "eeg" / "eeg.vhdr"
    header.write_bytes(header.read_bytes().replace(b"sub-01_task-rest_eeg", b"eeg"))

    def meta(name):
        return {"subject": "S 1", "session": "pre", "task": "rest"} | json.loads(
            (raw / name).read_text()
        )

    return {
        "eeg": str(header),
        "bold": str(tmp_path / "staged" / "func" / "bold.nii.gz"),
        "_inputs": [
            {
                "id": "eeg",
                "datatype": BRAINVISION,
                "keys": ["eeg"],
                "meta": meta("eeg/sub-01_task-rest_eeg.json"),
            },
            {
                "id": "func",
                "datatype": FUNC,
                "keys": ["bold"],
                "meta": meta("func/sub-01_task-rest_bold.json"),
            },
        ],
    }


def test_staged_inputs_become_a_dataset_whose_clocks_are_tied(staged, tmp_path, app):
    bids = inputs.lay_out(staged, tmp_path / "bids")
    told = app(bids, tmp_path / "out", "participant", "--dry-run", "--json")
    (recording,) = map(json.loads, told.out.splitlines())
    assert recording["eeg"] == "sub-S1/ses-pre/eeg/sub-S1_ses-pre_task-rest_eeg.vhdr"
    assert recording["clock"]["n_volumes"] == 100


def test_inputs_of_one_key_take_turns_and_need_runs_of_their_own(staged, tmp_path):
    staged["bold"] = [staged["bold"]] * 2
    staged["_inputs"].append(json.loads(json.dumps(staged["_inputs"][1])))
    with pytest.raises(UsageError, match=r"two inputs are .*_bold\.nii\.gz\. Set meta\.run"):
        inputs.lay_out(staged, tmp_path / "bids")
    for run, entry in enumerate(staged["_inputs"][1:], start=1):
        entry["meta"]["run"] = f"{run:02d}"
    bids = inputs.lay_out(staged, tmp_path / "bids")
    names = {path.name for path in bids.glob("**/*_bold.nii.gz")}
    assert names == {f"sub-S1_ses-pre_task-rest_run-{run}_bold.nii.gz" for run in ("01", "02")}


@pytest.mark.parametrize(
    ("spoil", "error", "reason"),
    [
        ({"datatype": "0"}, UsageError, "'eeg' is of a datatype that cannot be used"),
        ({"meta": {}}, UsageError, "'eeg' has no meta.subject"),
        ({"keys": ["missing"]}, MissingInputError, "missing: None does not exist"),
    ],
)
def test_an_input_that_cannot_be_placed_is_told_in_one_line(spoil, error, reason, staged, tmp_path):
    staged["_inputs"][0] |= spoil
    with pytest.raises(error, match=reason):
        inputs.lay_out(staged, tmp_path / "bids")


def test_entered_values_become_the_options_they_mean():
    config = {
        "models": "hybrid, topo-rff",
        "set": 'train.batch_size=8; clock.trigger="R 1"',
        "match": ["eeg.task-A=bold.task-B"],
        "stop_on_first_crash": True,
        "verbose": 2,
        "eeg_onset": -0.5,
        "seed": 0,
        "space": None,
        "analysis_level": "group",
    }
    args = make_parser().parse_args(["bids", "output", *options.spell(config)])
    assert args.analysis_level == "group"
    assert args.models == ["hybrid", "topo-rff"]
    assert args.set == ["train.batch_size=8", 'clock.trigger="R 1"']
    assert args.match == ["eeg.task-A=bold.task-B"]
    assert (args.stop_on_first_crash, args.verbose, args.eeg_onset) == (True, 2, -0.5)
    assert (args.seed, args.space) == (0, None)


def test_the_sample_is_a_config_that_the_app_takes():
    config = json.loads((ROOT / "config.json.sample").read_text())
    args = make_parser().parse_args(["bids", "output", *options.spell(config)])
    assert (args.models, args.n_cpus, args.epochs) == (["hybrid"], 8, None)
    for entry in config["_inputs"]:
        assert Path(config[entry["keys"][0]]).name in inputs.KINDS[entry["datatype"]].files


def test_the_product_shows_a_small_picture_of_each_participant(tmp_path):
    figures = tmp_path / "sub-01" / "figures"
    figures.mkdir(parents=True)
    Image.new("RGB", (1600, 400), "navy").save(
        figures / "sub-01_task-rest_stat-r_desc-planes_map.png"
    )
    told = product.describe(tmp_path, 70)
    failure, picture = told["brainlife"]
    assert failure["type"] == "error"
    assert "exit code 70: Some participants failed" in failure["msg"]
    assert (picture["type"], picture["name"]) == ("image/png", "Temporal r, sub-01_task-rest")
    shown = Image.open(io.BytesIO(base64.b64decode(picture["base64"])))
    assert shown.size == (product.WIDTH, 120)


def test_the_product_tells_the_verdict_on_the_group_and_draws_only_scores(tmp_path):
    about = {"hybrid": {"verdict": "informative", "verdict_text": "It beats the mean volume."}}
    (tmp_path / "group_task-rest_metrics.json").write_text(json.dumps({"models": about}))
    (tmp_path / "group_task-rest_desc-models_metrics.json").write_text("{}")
    told = product.describe(tmp_path, 0)
    assert told["brainlife"] == [
        {
            "type": "success",
            "msg": "group_task-rest, hybrid: informative. It beats the mean volume.",
        }
    ]
    assert told["tags"] == ["informative"]
