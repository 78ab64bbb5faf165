"""Processes of this machine that work for this one, and what becomes of items when one is killed.

They are those of loky rather than of joblib's Parallel, which runs a single one in this process.
"""

import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from joblib.externals.loky import (
    ProcessPoolExecutor,
    cpu_count,
    get_reusable_executor,
    process_executor,
)

from bids_eeg2fmri.errors import OutputError, UsageError
from bids_eeg2fmri.runtime.threads import variables

Item = TypeVar("Item")

_IDLE = 60.0
"""Seconds for which a worker waits for more, so that the next one need not import torch again."""
_OF_A_JOB = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")
_PATIENCE = 30.0
"""Seconds that a new worker gives a predecessor to end and leave its GPU."""


def count_cpus(environ: Mapping[str, str]) -> int:
    """Count the processors that this process may use, of however many the machine has.

    That is the least of what its affinity, its control group and, under SLURM, its job allow.
    """
    told = (environ.get(name, "") for name in _OF_A_JOB)
    allowed = [int(count) for count in told if count.isdecimal()]
    return max(1, min([int(cpu_count()), *allowed]))


def name_gpus(count: int, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the GPUs that torch sees as CUDA_VISIBLE_DEVICES does, where it is set already."""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    names = map(str, range(count)) if visible is None else visible.split(",")
    return tuple(name.strip() for name in names)[:count]


def choose_device(name: str, elsewhere: bool) -> tuple[str, tuple[str, ...]]:
    """Choose where networks are trained; name the GPUs of this machine, if it is there.

    Parameters
    ----------
    name
        ``cpu``, ``cuda`` or ``auto``.
    elsewhere
        Whether other machines do the work.

    Raises
    ------
    UsageError
        If there is no GPU where there must be one.
    """
    if name == "cpu":
        return "cpu", ()
    import torch

    there = torch.cuda.is_available()
    if name == "cuda" and not there and not elsewhere:
        raise UsageError("--device cuda: torch sees no GPU here. Use auto or cpu.")
    if name == "auto" and not there:
        return "cpu", ()
    return "cuda", name_gpus(torch.cuda.device_count(), os.environ)


def run_in_workers(
    call: Callable[[Item], Any],
    items: Mapping[int, Item],
    workers: int,
    threads: int,
    gpus: tuple[str, ...],
    take: Callable[[int, Any], None],
) -> list[int]:
    """Run items in processes that may be killed; what a kill interrupts, once more and alone.

    With each kill there is one process fewer for what still waits, as mostly memory was too short
    for so many.

    Returns
    -------
    The items whose process was killed though no other was beside it.
    """
    work_off = partial(_work_off, call, threads=threads, gpus=gpus, take=take)
    waiting, lost = deque(items.items()), list[int]()
    while waiting:
        for interrupted in work_off(waiting, workers):
            lost += [index for index, _ in work_off(deque([interrupted]), 1)]
        workers = max(1, workers - 1)
    return lost


def _work_off(
    call: Callable[[Item], Any],
    waiting: deque[tuple[int, Item]],
    workers: int,
    *,
    threads: int,
    gpus: tuple[str, ...],
    take: Callable[[int, Any], None],
) -> list[tuple[int, Item]]:
    """Hand items to worker processes, those of an earlier call where they live on.

    A process is given one item at a time: when one of them is killed, all end, and nobody tells
    which items they were at.

    Returns
    -------
    What was at work when a process was killed; all else still waits.
    """
    workers = max(1, min(workers, len(waiting)))
    executor = _executor(workers, threads, gpus)
    at_work: dict[Future[Any], tuple[int, Item]] = {}
    try:
        with _bearing_idle_ends():
            while waiting or at_work:
                while waiting and len(at_work) < workers:
                    at_work[executor.submit(call, waiting[0][1])] = waiting[0]
                    waiting.popleft()
                for future in wait(at_work, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    index, _ = at_work.pop(future)
                    take(index, result)
    except BrokenProcessPool:
        executor.shutdown(kill_workers=True)
    except BaseException:
        executor.shutdown(kill_workers=True)
        raise
    return [*at_work.values()]


def _executor(workers: int, threads: int, gpus: tuple[str, ...]) -> ProcessPoolExecutor:
    """Start worker processes, or find those of an earlier call.

    Raises
    ------
    OutputError
        If the system has no place for what they wait at.
    """
    try:
        return get_reusable_executor(
            max_workers=workers,
            timeout=_IDLE,
            initializer=_begin,
            initargs=(os.getpid(), gpus),
            env=variables(threads),
        )
    except OSError as error:  # no semaphores; those of Linux are files in /dev/shm
        raise OutputError(
            f"Processes cannot be started side by side ({error.strerror}). Let /dev/shm be written "
            "to, as container engines do by default, or give --n-cpus 1."
        ) from error


@contextmanager
def _bearing_idle_ends() -> Iterator[None]:
    """Let workers whose time to wait is over end just when more comes; loky starts others.

    It warns of that in a thread of its own, which dies where warnings are errors, and then nobody
    is told of what workers have done.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        yield


def _begin(parent: int, gpus: tuple[str, ...]) -> None:
    """Be the worker of a process, on a GPU of its own where there are some."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent answers it
    # Where psutil is installed, loky takes files that are mapped into memory for a leak, and has
    # their worker give way to a new one, which imports torch again.
    process_executor._USE_PSUTIL = False
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if gpus:  # before torch is loaded, which looks once
        os.environ["CUDA_VISIBLE_DEVICES"] = claim(gpus, parent)


def _end_with(parent: int) -> None:
    """Let this process end when its parent is gone, or it would train on for nobody."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def claim(gpus: tuple[str, ...], parent: int) -> str:
    """Take a GPU that no other living worker of the same parent has; any, if all are taken.

    A claim is a socket's name, which the system gives back when the process ends, however it ends.
    Systems other than Linux have none; there two workers may have the same.
    """
    any_one, count = gpus[os.getpid() % len(gpus)], 0
    if sys.platform != "linux":
        return any_one
    with suppress(OSError):  # /proc may be hidden
        count = os.stat("/proc/self/ns/pid").st_ino  # containers count their processes apart
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        for gpu in gpus:
            claimed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claimed.bind(f"\0bids_eeg2fmri {count} {parent} {gpu}")
            except OSError:
                claimed.close()
            else:
                claimed.detach()  # open until the process ends
                return gpu
        time.sleep(0.1)
    return any_one
