"""fork, vfork and clone: a new task out of the current one (man 2 clone)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import capabilities
from kernel.abi.errno import Errno
from kernel.abi.process import (
    CAP_SYS_ADMIN,
    CAP_SYS_RESOURCE,
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_CLEAR_SIGHAND,
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    CLONE_PARENT,
    CLONE_PARENT_SETTID,
    CLONE_PTRACE,
    CLONE_SETTLS,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    CSIGNAL,
    RLIMIT_NPROC,
    SCHED_DEADLINE,
    SCHED_NORMAL,
)
from kernel.errors import KernelError
from kernel.events import TaskCreated
from kernel.fs.files import copy_fdtable
from kernel.mm.address_space import drop_space, fork_space
from kernel.mm.fault import user_page
from kernel.mm.frames import alloc_stack
from kernel.policy import enqueue
from kernel.ptrace.link import inherit
from kernel.ptrace.registers import TF
from kernel.signals.pending import leader_of
from kernel.signals.state import flush_handlers
from kernel.tables import SigAction, SigHand, Space, Task, TaskState
from kernel.thread import (
    PAGE_OFFSET,
    PT_SIZE,
    THREAD_SIZE,
    TI_CR3,
    TI_ESP,
    TI_FLAGS,
    TI_LDT,
    TI_PID,
    TI_SYSENTER_RETURN,
    Regs,
    fxsave_read,
    fxsave_write,
)
from kernel.uaccess import put_user32
from kernel.vdso import vdso_symbol

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MAX_TASKS = 4096
NAMESPACES = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
)
"""There is one of each: as in a kernel built without them."""


def new_thread(k: Kernel, pid: int) -> int:
    """A kernel stack whose first `__switch_to` leads to ret_from_fork; thread_info's address."""
    thread = PAGE_OFFSET + (alloc_stack(k) << 12)
    words = k.ram.u32
    top = thread + THREAD_SIZE - PT_SIZE - PAGE_OFFSET >> 2
    words[top - 1] = k.symbol("ret_from_fork")
    # Above it lie the four registers that __switch_to pops: edi esi ebx ebp.
    info = thread - PAGE_OFFSET >> 2
    words[info + (TI_ESP >> 2)] = thread + THREAD_SIZE - PT_SIZE - 20
    words[info + (TI_PID >> 2)] = pid
    words[info + (TI_LDT >> 2)] = 0
    words[info + (TI_FLAGS >> 2)] = 0
    return thread


def set_thread_space(k: Kernel, task: Task, space: Space) -> None:
    """What the entry code needs to know of the task's address space."""
    info = task.thread - PAGE_OFFSET
    k.ram.u32[info + TI_CR3 >> 2] = space.pgd << 12
    k.ram.u32[info + TI_SYSENTER_RETURN >> 2] = vdso_symbol(k, space, "int80_landing_pad")


