"""BABS runs the app, one participant a job, with stand-ins for SLURM, singularity and the image."""

import os
import subprocess
import zipfile

import pytest
import yaml
from launched import PLATFORMS, VERSION, given, stand_in, start, tools

DASHED = VERSION.replace(".", "-")
NAME = f"bids-eeg2fmri-{DASHED}"
# run OPTIONS IMAGE ARGUMENTS
SINGULARITY = """while [[ "$1" != */image ]]; do shift; done
shift
exec env PATH="$APP_PATH" PYTHONPATH="$APP_PYTHONPATH" bids-eeg2fmri "$@"
"""
# --export=NAME=VALUE OPTIONS --array=1-N SCRIPT AND ITS THREE ARGUMENTS
SBATCH = """for word in "$@"; do
    case "$word" in
        --export=*) export "${word#--export=}" ;;
        --array=1-*) last=${word#--array=1-} ;;
    esac
done
for i in $(seq "$last"); do
    SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$i bash "${@: -4}" > "job-$i.log" 2>&1
done
echo "Submitted batch job 7"
"""


@pytest.fixture
def babs(tmp_path, monkeypatch):
    """Call a program beside BABS, in a home of its own; nothing of ours is in its way."""
    programs = (tmp_path / "bin", tools("babs"))
    for name, script in {"singularity": SINGULARITY, "sbatch": SBATCH, "squeue": "exit 0"}.items():
        stand_in(tmp_path / "bin" / name, script)
    monkeypatch.setenv("APP_PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    app = start(["sh", "-c", 'echo "$PATH"'], tmp_path).stdout.strip()
    monkeypatch.setenv("APP_PATH", app)

    def call(*words, folder=tmp_path):
        done = start(words, folder, *programs)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for key, value in {"user.name": "Ada", "user.email": "ada@example.org"}.items():
        subprocess.run(["git", "config", "--global", key, value], check=True)
    return call


def configure(folder, raw, fast, path):
    """Fill in what the example leaves to its user, and let a participant take seconds."""
    config = yaml.safe_load((PLATFORMS / "babs" / "bids-eeg2fmri.yaml").read_text())
    config["input_datasets"]["BIDS"]["origin_url"] = str(raw)
    config["script_preamble"] = f'export PATH="{path}"\n'
    config["job_compute_space"] = str(folder / "scratch")
    settings = " --set ".join(given(fast, "--set"))
    config["bids_app_args"] |= {
        "--preset": "paper",
        "--epochs": "2",
        "--omp-nthreads": "1",
        "--set": settings,
    }
    (folder / "scratch").mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def test_babs_runs_one_participant_a_job_and_keeps_what_each_leaves(
    babs, simulated, fast, tmp_path
):
    for name in ("BIDS", "containers"):
        babs("datalad", "create", tmp_path / name)
    babs("cp", "-r", f"{simulated}/.", tmp_path / "BIDS")
    babs("datalad", "save", "-d", tmp_path / "BIDS", "-m", "simulated")
    (tmp_path / "image.sif").write_text("a stand-in\n")
    add = ("datalad", "containers-add", "--url", tmp_path / "image.sif", NAME)
    babs(*add, folder=tmp_path / "containers")
    configure(tmp_path, tmp_path / "BIDS", fast, babs("sh", "-c", 'echo "$PATH"').strip())
    project = tmp_path / "project"
    image = ("--container-ds", tmp_path / "containers", "--container-name", NAME)
    level = ("--processing-level", "subject", "--queue", "slurm")
    babs("babs", "init", *image, "--container-config", tmp_path / "config.yaml", *level, project)
    babs("babs", "submit", project)
    assert "2 job(s) successfully finished" in babs("babs", "status", project)
    babs("babs", "merge", project)
    babs("datalad", "clone", f"ria+file://{project}/output_ria#~data", tmp_path / "merged")
    for label in ("sub-01", "sub-02"):
        archive = f"{label}_bids_eeg2fmri-{DASHED}.zip"
        babs("datalad", "get", archive, folder=tmp_path / "merged")
        with zipfile.ZipFile(tmp_path / "merged" / archive) as held:
            names = set(held.namelist())
        func = f"bids_eeg2fmri/{label}/func/{label}_task-rest_desc"
        assert {f"bids_eeg2fmri/{label}.html", f"{func}-synth_bold.nii.gz"} <= names
