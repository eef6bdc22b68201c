"""Memory that runs out, and memory that is shared until it is written: what cannot be tried on the host."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from app.state.state import State
from cpu.paging import WRITABLE
from kernel.describe import SpaceView, describe
from kernel.events import AddressSpaceForked, CacheReclaimed, OutOfMemory, PageCopied, PageReused
from kernel.mm.pagetables import pages, shared_owners
from tests.app.machine import Machine
from tests.oracle.harness import HERE, int80

Build = Callable[[Path, str], Path]
MEMORY = HERE / "memory"
TOUCHED = 32 << 20


def test_the_worst_process_ends_and_the_others_go_on(build: Build) -> None:
    done = int80("exec", ["--memory", "16", build(MEMORY / "oom.c", "glibc")])
    assert (done.status, done.errors) == (0, b"")
    assert done.output.decode().splitlines() == [
        "the hog: signal 9",
        "the parent has its memory",
        "the large child: signal 9",
        "a small child: exit 7",
    ]


def test_who_ends_for_want_of_memory_gets_a_signal_and_loses_its_pages(build: Build, tmp_path: Path) -> None:
    out = tmp_path / "events"
    done = int80(
        "trace", [build(MEMORY / "oom.c", "glibc")], b"", ["--memory", "16", "--events", "-o", str(out)]
    )
    assert done.status == 0
    told = re.compile(
        r"\d+ (?P<tick>\d+) (?P<pid>\d+) (?P<what>OutOfMemory|PagesDropped|TaskExited|SignalGenerated|SignalDelivered)"
        r"\((?P<rest>.*)\)"
    )
    events = [found for line in out.read_text().splitlines() if (found := told.match(line))]
    names = [found["what"] for found in events]
    last = max(place for place, name in enumerate(names) if name == "OutOfMemory")
    victim = re.search(r"task=(\d+)", events[last]["rest"])
    assert victim is not None
    assert events[last]["pid"] != victim[1], "the large child, while the parent runs"
    behind = events[last + 1 :]
    assert behind[0]["what"] == "SignalGenerated"
    assert f"task={victim[1]}, signo=9, code=128" in behind[0]["rest"]
    assert behind[1]["what"] == "PagesDropped"
    ended = next(found for found in behind if found["what"] == "TaskExited")
    assert ended["rest"].startswith(f"task={victim[1]}, status=9")
    assert ended["pid"] == victim[1], "it ends itself"


def test_files_larger_than_memory_are_read(build: Build, tmp_path: Path) -> None:
    data = bytes(range(251)) * 40000
    (tmp_path / "file").write_bytes(data)
    program = build(MEMORY / "read.c", "glibc")
    done = int80("exec", ["--memory", "8", "--mount", f"{tmp_path}:/data:ro", program, "/data/file"])
    assert (done.status, done.errors) == (0, b"")
    assert done.output.decode().splitlines() == [f"{len(data)} {sum(data)}"] * 2 + ["child 5"]


def test_copy_on_write_of_32_mib(build: Build) -> None:
    program = build(MEMORY / "touched.c", "glibc")
    machine = Machine(program.name, program.read_bytes())
    log, state = machine.log, machine.state
    forked: AddressSpaceForked | None = None
    copied: list[PageCopied] = []
    seen = 0
    told = False
    while machine.step():
        for seq in range(seen, len(log)):
            event = log.record(seq).event
            if type(event) is AddressSpaceForked:
                forked = event
                check_shared(machine, state, event)
            if type(event) is PageCopied and forked is not None and event.space == forked.child:
                copied.append(event)
            assert type(event) not in (OutOfMemory, CacheReclaimed)
            told = told or (type(event) is PageReused and forked is not None and event.space == forked.parent)
        seen = len(log)
    assert forked is not None
    assert forked.pages > TOUCHED >> 12
    assert told, "with the child gone the parent's pages are simply writable again"
    assert 1 <= sum(event.va >= 0xB000_0000 and event.va < 0xBF00_0000 for event in copied) <= 3
    assert state.halted == 0


def check_shared(machine: Machine, state: State, event: AddressSpaceForked) -> None:
    """All of it is in both spaces, in the same frames, read-only; the kernel counts both as owners."""
    assert state.machine == describe(machine.kernel)
    parent, child = (state.machine.spaces[number] for number in (event.parent, event.child))
    common = [va for va, page in parent.pages.items() if child.pages.get(va, (-1, 0))[0] == page[0]]
    assert len(common) >= TOUCHED >> 12
    for space in machine.kernel.tables.spaces.values():
        assert space.rss == sum(1 for _ in pages(machine.kernel, space.pgd, 0, 0xC000_0000))
    large = _large(parent)
    more = shared_owners(machine.kernel)
    for va in large:
        frame, bits = child.pages[va]
        assert not bits & WRITABLE
        assert parent.pages[va] == child.pages[va]
        assert machine.kernel.tables.frame_refs[frame] + more.get(frame, 0) == 2


def _large(space: SpaceView) -> list[int]:
    vma = max(space.vmas, key=lambda one: one.end - one.start)
    return [va for va in space.pages if vma.start + 0x20_0000 <= va < vma.end - 0x20_0000]
