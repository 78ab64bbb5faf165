"""Recordings with real parts and a known truth: real EEG drives a BOLD whose noise is real.

The EEG is that of people outside a scanner (EEG Motor Movement/Imagery, one person, 64 electrodes;
mental arithmetic, seven people, 19 electrodes) and the noise the BOLD of people at rest (94 parcels
of the AAL2 atlas). Three groups of parcels follow the rhythm of some electrodes through a
haemodynamic response, the others follow nothing. None of the data is part of this project.
"""

from .couple import KINDS, RESPONSES, SOURCES, Coupling
from .predictors import PREDICTORS, Volumes, train_network
from .record import Recording, eegbci, eegmat
from .task import Task, prepare

__all__ = [
    "KINDS",
    "PREDICTORS",
    "RESPONSES",
    "SOURCES",
    "Coupling",
    "Recording",
    "Task",
    "Volumes",
    "eegbci",
    "eegmat",
    "prepare",
    "train_network",
]
