"""What the paper's own networks at NODDI are built from (Tables 4 and 5)."""

from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.types import Architecture

EEG_POOLING = (2, 2, 1)
"""Max-pool of the EEG encoder (Table 4); the ten windows are not pooled."""
BOLD_POOLING = (2, 2, 2)
"""Max-pool of the BOLD encoder (Table 5)."""
NODDI = Shapes(
    eeg=(64, 134, 10),
    bold=(64, 64, 30),
    eeg_encoder=Architecture(((7, 37, 2), (7, 7, 2)), ((3, 5, 1), (2, 2, 1)), EEG_POOLING),
    bold_encoder=Architecture(
        ((14, 6, 12), (6, 4, 6), (12, 47, 5)), ((2, 1, 1), (1, 1, 1), (1, 1, 1)), BOLD_POOLING
    ),
)
"""The paper's best candidates, number 2 of both tables; Table 5 prints 16 for the first kernel of
the latter, which leaves no 7×7×7."""
