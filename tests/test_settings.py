import dataclasses
import json
import runpy
import subprocess
import sys
import tomllib
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_eeg2fmri.config import Config, ModelConfig, SplitConfig, TrainConfig, WindowConfig
from bids_eeg2fmri.errors import MissingInputError, UsageError
from bids_eeg2fmri.settings import (
    allowed,
    from_mapping,
    override,
    read_toml,
    settings,
    to_toml,
    validate,
)

DOCS = Path(__file__).parents[1] / "docs"
PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)


DEFAULTS = dict(settings(Config()))
KINDS = {
    f"{section.name}.{entry.name}": entry.type
    for section in dataclasses.fields(Config)
    if dataclasses.is_dataclass(section.type)
    for entry in dataclasses.fields(section.type)
} | {"seed": int, "models": tuple[str, ...]}


def another(value, kind):
    """Spell a value of a setting that differs from the one it has."""
    if typing.get_origin(kind) is typing.Literal:
        return next(choice for choice in typing.get_args(kind) if choice != value)
    if isinstance(value, tuple):
        return json.dumps([one * 2 for one in value])  # numbers and names alike
    if value is None:
        examples = {"tuple": "[4, 5, 6]", "float": "1.5", "int": "7", "str": "R128"}
        return next(text for name, text in examples.items() if name in str(kind))
    return str(not value).lower() if isinstance(value, bool) else value + 1


def read_back(config: Config) -> Config:
    return from_mapping(tomllib.loads(to_toml(config)))


def test_the_defaults_are_valid():
    assert validate(Config()) == Config()


def test_written_defaults_read_back_equal():
    assert read_back(Config()) == Config()


@given(
    number=st.floats(allow_nan=False),
    seed=st.integers(0, 2**62),
    trigger=st.none() | PRINTABLE.filter(lambda text: text != "none"),
    shape=st.none() | st.tuples(*[st.integers(1, 500)] * 3),
)
def test_any_settings_read_back_equal(number, seed, trigger, shape):
    config = from_mapping(
        {
            "train": {"learning_rate": number},
            "seed": seed,
            "clock": {"trigger": trigger, "eeg_onset": number},
            "grid": {"shape": shape},
        }
    )
    assert read_back(config) == config


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_setting_can_be_changed_by_itself_and_reads_back(name):
    changed = override(Config(), [f"{name}={another(DEFAULTS[name], KINDS[name])}"])
    assert [n for n, value in settings(changed) if value != DEFAULTS[n]] == [name]
    assert read_back(changed) == changed


def test_integers_become_floats_and_lists_tuples():
    config = override(Config(), ["window.stop=0", "grid.shape=[8, 9, 10]"])
    assert repr(config.window.stop) == "0.0"
    assert config.grid.shape == (8, 9, 10)


def test_a_bare_word_is_text_and_none_unsets():
    config = override(Config(), ["clock.trigger=Response/R128", "clock.trigger = R128"])
    assert config.clock.trigger == "R128"
    assert override(config, ["clock.trigger=none"]).clock.trigger is None


def test_a_trigger_may_be_called_by_a_number():
    assert override(Config(), ["clock.trigger=128"]).clock.trigger == "128"


