"""The end of tasks, and what is left of them: zombies, waiting parents, orphans (man 2 wait, _exit)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import posix_timers
from kernel.abi.process import __WALL, __WCLONE, PTRACE_O_TRACEEXIT
from kernel.abi.signal import (
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    SA_NOCLDWAIT,
    SI_KERNEL,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGHUP,
    SIGKILL,
)
from kernel.cputime import TICKS_PER_JIFFY, bury_thread, note_peak, process_usage
from kernel.events import TaskExited, TaskReaped, TaskReparented, TracerDetached
from kernel.fs.files import drop_fdtable
from kernel.fs.tty import release_session
from kernel.futex import exit_futexes
from kernel.mm.address_space import drop_space
from kernel.signals.state import is_orphaned_pgrp, send_signal, send_to_group, signal_wake_up
from kernel.tables import SigInfo, Task, TaskState
from kernel.wait import forget_wait, wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

INIT_PID = 1


def do_exit(k: Kernel, status: int) -> None:
    """The current task ends with `status` (as wait4 gives it) and never runs user code again."""
    task = k.task
    end_task(k, task, status)
    k.need_resched()


def do_group_exit(k: Kernel, status: int) -> None:
    """All tasks of the current one's thread group end."""
    end_others(k, k.task, status)
    do_exit(k, status)


def end_others(k: Kernel, task: Task, status: int) -> None:
    """The process ends: its other threads at once, or where a tracer wants to see that, as soon as it has."""
    leader = k.tables.tasks.get(task.tgid)
    if leader is not None:
        leader.group_status = status
    for other in list(k.tables.tasks.values()):
        if other.tgid == task.tgid and other.pid != task.pid and other.state != TaskState.ZOMBIE:
            if leader is not None and other.trace is not None and other.trace.options & PTRACE_O_TRACEEXIT:
                leader.fatal_signal = SIGKILL
                signal_wake_up(k, other, fatal=True)
            else:
                end_task(k, other, status)


def end_task(k: Kernel, task: Task, status: int) -> None:
    t = k.tables
    if task.state == TaskState.ZOMBIE:
        return
    from kernel.ptrace.link import exit_ptrace

    leader = t.tasks.get(task.tgid)
    if leader is not None and leader.group_status < 0 and _is_last(k, task):
        leader.group_status = status  # the last thread's status is the process's
    if task.tgid == t.first and _is_last(k, task):
        t.first_status = status if leader is None or leader.group_status < 0 else leader.group_status
    forget_wait(k, task)
    if task.pid in t.runqueue:
        t.runqueue.remove(task.pid)
    if task.space and t.current in t.tasks and k.task.space == task.space:
        exit_futexes(k, task)
    if task.vfork_parent:
        task.vfork_parent = 0
        wake_up(k, f"vfork:{task.pid}")
    space, fdtable = task.space, task.fdtable
    if space and t.spaces[space].refs == 1:
        note_peak(k, task)
    if _is_last(k, task):
        posix_timers.delete_all(k, task.tgid)
    task.space = task.fdtable = 0
    if fdtable:
        drop_fdtable(k, fdtable)
    if space:
        k.use_kernel_space_for(task)
        drop_space(k, space)
    k.free_ldt(task)
    sighand = t.sighands[task.sighand]
    sighand.refs -= 1
    if not sighand.refs:
        del t.sighands[task.sighand]
    task.sighand = 0
    task.state = TaskState.ZOMBIE
    task.exit_status = status
    task.syscall = -1
    task.progress = []
    task.pending = []
    task.trap = 0
    task.stop_info = None
    k.emit(TaskExited(task.pid, status))
    if any(one.trace is not None and one.trace.tracer == task.pid for one in t.tasks.values()):
        exit_ptrace(k, task)
    if _is_last(k, task):
        if task.session == task.tgid:
            release_session(k, task, ends=True)
        _reparent_children(k, task)
    if task.trace is not None and (task.pid != task.tgid or _group_is_empty(k, task)):
        _notify_tracer(k, task)
    elif task.pid != task.tgid:
        _release_thread(k, task, by=0)
    elif _group_is_empty(k, task):
        _notify_parent(k, task)


