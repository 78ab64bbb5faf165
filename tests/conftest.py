"""One tiny simulated dataset, what the app makes of it undisturbed, and a way to call the app."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

from bids_eeg2fmri import cli
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.simulate import SimulationConfig, simulate

FAST = (
    *("--preset", "paper"),
    *("--set", "model.latent=3"),
    *("--set", "spectrogram.fmax=30"),
    *("--epochs", "2"),
    *("--set", "evaluate.phase_draws=0"),
    *("--set", "explain.pairs=0"),
    *("--set", "report.figures=false"),
    *("--n-cpus", "1"),
    *("--omp-nthreads", "1"),
)

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")  # time says nothing about what is right, least of all side by side


def pytest_collection_modifyitems(items):
    """Put whole files of slow tests before those of the rooms, or one processor ends up idle."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


@pytest.fixture(scope="session")
def faults():
    """How many kills, or damaged files, a test tries: ``FAULTS``, 4 if not given."""
    return int(os.environ.get("FAULTS", "4"))


@pytest.fixture
def many_faults(faults):
    """Skip what takes long, as it starts worker after worker, unless many faults are asked for."""
    if faults < 10:
        pytest.skip("takes long; for `make faults`")


class Told(NamedTuple):
    """How a call of the app ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def verdict(self):
        """The last line."""
        return self.err.splitlines()[-1]


@pytest.fixture(scope="session")
def fast():
    """Options with which a participant takes seconds."""
    return FAST


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """Two participants; nobody writes here."""
    folder = tmp_path_factory.mktemp("simulated") / "bids"
    sizes = {"participants": 2, "volumes": 100, "grid": (9, 10, 9), "channels": 8, "sfreq": 100.0}
    simulate(folder, SimulationConfig(**sizes))
    return folder


@pytest.fixture
def bids_dir(simulated, tmp_path):
    """The same dataset, to be spoilt; its files keep their times, by which the app knows them."""
    return Path(shutil.copytree(simulated, tmp_path / "bids"))


@pytest.fixture(scope="session")
def undisturbed(simulated, tmp_path_factory):
    """What the app makes of the dataset; nobody writes here."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert cli.main([str(simulated), str(out), "participant", *FAST]) == 0
    return out


@pytest.fixture
def finished(undisturbed, tmp_path):
    """The same output and work folders, to go on with."""
    return Path(shutil.copytree(undisturbed, tmp_path / "out", copy_function=os.link))


@pytest.fixture
def app(capsys):
    """Call the app in this process."""

    def call(*argv):
        capsys.readouterr()
        code = cli.main([*map(str, argv)])
        return Told(code, *capsys.readouterr())

    fall_silent()  # a fixture may have called the app before
    yield call
    fall_silent()


def fall_silent():
    """Take the log's handlers away, which hold streams of the test that set them up."""
    for handler in log._handlers():
        log.LOGGER.removeHandler(handler)
        handler.close()
