"""Stacks: the current task's user stack and its kernel stack side by side, every word with what it is.

The kernel stack is read from its top down to esp; while a trap is on its way the words that the processor is
about to push are shown where they will lie. The user stack starts at its esp.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from app.backtrace import NONE, callers, saved
from app.panes.base import Pane
from app.panes.cpu import ARGUMENTS, call_being_made, call_of
from app.panes.moment import (
    PUSHED,
    READ_TSS,
    SYSENTER_STACK,
    Moment,
    ahead,
    elsewhere,
    letter_style,
    pushed_by,
    task_name,
)
from app.panes.row import EMPTY, Lazy, Row, Sheet, Span, beside, padded, row, short
from app.state.state import IDLE, INIT
from app.strace.text import quote
from app.view import View
from cpu.events import Source, SysenterTaken, TrapTaken
from cpu.registers import Registers
from kernel.abi import elf, sigframe
from kernel.abi.signal import signal_name
from kernel.events import ProgramExecuted
from kernel.table import Arg
from kernel.thread import PAGE_OFFSET, PT_REGS, PT_SIZE, THREAD_SIZE

USER_WORDS = 256
"""How much of the user stack can be scrolled to."""
STRINGS_SHOWN = 24
CALLERS = 16
"""How many return addresses are looked for."""
ERROR_CODE, NO_ERROR_CODE = "error code", "no error code: 0"
"""What lies in orig_eax's place on an exception's way in (`EXCEPTION` in entry.S), until its handler puts
-1 there."""
NO_CALL = 0xFFFF_FFFF
AHEAD = " · as the kernel will leave them"
AUXV_NAMES = {value: name for name, value in vars(elf).items() if name.startswith("AT_")}


def rows(now: Moment, width: int, height: int) -> Sheet:
    """Both stacks."""
    view, regs = now.view, now.regs
    if view is None or regs is None:
        return Sheet([row(Span("The machine is on its way there.", "dim"))])
    left_width = (width - 3) // 2
    right_width = width - 3 - left_width
    esp = user_esp(now, view, regs)
    user = user_rows(now, view, regs, esp, left_width)
    kernel = kernel_rows(now, view, regs, right_width)
    other = stack_owner(now, regs)
    owner = f" · still {other}'s" if other else ""
    heads = beside(
        [_head("user", esp, left_width, "user")],
        [_head(f"kernel{owner}", kernel_esp(now, view, regs), right_width, "kernel")],
        left_width,
        Span(" │ ", "rule"),
    )
    return Sheet(beside(user, kernel, left_width, Span(" │ ", "rule")), head=tuple(heads))


def _head(name: str, esp: int | None, width: int, tint: str) -> Row:
    where = "" if esp is None else f"esp {esp:08x}"
    return padded(
        row(Span(f"{name:<{max(width - len(where), 0)}}", f"{tint} bold"), Span(where, tint)), width
    )


# The user's.


def user_esp(now: Moment, view: View, regs: Registers) -> int | None:
    """esp of user mode: in the register, or in the frame that the trap pushed."""
    if now.trap is not None:
        return now.trap.esp if now.trap.cpl == 3 else _saved_word(now, view, regs, "esp")
    return regs.esp if regs.cpl == 3 else _saved_word(now, view, regs, "esp")


def user_rows(now: Moment, view: View, regs: Registers, esp: int | None, width: int) -> Sequence[Row]:
    if esp is None:
        return [row(Span("no user mode", "dim"))]
    data = _words_from(view, esp)
    if not data:
        return [row(Span(f"{esp:08x} is not mapped", "dim"))]
    notes = stack_notes(now, view)
    frames = set(now.state.frames.get(now.pid, ()))
    for at in frames:
        notes.update(frame_notes(view, at))
    calls, sure = call_notes(now, view, regs, esp, frames)
    returns = {slot for slot, note in calls.items() if note.startswith("ret ")}
    notes = {**calls, **notes}

    def make(n: int) -> Row:
        address, value = esp + 4 * n, data[n]
        note = notes.get(address, "")
        style = "mark" if address in frames else "user" if address in returns else ""
        if not note:
            note, style = _pointer_note(view, value, address > sure)
        return _word_row(address, value, note, width, style, here=n == 0)

    return Lazy(len(data), make)


def call_notes(
    now: Moment, view: View, regs: Registers, esp: int, frames: set[int]
) -> tuple[dict[int, str], int]:
    """Return addresses, saved ebps and the arguments of the system call's stub, by address.

    And up to which address these are all the return addresses that there are.
    """
    eip, ebp = user_place(now, view, regs)
    if eip is None or ebp is None:
        return {}, 0
    found = {}
    sure = 0
    chain = callers(view, eip, esp, ebp, frames, CALLERS)
    for one in chain:
        if not one.interrupted:
            found[one.slot] = f"ret {view.label(one.address)}"
        if one.ebp_at != NONE:
            found[one.ebp_at] = "saved ebp" if view.word(one.ebp_at) else "ebp: outermost"
    for one in chain:
        if not one.sure:
            break
        sure = one.slot
    args, values = call_arguments(now, view, regs)
    if chain and not chain[0].interrupted:
        for n, (arg, value) in enumerate(zip(args, values, strict=False)):
            at = chain[0].slot + 4 * (n + 1)
            if view.word(at) != value:
                break
            found[at] = f"{arg.name} {_pointer_note(view, value, False)[0]}".rstrip()
    return found, sure


def call_arguments(now: Moment, view: View, regs: Registers) -> tuple[tuple[Arg, ...], list[int]]:
    """Names and values of the arguments of the system call that is being made, up to `iret`."""
    top = stack_top(now, regs)
    if not top or regs.esp > top - PT_SIZE:
        made = call_being_made(now, view, regs)
        return (made[1].args, made[2]) if made is not None and made[1] is not None else ((), [])
    data = view.read(top - PT_SIZE, PT_SIZE)
    if data is None:
        return (), []
    words = dict(zip(PT_REGS, struct.unpack(f"<{len(PT_REGS)}I", data), strict=True))
    call = call_of(words["orig_eax"])
    if call is None or _no_call(now, words["orig_eax"], top) or elsewhere(now, words["eip"]):
        return (), []
    return call.args, [words[name] for name in ARGUMENTS]


def user_place(now: Moment, view: View, regs: Registers) -> tuple[int | None, int | None]:
    """eip and ebp of the program: the processor's, or those that it comes back with from the kernel."""
    if regs.cpl == 3:
        return regs.eip, regs.ebp
    top = stack_top(now, regs)
    through = top and regs.esp <= top - PT_SIZE
    ebp = _saved_word(now, view, regs, "ebp") if through else regs.ebp
    return _saved_word(now, view, regs, "eip"), ebp


