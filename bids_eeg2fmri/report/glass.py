"""Maps through a glass brain, as nilearn draws them."""

import matplotlib
import nibabel as nib
import numpy as np
from matplotlib.figure import Figure

from bids_eeg2fmri.report.mosaic import DIVERGING, NIGHT, STYLE, WIDTH, limits
from bids_eeg2fmri.report.views import Affine, Mask, Volume


@matplotlib.rc_context(STYLE)
def draw_glass(values: Volume, mask: Mask, affine: Affine) -> Figure:
    """Draw the strongest value of a signed map along each line of sight; MNI space only."""
    from nilearn.plotting import plot_glass_brain  # takes seconds, and few runs need it

    _, limit = limits(np.abs(values[mask]), 0.0, 99.5)
    shown = np.where(mask, np.nan_to_num(values), 0).astype(np.float32)
    figure = Figure(figsize=(WIDTH, 2.9), facecolor=NIGHT, dpi=150)
    plot_glass_brain(
        nib.Nifti1Image(shown, affine),
        figure=figure,
        display_mode="lyrz",
        black_bg=True,
        cmap=DIVERGING,
        threshold=1e-6,  # what is outside the mask is 0 and stays black
        plot_abs=False,
        vmin=-limit,
        vmax=limit,
        colorbar=True,
    )
    return figure
