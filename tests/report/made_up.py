"""Made-up reports, and what a browser would meet in a page."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import NamedTuple

import numpy as np

from bids_eeg2fmri.report.cleaning import Cleaning
from bids_eeg2fmri.report.explanation import ElectrodeGraph, Explanation, VoxelRelevance
from bids_eeg2fmri.report.forest import Estimate, Standing
from bids_eeg2fmri.report.page import Outcome, Provenance
from bids_eeg2fmri.report.participant import RunSummary
from bids_eeg2fmri.report.pictures import Training
from bids_eeg2fmri.report.quality import Quality, Spectrum
from bids_eeg2fmri.report.result import RunResult, TimeCourse
from bids_eeg2fmri.types import Anatomy, VolumeClock


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
NAMES = ("Fz", "Cz", "Pz", "O1", "O2")
PLACES = np.array(
    [[0, 0.07, 0.06], [0, 0, 0.1], [0, -0.07, 0.06], [-0.03, -0.09, 0.02], [0.03, -0.09, 0.02]]
)


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


CLEANING = Cleaning(
    freqs=np.arange(800) / 8,
    before=1 + 100.0 * (np.arange(800) % 120 == 0),
    after=np.ones(800),
    rate=15.0,
    volume_lines=(45.7, -1.1),
    slice_lines=(47.0, -0.7),
    alpha=-0.2,
    time=np.linspace(0, 2, 50),
    mean_before=np.full(50, 1000.0),
    mean_after=np.ones(50),
    beats=66.0,
    locked=(0.51, 0.025),
)
QUALITY = Quality(
    onset=2.0 * np.arange(100),
    part=("lost",) * 13 + ("train",) * 50 + ("gap",) * 7 + ("valid",) * 10 + ("test",) * 20,
    marker_time=2.0 * np.arange(100),
    marker_residual=4e-4 * np.sin(np.arange(100.0)),
    displacement=np.abs(np.sin(np.arange(100.0))),
    spectrum=Spectrum(
        np.arange(40.0), np.outer([1, 2, 3], 10 / (1 + np.arange(40.0))), (0.5, 30.0)
    ),
    artefacts="gradients of 100 volumes taken out, lines from 45.7 to -1.1 dB",
    cleaning=CLEANING,
)
STANDINGS = (
    Standing("topo-rff", Estimate(0.12, (0.05, 0.2), (-0.03, 0.05)), Estimate(0.01, (-0.1, 0.1))),
    Standing("drift", Estimate(0.02), Estimate(-3.0), tells=False),
)
CHANCES = {"topo-rff": {"shifted EEG": (0.02, 49), "EEG with random phases": (0.03, 39)}}


def furnish(result: RunResult) -> RunResult:
    """Give a result all that one can have."""
    q = np.where(result.mask, 0.01, np.nan)
    course = result.time_courses[0]
    band = np.stack([course.synthesised - 1, course.synthesised + 1])
    return replace(
        result,
        q_map=q,
        sd_map=np.abs(result.r_map),
        anatomy=Anatomy(
            np.kron(result.mean, np.ones((2, 2, 2))).astype(np.float32), result.affine, "a T1w"
        ),
        template="MNI152NLin6Asym",
        standings=STANDINGS,
        chances=CHANCES,
        files={"r": ("sub-01/func/r ü.nii.gz",)},
        time_courses=(course, replace(course, title="worst", shifted=band)),
    )


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
        self.headings: list[int] = []
        self.scopes: list[str | None] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.tags.append(tag)
        self.ids += [str(values.get("id"))] * ("id" in values)
        self.links += [str(values.get("href"))] * (tag == "a")
        self.images += [values] * (tag == "img")
        self.scopes += [values.get("scope")] * (tag == "th")
        self.headings += [int(level) for level in re.findall("^h([1-6])$", tag)]
        loading = ("src", "srcset", "data", "poster", "background", *["href"] * (tag == "link"))
        self.loaded += [str(values[name]) for name in loading if name in values]

    def handle_data(self, data: str) -> None:
        self.text += data


def make_explanation(model: str = "topo-rff") -> Explanation:
    """Rest on one electrode, one frequency and one window."""
    rng = np.random.default_rng(0)
    eeg = 1e-5 * rng.normal(size=(5, 6, 4))
    eeg[3, 4, 2] = -0.4
    edges = np.zeros((5, 5), bool)
    edges[2, 3] = True
    result = make_result("sub-01_task-rest")
    return Explanation(
        model=model,
        whole="the variance",
        verdict="informative",
        is_believed=True,
        remarks=("90 % is traced back.",),
        channels=NAMES,
        positions=PLACES,
        freqs=np.array([2.0, 4.0, 6.0, 8.0, 10.0, 12.0]),
        lags=np.array([8.0, 6.0, 4.0, 2.0]),
        bands={"theta": np.arange(6) < 3, "alpha": np.arange(6) >= 3},
        is_used=True,
        paths={"linear": eeg, "network": 0 * eeg},
        graph=ElectrodeGraph(rng.normal(size=(5, 5)), np.full((5, 5), 0.2), edges),
        voxels=VoxelRelevance(result.mean, result.mean, result.mask, result.affine),
    )
