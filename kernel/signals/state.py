"""Generating and blocking signals, and setting their actions: kernel/signal.c's sending half.

Whatever makes a signal deliverable sets TIF_SIGPENDING, which the entry code looks at before it returns to
user mode. What is pending is `kernel.signals.pending`'s, taking it out `kernel.signals.delivery`'s.
Permissions are checked here (`kill_permitted`) but asked for by the system calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import CAP_KILL, RLIMIT_SIGPENDING
from kernel.abi.signal import (
    CLD_CONTINUED,
    CLD_STOPPED,
    SA_NOCLDSTOP,
    SI_SIGIO,
    SI_USER,
    SIG_DFL,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGKILL,
    SIGRTMIN,
    SIGSTOP,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    sigmask,
)
from kernel.capabilities import holds
from kernel.events import (
    SignalActionSet,
    SignalDelivered,
    SignalGenerated,
    SignalMaskSet,
    SignalsDiscarded,
    TaskContinued,
    TaskWoken,
    TraceResumed,
)
from kernel.signals.pending import (
    dequeue_signal,
    get_action,
    handler_ignored,
    is_dying,
    is_fatal,
    leader_of,
    pending_mask,
    real_blocked,
    recalc_pending,
    signal_pending,
    thread_group,
)
from kernel.tables import SigAction, SigInfo, Task, TaskState
from kernel.thread import PAGE_OFFSET, TIF_SIGPENDING, set_flag
from kernel.wait import make_runnable, wake_task, wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

INIT_PID = 1
UNBLOCKABLE = sigmask(SIGKILL) | sigmask(SIGSTOP)
STOP_SIGNALS = (SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU)
STOP_MASK = sum(sigmask(signo) for signo in STOP_SIGNALS)
TI_TRAP = 0x14
"""Three words of thread_info that the entry code leaves free: trap number, error code and CR2 of the last
exception that became a signal (Linux: thread.trap_nr, error_code, cr2)."""


# --- the mask and the actions -------------------------------------------------------------------------------


def set_blocked(k: Kernel, task: Task, mask: int) -> None:
    """The task blocks exactly these signals from now on, never SIGKILL and SIGSTOP (set_current_blocked)."""
    mask &= ~UNBLOCKABLE
    if mask == task.blocked:
        return
    newly = mask & ~task.blocked
    task.blocked = mask
    k.emit(SignalMaskSet(task.pid, mask))
    retarget_shared(k, task, newly)
    recalc_pending(k, task)


def retarget_shared(k: Kernel, task: Task, newly_blocked: int) -> None:
    """Signals of the process that this thread blocks now are another one's (retarget_shared_pending)."""
    shared = leader_of(k, task).shared_pending
    waiting = newly_blocked & pending_mask(shared) if newly_blocked and shared else 0
    if not waiting:
        return
    for other in thread_group(k, task):
        if other.pid != task.pid and waiting & ~other.blocked:
            waiting &= other.blocked
            signal_wake_up(k, other)


def set_action(k: Kernel, task: Task, signo: int, action: SigAction) -> None:
    """do_sigaction's change: what is pending and ignored from now on is discarded."""
    k.tables.sighands[task.sighand].actions[signo] = action
    k.emit(SignalActionSet(task.pid, signo, action.handler, action.flags, action.mask))
    if handler_ignored(action.handler, signo):
        _discard(k, task, sigmask(signo))


def flush_handlers(k: Kernel, task: Task) -> None:
    """exec: handled signals get their default action, ignored ones stay ignored (flush_signal_handlers).

    The pending signals and the mask stay; the alternate stack went with the old program.
    """
    hand = k.tables.sighands[task.sighand]
    for signo in sorted(hand.actions):
        old = hand.actions[signo]
        handler = SIG_IGN if old.handler == SIG_IGN else SIG_DFL
        if handler == SIG_DFL:
            del hand.actions[signo]
        else:
            hand.actions[signo] = SigAction(handler)
        if old.handler != handler or old.flags or old.mask:
            k.emit(SignalActionSet(task.pid, signo, handler, 0, 0))


