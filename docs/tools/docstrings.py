"""Let mkdocstrings show the mathematics and references of our docstrings, which are in reST."""

import re
from typing import Any

from griffe import Extension, Object
from latex2mathml.converter import convert

BLOCK = re.compile(r"^( *)\.\. math:: (.*(?:\n\1 +.*)*)", re.MULTILINE)
INLINE = re.compile(r":math:`([^`]+)`")
REFERENCE = re.compile(r":(?:class|func|meth|mod):`~?([^`]+)`")


class Mathematics(Extension):
    """Turn ``.. math::`` and ``:math:`` into MathML, which browsers show without a script."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of an object when it has been loaded."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Rewrite the reST that our docstrings use."""
    text = BLOCK.sub(lambda match: match[1] + mathml(match[2], "block"), text)
    text = INLINE.sub(lambda match: mathml(match[1], "inline"), text)
    return REFERENCE.sub(r"`\1`", text)


def mathml(latex: str, display: str) -> str:
    """Convert a formula into one line of MathML."""
    return convert(" ".join(latex.split()), display=display).replace("\n", "")