def do_fork(
    k: Kernel,
    flags: int,
    stack: int = 0,
    parent_tid: int = 0,
    tls: int = 0,
    child_tid: int = 0,
    exit_signal: int = -1,
    traced: bool = False,
) -> int:
    """The child's pid. The child returns 0 from the same system call, on `stack` if that is given.

    `exit_signal` -1 stands for the one in the low byte of `flags`. With `traced` it has its maker's tracer.
    """
    t = k.tables
    parent = k.task
    shares_handlers = flags & CLONE_SIGHAND
    if (shares_handlers and not flags & CLONE_VM) or (flags & CLONE_THREAD and not shares_handlers):
        raise KernelError(Errno.EINVAL)
    if flags & NAMESPACES:
        raise KernelError(Errno.EINVAL)
    cannot_inherit = parent.policy == SCHED_DEADLINE and not parent.reset_on_fork
    if len(t.tasks) >= MAX_TASKS or _too_many(k, parent) or cannot_inherit:
        raise KernelError(Errno.EAGAIN)
    pid = t.next_pid
    thread = new_thread(k, pid)
    try:
        if flags & CLONE_VM:
            space = t.spaces[parent.space]
            space.refs += 1
        else:
            space = fork_space(k, parent.space)
    except KernelError:
        k.free_thread(thread)
        raise
    t.next_pid += 1
    if flags & CLONE_FILES:
        fdtable = parent.fdtable
        t.fdtables[fdtable].refs += 1
    else:
        fdtable = copy_fdtable(k, parent.fdtable)
    if flags & CLONE_SIGHAND:
        sighand = parent.sighand
        t.sighands[sighand].refs += 1
    else:
        sighand = k.new_id()
        old = t.sighands[parent.sighand].actions
        t.sighands[sighand] = SigHand(
            1, {n: SigAction(a.handler, a.flags, a.restorer, a.mask) for n, a in old.items()}
        )
    cred = parent.cred
    child = Task(
        pid=pid,
        tgid=parent.tgid if flags & CLONE_THREAD else pid,
        ppid=parent.ppid if flags & (CLONE_THREAD | CLONE_PARENT) else parent.tgid,
        pgrp=parent.pgrp,
        session=parent.session,
        comm=parent.comm,
        state=TaskState.RUNNABLE,
        thread=thread,
        space=space.id,
        fdtable=fdtable,
        cwd=parent.cwd,
        cwd_mount=parent.cwd_mount,
        root=parent.root,
        root_mount=parent.root_mount,
        sighand=sighand,
        cred=capabilities.copy(cred),
        exe=parent.exe,
        umask=parent.umask,
        exit_signal=_exit_signal(k, parent, flags, exit_signal),
        tls=parent.tls[:],
        blocked=parent.blocked,
        altstack=parent.altstack[:] if not flags & CLONE_VM or flags & CLONE_VFORK else [0, 2, 0],
        start_tick=k.now,
        rlimits={n: limits[:] for n, limits in leader_of(k, parent).rlimits.items()},
        dumpable=parent.dumpable,
        no_new_privs=parent.no_new_privs,
        seccomp_mode=parent.seccomp_mode,
        seccomp_filters=parent.seccomp_filters,
        personality=parent.personality,
        oom_score_adj=parent.oom_score_adj,
        policy=parent.policy,
        rt_priority=parent.rt_priority,
        nice=parent.nice,
        ioprio=parent.ioprio,
        timer_slack=parent.timer_slack,
    )
    if parent.reset_on_fork:  # man 7 sched
        child.policy = SCHED_NORMAL
        child.rt_priority = 0
        child.nice = 0 if parent.rt_priority else max(child.nice, 0)
    if flags & CLONE_FS:
        parent.fs = child.fs = parent.fs or k.new_id()
    k.copy_ldt(parent, child)
    child.vfork_parent = parent.pid if flags & CLONE_VFORK else 0
    t.tasks[pid] = child
    set_thread_space(k, child, space)
    regs = Regs(k, child)
    regs.load(Regs(k, parent).all())
    regs.eax = 0
    if parent.trace is not None and parent.trace.forced_tf:
        regs.eflags &= ~TF  # only the parent is stepped
    if stack:
        regs.esp = stack
    fxsave_write(k, child, fxsave_read(k, parent))
    try:
        if flags & CLONE_SETTLS:
            k.set_thread_area(child, tls)
        if flags & CLONE_PARENT_SETTID:
            put_user32(k, parent_tid, pid)
    except KernelError:
        k.undo_fork(child)
        raise
    if flags & CLONE_CHILD_CLEARTID:
        child.clear_child_tid = child_tid
    how = "vfork" if flags & CLONE_VFORK else "clone" if flags & CLONE_VM else "fork"
    k.emit(
        TaskCreated(
            pid,
            parent.pid,
            child.tgid,
            how,
            child.comm,
            space.id,
            fdtable,
            thread,
            child.blocked,
            sighand,
            child.ppid,
        )
    )
    if flags & CLONE_CLEAR_SIGHAND:
        flush_handlers(k, child)
    if flags & CLONE_CHILD_SETTID:
        _store_tid(k, child, child_tid)
    t.forks += 1
    if parent.trace is not None and (traced or flags & CLONE_PTRACE):
        inherit(k, parent, child)
    enqueue(k, child)
    return pid


def _exit_signal(k: Kernel, parent: Task, flags: int, given: int) -> int:
    if flags & CLONE_THREAD:
        return -1
    if flags & CLONE_PARENT:
        return leader_of(k, parent).exit_signal
    return flags & CSIGNAL if given < 0 else given


def _too_many(k: Kernel, parent: Task) -> bool:
    """Whether the user has as many tasks as RLIMIT_NPROC allows; root may have more."""
    user = parent.cred.uid
    if not user or any(capabilities.holds(parent.cred, one) for one in (CAP_SYS_RESOURCE, CAP_SYS_ADMIN)):
        return False
    limit = k.rlimit(RLIMIT_NPROC)
    return sum(task.cred.uid == user for task in k.tables.tasks.values()) >= limit


def _store_tid(k: Kernel, child: Task, address: int) -> None:
    """CLONE_CHILD_SETTID: the pid, in the child's memory; a bad address is not an error."""
    from kernel.errors import Fault

    space = k.tables.spaces[child.space]
    try:
        if address & 0xFFF <= 0xFFC:
            pa = user_page(k, space, address, write=True)
            k.ram.write(pa, child.pid.to_bytes(4, "little"))
    except Fault:
        pass


__all__ = ["do_fork", "drop_space", "new_thread", "set_thread_space"]
