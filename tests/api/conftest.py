"""A study of the dataset that others have run already, by the same options."""

import os
import shutil

import pytest

from bids_eeg2fmri import Study

QUICK = {
    "preset": "paper",
    "epochs": 2,
    "settings": {
        "model.latent": 3,
        "spectrogram.fmax": 30,
        "evaluate.phase_draws": 0,
        "explain": {"pairs": 0},
        "report": {"figures": False},
    },
    "n_cpus": 1,
    "omp_nthreads": 1,
}


@pytest.fixture(scope="session")
def study(simulated, undisturbed, tmp_path_factory):
    """All of it is done, so that to run it again takes no time."""
    folder = tmp_path_factory.mktemp("study") / "out"
    return Study(simulated, shutil.copytree(undisturbed, folder, copy_function=os.link), **QUICK)


@pytest.fixture(scope="session")
def only_eeg(simulated, tmp_path_factory):
    """The dataset without its BOLD."""
    folder = tmp_path_factory.mktemp("only_eeg") / "bids"
    return shutil.copytree(simulated, folder, ignore=shutil.ignore_patterns("func"))
