"""Programs that try to break the machine: random system calls, random bytes as code.

Not compared with the host, where they would do damage: int80 has to run them to their end, with the same
events each time. Compiled for i386, so they need the oracle's compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.harness import HERE, int80

HOSTILE = HERE / "hostile"
Build = Callable[[Path, str], Path]


@pytest.mark.parametrize(
    ("name", "seed", "turns"), [("syscalls", 1, 20000), ("syscalls", 7, 6000), ("code", 3, 200)]
)
def test_survived(name: str, seed: int, turns: int, build: Build) -> None:
    program = build(HOSTILE / f"{name}.c", "glibc")
    result = int80("exec", [program, str(seed), str(turns)])
    assert b"int80:" not in result.errors, result.errors[-500:]
    assert result.status == 0, result.errors[-500:]


def test_messages_take_a_part_of_the_machine_and_no_more(build: Build) -> None:
    result = int80("exec", [build(HOSTILE / "sockets.c", "glibc")])
    assert result.output == b"ENOBUFS, as many\n" * 3 + b"no more\n", result
    assert result.status == 0


def test_the_trace_of_it_can_be_written(build: Build, tmp_path: Path) -> None:
    program = build(HOSTILE / "syscalls.c", "glibc")
    texts = []
    for name in ("first", "second"):
        result = int80("trace", [program, "5", "3000"], options=["-f", "-o", str(tmp_path / name)])
        assert result.status == 0, result.errors[-500:]
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]
    assert texts[0].count(b"\n") > 3000
