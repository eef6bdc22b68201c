"""Memory, first picture: address spaces side by side, and between two of them the frames they lead to.

High addresses on top. An area is a block, █ where its pages are present and ░ where they are not; a double
line joins the same address of two processes where it is one frame, single lines end in two frames.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from app.panes.memory_facts import (
    COW,
    PAGE,
    SHARED,
    Changes,
    Column,
    Mapping,
    changes,
    columns,
    fault_address,
    mappings,
    notice_text,
    rights,
    vma_name,
    waits_for_write,
)
from app.panes.moment import Moment
from app.panes.row import Lazy, Row, Sheet, Span, cells, row, short
from kernel.abi.mman import TASK_SIZE
from kernel.describe import VmaView

ROOM_FOR_NOTICE = 8
"""Rows from which on the last change has one; with fewer it stands in the title."""
LEAST_COLUMN, MOST_COLUMN = 18, 34
LEAST_GAP, MOST_GAP = 24, 44
ALONE_LINE = 10
"""How long the line to a frame is that has the room between two spaces for itself."""
NOTHING = (-1, 0)
"""Frame and bits of a page that is not present."""
ALONE = 3
"""So many alike pages in a row have a line each; more are one line."""


class Cell(NamedTuple):
    """What one address space has in a stretch. `frame` -1 is not present."""

    vma: VmaView
    frame: int
    bits: int
    names: bool = False
    """Whether the area's name stands here: in its topmost line."""


class Stretch(NamedTuple):
    """One line: [start, end) in all spaces shown; None where a space has nothing."""

    start: int
    end: int
    cells: tuple[Cell | None, ...]
    contiguous: bool = True
    """Whether the frames follow one another as the pages do."""

    @property
    def pages(self) -> int:
        return self.end - self.start >> 12


class Plan(NamedTuple):
    """What all lines of the picture need to know."""

    now: Moment
    shown: list[Column]
    owners: dict[int, list[Mapping]]
    cached: frozenset[int]
    changed: Changes
    column: int
    gap: int
    pages: list[list[int]]
    """Addresses of the present pages of each space shown, ascending."""


def rows(now: Moment, width: int, height: int) -> Sheet:
    every = columns(now)
    if not every:
        return Sheet([row(Span("No program has an address space here.", "dim"))])
    shown, hidden = in_sight(now, every, width)
    column, gap = widths(width, len(shown))
    view = now.view
    cached = (
        frozenset(frame for frame, use in view.frame_uses().items() if use.kind == "cache")
        if view is not None
        else frozenset[int]()
    )
    plan = Plan(
        now,
        shown,
        mappings(every),
        cached,
        changes(now),
        column,
        gap,
        [sorted(one.space.pages) for one in shown],
    )
    stretches = stretches_of(plan)
    found: list[Callable[[], Row]] = [partial(_kernel_row, plan)]
    focus, wanted = fault_address(now), 0
    if plan.changed.pages:
        focus = max(va for _, va in plan.changed.pages)
    above = TASK_SIZE
    for one in stretches:
        if one.end < above:
            found.append(partial(_hole_row, plan, one.end, above))
        if focus is not None and one.start <= focus < one.end:
            wanted = len(found)
        found.append(partial(_stretch_row, plan, one))
        above = one.start
    if above:
        found.append(partial(_hole_row, plan, 0, above))
    head = [_head(plan, hidden)]
    if height >= ROOM_FOR_NOTICE:
        head.append(row(Span(short(notice_text(plan.changed), width), "changed")))
    room = max(height - len(head), 1)
    top = 0 if len(found) <= room else wanted // room * room
    return Sheet(Lazy(len(found), lambda n: found[n]()), top, tuple(head))


