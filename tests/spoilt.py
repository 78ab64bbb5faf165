"""Stored results that are sealed as they should be, and cannot be read all the same."""

from bids_eeg2fmri.runtime.seal import read_meta, seal


def empty(path):
    """Put blanks in the place of a file of a stored unit, under a seal that says that is right."""
    meta = {key: value for key, value in read_meta(path.parent).items() if key != "files"}
    size = path.stat().st_size
    for file in (path, path.with_name("meta.json")):
        file.unlink()  # it is a link
    path.write_text(" " * size)
    seal(path.parent, meta)