def tell_accepted(k: Kernel, task: Task, info: SigInfo) -> None:
    """Taken without being delivered. That one of several alike is gone SignalsDiscarded cannot say."""
    leader = leader_of(k, task)
    if any(other.signo == info.signo for other in (*task.pending, *leader.shared_pending)):
        what = told(info)
        k.emit(SignalDelivered(task.pid, info.signo, "accept", 0, 0, task.blocked, what, info.code))
        return
    for owner, shared in ((task, False), (leader, True)):
        k.emit(SignalsDiscarded(owner.pid, sigmask(info.signo), shared))


# --- sending ------------------------------------------------------------------------------------------------


MAX_QUEUED = 4096
"""Signals that may wait in one queue, whatever RLIMIT_SIGPENDING allows."""


def send_signal(k: Kernel, task: Task, info: SigInfo, shared: bool = True, reserved: bool = False) -> int:
    """The signal becomes pending for the task, or with `shared` for its process, unless it would be ignored.

    EAGAIN if it is one that queues and too many are waiting (RLIMIT_SIGPENDING), else 0; `reserved`, a
    timer's, has its place. Nobody's permission is asked: `kill_permitted` is for the system calls.
    """
    signo = info.signo
    group = thread_group(k, task)
    if shared and group and task.state == TaskState.ZOMBIE:
        task = group[0]  # the leader has ended, its process has not
    dropped = not group or task.pid <= INIT_PID or is_dying(k, task) or _is_ignored(k, task, signo)
    leader = leader_of(k, task)
    queue = leader.shared_pending if shared else task.pending
    again = bool(queue) and signo < SIGRTMIN and any(other.signo == signo for other in queue)
    if not (dropped or again or reserved) and _is_full(k, task, info, queue):
        if signo >= SIGRTMIN and info.code != SI_USER:
            return Errno.EAGAIN
        info = SigInfo(signo)  # it comes, but of its sender nothing is known
        again = any(other.signo == signo for other in queue)
    if not dropped and not again:
        queue.append(info)
    k.emit(_generated(leader if shared else task, info, dropped, shared))
    if not group or task.pid <= INIT_PID:
        return 0
    if signo in STOP_SIGNALS:
        _discard(k, task, sigmask(SIGCONT))
    elif signo == SIGCONT:
        _discard(k, task, STOP_MASK)
        _continue(k, leader, group)
    if not dropped and not again:
        wake_up(k, f"signalfd:{task.sighand}")
        _complete(k, task, signo, group if shared else [task], group)
    return 0


def _is_full(k: Kernel, task: Task, info: SigInfo, queue: list[SigInfo]) -> bool:
    """Whether its user has as many signals waiting as allowed (__sigqueue_alloc).

    The kernel's own and kill's standard signals need no place.
    """
    if info.signo < SIGRTMIN and info.code >= SI_USER:
        return False
    uid = task.cred.uid
    users = [other for other in k.tables.tasks.values() if other.cred.uid == uid]
    waiting = sum(len(other.pending) + len(other.shared_pending) for other in users)
    timers = sum(timer.number >= 0 for timer in k.tables.posix_timers.values())
    limit = k.limits_of(task, RLIMIT_SIGPENDING)[0]
    return waiting + timers >= limit or len(queue) >= MAX_QUEUED


def _generated(task: Task, info: SigInfo, ignored: bool, shared: bool) -> SignalGenerated:
    """The sender is whose call made it, 0 for the kernel's own (si_code above SI_USER)."""
    sender = info.pid if info.code <= SI_USER and info.code != SI_SIGIO else 0
    what = told(info)
    return SignalGenerated(task.pid, info.signo, info.code, sender, ignored, shared, what)


def _is_ignored(k: Kernel, task: Task, signo: int) -> bool:
    """Blocked signals are kept: the action may be another one when they are unblocked (sig_ignored)."""
    if (task.blocked | real_blocked(task)) & sigmask(signo):
        return False
    if task.trace is not None and signo != SIGKILL:
        return False  # its tracer may want to know
    return handler_ignored(get_action(k, task, signo).handler, signo)


