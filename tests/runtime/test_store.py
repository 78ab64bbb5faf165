import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bids_eeg2fmri.config import ReadConfig, SpectrogramConfig, WindowConfig
from bids_eeg2fmri.errors import (
    DamageError,
    EEGError,
    MissingInputError,
    OutputError,
    TemporaryError,
)
from bids_eeg2fmri.runtime.seal import break_seal, seal
from bids_eeg2fmri.runtime.store import Store, fingerprint


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "work", "1.0")


def write(text="content"):
    return lambda folder: (folder / "result.txt").write_text(text) and None


def never(folder):
    raise AssertionError("made again")


def read_and_pairs(store, window, make=None):
    """Two stages, the second of which reads the first and sees the window."""
    make = make or write()
    read = store.unit("read", "sub-01", [ReadConfig()], ["raw"], make)
    return read, store.unit("pairs", "sub-01", [window, SpectrogramConfig()], [read], make)


def run(code, *arguments, **options):
    """Start Python on code that has a store in ``sys.argv[1]`` and may call ``make(folder)``."""
    head = "import sys, time, pathlib\nfrom bids_eeg2fmri.runtime.store import Store\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def leftovers(store):
    return [path.name for path in store.root.iterdir() if path.name.startswith("tmp-")]


def test_a_unit_is_made_once(store):
    first = store.unit("read", "sub-01", [ReadConfig()], ["raw"], write())
    again = store.unit("read", "sub-01", [ReadConfig()], ["raw"], never)
    assert (first.reused, again.reused) == (False, True)
    assert (first.key, first.folder) == (again.key, again.folder)
    assert (again.folder / "result.txt").read_text() == "content"
    assert leftovers(store) == []


def test_the_same_unit_is_found_by_another_process(store):
    unit = store.unit("read", "sub-01", [ReadConfig(), {"seed": 3}], ["raw"], write())
    code = (
        "from bids_eeg2fmri.config import ReadConfig\n"
        "store = Store(pathlib.Path(sys.argv[1]), '1.0')\n"
        "print(store.unit('read', 'sub-01', [ReadConfig(), {'seed': 3}], ['raw'], None).key)"
    )
    out, err = run(code, store.root).communicate(timeout=60)
    assert out.strip() == unit.key, err


def test_a_changed_lag_recomputes_the_pairs_and_not_the_reading(store):
    read, pairs = read_and_pairs(store, WindowConfig())
    read_again, pairs_again = read_and_pairs(store, WindowConfig(stop=0.0))
    assert read_again.reused
    assert read_again.key == read.key
    assert not pairs_again.reused
    assert pairs_again.key != pairs.key
    assert pairs_again.why == "config.window.stop 6.0 → 0.0"


def test_going_back_to_earlier_settings_reuses_their_unit(store):
    read_and_pairs(store, WindowConfig())
    read_and_pairs(store, WindowConfig(stop=0.0))
    assert read_and_pairs(store, WindowConfig(), never)[1].reused


@pytest.mark.parametrize(
    ("stage", "item", "config", "parents", "version"),
    [
        ("clean", "sub-01", [{"seed": 3}], ["raw"], "1.0"),
        ("read", "sub-02", [{"seed": 3}], ["raw"], "1.0"),
        ("read", "sub-01", [{"seed": 4}], ["raw"], "1.0"),
        ("read", "sub-01", [{"seed": 3}], ["raw", "more"], "1.0"),
        ("read", "sub-01", [{"seed": 3}], ["raw"], "1.1"),
    ],
)
def test_whatever_a_unit_is_made_from_changes_its_key(store, stage, item, config, parents, version):
    other = Store(store.root, version)
    key = store.key("read", "sub-01", [{"seed": 3}], ["raw"])
    assert other.key(stage, item, config, parents) != key


