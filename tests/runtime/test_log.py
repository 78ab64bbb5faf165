import io
import re
import subprocess
import sys
import warnings

import pytest
from rich.console import Console

from bids_eeg2fmri.errors import AppError, DataWarning, OutputError
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.execute import Pool, map_items


@pytest.fixture(autouse=True)
def leave_no_handlers():
    yield
    for handler in log._handlers():
        log.LOGGER.removeHandler(handler)
        handler.close()


def say(item):
    log.tell(f"sub-{item}", "train", "done")


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def test_lines_stand_in_columns(capsys):
    log.setup(None, 0)
    log.tell("sub-03_task-rest", "clock", "R128 every 2.160 s")
    log.tell("sub-03", "train", "topo-rff  epoch 4/10")
    assert capsys.readouterr().err == (
        "sub-03 task-rest  clock   R128 every 2.160 s\n"
        "sub-03            train   topo-rff  epoch 4/10\n"
    )


def test_the_log_file_keeps_everything_with_its_time(tmp_path, capsys):
    log.setup(tmp_path, 0)
    log.LOGGER.debug("a detail")
    log.LOGGER.info("a line")
    lines = only_file(tmp_path / "logs").read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["a detail", "a line"]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", lines[0])
    assert capsys.readouterr().err == "a line\n"


@pytest.mark.parametrize(
    ("verbosity", "lines"),
    [
        (-1, ["warning: odd"]),
        (0, ["line", "warning: odd"]),
        (1, ["detail", "line", "warning: odd"]),
    ],
)
def test_verbosity_chooses_what_the_console_shows(capsys, verbosity, lines):
    log.setup(None, verbosity)
    log.LOGGER.debug("detail")
    log.LOGGER.info("line")
    log.LOGGER.warning("odd")
    assert capsys.readouterr().err.splitlines() == lines


def test_setting_up_twice_says_everything_once(tmp_path, capsys):
    log.setup(tmp_path, 0)
    log.setup(tmp_path, 0)
    log.LOGGER.info("a line")
    assert capsys.readouterr().err == "a line\n"


def test_a_log_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="logs: cannot be written"):
        log.setup(tmp_path / "file", 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_log_to_the_same_file(tmp_path, workers):
    log.setup(tmp_path, 0)
    map_items(say, ["01", "02", "03"], Pool(workers))
    lines = only_file(tmp_path / "logs").read_text().splitlines()
    assert sorted(line.split(" ", 2)[2] for line in lines) == [
        f"sub-0{i}            train   done" for i in (1, 2, 3)
    ]


def test_libraries_do_not_talk_over_the_lines():
    code = (
        "from bids_eeg2fmri.runtime import log\n"
        "log.setup(None, 1)\n"
        "import mne, numpy as np\n"
        "raw = mne.io.RawArray(np.zeros((1, 100)), mne.create_info(1, 100.0))\n"
        "raw.crop(0, 0.5).resample(50)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_progress_leaves_a_plain_console_to_the_lines_of_the_loop(capsys):
    log.setup(None, 0)
    with log.progress(10, "sub-03 train") as advance:
        for _ in range(10):
            advance(1)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_below_the_lines():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    screen_handler = log._Screen(console)
    screen_handler.setFormatter(log._Lines())
    log.LOGGER.addHandler(screen_handler)
    with log.progress(4, "sub-03 train") as advance:
        advance(3)
    assert "sub-03 train" in screen.getvalue()
    assert "3/4" in screen.getvalue()


def test_lines_on_a_terminal_keep_their_columns_and_brackets(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    log.setup(None, 0)
    text = "[t−26, t−6) s " + "and more " * 20
    log.tell("sub-03_task-rest", "pairs", text.strip())
    lines = re.sub(r"\x1b\[[\d;]*m", "", sys.stderr.getvalue()).splitlines()
    assert [line.rstrip() for line in lines] == [f"sub-03 task-rest  pairs   {text.strip()}"]


def test_data_warnings_are_collected_once_and_others_logged(tmp_path, capsys):
    log.setup(None, 1)
    with log.capture_warnings() as texts:
        for _ in range(2):
            warnings.warn("Cz was flat", DataWarning, stacklevel=1)
        warnings.warn("old name", DeprecationWarning, stacklevel=1)
    assert texts == ["Cz was flat"]
    assert "DeprecationWarning: old name" in capsys.readouterr().err


def test_warnings_before_an_error_are_kept():
    with pytest.raises(ValueError, match="stop"), log.capture_warnings() as texts:  # noqa: PT012
        warnings.warn("Cz was flat", DataWarning, stacklevel=1)
        raise ValueError("stop")
    assert texts == ["Cz was flat"]


def test_warnings_are_as_before_afterwards():
    with log.capture_warnings():
        pass
    with pytest.raises(DataWarning):
        warnings.warn("Cz was flat", DataWarning, stacklevel=1)


def test_a_crash_keeps_its_traceback(tmp_path):
    path = log.crash_file(tmp_path / "logs", "sub-03_task-rest", "Traceback …")
    assert path.parent == tmp_path / "logs"
    assert re.fullmatch(r"crash-sub-03_task-rest-\d{8}T\d{6}-\d+\.txt", path.name)
    assert path.read_text() == "Traceback …"


def test_a_crash_that_no_file_may_keep_is_one_line_and_v_tells_more(capsys):
    log.setup(None, 1)
    says = r"^participant: KeyError: 'gone'\. Please report it"
    with pytest.raises(AppError, match=says), log.keeping_crashes(None, "participant"):
        raise KeyError("gone")
    assert "Traceback" in capsys.readouterr().err


def test_a_process_that_never_set_up_has_no_place_to_log():
    assert log.place() is None
    log.join(None)
    assert log.place() is None


def test_workers_that_live_on_log_where_the_next_call_does(tmp_path):
    for name in ("first", "second"):
        log.setup(tmp_path / name, 0)
        map_items(say, ["01", "02"], Pool(2))
        assert len(only_file(tmp_path / name / "logs").read_text().splitlines()) == 2


def test_a_console_on_stdout_is_that_of_workers_too():
    code = (
        "from functools import partial\n"
        "from bids_eeg2fmri.runtime import log\n"
        "from bids_eeg2fmri.runtime.execute import Pool, map_items\n"
        "log.setup(None, 0, on_stdout=True)\n"
        "tell = partial(log.tell, stage='train', text='done')\n"
        "tell('sub-00')\n"
        "map_items(tell, ['sub-01', 'sub-02'], Pool(2))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [f"sub-0{i}            train   done" for i in range(3)]
    assert (sorted(done.stdout.splitlines()), done.stderr) == (lines, "")
