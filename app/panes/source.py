"""Source: the line that is being executed: the program's C, the kernel's entry code, or the Python that acts.

Below it stands the machine code of the line; while the kernel is at work, the user's line that it works for
too. Which line it is and where its text comes from is `app.source`'s business.
"""

from __future__ import annotations

from typing import NamedTuple

from app.backtrace import callers as called_by
from app.panes.base import Pane
from app.panes.cpu import INT_80, code_row
from app.panes.moment import Moment, elsewhere
from app.panes.row import EMPTY, Row, Sheet, Span, row, short
from app.source import Body, Line, LineTable, Sources, Text, body_of, printable
from app.view import View
from cpu.disasm import Instruction
from cpu.registers import Registers
from kernel.boot import SYSCALL_VECTOR
from kernel.describe import VmaView
from kernel.thread import PAGE_OFFSET, PT_REGS, PT_SIZE, THREAD_SIZE

READING = "reading line numbers…"
WAIT = 0.1
"""Seconds until it is looked again whether a line table is there."""
HLT = b"\xf4"
CALLERS = 4
ROOMY, TIGHT, CALLERS_SHOWN = 12, 3, 2
"""Below so many rows only two tell who called, right under the code; none where so many are all there are."""
INTERRUPTED = "interrupted "
KERNEL_KEY = "kernel image"
MOST_CODE = 64
"""Instructions of one line that are looked at."""
SOURCE_FIRST = 5
"""Rows that the source gets before anything else does."""


class Spot(NamedTuple):
    """A place in the program: `line` is None where nobody knows, `why` says why then."""

    address: int
    function: str
    line: Line | None
    why: str = ""


class Scene(NamedTuple):
    """What is to be seen. `current` is the number of the marked line, 0 for none."""

    name: str
    text: Text
    current: int
    kernel: bool
    eip: int
    line: Line | None = None
    note: str = ""
    subject: str = ""


class UserRegs(NamedTuple):
    """Where the program is or was when it entered the kernel; `back` is what to go back to come to the
    instruction that it is at."""

    eip: int
    esp: int
    ebp: int
    back: int