def _complete(k: Kernel, task: Task, signo: int, candidates: list[Task], group: list[Task]) -> None:
    """Wake the thread that is to take it, or all if it ends them (complete_signal)."""
    wanting = [thread for thread in candidates if _wants(thread, signo)]
    if not wanting:
        return
    chosen = task if task in wanting else next((t for t in wanting if not signal_pending(k, t)), wanting[0])
    fatal = signo == SIGKILL or (
        task.trace is None and is_fatal(k, chosen, signo) and not real_blocked(chosen) & sigmask(signo)
    )
    if not fatal:
        signal_wake_up(k, chosen)
        return
    leader_of(k, task).fatal_signal = signo
    for thread in group:
        signal_wake_up(k, thread, fatal=True)


def _wants(task: Task, signo: int) -> bool:
    if task.state == TaskState.ZOMBIE or task.blocked & sigmask(signo):
        return False
    return signo == SIGKILL or task.state not in (TaskState.STOPPED, TaskState.TRACED)


def signal_wake_up(k: Kernel, task: Task, fatal: bool = False) -> None:
    """Have the task look at its signals: at once if its sleep allows that or if it is to die."""
    set_flag(k, task, TIF_SIGPENDING)
    if task.state == TaskState.SLEEPING:
        if fatal or task.wait is None or task.wait.interruptible:
            wake_task(k, task, "signal")
    elif task.state == TaskState.STOPPED and fatal:
        leader_of(k, task).stop_signal = 0
        make_runnable(k, task)
        k.emit(TaskWoken(task.pid, "signal"))
    elif task.state == TaskState.TRACED and fatal:
        leader_of(k, task).stop_signal = 0
        make_runnable(k, task)
        k.emit(TraceResumed(task.pid, "kill", SIGKILL))


def trap_notify(k: Kernel, task: Task) -> None:
    """A seized task's group was stopped or continued: it stops anew for its tracer (ptrace_trap_notify)."""
    from kernel.ptrace.stops import trap_again

    if task.trace is not None:
        task.trace.notify = True
        if task.trace.listening:
            trap_again(k, task)
        else:
            signal_wake_up(k, task)


def _discard(k: Kernel, task: Task, mask: int) -> None:
    """Remove the signals of `mask` from all queues of the task's process (flush_sigqueue_mask).

    TIF_SIGPENDING stays: a call that one of them interrupted is restarted on the way back to user mode.
    """
    leader = leader_of(k, task)
    group = thread_group(k, task)
    gone = pending_mask(leader.shared_pending) & mask
    if gone:
        leader.shared_pending[:] = [info for info in leader.shared_pending if not sigmask(info.signo) & mask]
        k.emit(SignalsDiscarded(leader.pid, gone, True))
    for thread in group:
        own = pending_mask(thread.pending) & mask
        if own:
            thread.pending[:] = [info for info in thread.pending if not sigmask(info.signo) & mask]
            k.emit(SignalsDiscarded(thread.pid, own, False))


def _continue(k: Kernel, leader: Task, group: list[Task]) -> None:
    """SIGCONT's work, done when it is sent: a stopped process goes on even if it ignores it."""
    stopped = leader.stop_signal
    leader.stop_signal = 0
    whole = True
    for thread in group:
        if thread.trace is None:
            whole = whole and thread.state == TaskState.STOPPED
            continue
        whole = whole and not thread.trace.stop_pending
        thread.trace.stop_pending = False
        if thread.trace.seized:
            trap_notify(k, thread)
    if not stopped:
        return
    leader.stop_reported = True
    leader.continued = True
    for thread in group:
        if thread.state == TaskState.STOPPED:
            make_runnable(k, thread)
            k.emit(TaskContinued(thread.pid))
    notify_parent_stopped(k, leader, CLD_CONTINUED if whole else CLD_STOPPED, SIGCONT)


def notify_parent_stopped(k: Kernel, leader: Task, code: int, status: int) -> None:
    """SIGCHLD for a child that stopped or goes on, unless the parent wants none (do_notify_parent_cldstop).

    A parent that waits learns it in any case.
    """
    parent = k.tables.tasks.get(leader.ppid)
    if parent is None or parent.pid <= INIT_PID:
        return
    action = get_action(k, parent, SIGCHLD)
    if action.handler != SIG_IGN and not action.flags & SA_NOCLDSTOP:
        info = SigInfo(SIGCHLD, code, pid=leader.pid, uid=leader.cred.uid, status=status)
        send_signal(k, parent, info, shared=True)
    wake_up(k, f"child:{parent.tgid}")


