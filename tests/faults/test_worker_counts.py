"""Every file that is written is the same, however many processes have made it."""

import pytest
from same import differences, outputs

from bids_eeg2fmri import cli

WHOLE = (
    *("--models", "hybrid", "topo-rff", "linear"),
    *("--set", "model.latent=3", "--set", "spectrogram.fmax=30", "--epochs", "2"),
    *("--set", "evaluate.phase_draws=3", "--set", "evaluate.retrained_draws=1"),
    *("--search", "best-validation", "--set", "search.candidates=2"),
    *("--omp-nthreads", "1"),
)
"""Everything that is spread over processes: trainings, candidates, repeats, draws; with figures."""


@pytest.mark.usefixtures("many_faults")
@pytest.mark.parametrize("level", ["participant", "group"])
def test_all_outputs_are_the_same_for_one_two_and_three_processes(level, simulated, tmp_path):
    made = {}
    for n_cpus in (1, 2, 3):
        out = tmp_path / str(n_cpus) / "out"
        out.parent.mkdir()
        call = [simulated, out, level, *WHOLE, "--n-cpus", n_cpus]
        assert cli.main([*map(str, call)]) == 0
        made[n_cpus] = outputs(out)
    assert len(made[1]) > 40
    assert differences(made[1], made[2]) == []
    assert differences(made[1], made[3]) == []
