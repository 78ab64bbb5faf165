"""A disk that is full, or may not be written to, is one line; with space, all goes on."""

import subprocess

import numpy as np
import pytest
from observed import complaints, results

ONE = ("participant", "--participant-label", "01")
NEEDED = {"work": 6 << 20, "out": 1 << 20}
"""Bytes that intermediate results, and what is written, take at most."""


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own, and a way to mount it again with other options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    first = mount("size=64k")
    if first.returncode:
        pytest.skip(f"this process may not mount: {first.stderr.strip()}")
    yield folder, lambda *options: mount("remount", *options).check_returncode()
    subprocess.run(["umount", "-l", folder], check=True)


def folders(where, disk, tmp_path):
    """Options that put the work folder, or else the output folder, on the disk."""
    if where == "work":
        return tmp_path / "out", disk / "work"
    return disk / "out", tmp_path / "work"


@pytest.mark.parametrize("where", ["work", "out"])
def test_on_a_full_disk_a_run_stops_with_one_line_and_goes_on_when_there_is_space(
    where, disk, simulated, undisturbed, tmp_path, app, fast, faults
):
    folder, remount = disk
    out, work = folders(where, folder, tmp_path)
    call = (simulated, out, *ONE, *fast, "-w", work)
    codes = []
    for size in np.linspace(64 << 10, NEEDED[where], 1 + faults // 2, endpoint=False):
        remount(f"size={int(size) // 1024}k")
        told = app(*call)
        codes.append(told.code)
        if told.code:
            (line,) = complaints(told)
            assert told.code == 73
            assert str(folder) in line
            assert "pace" in line  # Free space there, or: Free some space
        assert {path.name for path in out.rglob(".*")} <= {".bidsignore"}
        assert [*work.glob("tmp-*")] == []
    assert codes.count(73) >= len(codes) / 2
    remount("size=64m")
    assert app(*call).code == 0
    assert results(out) == results(undisturbed, "sub-01")


@pytest.mark.parametrize("where", ["work", "out"])
def test_a_disk_that_may_only_be_read_is_refused_at_once(
    where, disk, simulated, tmp_path, app, fast
):
    folder, remount = disk
    remount("ro")
    out, work = folders(where, folder, tmp_path)
    told = app(simulated, out, *ONE, *fast, "-w", work)
    (line,) = told.err.splitlines()
    assert told.code == 73
    assert line.startswith(f"error: {folder}")
    assert "Read-only file system" in line
