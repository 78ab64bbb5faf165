"""Made-up reports, and what a browser would meet in a page."""

from html.parser import HTMLParser
from typing import NamedTuple

import numpy as np

from bids_eeg2fmri.report.page import Outcome, Provenance
from bids_eeg2fmri.report.participant import RunResult, RunSummary, TimeCourse
from bids_eeg2fmri.report.pictures import Training
from bids_eeg2fmri.types import VolumeClock


class Score(NamedTuple):
    name: str
    units: str
    description: str
    higher_is_better: bool | None


METRICS = {
    "rmse": Score("RMSE", "SD of BOLD", "Root mean squared error.", False),
    "pearsoncorrelation": Score("Temporal r", "1", "Correlation over time.", True),
    "sd_ratio": Score("Deviation ratio", "1", "Near 0 the output is constant.", None),
}
OUTCOME = Outcome(
    r=0.12, skill=0.01, skill_shifted=-0.02, null=np.linspace(-0.03, 0.05, 49), p=0.02
)
TRAINING = Training("topo-rff", (0.7, 0.6, 0.5), (0.3, 0.2, 0.25), best_epoch=2, seconds=75.0)
PROVENANCE = Provenance(
    methods=("Each volume was synthesised from the EEG that precedes it.",),
    citations=(("Calhas & Henriques 2022.", "https://arxiv.org/abs/2203.03481"),),
    versions={"numpy": "2.4.6"},
    command="bids-eeg2fmri /bids /out participant",
    seed=0,
)
ROWS = {
    "topo-rff": {"rmse": 0.51, "pearsoncorrelation": 0.12, "sd_ratio": 0.3},
    "topo-rff on shifted EEG": {"rmse": 0.53, "pearsoncorrelation": 0.01, "sd_ratio": 0.3},
    "mean-volume": {"rmse": 0.52, "pearsoncorrelation": np.nan, "sd_ratio": 0.0},
}
RIVALS = ("topo-rff", "mean-volume")


def ball(shape: tuple[int, int, int]) -> np.ndarray:
    """Return an ellipsoid that fills most of the grid."""
    axes = [np.linspace(-1.2, 1.2, n) for n in shape]
    return sum(a**2 for a in np.meshgrid(*axes, indexing="ij")) < 1


def make_result(name: str, shape: tuple[int, int, int] = (10, 12, 9)) -> RunResult:
    rng = np.random.default_rng(0)
    mask = ball(shape)
    mean, noise = 500 * mask + 10.0, rng.standard_normal((2, *shape))
    inside = np.where(mask, noise[1] / 10, np.nan)
    signal = np.sin(np.arange(20.0))
    return RunResult(
        name=name,
        model="topo-rff",
        outcome=OUTCOME,
        rows=ROWS,
        rivals=RIVALS,
        affine=np.diag([3.0, 3.0, 4.0, 1.0]),
        mask=mask,
        mean=mean,
        observed=mean + noise[0],
        synthesised=mean,
        model_grid=mask.shape,
        example_time=412.5,
        r_map=inside,
        skill_map=inside**2,
        p_map=np.where(mask, 0.5, np.nan),
        time=400 + 2.0 * np.arange(20),
        time_courses=(TimeCourse("best 1 % of voxels", signal, signal / 2),),
    )


def make_run(name: str) -> RunSummary:
    clock = VolumeClock(5 + 2.0 * np.arange(100), 2.0, "triggers:Response/R128", 100, 3.1, 4e-4)
    return RunSummary(
        name, f"{name}_eeg.vhdr", f"{name}_bold.nii.gz", clock,
        n_volumes=100, n_pairs=87, n_train=50, n_valid=10, n_test=20,
        n_channels=32, sfreq=250.0, grid=(10, 12, 9),
    )  # fmt: skip


class Page(HTMLParser):
    """What a browser would meet in a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.tags.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "a":
            self.links.append(str(values["href"]))
        elif tag == "img":
            self.images.append(values)
        for name in ("src", "srcset", "data", "poster", "background"):
            if name in values:
                self.loaded.append(str(values[name]))
        if tag == "link":
            self.loaded.append(str(values["href"]))

    def handle_data(self, data: str) -> None:
        self.text += data
