"""The models by name: data alone, so that a request can be checked before torch is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Literal

from bids_eeg2fmri.errors import UsageError

Style = Literal["posterior", "prior", "none"]
"""Where the style of the latent comes from: the attention scores, a learnt vector, or nowhere."""


@dataclass(frozen=True)
class Parts:
    """The ideas of the paper that a model is made of."""

    attention: bool = False
    """Whether electrodes attend to each other (§3.2)."""
    fourier: bool = False
    """Whether the latent is projected onto random cosines (§3.1) rather than linearly."""
    style: Style = "none"
    """Style of the latent (§3.2 and §5.2); only with attention."""


@dataclass(frozen=True)
class Entry:
    """One model that can be asked for."""

    title: str
    """What it is, for people; the paper's number comes first."""
    table: Literal[1, 2] | None
    """Table of the paper in which it stands, if it does."""
    parts: Parts | None
    """What it is made of; nothing for a network that is not the paper's own."""
    linear_path: bool = False
    """Whether a linear path through the haemodynamic response lies beside the network; it predicts
    deviations, whatever ``scale.target`` says."""


_BOTH = "topographical attention and random Fourier features"

MODELS: Mapping[str, Entry] = MappingProxyType(
    {
        "linear": Entry("(i) linear latent projection", 1, Parts()),
        "topo": Entry(
            "(ii) topographical attention, style posterior",
            1,
            Parts(attention=True, style="posterior"),
        ),
        "rff": Entry("(iii) random Fourier features", 1, Parts(fourier=True)),
        "topo-rff": Entry(
            f"(iv) {_BOTH}, style posterior",
            1,
            Parts(attention=True, fourier=True, style="posterior"),
        ),
        "liu-sajda": Entry("Liu & Sajda 2019, convolutional transcoder", 1, None),
        "topo-unstyled": Entry("(ii) topographical attention, no style", 2, Parts(attention=True)),
        "topo-rff-unstyled": Entry(
            f"(iv) {_BOTH}, no style", 2, Parts(attention=True, fourier=True)
        ),
        "topo-prior": Entry(
            "(ii) topographical attention, style prior", 2, Parts(attention=True, style="prior")
        ),
        "topo-rff-prior": Entry(
            f"(iv) {_BOTH}, style prior", 2, Parts(attention=True, fourier=True, style="prior")
        ),
        "hybrid": Entry(
            "hybrid: band power through the haemodynamic response, with model (iv) beside it",
            None,
            Parts(attention=True, fourier=True, style="posterior"),
            linear_path=True,
        ),
    }
)
"""All models, in the order of Tables 1 and 2 of the paper; then our own."""

ALL_PAPER: tuple[str, ...] = tuple(name for name, entry in MODELS.items() if entry.table)
"""What ``all-paper`` stands for."""


def find(name: str) -> Entry:
    """Look up a model.

    Raises
    ------
    UsageError
        If no model has that name.
    """
    if name not in MODELS:
        known = ", ".join(["all-paper", *MODELS])
        close = get_close_matches(name, ["all-paper", *MODELS], n=1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise UsageError(f"There is no model {name!r}.{meant} Known: {known}.")
    return MODELS[name]


def expand(names: Sequence[str]) -> tuple[str, ...]:
    """List the models that were asked for, each once; ``all-paper`` stands for all of the paper.

    Raises
    ------
    UsageError
        If a name is unknown or none is given.
    """
    if not names:
        raise UsageError("No model is named. Give one or more with --models, or all-paper.")
    listed = [one for name in names for one in (ALL_PAPER if name == "all-paper" else (name,))]
    for name in listed:
        find(name)
    return tuple(dict.fromkeys(listed))


def first_encoding(names: Sequence[str]) -> str:
    """Take the first model that has the paper's encoders, for searching with; its network alone.

    Raises
    ------
    UsageError
        If there is none.
    """
    for name in names:
        parts = find(name).parts
        if parts is not None:
            return _network_of(parts)
    raise UsageError(
        f"--models {' '.join(names)}: there is no encoder to search for. Name a model of the paper."
    )


def with_style(name: str, style: Style) -> str:
    """Name the variant of a model that takes its style from elsewhere (§5.2 of the paper).

    Raises
    ------
    UsageError
        If the model has no attention, and so no style, or one style only.
    """
    entry = find(name)
    if entry.linear_path or entry.parts is None or not entry.parts.attention:
        styled = ", ".join(name for name, entry in MODELS.items() if _has_posterior(entry))
        reason = "no attention between electrodes and so no style"
        raise UsageError(
            f"Model {name!r} has {'one style only' if entry.linear_path else reason}. "
            f"Leave the style out, or choose among {styled}."
        )
    return _network_of(replace(entry.parts, style=style))


def _network_of(parts: Parts) -> str:
    return next(name for name, entry in MODELS.items() if entry.parts == parts)


def _has_posterior(entry: Entry) -> bool:
    is_posterior = entry.parts is not None and entry.parts.style == "posterior"
    return is_posterior and not entry.linear_path