def in_sight(now: Moment, every: list[Column], width: int) -> tuple[list[Column], int]:
    """As many spaces as there is room for, the current task's among them; and how many are not."""
    fit = max((width + LEAST_GAP) // (LEAST_COLUMN + LEAST_GAP), 1)
    if len(every) <= fit:
        return every, 0
    at = next((n for n, one in enumerate(every) if now.pid in one.pids), 0)
    first = min(at // fit * fit, len(every) - fit)
    return every[first : first + fit], len(every) - fit


def widths(width: int, count: int) -> tuple[int, int]:
    """Columns of a space and of what is between two."""
    gaps = max(count - 1, 1)
    spare = max(width - count * LEAST_COLUMN - gaps * LEAST_GAP, 0)
    column = min(LEAST_COLUMN + spare // count, MOST_COLUMN)
    spare = max(width - count * column - gaps * LEAST_GAP, 0)
    return column, min(LEAST_GAP + spare // gaps, MOST_GAP)


# Which lines there are.


class Run(NamedTuple):
    """Alike stretches in a row: what each space has there, and start, end and frames of each stretch."""

    vmas: tuple[VmaView | None, ...]
    bits: tuple[int, ...]
    parts: list[tuple[int, int, tuple[int, ...]]]

    def stretch(self, first: int, last: int) -> Stretch:
        frames = self.parts[first][2]
        cells = tuple(
            Cell(vma, frame, bits) if vma is not None else None
            for vma, frame, bits in zip(self.vmas, frames, self.bits, strict=True)
        )
        contiguous = all(
            there < 0 or there == here + n
            for n, (_, _, others) in enumerate(self.parts[first : last + 1])
            for here, there in zip(frames, others, strict=True)
        )
        return Stretch(self.parts[first][0], self.parts[last][1], cells, contiguous)


def stretches_of(plan: Plan) -> list[Stretch]:
    """The lines from the top down: cut wherever a space's area or presence changes, alike pages together."""
    out: list[Stretch] = []
    for run in _runs(plan):
        last = len(run.parts) - 1
        if last < ALONE and max(run.parts[0][2]) >= 0:
            out += [run.stretch(n, n) for n in range(last + 1)]
        else:
            out.append(run.stretch(0, last))
    out.reverse()
    return _with_names(out)


def _runs(plan: Plan) -> list[Run]:
    bounds: set[int] = set()
    for one in plan.shown:
        for vma in one.space.vmas:
            bounds.update((vma.start, vma.end))
        bounds.update(one.space.pages)
        bounds.update(va + PAGE for va in one.space.pages)
    sides = [(one.space.id, one.space.vmas, one.space.pages) for one in plan.shown]
    at = [0] * len(sides)
    owners = {frame: len(users) for frame, users in plan.owners.items()}
    runs: list[Run] = []
    last: object = None
    for start, end in pairwise(sorted(bounds)):
        vmas: list[VmaView | None] = []
        frames: list[int] = []
        bits: list[int] = []
        for n, (_, areas, pages) in enumerate(sides):
            while at[n] < len(areas) and areas[at[n]].end <= start:
                at[n] += 1
            inside = at[n] < len(areas) and areas[at[n]].start <= start
            frame, rights_there = pages.get(start, NOTHING) if inside else NOTHING
            vmas.append(areas[at[n]] if inside else None)
            frames.append(frame)
            bits.append(rights_there)
        if not any(vmas):
            last = None
            continue
        alike = (
            at[:],
            bits,
            [vma is None for vma in vmas],
            [(owners.get(frame, 0), frame in plan.cached, frames.index(frame)) for frame in frames],
            [(side[0], start) in plan.changed.pages for side in sides] if plan.changed.pages else None,
        )
        if alike != last:
            runs.append(Run(tuple(vmas), tuple(bits), []))
        runs[-1].parts.append((start, end, tuple(frames)))
        last = alike
    return runs


def _with_names(stretches: list[Stretch]) -> list[Stretch]:
    """Each area is named in its topmost line."""
    seen: list[set[int]] = [set() for _ in stretches[0].cells] if stretches else []
    out = []
    for one in stretches:
        named = []
        for n, cell in enumerate(one.cells):
            if cell is not None and cell.vma.start not in seen[n]:
                seen[n].add(cell.vma.start)
                cell = cell._replace(names=True)
            named.append(cell)
        out.append(one._replace(cells=tuple(named)))
    return out


# How a line looks.


def _head(plan: Plan, hidden: int) -> Row:
    spans: list[Span] = []
    for n, one in enumerate(plan.shown):
        name = short(one.name(plan.now), plan.column)
        room = plan.column - cells(name)
        detail = f"  cr3 {one.space.pgd << 12:08x}"
        text = detail if cells(detail) <= room else ""
        pad = " " * (room - cells(text))
        subject = f"task:{one.pids[0]}" if one.pids else ""
        named = Span(name, f"{one.style} bold", subject)
        spans += [named, Span(text, "dim"), Span(pad)] if n == 0 else [Span(pad), named, Span(text, "dim")]
        if n < len(plan.shown) - 1 or n == 0:
            more = f"frames, {hidden} more" if hidden and n == len(plan.shown) - 2 else "frames"
            spans.append(Span(f"{more:^{plan.gap}}", "title"))
    return tuple(spans)


def _kernel_row(plan: Plan) -> Row:
    """The top gigabyte: the very same tables in every space."""
    spans: list[Span] = []
    for n in range(len(plan.shown)):
        address = Span(f"{TASK_SIZE:08x}", "dim")
        block = Span("▓ ", "kernel")
        name = Span("kernel" + " " * (plan.column - 17), "kernel", "vma:kernel")
        spans += [address, Span(" "), block, name] if n == 0 else [block, name, Span(" "), address]
        if n < len(plan.shown) - 1:
            words = "the kernel's own" if plan.gap >= 28 else "the kernel's"
            spans.append(Span(_double(words, plan.gap), "kernel"))
        elif n == 0:
            spans.append(Span(" " * plan.gap))
    return tuple(spans)


def _hole_row(plan: Plan, start: int, end: int) -> Row:
    address = f"{start:08x}" if not start else " " * 8
    text = f"{size(end - start)} nothing" if not start else size(end - start)
    return row(Span(f"{address} ⋮ {text}", "dim"))


def size(length: int) -> str:
    """Bytes in the largest unit that leaves one digit before the point."""
    for bits, unit in ((30, "GiB"), (20, "MiB")):
        if length >= 1 << bits:
            value = length / (1 << bits)
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{length >> 10} KiB"


def _stretch_row(plan: Plan, one: Stretch) -> Row:
    spans: list[Span] = []
    for n, cell in enumerate(one.cells):
        spans += _cell_spans(plan, one, n, cell)
        if n < len(one.cells) - 1:
            spans += _gap_spans(plan, one, n, n + 1)
        elif n == 0:
            spans += _gap_spans(plan, one, 0, None)
    return tuple(spans)


def _is_new(plan: Plan, one: Stretch, n: int, cell: Cell) -> bool:
    number = plan.shown[n].space.id
    return (number, one.start) in plan.changed.pages or (
        cell.names and (number, cell.vma.start) in plan.changed.areas
    )


def _cell_spans(plan: Plan, one: Stretch, n: int, cell: Cell | None) -> list[Span]:
    if cell is None:
        return [Span(" " * plan.column)]
    column = plan.shown[n]
    bold = " changed" if _is_new(plan, one, n, cell) else ""
    present = cell.frame >= 0
    address = Span(f"{one.start:08x}", "dim" if not bold else "changed")
    block = Span("█ " if present else "░ ", column.style + bold)
    room = plan.column - 11
    text = ""
    name = ""
    if cell.names:
        name = vma_name(cell.vma, column.space)
        total = cell.vma.end - cell.vma.start >> 12
        pages = plan.pages[n]
        there = bisect_left(pages, cell.vma.end) - bisect_left(pages, cell.vma.start)
        if room >= 19:
            name_room = room - 11
            name = short(name, name_room)
            text = f"{' ' * (name_room - cells(name))} {rights(cell.vma.prot)} {f'{there}/{total}':<6}"
        elif room >= 12:
            name = short(name, room - 4)
            text = f"{' ' * (room - 4 - cells(name))} {rights(cell.vma.prot)}"
        else:
            name = short(name, room)
    rest = max(room - cells(name) - cells(text), 0)
    subject = f"vma:{column.space.id}:{cell.vma.start:x}" if name else ""
    body = [Span(name, column.style + bold, subject), Span(text + " " * rest, "soft")]
    if n == 0:
        return [address, Span(" "), block, *body]
    return [block, *body, Span(" "), address]


def _gap_spans(plan: Plan, one: Stretch, left: int, right: int | None) -> list[Span]:
    """The frames between two spaces, or beside the only one."""
    here = one.cells[left]
    there = one.cells[right] if right is not None else None
    if here is not None and there is not None and here.frame == there.frame >= 0:
        word = COW if _cow(plan, here) or _cow(plan, there) else SHARED
        new = _is_new(plan, one, left, here) or _is_new(plan, one, right or 0, there)
        text = _double(f"{_frame_text(one, here)} {word}", plan.gap)
        style = "mark" if word == COW else "good"
        return [Span(text, style + (" changed" if new else ""), f"frame:{here.frame:x}")]
    if right is None:
        return [_line(plan, one, left, here, plan.gap, True)]
    half = (plan.gap - 1) // 2
    return [
        _line(plan, one, left, here, half, True),
        Span(" " * (plan.gap - 2 * half)),
        _line(plan, one, right, there, half, False),
    ]


def _cow(plan: Plan, cell: Cell) -> bool:
    owners = len(plan.owners.get(cell.frame, ())) + (cell.frame in plan.cached)
    return waits_for_write(cell.vma, cell.bits) and owners > 1


def _frame_text(one: Stretch, cell: Cell) -> str:
    if one.pages == 1:
        return f"{cell.frame:#05x}"
    if one.contiguous:
        return f"{cell.frame:#05x}–{cell.frame + one.pages - 1:#05x}"
    return f"{one.pages} frames"


def _line(plan: Plan, one: Stretch, n: int, cell: Cell | None, width: int, leftwards: bool) -> Span:
    """A line from a space to a frame of its own (or one that is shared with somebody else)."""
    if cell is None or cell.frame < 0:
        return Span(" " * width)
    column = plan.shown[n]
    owners = len(plan.owners.get(cell.frame, ()))
    text = f"▪ {_frame_text(one, cell)}"
    if cells(text) > width - 1:
        text = next(
            (text for text in (f"▪ {one.pages} frames", f"▪ {one.pages}") if cells(text) < width), "▪"
        )
    words = [COW] if _cow(plan, cell) else []
    words += ["page cache"] if cell.frame in plan.cached else []
    words += [f"of {owners}"] if owners > 1 else []
    for word in words:
        if cells(text) + len(word) + 4 <= width:
            text += f" {word}"
    style = column.style + (" changed" if _is_new(plan, one, n, cell) else "")
    dashes = width - cells(text) - 2
    if not leftwards:
        line = f"{text} {'─' * dashes} "
    elif width < LEAST_GAP:
        line = f" {'─' * dashes} {text}"
    else:
        line = f" {'─' * min(dashes, ALONE_LINE)} {text}".ljust(width)
    return Span(line, style, f"frame:{cell.frame:x}")


def _double(text: str, width: int) -> str:
    """` ══ text ══ ` in exactly `width` columns."""
    text = short(text, width - 6)
    dashes = width - cells(text) - 4
    left = dashes // 2
    return f" {'═' * left} {text} {'═' * (dashes - left)} "
