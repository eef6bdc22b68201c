"""Processes: making, ending, waiting, identities, TLS (man 2 fork, wait, set_thread_area, ...)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from cpu.descriptors import Descriptor
from kernel.abi.errno import Errno
from kernel.abi.files import O_NONBLOCK, O_RDWR
from kernel.abi.mman import TASK_SIZE
from kernel.abi.process import __WALL as WALL
from kernel.abi.process import __WCLONE as WCLONE
from kernel.abi.process import __WNOTHREAD as WNOTHREAD
from kernel.abi.process import (
    CAP_CHECKPOINT_RESTORE,
    CLONE_ARGS_SIZE_VER0,
    CLONE_ARGS_SIZE_VER2,
    CLONE_CLEAR_SIGHAND,
    CLONE_DETACHED,
    CLONE_PARENT,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    CSIGNAL,
    P_ALL,
    P_PGID,
    P_PID,
    P_PIDFD,
    PER_QUERY,
    PIDFD_THREAD,
    PTRACE_EVENT_EXIT,
    PTRACE_EVENT_VFORK_DONE,
    WCONTINUED,
    WEXITED,
    WNOHANG,
    WNOWAIT,
    WSTOPPED,
)
from kernel.abi.signal import (
    CLD_CONTINUED,
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    CLD_TRAPPED,
    SIGCHLD,
    SIGCONT,
)
from kernel.abi.structs import CloneArgs
from kernel.capabilities import capable
from kernel.cputime import adopt_usage
from kernel.errors import Blocked, KernelError
from kernel.exit import do_exit, do_group_exit, eligible, end_others, is_whole, reap
from kernel.fork import do_fork
from kernel.fs.files import anonymous_file, free_fds, get_file, need_files
from kernel.mm.frames import alloc_frame
from kernel.ptrace import stops
from kernel.sched import GDT_TLS
from kernel.signals.pending import is_dying
from kernel.syscalls.usage import child_rusage
from kernel.tables import Task, TaskState
from kernel.thread import PAGE_OFFSET
from kernel.uaccess import (
    copy_from_user,
    copy_to_user,
    put_user32,
    signed,
)

if TYPE_CHECKING:
    from kernel.kernel import Kernel

_USER_DESC = struct.Struct("<IIII")
LDT_ENTRIES = 512


def sys_personality(k: Kernel, personality: int) -> int:
    """What it was before."""
    before = k.task.personality
    if personality != PER_QUERY:
        k.task.personality = personality
    return before


def sys_fork(k: Kernel) -> int:
    return do_fork(k, SIGCHLD)


def sys_vfork(k: Kernel) -> int:
    return _fork_and_wait(k, CLONE_VFORK | CLONE_VM | SIGCHLD, 0, 0, 0, 0)


def sys_clone(k: Kernel, flags: int, stack: int, parent_tid: int, tls: int, child_tid: int) -> int:
    if flags & CLONE_PIDFD and flags & (CLONE_PARENT_SETTID | CLONE_DETACHED):
        raise KernelError(Errno.EINVAL)
    return _fork_and_wait(k, flags, stack, parent_tid, tls, child_tid, pidfd=parent_tid)


CLONE3_KNOWN = 0xFFFF_FFFF | CLONE_CLEAR_SIGHAND
PAGE_SIZE = 4096


def sys_clone3(k: Kernel, uargs: int, size: int) -> int:
    """clone with its arguments in memory; its stack is given by its lower end and size (man 2 clone)."""
    if k.task.progress:
        return _after_fork(k)
    if size > PAGE_SIZE:
        raise KernelError(Errno.E2BIG)
    if size < CLONE_ARGS_SIZE_VER0:
        raise KernelError(Errno.EINVAL)
    data = copy_from_user(k, uargs, size)
    if any(data[CLONE_ARGS_SIZE_VER2:]):
        raise KernelError(Errno.E2BIG)
    args = CloneArgs.unpack(data[:CLONE_ARGS_SIZE_VER2].ljust(CLONE_ARGS_SIZE_VER2, b"\0"))
    flags = args.flags
    if args.set_tid_size > 32 or bool(args.set_tid) != bool(args.set_tid_size):
        raise KernelError(Errno.EINVAL)
    if args.exit_signal > 64 or flags & ~CLONE3_KNOWN or flags & (CLONE_DETACHED | CSIGNAL):
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_SIGHAND and flags & CLONE_CLEAR_SIGHAND:
        raise KernelError(Errno.EINVAL)
    if flags & (CLONE_THREAD | CLONE_PARENT) and args.exit_signal:
        raise KernelError(Errno.EINVAL)
    if bool(args.stack) != bool(args.stack_size) or args.stack + args.stack_size > TASK_SIZE:
        raise KernelError(Errno.EINVAL)
    if args.set_tid_size:
        raise KernelError(Errno.EINVAL if capable(k, CAP_CHECKPOINT_RESTORE) else Errno.EPERM)
    stack = args.stack + args.stack_size
    parent_tid, tls, child_tid = (word & 0xFFFF_FFFF for word in (args.parent_tid, args.tls, args.child_tid))
    pidfd = args.pidfd & 0xFFFF_FFFF
    return _fork_and_wait(k, flags, stack, parent_tid, tls, child_tid, args.exit_signal, pidfd)


def _fork_and_wait(
    k: Kernel,
    flags: int,
    stack: int,
    parent_tid: int,
    tls: int,
    child_tid: int,
    exit_signal: int = -1,
    pidfd: int = 0,
) -> int:
    task = k.task
    if not task.progress:
        event = stops.clone_event(task, flags, flags & CSIGNAL if exit_signal < 0 else exit_signal)
        if flags & CLONE_PIDFD:  # its number is told first: nothing is made if that cannot be
            number = free_fds(k, 1)[0]
            need_files(k, 1)
            put_user32(k, pidfd, number)
        pid = do_fork(k, flags, stack, parent_tid, tls, child_tid, exit_signal, bool(event))
        if flags & CLONE_PIDFD:
            access = O_RDWR | (PIDFD_THREAD if flags & CLONE_THREAD else 0)
            anonymous_file(k, "pidfd", access, pid, "[pidfd]", cloexec=True)
        if not flags & CLONE_VFORK and not event:
            return pid
        task.progress = [pid, WAITS if flags & CLONE_VFORK else GOES_ON]
        if event:
            stops.stop_inside(k, event, pid)
    return _after_fork(k)


GOES_ON, WAITS = range(2)
"""What is left to do after a fork: nothing, or to wait until the child needs the memory no longer."""


def _after_fork(k: Kernel) -> int:
    """The second half of a fork in which the task waits, or has stopped for its tracer; the child's pid."""
    task = k.task
    pid, left = task.progress
    child = k.tables.tasks.get(pid)
    if child is not None and child.vfork_parent == task.pid:
        if is_dying(k, task):
            child.vfork_parent = 0
            return pid
        raise Blocked(f"vfork:{child.pid}", interruptible=False)
    if left == WAITS:
        task.progress = [pid, GOES_ON]
        stops.stop_inside(k, PTRACE_EVENT_VFORK_DONE, pid)
    return pid