def test_why_tells_everything_that_changed(store):
    def why(version, config, fingerprint):
        store_now = Store(store.root, version)
        read = store_now.unit("read", "sub-01", [], [fingerprint], write())
        return store_now.unit("pairs", "sub-01", config, [read], write()).why

    assert why("1.0", [WindowConfig(), {"seed": 1}], "raw") == "first time"
    assert why("1.0", [WindowConfig(start=20.0), {"seed": 2}], "raw") == (
        "config.window.start 26.0 → 20.0, config.seed 1 → 2"
    )
    assert why("1.0", [WindowConfig(start=20.0)], "raw") == "config.seed 2 → unset"
    assert why("1.0", [WindowConfig(start=20.0)], "raw changed") == "parent read changed"
    assert why("1.1", [WindowConfig(start=20.0)], "raw changed") == (
        "version 1.0 → 1.1, parent read changed"
    )


def test_changed_raw_files_are_the_reason_given(store):
    store.unit("read", "sub-01", [], ["before"], write())
    assert store.unit("read", "sub-01", [], ["after"], write()).why == "input files changed"


def test_another_item_is_no_reason(store):
    store.unit("read", "sub-01", [], ["raw"], write())
    assert store.unit("read", "sub-011", [], ["raw"], write()).why == "first time"


def test_two_settings_of_one_name_are_refused(store):
    with pytest.raises(ValueError, match="share a name"):
        store.key("pairs", "sub-01", [WindowConfig(), WindowConfig(stop=0.0)], [])


def test_meta_tells_how_a_unit_came_to_be(store):
    unit = store.unit("read", "sub-01", [ReadConfig()], ["raw"], write("four"))
    meta = json.loads((unit.folder / "meta.json").read_text())
    assert meta["config"] == {"read": {"max_bad_channels": 0.3}}
    assert meta["parents"] == {"input files": ["raw"]}
    assert (meta["stage"], meta["item"], meta["version"]) == ("read", "sub-01", "1.0")
    assert meta["why"] == "first time"
    assert list(meta["files"]) == ["result.txt"]
    assert meta["files"]["result.txt"]["size"] == 4
    assert meta["files"]["result.txt"]["sha256"].startswith(
        "04efaf080f5a3e74"
    )  # sha256sum of "four"


METAS = ('{"files"', "[]", "{}", '{"files": {}}', "[" * 10**5, '{"files": {"result.txt": 7}}')


@pytest.mark.parametrize("damage", ["truncate", "change", "remove", "no meta", "empty", *METAS])
def test_a_damaged_unit_is_made_again(store, damage):
    unit = store.unit("read", "sub-01", [], ["raw"], write())
    file, meta = unit.folder / "result.txt", unit.folder / "meta.json"
    if damage in ("truncate", "change"):
        file.write_text("cont" if damage == "truncate" else "comtent")
    elif damage in METAS:
        meta.write_text(damage)
    else:
        for path in {"remove": [file], "no meta": [meta], "empty": [file, meta]}[damage]:
            path.unlink()
    again = store.unit("read", "sub-01", [], ["raw"], write())
    assert not again.reused
    assert again.why == "its stored files were damaged"
    assert (again.folder / "result.txt").read_text() == "content"
    assert store.unit("read", "sub-01", [], ["raw"], never).reused


def write_large(folder):
    (folder / "large.bin").write_bytes(bytes(1 << 20))


def test_a_large_file_is_checked_before_anything_is_made_of_it(store):
    read = store.unit("read", "sub-01", [], ["raw"], write_large)
    with (read.folder / "large.bin").open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"1")
    read = store.unit("read", "sub-01", [], ["raw"], never)
    with pytest.raises(DamageError, match="not what was written") as error:
        store.unit("pairs", "sub-01", [], [read], never)
    assert str(read.folder) in str(error.value)
    read = store.unit("read", "sub-01", [], ["raw"], write_large)
    assert read.why == "its stored files were damaged"
    assert not store.unit("pairs", "sub-01", [], [read], write()).reused


def test_a_thorough_store_finds_all_damage_at_first_sight(store):
    read = store.unit("read", "sub-01", [], ["raw"], write_large)
    (read.folder / "large.bin").write_bytes(bytes((1 << 20) - 1) + b"1")
    assert Store(store.root, "1.0").unit("read", "sub-01", [], ["raw"], never).reused
    thorough = Store(store.root, "1.0", thorough=True)
    assert not thorough.unit("read", "sub-01", [], ["raw"], write_large).reused
    assert thorough.unit("read", "sub-01", [], ["raw"], never).reused


