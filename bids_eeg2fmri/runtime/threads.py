"""How many threads a process takes for linear algebra.

numpy and scipy take one, as theirs spin while they wait for each other: where others use the
processors too, a small matrix takes fifty times as long with two. Torch's sleep.

They are limited in three places, because none reaches everywhere: the environment, for libraries
that are loaded later; threadpoolctl, for BLAS and OpenMP that are loaded; and torch's own count,
where torch is loaded. Torch is not imported for it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

_OF_NUMPY = ("OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_OF_OTHERS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")


def variables(threads: int) -> dict[str, str]:
    """Set the environment for libraries that are yet to be loaded."""
    return dict.fromkeys(_OF_OTHERS, str(threads)) | dict.fromkeys(_OF_NUMPY, "1")


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Hold OpenMP and torch to a number of threads, and BLAS to one."""
    wanted = variables(threads)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ |= wanted
    torch = sys.modules.get("torch")
    torch_before = torch.get_num_threads() if torch else None
    if torch:
        torch.set_num_threads(threads)
    try:
        with threadpool_limits(limits={"openmp": threads, "blas": 1}):
            yield
    finally:
        if torch:
            torch.set_num_threads(torch_before)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
