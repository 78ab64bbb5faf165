"""What came of one participant; of a group, that is ``experiment.py``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bids_eeg2fmri.app.baselines import Beside
from bids_eeg2fmri.app.choosing import Encoders
from bids_eeg2fmri.app.explaining import Explained
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.parcels import ParcelTest
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.testing import Tested
from bids_eeg2fmri.app.training import Trained
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.train.splits import Split


@dataclass(frozen=True)
class Findings:
    """All that files and report of a participant are made from."""

    job: Job
    owner: str
    """Whose they are, e.g. ``sub-01_task-rest`` of chosen recordings."""
    runs: Sequence[PairedRun]
    """Those that could be used, whether they are tested or not."""
    split: Split
    """Which pairs of each train, which choose the epoch, and which test."""
    encoders: Encoders
    """What networks are built from."""
    trained: Sequence[Trained]
    """Models, in the order they were asked for."""
    tested: Mapping[str, Sequence[Tested]]
    """Results of all models, by run; of those that have test volumes."""
    besides: Mapping[str, Beside]
    """Results of the baselines, by run."""
    parcels: Mapping[str, ParcelTest]
    """Results on parcels, by run; of those that have any."""
    explained: Mapping[str, Mapping[str, Explained]]
    """What tests rest on, by run and model."""
    problems: Mapping[str, AppError]
    """What failed."""

    @property
    def participant(self) -> str:
        """The participant, e.g. ``sub-01``."""
        return self.owner.partition("_")[0]

    @property
    def units(self) -> list[Unit]:
        """Everything in the store that these rest on."""
        tested = [one for of_run in self.tested.values() for one in of_run]
        units = [unit for of_run in self.tested.values() for unit in of_run[0].run.units]
        units += [model.unit for model in self.trained]
        units += [unit for one in tested for unit in one.units]
        units += [choice.unit for choice in self.encoders.choices]
        units += [unit for one in self.besides.values() for unit in one.units]
        units += [unit for one in self.parcels.values() for unit in one.units.values()]
        units += [one.unit for of_run in self.explained.values() for one in of_run.values()]
        return units