def _saved_word(now: Moment, view: View, regs: Registers, name: str) -> int | None:
    """A user-mode register of whose kernel stack esp is on, from its pt_regs."""
    top = stack_top(now, regs)
    owner = next(
        (task for task in now.state.machine.tasks.values() if task.thread + THREAD_SIZE == top), None
    )
    if owner is None or not owner.space:
        return None
    return view.word(top - PT_SIZE + 4 * PT_REGS.index(name))


def _words_from(view: View, address: int) -> tuple[int, ...]:
    """As many words as are mapped from here on, at most USER_WORDS."""
    size = USER_WORDS * 4
    while size > 0:
        data = view.read(address, size)
        if data is not None:
            return struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
        size = min(size - 4, 0x1000 - (address & 0xFFF)) if size > 0x1000 - (address & 0xFFF) else 0
    return ()


def _pointer_note(view: View, value: int, returns: bool) -> tuple[str, str]:
    """What a word points to, if it points into the program; else the text that it is, if it is one.

    `returns`: a place in the middle of a function may be where a call returns to.
    """
    if not 0x1000 <= value < PAGE_OFFSET:
        return "", ""
    label = view.label(value)
    if label == f"{value:08x}":
        return _text_note(value), "dim"
    if "+" in label:
        return (f"ret {label}", "user") if returns else ("", "")
    return f"→ {label}", ""


def _text_note(value: int) -> str:
    """Four characters of a text, in their order in memory."""
    data = value.to_bytes(4, "little")
    text = data.rstrip(b"\0")
    plain = len(text) > 2 and all(0x20 <= byte < 0x7F or byte == 0x0A for byte in text)
    return quote(text) if plain else ""


def initial_stack(now: Moment) -> int | None:
    """Where esp was when the current task's program began (its parent's, for a forked child)."""
    if now.log is None:
        return None
    pid, tasks = now.pid, now.state.machine.tasks
    for _ in range(8):
        for milestone in reversed(now.state.milestones):
            if milestone.kind == "exec" and milestone.pid == pid:
                event = now.log.record(milestone.seq).event
                return event.stack if isinstance(event, ProgramExecuted) else None
        task = tasks.get(pid)
        if task is None or task.ppid <= 1:
            return None
        pid = task.ppid
    return None


def stack_notes(now: Moment, view: View) -> dict[int, str]:
    """argc, argv, envp and the auxiliary vector by address (System V ABI, i386, process initialisation)."""
    at = initial_stack(now)
    if at is None:
        return {}
    words = _words_from(view, at)
    if not words:
        return {}
    notes = {at: f"argc {words[0]}"}
    n = 1
    for name in ("argv", "envp"):
        index = 0
        while n < len(words):
            address = at + 4 * n
            n += 1
            if not words[n - 1]:
                notes[address] = f"{name}[{index}] NULL"
                break
            notes[address] = f"{name}[{index}] {_string(view, words[n - 1])}"
            index += 1
    while n + 1 < len(words):
        kind = words[n]
        name = AUXV_NAMES.get(kind, f"auxv {kind}")
        notes[at + 4 * n] = name
        notes[at + 4 * n + 4] = f"  of {name}"
        n += 2
        if not kind:
            break
    return notes


