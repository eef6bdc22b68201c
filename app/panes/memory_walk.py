"""Memory, second picture: what the processor reads to translate one address, and where that ends.

At the left the addresses to choose from: that of the last page fault, the stack pointer, the instruction
pointer, and every page of every process. `app.panes.memory` keeps which one is chosen, by its name.
"""

from __future__ import annotations

from typing import NamedTuple

from app.panes.memory_facts import (
    PAGE,
    Changes,
    Column,
    changes,
    columns,
    error_words,
    fault_address,
    fault_pid,
    page_rights,
    rights,
    vma_at,
    vma_name,
    waits_for_write,
)
from app.panes.moment import Moment
from app.panes.row import EMPTY, Row, Sheet, Span, beside, cells, row, short, wrapped
from cpu.events import TrapTaken
from cpu.paging import (
    ACCESSED,
    DIRTY,
    FRAME_MASK,
    LARGE,
    NX,
    PF_FETCH,
    PF_PRESENT,
    PF_USER,
    PF_WRITE,
    PRESENT,
    USER,
    WRITABLE,
    Step,
)
from kernel import events as e
from kernel.abi.mman import MAP_SHARED, TASK_SIZE
from kernel.abi.signal import signal_name

FAULT, ESP, EIP = "walk:cr2", "walk:esp", "walk:eip"
LIST_WIDTH, BARE_LIST = 22, 13
WITH_NAMES = 80
"""Columns from which on the areas' names stand beside the addresses to choose from."""
WHOLE = 17
"""Rows from which on all of the walk is shown."""
IN_WORDS = 70
"""Columns from which on an entry's bits are words."""
BITS = (
    ("P", PRESENT, "present", "not present"),
    ("W", WRITABLE, "writable", "read-only"),
    ("U", USER, "user", "kernel only"),
    ("A", ACCESSED, "accessed", "not accessed"),
    ("D", DIRTY, "dirty", "clean"),
    ("PS", LARGE, "2 MiB page", ""),
    ("NX", NX, "no execute", "executable"),
)
OF_LEVEL = {"PDPT": ("P",), "PD": ("P", "W", "U", "A", "PS", "NX"), "PT": ("P", "W", "U", "A", "D", "NX")}
"""Bits that mean something at each level (Intel SDM vol. 3, 4.4.2); D in a directory only with PS."""


class Choice(NamedTuple):
    """An address that can be walked: its name for the pane, what it is, and in which space."""

    subject: str
    label: str
    column: Column
    address: int


def choices(now: Moment) -> list[Choice]:
    """Everything that can be walked, in the order in which it is listed."""
    every = columns(now)
    if not every:
        return []
    mine = next((one for one in every if now.pid in one.pids), every[0])
    found = []
    address = fault_address(now)
    if address is not None:
        pid = fault_pid(now)
        found.append(Choice(FAULT, "cr2", next((one for one in every if pid in one.pids), mine), address))
    regs = now.regs
    if regs is not None:
        found += [Choice(ESP, "esp", mine, regs.esp), Choice(EIP, "eip", mine, regs.eip)]
    for one in every:
        found += [
            Choice(f"walk:{one.space.id}:{va:08x}", "", one, va)
            for va in sorted(one.space.pages, reverse=True)
        ]
    return found


def chosen(now: Moment, subject: str, every: list[Choice]) -> Choice | None:
    """The choice with this name; a page that is not there any more can still be walked."""
    found = next((one for one in every if one.subject == subject), None)
    if found is not None:
        return found
    parts = subject.split(":")
    if len(parts) == 3:
        column = next((one for one in columns(now) if one.space.id == int(parts[1])), None)
        if column is not None:
            return Choice(subject, "", column, int(parts[2], 16))
    return every[0] if every else None


def rows(now: Moment, width: int, height: int, subject: str = FAULT) -> Sheet:
    every = choices(now)
    one = chosen(now, subject, every)
    if one is None:
        return Sheet([row(Span("No program has an address space here.", "dim"))])
    if one not in every:
        every = sorted(
            [*every, one], key=lambda each: (len(each.subject) > 8, each.column.pids, -each.address)
        )
    at = every.index(one)
    room = max(height, 1)
    first = at // room * room if len(every) > room else 0
    wide = LIST_WIDTH if width >= WITH_NAMES else BARE_LIST
    changed = changes(now)
    listed = [_choice_row(now, each, each is one, wide, changed) for each in every[first : first + room]]
    return Sheet(beside(listed, walk_rows(now, one, width - wide - 2, height), wide, Span("│ ", "rule")))


def _choice_row(now: Moment, one: Choice, here: bool, width: int, changed: Changes) -> Row:
    vma = vma_at(one.column.space, one.address)
    name = one.label
    if not name and vma is not None:
        name = vma_name(vma, one.column.space)
    new = (one.column.space.id, one.address & ~(PAGE - 1)) in changed.pages
    return row(
        Span("▶ " if here else "  ", "mark"),
        Span(f"{one.column.letters(now) or '?':<2}", one.column.style + " bold"),
        Span(f"{one.address:08x}", "changed" if new else "mark" if here else "", one.subject),
        Span(f" {short(name, width - 14)}" if width > BARE_LIST else "", "soft"),
    )


