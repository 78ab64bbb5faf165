import errno
import math
import resource
import subprocess
import sys

import numpy as np
import pytest

from bids_eeg2fmri import types
from bids_eeg2fmri.errors import OutputError, is_shortage
from bids_eeg2fmri.runtime.arrays import allocate, load, save
from bids_eeg2fmri.types import (
    BOLD,
    EEG,
    Anatomy,
    Architecture,
    Evidence,
    Markers,
    Pairs,
    Parcels,
    PickedEEG,
    Recorded,
    Relevance,
    Scale,
    Scores,
    VolumeClock,
)


def normal(*shape, dtype="float32"):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


NOUNS = [
    EEG(normal(3, 50), 250.0, ("Fz", "Cz", "Ünz"), normal(3, 3, dtype="float64"), ("Cz",)),
    EEG(normal(2, 5), 250.0, ("Fz", "Cz"), np.full((2, 3), np.nan)),
    Markers(np.array([0.1, 0.2]), ("Response/R128", "Stimulus/S  1")),
    Markers(np.zeros(0), ()),
    BOLD(np.asfortranarray(normal(4, 5, 6, 7)), 2.16, np.diag([3.0, 3.0, 3.0, 1.0])),
    VolumeClock(np.arange(5.0), 2.0, "triggers:Response/R128", 5, math.nan, math.inf),
    VolumeClock(np.arange(5.0), 2.0, "given", 0, -math.inf, 0.0),
    Pairs(
        eeg=normal(4, 3, 2, 5),
        bold=normal(4, 2, 3, 2),
        volume=np.arange(4),
        onset=np.arange(4) * 2.0,
        freqs=np.array([0.5, 1.0]),
        channels=("Fz", "Cz", "Pz"),
        run="sub-01_task-rest",
        mask=normal(5, 6, 4) > 0,
        n_volumes=17,
    ),
    Parcels(np.eye(3, dtype=np.int32)[None], np.array([2001]), ("Precentral_L",), "AAL2.nii"),
    Anatomy(normal(4, 5, 6), np.diag([3.0, 3.0, 3.0, 1.0]), "the mean volume"),
    Relevance({"linear": normal(3, 2, 5)}, normal(3, 3), normal(3, 3), normal(2, 3, 2), 0.5, 4),
    Relevance({"network": normal(3, 2, 5)}, None, None, None, 1.0, 4),
    Architecture(((7, 37, 2), (7, 7, 2)), ((3, 5, 1), (2, 2, 1)), (2, 2, 1)),
    Scale(normal(3, 2), 0.3, 0.1, 1e-300),
    Scores(
        model="topo-rff",
        volumes={"rmse": np.array([0.1, np.nan])},
        maps={"r": normal(2, 3, 4), "skill": np.full((2, 3, 4), np.nan, np.float32)},
        summary={"rmse": 0.1, "skill": math.nan},
    ),
    Scores(model="mean-volume", volumes={}, maps={}, summary={}),
]


def equal(a, b):
    if isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
        return a.dtype == b.dtype and a.flags.f_contiguous == b.flags.f_contiguous
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    return type(a) is type(b) and (a == b or (a != a and b != b))


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: type(noun).__name__)
def test_every_noun_reads_back_equal(tmp_path, noun):
    save(tmp_path, "noun", noun)
    back = load(tmp_path, "noun", type(noun))
    assert all(equal(value, getattr(back, name)) for name, value in vars(noun).items())


def test_all_nouns_are_tried():
    nouns = {cls for cls in vars(types).values() if hasattr(cls, "__dataclass_fields__")}
    gathered_anew = {Evidence, PickedEEG, Recorded}  # from files or other nouns, each time
    assert nouns - gathered_anew == {type(noun) for noun in NOUNS}


