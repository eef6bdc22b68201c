"""The programs in `conformance/`: hundreds of calls each, whose printed results are the same byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kernel.describe import describe
from tests.app.machine import Machine
from tests.oracle.harness import HERE, both, native

ATTEMPTS = 4
"""Runs on the host until one is as int80's, which is always the same: a busy host may take turns otherwise."""
SOURCES = sorted((HERE / "conformance").glob("*.c"))


@pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])
def test_conformance(source: Path, build: Callable[[Path, str], Path]) -> None:
    program = build(source, "glibc")
    expected, got = both([program])
    for _ in range(ATTEMPTS):
        if got == expected:
            break
        expected = native([program])
    assert expected.status == 0, expected
    assert (
        got.output.decode(errors="replace").splitlines()
        == expected.output.decode(errors="replace").splitlines()
    )
    assert (got.status, got.errors) == (expected.status, expected.errors)


@pytest.mark.parametrize(
    "name",
    [
        *("futexes", "pthreads", "timers", "ptrace", "ptrace_events", "ptrace_groups"),
        *("unix_streams", "unix_messages", "posix_mq"),
    ],
)
def test_threads_are_told_as_they_are(name: str, build: Callable[[Path, str], Path]) -> None:
    """fold == describe where many threads sleep, are requeued, die, and execute programs."""
    path = build(HERE / "conformance" / f"{name}.c", "glibc")
    machine = Machine(str(path), path.read_bytes())
    steps = 0
    while machine.step():
        steps += 1
        if steps % 61 == 0:
            assert machine.state.machine == describe(machine.kernel)
    assert machine.state.halted == 0
    assert machine.state.machine == describe(machine.kernel)
