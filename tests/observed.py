"""What a call of the app said and left behind."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest


def complaints(told):
    """Lines that say what went wrong; a traceback would be more than a line."""
    assert "Traceback" not in told.err + told.out
    return [line for line in told.err.splitlines() if line.startswith("error: ")]


def stamps(*folders):
    """Size and time of each file."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def files(out):
    """Paths of what is there but for the work folder, without what differs from call to call."""
    paths = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    call = re.compile(r"^logs/\d{8}T\d{6}_[^/]*_\d+(?=[_.])")
    return {call.sub("logs/CALL", path) for path in paths if not path.startswith("work/")}


def listed(level):
    """Paths that a container image has to write when tests/container/check_image.sh runs it."""
    return {*(Path(__file__).parent / "container" / f"{level}.txt").read_text().splitlines()}


def results(out, participant="sub-*"):
    """A participant's scores, maps and volumes, bit for bit."""
    files = out.glob(f"{participant}/func/*")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def dead_links(page):
    """Paths that a page leads to and that are not there; it must lead to some images."""
    links = re.findall(r'href="([^"#:]+)"', page.read_text())
    assert any(link.endswith(".nii.gz") for link in links)
    return [link for link in links if not (page.parent / unquote(link)).exists()]


def issues_of(out):
    """What the BIDS validator objects to; its schema is bundled, so no network is asked."""
    validator = Path(sys.executable).with_name("bids-validator-deno")
    if not validator.exists():
        pytest.skip("bids-validator-deno is not installed beside this Python")
    done = subprocess.run([validator, "--format", "json", out], capture_output=True, check=False)
    found = json.loads(done.stdout)["issues"]["issues"]
    return [(issue["severity"], issue["code"], issue.get("location", "")) for issue in found]
