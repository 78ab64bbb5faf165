"""Pictures: a figure together with its words, so that no figure goes without."""

import base64
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from bids_eeg2fmri.report import figures, mosaic
from bids_eeg2fmri.report.words import counted, duration, minus


@dataclass(frozen=True)
class Training:
    """How one model was trained."""

    model: str
    """Which model."""
    train_loss: tuple[float, ...]
    """Mean of the minimised loss in each epoch."""
    valid_loss: tuple[float, ...]
    """Mean absolute error over the validation pairs after each epoch."""
    best_epoch: int
    """The epoch whose weights were kept, counted from one."""
    seconds: float
    """Time it took."""


@dataclass(frozen=True)
class Picture:
    """A figure with all that is said about it."""

    stem: str
    """Name of its file without the extension."""
    data: bytes
    """PNG or SVG."""
    alt: str
    """What one would say to someone who cannot see it."""
    caption: str
    """What stands below it."""
    wide: bool = False
    """Whether it fills the page and scrolls sideways on small screens."""

    @property
    def is_svg(self) -> bool:
        """Whether it is drawn in lines."""
        return not self.data.startswith(b"\x89PNG")

    @property
    def file_name(self) -> str:
        """Name of its file; what no file name can hold is replaced."""
        return re.sub(r"[^\w.+-]", "_", self.stem) + (".svg" if self.is_svg else ".png")

    @property
    def source(self) -> str:
        """The figure itself as an address."""
        return _data_uri(self.data, self.is_svg)

    @property
    def dark_source(self) -> str:
        """The same for dark pages; line plots only."""
        return _data_uri(figures.darken(self.data), self.is_svg)


def training_picture(training: Training, prefix: str) -> Picture:
    """Draw the losses of one model."""
    first, best = training.valid_loss[0], training.valid_loss[training.best_epoch - 1]
    epochs = counted(len(training.train_loss), "epoch")
    return Picture(
        f"{prefix}_model-{training.model}_desc-training_curve",
        figures.to_svg(
            figures.training_curves(training.train_loss, training.valid_loss, training.best_epoch)
        ),
        f"Training and validation loss of {training.model} over {epochs}. "
        f"The validation loss goes from {first:.3g} to {best:.3g} in epoch {training.best_epoch}, "
        "which was kept.",
        f"Loss of {training.model}; {epochs} took {duration(training.seconds)}, and epoch "
        f"{training.best_epoch} was kept.",
    )


def map_picture(
    stem: str,
    title: str,
    units: str,
    values: Float[np.ndarray, "x y z"],
    background: Float[np.ndarray, "x y z"],
    mask: Bool[np.ndarray, "x y z"],
    affine: Float[np.ndarray, "4 4"],
    p_map: Float[np.ndarray, "x y z"] | None = None,
) -> Picture:
    """Draw a signed map on axial slices, and say in words what it shows."""
    view = mosaic.axial_view(mask, affine, slices=14, columns=7)
    found = None if p_map is None else mask & (p_map < 0.05)
    figure = mosaic.draw_map(view, values, background, mask, units, found)
    ring = ""
    if found is not None:
        ring = (
            f" White rings: p < 0.05 against shifted EEG in {found.sum() / mask.sum():.1%} of the "
            "mask; up to 5 % are expected by chance."
        )
    return Picture(
        stem,
        mosaic.to_png(figure),
        f"{title} on {counted(len(view.levels), 'axial slice')} from {view.heights[0]:.0f} to "
        f"{view.heights[-1]:.0f} mm. {in_words(values[mask])}",
        f"{title}, laid over the mean volume; the closer to zero, the fainter. Left is left, front "
        f"is up; the numbers are heights in mm.{ring} {in_words(values[mask])}",
        wide=True,
    )


def in_words(values: Float[np.ndarray, " voxels"]) -> str:
    """Say how values are distributed, for those who cannot see the picture."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "It is undefined in every voxel."
    low, middle, high = np.percentile(finite, [5, 50, 95])
    text = f"Median over the mask {middle:.3g}, 5th to 95th percentile {low:.3g} to {high:.3g}."
    return minus(text)


def _data_uri(data: bytes, is_svg: bool) -> str:
    kind = "image/svg+xml" if is_svg else "image/png"
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
