"""The life of a signal in steps: sent, pending, noticed on the way to user mode, frame, handler, sigreturn.

Part of the Signals pane. What happened is told by events (`app.state.life`); where in its life the cursor is,
by the registers: the check and the handler's first instruction no event marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from app.panes.cpu import call_of
from app.panes.moment import Moment, letter_style, task_name
from app.panes.row import EMPTY, Row, Span, cells, row, short
from app.panes.traps import MARKS
from app.state import life as fates
from app.state.life import Life
from app.state.state import State
from app.strace.structs.signals import code_name
from app.strace.text import signal_set
from kernel.abi import sigframe
from kernel.abi import signal as s

SENT, PENDING, CHECK, FRAME, HANDLER, SIGRETURN, ON = range(1, 8)
NAMES = ("", "sent", "pending", "check", "frame", "handler", "sigreturn", "goes on")
NAME_WIDTH = 12
LIST_HEAD = "  event   signal     from  to    what became of it"
OUTCOMES = {
    "terminate": "no handler: the default action ends the process",
    "core": "no handler: the default action ends the process, with a core dump",
    "stop": "no handler: the default action stops the process",
    "continue": "no handler: the default action lets it go on",
    "ignore": "nothing happens: it is ignored",
}
CHILD_CHANGED = {1: "ended", 2: "was killed", 3: "was killed", 4: "was trapped", 5: "stopped", 6: "goes on"}
TAKEN_BACK = "registers and mask out of the frame"
DEFAULTS = {
    s.DefaultAction.TERM: "ends the process",
    s.DefaultAction.CORE: "ends it, with a core dump",
    s.DefaultAction.STOP: "stops it",
    s.DefaultAction.CONT: "lets it go on",
    s.DefaultAction.IGN: "nothing happens",
}
AGAIN = {
    "EINTR": "; its call fails with EINTR",
    "restart": "; its call is made again",
}


class Step(NamedTuple):
    """`done`: 1 yes, 0 here is the cursor, -1 not yet. `seq` is the event that did it, -1 for none."""

    number: int
    name: str
    detail: str
    done: int
    seq: int = -1


def all_lives(state: State) -> list[Life]:
    """The last first."""
    return [one for one in reversed(state.lives) if 0 < one.signo <= s.SIGRTMAX]


def of_process(state: State, pid: int, signo: int = 0) -> list[Life]:
    """The lives that a process has to do with, the last first: it is sent them, or sends them."""
    task = state.machine.tasks.get(pid)
    tgid = task.tgid if task is not None else pid

    def concerns(one: Life) -> bool:
        return pid in (-1, one.task, one.taker, one.sender) or (one.shared and one.task == tgid)

    return [one for one in all_lives(state) if concerns(one) and signo in (0, one.signo)]


def chosen_life(now: Moment, pid: int, signo: int = 0) -> Life | None:
    """The one that something happened to last; when that is over, the innermost handler that still runs."""
    known = of_process(now.state, pid, signo)
    if not known:
        return None
    latest = max(known, key=touched)
    if latest.over and place_in(now, latest) > ON:
        running = [one for one in known if one.fate == fates.HANDLER and not one.over]
        if running:
            return max(running, key=touched)
    return latest


def touched(one: Life) -> int:
    """The last event of its life so far."""
    return max(one.seq, one.taken, one.back)


def place_in(now: Moment, one: Life) -> int:
    """The step at which the cursor is; one more than the last when all is over."""
    if one.fate == fates.PENDING:
        return CHECK if is_looking(now, one) else PENDING
    if one.fate != fates.HANDLER:
        return ON + 1
    if one.left:
        return HANDLER
    if one.back < 0:
        return FRAME if on_the_way_out(now, one.taker, one.taken) else HANDLER
    if on_the_way_out(now, one.taker, one.back):
        return SIGRETURN
    regs = now.regs
    here = now.pid == one.taker and now.state.trap_seq < one.back and regs is not None
    return ON if here and regs is not None and regs.cpl == 3 and regs.eip == one.eip else ON + 1


def on_the_way_out(now: Moment, pid: int, seq: int) -> bool:
    """Whether task `pid` has not come to user mode since event `seq`, which happened on the way there."""
    regs = now.regs
    return now.pid == pid and now.state.trap_seq < seq and (regs is None or regs.cpl == 0)


def is_looking(now: Moment, one: Life) -> bool:
    """Whether the entry code is about to ask for the signals of a task that will take this one."""
    view, task = now.view, now.task
    if view is None or task is None or now.trap is not None or view.seq > now.cursor.seq:
        return False
    if task.pid != one.task and not (one.shared and task.tgid == one.task):
        return False
    return not task.blocked >> one.signo - 1 & 1 and view.label(view.regs.eip).startswith("do_notify_resume+")


# What is told of each step.


def steps_of(now: Moment, one: Life) -> list[Step]:
    at = place_in(now, one)
    told: list[tuple[int, str, str, int]] = [
        (SENT, NAMES[SENT], sent_text(now.state, one), one.seq),
        (PENDING, NAMES[PENDING], pending_text(now.state, one), one.seq),
    ]
    if one.fate in (fates.IGNORED, fates.MERGED):
        told[1] = (PENDING, "dropped", pending_text(now.state, one), one.seq)
    elif one.fate == fates.DISCARDED:
        told.append((CHECK, "taken back", "it is pending no longer, and never delivered", one.taken))
    elif one.fate == fates.ACCEPTED:
        who = task_name(now.state, one.taker)
        told.append((CHECK, "taken", f"by a call of {who} that waits for it: no handler runs", one.taken))
    elif one.fate in OUTCOMES:
        told.append((CHECK, NAMES[CHECK], check_text(now, one), -1))
        told.append((FRAME, "action", OUTCOMES[one.fate], one.taken))
    else:
        told.append((CHECK, NAMES[CHECK], check_text(now, one), -1))
        told += handler_steps(now, one)
    return [
        Step(number, name, detail, (at > number) - (at < number), seq) for number, name, detail, seq in told
    ]


def sent_text(state: State, one: Life) -> str:
    """By whom, with which call, to whom, and the si_code."""
    if one.sender:
        call = call_of(one.call)
        text = f"by {task_name(state, one.sender)}" + (f" with {call.name}" if call is not None else "")
    elif one.code in (s.SI_USER, s.SI_TKILL):
        text = "from outside the machine"
    elif one.signo == s.SIGCHLD and one.code in CHILD_CHANGED and one.info:
        text = f"by the kernel, {task_name(state, one.info[0])} {CHILD_CHANGED[one.code]}"
    elif one.code == s.SI_TIMER:
        text = "by the kernel, for a timer"
    elif one.signo in FAULTS and 0 < one.code < s.SI_KERNEL:
        text = "by the kernel, for a fault" + (f" at {one.info[3]:08x}" if len(one.info) > 3 else "")
    else:
        text = "by the kernel"
    name = task_name(state, one.task)
    whom = f"{name}'s process" if one.shared else f"{name} alone"
    return f"{text}, to {whom} ({code_name(one.signo, one.code)})"


FAULTS = (s.SIGSEGV, s.SIGBUS, s.SIGILL, s.SIGTRAP, s.SIGFPE)


def pending_text(state: State, one: Life) -> str:
    """In which set, and what the mask says to it."""
    whose = "the process's set" if one.shared else "the task's own set"
    if one.fate == fates.IGNORED:
        return "nobody would notice it: nothing is left of it"
    if one.fate == fates.MERGED:
        return f"one is pending already in {whose}: a standard signal is not queued"
    text = f"in {whose}" + (f", {one.queued} queued" if one.queued > 1 else "")
    if one.fate != fates.PENDING:
        return text + ("; the mask held it back for a while" if one.held else "")
    held = blocked_by_all(state, one)
    return text + ("; the mask holds it back" if held else "; the mask lets it through")


def blocked_by_all(state: State, one: Life) -> bool:
    """Whether nobody who could take it lets it through."""
    tasks = state.machine.tasks.values()
    able = [task for task in tasks if (task.tgid if one.shared else task.pid) == one.task]
    return bool(able) and all(task.blocked >> one.signo - 1 & 1 for task in able)


def check_text(now: Moment, one: Life) -> str:
    """The look at TIF_SIGPENDING before iret."""
    if one.fate == fates.PENDING:
        who = task_name(now.state, one.task)
        return f"on {who}'s way back to user mode, when TIF_SIGPENDING is set"
    who = task_name(now.state, one.taker)
    return f"on {who}'s way back to user mode; blocked: {mask_text(one.before)}"


def mask_text(mask: int) -> str:
    return signal_set(mask) if mask else "none"


def handler_steps(now: Moment, one: Life) -> list[tuple[int, str, str, int]]:
    """Those that a caught signal has; what is not known yet is only named."""
    names = NAMES
    if one.fate == fates.PENDING:
        return coming_steps(now, one)
    if not one.frame:
        return [(FRAME, names[FRAME], "the stack cannot take it: SIGSEGV instead", one.taken)]
    handler = place_text(now, one.taker, one.handler)
    found = [
        (FRAME, names[FRAME], f"at {one.frame:08x}{frame_place(now, one)}", one.taken),
        (HANDLER, names[HANDLER], f"{handler}, blocked: {mask_text(one.mask)}", one.taken),
    ]
    if one.left:
        return [*found, (SIGRETURN, "left", "without sigreturn: the frame is given up", one.back)]
    if one.back < 0:
        return [
            *found,
            (SIGRETURN, names[SIGRETURN], TAKEN_BACK, -1),
            (ON, names[ON], after_text(one), -1),
        ]
    where = now.view.label_of(one.taker, one.eip) if now.view is not None else f"{one.eip:08x}"
    return [
        *found,
        (SIGRETURN, names[SIGRETURN], f"{TAKEN_BACK}: {mask_text(one.restored)}", one.back),
        (ON, names[ON], f"at {where}{AGAIN.get(one.interrupted, '')}", one.back),
    ]


def coming_steps(now: Moment, one: Life) -> list[tuple[int, str, str, int]]:
    """What will happen to a signal that is pending, as its action is now."""
    task = now.state.machine.tasks.get(one.task)
    handler = task.actions.get(one.signo, 0) if task is not None else 0
    if handler in (s.SIG_DFL, s.SIG_IGN):
        default = DEFAULTS[s.DEFAULT_ACTIONS[one.signo]]
        return [(FRAME, "action", "ignored" if handler else f"by default: {default}", -1)]
    return [
        (FRAME, NAMES[FRAME], "all registers and the mask, on the user's stack", -1),
        (HANDLER, NAMES[HANDLER], place_text(now, one.task, handler), -1),
        (SIGRETURN, NAMES[SIGRETURN], TAKEN_BACK, -1),
        (ON, NAMES[ON], "where it was interrupted", -1),
    ]


def place_text(now: Moment, pid: int, address: int) -> str:
    """`on_usr1 @ 0804901b`, or the address alone."""
    label = now.view.label_of(pid, address) if now.view is not None else f"{address:08x}"
    return f"{label} @ {address:08x}" if label != f"{address:08x}" else label


def after_text(one: Life) -> str:
    return "where it was interrupted" + AGAIN.get(one.interrupted, "")


def frame_place(now: Moment, one: Life) -> str:
    """On which stack a frame lies, and which kind it is of, as long as it is there."""
    view = now.view
    if view is None or one.frame not in now.state.frames.get(one.taker, ()):
        return ""
    data = view.read_of(one.taker, one.frame, sigframe.RT_SIGFRAME_INFO)
    task = view.task(one.taker)
    if data is None or task is None:
        return ""
    real = int.from_bytes(data[8:12], "little") == one.frame + sigframe.RT_SIGFRAME_INFO
    start, _, size = task.altstack
    stack = "alternate stack" if start <= one.frame < start + size else "user stack"
    return f" on the {stack}, {'rt_sigframe with siginfo' if real else 'sigframe'}"


# Rows.


def life_rows(now: Moment, one: Life, width: int) -> list[Row]:
    """A life with its steps."""
    name = s.signal_name(one.signo)
    found = [
        row(
            Span("  "),
            Span(name, "bold", f"signal:{one.signo}:{one.taker or one.task}"),
            Span(" for ", "title"),
            Span(
                task_name(now.state, one.taker or one.task),
                f"{letter_style(now.state, one.taker or one.task)} bold",
            ),
            Span(f" · sent by event {one.seq + 1}", "dim"),
        )
    ]
    return [*found, *(step_row(one, step, width) for step in steps_of(now, one))]


def step_row(one: Life, step: Step, width: int) -> Row:
    mark, style = MARKS[step.done]
    ink = {1: "", 0: "mark", -1: "dim"}[step.done]
    tint = "dim" if step.done < 0 else "" if step.done == 0 else "soft"
    return row(
        Span(f"  {mark} ", style),
        Span(f"{step.number} ", "dim"),
        Span(step.name, ink, f"life:{one.seq}:{step.number}"),
        Span(" " * max(NAME_WIDTH - cells(step.name), 1)),
        Span(short(step.detail, max(width - 6 - NAME_WIDTH, 1)), tint),
    )


def list_rows(now: Moment, known: Sequence[Life], chosen: Life | None, width: int) -> list[Row]:
    """The last lives, one a row."""
    found: list[Row] = [row(Span(short(LIST_HEAD, width), "title"))]
    for one in known:
        source = task_name(now.state, one.sender) if one.sender else "–"
        goal = one.taker or one.task
        found.append(
            row(
                Span("▸ " if one is chosen else "  ", "mark"),
                Span(f"{one.seq + 1:<8}", "soft"),
                Span(s.signal_name(one.signo), "", f"life:{one.seq}:0"),
                Span(" " * max(11 - cells(s.signal_name(one.signo)), 1)),
                Span(f"{source:<6}", letter_style(now.state, one.sender) if one.sender else "dim"),
                Span(f"{task_name(now.state, goal):<6}", letter_style(now.state, goal)),
                Span(short(fate_text(now, one), max(width - 33, 1)), "" if not one.over else "soft"),
            )
        )
    return found if known else [row(Span("  no signal has been sent so far", "dim")), EMPTY]


def fate_text(now: Moment, one: Life) -> str:
    """What became of it, or where it is, in a few words."""
    if one.fate == fates.PENDING:
        return "pending" + (", blocked" if blocked_by_all(now.state, one) else "")
    if one.fate == fates.HANDLER:
        if one.left:
            return "its handler was left without sigreturn" if one.frame else "no room for its frame"
        return "its handler has returned" if one.back >= 0 else "its handler runs"
    return {
        fates.IGNORED: "ignored when it was sent",
        fates.MERGED: "dropped: one was pending already",
        fates.DISCARDED: "taken back, never delivered",
        fates.ACCEPTED: "taken by a call that waited for it",
    }.get(one.fate, OUTCOMES.get(one.fate, one.fate))
