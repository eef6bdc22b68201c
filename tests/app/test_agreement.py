"""The guard on the second model: what the events told is what the kernel's tables and page tables hold.

Every own program, and many random ones, are run step by step, and at each rest point the fold of the log so
far must equal the kernel's own description, down to each page's frame and rights.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from app.history import History
from kernel.describe import Description, describe
from tests.app.machine import ASSETS, HELLO, Machine
from tests.app.random_program import random_program

MUST_HAPPEN = {
    "TaskCreated",
    "TaskSwitched",
    "TaskBlocked",
    "TaskWoken",
    "TaskStopped",
    "TaskContinued",
    "TaskRenamed",
    "TaskExited",
    "TaskReaped",
    "PagesDropped",
    "ProgramExecuted",
    "AddressSpaceCreated",
    "AddressSpaceForked",
    "AddressSpaceDestroyed",
    "VmaMapped",
    "VmaUnmapped",
    "VmaProtected",
    "BreakMoved",
    "PageMapped",
    "PageCopied",
    "PageReused",
    "SignalActionSet",
    "SignalMaskSet",
    "SignalGenerated",
    "SignalDelivered",
    "SignalReturned",
    "SignalsDiscarded",
    "DescriptorTableCreated",
    "DescriptorTableDropped",
    "FileOpened",
    "FileClosed",
    "FileFlagsSet",
    "DescriptorInstalled",
    "DescriptorClosed",
    "PipeCreated",
    "PipeWritten",
    "PipeRead",
    "PipeEndsChanged",
}
PROGRAMS = sorted(path for path in (ASSETS / "programs" / "bin").iterdir() if path.is_file())


def run_compared(machine: Machine, every: int = 1) -> int:
    """To the end, comparing at each rest point, or each so many; how many there were.

    In a long run, as of a stack that overflows page by page, more seldom later on.
    """
    steps = 0
    while machine.step():
        if steps % (every if steps < 600 else 8 * every):
            steps += 1
            continue
        held = describe(machine.kernel)
        if machine.state.machine != held:
            last = map(str, machine.log.records(len(machine.log) - 8))
            lines = [*differences(machine.state.machine, held), *last]
            pytest.fail("\n".join([f"after step {steps}, event {len(machine.log)}:", *lines]))
        steps += 1
    return steps


def differences(told: Description, held: Description) -> list[str]:
    """The entries in which the two disagree, one line each."""
    found: list[str] = []
    if told.current != held.current:
        found.append(f"current: told {told.current}, held {held.current}")
    for table in Description.__struct_fields__[1:]:
        left, right = getattr(told, table), getattr(held, table)
        found += [
            f"{table}[{key}]: told {left.get(key)}\n    held {right.get(key)}"
            for key in sorted({*left, *right})
            if left.get(key) != right.get(key)
        ]
    return found


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_events_tell_all_that_the_kernel_holds(program: Path) -> None:
    machine = Machine(program.name, program.read_bytes())
    assert run_compared(machine) > 10
    assert machine.state.halted == machine.kernel.tables.first_status
    assert History(machine.log).state_at(len(machine.log)) == machine.state


@pytest.mark.parametrize("seed", range(40))
def test_events_tell_what_random_programs_do(seed: int) -> None:
    machine = Machine("random", random_program(seed))
    run_compared(machine)
    assert History(machine.log).state_at(len(machine.log)) == machine.state


def test_random_programs_do_things() -> None:
    """Else the test above would say nothing."""
    calls: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    happened: set[str] = set()
    for seed in range(40):
        machine = Machine("random", random_program(seed))
        while machine.step():
            pass
        calls.update(machine.state.calls)
        failed.update(machine.state.errors)
        happened |= {type(record.event).__name__ for record in machine.log.records()}
    assert calls.total() > 1000
    assert failed.total() < calls.total() / 2
    assert happened >= MUST_HAPPEN


def test_a_difference_is_found() -> None:
    """The guard itself: a page whose rights changed in the page table alone."""
    machine = Machine("hello", HELLO.read_bytes())
    for _ in range(8):
        machine.step()
    space = machine.kernel.task.space
    va, (frame, bits) = next(iter(machine.state.machine.spaces[space].pages.items()))
    machine.state.machine.spaces[space].pages[va] = (frame, bits ^ 2)
    assert [line.split(":")[0] for line in differences(machine.state.machine, describe(machine.kernel))] == [
        f"spaces[{space}]"
    ]
