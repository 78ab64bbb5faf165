"""What a unit of work is made from: its key, and what changed since the last time."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def write_recipe(
    stage: str,
    item: str,
    version: str,
    config: Sequence[Any],
    parents: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """Write down all that a unit is made from, in what JSON gives back unchanged.

    Parameters
    ----------
    stage, item, version
        What is done, to what, and by which release.
    config
        Dataclasses, each under the name it has in ``Config``, or mappings from names to values.
    parents
        Name and key of what the unit reads.
    """
    sections: dict[str, Any] = {}
    for part in config:
        named = _plain(part if isinstance(part, Mapping) else {_name(part): part})
        if not sections.keys().isdisjoint(named):
            raise ValueError(f"{stage}: two parts of its settings share a name of {list(named)}")
        sections |= named
    ancestors: dict[str, list[str]] = {}
    for name, key in parents:
        ancestors.setdefault(name, []).append(key)
    names = {"stage": stage, "item": item, "version": version}
    return names | {"config": sections, "parents": ancestors}


def digest(value: Any) -> str:
    """Compute the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Tell in words what changed between two recipes."""
    old, new = dict(_leaves(before)), dict(_leaves(now))
    for name in dict.fromkeys([*new, *old]):
        kind, _, rest = name.partition(".")
        if kind == "parents" and old.get(name) != new.get(name):
            yield f"{rest} changed"
        elif kind in ("version", "config") and old.get(name, "unset") != new.get(name, "unset"):
            yield f"{name} {old.get(name, 'unset')} → {new.get(name, 'unset')}"


def _name(section: Any) -> str:
    """Call ``WindowConfig`` by the name it has in ``Config``: ``window``."""
    return type(section).__name__.removesuffix("Config").lower()


def _plain(value: Any) -> Any:
    """Bring settings to what JSON gives back unchanged."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return list(map(_plain, value)) if isinstance(value, list | tuple) else value


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten nested mappings to dotted names."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
