"""Explanations of memory: an area, a page, a frame, a bit of a page-table entry, a page fault's error code.

Each is a title and lines; `app.explain` hands them on.
"""

from __future__ import annotations

from collections.abc import Callable

from app.panes.memory_facts import (
    columns,
    error_words,
    mappings,
    page_rights,
    rights,
    vma_at,
    vma_name,
    waits_for_write,
)
from app.panes.memory_frames import frame_rows, frames_of
from app.panes.memory_walk import BITS, choices, chosen
from app.panes.moment import Moment
from app.panes.row import text_of
from cpu.paging import FRAME_MASK, PF_FETCH, PF_PRESENT, PF_RESERVED, PF_USER, PF_WRITE
from kernel.abi.mman import MAP_GROWSDOWN, MAP_SHARED, PAGE_SHIFT

Told = tuple[str, tuple[str, ...]]
FRAME_TEXT_WIDTH = 78

AREAS = {
    ".text": "The program's instructions, mapped from its file. Nobody may write them, so all processes that"
    " run the program use the same frames: those of the page cache.",
    ".rodata": "Constants, mapped from the program's file read-only.",
    "header": "The ELF header of the file, mapped along with it.",
    ".data": "Initialised variables: private to the process, but from the file until they are written.",
    ".bss": "Variables that begin as zero: no file behind them, a frame of zeroes on first touch.",
    "heap": "Memory that brk moves the end of; malloc gets it there.",
    "stack": "The user stack. It grows downwards by itself when a page below it is touched.",
    "mmap": "Memory from mmap without a file behind it.",
    "shared": "Memory that several processes may map: one frame, and every store seen by all.",
}
TABLES = {
    "PDPT": "the page directory pointer table: 4 entries of 1 GiB, at the address in cr3",
    "PD": "a page directory: 512 entries of 2 MiB",
    "PT": "a page table: 512 entries of 4 KiB",
}
PTE_BITS = {
    "P": "Present. Without it the processor reads nothing else of the entry and raises a page fault; the"
    " kernel may keep what it likes in the other bits.",
    "W": "Writable (R/W). Clear: a store is a page fault. The kernel clears it to be told of the first write"
    " to a page that two processes share (copy on write).",
    "U": "User (U/S). Clear: only ring 0 may use the page. So the kernel can be mapped in every address space"
    " without programs reading it.",
    "A": "Accessed: the processor sets it when it uses the entry. Kernels look at it to find pages that"
    " nobody needs.",
    "D": "Dirty: the processor sets it at the first store into the page. Clean pages of a file need not be"
    " written back.",
    "PS": "Page size: in a page directory, this entry is no table but a page of 2 MiB.",
    "NX": "No execute (bit 63): fetching an instruction from the page is a page fault. It keeps data from"
    " being run as code.",
}
ERROR_BITS = (
    ("P", PF_PRESENT, "the page is present: the access broke its rights", "the page is not present"),
    ("W/R", PF_WRITE, "it was a write", "it was a read"),
    ("U/S", PF_USER, "in user mode", "in kernel mode"),
    ("RSVD", PF_RESERVED, "a reserved bit is set in an entry", "no reserved bit was set"),
    ("I/D", PF_FETCH, "it was the fetch of an instruction", "it was no instruction fetch"),
)


def area(rest: str, now: Moment) -> Told | None:
    """`vma:SPACE:START` (hexadecimal) or `vma:kernel`."""
    if rest == "kernel":
        return (
            "the kernel's gigabyte · c0000000–ffffffff",
            (
                "All of physical memory as the kernel sees it. Every address space has the same page"
                " directory here, so a system call needs no other cr3. The entries are not for user mode: a"
                " program that touches it gets a page fault and SIGSEGV.",
            ),
        )
    number, _, start = rest.partition(":")
    column = next((one for one in columns(now) if one.space.id == int(number)), None)
    vma = vma_at(column.space, int(start, 16)) if column is not None else None
    if column is None or vma is None:
        return None
    name = vma_name(vma, column.space)
    inside = {va: page for va, page in column.space.pages.items() if vma.start <= va < vma.end}
    waiting = sum(waits_for_write(vma, bits) for _, bits in inside.values())
    total = vma.end - vma.start >> PAGE_SHIFT
    shared = bool(vma.flags & MAP_SHARED)
    about = AREAS.get(name.rpartition(" ")[2], "A file mapped into memory: its pages are the page cache's.")
    lines = [
        about,
        "",
        f"addresses  {vma.start:08x}–{vma.end:08x}, {total} page{'s' if total > 1 else ''}",
        f"rights     {rights(vma.prot)}",
        "shared     a store is seen by all who map it"
        if shared
        else "private    a store is seen by this process alone",
        f"behind it  {vma.name}, from page {vma.offset} on"
        if vma.inode
        else "behind it  nothing: begins as zero",
        f"present    {len(inside)}"
        + (f", {waiting} of them read-only until the first write" if waiting else "")
        + (f"; the other {total - len(inside)} when they are touched" if total > len(inside) else ""),
    ]
    if vma.flags & MAP_GROWSDOWN:
        lines.append("grows      downwards, when the page below is touched")
    return f"{name} of {column.name(now)}", tuple(lines)