def _release_thread(k: Kernel, task: Task, by: int) -> None:
    """A thread goes; if it was the last one, its process's parent learns of the end."""
    release(k, task, by)
    leader = k.tables.tasks.get(task.tgid)
    if leader is not None and leader.state == TaskState.ZOMBIE and _group_is_empty(k, leader):
        if leader.trace is not None:
            _notify_tracer(k, leader)
        else:
            _notify_parent(k, leader)


def _notify_tracer(k: Kernel, task: Task) -> None:
    """A traced task has ended: first its tracer learns of it. One that is the parent as well is that, too."""
    tracer = k.tables.tasks.get(task.trace.tracer) if task.trace is not None else None
    if tracer is None or tracer.pid == INIT_PID or tracer.state == TaskState.ZOMBIE:
        _forget_tracer(k, task, "reap")
        untraced_zombie(k, task, INIT_PID)
    elif task.pid == task.tgid and tracer.tgid == task.ppid:
        _notify_parent(k, task)
    else:
        ignored = _tell_of_end(k, task, tracer, SIGCHLD)
        if ignored:
            reap(k, task, tracer.pid)
        wake_up(k, f"child:{tracer.tgid}")


def _forget_tracer(k: Kernel, task: Task, how: str) -> None:
    if task.trace is not None:
        k.emit(TracerDetached(task.pid, task.trace.tracer, how))
        task.trace = None


def untraced_zombie(k: Kernel, task: Task, tracer: int) -> None:
    """A zombie whose tracer lets it go: a thread is gone, a process is its parent's (__ptrace_detach)."""
    if task.pid != task.tgid:
        _release_thread(k, task, by=tracer)
    elif _group_is_empty(k, task):
        former = k.tables.tasks.get(tracer)
        if former is None or former.tgid != task.ppid:
            _notify_parent(k, task)


def reap(k: Kernel, task: Task, by: int) -> None:
    """A zombie was waited for, by its parent or its tracer: then the parent's turn comes after."""
    tracer = k.tables.tasks.get(task.trace.tracer) if task.trace is not None else None
    hands_on = task.pid == task.tgid and tracer is not None and tracer.tgid != task.ppid
    if hands_on:
        _forget_tracer(k, task, "reap")
        _notify_parent(k, task)
    elif task.pid != task.tgid:
        _release_thread(k, task, by)
    else:
        release(k, task, by)


def is_whole(k: Kernel, task: Task) -> bool:
    """Whether a zombie can be waited for: a thread at once, a process when all its threads are gone."""
    return task.pid != task.tgid or _group_is_empty(k, task)


def _is_last(k: Kernel, task: Task) -> bool:
    """Whether no other thread of its group is alive."""
    return not any(
        other.tgid == task.tgid and other.pid != task.pid and other.state != TaskState.ZOMBIE
        for other in k.tables.tasks.values()
    )


def _group_is_empty(k: Kernel, leader: Task) -> bool:
    return not any(other.tgid == leader.tgid and other.pid != leader.pid for other in k.tables.tasks.values())


def _reaper(k: Kernel, task: Task) -> int:
    """Who gets the task's children: the nearest ancestor that asked for them, or init."""
    tasks = k.tables.tasks
    above = tasks.get(task.ppid)
    while above is not None and above.pid != INIT_PID:
        if above.subreaper and above.group_status < 0:
            return above.pid
        above = tasks.get(above.ppid)
    return INIT_PID


