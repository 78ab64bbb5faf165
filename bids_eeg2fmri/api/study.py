"""A dataset, where its results go, and how they are made: the command line as an object."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, MISSING, Field, dataclass, field, fields
from typing import Literal, overload

import pandas as pd

from bids_eeg2fmri.api.applied import AppliedResults
from bids_eeg2fmri.api.calls import carry_out, foresee
from bids_eeg2fmri.api.grouped import GroupResults
from bids_eeg2fmri.api.loading import Kind, read_results
from bids_eeg2fmri.api.model import Model
from bids_eeg2fmri.api.results import Results
from bids_eeg2fmri.api.searched import SearchResults
from bids_eeg2fmri.api.spelling import parse, spell_options, spell_settings
from bids_eeg2fmri.api.tested import ParticipantResults
from bids_eeg2fmri.errors import PartialFailureError
from bids_eeg2fmri.jobs import select

Folder = str | os.PathLike[str]
Labels = str | Sequence[str]
Level = Literal["participant", "group"]


@dataclass(frozen=True, repr=False)
class Study:
    """A BIDS dataset and how its EEG and BOLD are to be learnt from.

    Nothing is done before a method asks for it. What a method does, the command line does with the
    same words, and the other way round: files, resuming and errors are the same, and one goes on
    from what the other has done. Every keyword is an option of the command line, of which
    ``docs/reference/cli.md`` tells more; ``settings`` is ``--set``.

    Parameters
    ----------
    bids_dir
        The dataset; nothing is written into it.
    output_dir
        Where results go.
    participant_label, session_label, task_id, run_id
        Which recordings; all if not given. Labels may carry their ``sub-``, ``ses-``, ….
    bids_filter_file
        JSON with pybids filters for ``eeg`` and ``bold``.
    match
        EEG and BOLD that belong together though their labels differ, e.g.
        ``"eeg.task-ECON=bold.task-EC"``.
    eeg_from
        Folder of derivatives whose EEG is taken.
    echo
        Which echo of multi-echo BOLD, or ``"combined"``.
    derivatives
        Output of fMRIPrep outside of the dataset, each ``PATH`` or ``"NAME=PATH"``.
    space
        Take BOLD that fMRIPrep has preprocessed, e.g. ``"MNI152NLin2009cAsym:res-2"``.
    bids_database_dir
        Where the list of the dataset's files is kept.
    skip_bids_validation
        Do not check the dataset first.
    trigger
        Marker that stands for a volume, e.g. ``"R128"``.
    eeg_onset
        EEG time in seconds of the first stored volume, where no marker tells it.
    clean_eeg
        ``"auto"``, ``"none"``, ``"gradient"`` or ``"gradient+bcg"``.
    bold_clean
        ``"none"``, ``"detrend"`` or ``"confounds"``.
    preset
        Settings to start from: ``"recommended"``, ``"paper"`` or ``"calhas2022-code"``.
    models
        Which models are trained, e.g. ``["hybrid", "topo-rff"]``; the preset's if not given.
    style
        Where models with attention take their style from.
    search
        ``"first"``, ``"best-validation"`` or ``"darts"``.
    epochs
        Passes over the training pairs.
    seed
        From which every draw is derived.
    config
        File of settings in TOML.
    settings
        Single settings by ``section.key``, e.g. ``{"spectrogram.fmax": 20}``, or by section as TOML
        has them; they win over ``config``.
    atlas
        Label image of parcels to score, and if need be the table of its labels.
    work_dir
        Intermediate results; ``output_dir/work`` if not given.
    n_cpus
        Processors to use; all that the process may use if not given.
    omp_nthreads
        Threads of each process; results may differ in the last digits with it.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    dask_scheduler
        Address or file of a dask cluster that does the work.
    stop_on_first_crash
        End at the first participant that fails.
    reports_only
        Make reports, tables and images again from what is stored, and compute nothing.
    verbose
        False for warnings and errors alone, True for a line on each step, 2 for details. A notebook
        shows them as its own output, elsewhere they go to stderr.

    Notes
    -----
    Of a process, one study can run at a time. While it does, the number of threads is that of
    ``omp_nthreads``, and an interrupt of the kernel ends it with a ``TemporaryError``; the next call
    goes on from there. Afterwards environment, loggers and signals are as they were.

    Examples
    --------
    >>> study = Study("bids", "out", settings={"train.epochs": 3, "spectrogram.fmax": 20})
    >>> print(study.command("participant", "01"))
    bids-eeg2fmri bids out participant --participant-label 01 --set train.epochs=3 --set spectrogram.fmax=20
    """  # noqa: E501  # the command is one line

    bids_dir: Folder
    output_dir: Folder
    _: KW_ONLY
    participant_label: Labels = ()
    session_label: Labels = ()
    task_id: Labels = ()
    run_id: Labels = ()
    bids_filter_file: Folder | None = None
    match: Labels = ()
    eeg_from: Folder | None = None
    echo: int | Literal["combined"] | None = None
    derivatives: Folder | Sequence[Folder] = ()
    space: str | None = None
    bids_database_dir: Folder | None = None
    skip_bids_validation: bool = False
    trigger: str | None = None
    eeg_onset: float | None = None
    clean_eeg: Literal["auto", "none", "gradient", "gradient+bcg"] | None = None
    bold_clean: Literal["none", "detrend", "confounds"] | None = None
    preset: Literal["recommended", "paper", "calhas2022-code"] | None = None
    models: Labels = ()
    style: Literal["posterior", "prior", "none"] | None = None
    search: Literal["first", "best-validation", "darts"] | None = None
    epochs: int | None = None
    seed: int | None = None
    config: Folder | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    atlas: Folder | Sequence[Folder] = ()
    work_dir: Folder | None = None
    n_cpus: int | None = None
    omp_nthreads: int | None = None
    device: Literal["auto", "cpu", "cuda"] | None = None
    dask_scheduler: str | None = None
    stop_on_first_crash: bool = False
    reports_only: bool = False
    verbose: bool | int = True

    def participant(self, *labels: str) -> ParticipantResults:
        """Learn on the earlier part of each participant's recordings, test on the later.

        Parameters
        ----------
        *labels
            Participants, in the place of ``participant_label``.

        Raises
        ------
        AppError
            If it cannot be done. A ``PartialFailureError`` is raised after all else is done: its
            ``failed`` says what failed and why, and ``study.results()`` gives what was done.
        """
        __tracebackhide__ = True
        self._run("participant", "participant", labels)
        return self.results("participant", *labels)

    def group(
        self,
        *,
        folds: int | Literal["loo"] | None = None,
        test_participants: Labels = (),
    ) -> GroupResults:
        """Learn on some participants, test on others that the model never saw.

        Parameters
        ----------
        folds
            Test every participant once, in so many parts or leaving one out; without it some test.
        test_participants
            Who is held out; drawn by the seed if not given.

        Raises
        ------
        AppError
            If it cannot be done; as :meth:`participant` where a part of it could.
        """
        __tracebackhide__ = True
        self._run("group", "group", folds=folds, test_participants=test_participants)
        return self.results("group")

    def apply(self, model: Folder | Model, *labels: str) -> AppliedResults:
        """Learn nothing, but synthesise BOLD from this dataset's EEG with a saved model.

        Parameters
        ----------
        model
            A folder of ``models/``, or what :func:`load_model` has made of it.
        *labels
            Participants, in the place of ``participant_label``.

        Raises
        ------
        AppError
            If it cannot be done; as :meth:`participant` where a part of it could.
        """
        __tracebackhide__ = True
        folder = model.folder if isinstance(model, Model) else model
        self._run("applied", "participant", labels, apply=folder)
        return self.results("applied", *labels)

    def optimise(
        self, *phases: Literal[1, 2], level: Level = "participant", iterations: int | None = None
    ) -> SearchResults:
        """Search for hyperparameters.

        Parameters
        ----------
        *phases
            1 on BOLD alone, 2 from EEG to BOLD, or both.
        level
            Whether for each participant or over all of them.
        iterations
            Trials of each phase, 100 if not given.

        Raises
        ------
        AppError
            If it cannot be done; as :meth:`participant` where a part of it could.
        """
        __tracebackhide__ = True
        self._run("search", level, optimise=phases, iterations=iterations)
        return self.results("search")

    def dry_run(
        self, level: Level = "participant", *, model: Folder | Model | None = None
    ) -> pd.DataFrame:
        """Say of each recording how its clock is tied, or why it is refused; do nothing.

        Parameters
        ----------
        level
            At ``group``, the column ``part`` says whom a recording would serve.
        model
            One that would be applied to EEG alone.

        Returns
        -------
        One row a recording, by its name; times in seconds.

        Raises
        ------
        AppError
            If the dataset cannot be read, or its participants cannot be divided.
        """
        __tracebackhide__ = True
        folder = model.folder if isinstance(model, Model) else model
        return foresee(self._argv(level, apply=folder, dry_run=True), self.verbose)

    @overload
    def results(
        self, kind: Literal["participant"] = "participant", *labels: str
    ) -> ParticipantResults: ...

    @overload
    def results(self, kind: Literal["group"], *labels: str) -> GroupResults: ...

    @overload
    def results(self, kind: Literal["applied"], *labels: str) -> AppliedResults: ...

    @overload
    def results(self, kind: Literal["search"], *labels: str) -> SearchResults: ...

    def results(self, kind: Kind = "participant", *labels: str) -> Results | SearchResults:
        """Read what stands in the output folder of the chosen recordings; compute nothing.

        Parameters
        ----------
        kind
            Of which level, ``"applied"`` for what :meth:`apply` made, or ``"search"`` for what
            :meth:`optimise` found.
        *labels
            Participants, in the place of ``participant_label``.

        Raises
        ------
        MissingInputError
            If there is nothing of the kind.
        """
        args = parse(self._argv("participant", labels))
        return read_results(args.output_dir, kind, select(args))

    def __repr__(self) -> str:
        """Spell the call that makes it."""
        given = [
            f"{one.name}={getattr(self, one.name)!r}"
            for one in fields(self)[2:]
            if getattr(self, one.name) != _default(one)
        ]
        return f"Study({', '.join([repr(self.bids_dir), repr(self.output_dir), *given])})"

    def command(self, level: Level = "participant", *labels: str, **more: object) -> str:
        """Spell the command that does the same in a shell, on a cluster say."""
        return shlex.join(["bids-eeg2fmri", *self._argv(level, labels, **more)])

    def _argv(self, level: str, labels: Sequence[str] = (), **more: object) -> list[str]:
        """Spell a call as it would be typed."""
        given = {one.name: getattr(self, one.name) for one in fields(self)[2:]}
        del given["verbose"]
        given["set"] = [*spell_settings(given.pop("settings"))]
        if labels:
            given["participant_label"] = labels
        folders = [os.path.expanduser(one) for one in (self.bids_dir, self.output_dir)]
        return [*map(os.fspath, folders), level, *spell_options(given | more)]

    def _run(self, kind: Kind, level: Level, labels: Sequence[str] = (), **more: object) -> None:
        """Make results of a kind."""
        __tracebackhide__ = True
        try:
            carry_out(self._argv(level, labels, **more), self.verbose)
        except PartialFailureError as error:
            error.add_note(
                f"What was done: study.results({kind!r}). Its `failed` says why the rest was not."
            )
            raise


def _default(entry: "Field[object]") -> object:
    return entry.default if entry.default is not MISSING else {}