def frame(rest: str, now: Moment) -> Told:
    """`frame:NUMBER` (hexadecimal): its owners."""
    number = int(rest, 16)
    told = [text_of(one).rstrip() for one in frame_rows(now, frames_of(now), number, FRAME_TEXT_WIDTH)]
    users = mappings(columns(now)).get(number, [])
    notes: list[str] = []
    waits = [one for one in users if waits_for_write(vma_at(one.column.space, one.va), one.bits)]
    if waits and len(users) > 1:
        notes = ["", "Whoever writes first gets a copy in a frame of its own; the others keep this one."]
    elif waits:
        notes = [
            "",
            "Read-only although its area is writable: the first write is a page fault, and if nobody else"
            " has the frame by then, it is only made writable.",
        ]
    elif len(users) > 1:
        notes = ["", "All of them read the same bytes here: one frame for several pages."]
    return told[0].strip(), (*(line.strip() for line in told[1:]), *notes)


def entry(rest: str, now: Moment) -> Told | None:
    """`pte:LEVEL:WORD:BIT`; without a bit the whole entry."""
    level, text, name = rest.split(":")
    word = int(text, 16)
    place = 63 if name == "NX" else next((bit.bit_length() - 1 for one, bit, _, _ in BITS if one == name), 0)
    if name:
        if name not in PTE_BITS:
            return None
        return (
            f"{name} · bit {place} of a {level} entry",
            (PTE_BITS[name], "", f"{word:016x}: it is {word >> place & 1}"),
        )
    lines = [f"An entry of {TABLES[level]}.", ""]
    lines += [
        f"{one:<3} {word >> (bit.bit_length() - 1) & 1}  {(yes if word & bit else no) or '4 KiB pages'}"
        for one, bit, yes, no in BITS
        if level != "PDPT" or one == "P"
    ]
    lines.append(f"bits 12 and up: {word & FRAME_MASK:08x}, frame {(word & FRAME_MASK) >> 12:#05x}")
    return f"{word:016x} · {level} entry", tuple(lines)


def fault_error(rest: str, now: Moment) -> Told:
    """`pferror:CODE`."""
    code = int(rest)
    return (
        f"page fault, error code {code:#x}",
        (
            ", ".join(error_words(code)),
            "",
            *error_lines(code),
            "",
            "The processor pushes it below EIP; the address is in cr2. The kernel looks up the area: where it"
            " allows the access a page is supplied, else the program gets SIGSEGV.",
        ),
    )


def error_lines(code: int) -> list[str]:
    """Each bit of a page fault's error code, and what it says."""
    return [
        f"{name:<5} bit {bit.bit_length() - 1}  {1 if code & bit else 0}  {yes if code & bit else no}"
        for name, bit, yes, no in ERROR_BITS
    ]


def page(rest: str, now: Moment) -> Told | None:
    """`walk:SPACE:ADDRESS`, or a register's name."""
    one = chosen(now, f"walk:{rest}", choices(now))
    if one is None:
        return None
    found = one.column.space.pages.get(one.address & ~0xFFF)
    vma = vma_at(one.column.space, one.address)
    name = vma_name(vma, one.column.space) if vma is not None else "in no area"
    lines = [name]
    if found is not None:
        lines += [f"frame {found[0]:#05x}, user mode may {page_rights(found[1])}"]
        if waits_for_write(vma, found[1]):
            lines.append("the area may be written: the first write is caught (copy on write)")
    else:
        lines.append("no page of the program's is present there")
    return f"{one.address:08x} of {one.column.name(now)}", tuple(lines)


TELLERS: dict[str, Callable[[str, Moment], Told | None]] = {
    "vma": area,
    "frame": frame,
    "pte": entry,
    "pferror": fault_error,
    "walk": page,
}