def test_what_another_process_made_anew_of_a_damaged_unit_stays(store):
    read = store.unit("read", "sub-01", [], ["raw"], write_large)
    (read.folder / "large.bin").write_bytes(b"")

    def make(folder):
        store.unit("read", "sub-01", [], ["raw"], write_large)
        write_large(folder)

    store.unit("read", "sub-01", [], ["raw"], make)
    assert store.unit("read", "sub-01", [], ["raw"], never).reused
    assert leftovers(store) == []


def test_damage_that_two_find_at_once_is_damage_to_both(tmp_path):
    pipe, other = tmp_path / "a", tmp_path / "b"
    pipe.touch()
    other.write_text("content")
    seal(tmp_path, {"config": {}, "parents": {}})
    other.write_text("c0ntent")
    pipe.unlink()
    os.mkfifo(pipe)  # whoever checks waits here
    found = []
    checking = threading.Thread(target=lambda: found.append(break_seal(tmp_path)))
    checking.start()
    with pipe.open("wb"):  # it is at it
        (tmp_path / "meta.json").unlink()  # as the other does who found it first
    checking.join()
    assert found == [True]


def test_a_file_that_cannot_be_opened_now_is_no_damage(store):
    unit = store.unit("read", "sub-01", [ReadConfig()], ["raw"], write())
    again = store.unit("read", "sub-01", [ReadConfig()], ["raw"], never)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(TemporaryError, match=r"cannot be read .Too many open files") as told:
            store.check([again])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not isinstance(told.value, DamageError)
    store.check([again])
    assert store.unit("read", "sub-01", [ReadConfig()], ["raw"], never).key == unit.key


def test_a_stray_file_is_no_damage(store):
    unit = store.unit("read", "sub-01", [], ["raw"], write())
    (unit.folder / ".nfs0001").touch()
    assert store.unit("read", "sub-01", [], ["raw"], never).reused


def test_an_error_in_making_passes_and_leaves_nothing(store):
    def refuse(folder):
        (folder / "half").write_text("half")
        raise EEGError("sub-01: EEG too short.")

    with pytest.raises(EEGError, match="too short"):
        store.unit("read", "sub-01", [], ["raw"], refuse)
    assert leftovers(store) == []
    assert not store.unit("read", "sub-01", [], ["raw"], write()).reused


def test_a_raw_file_that_cannot_be_read_is_not_blamed_on_the_work_directory(store, tmp_path):
    with pytest.raises(FileNotFoundError):
        store.unit("read", "sub-01", [], [], lambda folder: open(tmp_path / "raw.eeg").close())


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_loses_only_the_unit_under_way(store, signal_number):
    code = (
        "def make(folder):\n"
        "    (folder / 'result.txt').write_text('half')\n"
        "    print('under way', flush=True)\n"
        "    time.sleep(60)\n"
        "store = Store(pathlib.Path(sys.argv[1]), '1.0')\n"
        "store.unit('read', 'sub-01', [], ['raw'], lambda folder: None)\n"
        "store.unit('read', 'sub-02', [], ['raw'], make)"
    )
    with run(code, store.root) as process:
        assert process.stdout.readline() == "under way\n"
        Store(store.root, "1.0")
        assert len(leftovers(store)) == 1, "the folder of a living process must stay"
        process.send_signal(signal_number)
    resumed = Store(store.root, "1.0")
    assert leftovers(resumed) == []
    assert resumed.unit("read", "sub-01", [], ["raw"], never).reused
    unit = resumed.unit("read", "sub-02", [], ["raw"], write())
    assert (unit.folder / "result.txt").read_text() == "content"


def test_folders_of_other_machines_stay_for_a_week(store):
    fresh, old = (store.root / f"tmp-elsewhere-1-0000000{i}" for i in (1, 2))
    unrelated = store.root / "tmp-notes"
    for folder in (fresh, old, unrelated):
        folder.mkdir()
    eight_days_ago = time.time() - 8 * 24 * 3600
    for folder in (old, unrelated):
        os.utime(folder, (eight_days_ago, eight_days_ago))
    Store(store.root, "1.0")
    assert fresh.exists()
    assert unrelated.exists()
    assert not old.exists()