def sys_exit(k: Kernel, code: int) -> int:
    status = (code & 0xFF) << 8
    if k.task.trace is not None and not k.task.progress:
        k.task.progress = [status]
        stops.stop_inside(k, PTRACE_EVENT_EXIT, status)
    do_exit(k, status)
    return 0


def sys_exit_group(k: Kernel, code: int) -> int:
    status = (code & 0xFF) << 8
    if k.task.trace is not None and not k.task.progress:
        k.task.progress = [status]
        end_others(k, k.task, status)
        stops.stop_inside(k, PTRACE_EVENT_EXIT, status)
    do_group_exit(k, status)
    return 0


# Waiting for children.


def _find_child(k: Kernel, which: int, number: int, options: int) -> tuple[Task, int, int] | None:
    """A child with news as (task, CLD_ code, status), or None; ECHILD without any child to wait for."""
    parent = k.task
    tasks = k.tables.tasks
    found = False
    others: list[Task] = []
    for child in tasks.values():
        if (which == P_PID and child.pid != number) or (which == P_PGID and child.pgrp != number):
            continue
        tracer = tasks.get(child.trace.tracer) if child.trace is not None else None
        traced = tracer is not None and (
            tracer.pid == parent.pid if options & WNOTHREAD else tracer.tgid == parent.tgid
        )
        if child.ppid != parent.tgid or child.pid != child.tgid:
            if traced:
                others.append(child)
        elif traced or eligible(child, parent, options):
            found = True
            news = _news(k, child, options, traced)
            if news is not None:
                return news
    for child in sorted(others, key=lambda one: -one.trace.order if one.trace is not None else 0):
        found = True
        news = _news(k, child, options, traced=True)
        if news is not None:
            return news
    if not found:
        raise KernelError(Errno.ECHILD)
    return None


