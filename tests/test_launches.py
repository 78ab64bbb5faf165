"""The app launched by Boutiques and nipoppy, each as its users do; takes minutes."""

import csv
import json
import shutil

import pytest
from launched import DESCRIPTOR, PLATFORMS, VERSION, given, stand_in, start, tools
from observed import results

PIPELINE = ("--pipeline", "bids_eeg2fmri", "--pipeline-step")
# Boutiques makes a script of the command and names it last.
APPTAINER = """[ "$1" = --version ] && echo "apptainer version 1.3" && exit
exec /bin/bash "${@: -1}"
"""


def quick(fast):
    """Settings with which a participant takes seconds, as inputs of the descriptor."""
    sizes = {"epochs": 2, "n_cpus": 1, "omp_nthreads": 1}
    return {"preset": "paper", "set": given(fast, "--set"), **sizes}


def test_boutiques_launches_the_app_and_it_leaves_what_it_leaves_by_itself(
    simulated, undisturbed, fast, tmp_path
):
    tools("nipoppy")
    where = {"bids_dir": str(simulated), "output_dir": "out", "analysis_level": "participant"}
    (tmp_path / "invocation.json").write_text(json.dumps({**where, **quick(fast)}))
    command = ["bosh", "exec", "launch", "--no-container", "--skip-data-collection"]
    done = start([*command, DESCRIPTOR, "invocation.json"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(tmp_path / "out") == results(undisturbed)
    pages = {page.name for page in (tmp_path / "out").glob("*.html")}
    assert pages == {"sub-01.html", "sub-02.html"}


def test_the_trials_of_the_descriptor_end_as_they_say(simulated, tmp_path):
    tools("nipoppy")
    (tmp_path / "bids").symlink_to(simulated)
    descriptor = json.loads(DESCRIPTOR.read_text())
    del descriptor["container-image"]  # `bosh test` has no --no-container
    (tmp_path / "here.json").write_text(json.dumps(descriptor))
    done = start(["bosh", "test", "here.json"], tmp_path)
    assert f"{len(descriptor['tests'])} passed" in done.stdout


@pytest.fixture(scope="module")
def with_sessions(simulated, tmp_path_factory):
    """The dataset, each participant of which has a session, as nipoppy likes it."""
    folder = shutil.copytree(simulated, tmp_path_factory.mktemp("sessions") / "bids")
    for file in sorted(folder.glob("sub-*/*/*")):
        old = file.parts[-3]
        new = f"{old}_ses-1"
        target = folder / old / "ses-1" / file.parent.name / file.name.replace(old, new)
        target.parent.mkdir(parents=True, exist_ok=True)
        content = file.read_bytes()
        if file.suffix in (".vhdr", ".vmrk"):
            content = content.replace(old.encode(), new.encode())
        target.write_bytes(content)
        file.unlink()
    for empty in (*folder.glob("sub-*/eeg"), *folder.glob("sub-*/func")):
        empty.rmdir()
    return folder


class Study:
    """A study of nipoppy with our bundle."""

    def __init__(self, folder, bids, *, programs):
        self.folder, self.programs = folder, (programs, folder.parent / "bin")
        stand_in(folder.parent / "bin" / "apptainer", APPTAINER)
        folder.mkdir()
        self.call("init", "--bids-source", bids, "--default-config")
        self.call("pipeline", "install", "--skip-container", PLATFORMS / "nipoppy")
        (folder / "containers" / f"bids_eeg2fmri_{VERSION}.sif").touch()
        self.bundle = folder / "pipelines" / "processing" / f"bids_eeg2fmri-{VERSION}"

    def call(self, *words):
        done = start(["nipoppy", *words], self.folder, *self.programs)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def change(self, name, **values):
        """Edit a file of the installed bundle, as its user may."""
        path = self.bundle / name
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    def track(self, step):
        """Status of each participant."""
        self.call("track-processing", *PIPELINE, step)
        with (self.folder / "derivatives" / "processing_status.tsv").open() as file:
            rows = [row for row in csv.DictReader(file, delimiter="\t") if step in row.values()]
        return {row["participant_id"]: row["status"] for row in rows}


@pytest.fixture
def programs():
    return tools("nipoppy")


def test_nipoppy_takes_the_bundle_as_valid(programs, tmp_path):
    done = start(["nipoppy", "pipeline", "validate", PLATFORMS / "nipoppy"], tmp_path, programs)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nipoppy_runs_one_participant_a_job_then_the_group_and_sees_who_is_done(
    programs, with_sessions, fast, tmp_path
):
    study = Study(tmp_path / "study", with_sessions, programs=programs)
    for name in ("invocation.json", "invocation-group.json"):
        study.change(name, **quick(fast))
    assert "--participant-label 01" in study.call("process", "--simulate", *PIPELINE, "participant")
    study.call("process", *PIPELINE, "participant", "--participant-id", "01")
    assert study.track("participant") == {"01": "SUCCESS", "02": "FAIL"}
    study.call("process", *PIPELINE, "participant")
    assert study.track("participant") == {"01": "SUCCESS", "02": "SUCCESS"}
    assert study.track("group") == {"01": "FAIL", "02": "FAIL"}
    study.call("process", *PIPELINE, "group")
    assert study.track("group") == {"01": "SUCCESS", "02": "SUCCESS"}


def test_nipoppy_sees_who_is_done_where_there_are_no_sessions(
    programs, simulated, undisturbed, tmp_path
):
    study = Study(tmp_path / "study", simulated, programs=programs)
    out = study.folder / "derivatives" / "bids_eeg2fmri" / VERSION / "output"
    shutil.copytree(undisturbed, out, ignore=shutil.ignore_patterns("work", "sub-02*"))
    config = json.loads((study.bundle / "config.json").read_text())
    config["STEPS"][0]["TRACKER_CONFIG_FILE"] = "tracker-without-sessions.json"
    study.change("config.json", STEPS=config["STEPS"])
    assert study.track("participant") == {"01": "SUCCESS", "02": "FAIL"}
