"""The rows of the performance table: the work, what it is held against, and the goal."""

from collections.abc import Mapping
from types import MappingProxyType

from measured.turns import Goal, Rival, Row

GB = 1e9
SMALL = {"volumes": 150, "grid": [12, 14, 11], "channels": 16, "sfreq": 250}
ROWS: Mapping[str, Row] = MappingProxyType(
    {
        f"step-{batch}": Row(
            title=f"training step, model (iv), NODDI, batch {batch}",
            ours="measured.training:our_steps",
            rivals=(Rival("plain torch", "measured.training:straight_steps"),),
            options={"batch": batch},
            goals=goals,
            per=2,
            unit="a step",
        )
        for batch, goals in (
            (4, (Goal(0.55, "cpu"), Goal(1.1 * GB, "peak"))),
            (16, (Goal(2.0, "cpu"),)),
        )
    }
    | {
        "synthesis": Row(
            title="synthesis of BOLD from EEG, NODDI, batch 16",
            ours="measured.training:our_volumes",
            rivals=(Rival("plain torch", "measured.training:straight_volumes"),),
            options={"batch": 16},
            goals=(Goal(2.3e-3, "wall"),),
            clock="wall",
            per=64,
            threads=2,
            unit="a volume",
        ),
        "pairs": Row(
            title="EEG run to pairs, {channels} channels at {sfreq} Hz, {minutes} minutes",
            ours="measured.signals:our_pairs",
            rivals=(
                Rival("reading the file once", "measured.signals:reading_once"),
                Rival("MNE and scipy, whole run in memory", "measured.signals:straight_pairs"),
            ),
            options={"channels": 64, "sfreq": 5000, "minutes": 30},
            quick={"minutes": 2},
            material="measured.signals:recording",
            goals=(Goal(2.0), Goal(1.5 * GB, "peak")),
            turns=3,
        ),
        "grid": Row(
            title="DCT resampling 108×108×54 to 64×64×30",
            ours="measured.grids:our_grid",
            rivals=(
                Rival("scipy dctn, crop, idctn", "measured.grids:scipy_grid"),
                Rival("nilearn resample_img", "measured.grids:nilearn_grid"),
            ),
            options={"volumes": 20},
            goals=(Goal(1 / 5),),
            per=20,
            unit="a volume",
        ),
        "encoders": Row(
            title="ten encoders for 64×134×10 and ten for 64×64×30, each proved",
            ours="measured.encoders:our_encoders",
            rivals=(
                Rival("drawing at random for {seconds} s", "measured.encoders:random_encoders"),
            ),
            options={"seconds": 60},
            quick={"seconds": 10},
            goals=(Goal(5.0, "wall"),),
            clock="wall",
            turns=3,
            warm=False,
        ),
        "index-all": Row(
            title="finding the runs of {chosen} participants",
            ours="measured.datasets:our_index",
            rivals=(Rival("pybids without a database", "measured.datasets:pybids_index"),),
            options={"participants": 500, "chosen": 500},
            quick={"participants": 100, "chosen": 100},
            material="measured.datasets:many_participants",
            turns=3,
        ),
        "index-again": Row(
            title="finding the runs of {chosen} participants, second start",
            ours="measured.datasets:our_index_again",
            rivals=(Rival("pybids without a database", "measured.datasets:pybids_index"),),
            goals=(Goal(2.0, "wall"),),
            options={"participants": 500, "chosen": 500},
            quick={"participants": 100, "chosen": 100},
            material="measured.datasets:many_participants",
            turns=3,
        ),
        "index-one": Row(
            title="finding the run of one participant of {participants}",
            ours="measured.datasets:our_index",
            rivals=(Rival("pybids without a database", "measured.datasets:pybids_index"),),
            options={"participants": 500, "chosen": 1},
            quick={"participants": 100},
            material="measured.datasets:many_participants",
            turns=3,
        ),
        "version": Row(
            title="start: --version",
            ours="measured.starts:version",
            rivals=(Rival("importing torch, MNE, nibabel", "measured.starts:interpreter"),),
            goals=(Goal(1.0, "wall"),),
            clock="wall",
        ),
        "again": Row(
            title="a small participant whose results are there already",
            ours="measured.starts:again",
            rivals=(Rival("the same call, first time", "measured.starts:first_time"),),
            options=SMALL,
            material="measured.starts:simulated",
            clock="wall",
            turns=3,
            warm=False,
        ),
        "read": Row(
            title="reading {volumes} volumes of 64×64×30 from .nii.gz",
            ours="measured.images:our_reading",
            rivals=(Rival("nibabel get_fdata", "measured.images:nibabel_reading"),),
            options={"volumes": 300},
            quick={"volumes": 100},
            material="measured.images:series",
            turns=3,
        ),
        "write": Row(
            title="writing {volumes} volumes of 64×64×30 as .nii.gz",
            ours="measured.images:our_writing",
            rivals=(Rival("nibabel save", "measured.images:nibabel_writing"),),
            options={"volumes": 300},
            quick={"volumes": 100},
            turns=3,
        ),
        "scores": Row(
            title="all scores of {volumes} volumes of 64×64×30",
            ours="measured.images:our_scores",
            rivals=(
                Rival("scikit-image and numpy, fewer scores", "measured.images:straight_scores"),
            ),
            options={"volumes": 60},
            quick={"volumes": 20},
            turns=3,
        ),
        "participant": Row(
            title="one participant, ten epochs: {channels} channels, {volumes} volumes of {grid}",
            ours="measured.starts:whole",
            options={"volumes": 300, "grid": [64, 64, 30], "channels": 64, "sfreq": 250},
            quick=SMALL,
            material="measured.starts:simulated",
            goals=(Goal(600, "wall"), Goal(3 * GB, "peak")),
            clock="wall",
            turns=1,
            warm=False,
            threads=2,
        ),
    }
)
"""By the name under which one is asked for."""

ELSEWHERE = """\
Measured elsewhere, on the public TensorFlow code: a training step 2.90 s of processor time and
2.14 GB (batch 4) and 8.19 s (batch 16); a volume 4.6 ms on 2 processors; no encoder by its default
sampler in 420 s.
"""