def _news(k: Kernel, child: Task, options: int, traced: bool) -> tuple[Task, int, int] | None:
    """What there is to tell of a child, or of a task that the caller traces (wait_consider_task)."""
    hidden = child.trace is not None and not traced
    if child.state == TaskState.ZOMBIE:
        if options & WEXITED and not hidden and is_whole(k, child):
            own = child.pid != child.tgid or child.group_status < 0
            status = child.exit_status if own else child.group_status
            return child, _how_it_ended(status), status
    elif traced:
        listening = child.trace is not None and child.trace.listening
        if child.state == TaskState.TRACED and child.stop_code and not listening:
            return child, CLD_TRAPPED, child.stop_code << 8 | 0x7F
    elif options & WSTOPPED and child.state == TaskState.STOPPED and not child.stop_reported:
        return child, CLD_STOPPED, child.stop_signal << 8 | 0x7F
    if child.state != TaskState.ZOMBIE and options & WCONTINUED and child.continued:
        return child, CLD_CONTINUED, 0xFFFF
    return None


def _how_it_ended(status: int) -> int:
    if not status & 0x7F:
        return CLD_EXITED
    return CLD_DUMPED if status & 0x80 else CLD_KILLED


def _take(k: Kernel, child: Task, code: int, options: int) -> None:
    if options & WNOWAIT:
        return
    if code == CLD_TRAPPED:
        child.stop_code = 0
    elif code == CLD_STOPPED:
        child.stop_reported = True
    elif code == CLD_CONTINUED:
        child.continued = False
    else:
        if child.ppid == k.task.tgid and child.pid == child.tgid:
            adopt_usage(k, k.task, child)
        reap(k, child, by=k.task.pid)


def sys_wait4(k: Kernel, pid: int, status: int, options: int, rusage: int) -> int:
    if options & ~(WNOHANG | WSTOPPED | WCONTINUED | WALL | WCLONE | WNOTHREAD):
        raise KernelError(Errno.EINVAL)
    number = signed(pid)
    if number == -0x8000_0000:
        raise KernelError(Errno.ESRCH)
    if number == -1:
        which = P_ALL
    elif number < 0:
        which, number = P_PGID, -number
    elif number == 0:
        which, number = P_PGID, k.task.pgrp
    else:
        which = P_PID
    found = _find_child(k, which, number, options | WEXITED)
    if found is None:
        if options & WNOHANG:
            return 0
        raise Blocked(f"child:{k.task.tgid}")
    child, code, value = found
    used = child_rusage(k, child)
    _take(k, child, code, options)
    if status:
        put_user32(k, status, value)
    if rusage:
        copy_to_user(k, rusage, used)
    return child.pid


def sys_waitpid(k: Kernel, pid: int, status: int, options: int) -> int:
    return sys_wait4(k, pid, status, options, 0)


