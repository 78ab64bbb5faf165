"""Settings as people write them, TOML or ``--set section.key=value``, to ``Config`` and back.

Later layers win: start from ``Config()``, lay a file over it with :func:`from_mapping`, single
values with :func:`override`, and :func:`validate` what came out.
"""

import dataclasses
import difflib
import json
import math
import tomllib
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from bids_eeg2fmri.config import Config
from bids_eeg2fmri.errors import MissingInputError, UsageError

_RANGES: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    (
        "above 0",
        lambda x: 0 < x < math.inf,
        "clock.tolerance window.start spectrogram.window spectrogram.hop spectrogram.fmax "
        "search.max_macs search.max_parameters search.max_memory search.learning_rate "
        "train.learning_rate optimise.learning_rate optimise.weight_decay apply.reach",
    ),
    (
        "0 or more",
        lambda x: 0 <= x < math.inf,
        "clock.surplus clean.prominence clean.components clean.beat_components bold.high_pass "
        "bold.smoothing window.stop spectrogram.fmin split.gap train.weight_decay "
        "train.regularisation split.folds evaluate.phase_draws evaluate.retrained_draws "
        "explain.pairs explain.epsilon seed",
    ),
    (
        "1 or more",
        lambda x: x >= 1,
        "spectrogram.bins grid.shape grid.largest search.eeg_depth search.bold_depth "
        "search.candidates search.epochs model.latent model.filters train.epochs "
        "train.batch_size train.patience split.repeats optimise.iterations optimise.parallel "
        "optimise.batch_size optimise.epochs optimise.latent evaluate.null_draws",
    ),
    ("3 or more", lambda x: x >= 3, "clean.averaged"),
    (
        "between 0 and 1, neither included",
        lambda x: 0 < x < 1,
        "split.test split.valid split.test_participants optimise.valid",
    ),
    ("0 or more and below 1", lambda x: 0 <= x < 1, "read.max_bad_channels model.dropout"),
    ("from 0 to 1", lambda x: 0 <= x <= 1, "clean.locked apply.max_uncovered apply.shifted"),
    ("0 or more and below 100", lambda x: 0 <= x < 100, "explain.percentile"),
    ("finite", math.isfinite, "clock.eeg_onset"),
)
"""What is allowed, in words and as a test, and the settings that it holds for."""


