"""Memory, third picture: physical memory frame by frame, and who owns the chosen one.

A letter a frame: what the kernel has it for, or which process maps it; frames that two spaces map are ═.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from app.panes.memory_facts import (
    Mapping,
    changes,
    columns,
    mappings,
    page_rights,
    vma_at,
    vma_name,
    waits_for_write,
)
from app.panes.memory_spaces import size
from app.panes.memory_walk import FAULT, choices, chosen
from app.panes.moment import Moment, task_name
from app.panes.row import EMPTY, Lazy, Row, Sheet, Span, beside, cells, row, short
from app.units import count
from app.view import IMAGE_FRAME, FrameUse
from kernel.abi.mman import PAGE_SHIFT

SIDE_BY_SIDE = 140
WIDE_MAP, NARROW_MAP = 64, 32
SHARED_MARK, FREE = "═", "·"
MARKS = {
    "image": ("k", "kernel"),
    "stack": ("s", "kernel"),
    "pgd": ("t", "kernel"),
    "directory": ("t", "kernel"),
    "table": ("t", "kernel"),
    "tables": ("t", "kernel"),
    "ldt": ("l", "kernel"),
    "cache": ("c", "soft"),
}
LEGEND = (
    ("k", "kernel image"),
    ("s", "kernel stacks"),
    ("t", "page tables"),
    ("l", "LDTs"),
    ("c", "page cache, not mapped"),
    (SHARED_MARK, "in two spaces or more"),
)
USES = {
    "image": "the kernel's code and data",
    "stack": "the kernel stack of {who}",
    "pgd": "page directory pointers (cr3) of {who}",
    "directory": "a page directory of {who}",
    "table": "a page table of {who}",
    "tables": "a page table that several spaces have until one changes it",
    "ldt": "the LDT of {who}",
    "cache": "page cache: {name}, page {page}",
}


class Frames(NamedTuple):
    """All owners of all frames at the cursor."""

    owners: dict[int, list[Mapping]]
    uses: dict[int, FrameUse]
    last: int
    """The frame behind the last one in use."""


def frames_of(now: Moment) -> Frames:
    owners = mappings(columns(now))
    uses = now.view.frame_uses() if now.view is not None else {}
    return Frames(owners, uses, max([*owners, *uses, IMAGE_FRAME - 1]) + 1)


def default_frame(now: Moment, frames: Frames) -> int:
    """The frame to tell about when none was chosen: the last one changed, else that of the last fault."""
    changed = [frame for frame in changes(now).frames if frame in frames.owners]
    if changed:
        return changed[-1]
    one = chosen(now, FAULT, choices(now))
    if one is not None:
        page = one.column.space.pages.get(one.address & ~0xFFF)
        if page is not None:
            return page[0]
    return min(frames.owners, default=IMAGE_FRAME)


def rows(now: Moment, width: int, height: int, chosen_frame: int = -1) -> Sheet:
    frames = frames_of(now)
    frame = chosen_frame if chosen_frame >= 0 else default_frame(now, frames)
    wide = width >= SIDE_BY_SIDE
    per_row = WIDE_MAP if width >= WIDE_MAP + 10 else NARROW_MAP
    first = IMAGE_FRAME // per_row
    lines = max((frames.last + per_row - 1) // per_row - first, 1)
    changed = frozenset(changes(now).frames)

    def make(n: int) -> Row:
        return map_row(now, frames, (first + n) * per_row, per_row, frame, changed)

    legend = legend_rows(now, frames, per_row + 7 if wide else width)
    detail = frame_rows(now, frames, frame, width - per_row - 10 if wide else width)
    head = () if wide else (*detail[: max(height // 2, 1)], EMPTY)
    body = Lazy(lines + len(legend), lambda n: make(n) if n < lines else legend[n - lines])
    room = max(height - len(head), 1)
    line = min(max(frame // per_row - first, 0), lines - 1)
    top = 0 if len(body) <= room else line // room * room
    if not wide:
        return Sheet(body, top, head)
    return Sheet(beside(body, [EMPTY] * top + detail, per_row + 8, Span("│ ", "rule")), top)


def map_row(
    now: Moment, frames: Frames, start: int, length: int, chosen_frame: int, changed: frozenset[int]
) -> Row:
    spans = [Span(f"{start:05x}  ", "dim")]
    for frame in range(start, start + length):
        text, style = mark_of(now, frames, frame)
        if frame in changed:
            style += " changed"
        if frame == chosen_frame:
            style += " chosen"
        subject = f"frame:{frame:x}" if text != FREE and text != " " else ""
        spans.append(Span(text, style, subject))
    return tuple(spans)


def mark_of(now: Moment, frames: Frames, frame: int) -> tuple[str, str]:
    """A frame's letter and its style."""
    users = frames.owners.get(frame, ())
    if len({one.column.space.id for one in users}) > 1:
        return SHARED_MARK, "mark"
    if users:
        column = users[0].column
        return (column.letters(now) or "?")[0], column.style
    use = frames.uses.get(frame)
    if use is not None:
        return MARKS[use.kind]
    return (FREE if frames.uses and frame < frames.last else " "), "dim"