def test_later_layers_win_and_leave_the_rest():
    config = from_mapping({"train": {"epochs": 3, "patience": 2}})
    config = from_mapping({"train": {"epochs": 4}}, config)
    assert config.train == TrainConfig(epochs=4, patience=2)


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("window.stp=0", "window.stp: no such setting. Did you mean window.stop?"),
        ("windw.stop=0", "windw: no such setting. Did you mean window?"),
        ("patience=3", "patience: no such setting. Did you mean train.patience?"),
        ("qqq=3", "qqq: no such setting. Sections: apply, bold, clean, clock, evaluate, explain, "),
        ("window=3", "window is a section: set one of its keys, window.KEY."),
        ("train.epochs", "--set train.epochs: write section.key=value, e.g. train.epochs=20."),
        ("train.epochs=2.5", "train.epochs = 2.5: must be a whole number, 1 or more."),
        ("train.epochs=true", "train.epochs = True: must be a whole number, 1 or more."),
        ("window.stop=late", "window.stop = 'late': must be a number, 0 or more."),
        ("model.skip=1", "model.skip = 1: must be true or false."),
        ("clock.trigger=[128]", "clock.trigger = [128]: must be text."),
        ("grid.largest=[64, 64]", "must be a list of 3 whole numbers, 1 or more."),
        ("train.start=baroque", "train.start = 'baroque': must be one of mean, zero."),
        ("train.start.more=1", "train.start = {'more': 1}: must be one of mean, zero."),
    ],
)
def test_what_cannot_be_set_is_named_with_what_can(assignment, says):
    with pytest.raises(UsageError) as error:
        override(Config(), [assignment])
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("window.stop=-1", "window.stop = -1.0: must be 0 or more."),
        ("window.stop=30", "window.stop = 30.0: must be below window.start = 26.0."),
        ("window.start=nan", "window.start = nan: must be above 0."),
        ("window.stop=25", "must be at most window.start − window.stop = 1 s."),
        ("spectrogram.fmax=0.5", "spectrogram.fmax = 0.5: must be above spectrogram.fmin = 0.5."),
        ("train.epochs=0", "train.epochs = 0: must be 1 or more."),
        ("train.learning_rate=inf", "train.learning_rate = inf: must be above 0."),
        ("grid.shape=[0, 4, 4]", "grid.shape = (0, 4, 4): must be 1 or more."),
        ("split.test=1", "split.test = 1.0: must be between 0 and 1, neither included."),
        (
            "split.gap=10",
            "split.gap = 10.0: must be 20 s or more, or training and test would share EEG.",
        ),
        ("spectrogram.bins=0", "spectrogram.bins = 0: must be 1 or more."),
        ("split.test=0.9", "split.valid = 0.15: must be below 1 − split.test = 0.1."),
        ("clock.eeg_onset=inf", "clock.eeg_onset = inf: must be finite."),
        ("model.dropout=1", "model.dropout = 1.0: must be 0 or more and below 1."),
        ("seed=-1", "seed = -1: must be 0 or more."),
    ],
)
def test_numbers_out_of_range_are_refused_with_the_range(assignment, says):
    with pytest.raises(UsageError) as error:
        validate(override(Config(), [assignment]))
    assert says in str(error.value)


def test_a_window_that_ends_at_the_volume_is_allowed():
    assert validate(override(Config(), ["window.stop=0"])).window == WindowConfig(stop=0.0)


def test_what_is_counted_in_repetition_times_is_compared_in_them():
    in_trs = override(Config(), ["window.unit=tr", "window.start=10", "window.stop=0"])
    assert validate(in_trs) == in_trs
    with pytest.raises(UsageError, match="must be 10 repetition times or more"):
        validate(override(in_trs, ["split.gap=9"]))
    with pytest.raises(UsageError, match=r"at most .* = 10 repetition times"):
        validate(override(in_trs, ["spectrogram.window=11"]))


def test_a_unit_is_as_long_as_the_run_makes_it():
    assert WindowConfig().seconds(2.16) == 1
    assert WindowConfig(unit="tr").seconds(2.16) == 2.16


def test_unset_settings_have_no_range():
    assert validate(Config()).split == SplitConfig(gap=None)


def test_every_number_has_a_range():
    kinds = {name: str(kind) for name, kind in KINDS.items() if "Literal" not in str(kind)}
    numbers = [name for name, kind in kinds.items() if "float" in kind or "int" in kind]
    assert [name for name in numbers if not allowed(name)] == []


def test_a_file_is_read(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("seed = 3\n[model]\nlatent = 5\n")
    assert from_mapping(read_toml(path)) == Config(seed=3, model=ModelConfig(latent=5))


def test_a_missing_file_is_missing_input(tmp_path):
    with pytest.raises(MissingInputError, match="no such settings file"):
        read_toml(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("content", [b"[train\n", b"epochs = \n", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"settings\.toml: not valid TOML") as error:
        read_toml(path)
    assert "\n" not in str(error.value)


def test_a_folder_instead_of_a_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_toml(tmp_path)


def test_the_settings_page_is_current():
    script = runpy.run_path(str(DOCS / "make_settings.py"))
    assert script["page"]() == (DOCS / "reference" / "settings.md").read_text(encoding="utf-8"), (
        "run: python docs/make_settings.py"
    )


def test_every_setting_is_explained():
    script = runpy.run_path(str(DOCS / "make_settings.py"))
    explained = {f"{s.section}.{s.key}".lstrip(".") for s in script["describe"]()}
    assert {name for name, _ in settings(Config())} <= explained


def test_settings_are_read_without_numpy_or_torch():
    code = (
        "import sys, bids_eeg2fmri.settings;"
        "sys.exit(bool({'numpy', 'torch', 'mne'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