def sys_waitid(k: Kernel, which: int, number: int, info: int, options: int, rusage: int) -> int:
    allowed = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | WNOTHREAD | WCLONE | WALL
    if options & ~allowed or not options & (WEXITED | WSTOPPED | WCONTINUED):
        raise KernelError(Errno.EINVAL)
    waits = True
    if which == P_PIDFD:
        if signed(number) < 0:
            raise KernelError(Errno.EINVAL)
        file = get_file(k, number)
        if file.kind != "pidfd":
            raise KernelError(Errno.EBADF)
        which, number, waits = P_PID, file.object, not file.flags & O_NONBLOCK
    bad_pid = which == P_PID and signed(number) <= 0
    if which not in (P_ALL, P_PID, P_PGID) or bad_pid or (which == P_PGID and signed(number) < 0):
        raise KernelError(Errno.EINVAL)
    if which == P_PGID and not number:
        number = k.task.pgrp
    found = _find_child(k, which, number, options)
    if found is None:
        if not options & WNOHANG:
            if not waits:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(f"child:{k.task.tgid}")
        if info:
            copy_to_user(k, info, bytes(24))
        return 0
    child, code, status = found
    used = child_rusage(k, child)
    _take(k, child, code, options)
    if rusage:
        copy_to_user(k, rusage, used)
    if info:
        if code == CLD_CONTINUED:
            value = SIGCONT
        elif code == CLD_TRAPPED:
            value = status >> 8
        elif code in (CLD_EXITED, CLD_STOPPED):
            value = status >> 8 & 0xFF
        else:
            value = status & 0x7F
        copy_to_user(k, info, struct.pack("<6i", SIGCHLD, 0, code, child.pid, child.cred.uid, value))
    return 0


# Process ids.


def sys_getpid(k: Kernel) -> int:
    return k.task.tgid


def sys_gettid(k: Kernel) -> int:
    return k.task.pid


def sys_getppid(k: Kernel) -> int:
    return k.task.ppid


# Groups and sessions.


def _task(k: Kernel, pid: int) -> Task:
    if not pid:
        return k.task
    task = k.tables.tasks.get(pid)
    if task is None or pid == 0:
        raise KernelError(Errno.ESRCH)
    return task


def sys_getpgrp(k: Kernel) -> int:
    return k.task.pgrp


def sys_getpgid(k: Kernel, pid: int) -> int:
    return _task(k, pid).pgrp


def sys_getsid(k: Kernel, pid: int) -> int:
    return _task(k, pid).session


def sys_setpgid(k: Kernel, pid: int, pgid: int) -> int:
    me = k.task
    pid = pid or me.tgid
    pgid = pgid or pid
    if signed(pgid) < 0:
        raise KernelError(Errno.EINVAL)
    task = _task(k, pid)
    if task.pid != me.tgid and task.ppid != me.tgid:
        raise KernelError(Errno.ESRCH)
    if (task.pid != me.tgid and task.session != me.session) or task.session == task.pid:
        raise KernelError(Errno.EPERM)
    if task.pid != me.tgid and task.name_changed:
        raise KernelError(Errno.EACCES)
    if pgid != task.pid and not any(
        other.pgrp == pgid and other.session == me.session for other in k.tables.tasks.values()
    ):
        raise KernelError(Errno.EPERM)
    for other in k.tables.tasks.values():
        if other.tgid == task.tgid:
            other.pgrp = pgid
    return 0


def sys_setsid(k: Kernel) -> int:
    me = k.task
    if any(other.pgrp == me.tgid for other in k.tables.tasks.values()):
        raise KernelError(Errno.EPERM)
    me.session = me.pgrp = me.tgid
    return me.session


# Threads' own things.


def _descriptor(base: int, limit: int, flags: int) -> int:
    """A GDT entry from a user_desc (asm/ldt.h: fill_ldt)."""
    seg_32bit, contents, read_exec_only = flags & 1, flags >> 1 & 3, flags >> 3 & 1
    limit_in_pages, not_present, useable = flags >> 4 & 1, flags >> 5 & 1, flags >> 6 & 1
    empty = not base and not limit and not seg_32bit and not contents and not limit_in_pages and not useable
    if empty and read_exec_only == not_present:
        return 0
    kind = (0 if read_exec_only else 2) | contents << 2 | 1
    access = kind | 0x10 | 0x60 | (0 if not_present else 0x80)
    return Descriptor(base, limit & 0xFFFFF, access, limit_in_pages << 3 | seg_32bit << 2 | useable).pack()


def set_thread_area(k: Kernel, task: Task, address: int, can_allocate: bool) -> int:
    """Fill a TLS slot of the GDT from the user_desc at `address` (man 2 set_thread_area)."""
    data = copy_from_user(k, address, 16)
    entry = _USER_DESC.unpack(data)[0]
    given = fill_thread_area(k, task, data, -1 if signed(entry) == -1 and can_allocate else entry)
    if given != entry:
        put_user32(k, address, given)
    return 0