def legend_rows(now: Moment, frames: Frames, width: int) -> list[Row]:
    """What the letters mean, and how many there are of each."""
    counts: Counter[str] = Counter()
    styles: dict[str, str] = {}
    for frame in {*frames.owners, *frames.uses}:
        text, style = mark_of(now, frames, frame)
        counts[text] += 1
        styles[text] = style
    names = dict(LEGEND)
    for column in columns(now):
        letter = (column.letters(now) or "?")[0]
        names.setdefault(letter, f"{column.comm or 'new space'} alone")
    items = [
        (Span(f"{mark} ", styles[mark] + " bold"), Span(f"{name} {counts[mark]}", "soft"))
        for mark, name in names.items()
        if counts[mark]
    ]
    found: list[Row] = []
    line: list[Span] = []
    used = 0
    for item in items:
        length = sum(cells(span.text) for span in item) + 3
        if line and used + length > width:
            found.append(tuple(line))
            line, used = [], 0
        line += [*item, Span("   ")]
        used += length
    if line:
        found.append(tuple(line))
    if now.view is not None:
        amounts = now.view.frame_counts()
        text = (
            f"{count(amounts.used)} used, {count(amounts.returned)} given back, {count(amounts.fresh)} never"
            f" used: {size(amounts.used + amounts.returned + amounts.fresh << PAGE_SHIFT)}"
        )
        found.append(row(Span(short(text, width), "dim")))
    below = f"below {IMAGE_FRAME:05x} lie {IMAGE_FRAME} more, not given out"
    return [*found, row(Span(short(below, width), "dim"))]


# The chosen frame.


def frame_rows(now: Moment, frames: Frames, frame: int, width: int) -> list[Row]:
    """Where the frame lies, and a line for each owner."""
    users, use = frames.owners.get(frame, []), frames.uses.get(frame)
    spaces = {one.column.space.id for one in users}
    waits = any(waits_for_write(vma_at(one.column.space, one.va), one.bits) for one in users)
    word = (
        "copy on write"
        if waits and len(spaces) + (use is not None) > 1
        else "shared"
        if len(spaces) > 1
        else ""
    )
    changed = frame in changes(now).frames
    head = row(
        Span(f"frame {frame:#05x}", "mark changed" if changed else "mark", f"frame:{frame:x}"),
        Span(f"  {frame << 12:08x}–{(frame << 12) + 0xFFF:08x}", "soft"),
        Span(f"  {word}" if word else "", "mark"),
    )
    found = [head]
    for one in users:
        vma = vma_at(one.column.space, one.va)
        name = vma_name(vma, one.column.space) if vma is not None else "?"
        note = ", to be copied when written" if waits_for_write(vma, one.bits) and word else ""
        found.append(
            row(
                Span(f"  {short(one.column.name(now), 16):<16} ", f"{one.column.style} bold"),
                Span(f"{one.va:08x} ", "", f"walk:{one.column.space.id}:{one.va:08x}"),
                Span(short(f"{name:<8} {page_rights(one.bits)}{note}", max(width - 28, 1)), "soft"),
            )
        )
    if use is not None:
        found.append(row(Span(f"  {short(use_text(now, use), max(width - 2, 1))}", MARKS[use.kind][1])))
    if not users and use is None:
        text = "nobody's" if frame >= IMAGE_FRAME else "below the kernel: never given out"
        if now.view is not None and now.view.frame_refs(frame):
            text = "the kernel's, for something that it is in the midst of"
        found.append(row(Span(f"  {text}", "dim")))
    refs = now.view.frame_refs(frame) if now.view is not None else 0
    if refs:
        found.append(row(Span(f"  {refs} owner{'s' if refs > 1 else ''} by the kernel's count", "dim")))
    return found


def use_text(now: Moment, use: FrameUse) -> str:
    """What the kernel has a frame for, in words."""
    who = "the kernel"
    if use.kind in ("stack", "ldt"):
        who = task_name(now.state, use.number) if use.number >= 0 else "a task that is gone"
    elif use.number:
        column = next((one for one in columns(now) if one.space.id == use.number), None)
        who = column.name(now) if column is not None else f"space {use.number}"
    return USES[use.kind].format(who=who, name=use.name or "a file without a name", page=use.page)
