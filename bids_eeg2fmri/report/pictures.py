"""Pictures: a figure together with its words, so that no figure goes without."""

import base64
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from bids_eeg2fmri.errors import DataWarning
from bids_eeg2fmri.report import figures
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
    diverged: int | None = None
    """The epoch in which the loss was no longer a number, and training stopped."""


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
    files: tuple[str, ...] = ()
    """Paths of the data that it shows, relative to the page."""

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


@dataclass(frozen=True)
class Undrawn:
    """What stands in the place of a picture that was not drawn."""

    reason: str = ""
    """What it was to show, and what went wrong; empty where pictures are left out."""


Drawing = Picture | Undrawn
"""What came of drawing a picture."""


_WANTED: ContextVar[bool] = ContextVar("wanted", default=True)


@contextmanager
def leaving_out_pictures(*, unless: bool) -> Iterator[None]:
    """Let every picture be left out in here, unless they are wanted."""
    token = _WANTED.set(unless)
    try:
        yield
    finally:
        _WANTED.reset(token)


def are_wanted() -> bool:
    """Tell whether pictures are to be drawn."""
    return _WANTED.get()


def draw(what: str, make: Callable[[], Picture], *files: str) -> Drawing:
    """Make a picture; one that cannot be made costs the page one line and nothing else.

    Parameters
    ----------
    what
        What it shows, for the line in its place.
    make
        Makes it.
    files
        Paths of the data that it shows, relative to the page.
    """
    if not are_wanted():
        return Undrawn()
    try:
        picture = make()
    except Exception as error:  # whatever a library for drawing stumbles over
        reason = f"{what}: could not be drawn ({type(error).__name__}: {error})"
        warnings.warn(f"{reason}; the rest of the report stands.", DataWarning, stacklevel=2)
        return Undrawn(f"{reason}.")
    return replace(picture, files=(*picture.files, *files))


def drawn(drawings: Iterable[Drawing]) -> list[Picture]:
    """Leave out what could not be drawn."""
    return [one for one in drawings if isinstance(one, Picture)]


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
        f"{training.best_epoch} was kept.{_stop_in_words(training)}",
    )


def _stop_in_words(training: Training) -> str:
    if training.diverged is None:
        return ""
    return f" It stopped in epoch {training.diverged}, in which the loss was not a number."


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
