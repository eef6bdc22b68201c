"""What the pictures of memory have in common: whose a space is, what an area is called, who owns a frame.

Also what the last step changed, as pages to be marked and as sentences. Everything comes from the Moment.
"""

from __future__ import annotations

from typing import NamedTuple

from app.panes.moment import Moment, letter_style, task_name
from cpu.events import TrapTaken
from cpu.paging import PF_FETCH, PF_PRESENT, PF_RESERVED, PF_USER, PF_WRITE, USER, WRITABLE
from kernel import events as e
from kernel.abi.mman import MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE
from kernel.abi.signal import signal_name
from kernel.describe import BITS_NX, SpaceView, VmaView

PAGE = 0x1000
LOOKED_AT = 400
"""Events that one step of the kernel has at most, as far as changes are marked."""
NOTICES_KEPT = 4
SHARED, COW = "shared", "cow"


class Column(NamedTuple):
    """An address space and the tasks in it, threads included."""

    space: SpaceView
    pids: tuple[int, ...]
    comm: str
    style: str

    def letters(self, now: Moment) -> str:
        return ",".join(task_name(now.state, pid) for pid in self.pids)

    def name(self, now: Moment) -> str:
        """`A pipe`; a space that nobody is in yet has its number."""
        return f"{self.letters(now)} {self.comm}" if self.pids else f"new space {self.space.id}"


def columns(now: Moment) -> list[Column]:
    """All address spaces, in the order of their tasks' letters."""
    machine = now.state.machine
    users: dict[int, list[int]] = {}
    for pid, task in machine.tasks.items():
        if task.space in machine.spaces:
            users.setdefault(task.space, []).append(pid)
    letters = now.state.letters
    found = []
    for number, space in machine.spaces.items():
        pids = sorted(users.get(number, ()), key=lambda pid: (letters.get(pid, 1 << 30), pid))
        comm = machine.tasks[pids[0]].comm if pids else ""
        style = letter_style(now.state, pids[0]) if pids else "dim"
        found.append(Column(space, tuple(pids), comm, style))
    found.sort(key=lambda one: (letters.get(one.pids[0], 1 << 30) if one.pids else 1 << 31, one.space.id))
    return found


def space_name(now: Moment, number: int) -> str:
    """The letters of the tasks in a space."""
    column = next((one for one in columns(now) if one.space.id == number), None)
    return column.letters(now) if column is not None and column.pids else f"space {number}"


# Areas and pages.


def vma_at(space: SpaceView, va: int) -> VmaView | None:
    return next((vma for vma in space.vmas if vma.start <= va < vma.end), None)


def vma_name(vma: VmaView, space: SpaceView) -> str:
    """What a textbook calls the area: .text, .data, heap, stack, mmap; of a library with its name."""
    if vma.name.startswith("["):
        return vma.name.strip("[]")
    if vma.inode or vma.name:
        base = vma.name.rpartition("/")[2]
        if vma.flags & MAP_SHARED:
            return base
        part = ".text" if vma.prot & PROT_EXEC else ".data" if vma.prot & PROT_WRITE else ".rodata"
        if part == ".rodata" and not vma.offset:
            part = "header"
        return part if vma.name == program_of(space) else f"{base} {part}"
    if vma.flags & MAP_SHARED:
        return "shared"
    return ".bss" if vma.end <= space.brk + PAGE - 1 & ~(PAGE - 1) else "mmap"


def program_of(space: SpaceView) -> str:
    """The file of the program that runs in a space: the lowest one that is mapped."""
    return next((vma.name for vma in space.vmas if vma.inode and not vma.flags & MAP_SHARED), "")


def rights(prot: int) -> str:
    """As /proc/PID/maps writes them."""
    return "".join(
        letter if prot & bit else "-"
        for letter, bit in (("r", PROT_READ), ("w", PROT_WRITE), ("x", PROT_EXEC))
    )


def page_rights(bits: int) -> str:
    """What user mode may do by a page's entry; `bits` as in `PageMapped`."""
    if not bits & USER:
        return "---"
    return f"r{'w' if bits & WRITABLE else '-'}{'-' if bits & BITS_NX else 'x'}"


def waits_for_write(vma: VmaView | None, bits: int) -> bool:
    """Whether the page is only read-only to catch the first write: present so in a private writable area."""
    return (
        vma is not None
        and bool(vma.flags & MAP_PRIVATE)
        and bool(vma.prot & PROT_WRITE)
        and not bits & WRITABLE
    )


class Mapping(NamedTuple):
    """One page of one space that leads to a frame."""

    column: Column
    va: int
    bits: int


def mappings(shown: list[Column]) -> dict[int, list[Mapping]]:
    """Who maps each frame, by frame number."""
    found: dict[int, list[Mapping]] = {}
    for column in shown:
        for va, (frame, bits) in column.space.pages.items():
            found.setdefault(frame, []).append(Mapping(column, va, bits))
    return found


# The last page fault, and what a walk starts with.


def fault_address(now: Moment) -> int | None:
    """cr2 of the last page fault up to here, None before the first one."""
    trap = now.trap
    if isinstance(trap, TrapTaken) and trap.vector == 14:
        return trap.cr2 & 0xFFFF_FFFF
    state = now.state
    last = state.trap
    if isinstance(last, TrapTaken) and last.vector == 14 and state.trap_seq > state.fault_seq:
        return last.cr2 & 0xFFFF_FFFF
    if state.fault is not None and state.fault.vector == 14:
        return state.fault.address & 0xFFFF_FFFF
    return None


