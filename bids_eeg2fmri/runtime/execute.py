"""One way to spread work over items: in this process, over worker processes, over a cluster.

Results do not depend on the number of workers: they come in the order of the items, every item
draws from its own seed (:func:`seed_for`), and an item's sums are split over ``threads`` threads
however many workers there are. One broken item never stops the others: its error comes back as a
:class:`Failure`.

Work that spreads its own work does so where it is the only one: within a worker, items are done one
after the other, so that workers times threads never exceed the processors.
"""

import hashlib
import json
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from bids_eeg2fmri.errors import AppError, TemporaryError, is_shortage, shortage
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.cluster import Cluster, run_on_cluster
from bids_eeg2fmri.runtime.threads import limited_threads
from bids_eeg2fmri.runtime.workers import run_in_workers

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_WORK: ContextVar[bool] = ContextVar("at_work", default=False)
"""Whether this is a worker at work on an item."""
_KILLED = (
    "The worker was killed, and again with no other beside it, mostly for want of memory. Give "
    "more memory or fewer --n-cpus, and run again."
)
_KILLED_ON_CLUSTER = (
    "Every worker that took it was killed, mostly for want of memory. Give workers more memory, "
    "and run again."
)


@dataclass(frozen=True)
class Pool:
    """Where items are worked on; settled once for a run."""

    workers: int = 1
    """Processes of this machine; with 1, all is done in this one."""
    threads: int = 1
    """Threads of each of them, for linear algebra and torch."""
    gpus: tuple[str, ...] = ()
    """GPUs, as CUDA_VISIBLE_DEVICES names them: each worker sees one of its own. No fewer than
    workers; without any, workers see what this process sees."""
    cluster: Cluster | None = None
    """A dask cluster, whose workers do all the work in the place of processes of this machine."""

    def is_shared(self) -> bool:
        """Tell whether others than this process would work on several items."""
        return not _AT_WORK.get() and (self.cluster is not None or self.workers > 1)


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
    pool: Pool,
    *,
    apart: bool = False,
    on_result: Callable[[Item, Result | Failure[Item]], None] | None = None,
) -> list[Result | Failure[Item]]:
    """Apply ``fn`` to every item; give the results, or what went wrong, in the order of the items.

    Parameters
    ----------
    fn
        A function of a module or a ``functools.partial`` of one. It gets and gives store keys and
        labels rather than arrays. It must bear being run again: where the system kills a worker,
        e.g. out of memory, the items that were at work run once more, one at a time and with no
        other worker; one that is killed again gives a ``Failure`` with a ``TemporaryError``.
    pool
        Where they are worked on. A single item is worked on in this process, so that what it
        spreads itself has all workers; so is everything within a worker. Of a cluster one worker
        does it all, as this process's machine may have neither the memory nor the GPU.
    apart
        Whether one worker is a process of its own too, so that this one outlives a kill.
    on_result
        Called in this process with each item and its result as they come.

    Raises
    ------
    TemporaryError
        On Ctrl-C or SIGTERM; the workers are stopped.
    """
    results: dict[int, Result | Failure[Item]] = {}
    nested = _AT_WORK.get()

    def take(index: int, result: Result | Failure[Item]) -> None:
        results[index] = result
        if on_result is not None:
            on_result(items[index], result)

    with interruptible():
        if not nested and pool.cluster is not None:
            call = partial(_work, fn, threads=pool.threads, where=None)
            lost = run_on_cluster(pool.cluster, call, items, take)
            _give_up(items, lost, _KILLED_ON_CLUSTER, take)
        elif not nested and (apart or min(pool.workers, len(items)) > 1):
            call = partial(_work, fn, threads=pool.threads, where=log.place())
            given = (dict(enumerate(items)), pool.workers, pool.threads, pool.gpus)
            _give_up(items, run_in_workers(call, *given, take), _KILLED, take)
        else:
            for index, item in enumerate(items):
                take(index, perform(fn, item, pool.threads))
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


@contextmanager
def at_work() -> Iterator[None]:
    """Be a worker, which spreads nothing further."""
    token = _AT_WORK.set(True)
    try:
        yield
    finally:
        _AT_WORK.reset(token)


def perform(fn: Callable[[Item], Result], item: Item, threads: int) -> Result | Failure[Item]:
    """Run one item in this process, and turn its error into a value."""
    try:
        with limited_threads(threads):
            return fn(item)
    except AppError as error:
        return Failure(item, error, traceback.format_exc())
    except Exception as error:
        if is_shortage(error):
            return Failure(item, shortage(error), traceback.format_exc())
        # Foreign exceptions may refuse to travel between processes; what they say always can.
        told = RuntimeError(f"{type(error).__name__}: {error}")
        return Failure(item, told, traceback.format_exc())


def _give_up(
    items: Sequence[Item],
    lost: Iterable[int],
    reason: str,
    take: Callable[[int, Failure[Item]], None],
) -> None:
    """Tell of items whose workers are killed again and again."""
    for index in lost:
        error = TemporaryError(reason)
        take(index, Failure(items[index], error, reason, killed=True))


def _work(
    fn: Callable[[Item], Result], item: Item, *, threads: int, where: log.Place | None
) -> Result | Failure[Item]:
    """Run one item as a worker."""
    log.join(where)
    with at_work():
        return perform(fn, item, threads)