def _reparent_children(k: Kernel, task: Task) -> None:
    reaper = _reaper(k, task)
    for child in list(k.tables.tasks.values()):
        if child.ppid == task.tgid and child.tgid != task.tgid:
            child.ppid = reaper
            k.emit(TaskReparented(child.pid, reaper))
            if child.pdeath_signal and child.state != TaskState.ZOMBIE:
                info = SigInfo(child.pdeath_signal, pid=task.tgid, uid=task.cred.uid)
                send_signal(k, child, info, shared=True)
            child.exit_signal = SIGCHLD
            if child.state == TaskState.ZOMBIE and child.pid == child.tgid and child.trace is None:
                if reaper == INIT_PID:
                    release(k, child, by=INIT_PID)
                elif _group_is_empty(k, child):
                    _notify_parent(k, child)
            _hang_up_orphans(k, child, task)
    parent = k.tables.tasks.get(task.ppid)
    if parent is not None:
        _hang_up_orphans(k, task, parent)


def _hang_up_orphans(k: Kernel, task: Task, parent: Task) -> None:
    """A group whose last connection to its session `parent` was must not stay stopped for ever
    (`kill_orphaned_pgrp`)."""
    if parent.pgrp == task.pgrp or parent.session != task.session or not is_orphaned_pgrp(k, task.pgrp):
        return
    if any(one.state == TaskState.STOPPED and one.pgrp == task.pgrp for one in k.tables.tasks.values()):
        send_to_group(k, task.pgrp, SigInfo(SIGHUP, SI_KERNEL))
        send_to_group(k, task.pgrp, SigInfo(SIGCONT, SI_KERNEL))


def _notify_parent(k: Kernel, task: Task) -> None:
    """The parent learns of the end by SIGCHLD and by wait; one that ignores it has no zombies."""
    t = k.tables
    parent = t.tasks.get(task.ppid)
    if parent is None or parent.pid == INIT_PID or parent.state == TaskState.ZOMBIE:
        release(k, task, by=INIT_PID)
        return
    autoreap = _tell_of_end(k, task, parent, task.exit_signal)
    wake_up(k, f"pidfd:{task.pid}")
    if autoreap:
        release(k, task, by=parent.pid)
    wake_up(k, f"child:{parent.tgid}")


def _tell_of_end(k: Kernel, task: Task, parent: Task, signo: int) -> bool:
    """The signal of a child's end to its parent, or tracer; whether nobody will wait for it."""
    status = task.exit_status if task.group_status < 0 or task.pid != task.tgid else task.group_status
    autoreap = unheard = False
    if signo == SIGCHLD:
        action = k.tables.sighands[parent.sighand].actions.get(SIGCHLD)
        unheard = action is not None and action.handler == SIG_IGN
        autoreap = unheard or (action is not None and bool(action.flags & SA_NOCLDWAIT))
    if 0 < signo <= 64 and not unheard:
        code = CLD_EXITED if not status & 0x7F else CLD_DUMPED if status & 0x80 else CLD_KILLED
        value = status >> 8 & 0xFF if code == CLD_EXITED else status & 0x7F
        used = process_usage(k, task)
        times = (used.ran - used.system) // TICKS_PER_JIFFY, used.system // TICKS_PER_JIFFY
        info = SigInfo(signo, code, 0, task.pid, task.cred.uid, value, 0, 0, *times)
        send_signal(k, parent, info, shared=True)
    return autoreap


def release(k: Kernel, task: Task, by: int) -> None:
    """The zombie goes: its pid is free, its kernel stack too as soon as nobody stands on it."""
    t = k.tables
    leader = t.tasks.get(task.tgid)
    if leader is not None and leader.pid != task.pid:
        bury_thread(k, leader, task)
    t.gone_user_ticks += task.user_ticks - min(task.system_ticks, task.user_ticks)
    t.gone_system_ticks += min(task.system_ticks, task.user_ticks)
    del t.tasks[task.pid]
    if task.pid == t.current:
        t.graveyard.append(task.thread)
    else:
        k.free_thread(task.thread)
    k.emit(TaskReaped(task.pid, by))
    wake_up(k, f"pidfd:{task.pid}")


def eligible(task: Task, parent: Task, options: int) -> bool:
    """Whether wait looks at this child at all (__WALL, __WCLONE)."""
    if task.ppid != parent.tgid or task.pid != task.tgid:
        return False
    if options & __WALL:
        return True
    return (task.exit_signal != SIGCHLD) == bool(options & __WCLONE)