def fault_pid(now: Moment) -> int:
    """Whose the last page fault was."""
    seq = max(now.state.trap_seq, now.state.fault_seq)
    if now.log is not None and 0 <= seq < now.cursor.seq:
        return now.log.record(seq).pid
    return now.state.trap_pid if now.state.trap is not None else now.pid


def error_words(error: int) -> tuple[str, ...]:
    """A page fault's error code in words, the lowest bit first (Intel SDM vol. 3, 4.7)."""
    words = [
        "protection violation" if error & PF_PRESENT else "page not present",
        "write" if error & PF_WRITE else "instruction fetch" if error & PF_FETCH else "read",
        "user mode" if error & PF_USER else "kernel mode",
    ]
    if error & PF_RESERVED:
        words.append("reserved bit set")
    return tuple(words)


# What the last step changed.


class Changes(NamedTuple):
    """Pages by space and address, starts of areas by space, and a sentence for each change."""

    pages: frozenset[tuple[int, int]]
    areas: frozenset[tuple[int, int]]
    frames: tuple[int, ...]
    notices: tuple[str, ...]


REASONS = {
    "zero": "a frame of zeroes on first touch",
    "stack": "a frame of zeroes for the stack",
    "file": "the file's page in the page cache, read-only",
    "share": "the file's own page in the page cache",
    "load": "a private copy of the file's page",
}


def last_events(now: Moment) -> list[object]:
    """What happened in the step that ends at the cursor: the kernel's events of one and the same tick."""
    if now.log is None:
        return [now.event] if now.event is not None else []
    seq = now.cursor.seq
    if not seq or now.trap is not None:
        return []
    last = now.log.record(seq - 1)
    if last.tick != now.cursor.tick:
        return []
    found: list[object] = []
    for number in range(seq - 1, max(seq - 1 - LOOKED_AT, -1), -1):
        record = now.log.record(number)
        if record.tick != last.tick:
            break
        found.append(record.event)
    return found[::-1]


def changes(now: Moment) -> Changes:
    """To be marked, because it was not so before the last step."""
    pages: set[tuple[int, int]] = set()
    areas: set[tuple[int, int]] = set()
    frames: list[int] = []
    notices: list[str] = []
    for event in last_events(now):
        notice = ""
        match event:
            case e.PageMapped(space=space, va=va, frame=frame, reason=reason):
                pages.add((space, va))
                frames.append(frame)
                notice = f"{_where(now, space, va)}: frame {frame:#05x}, {REASONS.get(reason, reason)}"
            case e.PageCopied(space=space, va=va, old=old, new=new):
                pages.add((space, va))
                frames += [old, new]
                notice = f"{_where(now, space, va)}: copy on write, frame {old:#05x} → {new:#05x}"
            case e.PageReused(space=space, va=va, frame=frame):
                pages.add((space, va))
                frames.append(frame)
                notice = f"{_where(now, space, va)}: last owner of {frame:#05x}, writable now"
            case e.AddressSpaceForked(parent=parent, child=child, pages=count):
                both = [now.state.machine.spaces.get(number) for number in (parent, child)]
                pages.update((space.id, va) for space in both if space is not None for va in space.pages)
                frames += [frame for _, frame in _waiting(both[1])] if both[1] is not None else []
                notice = (
                    f"fork: {space_name(now, child)} gets {space_name(now, parent)}'s {count} frames;"
                    " writable ones copy-on-write"
                )
            case e.VmaMapped(space=space, start=start, end=end, prot=prot):
                areas.add((space, start))
                notice = f"{space_name(now, space)} {start:08x}–{end:08x}: area {rights(prot)}"
            case e.VmaProtected(space=space, start=start, end=end, prot=prot):
                areas.add((space, start))
                notice = f"{space_name(now, space)} {start:08x}–{end:08x}: rights {rights(prot)} now"
            case e.VmaUnmapped(space=space, start=start, end=end):
                notice = f"{space_name(now, space)} {start:08x}–{end:08x}: nothing mapped any more"
            case e.PagesDropped(space=space, start=start, end=end):
                notice = f"{space_name(now, space)} {start:08x}–{end:08x}: pages given back"
            case e.BreakMoved(space=space, brk=brk):
                notice = f"{space_name(now, space)}: the heap ends at {brk:08x}"
            case e.AddressSpaceDestroyed(space=space):
                notice = f"space {space}: gone, its frames have an owner less"
            case e.FaultHandled(vector=14, address=address, signo=signo) if signo:
                notice = f"{address & 0xFFFF_FFFF:08x}: no page may be supplied there, {signal_name(signo)}"
        if notice:
            notices.append(notice)
    return Changes(frozenset(pages), frozenset(areas), tuple(frames), tuple(notices))


def _waiting(space: SpaceView) -> list[tuple[int, int]]:
    """Pages that wait for the first write, with their frames; addresses descend."""
    return [
        (va, frame)
        for va, (frame, bits) in sorted(space.pages.items(), reverse=True)
        if waits_for_write(vma_at(space, va), bits)
    ]


def _where(now: Moment, number: int, va: int) -> str:
    space = now.state.machine.spaces.get(number)
    vma = vma_at(space, va) if space is not None else None
    column = next((one for one in columns(now) if one.space.id == number), None)
    name = vma_name(vma, space) if vma and space and column else ""
    return f"{space_name(now, number)} {va:08x}{' ' + name if name else ''}"


def notice_text(changed: Changes) -> str:
    """The last change, and how many others there were."""
    if not changed.notices:
        return ""
    more = len(changed.notices) - 1
    return changed.notices[-1] + (f" (and {more} more)" if more else "")