def test_what_is_loaded_is_mapped_and_cannot_be_changed(tmp_path):
    save(tmp_path, "bold", NOUNS[4])
    data = load(tmp_path, "bold", BOLD).data
    assert isinstance(data, np.memmap)
    assert not data.flags.writeable


def test_what_was_streamed_in_place_is_not_copied(tmp_path):
    data = allocate(tmp_path, "bold.data", (4, 5, 6, 7), "float32", fortran=True)
    file = (tmp_path / "bold.data.npy").stat().st_ino
    for volume in range(7):
        data[..., volume] = volume
    save(tmp_path, "bold", BOLD(data, 2.0, np.eye(4)))
    back = load(tmp_path, "bold", BOLD).data
    assert (tmp_path / "bold.data.npy").stat().st_ino == file
    assert back.flags.f_contiguous
    np.testing.assert_array_equal(back[0, 0, 0], np.arange(7))


def test_a_streamed_array_that_was_cut_replaces_its_own_file(tmp_path):
    data = allocate(tmp_path, "bold.data", (4, 5, 6, 7), "float32", fortran=True)
    data[...] = normal(4, 5, 6, 7)
    save(tmp_path, "bold", BOLD(data[..., 2:], 2.0, np.eye(4)))
    back = load(tmp_path, "bold", BOLD).data
    np.testing.assert_array_equal(back, normal(4, 5, 6, 7)[..., 2:])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bold.affine.npy",
        "bold.data.npy",
        "bold.json",
    ]


def test_a_mapped_array_is_copied_to_another_folder(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    save(tmp_path / "one", "bold", NOUNS[4])
    save(tmp_path / "two", "bold", load(tmp_path / "one", "bold", BOLD))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_stored_files_are_the_same_byte_for_byte(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        save(tmp_path / name, "scores", NOUNS[-2])
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_objects_are_never_pickled(tmp_path):
    np.save(tmp_path / "markers.time.npy", np.array([{}], object))
    (tmp_path / "markers.json").write_text('{"time": {"$npy": "markers.time.npy"}, "label": []}')
    with pytest.raises(ValueError, match="Python objects"):
        load(tmp_path, "markers", Markers)


def test_array_files_are_looked_for_in_the_unit_only(tmp_path):
    np.save(tmp_path / "secret.npy", np.zeros(1))
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "markers.json").write_text(
        '{"time": {"$npy": "../secret.npy"}, "label": ["a"]}'
    )
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "unit", "markers", Markers)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        save(tmp_path / "nowhere", "markers", NOUNS[2])
    with pytest.raises(OutputError, match="no room for"):
        allocate(tmp_path / "nowhere", "bold.data", (2, 2), "float32")


@pytest.mark.parametrize(
    "act",
    [
        "save(folder, 'markers', Markers(np.zeros(100_000), ('a',) * 100_000))",
        "allocate(folder, 'bold.data', (1000, 1000), 'float32')",
    ],
)
def test_a_full_disk_is_told_before_it_kills(tmp_path, act):
    code = (
        "import pathlib, sys, numpy as np\n"
        "from bids_eeg2fmri.runtime.arrays import allocate, save\n"
        "from bids_eeg2fmri.types import Markers\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        f"try: {act}\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        preexec_fn=small_disk,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("OutputError"), done.stderr
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("could not create a primitive"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_lack_of_memory_is_known_by_number_or_words(error):
    assert is_shortage(error)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing limits the address space")
def test_a_file_that_memory_cannot_hold_is_no_want_of_disk(tmp_path):
    code = (
        "import resource, sys, pathlib\n"
        "from bids_eeg2fmri.errors import MemoryShortageError\n"
        "from bids_eeg2fmri.runtime.arrays import allocate\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 31, -1))\n"
        "try:\n"
        "    allocate(pathlib.Path(sys.argv[1]), 'bold.data', (1 << 32,), 'u1')\n"
        "except MemoryShortageError as error:\n"
        "    print(error)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("The memory does not suffice (OSError: [Errno 12]")
