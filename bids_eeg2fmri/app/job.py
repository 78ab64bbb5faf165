"""What was asked for, and what became of it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bids_eeg2fmri import __version__
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.bids.sidecars import read_description
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.errors import AppError, DamageError
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.cluster import Cluster
from bids_eeg2fmri.runtime.execute import Failure, Pool, map_items, seed_for
from bids_eeg2fmri.runtime.store import Store

Result = TypeVar("Result")
Work = TypeVar("Work")


FORM = 10
"""Of what is stored; raised when its form changes between releases."""


@dataclass(frozen=True)
class Job:
    """One call of the app."""

    bids_dir: Path
    out: Path
    work: Path
    config: Config
    selection: Selection = field(default_factory=Selection)
    test_participants: tuple[str, ...] = ()
    """Participants to hold out at group level; drawn if none is named."""
    atlas: tuple[Path, ...] = ()
    """Label image that gives the parcels and, if need be, its table; without it some are found."""
    model: Path | None = None
    """Folder of the saved model that is applied to EEG alone."""
    device: str = "cpu"
    """Where networks are trained, as torch names it."""
    n_cpus: int = 1
    """Processors to use."""
    threads: int = 2
    """Threads of each process; results may depend on it, so it never follows from the others."""
    gpus: tuple[str, ...] = ()
    """GPUs to train on, as CUDA_VISIBLE_DEVICES names them; one of them serves one process."""
    scheduler: str = ""
    """Of a dask cluster whose workers do the work: its address, or the file that tells it."""
    stop_on_first_crash: bool = False
    reports_only: bool = False
    """Whether pages are made again from what is stored, and nothing is computed."""
    thorough: bool = False
    """Whether everything that is stored is checked throughout, as some of it was damaged."""
    command: str = ""
    """The command line, for the record."""

    @property
    def store(self) -> Store:
        """Where intermediate results are kept."""
        version = f"{__version__}+{FORM}"
        return Store(self.work, version, frozen=self.reports_only, thorough=self.thorough)

    @property
    def pool(self) -> Pool:
        """Where work is spread; trainings on one GPU would only be in each other's way."""
        workers = max(1, self.n_cpus // self.threads)
        if self.device == "cuda":
            workers = max(1, min(workers, len(self.gpus)))
        return Pool(workers, self.threads, self.gpus, self._cluster)

    @property
    def _cluster(self) -> Cluster | None:
        """A cluster whose workers see all folders that this process uses."""
        if not self.scheduler:
            return None
        where = log.place()
        seen = [self.bids_dir / "dataset_description.json", *self.atlas]
        seen += [self.model] if self.model else []
        seen += [folder.path for folder in self.selection.datasets]
        seen += [where.file] if where and where.file else []  # of this call alone, so proves OUT
        seen = [path for path in seen if path.exists()]
        return Cluster(self.scheduler, self.work, tuple(seen), gpu=self.device == "cuda")

    @property
    def dataset_name(self) -> str:
        """What the dataset calls itself."""
        return str(read_description(self.bids_dir)["Name"])

    def gap(self, trs: Iterable[float]) -> float:
        """Tell how many seconds are left out between the parts of runs with these TRs."""
        gap, window = self.config.split.gap, self.config.window
        return (window.start if gap is None else gap) * max(map(window.seconds, trs))

    def seed_of(self, owner: str, *names: str) -> int:
        """Derive a seed for what is drawn for an owner, e.g. ``sub-01_task-rest``.

        The same recordings give the same numbers, whether they were chosen or are all there are.
        """
        chosen = r"_(ses|task|run)-[^_]+" if owner.startswith("sub-") else r"_(ses|run)-[^_]+"
        return seed_for(self.config.seed, re.sub(chosen, "", owner), *names)

    def spread(
        self,
        fn: Callable[["Job", str, Work], Result],
        work: Mapping[str, Work],
        prefix: str = "sub-",
    ) -> tuple[dict[str, Result], dict[str, AppError]]:
        """Apply ``fn`` to each participant's work; give what came of it and what went wrong.

        Parameters
        ----------
        work
            By label.
        prefix
            What makes a label a name; for messages.

        Raises
        ------
        AppError
            The first error, if the job is to stop there.
        DamageError
            If stored files were damaged, after all else is done.
        """
        done: dict[str, Result] = {}
        failed: dict[str, AppError] = {}
        damage: list[DamageError] = []

        def take(item: tuple[str, Work], result: Result | Failure[tuple[str, Work]]) -> None:
            label = item[0]
            if not isinstance(result, Failure):
                done[label] = result
                return
            if isinstance(result.error, DamageError):
                damage.append(result.error)
                return
            failed[label] = self.explain(prefix + label, result)
            log.tell_failure(prefix + label, failed[label])
            if self.stop_on_first_crash:
                raise failed[label]

        call: Callable[[tuple[str, Work]], Result] = partial(_apply, fn, self)
        map_items(call, [*work.items()], self.pool, on_result=take)
        if damage:
            raise damage[0]
        return {label: done[label] for label in work if label in done}, failed

    def explain(self, name: str, failure: Failure[Any]) -> AppError:
        """Keep the traceback of what nobody foresaw, and name the file that holds it."""
        if isinstance(failure.error, AppError):
            return failure.error
        return log.crash(self.out / "logs", name, str(failure.error), failure.traceback)


def _apply(fn: Callable[[Job, str, Work], Result], job: Job, item: tuple[str, Work]) -> Result:
    return fn(job, *item)
