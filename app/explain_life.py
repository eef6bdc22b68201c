"""Explanations of the steps in a signal's life: what the kernel does at each, and what it did here."""

from __future__ import annotations

from collections.abc import Callable

from app.panes.moment import Moment, task_name
from app.panes.signal_life import fate_text, steps_of
from kernel.abi.signal import signal_name

Told = tuple[str, tuple[str, ...]]

STEPS = {
    "sent": "A signal is generated: by kill and its like, by the kernel for a fault, a timer, a"
    " child's end or a key like Ctrl+C. siginfo says who and why: si_code, and with SI_USER the"
    " sender's pid and uid.",
    "pending": "It waits in a set: the process's, from which any of its threads may take it, or one"
    " thread's own. A standard signal is in a set once or not at all; real-time signals queue. Nothing"
    " else happens to the receiver now: a signal is not delivered when it is sent, only TIF_SIGPENDING"
    " is set in its thread_info, and a sleeper is woken.",
    "dropped": "A signal that would be ignored is not even kept, unless it is blocked: by the time it"
    " is unblocked there may be a handler. A standard signal that is pending already is not kept a"
    " second time.",
    "taken back": "SIGCONT removes pending stop signals, and they remove it; to ignore a signal"
    " removes it as well.",
    "taken": "rt_sigtimedwait, or a read of a signalfd, takes a blocked signal out of its set. No"
    " handler runs.",
    "check": "On every way back to user mode, and only there, the entry code looks at the flags of"
    " thread_info (work_pending). With TIF_SIGPENDING set do_notify_resume takes out the next signal"
    " that the delivery mask lets through.",
    "action": "The signal's action is looked up. Without a handler it is the default one: to end the"
    " process, perhaps with a core dump, to stop it, to let it go on, or nothing.",
    "frame": "The kernel builds a frame on the user's stack, or on the alternate one (sigaltstack) if"
    " the action says SA_ONSTACK: all registers of the interrupted program, the floating point state,"
    " and the mask. With SA_SIGINFO also siginfo. Then it changes pt_regs: eip to the handler, esp to"
    " the frame. Stacks shows the frame field by field.",
    "handler": "iret leads to the handler, as if it had been called. While it runs its own signal is"
    " blocked (unless SA_NODEFER), with those of sa_mask. It returns to the address in the frame's"
    " first word.",
    "left": "siglongjmp or another jump leads out of the handler: its frame stays on the stack for"
    " nothing. The mask is as the jump left it.",
    "sigreturn": "The code behind the handler's return calls sigreturn: the kernel copies registers"
    " and mask out of the frame, whatever the handler has made of them.",
    "goes on": "Back in user mode, where the signal came. If it came in a system call that waited,"
    " that returns EINTR, or is made again: for actions with SA_RESTART, and for some calls always"
    " (ERESTARTNOINTR).",
}


def life(rest: str, now: Moment) -> Told | None:
    """`SEQ:STEP`: the life that event SEQ began; step 0 is all of it."""
    first, _, second = rest.partition(":")
    one = next((one for one in now.state.lives if str(one.seq) == first), None)
    if one is None or not second.isdigit():
        return None
    name = signal_name(one.signo)
    steps = steps_of(now, one)
    step = next((step for step in steps if step.number == int(second)), None)
    if step is None:
        words = tuple(f"{step.name:<11}{step.detail}" for step in steps)
        return f"{name} · sent by event {one.seq + 1}", (fate_text(now, one), "", *words)
    who = task_name(now.state, one.taker or one.task)
    where = () if step.seq < 0 else ("", f"event {step.seq + 1}  g goes there by this number")
    return f"{name} for {who} · {step.number} {step.name}", (STEPS[step.name], "", step.detail, *where)


TELLERS: dict[str, Callable[[str, Moment], Told | None]] = {"life": life}