def test_of_two_processes_that_make_the_same_unit_one_wins_silently(store):
    code = (
        "def make(folder):\n"
        "    (folder / 'result.txt').write_text('content')\n"
        "    mine, other = (pathlib.Path(sys.argv[1]).parent / n for n in sys.argv[2:])\n"
        "    mine.touch()\n"
        "    while not other.exists(): time.sleep(0.01)\n"
        "unit = Store(pathlib.Path(sys.argv[1]), '1.0').unit('read', 'sub-01', [], ['raw'], make)\n"
        "print(unit.folder / 'result.txt')"
    )
    processes = [run(code, store.root, *names) for names in (("a", "b"), ("b", "a"))]
    answers = [process.communicate(timeout=60) for process in processes]
    assert [error for _, error in answers] == ["", ""]
    assert len({out for out, _ in answers}) == 1
    assert Path(answers[0][0].strip()).read_text() == "content"
    assert leftovers(store) == []
    assert store.unit("read", "sub-01", [], ["raw"], never).reused


def test_who_loses_the_race_by_an_error_takes_what_the_winner_made(store):
    def make(folder):
        store.unit("read", "sub-01", [], ["raw"], write())
        raise RuntimeError("the winner took my checkpoints away")

    unit = store.unit("read", "sub-01", [], ["raw"], make)
    assert (unit.folder / "result.txt").read_text() == "content"


def test_checkpoints_stay_until_their_unit_is_finished(store):
    scratch = store.scratch("train", store.key("train", "sub-01", [], []))
    (scratch / "epoch-3").write_text("state")

    def stop(folder):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.unit("train", "sub-01", [], [], stop)
    assert (Store(store.root, "1.0").scratch("train", scratch.name) / "epoch-3").exists()
    store.unit("train", "sub-01", [], [], write())
    assert not scratch.exists()


def test_a_work_directory_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "work", Path("/proc/work")):
        with pytest.raises(OutputError, match="the work directory cannot be used") as error:
            Store(root, "1.0")
        assert "\n" not in str(error.value)


def test_a_full_disk_is_one_line_and_leaves_nothing(store):
    code = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "store = Store(pathlib.Path(sys.argv[1]), '1.0')\n"
        "try: store.unit('read', 'sub-01', [], [],\n"
        "                lambda folder: (folder / 'big').write_bytes(bytes(20_000)))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    out, _ = run(code, store.root).communicate(timeout=60)
    assert out.startswith("OutputError")
    assert "cannot be used (File too large). Free space there" in out
    assert leftovers(store) == []


def test_fingerprints_follow_path_size_and_time_but_not_the_place_or_order(tmp_path):
    def dataset(root):
        for name in ("sub-01.eeg", "sub-01.vhdr"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
            os.utime(root / name, ns=(0, 10**18))
        return fingerprint(root, ["sub-01.eeg", "sub-01.vhdr"])

    before = dataset(tmp_path / "one")
    assert dataset(tmp_path / "two") == before
    files = [tmp_path / "one" / "sub-01.vhdr", tmp_path / "one" / "sub-01.eeg"]
    assert fingerprint(tmp_path / "one", files) == before
    assert fingerprint(tmp_path / "one", files[:1]) != before
    os.utime(files[0], ns=(0, 10**18 + 1))
    assert fingerprint(tmp_path / "one", files) != before
    os.utime(files[0], ns=(0, 10**18))
    assert fingerprint(tmp_path / "one", files) == before
    files[0].write_text("longer than before")
    os.utime(files[0], ns=(0, 10**18))
    assert fingerprint(tmp_path / "one", files) != before


def test_a_raw_file_that_is_gone_is_missing_input(tmp_path):
    with pytest.raises(MissingInputError, match=r"sub-01\.eeg: cannot be found"):
        fingerprint(tmp_path, ["sub-01.eeg"])
