"""One side of a comparison, in a process of its own, so that its memory is its own.

``python -m measured.process MODULE:FUNCTION FOLDER OPTIONS`` prepares the work, says so, and does
it once for each line that it is sent; it answers with the time taken and, at the end, its peak
memory.
"""

import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

BENCHMARKS = Path(__file__).parents[1]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Taken(NamedTuple):
    """What doing a piece of work once has cost, its own processes included."""

    wall: float
    """Seconds by the clock on the wall."""
    cpu: float
    """Seconds of processor time."""
    remark: str = ""
    """What the work says of itself."""


class Side:
    """A piece of work that waits in a process of its own.

    Parameters
    ----------
    target
        ``module:function`` that prepares the work.
    folder
        Where files for it are.
    options
        Further arguments of that function.
    threads
        How many it may use.
    """

    def __init__(
        self, target: str, folder: Path, options: Mapping[str, object], threads: int = 1
    ) -> None:
        search = [str(BENCHMARKS.parent), str(BENCHMARKS), os.environ.get("PYTHONPATH", "")]
        surroundings = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
        surroundings["PYTHONPATH"] = os.pathsep.join(filter(None, search))
        call = [sys.executable, "-m", "measured.process", target, str(folder), json.dumps(options)]
        self._process = subprocess.Popen(
            call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=surroundings
        )
        self._answer()

    def once(self) -> Taken:
        """Let the work be done."""
        return Taken(**self._ask("go"))

    def end(self) -> int:
        """End the process, and tell its peak memory in bytes, that of its own processes included.

        That is of the largest of them, not of all together.
        """
        peak = int(self._ask("end")["peak"])
        self._close()
        return peak

    def kill(self) -> None:
        """Stop, whatever it is doing."""
        self._process.kill()
        self._close()

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            stream.close()
        self._process.wait()

    def _ask(self, request: str) -> dict[str, Any]:
        self._process.stdin.write(f"{request}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            self._close()
            raise SystemExit(f"{' '.join(self._process.args[2:])} has ended with an error")
        answer: dict[str, Any] = json.loads(line)
        return answer


def peak_bytes() -> int:
    """Largest resident memory of this process, or of one that it has waited for.

    Linux tells it since the program was started (``VmHWM``); its ``ru_maxrss`` would count what the
    parent held when it forked.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        own = int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, children) * (1 if sys.platform == "darwin" else 1024)


def cpu_seconds() -> float:
    """Processor time of this process and of those that it has waited for."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def serve(target: str, folder: str, options: str) -> None:
    """Prepare the work and do it as often as is asked for on standard input."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the work prints must not stand among the answers

    def answer(**told: object) -> None:
        answers.write(json.dumps(told) + "\n")
        answers.flush()

    module, function = target.split(":")
    prepare = getattr(importlib.import_module(module), function)
    work = prepare(Path(folder), **json.loads(options))
    answer(ready=True)
    for request in sys.stdin:
        if request.strip() == "end":
            answer(peak=peak_bytes())
            return
        wall, cpu = time.perf_counter(), cpu_seconds()
        result = work()
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
        answer(wall=wall, cpu=cpu, remark=result if isinstance(result, str) else "")


if __name__ == "__main__":
    serve(*sys.argv[1:])
