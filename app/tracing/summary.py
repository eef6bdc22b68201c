"""Calls, errors and time of each system call, in the layout of `strace -c`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

_HEAD = "% time     seconds  usecs/call     calls    errors syscall"
_RULE = "------ ----------- ----------- --------- --------- ----------------"


@dataclass
class _Counts:
    number: int
    calls: int = 0
    errors: int = 0
    ticks: int = 0


class Summary:
    """`sort` is time, calls, errors, name or nothing."""

    def __init__(self, sort: str = "time") -> None:
        self._sort = sort
        self._by_name: dict[str, _Counts] = {}

    def add(self, name: str, number: int, failed: bool, ticks: int) -> None:
        counts = self._by_name.setdefault(name, _Counts(number))
        counts.calls += 1
        counts.errors += failed
        counts.ticks += ticks

    def write(self, out: TextIO) -> None:
        rows = sorted(self._by_name.items(), key=self._key)
        total = sum(counts.ticks for _, counts in rows)
        calls = sum(counts.calls for _, counts in rows)
        errors = sum(counts.errors for _, counts in rows)
        lines = [_HEAD, _RULE]
        for name, counts in rows:
            share = 100 * counts.ticks / total if total else 0.0
            lines.append(_line(share, counts.ticks, counts.calls, counts.errors, name))
        lines += [_RULE, _line(100.0, total, calls, errors, "total")]
        out.write("".join(f"{line}\n" for line in lines))

    def _key(self, item: tuple[str, _Counts]) -> tuple[int | str, ...]:
        name, counts = item
        rest = (-counts.calls, counts.number)
        by: dict[str, tuple[int | str, ...]] = {
            "time": (-counts.ticks, *rest),
            "calls": rest,
            "errors": (-counts.errors, *rest),
            "name": (name,),
            "nothing": (counts.number,),
        }
        return by[self._sort]


def _line(share: float, ticks: int, calls: int, errors: int, name: str) -> str:
    each = ticks // calls // 1000 if calls else 0
    return f"{share:6.2f} {ticks / 1e9:11.6f} {each:11} {calls:9} {errors or '':>9} {name}"