def read_toml(path: Path) -> Mapping[str, Any]:
    """Read a settings file.

    Raises
    ------
    MissingInputError
        If there is no such file.
    UsageError
        If it cannot be read as TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such settings file. Check --config.") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Check --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML ({error}). Mend it or drop --config.") from None


def from_mapping(mapping: Mapping[str, Any], base: Config | None = None) -> Config:
    """Lay ``{"section": {"key": value}, "seed": 3}`` over ``base``, by default the defaults.

    Lists become tuples, and integers floats or text, where the setting wants them; ``"none"``
    unsets a setting that may be unset.

    Raises
    ------
    UsageError
        If a section or key is unknown (names the closest that exists) or a value has a wrong type.
    """
    filled: Config = _fill(base or Config(), mapping, "")
    return filled


def override(config: Config, assignments: Sequence[str]) -> Config:
    """Change single settings, each given as ``section.key=value`` with a TOML value or a bare word.

    Raises
    ------
    UsageError
        As :func:`from_mapping`, and if there is no ``=``.
    """
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise UsageError(f"--set {assignment}: write section.key=value, e.g. train.epochs=20.")
        value: Any = read_value(text)
        for key in reversed(name.split(".")):
            value = {key: value}
        config = from_mapping(value, config)
    return config


def to_toml(config: Config) -> str:
    """Spell out every setting but the unset ones, such that reading it gives ``config`` back."""
    lines: list[str] = []
    section = ""
    for name, value in sorted(settings(config), key=lambda pair: "." in pair[0]):
        head, _, key = name.rpartition(".")
        if head != section:
            section = head
            lines += ["", f"[{section}]"]
        if value is not None:
            lines.append(f"{key} = {spell_value(value)}")
    return "\n".join(lines) + "\n"


def settings(config: Config) -> Iterator[tuple[str, Any]]:
    """Go through all settings as (``section.key``, value)."""
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if not dataclasses.is_dataclass(value):
            yield entry.name, value
            continue
        for key in dataclasses.fields(value):
            yield f"{entry.name}.{key.name}", getattr(value, key.name)


def allowed(name: str) -> str:
    """Say in words which numbers the setting ``section.key`` takes; empty where any value goes."""
    return next((words for words, _, names in _RANGES if name in names.split()), "")


def validate(config: Config) -> Config:
    """Check that every number lies in its range and that they fit each other; give ``config`` back.

    Raises
    ------
    UsageError
        Naming the setting, its value and what is allowed.
    """
    values = dict(settings(config))
    for words, is_allowed, names in _RANGES:
        for name in names.split():
            numbers = values[name] if isinstance(values[name], tuple) else (values[name],)
            if not all(number is None or is_allowed(number) for number in numbers):
                raise UsageError(f"{name} = {values[name]!r}: must be {words}.")
    for name, fits, words in _relations(config):
        if not fits:
            raise UsageError(f"{name} = {values[name]!r}: must be {words}.")
    return config


def _relations(config: Config) -> Iterator[tuple[str, bool, str]]:
    """Give each rule between settings: whose fault, whether it holds, and the rule in words."""
    window, spectrogram, split = config.window, config.spectrogram, config.split
    yield (
        "bold.high_pass",
        config.bold.high_pass == 0 or config.bold.clean != "none",
        "0 unless bold.clean is detrend or confounds",
    )
    yield "window.stop", window.stop < window.start, f"below window.start = {window.start}"
    length = window.start - window.stop
    unit = {"s": "s", "tr": "repetition times"}[window.unit]
    yield (
        "spectrogram.window",
        spectrogram.window <= length,
        f"at most window.start − window.stop = {length:g} {unit}",
    )
    yield (
        "spectrogram.fmax",
        spectrogram.fmin < spectrogram.fmax,
        f"above spectrogram.fmin = {spectrogram.fmin}",
    )
    yield "split.valid", split.test + split.valid < 1, f"below 1 − split.test = {1 - split.test:g}"
    unshared = split.gap is None or split.gap >= length
    yield "split.gap", unshared, f"{length:g} {unit} or more, or training and test would share EEG"
    most = config.optimise.iterations
    within = config.optimise.parallel <= most
    yield "optimise.parallel", within, f"at most optimise.iterations = {most}"
    for name in ("latent", "learning_rate", "weight_decay"):
        lowest, highest = getattr(config.optimise, name)
        yield f"optimise.{name}", lowest < highest, "a smallest value and a larger one"


def _fill(section: Any, values: Mapping[str, Any], prefix: str) -> Any:
    """Replace in a dataclass, and in the dataclasses inside it, what ``values`` names."""
    known = {entry.name: entry.type for entry in dataclasses.fields(section)}
    changes = {}
    for key, value in values.items():
        name = prefix + key
        if key not in known:
            raise UsageError(f"{name}: no such setting. {_suggest(name)}")
        current = getattr(section, key)
        if not dataclasses.is_dataclass(current):
            changes[key] = _convert(value, known[key], name)
        elif isinstance(value, Mapping):
            changes[key] = _fill(current, value, f"{name}.")
        else:
            raise UsageError(f"{name} is a section: set one of its keys, {name}.KEY.")
    return dataclasses.replace(section, **changes)


def _suggest(name: str) -> str:
    """Point to the setting that was probably meant."""
    names = [known for known, _ in settings(Config())]
    sections = sorted({known.split(".")[0] for known in names if "." in known})
    namesakes = [known for known in names if known.split(".")[-1] == name.split(".")[-1]]
    close = namesakes or difflib.get_close_matches(name, names + sections, n=1)
    return f"Did you mean {close[0]}?" if close else f"Sections: {', '.join(sections)}."


def _convert(value: Any, kind: Any, name: str) -> Any:
    """Bring a TOML value to the type of its setting."""
    options = typing.get_args(kind)
    if isinstance(kind, types.UnionType):  # always "something or None"
        return None if value in (None, "none") else _convert(value, options[0], name)
    if typing.get_origin(kind) is tuple:
        length = len(value) if isinstance(value, list | tuple) else 0
        kinds = options[:1] * length if options[-1] is ... else options
        if length == len(kinds) > 0:
            return tuple(_convert(v, k, name) for v, k in zip(value, kinds, strict=True))
    elif typing.get_origin(kind) is Literal:
        if value in options:
            return value
    elif type(value) is kind:
        return value
    elif kind in (float, str) and type(value) is int:  # a trigger may be called 128
        return kind(value)
    raise UsageError(f"{name} = {value!r}: must be {spell_type(kind, allowed(name))}.")


def spell_type(kind: Any, numbers: str = "") -> str:
    """Put the type of a setting, and which ``numbers`` are allowed, into words."""
    options = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        return f"{spell_type(options[0], numbers)}, or none"
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, options))
    if typing.get_origin(kind) is tuple:
        kinds = {int: "whole numbers", float: "numbers", str: "names"}[options[0]]
        words = f"a list of {'' if options[-1] is ... else f'{len(options)} '}{kinds}"
    else:
        words = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}[kind]
    return f"{words}, {numbers}" if numbers else words


def read_value(text: str) -> Any:
    """Read a TOML value; what is none stands for itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def spell_value(value: Any) -> str:
    """Write a TOML value."""
    if isinstance(value, float):
        return repr(value)
    # JSON is TOML for booleans, whole numbers, lists and, unless it escapes them, texts.
    return json.dumps(value, ensure_ascii=False)
