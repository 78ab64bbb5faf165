"""Wheel and source distribution hold what they must, and run where no checkout is; `make wheel`."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

ROOT = Path(__file__).parents[2]
VERSION = (ROOT / "version").read_text().strip()
SMALL = ("--participants", "1", "--volumes", "100", "--grid", "6", "7", "6", "--channels", "8")


@pytest.fixture(scope="module")
def dist():
    """The folder that ``DIST`` names, in which both were built."""
    if "DIST" not in os.environ:
        pytest.skip("needs distributions, which `make wheel` builds")
    return Path(os.environ["DIST"]).resolve()


@pytest.fixture(scope="module")
def wheel(dist):
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(dist):
    (path,) = dist.glob(f"*-{VERSION}.tar.gz")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A clean environment with the wheel, beside the locked packages it depends on."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", wheel], check=True)
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    locked = [path for path in sys.path if path.endswith("site-packages")]
    (Path(own) / "locked.pth").write_text("\n".join(locked))
    return folder / "bin"


def kept(*below):
    """Files that git knows."""
    done = subprocess.run(
        ["git", "ls-files", "-z", *below], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in done.stdout.split("\0") if name}


def outside(tmp_path, *command):
    """Run something where no checkout is."""
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False
    )


def test_the_wheel_holds_all_of_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == kept("bids_eeg2fmri")
    assert {"bids_eeg2fmri/py.typed", "bids_eeg2fmri/report/templates/style.css"} <= names


def test_the_source_distribution_holds_what_git_does(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == kept() | {"PKG-INFO"}


def test_the_metadata_are_valid_and_name_the_version(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(archive.read(name), validate=True)
    assert (metadata.name, str(metadata.version)) == ("bids_eeg2fmri", VERSION)
    assert metadata.license_expression == "Apache-2.0"
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text()


def test_installed_it_says_its_version(installed, tmp_path):
    done = outside(tmp_path, installed / "bids-eeg2fmri", "--version")
    assert (done.returncode, done.stdout) == (0, f"bids-eeg2fmri {VERSION}\n"), done.stderr


def test_installed_it_runs_where_no_checkout_is(installed, tmp_path):
    python = installed / "python"
    where = outside(tmp_path, python, "-c", "import bids_eeg2fmri as b; print(b.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed.parent)
    done = outside(tmp_path, python, "-m", "bids_eeg2fmri.simulate", "bids", *SMALL)
    assert done.returncode == 0, done.stderr
    quick = ("--epochs", "1", "--set", "spectrogram.fmax=20", "--set", "model.latent=2")
    call = ("bids", "out", "participant", "--n-cpus", "1", "--omp-nthreads", "1", *quick)
    done = outside(tmp_path, installed / "bids-eeg2fmri", *call)
    assert done.returncode == 0, done.stderr
    assert "<style>" in (tmp_path / "out" / "sub-01.html").read_text()
    code = "from bids_eeg2fmri import load_results; print(load_results('out')._repr_html_())"
    done = outside(tmp_path, python, "-c", code)
    assert "<table>" in done.stdout, done.stderr
