"""What is around the program: versions of libraries, folders they can write to, how they wait.

In a read-only container tempfile finds no folder at all, and matplotlib and MNE fail for want of a
home. Only the standard library may be imported here.
"""

import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

from bids_eeg2fmri import __version__
from bids_eeg2fmri.errors import OutputError

CACHES = ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
"""Folders that libraries write to; where unset they use the home folder."""
TEMPORARY = ("TMPDIR", "TEMP", "TMP")
"""Variables that name a folder for temporary files."""
SOFTWARE = ("torch", "mne", "mne-bids", "pybids", "nibabel", "nilearn", "numpy", "scipy")
"""Packages whose versions results depend on."""


def prepare_environment(work_dir: Path) -> None:
    """Move the home and temporary folders into `work_dir` where they cannot be written to.

    Makes no folder where they can. Workers inherit the result, and that threads of OpenMP sleep
    while they wait, unless the user chose: threads that spin hold up those that they wait for where
    others use the machine too, and training takes ten times as long.

    Raises
    ------
    OutputError
        If something has to move into `work_dir`, and that cannot be written to either.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded
    if not _is_writable(os.environ.get("HOME", "")):
        os.environ["HOME"] = _make(work_dir / "home")
    for name in CACHES:
        if name in os.environ and not _is_writable(os.environ[name]):
            del os.environ[name]
    if not _has_temporary_folder():
        os.environ["TMPDIR"] = _make(work_dir / "tmp")
        tempfile.tempdir = None  # it has looked before


def versions() -> dict[str, str]:
    """List what the results may depend on."""
    return {
        "bids_eeg2fmri": __version__,
        "Python": platform.python_version(),
        **{name: version(name) for name in SOFTWARE},
    }


def _has_temporary_folder() -> bool:
    """Tell whether there is one: the working folder, which tempfile takes last of all, is none."""
    try:
        found = tempfile.gettempdir()
    except FileNotFoundError:
        return False
    named = [os.path.abspath(os.environ[name]) for name in TEMPORARY if name in os.environ]
    return found in (*named, "/tmp", "/var/tmp", "/usr/tmp") or found != os.getcwd()  # noqa: S108


def _is_writable(folder: str) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _make(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror}). Name a writable folder with --work-dir."
        ) from error
    return str(folder.resolve())
