"""Pictures of how encoders were chosen among candidates, epoch by epoch."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from bids_eeg2fmri.report import experiment_figures, figures
from bids_eeg2fmri.report.pictures import Picture
from bids_eeg2fmri.report.words import counted


def weights_picture(
    prefix: str,
    encoder: str,
    weights: Float[np.ndarray, "epochs candidates"],
    chosen: int,
    which: str = "",
) -> Picture:
    """Draw the weights of an architecture search by epoch, Fig. 9 of the paper.

    Parameters
    ----------
    prefix
        With which the name of its file begins.
    encoder
        What is searched for, e.g. ``EEG encoder``.
    weights
        Weight of each candidate after each epoch; NaN once it is out.
    chosen
        The candidate that was chosen, counted from one.
    which
        Of several searches, which one it is, as a sentence.
    """
    n = weights.shape[1]
    rival = np.nanmax(np.delete(weights[-1], chosen - 1), initial=0)
    return _candidates(
        f"{prefix}_desc-{encoder.replace(' ', '-')}_candidates",
        experiment_figures.candidate_weights(weights, chosen),
        f"Weight of each candidate for the {encoder} after each epoch, fitted on the validation "
        f"pairs; the sum is one. The dashed line marks equal weights, 1/{n}. Orange: candidate "
        f"{chosen}, which was chosen for its weight.",
        f"It ends at {weights[-1, chosen - 1]:.3f}; the largest of the others ends at {rival:.3f}.",
        weights,
        which,
    )


def losses_picture(
    prefix: str,
    encoder: str,
    losses: Float[np.ndarray, "epochs candidates"],
    chosen: int,
    which: str = "",
) -> Picture:
    """Draw the validation losses that candidate encoders were chosen by, epoch by epoch.

    Parameters
    ----------
    prefix, encoder, chosen, which
        As for ``weights_picture``.
    losses
        Validation loss of each candidate after each epoch; NaN once it is out.
    """
    lowest = np.nanmin(losses[:, chosen - 1])
    stayed = np.delete(losses, chosen - 1, axis=1)
    rival = np.nanmin(stayed[:, np.isfinite(stayed[-1])], initial=np.inf)
    return _candidates(
        f"{prefix}_desc-{encoder.replace(' ', '-')}_candidates",
        experiment_figures.candidate_losses(losses, chosen),
        f"Mean absolute error on the validation pairs of each candidate for the {encoder} after "
        f"each epoch. Orange: candidate {chosen}, which was chosen for the lowest error after any "
        "epoch (large dot).",
        f"Its lowest is {lowest:.4g}; that of the others is {rival:.4g}.",
        losses,
        which,
    )


def _candidates(
    stem: str,
    figure: Figure,
    caption: str,
    numbers: str,
    drawn: Float[np.ndarray, "epochs candidates"],
    which: str,
) -> Picture:
    """Say beside a search what became of candidates that failed, and which search it is."""
    epochs, n = drawn.shape
    out = int(np.isnan(drawn[-1]).sum())
    cross = f" A cross marks where a candidate failed and was left out ({out} of {n})."
    extent = f"{counted(n, 'candidate')} over {counted(epochs, 'epoch')}."
    return Picture(
        stem,
        figures.to_svg(figure),
        f"{caption} {numbers} {extent}",
        caption + cross * (out > 0) + f" {which}" * bool(which),
    )