def send_to_group(k: Kernel, pgrp: int, info: SigInfo) -> int:
    """The kernel's own signal to every process of a group (a terminal's Ctrl+C); how many there were."""
    members = [task for task in k.tables.tasks.values() if task.pid == task.tgid and task.pgrp == pgrp]
    for task in members:
        send_signal(k, task, SigInfo(info.signo, info.code, info.errno, info.pid, info.uid, info.status))
    return len(members)


def is_orphaned_pgrp(k: Kernel, pgrp: int) -> bool:
    """Whether nobody is left to continue the group, so that a terminal may not stop it.

    No member has a parent in another group of the same session (will_become_orphaned_pgrp).
    """
    tasks = k.tables.tasks
    for member in tasks.values():
        if member.pgrp != pgrp or member.pid != member.tgid or member.state == TaskState.ZOMBIE:
            continue
        parent = tasks.get(member.ppid)
        if parent is None or parent.pid <= INIT_PID:
            continue
        if parent.pgrp != pgrp and parent.session == member.session:
            return False
    return True


def told(info: SigInfo) -> tuple[int, ...]:
    """What an event tells of a siginfo: pid, uid, status, address, value; then errno, utime and stime unless
    all three are 0 (`told_of` reads it)."""
    what = (info.pid, info.uid, info.status, info.address, info.value)
    more = (info.errno, info.utime, info.stime)
    return (*what, *more) if any(more) else what


def told_of(signo: int, code: int, about: tuple[int, ...]) -> SigInfo:
    """The siginfo that an event tells of so."""
    pid, uid, status, address, value, errno, utime, stime = (*about, *(0,) * 8)[:8]
    return SigInfo(signo, code, errno, pid, uid, status, address, value, utime, stime)


def force_signal(k: Kernel, task: Task, info: SigInfo, default: bool = False) -> None:
    """A signal that the task cannot put off (force_sig_info_to_task).

    Blocked, ignored or with `default`, it gets its default action first.
    """
    signo = info.signo
    action = get_action(k, task, signo)
    blocked = bool(task.blocked & sigmask(signo))
    if blocked or default or action.handler == SIG_IGN:
        if action.handler != SIG_DFL:
            k.tables.sighands[task.sighand].actions[signo] = SigAction(
                SIG_DFL, action.flags, action.restorer, action.mask
            )
            k.emit(SignalActionSet(task.pid, signo, SIG_DFL, action.flags, action.mask))
        if blocked:
            set_blocked(k, task, task.blocked & ~sigmask(signo))
    send_signal(k, task, info, shared=False)
    recalc_pending(k, task)


def record_trap(k: Kernel, task: Task, vector: int, error: int, cr2: int | None = None) -> None:
    """Remember an exception for the frames to come; without `cr2` the old one stays."""
    at = task.thread - PAGE_OFFSET + TI_TRAP >> 2
    k.ram.u32[at] = vector
    k.ram.u32[at + 1] = error & 0xFFFF_FFFF
    if cr2 is not None:
        k.ram.u32[at + 2] = cr2


def last_trap(k: Kernel, task: Task) -> tuple[int, int, int]:
    """Trap number, error code, CR2."""
    at = task.thread - PAGE_OFFSET + TI_TRAP >> 2
    trap_nr, error_code, cr2 = k.ram.u32[at : at + 3].tolist()
    return trap_nr, error_code, cr2


def kill_permitted(k: Kernel, target: Task, signo: int) -> bool:
    """Whether the current task may send this to the target (check_kill_permission; man 2 kill)."""
    me = k.task
    if target.tgid == me.tgid:
        return True
    mine, its = me.cred, target.cred
    if holds(mine, CAP_KILL) or mine.euid in (its.suid, its.uid) or mine.uid in (its.suid, its.uid):
        return True
    return signo == SIGCONT and target.session == me.session


__all__ = [
    "dequeue_signal",
    "flush_handlers",
    "force_signal",
    "is_orphaned_pgrp",
    "kill_permitted",
    "last_trap",
    "notify_parent_stopped",
    "recalc_pending",
    "record_trap",
    "retarget_shared",
    "send_signal",
    "send_to_group",
    "set_action",
    "set_blocked",
    "signal_pending",
    "signal_wake_up",
    "tell_accepted",
    "trap_notify",
]
