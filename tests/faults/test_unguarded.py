"""Scripts that people write, without a guard, may spread their work too."""

import subprocess
import sys

import pytest

SCRIPT = """
from bids_eeg2fmri import Study

print("begun")
study = Study(
    {bids!r}, "out", preset="paper", epochs=1, n_cpus=2, omp_nthreads=1, verbose=False,
    settings={{"spectrogram.fmax": 10, "model.latent": 2, "evaluate.phase_draws": 0,
               "explain.pairs": 0, "report.figures": False}},
)
print(len(study.participant().runs))
"""


@pytest.mark.usefixtures("many_faults")
def test_a_script_without_a_guard_runs_once_though_workers_help(simulated, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(bids=str(simulated)))
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("begun\n2\n", "", 0)