# The walk.


def steps_of(now: Moment, one: Choice) -> list[Step]:
    return now.view.walk_in(one.column.space.pgd, one.address) if now.view is not None else []


def walk_rows(now: Moment, one: Choice, width: int, height: int = WHOLE) -> list[Row]:
    """From the address to the frame. Where rows are few, an entry has one, and its bits are letters."""
    va = one.address
    brief = height < WHOLE
    bits = bit_rows(va)
    found = [_heading(now, one, width), *([] if brief else [*bits, EMPTY])]
    steps = steps_of(now, one)
    pgd = one.column.space.pgd
    if steps and not brief:
        whose = f"{one.column.letters(now)}'s" if one.column.pids else "its"
        found.append(
            row(
                Span("cr3  ", "dim"),
                Span(f"{pgd << 12:08x}", "", f"frame:{pgd:x}"),
                Span(f"  where {whose} tables begin", "soft"),
            )
        )
    for step in steps:
        found += _step_rows(step, width, brief)
    found += _end_rows(one, steps, width) if steps else _known_rows(one)
    found += [] if brief else [EMPTY]
    found += _area_rows(now, one, width)
    found += _fault_rows(now, va)
    if now.view is not None and now.view.seq > now.cursor.seq:
        words = "The kernel is in the midst of this; the tables are as at its end."
        found += [row(Span(line, "dim")) for line in wrapped(words, width)]
    return [*found, EMPTY, *bits] if brief else found


def _heading(now: Moment, one: Choice, width: int) -> Row:
    label = f" · {one.label}" if one.label else ""
    if one.subject == FAULT:
        label = " · cr2 of the last page fault" if width >= 56 else " · cr2"
    name = one.column.name(now)
    text = short(label, max(width - cells(name) - 10, 0))
    return row(
        Span(f"{one.address:08x}", "mark"),
        Span(" in ", "dim"),
        Span(name, f"{one.column.style} bold"),
        Span(text, "soft"),
    )


def bit_rows(va: int) -> list[Row]:
    """The address in its four parts, in binary and in hexadecimal."""
    parts = (("PDPT", va >> 30, 2), ("PD", va >> 21 & 511, 9), ("PT", va >> 12 & 511, 9))
    binary = [f"{value:0{bits}b}" for _, value, bits in parts]
    words = [f"{name} {value:x}" for name, value, _ in parts]
    binary.append(f"{va & 0xFFF:012b}")
    words.append(f"offset {va & 0xFFF:x}")
    widths = [max(len(here), len(there)) + 2 for here, there in zip(binary, words, strict=True)]
    return [
        tuple(Span(f"{text:<{wide}}", style) for text, wide in zip(texts, widths, strict=True))
        for texts, style in ((binary, ""), (words, "soft"))
    ]


def _step_rows(step: Step, width: int, brief: bool) -> list[Row]:
    """One entry: where it lies, what it holds, where it leads, and its bits."""
    present = bool(step.word & PRESENT)
    ends = step.level == "PT" or (step.level == "PD" and bool(step.word & LARGE))
    target = (step.word & FRAME_MASK) >> 12
    to = f" → frame {target:#05x}" if ends else f" → table at {target << 12:08x}"
    first = row(
        Span(f"{step.level:<4} ", "mark"),
        Span(f"[{step.index:>3x}] "),
        Span(f"at {step.address:08x}  " if not brief or width >= 56 else "", "dim"),
        Span(f"{step.word:016x}", "" if present else "error", f"pte:{step.level}:{step.word:x}:"),
    )
    leads = Span(to, "soft") if present and width >= 56 else Span("")
    words = not brief and width >= IN_WORDS
    spans: list[Span] = []
    for name, bit, yes, no in BITS:
        if name not in OF_LEVEL[step.level] and not (name == "D" and ends):
            continue
        if name == "PS" and not step.word & LARGE:
            continue
        is_set = bool(step.word & bit)
        text = (yes if is_set else no) if words else name if is_set else "-" * len(name)
        style = "" if is_set else "error" if name == "P" else "dim"
        spans += [Span(text, style, f"pte:{step.level}:{step.word:x}:{name}"), Span("  " if words else " ")]
        if name == "P" and not present:
            break
    if brief:
        return [(*first, Span("  "), *spans, leads)]
    return [(*first, leads), (Span("     "), *spans)]


