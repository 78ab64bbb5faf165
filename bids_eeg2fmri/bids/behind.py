"""Let files be written while the next ones are made."""

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from threading import BoundedSemaphore, Event

WAITING = 4
"""Files under way or waiting at most; who comes with another waits, so that memory stays flat."""


class _Writer:
    """Threads that write, and what became of it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.is_stopped = Event()
        self._pool = pool
        self._places = BoundedSemaphore(WAITING)
        self._futures: list[Future[None]] = []

    def submit(self, write: Callable[[], None]) -> None:
        self.tell([future for future in self._futures if future.done()])
        self._places.acquire()
        future = self._pool.submit(copy_context().run, write)
        future.add_done_callback(lambda _: self._places.release())
        self._futures.append(future)

    def tell(self, futures: list[Future[None]] | None = None) -> None:
        """Raise what went wrong in these, or wait for all."""
        for future in self._futures[:] if futures is None else futures:
            self._futures.remove(future)
            future.result()


_WRITER: ContextVar[_Writer | None] = ContextVar("writer", default=None)


@contextmanager
def writing_behind(threads: int) -> Iterator[None]:
    """Let these many threads do what is given to ``write_behind``; all is done at the end.

    Raises
    ------
    Exception
        The first that was raised by what was given, with the next that is given or at the end.
    """
    with ThreadPoolExecutor(threads) as pool:
        writer = _Writer(pool)
        token = _WRITER.set(writer)
        try:
            yield
            writer.tell()
        except BaseException:
            writer.is_stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            _WRITER.reset(token)


def write_behind(write: Callable[[], None]) -> None:
    """Write in another thread, or where there is none, now."""
    writer = _WRITER.get()
    if writer is None:
        write()
    else:
        writer.submit(write)


def stop_if_asked() -> None:
    """Break off what is written by a thread, where the others failed or the user interrupts.

    Raises
    ------
    CancelledError
        It is to stop.
    """
    writer = _WRITER.get()
    if writer is not None and writer.is_stopped.is_set():
        raise CancelledError("The writing of files was broken off.")
