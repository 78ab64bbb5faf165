"""One way to spread work over items: in this process or over worker processes.

Results do not depend on the number of workers: they come in the order of the items, every item
draws from its own seed (:func:`seed_for`), and an item's sums are split over ``threads`` threads
however many workers there are. One broken item never stops the others: its error comes back as a
:class:`Failure`.

Threads are limited in three places, because none reaches everywhere: the environment, for libraries
that are loaded later; threadpoolctl, for BLAS and OpenMP that are loaded; and torch's own count,
where torch is loaded. Torch is not imported for it.
"""

import functools
import hashlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from joblib.externals.loky import get_reusable_executor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

from bids_eeg2fmri.errors import AppError, TemporaryError
from bids_eeg2fmri.runtime import log

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
_IDLE = 60.0
"""Seconds for which a worker waits for more, so that the next one need not import torch again."""


@dataclass(frozen=True)
class Failure(Generic[Item]):
    """What an item gave that could not be done."""

    item: Item
    """The item."""
    error: Exception
    """An ``AppError`` where the reason is known, else a ``RuntimeError`` that quotes the error."""
    traceback: str
    """Where it happened, for the crash file."""
    killed: bool = False
    """Whether nothing is wrong with it but that the system killed its process again and again."""


def map_items(
    fn: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    threads: int,
    apart: bool = False,
    on_result: Callable[[Item, Result | Failure[Item]], None] | None = None,
) -> list[Result | Failure[Item]]:
    """Apply ``fn`` to every item; give the results, or what went wrong, in the order of the items.

    Parameters
    ----------
    fn
        A function of a module or a ``functools.partial`` of one. It gets and gives store keys and
        labels rather than arrays. It must bear being run again: where the system kills a worker,
        e.g. out of memory, the unfinished items run once more, one at a time and with no other
        worker; one that is killed again gives a ``Failure`` with a ``TemporaryError``.
    workers
        Processes; with 1, all is done in this one.
    threads
        Threads of each worker, for linear algebra and torch.
    apart
        Whether one worker is a process of its own too, so that this one outlives a kill.
    on_result
        Called in this process with each item and its result as they come.

    Raises
    ------
    TemporaryError
        On Ctrl-C or SIGTERM; the workers are stopped.
    """
    call = functools.partial(_call, fn, threads=threads, where=log.place())
    results: dict[int, Result | Failure[Item]] = {}

    def take(index: int, result: Result | Failure[Item]) -> None:
        results[index] = result
        if on_result is not None:
            on_result(items[index], result)

    with interruptible():
        if apart or min(workers, len(items)) > 1:
            _in_workers(call, dict(enumerate(items)), workers, threads, take)
        else:
            for index, item in enumerate(items):
                take(index, call(item))
    return [results[index] for index in range(len(items))]


def seed_for(seed: int, *names: str) -> int:
    """Derive a 32-bit seed from the run's seed and the names of what it is for."""
    digest = hashlib.sha256(json.dumps([seed, *names]).encode()).digest()
    return int.from_bytes(digest[:4], "big")


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into a ``TemporaryError``, so that all is put away on the way out.

    Raises
    ------
    TemporaryError
        When either comes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if is_main else None
    try:
        yield
    except KeyboardInterrupt:
        raise TemporaryError(
            "Interrupted. Run the same command again: it goes on from what is finished."
        ) from None
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)


def _in_workers(
    call: Callable[[Item], Any],
    items: Mapping[int, Item],
    workers: int,
    threads: int,
    take: Callable[[int, Any], None],
) -> None:
    """Run items in processes that may be killed; what a kill leaves undone, once more and alone."""
    left = dict(items)

    def tick_off(index: int, result: Any) -> None:
        del left[index]
        take(index, result)

    try:
        _submit(call, items, workers, threads, tick_off)
    except BrokenProcessPool:
        for index, item in left.items():
            try:
                _submit(call, {index: item}, 1, threads, take)
            except BrokenProcessPool:
                error = TemporaryError(
                    "The worker was killed, and again with no other beside it, mostly for want of "
                    "memory. Give more memory or fewer --n-cpus, and run again."
                )
                take(index, Failure(item, error, traceback.format_exc(), killed=True))


def _submit(
    call: Callable[[Item], Any],
    items: Mapping[int, Item],
    workers: int,
    threads: int,
    take: Callable[[int, Any], None],
) -> None:
    """Hand items to worker processes, those of an earlier call where they live on.

    Raises
    ------
    BrokenProcessPool
        If one of them was killed.
    """
    executor = get_reusable_executor(
        max_workers=max(1, min(workers, len(items))),
        timeout=_IDLE,
        initializer=_belong_to,
        initargs=(os.getpid(),),
        env=dict.fromkeys(_THREAD_VARIABLES, str(threads)),
    )
    try:
        futures = {executor.submit(call, item): index for index, item in items.items()}
        for future in as_completed(futures):
            take(futures[future], future.result())
    except BaseException:
        executor.shutdown(kill_workers=True)
        raise


def _belong_to(parent: int) -> None:
    """Let this process end when its parent is gone, or it would train on for nobody."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent answers it

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _call(
    fn: Callable[[Item], Result], item: Item, *, threads: int, where: log.Place | None
) -> Result | Failure[Item]:
    """Run one item wherever this process is, and turn its error into a value."""
    log.join(where)
    try:
        with limited_threads(threads):
            return fn(item)
    except AppError as error:
        return Failure(item, error, traceback.format_exc())
    except Exception as error:
        # Foreign exceptions may refuse to travel between processes; what they say always can.
        told = RuntimeError(f"{type(error).__name__}: {error}")
        return Failure(item, told, traceback.format_exc())


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Hold BLAS, OpenMP and torch to a number of threads."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ |= dict.fromkeys(_THREAD_VARIABLES, str(threads))
    torch = sys.modules.get("torch")
    torch_before = torch.get_num_threads() if torch else None
    if torch:
        torch.set_num_threads(threads)
    try:
        with threadpool_limits(limits=threads):
            yield
    finally:
        if torch:
            torch.set_num_threads(torch_before)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
