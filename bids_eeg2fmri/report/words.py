"""Numbers as people write them."""

import math

HUGE = 1e7
"""Size from which digits are no longer written out."""


def minus(text: str) -> str:
    """Put a minus sign where a hyphen stands for one."""
    return text.replace("-", "−")


def number(value: float, decimals: int = 3) -> str:
    """Write a number for people; a dash for none, and no sign before a zero."""
    if not math.isfinite(value):
        return "–"
    return minus(f"{value:z.{decimals}f}" if abs(value) < HUGE else f"{value:.3g}")


def signed(value: float) -> str:
    """Write a number with its sign, however small it is."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= HUGE:
        return minus(f"{value:+.3g}")
    return minus(f"{value:+.3f}" if abs(value) >= 0.0005 or value == 0 else f"{value:+.1g}")


def probability(p: float) -> str:
    """Write a p-value, which is never 0."""
    return f"{p:.1g}" if p < 0.001 else number(p)


def percent(share: float, decimals: int = 0) -> str:
    """Write a share of the whole in percent."""
    return f"{number(100 * share, decimals)}\N{NO-BREAK SPACE}%"


def counted(n: int, noun: str) -> str:
    """Write how many there are; one alone stands in the singular."""
    return f"{n} {noun}{'s' * (n != 1)}"


def duration(seconds: float) -> str:
    """Write a time for people."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
