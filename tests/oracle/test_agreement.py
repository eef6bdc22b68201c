"""What the events told is what the kernel holds, on conformance programs that use kinds of objects of which
our own programs have none; and the same run told twice is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.history import History
from tests.app.machine import Machine
from tests.app.test_agreement import run_compared
from tests.oracle.harness import HERE

PROGRAMS = ("event_files", "locks", "pidfds", "../privileged/mounts")


@pytest.mark.parametrize("name", PROGRAMS)
def test_events_tell_all(name: str, build: Callable[[Path, str], Path]) -> None:
    contents = build(HERE / "conformance" / f"{name}.c", "glibc").read_bytes()
    machine = Machine(name, contents)
    assert run_compared(machine, every=9) > 100
    assert machine.state.halted == 0
    assert History(machine.log).state_at(len(machine.log)) == machine.state
