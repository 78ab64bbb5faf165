"""A worker that is killed costs time; one that is killed again costs its item, and is told."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from apart import start
from clusters import scheduling, working
from observed import results
from same import differences, outputs

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.usefixtures("many_faults"),
]

TWO = ("--n-cpus", "2")
LEVELS = {"participants": "participant", "trainings": "group"}


@pytest.fixture
def cluster(tmp_path):
    """A folder for what a cluster needs."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    return folder


def at_work(out, stage):
    """Processes that are writing, or have a training under way, beside the program itself."""
    if stage == "participants":
        return {int(path.name.split("-")[-2]) for path in out.glob("work/tmp-*")}
    found = [*out.glob("work/scratch/train/*/fitting.safetensors")]
    return {int(path.name.split("-")[-2]) for path in out.glob("work/tmp-*")} if found else set()


def kill_workers(process, out, stage, times):
    """Kill a worker, and one that takes over, and so on."""
    killed = set()
    while len(killed) < times and process.is_alive():
        for pid in at_work(out, stage) - {process.pid, *killed}:
            if len(killed) < times and Path("/proc", str(pid)).exists():
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
                break
        time.sleep(0.002)
    process.join()
    return len(killed)


@pytest.mark.parametrize("stage", LEVELS)
@pytest.mark.parametrize("times", [1, 2])
def test_killed_workers_cost_an_item_at_most(stage, times, simulated, tmp_path, fast):
    out, said = tmp_path / "out", tmp_path / "said"
    models = ("--models", "topo-rff", "linear")
    call = (said, simulated, out, LEVELS[stage], *fast, *TWO, *models)
    undisturbed = start(*call)
    undisturbed.join()
    expected = outputs(out)
    out.rename(tmp_path / "undisturbed")
    process = start(*call)
    assert kill_workers(process, out, stage, times) == times
    assert "Traceback" not in said.read_text()
    if process.exitcode:
        assert (times, process.exitcode) == (2, 70)
        assert "The worker was killed, and again with no other beside it" in said.read_text()
    process = start(*call)
    process.join()
    assert process.exitcode == 0
    assert differences(outputs(out), expected) == []


def test_a_killed_worker_of_a_cluster_costs_nothing_but_time(
    simulated, undisturbed, cluster, tmp_path, fast
):
    out, said = tmp_path / "out", tmp_path / "said"
    with scheduling(cluster) as (_, file), working(file) as first, working(file):
        process = start(said, simulated, out, "participant", *fast, "--dask-scheduler", file)
        while process.is_alive() and not [*out.glob("work/tmp-*")]:
            time.sleep(0.002)
        first.kill()
        process.join()
    assert process.exitcode == 0, said.read_text()
    assert results(out) == results(undisturbed)


def test_a_killed_scheduler_is_told_and_a_rerun_goes_on(
    simulated, undisturbed, cluster, tmp_path, fast
):
    out, said = tmp_path / "out", tmp_path / "said"
    call = (said, simulated, out, "participant", *fast)
    with scheduling(cluster) as (scheduler, file), working(file):
        process = start(*call, "--dask-scheduler", file)
        while process.is_alive() and not [*out.glob("work/scratch/train/*/fitting*")]:
            time.sleep(0.002)
        scheduler.kill()
        process.join()
    assert process.exitcode == 75, said.read_text()
    (line,) = [line for line in said.read_text().splitlines() if line.startswith("error: ")]
    assert "Run the same command again" in line
    process = start(*call)
    process.join()
    assert process.exitcode == 0
    assert results(out) == results(undisturbed)
