"""A small dask cluster of this machine, of processes that may be killed."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent


@contextmanager
def scheduling(folder):
    """Run a scheduler; give its process and the file that tells its address."""
    file = folder / "scheduler.json"
    own = ("--port", "0", "--dashboard-address", "127.0.0.1:0")
    with running(folder, "scheduler", *own, "--scheduler-file", file) as process:
        until = time.monotonic() + 120
        while not file.exists():
            assert time.monotonic() < until, (folder / "said").read_text()
            time.sleep(0.05)
        yield process, file


@contextmanager
def working(file, threads=1, *options):
    """Run a worker, which finds what tests import; without a nanny it is gone once killed."""
    own = ("--nthreads", threads, "--memory-limit", "0", "--dashboard-address", "127.0.0.1:0")
    nanny = () if "--nanny" in options else ("--no-nanny",)
    given = ("--scheduler-file", file, *own, *nanny, *options)
    with running(file.parent, "worker", *given) as process:
        yield process


@contextmanager
def running(folder, *call):
    """Run a part of dask on the loopback device; end it afterwards."""
    paths = (HERE.parent, HERE, HERE / "runtime")
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "DASK_TEMPORARY_DIRECTORY": str(folder),
    }
    command = [sys.executable, "-m", "dask", *call, "--host", "127.0.0.1"]
    with (folder / "said").open("a") as said:
        process = subprocess.Popen([*map(str, command)], env=environ, stderr=said)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
