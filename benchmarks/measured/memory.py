"""How much memory this process takes while it works."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def watching() -> Iterator[dict[str, float]]:
    """Measure, on Linux, the most memory in use: of its own, and with pages of mapped files."""
    names = {"RssAnon": "of its own", "VmRSS": "with files that are mapped"}
    peaks, ended = dict.fromkeys(names.values(), 0.0), threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            for line in Path("/proc/self/status").read_text().splitlines():
                name, _, size = line.partition(":")
                if name in names:
                    peaks[names[name]] = max(peaks[names[name]], int(size.split()[0]) / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield peaks
    ended.set()
    watcher.join()
