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
    SIGSEGV,
    SIGSTOP,
    SS_AUTODISARM,
    DefaultAction,
    sigmask,
)
from kernel.events import SignalActionSet, SignalDelivered, TaskStopped
from kernel.exit import do_group_exit
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
    while True:
        if is_dying(k, task):
            _die(k, task)
            return
        if leader_of(k, task).stop_signal:
            _stop(k, task)
            return
        found = next_signal(k, task, task.blocked)
        if found is None:
            break
        queue, place = found
        info = queue[place]
        action = get_action(k, task, info.signo)
        if action.handler not in (SIG_DFL, SIG_IGN):
            _handle(k, task, queue, place, action)
            return
        what = "ignore" if action.handler == SIG_IGN else _default_action(k, task, info.signo)
        del queue[place]
        k.emit(_delivered(task, info, what))
        if what in ("terminate", "core"):
            dumped = what == "core" and do_coredump(k, info)
            do_group_exit(k, info.signo | (DUMPED if dumped else 0))
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
    task: Task, info: SigInfo, action: str, handler: int = 0, frame: int = 0, call: str = ""
) -> SignalDelivered:
    what = told(info)
    return SignalDelivered(task.pid, info.signo, action, handler, frame, task.blocked, what, info.code, call)


def _die(k: Kernel, task: Task) -> None:
    """The signal was sent that ends the process, perhaps to another thread."""
    leader = leader_of(k, task)
    signo = leader.fatal_signal
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
    do_group_exit(k, signo)


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
        if thread.pid != task.pid:
            signal_wake_up(k, thread)


def _stop(k: Kernel, task: Task) -> None:
    leader = leader_of(k, task)
    task.state = TaskState.STOPPED
    set_flag(k, task, TIF_SIGPENDING)
    set_flag(k, task, TIF_NEED_RESCHED)
    k.emit(TaskStopped(task.pid, leader.stop_signal))
    if all(thread.state == TaskState.STOPPED for thread in thread_group(k, task)):
        leader.stop_reported = False
        leader.continued = False
        notify_parent_stopped(k, leader, CLD_STOPPED, leader.stop_signal)


# --- handlers -----------------------------------------------------------------------------------------------


def _handle(k: Kernel, task: Task, queue: list[SigInfo], place: int, action: SigAction) -> None:
    """handle_signal: what was interrupted, the frame, the registers, the mask while the handler runs."""
    info = queue[place]
    signo = info.signo
    if action.flags & SA_RESETHAND:
        reset = SigAction(SIG_DFL, action.flags, action.restorer, action.mask)
        k.tables.sighands[task.sighand].actions[signo] = reset
        k.emit(SignalActionSet(task.pid, signo, SIG_DFL, reset.flags, reset.mask))
    call = restart_system_call(Regs(k, task), action)
    frame = setup_frame(k, task, action, info)
    del queue[place]
    if frame is None:
        k.emit(_delivered(task, info, "handler", action.handler, call=call))
        force_signal(k, task, SigInfo(SIGSEGV, SI_KERNEL), default=signo == SIGSEGV)
        return
    before = task.blocked
    task.saved_mask = -1
    task.blocked |= action.mask & ~UNBLOCKABLE
    if not action.flags & SA_NODEFER:
        task.blocked |= sigmask(signo)
    k.emit(_delivered(task, info, "handler", action.handler, frame, call))
    if task.altstack[1] & SS_AUTODISARM:
        task.altstack = [0, 2, 0]
    retarget_shared(k, task, task.blocked & ~before)
    recalc_pending(k, task)


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
