"""Killed at any moment, the program goes on to the results of an undisturbed run."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from apart import start
from same import differences, outputs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

LEVELS = {
    "participant": ("participant", "--participant-label", "01"),
    "group": ("group",),
    "optimise": (
        *("participant", "--participant-label", "01", "--optimise", "1", "--iterations", "2"),
        *("--set", "optimise.epochs=1", "--set", "optimise.latent=[2,3]"),
    ),
}
READING = "work/tmp-*/bold.data.npy"
TRAINED = "work/scratch/train/*/fitting.safetensors"
"""What appears while a recording is read, and after the first epoch."""


def seconds_of(process):
    """Processor time that a process, and children that it has waited for, have had."""
    try:
        stat = Path("/proc", str(process.pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    ticks = map(int, stat.rpartition(")")[2].split()[11:15])
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def end_when(process, is_time, how=signal.SIGKILL):
    """Send a signal as soon as it is time, unless the process ends before; tell whether it did."""
    while process.is_alive() and not is_time():
        time.sleep(0.001)
    if process.is_alive():
        os.kill(process.pid, how)
    process.join()
    return process.exitcode != 0


class Runs:
    """Runs of one call, one after the other, each in a process that may be killed."""

    def __init__(self, folder, bids, options):
        self.out, self.said = folder / "out", folder / "said"
        self.call = (self.said, bids, self.out, *options)
        self.heard = ""

    def start(self):
        return start(*self.call)

    def undisturbed(self):
        """Run to the end; give what comes of it and how much processor time it takes."""
        process, taken = self.start(), 0.0
        while process.is_alive():
            taken = max(taken, seconds_of(process))
            time.sleep(0.01)
        process.join()
        self.listen()
        assert process.exitcode == 0, self.heard
        found = outputs(self.out)
        shutil.rmtree(self.out)
        return found, taken

    def listen(self):
        self.heard += self.said.read_text()


def kill_at_random(runs, expected, seconds, times, rng):
    """Kill runs at moments of what work remains; begin anew whenever one ends before."""
    killed = 0
    while killed < times:
        process, moment = runs.start(), rng.uniform(0, seconds)
        if end_when(process, lambda: seconds_of(process) > moment):  # noqa: B023  # used at once
            assert process.exitcode == -signal.SIGKILL, runs.said.read_text()
            killed += 1
        else:
            assert differences(outputs(runs.out), expected) == []
            shutil.rmtree(runs.out)
        runs.listen()


def check_the_end(runs, expected):
    """Let the last run end; nothing may be missing, half written or left behind."""
    process = runs.start()
    process.join()
    runs.listen()
    assert process.exitcode == 0, runs.heard
    assert "Traceback" not in runs.heard
    assert differences(outputs(runs.out), expected) == []
    assert {path.name for path in runs.out.rglob(".*")} <= {".bidsignore"}
    assert [*runs.out.glob("work/tmp-*"), *runs.out.glob("work/scratch/*/*")] == []


def test_killed_at_any_moment_a_participant_goes_on_to_the_same_results(
    simulated, tmp_path, fast, faults
):
    runs = Runs(tmp_path, simulated, (*LEVELS["participant"], *fast))
    expected, seconds = runs.undisturbed()
    for moment, how, code in ((READING, signal.SIGTERM, 75), (TRAINED, signal.SIGKILL, -9)):
        process = runs.start()
        end_when(process, lambda: [*runs.out.glob(moment)], how)  # noqa: B023  # used at once
        assert process.exitcode == code
        runs.listen()
    assert "error: Interrupted. Run the same command again" in runs.heard
    kill_at_random(runs, expected, seconds, faults - 2, np.random.default_rng(0))
    check_the_end(runs, expected)
    assert "taken up after epoch 1" in runs.heard


@pytest.mark.usefixtures("many_faults")
@pytest.mark.parametrize("level", ["group", "optimise"])
def test_killed_at_any_moment_other_levels_go_on_to_the_same_results(
    level, simulated, tmp_path, fast, faults
):
    runs = Runs(tmp_path, simulated, (*LEVELS[level], *fast))
    expected, seconds = runs.undisturbed()
    kill_at_random(runs, expected, seconds, faults // 5, np.random.default_rng(1))
    check_the_end(runs, expected)
