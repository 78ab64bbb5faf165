"""Work on a dask cluster, whose workers see the same folders as this process.

Workers get names and keys, and find the data in the store. Before anything is sent, and again
with each item, as workers may join at any time, they are asked whether they are fit: the same
versions, the same folders, one thread that takes items. What they log is told by this process.

dask is imported when a cluster is used. This module must be light: the scheduler imports it too.
"""

import functools
import json
import logging
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bids_eeg2fmri.errors import AppError, MissingInputError, TemporaryError, UsageError
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.environment import prepare_environment, versions

Item = TypeVar("Item")

_AGAIN = "Run the same command again: it goes on from what is finished."


@dataclass(frozen=True)
class Cluster:
    """A dask cluster, and what its workers must share with this process."""

    scheduler: str
    """Address of its scheduler, or the file that tells it."""
    work: Path
    """The work directory, which workers must see and write to."""
    seen: tuple[Path, ...] = ()
    """What else they must see: folders, or a file of a folder."""
    gpu: bool = False
    """Whether each of them must see a GPU."""
    patience: float = 8.0
    """Seconds that the scheduler has to answer."""


@dataclass(frozen=True)
class _Terms:
    """What a worker must be like; travels to it with every item."""

    cluster: Cluster
    token: Path
    """A file in the work directory that no other folder has."""
    versions: Mapping[str, str]
    """Of this process's libraries."""
    topic: str
    """Under which it tells what it logs."""


def _objection(terms: _Terms, dask_worker: Any) -> str:
    """Say why a worker, on which this runs, is not fit; nothing if it is."""
    here, threads = versions(), dask_worker.state.nthreads
    other = [f"{name} {here[name]}" for name, own in terms.versions.items() if here[name] != own]
    if other:
        return f"has {other[0]}, not that of this process. Start both from one environment"
    unseen = [path for path in (terms.token, *terms.cluster.seen) if not path.exists()]
    if unseen:
        place = terms.cluster.work if unseen[0] == terms.token else unseen[0]
        return f"does not see {place}. Start it where that is mounted"
    if threads > 1:
        return f"runs {threads} tasks in one process. Start it with --nthreads 1"
    if terms.cluster.gpu and not _sees_gpu():
        return "sees no GPU. Start it where there is one, or give --device cpu"
    return ""


def _sees_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def check(cluster: Cluster) -> int:
    """Ask a cluster's workers whether they are fit; give how many there are by now.

    Raises
    ------
    AppError
        If there is no such cluster, or they are not.
    """
    with _connected(cluster) as (client, terms):
        return _check(client, terms)


def run_on_cluster(
    cluster: Cluster,
    call: Callable[[Item], Any],
    items: Sequence[Item],
    take: Callable[[int, Any], None],
) -> list[int]:
    """Run items on the workers of a cluster.

    Returns
    -------
    The items whose worker was killed as often as the scheduler has patience.

    Raises
    ------
    TemporaryError
        If the scheduler is gone.
    AppError
        If there is no such cluster, or its workers are not fit.
    """
    from distributed import as_completed
    from distributed.protocol import pickle

    lost: list[int] = []
    with _connected(cluster) as (client, terms):
        _check(client, terms)
        client.subscribe_topic(terms.topic, lambda event: log.pass_on(*event[1]))
        # Pickled apart, so that neither the scheduler nor a worker with other versions reads it.
        futures = {
            client.submit(
                _serve,
                terms,
                pickle.dumps(functools.partial(call, item)),
                key=f"{terms.topic}-{index}",
                pure=False,
            ): index
            for index, item in enumerate(items)
        }
        try:
            for future in as_completed(futures, loop=client.loop):
                if _was_killed(future):
                    lost.append(futures[future])
                    continue
                objection, result = future.result()
                if objection:
                    raise UsageError(f"--dask-scheduler: a worker {objection}.")
                take(futures[future], pickle.loads(result))
        except BaseException:
            with suppress(Exception):  # the scheduler may be gone
                client.cancel([*futures], force=True)
            raise
    return lost


