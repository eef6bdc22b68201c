"""Delivering signals: what the entry code asks for on the way back to user mode, when TIF_SIGPENDING is set.

get_signal, do_signal_stop and arch_do_signal_or_restart of Linux: default actions are taken here, a handler
is prepared by `kernel.signals.frame`, and a system call that a signal interrupted is restarted or ends with
EINTR. One handler is prepared at a time; the entry code asks again as long as the flag is set, so that of
several handlers the last one prepared runs first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import (
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    ERESTARTNOINTR,
    ERESTARTSYS,
    Errno,
    errno_of,
)
from kernel.abi.signal import (
    CLD_STOPPED,
    DEFAULT_ACTIONS,
    SA_NODEFER,
    SA_RESETHAND,
    SA_RESTART,
    SI_KERNEL,
    SIG_DFL,
    SIG_IGN,
    SIGKILL,
    SIGSEGV,
    SIGSTOP,
    SIGTRAP,
    SS_AUTODISARM,
    DefaultAction,
    sigmask,
)
from kernel.events import SignalActionSet, SignalDelivered, TaskStopped
from kernel.exit import do_exit, do_group_exit, end_others
from kernel.ptrace import stops
from kernel.ptrace.registers import hide_step
from kernel.ptrace.watch import hold
from kernel.signals.core_dump import do_coredump
from kernel.signals.frame import NO_SYSCALL, setup_frame
from kernel.signals.pending import (
    get_action,
    is_dying,
    leader_of,
    next_signal,
    recalc_pending,
    thread_group,
)
from kernel.signals.state import (
    UNBLOCKABLE,
    force_signal,
    is_orphaned_pgrp,
    notify_parent_stopped,
    retarget_shared,
    set_blocked,
    signal_wake_up,
    told,
    trap_notify,
)
from kernel.tables import SigAction, SigInfo, Task, TaskState
from kernel.thread import TIF_NEED_RESCHED, TIF_SIGPENDING, Regs, set_flag

if TYPE_CHECKING:
    from kernel.kernel import Kernel

NR_RESTART_SYSCALL = 0
INT_0X80_SIZE = 2
DUMPED = 0x80
"""In a status as wait4 gives it: there is a core file."""


def do_notify_resume(k: Kernel) -> None:
    """See to the current task's signals: none, one or all of those that need no handler, and one that does.

    A task that stops keeps TIF_SIGPENDING and gets TIF_NEED_RESCHED: the entry code switches away, and asks
    again when it goes on.
    """
    task = k.task
    if task.state == TaskState.ZOMBIE:
        return
    shown: SigInfo | None = None
    if task.trap or task.trace is not None:
        if task.trap == stops.EXITING:
            do_exit(k, leader_of(k, task).group_status)
            return
        shown = stops.go_on(k, task)
        if shown is None and stops.report_leaving(k, task):
            return
    while True:
        if is_dying(k, task):
            _die(k, task)
            return
        if shown is not None:
            info, taken, shown = shown, True, None
        else:
            if task.trace is not None:
                if stops.group_trap(k, task):
                    return
            elif leader_of(k, task).stop_signal:
                _stop(k, task)
                return
            found = next_signal(k, task, task.blocked)
            if found is None:
                break
            info, taken = found[0].pop(found[1]), False
            if task.trace is not None and info.signo != SIGKILL and stops.signal_stop(k, task, info):
                return
        action = get_action(k, task, info.signo)
        if action.handler not in (SIG_DFL, SIG_IGN):
            _handle(k, task, info, action, taken)
            return
        what = "ignore" if action.handler == SIG_IGN else _default_action(k, task, info.signo)
        k.emit(_delivered(task, info, what, taken=taken))
        if what in ("terminate", "core"):
            dumped = what == "core" and do_coredump(k, info)
            _end(k, task, info.signo | (DUMPED if dumped else 0))
            return
        if what == "stop":
            _begin_stop(k, task, info.signo)
    restart_system_call(Regs(k, task))
    if task.saved_mask >= 0:
        mask = task.saved_mask
        task.saved_mask = -1
        set_blocked(k, task, mask)
    recalc_pending(k, task)


def _delivered(
    task: Task,
    info: SigInfo,
    action: str,
    handler: int = 0,
    frame: int = 0,
    call: str = "",
    taken: bool = False,
) -> SignalDelivered:
    what, mask = told(info), task.blocked
    return SignalDelivered(task.pid, info.signo, action, handler, frame, mask, what, info.code, call, taken)


def _die(k: Kernel, task: Task) -> None:
    """The signal was sent that ends the process, perhaps to another thread."""
    leader = leader_of(k, task)
    signo = leader.fatal_signal
    if leader.group_status >= 0:  # another thread has ended it, and this one was to stop for that
        if not stops.exit_stop(k, task, leader.group_status):
            do_exit(k, leader.group_status)
        return
    queues = [task.pending, leader.shared_pending, *(thread.pending for thread in thread_group(k, task))]
    info = SigInfo(signo, SI_KERNEL)
    for queue in queues:
        for place, one in enumerate(queue):
            if one.signo == signo:
                info = one
                del queue[place]
                break
        else:
            continue
        break
    k.emit(_delivered(task, info, "terminate"))
    _end(k, task, signo)


def _end(k: Kernel, task: Task, status: int) -> None:
    """The process ends; this thread perhaps after a stop for its tracer."""
    if task.trace is not None:
        end_others(k, task, status)
        if stops.exit_stop(k, task, status):
            return
    do_group_exit(k, status)


def _default_action(k: Kernel, task: Task, signo: int) -> str:
    default = DEFAULT_ACTIONS[signo]
    if default is DefaultAction.STOP:
        orphaned = signo != SIGSTOP and is_orphaned_pgrp(k, task.pgrp)
        return "ignore" if orphaned else "stop"
    names = {
        DefaultAction.TERM: "terminate",
        DefaultAction.CORE: "core",
        DefaultAction.CONT: "continue",
        DefaultAction.IGN: "ignore",
    }
    return names[default]


# --- stopping -----------------------------------------------------------------------------------------------


def _begin_stop(k: Kernel, task: Task, signo: int) -> None:
    """All threads of the process are to stop, each on its own way back to user mode (do_signal_stop)."""
    leader_of(k, task).stop_signal = signo
    for thread in thread_group(k, task):
        if thread.trace is not None:
            thread.trace.stop_pending = True
        if thread.pid == task.pid:
            continue
        if thread.trace is not None and thread.trace.seized:
            trap_notify(k, thread)
        else:
            signal_wake_up(k, thread)


def _stop(k: Kernel, task: Task) -> None:
    leader = leader_of(k, task)
    task.state = TaskState.STOPPED
    set_flag(k, task, TIF_SIGPENDING)
    set_flag(k, task, TIF_NEED_RESCHED)
    k.emit(TaskStopped(task.pid, leader.stop_signal))
    if stops.group_has_stopped(k, task):
        leader.stop_reported = False
        leader.continued = False
        notify_parent_stopped(k, leader, CLD_STOPPED, leader.stop_signal)


# --- handlers -----------------------------------------------------------------------------------------------


def _handle(k: Kernel, task: Task, info: SigInfo, action: SigAction, taken: bool) -> None:
    """handle_signal: what was interrupted, the frame, the registers, the mask while the handler runs."""
    signo = info.signo
    stepping = task.trace is not None and task.trace.stepping
    if task.trace is not None and task.trace.forced_tf:
        hide_step(k, task)
    if action.flags & SA_RESETHAND:
        reset = SigAction(SIG_DFL, action.flags, action.restorer, action.mask)
        k.tables.sighands[task.sighand].actions[signo] = reset
        k.emit(SignalActionSet(task.pid, signo, SIG_DFL, reset.flags, reset.mask))
    regs = Regs(k, task)
    call = restart_system_call(regs, action)
    frame = setup_frame(k, task, regs, action, info)
    if frame is None:
        k.emit(_delivered(task, info, "handler", action.handler, call=call, taken=taken))
        force_signal(k, task, SigInfo(SIGSEGV, SI_KERNEL), default=signo == SIGSEGV)
        return
    before = task.blocked
    task.saved_mask = -1
    task.blocked |= action.mask & ~UNBLOCKABLE
    if not action.flags & SA_NODEFER:
        task.blocked |= sigmask(signo)
    k.emit(_delivered(task, info, "handler", action.handler, frame, call, taken))
    if task.altstack[1] & SS_AUTODISARM:
        task.altstack = [0, 2, 0]
    retarget_shared(k, task, task.blocked & ~before)
    recalc_pending(k, task)
    hold(k, task)
    if stepping:
        stops.notify(k, task, SIGTRAP, stops.LEFT)


def restart_system_call(regs: Regs, action: SigAction | None = None) -> str:
    """A call that ended with one of the ERESTART numbers starts again ('restart'), or fails ('EINTR').

    Which of the two is also up to the handler's `action`; None where no handler runs.
    """
    if regs.orig_eax == NO_SYSCALL:
        return ""
    error = errno_of(regs.eax)
    if error not in (ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK):
        return ""
    if action is not None:
        again = error == ERESTARTNOINTR or (error == ERESTARTSYS and action.flags & SA_RESTART)
        if not again:
            regs.eax = -int(Errno.EINTR)
            return "EINTR"
    regs.eax = NR_RESTART_SYSCALL if error == ERESTART_RESTARTBLOCK else regs.orig_eax
    regs.eip -= INT_0X80_SIZE
    return "restart"
