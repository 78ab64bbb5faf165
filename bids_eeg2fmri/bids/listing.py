"""What folders hold, looked up once where many runs ask for the same."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

Names = Mapping[str, Sequence[str]]
"""The names in a folder, by what stands behind their last underscore."""
_SEEN: ContextVar[dict[Path, Names] | None] = ContextVar("seen", default=None)


@contextmanager
def looking_once() -> Iterator[None]:
    """Take what a folder held when it was first looked into for settled, until the end.

    The top of a dataset has an entry for each participant: were it read for each sidecar of each
    run, the time would go with the square of the participants.
    """
    token = _SEEN.set({})
    try:
        yield
    finally:
        _SEEN.reset(token)


def names_by_ending(folder: Path) -> Names:
    """Sort the names in a folder, hidden ones aside; none where it cannot be read."""
    seen = _SEEN.get()
    if seen is not None and folder in seen:
        return seen[folder]
    names: dict[str, list[str]] = {}
    with suppress(OSError):
        for name in os.listdir(folder):
            if not name.startswith("."):
                names.setdefault(name.rpartition("_")[2], []).append(name)
    if seen is not None:
        seen[folder] = names
    return names
