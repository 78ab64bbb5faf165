"""What is to be trained, and on what."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.model.names import find
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.train.splits import Split, extents


@dataclass(frozen=True)
class Plan:
    """One training of one model."""

    owner: str
    """Whose model it is, e.g. ``sub-03`` or ``group_task-rest``."""
    model: str
    """Its name, one of ``MODELS``."""
    split: Split
    """Which pairs of each run train, which choose the epoch, and which test."""
    shapes: Shapes
    """What the network is built from."""

    @property
    def item(self) -> str:
        """What it is called in the store, e.g. ``sub-03_hybrid``."""
        return f"{self.owner}_{self.model}"

    def seed(self, job: Job) -> int:
        """Derive the seed of all its draws."""
        return job.seed_of(self.owner, self.model)

    def config(self, job: Job) -> Config:
        """Give its settings; a model with a linear path predicts deviations."""
        cfg = job.config
        if not find(self.model).linear_path:
            return cfg
        return replace(cfg, scale=replace(cfg.scale, target="deviation"))

    def recipe(self, job: Job) -> list[Any]:
        """List what it depends on, beside the pairs."""
        cfg = self.config(job)
        given = {"model_name": self.model, "shapes": asdict(self.shapes), "seed": self.seed(job)}
        given |= {"device": job.device, "gap": cfg.split.gap}
        given["split"] = {part: extents(index) for part, index in vars(self.split).items()}
        return [cfg.model, cfg.train, cfg.scale, given]
