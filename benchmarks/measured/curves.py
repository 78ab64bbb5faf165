"""How time and memory grow with what is given."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from shutil import rmtree
from types import MappingProxyType

import numpy as np

from measured.starts import FAST, participant, quietly
from measured.turns import Clock, Outcome, Row, measure

SMALL = {"volumes": 100, "grid": [9, 10, 9], "channels": 8, "sfreq": 100}
LARGER = {"volumes": 200, "grid": [24, 24, 14], "channels": 16, "sfreq": 250}
"""Whose work is long beside the seconds in which a worker starts."""


@dataclass(frozen=True)
class Curve:
    """One quantity that grows, while the others stay."""

    title: str
    """The work."""
    axis: str
    """What grows, in which unit."""
    row: Row
    """What is measured."""
    options: tuple[Mapping[str, object], ...]
    """What differs from point to point."""
    values: tuple[float, ...]
    """Where each point stands on the axis."""
    clock: Clock = "cpu"
    expected: float = 1.0
    """Slope that costs nothing beyond the work itself."""

    def points(self, turns: int) -> Iterator[Outcome]:
        """Measure point by point, least first."""
        for differing in self.options:
            row = Row(
                title=self.row.title,
                ours=self.row.ours,
                material=self.row.material,
                options={**self.row.options, **differing},
                per=self.row.per,
                warm=self.row.warm,
                threads=self.row.threads,
            )
            yield measure(row, turns)[0]


def slope(values: Sequence[float], seconds: Sequence[float]) -> float:
    """Fit the exponent p of ``seconds ∝ values ** p``, by least squares of the logarithms."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def several(folder: Path, n_cpus: int, **_size: object) -> Callable[[], object]:
    """Ready a call for all participants of a dataset, one thread a process."""
    numbers = count()

    def work() -> None:
        out = folder / f"out{next(numbers)}"
        options = (*FAST, "--n-cpus", str(n_cpus), "--omp-nthreads", "1")
        quietly(participant(folder, out, options))
        rmtree(out)

    return work


_PEOPLE = Row("", "measured.curves:several", material="measured.starts:simulated", warm=False)
_EEG = Row("", "measured.signals:our_pairs", material="measured.signals:recording")
_GRIDS = ((20, 20, 12), (32, 32, 15), (48, 48, 24), (64, 64, 30))
_VOXELS = tuple(x * y * z for x, y, z in _GRIDS)

CURVES: Mapping[str, Curve] = MappingProxyType(
    {
        "participants": Curve(
            "the participant level on small participants",
            "participants",
            _PEOPLE,
            tuple({**SMALL, "participants": n, "n_cpus": 1} for n in (2, 4, 8)),
            (2, 4, 8),
        ),
        "channels": Curve(
            "5 minutes of EEG at 1 kHz to pairs",
            "channels",
            _EEG,
            tuple({"channels": n, "sfreq": 1000, "minutes": 5} for n in (8, 16, 32, 64)),
            (8, 16, 32, 64),
        ),
        "rate": Curve(
            "5 minutes of EEG of 16 channels to pairs",
            "sampling rate in Hz",
            _EEG,
            tuple({"channels": 16, "sfreq": f, "minutes": 5} for f in (250, 500, 1000, 2500, 5000)),
            (250, 500, 1000, 2500, 5000),
        ),
        "training": Curve(
            "a training step, model (iv), batch 4",
            "voxels",
            Row("", "measured.training:steps_on_grid", options={"batch": 4}, per=2),
            tuple({"grid": grid} for grid in _GRIDS),
            _VOXELS,
        ),
        "scores": Curve(
            "all scores of 20 volumes",
            "voxels",
            Row("", "measured.images:our_scores", options={"volumes": 20}),
            tuple({"grid": grid} for grid in _GRIDS),
            _VOXELS,
        ),
        "workers": Curve(
            "the participant level on 4 larger participants",
            "workers",
            _PEOPLE,
            tuple({**LARGER, "participants": 4, "n_cpus": n} for n in (1, 2)),
            (1, 2),
            clock="wall",
            expected=-1.0,
        ),
    }
)
"""By the name under which one is asked for."""
