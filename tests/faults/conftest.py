"""How much is broken: ``FAULTS`` moments at which a run is killed, 4 if not given."""

import os

import pytest


@pytest.fixture(scope="session")
def faults():
    """How many kills, or damaged files, a test tries."""
    return int(os.environ.get("FAULTS", "4"))
