"""The stops of a traced task, what its tracer is told, and how it goes on (kernel/signal.c, ptrace.c).

A task stops in two places only. Inside a system call the body says that it has to wait, and is asked again
when the task goes on: where the call begins (`enter_call`), for a filter's sake, or in its middle
(`stop_inside`). All others are on the way back to user mode, in `do_notify_resume`, which is asked again as
well. `Task.trap` says where it was; `Task.stop_code` (Linux: exit_code) is what wait will tell of the stop,
0 once that was told, and then the signal that the tracer gives it to go on with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import (
    CLONE_UNTRACED,
    CLONE_VFORK,
    PTRACE_EVENT_CLONE,
    PTRACE_EVENT_EXIT,
    PTRACE_EVENT_FORK,
    PTRACE_EVENT_SECCOMP,
    PTRACE_EVENT_STOP,
    PTRACE_EVENT_VFORK,
    PTRACE_O_TRACEEXIT,
    PTRACE_O_TRACESYSGOOD,
)
from kernel.abi.signal import (
    CLD_STOPPED,
    CLD_TRAPPED,
    SA_NOCLDSTOP,
    SI_KERNEL,
    SI_USER,
    SIG_IGN,
    SIGCHLD,
    SIGTRAP,
    TRAP_BRKPT,
    sigmask,
)
from kernel.errors import Stopped
from kernel.events import SignalSuppressed, TraceResumed, TraceStopped
from kernel.seccomp import MODE_FILTER, RET_ACTION_FULL, RET_DATA, RET_TRACE, asked
from kernel.signals.pending import get_action, is_dying, leader_of, thread_group
from kernel.signals.state import force_signal, notify_parent_stopped, send_signal
from kernel.tables import SigInfo, Task, TaskState
from kernel.thread import TIF_NEED_RESCHED, TIF_SIGPENDING, Regs, set_flag
from kernel.wait import make_runnable, wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

NOWHERE, ENTERING, FILTERED, INSIDE, LEFT, SIGNAL, TRAP, EXITING = range(8)
"""`Task.trap`: not stopped; at the beginning of a call; for seccomp; inside a call; behind a call or before a
handler's first instruction (a signal to go on with is sent to it); for a signal; for a group's stop or an
event; on its way to its end."""
NO_CALLS, CALLS, EMULATED_CALLS = range(3)
"""`Trace.calls`: PTRACE_SYSCALL stops at both ends of calls, PTRACE_SYSEMU before them, and none is made."""
MESSAGE_ENTRY, MESSAGE_EXIT = 1, 2
"""PTRACE_EVENTMSG_SYSCALL_ENTRY, PTRACE_EVENTMSG_SYSCALL_EXIT."""
STOPPED, SKIPPED = -2, -1
"""Instead of a call's number: it has stopped, or the call is not to be made."""
MAX_SIGNAL = 64


# --- stopping -----------------------------------------------------------------------------------------------


def stop(
    k: Kernel,
    task: Task,
    code: int,
    trap: int,
    info: SigInfo | None,
    message: int = 0,
    why: int = CLD_TRAPPED,
    dying: bool = False,
) -> bool:
    """The current task stops for its tracer, unless SIGKILL has come (ptrace_stop).

    `code` is what wait tells in its second byte and above; `info` is for PTRACE_GETSIGINFO.
    """
    trace = task.trace
    if trace is None or (not dying and is_dying(k, task)):
        return False
    whole = False
    if why == CLD_STOPPED and trace.stop_pending:
        trace.stop_pending = False
        whole = group_has_stopped(k, task)
    trace.trap_stop = False
    if info is not None and info.code >> 8 == PTRACE_EVENT_STOP:
        trace.notify = False
    trace.message = message
    task.trap = trap
    task.stop_code = code
    task.stop_info = info
    task.state = TaskState.TRACED
    set_flag(k, task, TIF_SIGPENDING)
    set_flag(k, task, TIF_NEED_RESCHED)
    k.emit(TraceStopped(task.pid, trace.tracer, code, trap, message))
    notify_tracer(k, task, why)
    if whole:
        leader = leader_of(k, task)
        leader.stop_reported = False
        leader.continued = False
        if reparented(k, task):
            notify_parent_stopped(k, leader, CLD_STOPPED, leader.stop_signal)
    return True


def group_has_stopped(k: Kernel, task: Task) -> bool:
    """Whether all threads of the process have come to the group's stop."""
    return all(
        thread.state == TaskState.STOPPED if thread.trace is None else not thread.trace.stop_pending
        for thread in thread_group(k, task)
    )


def trap_info(task: Task, code: int) -> SigInfo:
    """The siginfo of a stop that is for no signal (ptrace_do_notify)."""
    return SigInfo(code & 0x7F, code, pid=task.pid, uid=task.cred.uid, address=task.pid)


