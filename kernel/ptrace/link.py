"""Who traces whom: asking to be traced, attaching, inheriting a tracer, being let go (kernel/ptrace.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import exit as ends
from kernel.abi.errno import Errno
from kernel.abi.process import CAP_SYS_PTRACE, PTRACE_O_EXITKILL
from kernel.abi.signal import SI_KERNEL, SI_USER, SIGKILL, SIGSTOP
from kernel.capabilities import holds
from kernel.errors import KernelError
from kernel.events import TracerAttached, TracerDetached
from kernel.ptrace.registers import hide_step
from kernel.ptrace.stops import resume, trap_again
from kernel.signals.pending import leader_of
from kernel.signals.state import send_signal, signal_wake_up
from kernel.tables import SigInfo, Task, TaskState, Trace

if TYPE_CHECKING:
    from kernel.kernel import Kernel

KNOWN_OPTIONS = 0xFF | PTRACE_O_EXITKILL
"""PTRACE_O_MASK without PTRACE_O_SUSPEND_SECCOMP."""


def may_attach(caller: Task, target: Task) -> bool:
    """PTRACE_MODE_ATTACH_REALCREDS: all ids agree, it is dumpable and has no more capabilities; or root."""
    me, other = caller.cred, target.cred
    if holds(me, CAP_SYS_PTRACE):
        return True
    same = all(me.uid == uid for uid in (other.euid, other.suid, other.uid)) and all(
        me.gid == gid for gid in (other.egid, other.sgid, other.gid)
    )
    return same and target.dumpable == 1 and not other.permitted & ~me.permitted


def _link(k: Kernel, task: Task, tracer: int, how: str, seized: bool = False, options: int = 0) -> Trace:
    trace = Trace(tracer, k.new_id(), seized, options)
    task.trace = trace
    k.emit(TracerAttached(task.pid, tracer, how))
    return trace


def trace_me(k: Kernel) -> None:
    """The current task is traced by its parent from now on. EPERM if somebody traces it already."""
    task = k.task
    if task.trace is not None:
        raise KernelError(Errno.EPERM)
    if task.ppid in k.tables.tasks:
        _link(k, task, task.ppid, "asked")


def attach(k: Kernel, task: Task, seized: bool, options: int = 0) -> None:
    """The current task traces `task` from now on; without `seized` it is sent SIGSTOP. EPERM."""
    me = k.task
    kernels_own = task.pid <= ends.INIT_PID
    if kernels_own or task.tgid == me.tgid or not may_attach(me, task):
        raise KernelError(Errno.EPERM)
    if task.state == TaskState.ZOMBIE or task.trace is not None:
        raise KernelError(Errno.EPERM)
    _link(k, task, me.pid, "seize" if seized else "attach", seized, options)
    if not seized:
        send_signal(k, task, SigInfo(SIGSTOP, SI_KERNEL), shared=False)
    if task.state == TaskState.STOPPED:
        trap_again(k, task)


def inherit(k: Kernel, parent: Task, child: Task) -> None:
    """A new task is traced as the one is that has made it; its first stop is to come (ptrace_init_task)."""
    old = parent.trace
    if old is None:
        return
    trace = _link(k, child, old.tracer, "inherit", old.seized, old.options)
    if old.seized:
        trace.trap_stop = True
        signal_wake_up(k, child)
    else:
        send_signal(k, child, SigInfo(SIGSTOP, SI_USER), shared=False)


def detach(k: Kernel, task: Task, how: str, signo: int = -1) -> None:
    """The task is traced no longer and goes on, with signal `signo` (-1: with what its stop was for)."""
    trace = task.trace
    if trace is None:
        return
    hide_step(k, task)
    task.trace = None
    k.emit(TracerDetached(task.pid, trace.tracer, how))
    if task.state == TaskState.TRACED:
        resume(k, task, task.stop_code if signo < 0 else signo, "detach")
    elif task.state == TaskState.ZOMBIE:
        ends.untraced_zombie(k, task, trace.tracer)
    elif leader_of(k, task).stop_signal and task.state != TaskState.STOPPED:
        signal_wake_up(k, task)


def tracees(k: Kernel, tracer: Task) -> list[Task]:
    """Whom this task traces, the one attached last first."""
    found = [
        task for task in k.tables.tasks.values() if task.trace is not None and task.trace.tracer == tracer.pid
    ]
    return sorted(found, key=lambda task: -task.trace.order if task.trace is not None else 0)


def exit_ptrace(k: Kernel, tracer: Task) -> None:
    """A tracer ends: whom it traced goes on, or ends with it (PTRACE_O_EXITKILL)."""
    for task in tracees(k, tracer):
        if task.trace is not None and task.trace.options & PTRACE_O_EXITKILL:
            send_signal(k, task, SigInfo(SIGKILL, SI_KERNEL), shared=True)
        detach(k, task, "exit")
