"""Maps in three planes and through a glass brain, as nilearn draws them.

nilearn takes seconds to import, so that it is imported where something is drawn.
"""

import matplotlib
import nibabel as nib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.ndimage import center_of_mass, uniform_filter

from bids_eeg2fmri.report.mosaic import NIGHT, STYLE, WIDTH, limits
from bids_eeg2fmri.report.views import Affine, Finer, Mask, Volume
from bids_eeg2fmri.types import Anatomy


def peak(values: Volume, mask: Mask, affine: Affine) -> Float[np.ndarray, " 3"]:
    """Find where a map is strongest over a few voxels, in millimetres; else the brain's centre."""
    strength = uniform_filter(np.abs(np.where(mask, np.nan_to_num(values), 0)), 3) * mask
    where = np.unravel_index(strength.argmax(), mask.shape)
    if not strength.any():
        where = center_of_mass(mask)
    return np.asarray(affine[:3, :3] @ np.array(where, float) + affine[:3, 3])


@matplotlib.rc_context(STYLE)
def draw_planes(
    values: Volume, anatomy: Anatomy, mask: Mask, affine: Affine, at: Float[np.ndarray, " 3"]
) -> Figure:
    """Draw a signed map over the anatomy in the three planes that meet at a point.

    Fainter where it is nearer to zero, without a threshold, as the mosaic of slices.
    """
    from nilearn.plotting import plot_stat_map

    _, limit = limits(np.abs(values[mask]), 0.0, 99.5)
    shown = np.where(mask, np.nan_to_num(values), 0)
    strength = np.clip(1.5 * np.abs(shown) / limit, 0, 1)
    figure = Figure(figsize=(WIDTH, 3.7), facecolor=NIGHT, dpi=150)
    plot_stat_map(
        _image(shown, affine),
        bg_img=_image(anatomy.data, anatomy.affine),
        figure=figure,
        cut_coords=tuple(at.tolist()),
        black_bg=True,
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        transparency=_image(strength, affine),
        resampling_interpolation="nearest",
    )
    return figure


@matplotlib.rc_context(STYLE)
def draw_glass(values: Volume, mask: Mask, affine: Affine) -> Figure:
    """Draw the strongest value of a signed map along each line of sight; MNI space only."""
    from nilearn.plotting import plot_glass_brain

    _, limit = limits(np.abs(values[mask]), 0.0, 99.5)
    figure = Figure(figsize=(WIDTH, 2.9), facecolor=NIGHT, dpi=150)
    plot_glass_brain(
        _image(np.where(mask, np.nan_to_num(values), 0), affine),
        figure=figure,
        display_mode="lyrz",
        black_bg=True,
        cmap="berlin",
        threshold=1e-6,  # what is outside the mask is 0 and stays black
        plot_abs=False,
        vmin=-limit,
        vmax=limit,
        colorbar=True,
    )
    return figure


def _image(data: Finer, affine: Affine) -> nib.Nifti1Image:
    return nib.Nifti1Image(data.astype(np.float32), affine)
