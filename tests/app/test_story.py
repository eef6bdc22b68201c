"""Story: a sentence for every event there is, and the right ones in real runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.engine import Engine
from app.launch import Options, prepare
from app.resources import kernel_image
from app.story import TELLERS, tell_event
from cpu.events import CpuEvent, TrapTaken
from kernel.events import KernelEvent


def kinds(base: type) -> set[type]:
    return {kind for one in base.__subclasses__() for kind in (one, *kinds(one))}


def test_every_event_has_a_sentence() -> None:
    assert kinds(KernelEvent) | kinds(CpuEvent) == {*TELLERS}
    assert TrapTaken in TELLERS


def stories(program: str) -> list[str]:
    """What is told at each event of a whole run; numbers that depend on the kernel's image are #."""
    start, blobs = prepare(Options(program))
    engine = Engine(start, kernel_image(), blobs)
    while engine.run(0.1) == "running":
        pass
    told = []
    for seq in range(1, engine.length + 1):
        event: Any = engine.log.record(seq - 1).event
        text = tell_event(event, engine.history.state_at(seq))
        told.append(re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{8}\b|pipe \d+|Pipe \d+", "#", text))
    return told


def in_order(told: list[str], wanted: list[str]) -> None:
    """Each of `wanted` begins a sentence, one after the other."""
    at = 0
    for text in wanted:
        found = next((n for n in range(at, len(told)) if told[n].startswith(text)), None)
        assert found is not None, (text, told[at:])
        at = found + 1


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        (
            "pipe",
            [
                "A executes /bin/pipe: the same process in a new address space",
                "A pipe is made, number",
                "pipe returns 0 to A (pipe): done.",
                "fork copies page tables, not pages: 2 frames of A will be the child's as well.",
                "A (pipe)'s table of descriptors is copied: 0 1 2 3 4 lead to the same open files in both",
                "A (pipe) has made B (pid 3) by fork: a copy of itself",
                "fork returns 3 to A (pipe), the child's pid: B.",
                "Copy on write: A wrote to page # (stack), whose frame # was shared with B. A gets a copy,",
                "Descriptor 3 of A is closed",
                "The time slice of A (pipe) is over and another task can run: it is preempted. B (pipe) has",
                "B (pipe) falls asleep: it reads #, which is empty.",
                "B (pipe) sleeps. A (pipe) has the processor now",
                'A (pipe) puts 6 bytes into #: "hello\\n". 6 are in it.',
                "B (pipe) is woken: # has bytes",
                "write returns 6 to A (pipe): 6 bytes went.",
                "A (pipe) falls asleep: it waits for a child: B.",
                'B (pipe) takes 6 bytes out of #: "hello\\n". It is empty now.',
                "read returns 6 to B (pipe): 6 bytes came.",
                "read returns 0 to B (pipe): the end of file.",
                "B (pipe) exited with 7. It is a zombie, a pid and an exit status, until A takes that",
                "B ended: the kernel sends SIGCHLD to A (pipe), which ignores it",
                "A (pipe) is woken: a child's state has changed.",
                "A (pipe) has taken the exit status of B (pid 3)",
                "waitpid returns 3 to A (pipe), the pid of B.",
                "Nothing is left to run: the first program exited with 0.",
            ],
        ),
        (
            "spaces",
            [
                "fork copies page tables, not pages",
                "Copy on write: A wrote to page # (.data), whose frame # was shared with B. A gets a copy,",
                "Copy on write without a copy: B wrote to page # (.data), and nobody else has frame #",
            ],
        ),
        (
            "signal",
            [
                "A (signal) catches SIGUSR1 from now on: its handler is at #.",
                "A (signal) sends SIGUSR1 to itself. It is pending, until A is about to return to user mode.",
                "SIGUSR1 is delivered to A (signal): a frame with all registers is put on its user stack",
                "sigreturn: the kernel takes the registers out of the frame at #",
                "B ended: the kernel sends SIGCHLD to A (signal). It is pending",
            ],
        ),
        (
            "divzero",
            ["#DE divide error by A (divzero) cannot be mended: it becomes SIGFPE."],
        ),
        ("badptr", ["write fails: -14 is EFAULT (Bad address)."]),
    ],
)
def test_what_is_told(program: str, wanted: list[str]) -> None:
    in_order(stories(program), wanted)