def fill_thread_area(k: Kernel, task: Task, data: bytes, entry: int) -> int:
    """TLS slot `entry`, or for -1 a free one, becomes what the user_desc `data` says; which it is."""
    _, base, limit, flags = _USER_DESC.unpack(data)
    empty = not base and not limit and flags & 0x7F == 0x28
    if not empty and (not flags & 1 or flags >> 1 & 3 > 1 or flags & 0x20) and flags & 0x7F:
        raise KernelError(Errno.EINVAL)
    if entry == -1:
        free = [n for n in range(3) if not task.tls[n]]
        if not free:
            raise KernelError(Errno.ESRCH)
        entry = GDT_TLS + free[0]
    if not GDT_TLS <= entry < GDT_TLS + 3:
        raise KernelError(Errno.EINVAL)
    task.tls[entry - GDT_TLS] = 0 if empty else _descriptor(base, limit, flags)
    if task.pid == k.tables.current:
        k.load_tls()
    return entry


def sys_set_thread_area(k: Kernel, address: int) -> int:
    return set_thread_area(k, k.task, address, can_allocate=True)


def sys_get_thread_area(k: Kernel, address: int) -> int:
    entry = _USER_DESC.unpack(copy_from_user(k, address, 16))[0]
    if not GDT_TLS <= entry < GDT_TLS + 3:
        raise KernelError(Errno.EINVAL)
    copy_to_user(k, address, user_desc(entry, k.task.tls[entry - GDT_TLS]))
    return 0


def user_desc(entry: int, word: int) -> bytes:
    """`struct user_desc` of a descriptor."""
    one = Descriptor.unpack(word)
    flags = (
        (one.flags >> 2 & 1)
        | (one.access >> 2 & 3) << 1
        | (0 if one.access & 2 else 1) << 3
        | (one.flags >> 3 & 1) << 4
        | (0 if one.present else 1) << 5
        | (one.flags & 1) << 6
    )
    return _USER_DESC.pack(entry, one.base, one.limit, flags if word else 0x28)


def sys_modify_ldt(k: Kernel, function: int, address: int, count: int) -> int:
    """Read (0) or write (1, 0x11) the task's local descriptor table; up to 512 entries."""
    task = k.task
    if function == 0:
        if not task.ldt:
            return 0
        data = k.ram.read(task.ldt << 12, min(count, LDT_ENTRIES * 8))
        copy_to_user(k, address, data)
        return len(data)
    if function == 2:
        size = min(count, 128)
        copy_to_user(k, address, bytes(size))
        return size
    if function not in (1, 0x11):
        raise KernelError(Errno.ENOSYS)
    if count != 16:
        raise KernelError(Errno.EINVAL)
    entry, base, limit, flags = _USER_DESC.unpack(copy_from_user(k, address, 16))
    if entry >= LDT_ENTRIES or (flags >> 1 & 3 == 3 and (function == 1 or not flags & 0x20)):
        raise KernelError(Errno.EINVAL)
    if not task.ldt:
        task.ldt = alloc_frame(k)
        k.set_ldt_selector(task)
        k.load_tls()
        k.core.load_ldt(0x88, PAGE_OFFSET + (task.ldt << 12), 0xFFF)
    word = 0 if not base and not limit and function == 1 else _descriptor(base, limit, flags)
    k.ram.u64[(task.ldt << 9) + entry] = word
    return 0


def sys_set_tid_address(k: Kernel, address: int) -> int:
    k.task.clear_child_tid = address
    return k.task.pid


def sys_rseq(k: Kernel, address: int, length: int, flags: int, signature: int) -> int:
    """Register a restartable-sequences area; there is one processor, number 0 (linux/rseq.h)."""
    task = k.task
    if flags & ~1 or (flags & 1 and not task.rseq):
        raise KernelError(Errno.EINVAL)
    if flags & 1:
        if address != task.rseq:
            raise KernelError(Errno.EINVAL)
        task.rseq = 0
        return 0
    if task.rseq:
        raise KernelError(Errno.EBUSY if task.rseq == address else Errno.EINVAL)
    if address & 31 or length < 32:
        raise KernelError(Errno.EINVAL)
    copy_to_user(k, address, struct.pack("<IIQI", 0, 0, 0, 0))
    task.rseq = address
    return 0