def _serve(terms: _Terms, payload: bytes) -> tuple[str, bytes]:
    """Run one item as a worker of a cluster; give what speaks against it, and the result."""
    from distributed import get_worker
    from distributed.protocol import pickle

    worker = get_worker()
    if objection := _objection(terms, worker):
        return f"({worker.address}) {objection}", b""
    prepare_environment(terms.cluster.work)
    with log.relayed(lambda level, text: worker.log_event(terms.topic, (level, text))):
        return "", pickle.dumps(pickle.loads(payload)())


@contextmanager
def _connected(cluster: Cluster) -> Iterator[tuple[Any, _Terms]]:
    """Be a client of a cluster, with a token in the work directory.

    Raises
    ------
    UsageError
        If there is no scheduler.
    TemporaryError
        If it is gone later.
    """
    from distributed import CancelledError, Client
    from distributed.versions import VersionMismatchWarning

    address = _address(cluster.scheduler)
    name = f"bids_eeg2fmri-{uuid.uuid4().hex}"
    for logger in ("distributed", "distributed.client"):  # dask gives both a level of their own
        logging.getLogger(logger).setLevel(logging.CRITICAL)  # what matters is raised
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)  # looked at by ourselves
        try:
            client = Client(address, timeout=cluster.patience, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UsageError(
                f"--dask-scheduler {cluster.scheduler}: no scheduler answers ({reason}). "
                "Start one, or check the address."
            ) from error
    token = cluster.work / name
    try:
        cluster.work.mkdir(parents=True, exist_ok=True)
        token.touch()
        yield client, _Terms(cluster, token, versions(), name)
    except Exception as error:
        # What dask raises when its scheduler is gone depends on where it was just then.
        known = isinstance(error, AppError)
        if known or (client.status == "running" and not isinstance(error, CancelledError)):
            raise
        raise TemporaryError(f"The dask scheduler at {address} is gone. {_AGAIN}") from error
    finally:
        token.unlink(missing_ok=True)
        client.close(timeout=1)


def _address(scheduler: str) -> str:
    """Read the address of a scheduler, if it is a file that tells it.

    Raises
    ------
    MissingInputError
        If it is neither an address nor a file.
    UsageError
        If the file does not tell it.
    """
    path = Path(scheduler)
    if path.is_file():
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError, KeyError, TypeError):
            raise UsageError(
                f"--dask-scheduler {scheduler}: not a file of dask scheduler --scheduler-file."
            ) from None
    if not scheduler.rpartition(":")[2].isdecimal():
        raise MissingInputError(
            f"--dask-scheduler {scheduler}: neither an address such as tcp://HOST:8786 nor a file."
        )
    return scheduler


def _check(client: Any, terms: _Terms) -> int:
    """Ask all workers there are whether they are fit; give the number of those that answer."""
    answers = client.run(_objection, terms, on_error="return")
    # One that is gone meanwhile is no reason to end; each is asked again with whatever it takes.
    answers = {worker: one for worker, one in answers.items() if not isinstance(one, OSError)}
    for worker, answer in answers.items():
        if isinstance(answer, BaseException):
            answer = f"cannot run bids_eeg2fmri ({type(answer).__name__}: {answer}). Install it"
        if answer:
            raise UsageError(f"--dask-scheduler: the worker {worker} {answer}.")
    return len(answers)


def _was_killed(future: Any) -> bool:
    """Tell whether a future failed since workers were killed.

    Raises
    ------
    AppError
        If it failed for another reason, which no item gives.
    """
    from distributed import KilledWorker

    if future.status != "error":
        return False
    error = future.exception()
    if isinstance(error, KilledWorker):
        return True
    raise AppError(
        f"--dask-scheduler: the cluster cannot run bids_eeg2fmri ({type(error).__name__}: "
        f"{' '.join(str(error).split())[:200]}). Start scheduler and workers from one environment."
    )