def frame_notes(view: View, at: int) -> dict[int, str]:
    """The words of a signal frame by address: return address, signal, saved registers."""
    signo, third = view.word(at + 4), view.word(at + 8)
    real_time = third == at + sigframe.RT_SIGFRAME_INFO
    context = at + (sigframe.RT_SIGFRAME_CONTEXT if real_time else sigframe.SIGFRAME_CONTEXT)
    notes = {at: "signal frame: returns here"}
    if signo is not None:
        notes[at + 4] = f"signal {signal_name(signo)}"
    if real_time:
        notes[at + 8], notes[at + 12] = "pointer to siginfo", "pointer to ucontext"
        notes[at + sigframe.RT_SIGFRAME_INFO] = "siginfo"
    for n, name in enumerate(sigframe.Sigcontext.__struct_fields__):
        notes[context + 4 * n] = f"saved {name}"
    eip = saved(view, at, "eip")
    if eip is not None:
        notes[context + 4 * sigframe.Sigcontext.__struct_fields__.index("eip")] += f" {view.label(eip)}"
    return notes


def _string(view: View, address: int) -> str:
    data = view.read(address, STRINGS_SHOWN) or view.read(address, max(1, min(8, 0x1000 - (address & 0xFFF))))
    if data is None:
        return ""
    text, ended, _ = data.partition(b"\0")
    return quote(text, more=not ended)


# The kernel's.


def kernel_esp(now: Moment, view: View, regs: Registers) -> int | None:
    task = now.task
    if task is None or not task.thread:
        return None
    trap = now.trap
    if isinstance(trap, SysenterTaken):
        return None if now.cursor.microstep < SYSENTER_STACK else trap.msr_esp
    if trap is not None and trap.cpl == 3:
        if now.cursor.microstep < READ_TSS:
            return None
        return trap.esp0 if now.cursor.microstep < PUSHED else trap.sp
    return regs.esp if regs.cpl == 0 else None


def stack_top(now: Moment, regs: Registers) -> int:
    """Where the kernel stack that esp is on ends; 0 in user mode. Stacks are aligned to their size.

    Right behind sysenter esp is not on one, but points to the TSS: then it is the current task's.
    """
    if regs.cpl:
        return 0
    if now.view is not None and regs.esp == now.view.sysenter()[1]:
        task = now.task
        return task.thread + THREAD_SIZE if task is not None and task.thread else 0
    esp = now.trap.esp if now.trap is not None else regs.esp
    return ((esp - 1) & -THREAD_SIZE & 0xFFFF_FFFF) + THREAD_SIZE


def stack_owner(now: Moment, regs: Registers) -> str:
    """Whose kernel stack esp is on, if not the current task's: half way through a switch the last one's."""
    top = stack_top(now, regs)
    for pid, task in now.state.machine.tasks.items():
        if top and task.thread + THREAD_SIZE == top and pid != now.pid:
            return task_name(now.state, pid)
    return ""


def kernel_rows(now: Moment, view: View, regs: Registers, width: int) -> list[Row]:
    """Words from esp up to the stack's top; while a trap is on its way, those that it pushes."""
    task = now.task
    if task is None or not task.thread:
        return [row(Span("none", "dim"))]
    trap = now.trap
    top = stack_top(now, regs) or task.thread + THREAD_SIZE
    found: list[Row] = []
    if trap is not None:
        if isinstance(trap, SysenterTaken):
            done = now.cursor.microstep >= SYSENTER_STACK
            return [*_at_tss(view, trap.msr_esp if done else None, width), _top_row(top, width)]
        done = now.cursor.microstep >= PUSHED
        for address, name, value in reversed(pushed_by(trap)):
            name = ERROR_CODE if name == "error" else name
            found.append(
                _pushed_row(address, name, value if done else None, width, done and address == trap.sp)
            )
        if trap.cpl == 3:
            return [*found, _top_row(top, width)]
    if trap is None and regs.cpl == 3:
        return [
            row(Span("empty", "dim")),
            EMPTY,
            row(Span(short(f"TSS: ss0 {view.tss()[0]:04x}, esp0 {view.tss()[1]:08x}", width), "dim")),
        ]
    if trap is None and regs.esp == view.sysenter()[1]:
        return [*_at_tss(view, regs.esp, width), _top_row(top, width)]
    start = trap.esp if trap is not None else regs.esp
    data = view.read(start, top - start)
    if data is None:
        return [row(Span(f"{start:08x} is not mapped", "dim"))]
    args = call_arguments(now, view, regs)[0] if len(data) >= PT_SIZE else ()
    before = now.before.esp if now.before is not None and not now.before.cpl else None
    tasks = now.state.machine.tasks
    own = any(pid in tasks and tasks[pid].thread + THREAD_SIZE == top for pid in (IDLE, INIT))
    regs_below = 0 if own else top  # the kernel's own tasks were never in user mode
    for n, value in enumerate(struct.unpack(f"<{len(data) // 4}I", data)):
        address = start + 4 * n
        note, style = kernel_note(view, address, value, regs_below, args, width >= 46)
        if note.startswith("orig_eax "):
            note = _no_call(now, value, top) or note
        new = before is not None and address < before <= top
        found.append(
            _word_row(
                address, value, note, width, f"{style} changed" if new else style, here=not n and trap is None
            )
        )
    return [*found, _top_row(top, width)]


