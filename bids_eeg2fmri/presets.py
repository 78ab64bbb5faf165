"""Settings to start from, by name: the paper's, which are the defaults, and its public code's."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType({"paper": {}})
"""What each preset changes, as a settings file would."""
