"""Pictures of maps: on slices, in three planes, through a glass brain, and what they say."""

import numpy as np

from bids_eeg2fmri.report import mosaic
from bids_eeg2fmri.report.glass import draw_glass
from bids_eeg2fmri.report.pictures import Picture, in_words
from bids_eeg2fmri.report.views import Affine, Mask, Volume, peak_view
from bids_eeg2fmri.report.words import counted, minus, percent
from bids_eeg2fmri.types import Anatomy

LAYOUT = "Left is left, front is up; the numbers are heights in mm."


def mean_anatomy(mean: Volume, affine: Affine) -> Anatomy:
    """Take the mean volume for the anatomy, for want of a better one."""
    return Anatomy(mean.astype(np.float32), affine.astype(np.float64), "the mean volume")


def map_picture(
    stem: str,
    title: str,
    units: str,
    values: Volume,
    anatomy: Anatomy,
    mask: Mask,
    affine: Affine,
    p_map: Volume | None = None,
    warning: str = "",
) -> Picture:
    """Draw a signed map on axial slices, and say in words what it shows; first the ``warning``."""
    view = mosaic.axial_view(mask, affine, slices=14, columns=7)
    found = None if p_map is None else mask & (p_map < 0.05)
    figure = mosaic.draw_map(view, values, anatomy.data, mask, units, found)
    figure.text(0.5, 0.995, warning, color=mosaic.ALERT, size=9, ha="center", va="top")
    ring = ""
    if found is not None:
        ring = (
            " White rings: p < 0.05 against shifted EEG in "
            f"{percent(found.sum() / mask.sum(), 1)} of the mask; up to "
            f"{percent(0.05)} are expected by chance."
        )
    return Picture(
        stem,
        mosaic.to_png(figure),
        f"{title} on {counted(len(view.levels), 'axial slice')} from {view.heights[0]:.0f} to "
        f"{view.heights[-1]:.0f} mm. {in_words(values[mask])}",
        f"{title}, laid over {anatomy.origin}; the closer to zero, the fainter. {LAYOUT}{ring} "
        f"{in_words(values[mask])}",
        wide=True,
    )


def planes_picture(
    stem: str, title: str, units: str, values: Volume, anatomy: Anatomy, mask: Mask, affine: Affine
) -> Picture:
    """Draw a signed map in the three planes through the place where it is strongest."""
    view = peak_view(values, mask, affine)
    figure = mosaic.draw_planes(view, values, anatomy.data, mask, units)
    place = minus(", ".join(f"{n} {x:.0f}" for n, x in zip("xyz", view.millimetres, strict=True)))
    strongest = f"where it is strongest on average over 3×3×3 voxels, {place} mm"
    return Picture(
        stem,
        mosaic.to_png(figure),
        f"{title} in the sagittal, coronal and axial plane {strongest}. {in_words(values[mask])}",
        f"{title} in three planes through the place {strongest}, over {anatomy.origin}; it was "
        "chosen for its values, which flatters them.",
        wide=True,
    )


def glass_picture(
    stem: str, title: str, values: Volume, mask: Mask, affine: Affine, space: str
) -> Picture:
    """Draw a signed map through the glass brain of the template that it is in."""
    return Picture(
        stem,
        mosaic.to_png(draw_glass(values, mask, affine)),
        f"{title} seen through a glass brain from four sides. {in_words(values[mask])}",
        f"{title} in {space}: the value furthest from zero along each line of sight, without a "
        "threshold.",
        wide=True,
    )


def q_picture(stem: str, q_map: Volume, mask: Mask, affine: Affine) -> Picture:
    """Draw how surely each voxel is told, as q on a logarithmic scale."""
    view = mosaic.axial_view(mask, affine, slices=7, columns=7)
    evidence = -np.log10(q_map)
    found = percent(float(np.mean(q_map[mask] < 0.05)), 1)
    least = float(np.nanmin(q_map[mask], initial=1.0))
    said = f"q < 0.05 (above {-np.log10(0.05):.1f} on this scale) in {found} of the mask"
    return Picture(
        stem,
        mosaic.to_png(mosaic.draw_sizes(view, {"": evidence}, mask, "−log₁₀ q")),
        f"q of temporal r on {counted(len(view.levels), 'axial slice')}: {said}; the smallest is "
        f"{least:.2g}.",
        "q of temporal r against shifted EEG (Benjamini & Hochberg 1995), as −log₁₀ q: the "
        f"brighter, the surer; {said}, the smallest q is {least:.2g}. How small p and q can get "
        f"depends on the length of the test. {LAYOUT}",
        wide=True,
    )


def deviation_picture(stem: str, ratio: Volume, mask: Mask, affine: Affine) -> Picture:
    """Draw how much the synthesised signal varies beside the observed one."""
    view = mosaic.axial_view(mask, affine, slices=7, columns=7)
    return Picture(
        stem,
        mosaic.to_png(mosaic.draw_sizes(view, {"": ratio}, mask, "deviation ratio")),
        f"Deviation ratio on {counted(len(view.levels), 'axial slice')}. {in_words(ratio[mask])}",
        "Standard deviation over time of the synthesised signal over that of the observed; where "
        f"it is 0 the output is constant. {LAYOUT} {in_words(ratio[mask])}",
        wide=True,
    )
