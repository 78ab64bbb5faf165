"""Work on a dask cluster of this machine: the same as on this machine without one."""

import functools
import os
import signal
import threading
from dataclasses import replace

import pytest
from clusters import scheduling, working
from observed import results
from test_execute import break_on_three, count_threads, draw, spread_again

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.errors import EEGError, MissingInputError, UsageError
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.cluster import Cluster, _check, _connected, check
from bids_eeg2fmri.runtime.execute import Failure, Pool, map_items


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The file that tells where the scheduler of two workers is."""
    folder = tmp_path_factory.mktemp("cluster")
    with scheduling(folder) as (_, file), working(file), working(file):
        wait_for_workers(file, 2)
        yield file


def wait_for_workers(file, n):
    with _connected(Cluster(str(file), file.parent)) as (client, _):
        client.wait_for_workers(n)


@pytest.fixture
def there(scheduler, tmp_path):
    """The cluster, for work in a folder of its own."""
    return Cluster(str(scheduler), tmp_path / "work")


def say(label):
    log.tell(f"sub-{label}", "train", "done")
    return os.getpid()


def test_results_on_a_cluster_are_those_of_this_process(there):
    labels, fn = [f"sub-{i:02d}" for i in range(6)], functools.partial(draw, 3)
    assert map_items(fn, labels, Pool(cluster=there)) == map_items(fn, labels, Pool())
    assert map_items(fn, [], Pool(cluster=there)) == []
    assert [*there.work.iterdir()] == []


def test_one_broken_item_never_stops_the_others_on_a_cluster(there):
    told = {}
    pool = Pool(cluster=there)
    found = map_items(break_on_three, [1, 2, 3, 4, 5], pool, on_result=told.__setitem__)
    assert [found[i] for i in (0, 1, 4)] == [1, 2, 5]
    assert all(isinstance(found[i], Failure) for i in (2, 3))
    assert (type(found[2].error), str(found[2].error)) == (EEGError, "sub-03: EEG too short.")
    assert "break_on_three" in found[2].traceback
    assert str(found[3].error) == "StubbornError: this and that"
    assert told.keys() == {1, 2, 3, 4, 5}


def test_workers_of_a_cluster_hold_to_the_threads_of_the_run(there):
    for pools, variable in map_items(count_threads, [0, 1], Pool(1, 2, cluster=there)):
        assert all(n <= (1 if kind == "blas" else 2) for kind, n in pools)
        assert variable == "2"


def test_work_within_a_worker_of_a_cluster_is_spread_no_further(there):
    for worker, inside in map_items(
        functools.partial(spread_again, 1), [0, 1], Pool(cluster=there)
    ):
        assert inside == {worker}


def test_what_workers_of_a_cluster_say_is_told_here_once(there, tmp_path, capsys):
    log.setup(tmp_path / "out", 0)
    workers = map_items(say, ["01", "02", "03"], Pool(cluster=there))
    lines = [f"sub-{label}            train   done" for label in ("01", "02", "03")]
    assert sorted(capsys.readouterr().err.splitlines()) == lines
    (file,) = (tmp_path / "out/logs").iterdir()
    assert sorted(line.split(" ", 2)[2] for line in file.read_text().splitlines()) == lines
    assert os.getpid() not in workers


def test_workers_that_do_not_see_a_folder_are_refused(there, tmp_path):
    with pytest.raises(UsageError, match=r"the worker tcp://127.*elsewhere. Start it where"):
        check(replace(there, seen=(tmp_path / "elsewhere",)))


def test_workers_must_see_the_model_that_is_applied(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    job = Job(tmp_path, tmp_path, tmp_path, Config(), model=model, scheduler="127.0.0.1:9")
    assert model in job.pool.cluster.seen


def test_workers_of_another_version_are_refused(there):
    with _connected(there) as (client, terms):
        other = replace(terms, versions={**terms.versions, "torch": "1.0"})
        with pytest.raises(UsageError, match=r"has torch .*Start both from one environment"):
            _check(client, other)


def test_workers_that_run_two_tasks_in_one_process_are_refused(scheduler, there):
    with working(scheduler, 2):
        wait_for_workers(scheduler, 3)
        with pytest.raises(UsageError, match=r"runs 2 tasks in one process. Start it with --nthr"):
            check(there)


def test_a_worker_that_dies_while_it_is_asked_is_passed_over(scheduler, there):
    with working(scheduler) as third, _connected(there) as (client, terms):
        client.wait_for_workers(3)
        third.send_signal(signal.SIGSTOP)  # it is asked, and does not answer
        threading.Timer(0.5, third.kill).start()
        assert _check(client, terms) == 2


@pytest.mark.parametrize(
    ("scheduler", "error", "says"),
    [
        ("127.0.0.1:9", UsageError, "127.0.0.1:9: no scheduler answers"),
        ("no/such/file.json", MissingInputError, "neither an address .* nor a file"),
        (__file__, UsageError, "not a file of dask scheduler --scheduler-file"),
    ],
)
def test_no_scheduler_is_told(scheduler, error, says, tmp_path):
    with pytest.raises(error, match=says):
        check(Cluster(scheduler, tmp_path, patience=0.5))


def test_a_participant_gives_the_same_bits_on_a_cluster(
    scheduler, simulated, undisturbed, tmp_path, app, fast
):
    call = ("participant", "--participant-label", "01", *fast, "--dask-scheduler", scheduler)
    told = app(simulated, tmp_path / "out", *call)
    assert told.code == 0, told.err
    assert "2 workers at" in told.err
    assert results(tmp_path / "out") == results(undisturbed, "sub-01")