def notify(k: Kernel, task: Task, code: int, trap: int, message: int = 0, dying: bool = False) -> bool:
    """Stop for something that is not a signal: a call's end, an event (ptrace_notify)."""
    return stop(k, task, code, trap, trap_info(task, code), message, dying=dying)


def event_code(event: int) -> int:
    return SIGTRAP | event << 8


def wants(task: Task, event: int) -> bool:
    """Whether the tracer asked for stops at this event (PTRACE_O_TRACE*)."""
    return task.trace is not None and bool(task.trace.options >> event & 1)


def reparented(k: Kernel, task: Task) -> bool:
    """Whether the tracer is not of the process that is the task's parent (ptrace_reparented)."""
    tracer = k.tables.tasks.get(task.trace.tracer) if task.trace is not None else None
    return tracer is not None and tracer.tgid != task.ppid


def notify_tracer(k: Kernel, task: Task, code: int) -> None:
    """SIGCHLD to the tracer, unless it wants none; one that waits learns it in any case."""
    tracer = k.tables.tasks.get(task.trace.tracer) if task.trace is not None else None
    if tracer is None or tracer.pid <= 1:
        return
    action = get_action(k, tracer, SIGCHLD)
    if action.handler != SIG_IGN and not action.flags & SA_NOCLDSTOP:
        status = leader_of(k, task).stop_signal if code == CLD_STOPPED else task.stop_code & 0x7F
        info = SigInfo(SIGCHLD, code, pid=task.pid, uid=task.cred.uid, status=status)
        send_signal(k, tracer, info, shared=True)
    wake_up(k, f"child:{tracer.tgid}")


def resume(k: Kernel, task: Task, signo: int, how: str) -> None:
    """A task that has stopped for its tracer goes on, with a signal or 0 to take."""
    task.stop_code = signo
    if task.trace is not None:
        task.trace.listening = False
    make_runnable(k, task)
    k.emit(TraceResumed(task.pid, how, signo))


def _over(task: Task) -> int:
    """The task goes on behind a stop: the signal it was given."""
    code = task.stop_code
    task.trap = NOWHERE
    task.stop_code = 0
    task.stop_info = None
    if task.trace is not None:
        task.trace.message = 0
        task.trace.listening = False
    return code


def _send_given(k: Kernel, task: Task, code: int) -> None:
    """The signal to go on with behind a stop that was for no signal: it is sent (ptrace_report_syscall)."""
    if 0 < code <= MAX_SIGNAL:
        send_signal(k, task, SigInfo(code, SI_KERNEL), shared=False)


# --- around system calls ------------------------------------------------------------------------------------


def enter_call(k: Kernel, task: Task) -> int:
    """A traced task's system call begins: the number of the call to make, SKIPPED, or STOPPED."""
    regs = Regs(k, task)
    trap, trace = task.trap, task.trace
    if trap == NOWHERE:
        regs.eax = -int(Errno.ENOSYS)
        if trace is not None and trace.calls and _report_call(k, task, ENTERING, MESSAGE_ENTRY):
            trace.emulating = trace.calls == EMULATED_CALLS
            return STOPPED
    if trap == ENTERING:
        _send_given(k, task, _over(task))
        if trace is not None and trace.emulating:
            trace.emulating = False
            return SKIPPED
    if trap == FILTERED:
        _over(task)
    if trap and is_dying(k, task):
        return SKIPPED
    number = regs.orig_eax
    if number == 0xFFFF_FFFF and (trap or trace is not None):
        return SKIPPED
    if trap != FILTERED and task.seccomp_mode == MODE_FILTER and wants(task, PTRACE_EVENT_SECCOMP):
        said = asked(k, number)
        event, message = event_code(PTRACE_EVENT_SECCOMP), said & RET_DATA
        if said & RET_ACTION_FULL == RET_TRACE and notify(k, task, event, FILTERED, message):
            return STOPPED
    return number


def _report_call(k: Kernel, task: Task, trap: int, message: int) -> bool:
    trace = task.trace
    good = trace is not None and trace.options & PTRACE_O_TRACESYSGOOD
    return notify(k, task, SIGTRAP | (0x80 if good else 0), trap, message)


def leave_call(k: Kernel, task: Task) -> None:
    """A traced task's call is over: its tracer may want to know on the way back."""
    if task.trace is not None and task.exit_status < 0:
        task.trace.leaving = True
        set_flag(k, task, TIF_SIGPENDING)


def stop_inside(k: Kernel, event: int, message: int) -> None:
    """The current task stops in the middle of its call, if its tracer wants that. Raises Stopped."""
    task = k.task
    if wants(task, event) and notify(
        k, task, event_code(event), INSIDE, message, dying=event == PTRACE_EVENT_EXIT
    ):
        raise Stopped


