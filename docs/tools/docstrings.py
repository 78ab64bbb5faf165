"""Let mkdocstrings show our docstrings as they are meant: mathematics, references, what is returned."""

import re
import textwrap
from typing import Any

from griffe import Extension, Function, Object
from latex2mathml.converter import convert

BLOCK = re.compile(r"^( *)\.\. math:: (.*(?:\n\1 +.*)*)", re.MULTILINE)
INLINE = re.compile(r":math:`([^`]+)`")
REFERENCE = re.compile(r":(?:class|func|meth|mod):`~?([^`]+)`")
RETURNS = re.compile(r"^((?:Returns|Yields)\n-+\n)(\S.*(?:\n\S.*)*)(?=\n\n|\n?\Z)", re.MULTILINE)
"""A section that says in sentences what is returned, and leaves the type to the signature."""


class House(Extension):
    """Turn what numpydoc and Markdown do not know into what they know."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of an object when it has been loaded."""
        if not obj.docstring:
            return
        text = as_markdown(obj.docstring.value)
        if isinstance(obj, Function) and obj.returns:
            text = with_type(text, str(obj.returns))
        obj.docstring.value = text


def as_markdown(text: str) -> str:
    """Rewrite the reST that our docstrings use."""
    text = BLOCK.sub(lambda match: match[1] + mathml(match[2], "block"), text)
    text = INLINE.sub(lambda match: mathml(match[1], "inline"), text)
    return REFERENCE.sub(r"`\1`", text)


def mathml(latex: str, display: str) -> str:
    """Convert a formula into one line of MathML, which browsers show without a script."""
    return convert(" ".join(latex.split()), display=display).replace("\n", "")


def with_type(text: str, kind: str) -> str:
    """Put the type of the signature before sentences that say what is returned."""
    return RETURNS.sub(lambda m: f"{m[1]}{kind}\n{textwrap.indent(m[2], '    ')}", text)
