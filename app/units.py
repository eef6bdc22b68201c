"""Numbers as a person reads them: guest time, counts, sizes."""

from __future__ import annotations


def duration(ticks: int) -> str:
    """Guest time (a tick is a nanosecond) with three digits and a unit."""
    for limit, divisor, unit in (
        (1_000, 1, "ns"),
        (1_000_000, 1_000, "µs"),
        (1_000_000_000, 1_000_000, "ms"),
    ):
        if ticks < limit:
            return f"{_three(ticks, divisor)} {unit}"
    if ticks < 60_000_000_000:
        return f"{_three(ticks, 1_000_000_000)} s"
    minutes, rest = divmod(ticks // 1_000_000_000, 60)
    return f"{minutes}:{rest:02d} min"


def _three(ticks: int, divisor: int) -> str:
    if divisor == 1:
        return str(ticks)
    value = ticks / divisor
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def count(number: int) -> str:
    """With commas at the thousands."""
    return f"{number:,}"