def gone_on_inside(task: Task) -> None:
    """The call that a task has stopped in is asked again."""
    if task.trap == INSIDE:
        _over(task)


def clone_event(task: Task, flags: int, exit_signal: int) -> int:
    """Which event a new task is to the tracer of the one that makes it, 0 for none."""
    if task.trace is None or flags & CLONE_UNTRACED:
        return 0
    if flags & CLONE_VFORK:
        event = PTRACE_EVENT_VFORK
    else:
        event = PTRACE_EVENT_FORK if exit_signal == SIGCHLD else PTRACE_EVENT_CLONE
    return event if wants(task, event) else 0


# --- on the way back to user mode ---------------------------------------------------------------------------


def go_on(k: Kernel, task: Task) -> SigInfo | None:
    """The current task is on its way to user mode, perhaps behind a stop: the signal to deliver, if any."""
    trap = task.trap
    if trap == SIGNAL:
        info = task.stop_info
        return _given(k, task, info, _over(task)) if info is not None else None
    if trap in (LEFT, TRAP):
        code = _over(task)
        if trap == LEFT:
            _send_given(k, task, code)
    return None


def _given(k: Kernel, task: Task, info: SigInfo, signo: int) -> SigInfo | None:
    """What the tracer made of a signal: the same, another one, or none (ptrace_signal)."""
    if not 0 < signo <= MAX_SIGNAL:
        k.emit(SignalSuppressed(task.pid, info.signo))
        return None
    if signo != info.signo:
        k.emit(SignalSuppressed(task.pid, info.signo))
        tracer = k.tables.tasks.get(task.trace.tracer) if task.trace is not None else None
        uid = tracer.cred.uid if tracer is not None else 0
        info = SigInfo(signo, SI_USER, pid=tracer.pid if tracer is not None else 0, uid=uid)
    if task.blocked & sigmask(signo) or is_dying(k, task):
        if signo == info.signo:
            k.emit(SignalSuppressed(task.pid, signo))
        send_signal(k, task, info, shared=False)
        return None
    return info


def report_leaving(k: Kernel, task: Task) -> bool:
    """Stops behind a system call: for what it has become (exec), for its end. Whether it has stopped."""
    trace = task.trace
    if trace is None:
        return False
    if trace.event:
        event, message = trace.event
        trace.event = []
        if notify(k, task, event_code(event), TRAP, message):
            return True
    if trace.leaving:
        trace.leaving = False
        if trace.stepping and trace.calls != EMULATED_CALLS:
            eip = Regs(k, task).eip
            force_signal(k, task, SigInfo(SIGTRAP, TRAP_BRKPT, address=eip))
        elif trace.calls == CALLS:
            return _report_call(k, task, LEFT, MESSAGE_EXIT)
    return False


def group_trap(k: Kernel, task: Task) -> bool:
    """A traced task comes to its group's stop, or to one that its tracer asked for (do_jobctl_trap)."""
    trace = task.trace
    if trace is None:
        return False
    signo = leader_of(k, task).stop_signal
    if not (trace.stop_pending or trace.trap_stop or trace.notify):
        return False
    if trace.seized:
        signo = signo or SIGTRAP
        code = signo | PTRACE_EVENT_STOP << 8
        return stop(k, task, code, TRAP, trap_info(task, code), why=CLD_STOPPED)
    trace.notify = False
    if not signo:  # it was continued before it came here
        trace.stop_pending = trace.trap_stop = False
        return False
    return stop(k, task, signo, TRAP, None, why=CLD_STOPPED)


def trap_again(k: Kernel, task: Task) -> None:
    """A task that has stopped does so anew, without having run: something has changed while its tracer
    listened, or it has stopped with its group and has a tracer now."""
    trace = task.trace
    if trace is None:
        return
    trace.listening = False
    signo = leader_of(k, task).stop_signal or SIGTRAP
    if trace.seized:
        code = signo | PTRACE_EVENT_STOP << 8
        stop(k, task, code, TRAP, trap_info(task, code), why=CLD_STOPPED)
    else:
        stop(k, task, signo, TRAP, None, why=CLD_STOPPED)


def signal_stop(k: Kernel, task: Task, info: SigInfo) -> bool:
    """A signal, taken out of its queue, is shown to the tracer before it is delivered."""
    return stop(k, task, info.signo, SIGNAL, info)


def exit_stop(k: Kernel, task: Task, status: int) -> bool:
    """The current task is about to end on its way to user mode: whether it stops for that first."""
    if task.trace is None or not task.trace.options & PTRACE_O_TRACEEXIT:
        return False
    return notify(k, task, event_code(PTRACE_EVENT_EXIT), EXITING, status, dying=True)