def rows(now: Moment, width: int, height: int, sources: Sources) -> Sheet:
    """Heading, lines of the source, the line's code, and who called."""
    view = now.view
    if view is None:
        return Sheet([row(Span("The machine is on its way there.", "dim"))])
    user = user_regs(now, view)
    scene = scene_of(now, view, user, sources)
    callers = caller_rows(now, view, user, sources, scene.kernel, width) if user is not None else []
    if height < ROOMY:
        callers = callers[1 : 1 + max(min(height - TIGHT, CALLERS_SHOWN), 0)]
    code = code_of(view, scene)
    room = height - 1 - len(callers)
    most = max(min(len(code), room - SOURCE_FIRST - 1, max(height // 3, 3)), 1 if room >= 2 else 0)
    shown = code_rows(view, scene, code, width, most, now.stops("code"))
    between = [range_row(scene, code)] if shown and room >= SOURCE_FIRST - 1 else []
    body = text_rows(scene, width, max(room - len(shown) - len(between), 1))
    return Sheet([heading(scene), *body, *between, *shown, *callers])


# Where.


def user_regs(now: Moment, view: View) -> UserRegs | None:
    """The program's registers: the processor's in ring 3, else those in pt_regs; None for a kernel task."""
    regs = view.regs
    if regs.cpl == 3:
        return UserRegs(regs.eip, regs.esp, regs.ebp, 0)
    task = now.task
    if task is None or not task.thread or not task.space:
        return None
    at = task.thread + THREAD_SIZE - PT_SIZE
    saved = [view.word(at + 4 * PT_REGS.index(name)) for name in ("eip", "esp", "ebp", "cs")]
    eip, esp, ebp, cs = saved
    if eip is None or esp is None or ebp is None or cs is None or cs & 3 != 3:
        return None
    trap = now.state.trap
    by_call = task.syscall >= 0
    if trap is not None and now.state.trap_pid == now.pid and trap.cpl == 3:
        by_call = trap.vector in (SYSCALL_VECTOR, -1)
        if not saved_all(now, view, regs):
            ebp = regs.ebp
    if elsewhere(now, eip):
        by_call = False
    return UserRegs(eip, esp, ebp, len(INT_80) if by_call and view.read(eip - 2, 2) == INT_80 else 0)


def saved_all(now: Moment, view: View, regs: Registers) -> bool:
    """Whether SAVE_ALL is through, so that the registers are in pt_regs; before, they are the processor's."""
    task = now.task
    return task is None or regs.esp <= task.thread + THREAD_SIZE - PT_SIZE


def scene_of(now: Moment, view: View, user: UserRegs | None, sources: Sources) -> Scene:
    """What the machine is executing at the cursor."""
    regs = view.regs
    if regs.cpl == 3:
        spot = user_spot(now, view, regs.eip, 0, sources)
        return _spot_scene(spot, regs.eip, False, sources)
    symbol = view.label(regs.eip).partition("+")[0]
    body = body_of(symbol) if at_hypercall(now, view, regs) else None
    if body is not None:
        acting = regs.eip if view.read(regs.eip, 1) == HLT else regs.eip - 1
        return python_scene(now, symbol, body, acting)
    return _spot_scene(kernel_spot(view, regs.eip, sources), regs.eip, True, sources)


def at_hypercall(now: Moment, view: View, regs: Registers) -> bool:
    """Whether the Python behind a `hlt` is about to act, or is shown in the middle of what it did."""
    if view.read(regs.eip, 1) == HLT:
        return True
    if view.read(regs.eip - 1, 1) != HLT or now.log is None or not now.cursor.seq:
        return False
    return now.cursor.seq < view.seq


def _spot_scene(spot: Spot, eip: int, kernel: bool, sources: Sources) -> Scene:
    line = spot.line
    if line is None:
        return Scene(spot.function, Text((), problem=spot.why), 0, kernel, eip)
    subject = f"line:{line.number}:{line.start:x}:{line.end:x}:{line.name}"
    text = sources.text(line.file)
    return Scene(f"{line.name}:{line.number}", text, line.number, kernel, eip, line, spot.function, subject)


def python_scene(now: Moment, symbol: str, body: Body, eip: int) -> Scene:
    """The kernel's body. Its first line is marked: no event tells how far into it the kernel is."""
    task = now.task
    subject = f"sys:{task.syscall}" if task is not None and task.syscall >= 0 else ""
    note = f"{symbol}, in Python" if symbol == body.name else f"{symbol}: {body.name}, in Python"
    name = f"{body.module}:{body.text.first}" if body.text.lines else body.module
    return Scene(name, body.text, body.text.first, True, eip, None, note, subject)


def user_spot(now: Moment, view: View, address: int, back: int, sources: Sources) -> Spot:
    """The line of an address of the program; `back` bytes before it is the code that is meant."""
    bare = f"{address - back:08x}"
    label = view.label(address - back)
    function = label.partition("+")[0] if label != bare else ""
    area = area_at(now, address - back)
    if area is None or not area.name.startswith("/"):
        return Spot(address, function or bare, None, "there is no file behind this code")
    found = view.contents(area.name)
    if found is None:
        return Spot(address, function or printable(area.name), None, "the file is not from outside")
    key, data = found
    table = sources.table(key, data)
    if table is None:
        return Spot(address, function or bare, None, READING)
    meant = sources.address_in(key, data, (area.offset << 12) + address - back - area.start)
    return _spot(address - back, meant, function, table)


def area_at(now: Moment, address: int) -> VmaView | None:
    task = now.task
    space = now.state.machine.spaces.get(task.space) if task is not None else None
    if space is None:
        return None
    return next((vma for vma in space.vmas if vma.start <= address < vma.end), None)


def kernel_spot(view: View, address: int, sources: Sources) -> Spot:
    label = view.label(address)
    table = sources.table(KERNEL_KEY, view.kernel_image())
    meant = address if address >= PAGE_OFFSET else address + PAGE_OFFSET
    if table is not None and table.at(address) is not None:
        meant = address
    return Spot(address, label, None, READING) if table is None else _spot(address, meant, label, table)


def _spot(address: int, meant: int | None, function: str, table: LineTable) -> Spot:
    line = table.at(meant) if meant is not None else None
    name = function or f"{address:08x}"
    if line is None or meant is None:
        return Spot(address, name, None, table.problem or "no line number belongs to this code")
    moved = address - meant
    return Spot(address, name, line._replace(start=line.start + moved, end=line.end + moved))


# How it looks.


def heading(scene: Scene) -> Row:
    tint = "kernel" if scene.kernel else "user"
    return row(Span(scene.name, f"{tint} bold"), Span(f"  {scene.note}" if scene.note else "", "dim"))


def text_rows(scene: Scene, width: int, height: int) -> list[Row]:
    """Lines around the current one; they hold still while it stays among them."""
    lines = scene.text.lines
    if not lines:
        problem = scene.text.problem
        return [row(Span(short(problem if problem == READING else f"No source: {problem}.", width), "dim"))]
    at = min(max(scene.current - scene.text.first, 0), len(lines) - 1)
    first = window(at, len(lines), height)
    digits = len(str(scene.text.first + len(lines) - 1))
    found = []
    for n in range(first, min(first + height, len(lines))):
        number = f"{scene.text.first + n:>{digits}}"
        if n == at and scene.current:
            ring = "on_kernel kernel" if scene.kernel else "on_user user"
            head, tail = f"▸ {number} ", short(lines[n], width - digits - 3)
            pad = " " * max(width - len(head) - len(tail), 0)
            found.append(row(Span(head, ring), Span(tail, ring, scene.subject), Span(pad, ring)))
        else:
            found.append(row(Span(f"  {number} ", "dim"), Span(short(lines[n], width - digits - 3))))
    return found


def window(at: int, length: int, height: int) -> int:
    """The first of `height` items to show so that `at` is among them, with some before and behind it."""
    if length <= height:
        return 0
    step = max(height // 2, 1)
    first = max((at - height // 4) // step * step, 0)
    return min(first, length - height)


def code_of(view: View, scene: Scene) -> list[Instruction]:
    """The instructions of the line; where there is none, the one that is next."""
    if scene.line is None:
        return view.instructions(scene.eip, 1 if scene.text.lines else MOST_CODE // 4)
    found = view.instructions(scene.line.start, MOST_CODE)
    return [one for one in found if one.address < scene.line.end] or view.instructions(scene.eip, 1)


def code_rows(
    view: View, scene: Scene, code: list[Instruction], width: int, height: int, stops: frozenset[int]
) -> list[Row]:
    at = next((n for n, one in enumerate(code) if one.address == scene.eip), 0)
    first = window(at, len(code), height) if height > 0 else 0
    return [
        code_row(view, one, one.address == scene.eip, scene.kernel, width, one.address in stops)
        for one in code[first : first + max(height, 0)]
    ]


def range_row(scene: Scene, code: list[Instruction]) -> Row:
    line = scene.line
    if line is None:
        return row(Span("  its machine code" if scene.text.lines else "  machine code", "dim"))
    size = line.end - line.start
    where = f"{line.start:08x}" if size == 1 else f"{line.start:08x} … {line.end - 1:08x}"
    more = "more than " if len(code) == MOST_CODE else ""
    much = f"{_many(size, 'byte')}, {more}{_many(len(code), 'instruction')}"
    return row(Span(f"  {where}  {much}", "dim"))


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def caller_rows(
    now: Moment, view: View, user: UserRegs, sources: Sources, kernel: bool, width: int
) -> list[Row]:
    """In the kernel the user's line that it works for; and from where that function was called."""
    found: list[Row] = []
    if kernel:
        spot = user_spot(now, view, user.eip, user.back, sources)
        own = now.state.trap_pid == now.pid and now.state.trap is not None
        how = "for" if user.back else "entered from" if own and not elsewhere(now, user.eip) else "goes on at"
        found.append(_caller(f"{how} ", spot, sources, width))
    known = []
    frames = now.state.frames.get(now.pid, ())
    for one in called_by(view, user.eip - user.back, user.esp, user.ebp, frames, CALLERS):
        back = 1
        if one.interrupted:
            back = len(INT_80) if view.read(one.address - len(INT_80), len(INT_80)) == INT_80 else 0
        spot = user_spot(now, view, one.address, back, sources)
        if spot.line is None:
            break
        known.append((spot, one.interrupted))
    if known:
        spot, interrupted = known[0]
        found.append(_caller(INTERRUPTED if interrupted else "called from ", spot, sources, width))
    if not found:
        return []
    if len(known) > 1:
        word = INTERRUPTED if known[1][1] else "called from "
        names = " ← ".join(f"{INTERRUPTED * it}{_where(spot)}" for spot, it in known[1:])
        names = names.removeprefix(INTERRUPTED)
        found.append(row(Span(f"  {word}", "dim"), Span(short(names, max(width - len(word) - 2, 0)), "soft")))
    return [EMPTY, *found]


def _where(spot: Spot) -> str:
    return f"{spot.line.name}:{spot.line.number} {spot.function}" if spot.line is not None else spot.function


def _caller(word: str, spot: Spot, sources: Sources, width: int) -> Row:
    line = spot.line
    subject = f"line:{line.number}:{line.start:x}:{line.end:x}:{line.name}" if line is not None else ""
    text = ""
    if line is not None:
        lines = sources.text(line.file).lines
        text = lines[line.number - 1].strip() if 0 < line.number <= len(lines) else ""
    where = _where(spot)
    room = max(width - len(word) - len(where) - 4, 0)
    return row(
        Span(f"  {word}", "dim"), Span(where, "user", subject), Span(f"  {short(text, room)}" if text else "")
    )


class Source(Pane):
    """The current line."""

    label = "Source"
    key = "F10"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.sources = Sources()
        self._waiting = False

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        found = rows(now, width, height, self.sources)
        if self.sources.reading and not self._waiting:
            self._waiting = True
            self.set_timer(WAIT, self._look_again)
        return found

    def _look_again(self) -> None:
        self._waiting = False
        self.repaint()

    def title(self, now: Moment) -> Row:
        return row(Span("Source", "title"))
