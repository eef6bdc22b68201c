"""What tasks share: asked for (kcmp) and given up (unshare). Of each kind of namespace there is one.

Linux's kernel/kcmp.c, and kernel/fork.c and nsproxy.c as far as a kernel without namespaces has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import (
    CAP_SYS_ADMIN,
    CAP_SYS_PTRACE,
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CLONE_VM,
)
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.fs import files
from kernel.tables import Task, TaskState

if TYPE_CHECKING:
    from kernel.kernel import Kernel

NAMESPACES = (
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWCGROUP | CLONE_NEWTIME
)
SHARED = CLONE_THREAD | CLONE_FS | CLONE_SIGHAND | CLONE_VM | CLONE_FILES | CLONE_SYSVSEM
KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM = range(7)


def sys_unshare(k: Kernel, unshare_flags: int) -> int:
    """EINVAL for what cannot be undone, and for namespaces; those are EPERM for all but root."""
    flags = unshare_flags
    if flags & CLONE_NEWUSER:
        flags |= CLONE_THREAD | CLONE_FS
    if flags & CLONE_VM:
        flags |= CLONE_SIGHAND
    if flags & CLONE_SIGHAND:
        flags |= CLONE_THREAD
    if flags & CLONE_NEWNS:
        flags |= CLONE_FS
    task = k.task
    if flags & ~(SHARED | NAMESPACES | CLONE_NEWUSER):
        raise KernelError(Errno.EINVAL)
    alone = not any(other is not task and other.tgid == task.tgid for other in k.tables.tasks.values())
    if flags & CLONE_THREAD and not alone:
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_SIGHAND and k.tables.sighands[task.sighand].refs > 1:
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_VM and k.tables.spaces[task.space].refs > 1:
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_NEWUSER:
        raise KernelError(Errno.EINVAL)
    if flags & NAMESPACES:
        raise KernelError(Errno.EINVAL if capable(k, CAP_SYS_ADMIN) else Errno.EPERM)
    if flags & CLONE_FS:
        task.fs = 0
    if flags & CLONE_FILES:
        files.unshare_table(k)
    return 0


def sys_setns(k: Kernel, fd: int, flags: int) -> int:
    """No descriptor is one of a namespace."""
    files.get_file(k, fd)
    raise KernelError(Errno.EINVAL)


def sys_kcmp(k: Kernel, pid1: int, pid2: int, type: int, idx1: int, idx2: int) -> int:
    """0: the same; 1 and 2: the first one's comes before or after the second one's."""
    tasks = k.tables.tasks
    one, other = tasks.get(pid1), tasks.get(pid2)
    if one is None or other is None or not pid1 or not pid2:
        raise KernelError(Errno.ESRCH)
    if not all(_may_look(k, task) for task in (one, other)):
        raise KernelError(Errno.EPERM)
    if type == KCMP_FILE:
        first, second = _file(k, one, idx1), _file(k, other, idx2)
    elif type == KCMP_VM:
        first, second = one.space, other.space
    elif type == KCMP_FILES:
        first, second = one.fdtable, other.fdtable
    elif type == KCMP_FS:
        same = one is other or (one.fs and one.fs == other.fs)
        first, second = (0, 0) if same else (one.pid, other.pid)
    elif type == KCMP_SIGHAND:
        first, second = one.sighand, other.sighand
    elif type in (KCMP_IO, KCMP_SYSVSEM):
        first = second = 0
    else:
        raise KernelError(Errno.EINVAL)
    return (first < second) + 2 * (first > second)


def _may_look(k: Kernel, task: Task) -> bool:
    """Whether the current task may see inside another one (`ptrace_may_access`)."""
    mine, its = k.task.cred, task.cred
    same = {mine.uid} == {its.uid, its.euid, its.suid} and {mine.gid} == {its.gid, its.egid, its.sgid}
    return task.tgid == k.task.tgid or capable(k, CAP_SYS_PTRACE) or (same and bool(task.dumpable))


def _file(k: Kernel, task: Task, fd: int) -> int:
    table = k.tables.fdtables.get(task.fdtable)
    if table is None or task.state == TaskState.ZOMBIE or fd not in table.fds:
        raise KernelError(Errno.EBADF)
    return table.fds[fd]