def _end_rows(one: Choice, steps: list[Step], width: int) -> list[Row]:
    """Where the walk ends, and what user mode may do there."""
    last = steps[-1]
    found = []
    if last.word & PRESENT:
        mask = 0x1F_FFFF if last.level == "PD" else 0xFFF
        base = last.word & FRAME_MASK & ~mask
        found.append(
            row(
                Span("= ", "mark"),
                Span(f"physical {base | one.address & mask:08x}", "mark", f"frame:{base >> 12:x}"),
                Span(f"  frame {base >> 12:#05x} + {one.address & mask:#x}", "soft"),
            )
        )
    else:
        found.append(row(Span(f"✕ the {last.level} entry is not present: the walk stops", "error")))
    wide = width >= 56
    spans = [Span("user mode  ", "user")]
    for name, wanted in (("read", 0), ("write", PF_WRITE), ("execute", PF_FETCH)):
        error = refusal(steps, wanted)
        name = name if wide else "x" if wanted == PF_FETCH else name[0]
        if error is None:
            spans += [Span(f"{name} ✓", "good"), Span("   " if wide else "  ")]
        else:
            spans += [Span(f"{name} ", "dim"), Span(f"#PF {error:#x}", "error", f"pferror:{error}")]
            spans.append(Span("   " if wide else "  "))
    found.append(tuple(spans))
    return found


def refusal(steps: list[Step], wanted: int) -> int | None:
    """The error code that an access from user mode would meet (SDM vol. 3, 4.6 and 4.7); None if allowed."""
    if not steps or not steps[-1].word & PRESENT:
        return PF_USER | wanted
    rights_of = [step.word for step in steps if step.level != "PDPT"]
    allowed = all(word & USER for word in rights_of)
    if wanted == PF_WRITE:
        allowed = allowed and all(word & WRITABLE for word in rights_of)
    if wanted == PF_FETCH:
        allowed = allowed and not any(word & NX for word in rights_of)
    return None if allowed else PF_PRESENT | PF_USER | wanted


def _known_rows(one: Choice) -> list[Row]:
    """Without the machine: what events told about the page."""
    page = one.column.space.pages.get(one.address & ~(PAGE - 1))
    found = [row(Span("The tables themselves are not in sight; the events say:", "dim"))]
    if page is None:
        return [*found, row(Span("✕ no page is present there", "error"))]
    frame, bits = page
    return [
        *found,
        row(
            Span("= ", "mark"),
            Span(f"physical {frame << 12 | one.address & 0xFFF:08x}", "mark", f"frame:{frame:x}"),
            Span(f"  frame {frame:#05x}, user mode {page_rights(bits)}", "soft"),
        ),
    ]


def _area_rows(now: Moment, one: Choice, width: int) -> list[Row]:
    space, va = one.column.space, one.address
    if va >= TASK_SIZE:
        return [row(Span("area  ", "dim"), Span("the kernel's gigabyte", "kernel", "vma:kernel"))]
    vma = vma_at(space, va)
    if vma is None:
        return [row(Span("area  ", "dim"), Span("none: nothing may be here", "error"))]
    kind = "shared" if vma.flags & MAP_SHARED else "private"
    found = [
        row(
            Span("area  ", "dim"),
            Span(vma_name(vma, space), one.column.style, f"vma:{space.id}:{vma.start:x}"),
            Span(f"  {vma.start:08x}–{vma.end:08x} {rights(vma.prot)} {kind}", "soft"),
        )
    ]
    page = space.pages.get(va & ~(PAGE - 1))
    words = ""
    if page is None:
        words = "allowed but not present: the first touch supplies a page"
    elif waits_for_write(vma, page[1]):
        words = "read-only in a writable area: the first write is caught (copy on write)"
    if words:
        found += [row(Span(f"      {line}", "soft")) for line in wrapped(words, max(width - 6, 8))]
    return found


def _supplies(now: Moment, va: int) -> bool:
    """Whether the last event is what the fault at this address is answered with."""
    event = now.event
    return isinstance(event, (e.PageMapped, e.PageCopied, e.PageReused)) and event.va == va & ~(PAGE - 1)


def _fault_rows(now: Moment, va: int) -> list[Row]:
    """The last page fault, where it was at this address."""
    if fault_address(now) != va:
        return []
    state, trap = now.state, now.trap if now.trap is not None else now.state.trap
    fault = state.fault
    done = fault is not None and fault.vector == 14 and state.fault_seq > state.trap_seq
    if now.trap is not None and now.trap.vector == 14:
        done = False
    if done and fault is not None:
        error = fault.error
        end = f"became {signal_name(fault.signo)}" if fault.signo else "a page was supplied"
    elif isinstance(trap, TrapTaken) and trap.vector == 14:
        error, end = trap.error, "a page is supplied" if _supplies(now, va) else "not answered yet"
    elif fault is not None and fault.vector == 14:
        error = fault.error
        end = f"became {signal_name(fault.signo)}" if fault.signo else "a page was supplied"
    else:
        return []
    return [
        row(
            Span("#PF   ", "dim"),
            Span(f"error code {error:#x}", "error", f"pferror:{error}"),
            Span(f"  {end}"),
        ),
        row(Span("      " + ", ".join(error_words(error)), "soft")),
    ]
