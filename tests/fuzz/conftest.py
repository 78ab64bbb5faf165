"""How often input is made up: ``FUZZ_EXAMPLES`` times in all, 200 if not given."""

import os

from hypothesis import HealthCheck, settings

TESTS = 7
"""About how many tests share them."""

settings.register_profile(
    "fuzz",
    max_examples=max(1, int(os.environ.get("FUZZ_EXAMPLES", "200")) // TESTS),
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