def _no_call(now: Moment, value: int, top: int) -> str:
    """What the word in orig_eax's place is where it is no system call's number; '' where it is one."""
    trap = now.state.trap
    if trap is None:
        return "orig_eax"  # the first program has made no call: its pt_regs are the kernel's work
    owner = now.state.machine.tasks.get(now.state.trap_pid)
    own = owner is not None and owner.thread + THREAD_SIZE == top and trap.cpl == 3
    if not own or not isinstance(trap, TrapTaken) or trap.source != Source.EXCEPTION or value == NO_CALL:
        return ""
    return ERROR_CODE if trap.error >= 0 else NO_ERROR_CODE


def _at_tss(view: View, esp: int | None, width: int) -> list[Row]:
    """The kernel stack is still empty: sysenter pushes nothing, and its esp is the TSS."""
    found = [row(Span(short("empty: sysenter pushes nothing", width), "dim"))]
    if esp is not None:
        found.append(
            row(Span(short(f"▸ {esp:08x} the TSS; esp0 in it: {view.tss()[1]:08x}", width), "kernel"))
        )
    return found


def kernel_note(
    view: View, address: int, value: int, top: int, args: tuple[Arg, ...], wide: bool = True
) -> tuple[str, str]:
    """The name of a word on a kernel stack: pt_regs at the top, return addresses below."""
    slot = (address - (top - PT_SIZE)) // 4
    if 0 <= slot < len(PT_REGS):
        name = PT_REGS[slot]
        if name in ARGUMENTS and slot < len(args):
            return f"{name:<8} ◂ {args[slot].name}", ""
        if name == "orig_eax":
            call = call_of(value)
            prefix = "__NR_" if wide else ""
            return (f"{name} ◂ {prefix}{call.name}", "") if call is not None else (name, "")
        if name in ("eip", "cs", "eflags", "esp", "ss"):
            return (f"{name:<8} by the processor" if wide else name), "user"
        return name, ""
    if value >= PAGE_OFFSET:
        label = view.label(value)
        if "+" in label:
            return f"ret {label}", "kernel"
        if label != f"{value:08x}":
            return f"ret {label}", "kernel"
    return "", ""


def _pushed_row(address: int, name: str, value: int | None, width: int, here: bool) -> Row:
    if value is None:
        missing = Span(f"  {address:08x} ········  ", "dim")
        return row(missing, Span(name, "dim", _subject(address, name)))
    mark = Span("▸ " if here else "  ", "mark")
    word = (mark, Span(f"{address:08x} ", "dim"), Span(f"{value:08x}", "changed"), Span("  "))
    return (*word, Span(name, "user", _subject(address, name)))


def _word_row(address: int, value: int, note: str, width: int, style: str, here: bool) -> Row:
    wide = width >= 30
    shown = f"{address:08x}" if wide else f"…{address & 0xFFF:03x}"
    room = width - len(shown) - 13
    tint = "changed" if "changed" in style else ""
    ink = style.replace("changed", "").strip() or "soft"
    return row(
        Span("▸ " if here else "  ", "mark"),
        Span(f"{shown} ", "dim"),
        Span(f"{value:08x}", tint),
        Span("  " if note else ""),
        Span(short(note, max(room, 0)), ink, _subject(address, note)),
    )


def _subject(address: int, note: str) -> str:
    return f"word:{address:x}:{note}" if note else ""


def _top_row(top: int, width: int) -> Row:
    return row(Span(short(f"  {top:08x} top, as esp0 in the TSS", width), "dim"))


class Stacks(Pane):
    """Both stacks of the current task."""

    label = "Stacks"
    key = "F3"

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        return rows(now, width, height)

    def title(self, now: Moment) -> Row:
        return row(
            Span("Stacks · ", "title"),
            Span(task_name(now.state, now.pid), letter_style(now.state, now.pid) + " bold"),
            Span(AHEAD if ahead(now) else "", "dim"),
        )
