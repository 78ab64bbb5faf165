import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from bids_eeg2fmri.errors import EEGError, TemporaryError
from bids_eeg2fmri.runtime import workers
from bids_eeg2fmri.runtime.execute import Failure, Pool, map_items, seed_for
from bids_eeg2fmri.runtime.threads import limited_threads
from bids_eeg2fmri.runtime.workers import count_cpus, name_gpus


def square(x):
    return x * x


def draw(seed, label):
    """A result that rests on random numbers and on long sums."""
    rng = np.random.default_rng(seed_for(seed, label))
    return float(np.linalg.norm(rng.standard_normal((200, 200)) @ rng.standard_normal((200, 200))))


def slow_for_early_items(x):
    time.sleep(0.3 if x == 0 else 0)
    return x


def test_without_room_for_semaphores_processes_are_refused_in_words():
    code = (
        "import resource\n"
        "from bids_eeg2fmri.errors import OutputError\n"
        "from bids_eeg2fmri.runtime.execute import Pool, map_items\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # as where /dev/shm is read-only\n"
        "try:\n"
        "    map_items(abs, [1, 2], Pool(2))\n"
        "except OutputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "cannot be started side by side (File too large)" in done.stdout
    assert "--n-cpus 1" in done.stdout


def test_workers_that_end_just_when_more_comes_are_no_error(monkeypatch):
    monkeypatch.setattr(workers, "_IDLE", 0.001)
    assert map_items(square, [1, 2, 3, 4, 5, 6], Pool(2)) == [1, 4, 9, 16, 25, 36]


class StubbornError(Exception):
    """An exception that cannot be rebuilt from its own arguments."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
        self.lock = threading.Lock()  # nor be sent elsewhere


def break_on_three(x):
    if x == 3:
        raise EEGError("sub-03: EEG too short.")
    if x == 4:
        raise StubbornError("this", "that")
    return x


def count_threads(_):
    pools = threadpoolctl.threadpool_info()
    return [(pool["user_api"], pool["num_threads"]) for pool in pools], os.environ[
        "OMP_NUM_THREADS"
    ]


def who(_):
    return os.getpid()


def die_in_a_worker(folder, parent, times, x):
    """Kill the process that this runs in, ``times`` times, if it is a worker and x is 2."""
    marks = len(list(Path(folder).iterdir()))
    if x == 2 and marks < times and os.getpid() != parent:
        (Path(folder) / str(marks)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers):
    assert map_items(slow_for_early_items, [0, 1, 2], Pool(workers)) == [0, 1, 2]


def test_results_do_not_depend_on_the_number_of_workers():
    labels = [f"sub-{i:02d}" for i in range(6)]
    one, two, three = (map_items(functools.partial(draw, 3), labels, Pool(n)) for n in (1, 2, 3))
    assert one == two == three
    assert len(set(one)) == 6


def test_no_items_give_no_results():
    assert map_items(square, [], Pool(2)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_one_broken_item_never_stops_the_others(workers):
    results = map_items(break_on_three, [1, 2, 3, 4, 5], Pool(workers))
    known, unknown = results[2], results[3]
    assert [results[i] for i in (0, 1, 4)] == [1, 2, 5]
    assert isinstance(known, Failure)
    assert known.item == 3
    assert isinstance(known.error, EEGError)
    assert str(known.error) == "sub-03: EEG too short."
    assert "break_on_three" in known.traceback
    assert type(unknown.error) is RuntimeError
    assert str(unknown.error) == "StubbornError: this and that"


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_told_as_they_come(workers):
    told = {}
    map_items(square, [1, 2, 3], Pool(workers), on_result=told.__setitem__)
    assert told == {1: 1, 2: 4, 3: 9}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_worker_holds_to_its_threads(workers, threads):
    for pools, variable in map_items(count_threads, [0, 1], Pool(workers, threads)):
        assert all(n <= (1 if kind == "blas" else threads) for kind, n in pools)
        assert variable == str(threads)


def test_thread_limits_are_lifted_afterwards():
    before = dict(os.environ), threadpoolctl.threadpool_info()
    with limited_threads(1):
        pass
    assert (dict(os.environ), threadpoolctl.threadpool_info()) == before


def test_torch_holds_to_its_threads_without_being_imported_for_it():
    code = (
        "import sys\n"
        "from bids_eeg2fmri.runtime.threads import limited_threads\n"
        "with limited_threads(1):\n"
        "    assert 'torch' not in sys.modules\n"
        "    import torch\n"
        "    assert torch.get_num_threads() == 1\n"
        "before = torch.get_num_threads()\n"
        "with limited_threads(2):\n"
        "    assert torch.get_num_threads() == 2\n"
        "assert torch.get_num_threads() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_worker_killed_once_costs_nothing_but_time(tmp_path):
    fn = functools.partial(die_in_a_worker, str(tmp_path), os.getpid(), 1)
    assert map_items(fn, [0, 1, 2, 3], Pool(2)) == [0, 1, 2, 3]


def test_an_item_that_kills_every_worker_fails_alone(tmp_path):
    fn = functools.partial(die_in_a_worker, str(tmp_path), os.getpid(), 99)
    results = map_items(fn, [0, 1, 2, 3], Pool(2))
    assert [results[i] for i in (0, 1, 3)] == [0, 1, 3]
    assert isinstance(results[2].error, TemporaryError)
    assert "killed" in str(results[2].error)
    assert results[2].killed


def kill_or_meet(folder, x):
    """Kill the process that this runs in if x is 0; of later items, wait for the other one."""
    if x == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if x < 3:
        time.sleep(0.5)  # so that none of the later ones is at work when it is killed
        return x
    (Path(folder) / str(x)).touch()
    until = time.monotonic() + 20
    while len(list(Path(folder).iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    return len(list(Path(folder).iterdir()))


def test_what_waits_when_a_worker_is_killed_goes_on_side_by_side(tmp_path):
    results = map_items(functools.partial(kill_or_meet, str(tmp_path)), [0, 1, 2, 3, 4], Pool(3))
    assert results[0].killed
    assert results[1:] == [1, 2, 2, 2]


def test_one_worker_apart_is_killed_in_the_place_of_this_process(tmp_path):
    fn = functools.partial(die_in_a_worker, str(tmp_path), os.getpid(), 99)
    results = map_items(fn, [0, 1, 2, 3], Pool(1), apart=True)
    assert [results[i] for i in (0, 1, 3)] == [0, 1, 3]
    assert (results[2].item, results[2].killed) == (2, True)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_worker_apart_lives_on_for_what_comes_next():
    first, second = (map_items(who, [0, 1], Pool(1), apart=True) for _ in range(2))
    assert first == second
    assert len({os.getpid(), *first}) == 2


def test_an_error_is_no_kill(tmp_path):
    (failure,) = map_items(break_on_three, [3], Pool(1), apart=True)
    assert isinstance(failure.error, EEGError)
    assert not failure.killed


def test_numbers_are_the_same_apart():
    labels, fn = ["sub-01", "sub-02"], functools.partial(draw, 3)
    here, apart = (map_items(fn, labels, Pool(1), apart=a) for a in (False, True))
    assert here == apart


def spread_again(threads, x):
    """Work that spreads its own work, and the processes in which that is done."""
    return os.getpid(), set(map_items(who, [x, x + 1], Pool(2, threads)))


def see_gpu(folder, x):
    """The GPU of this process, while the other is at work too."""
    (Path(folder) / str(x)).touch()
    while len(list(Path(folder).iterdir())) < 2:
        time.sleep(0.01)
    return os.environ["CUDA_VISIBLE_DEVICES"]


def grow(path, x):
    """Map a large file into memory for good, for so long that loky looks at this process."""
    if x == 1:
        grow.held = np.load(path, mmap_mode="r")
        grow.held[::4096].sum()
        time.sleep(1.1)
    return os.getpid()


def test_work_within_a_worker_is_spread_no_further():
    for worker, inside in map_items(functools.partial(spread_again, 1), [0, 1], Pool(2)):
        assert inside == {worker}
        assert worker != os.getpid()


def test_a_single_item_is_worked_on_here_and_spreads_over_all_workers():
    ((here, inside),) = map_items(functools.partial(spread_again, 1), [0], Pool(2))
    assert here == os.getpid()
    assert here not in inside


@pytest.mark.skipif(sys.platform != "linux", reason="GPUs are claimed by sockets of Linux")
def test_each_worker_sees_a_gpu_of_its_own_again_and_again(tmp_path):
    for again in "ab":
        (tmp_path / again).mkdir()
        fn = functools.partial(see_gpu, str(tmp_path / again))
        assert {*map_items(fn, [0, 1], Pool(2, gpus=("4", "GPU-7")))} == {"4", "GPU-7"}


@pytest.mark.skipif(sys.platform != "linux", reason="GPUs are claimed by sockets of Linux")
def test_a_worker_for_which_no_gpu_is_free_shares_one(monkeypatch):
    monkeypatch.setattr(workers, "_PATIENCE", 0.05)
    own = ("GPU-8", "GPU-9")  # workers of other tests wait for more, each on its GPU
    one, two, three = (workers.claim(own, os.getpid()) for _ in range(3))
    assert {one, two} == {*own}
    assert three in (one, two)


def test_a_killed_worker_gives_its_gpu_to_the_next(tmp_path):
    fn = functools.partial(die_in_a_worker, str(tmp_path), os.getpid(), 1)
    assert map_items(fn, [0, 2], Pool(2, gpus=("0", "1"))) == [0, 2]


@pytest.mark.filterwarnings("default:A worker stopped")  # an error in loky's thread would hang it
def test_a_worker_that_maps_large_files_into_memory_lives_on(tmp_path):
    np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.uint8, (400_000_000,)).flush()
    fn = functools.partial(grow, tmp_path / "large.npy")
    assert len({*map_items(fn, [0, 1, 2, 3], Pool(1), apart=True)}) == 1


def test_gpus_are_named_as_the_environment_names_them():
    assert name_gpus(2, {}) == ("0", "1")
    assert name_gpus(2, {"CUDA_VISIBLE_DEVICES": "3, GPU-5a"}) == ("3", "GPU-5a")
    assert name_gpus(0, {"CUDA_VISIBLE_DEVICES": ""}) == ()
    assert name_gpus(1, {"CUDA_VISIBLE_DEVICES": "0,9"}) == ("0",)


@pytest.mark.skipif(sys.platform != "linux", reason="affinity is of Linux")
def test_processors_are_counted_as_they_are_allowed():
    allowed = len(os.sched_getaffinity(0))
    assert 1 <= count_cpus({}) <= allowed
    assert count_cpus({"SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "2"}) == 1
    assert count_cpus({"SLURM_CPUS_ON_NODE": "4096"}) == count_cpus({})
    code = (
        "import os\n"
        "from bids_eeg2fmri.runtime.workers import count_cpus\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "assert count_cpus({}) == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


WAITING = """
import os, signal, sys, time
from pathlib import Path
from bids_eeg2fmri.runtime.execute import Pool, map_items

def wait(seconds):
    (Path(sys.argv[1]) / str(os.getpid())).touch()
    time.sleep(seconds)

def interrupt(item, result):
    os.kill(os.getpid(), signal.SIGTERM)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    workers, items = int(sys.argv[2]), [float(item) for item in sys.argv[3:]]
    try: map_items(wait, items, Pool(workers), on_result=interrupt)
    except Exception as error: print(type(error).__name__, error)
"""


def interrupted(folder, workers, items, signal_number=None):
    """Run a script that waits, interrupt it, and give what it says and its living workers."""
    (folder / "script.py").write_text(WAITING)
    pids = folder / "pids"
    pids.mkdir()
    command = [sys.executable, folder / "script.py", pids, str(workers), *map(str, items)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while signal_number and len(list(pids.iterdir())) < workers:
            time.sleep(0.01)
        if signal_number:
            process.send_signal(signal_number)
        try:
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()  # or leaving would wait for it
    return said, [path.name for path in pids.iterdir() if is_alive(path.name)]


def is_alive(pid):
    """An ended process whose new parent has not looked yet still has a number."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(sys.platform != "linux", reason="who is alive stands in /proc")
def test_an_interrupt_stops_promptly_and_leaves_no_process(tmp_path, workers, signal_number):
    said, alive = interrupted(tmp_path, workers, [600, 600, 600], signal_number)
    assert said.startswith("TemporaryError Interrupted. Run the same command again")
    assert alive == []


@pytest.mark.skipif(sys.platform != "linux", reason="who is alive stands in /proc")
def test_workers_end_with_a_process_that_is_killed(tmp_path):
    said, alive = interrupted(tmp_path, 2, [600, 600], signal.SIGKILL)
    assert (said, alive) == ("", [])


@pytest.mark.skipif(sys.platform != "linux", reason="who is alive stands in /proc")
def test_an_interrupt_while_results_are_told_stops_promptly_too(tmp_path):
    said, alive = interrupted(tmp_path, 2, [0, 600, 600])
    assert said.startswith("TemporaryError")
    assert alive == []


def test_seeds_are_the_same_everywhere_and_differ_by_name():
    assert seed_for(0, "sub-01", "topo-rff") == 3_392_926_779
    seeds = {seed_for(seed, name) for seed in range(10) for name in ("a", "b", "ab")}
    assert len(seeds) == 30
    assert seed_for(0, "a", "b") != seed_for(0, "ab")
    assert all(0 <= seed < 2**32 for seed in seeds)
