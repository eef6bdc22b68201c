"""System calls that make and serve files that are none: epoll, eventfd, timerfd, signalfd, pidfd.

Here arguments are checked in Linux's order; what the files do is in the rooms of these names in `kernel.fs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    EFD_SEMAPHORE,
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLERR,
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLWAKEUP,
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDWR,
    TFD_TIMER_ABSTIME,
    TFD_TIMER_CANCEL_ON_SET,
)
from kernel.abi.mman import TASK_SIZE
from kernel.abi.process import CAP_SYS_PTRACE, CAP_WAKE_ALARM, PIDFD_THREAD
from kernel.abi.sigframe import SIGINFO_SIZE, Siginfo
from kernel.abi.signal import SI_TKILL, SI_USER
from kernel.abi.structs import EpollEvent, Itimerspec, Itimerspec64, Timespec64
from kernel.abi.time import (
    CLOCK_BOOTTIME,
    CLOCK_BOOTTIME_ALARM,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    CLOCK_REALTIME_ALARM,
    NSEC_PER_SEC,
    time_bytes,
)
from kernel.capabilities import capable
from kernel.errors import Blocked, KernelError
from kernel.fs import epoll, eventfd, files, signalfd, timerfd
from kernel.fs.files import anonymous_file, get_file
from kernel.fs.operations import can_poll
from kernel.fs.procfs import process_of
from kernel.signals.frame import info_from
from kernel.signals.state import UNBLOCKABLE, kill_permitted, send_signal, signal_pending
from kernel.syscalls.poll import NEVER, SIGSET_SIZE, deadline_of, read_time, restore_mask, swap_mask
from kernel.tables import Epoll, OpenFile, SigInfo, Task, TaskState, Timerfd
from kernel.uaccess import signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

FILE_FLAGS = O_CLOEXEC | O_NONBLOCK
EP_MAX_EVENTS = 0x7FFF_FFFF // EpollEvent.SIZE
EXCLUSIVE_OK = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE
SIGNAL_SCOPES = (0, 1, 2, 4)
"""Of pidfd_send_signal: what the descriptor says, the thread, the thread group, the process group."""


def _refuse_unless(condition: bool, errno: Errno) -> None:
    if not condition:
        raise KernelError(errno)


# --- eventfd ------------------------------------------------------------------------------------------------


def sys_eventfd2(k: Kernel, count: int, flags: int) -> int:
    _refuse_unless(not flags & ~(FILE_FLAGS | EFD_SEMAPHORE), Errno.EINVAL)
    _ready_for_one(k)
    number = eventfd.create(k, count, bool(flags & EFD_SEMAPHORE))
    return _anonymous(k, "eventfd", O_RDWR, number, "[eventfd]", flags)


def sys_eventfd(k: Kernel, count: int) -> int:
    return sys_eventfd2(k, count, 0)


def _ready_for_one(k: Kernel) -> None:
    """EMFILE and ENFILE before anything is made."""
    files.free_fds(k, 1)
    files.need_files(k, 1)


def _anonymous(k: Kernel, kind: str, access: int, number: int, name: str, flags: int) -> int:
    cloexec = bool(flags & O_CLOEXEC)
    return anonymous_file(k, kind, access | flags & O_NONBLOCK, number, name, cloexec)


# --- timerfd ------------------------------------------------------------------------------------------------


def sys_timerfd_create(k: Kernel, clockid: int, flags: int) -> int:
    clocks = (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM)
    _refuse_unless(not flags & ~FILE_FLAGS and clockid in clocks, Errno.EINVAL)
    if clockid in (CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM) and not capable(k, CAP_WAKE_ALARM):
        raise KernelError(Errno.EPERM)
    _ready_for_one(k)
    return _anonymous(k, "timerfd", O_RDWR, timerfd.create(k, clockid), "[timerfd]", flags)


def _timer(k: Kernel, fd: int) -> Timerfd:
    file = get_file(k, fd)
    _refuse_unless(file.kind == "timerfd", Errno.EINVAL)
    return k.tables.timerfds[file.object]


Spec = type[Itimerspec] | type[Itimerspec64]


def _read_spec(k: Kernel, address: int, build: Spec) -> tuple[int, int]:
    """Interval and value in nanoseconds. EINVAL unless both are times."""
    spec = build.unpack(uaccess.copy_from_user(k, address, build.SIZE))
    out = []
    for seconds, part in ((spec.interval_sec, spec.interval_nsec), (spec.value_sec, spec.value_nsec)):
        if build is Itimerspec64:
            part &= 0xFFFF_FFFF
        _refuse_unless(seconds >= 0 and 0 <= part < NSEC_PER_SEC, Errno.EINVAL)
        out.append(seconds * NSEC_PER_SEC + part)
    return out[0], out[1]


def _put_spec(k: Kernel, address: int, left: int, interval: int, build: Spec) -> None:
    uaccess.copy_to_user(k, address, time_bytes(build is Itimerspec64, interval, left))


def _settime(k: Kernel, ufd: int, flags: int, utmr: int, otmr: int, build: Spec) -> int:
    spec = build.unpack(uaccess.copy_from_user(k, utmr, build.SIZE))
    del spec  # EFAULT comes before all else
    _refuse_unless(not flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET), Errno.EINVAL)
    interval, value = _read_spec(k, utmr, build)
    timer = _timer(k, ufd)
    old = timerfd.time_left(k, timer)
    timer.flags = flags
    timerfd.set_time(k, timer, value, interval, bool(flags & TFD_TIMER_ABSTIME))
    if otmr:
        _put_spec(k, otmr, *old, build)
    return 0


def sys_timerfd_settime(k: Kernel, ufd: int, flags: int, utmr: int, otmr: int) -> int:
    return _settime(k, ufd, flags, utmr, otmr, Itimerspec)


def sys_timerfd_settime64(k: Kernel, ufd: int, flags: int, utmr: int, otmr: int) -> int:
    return _settime(k, ufd, flags, utmr, otmr, Itimerspec64)


def sys_timerfd_gettime(k: Kernel, ufd: int, otmr: int) -> int:
    _put_spec(k, otmr, *timerfd.time_left(k, _timer(k, ufd)), Itimerspec)
    return 0


def sys_timerfd_gettime64(k: Kernel, ufd: int, otmr: int) -> int:
    _put_spec(k, otmr, *timerfd.time_left(k, _timer(k, ufd)), Itimerspec64)
    return 0


# --- signalfd -----------------------------------------------------------------------------------------------


def sys_signalfd4(k: Kernel, ufd: int, user_mask: int, sizemask: int, flags: int) -> int:
    _refuse_unless(sizemask == SIGSET_SIZE, Errno.EINVAL)
    mask = int.from_bytes(uaccess.copy_from_user(k, user_mask, SIGSET_SIZE), "little") & ~UNBLOCKABLE
    _refuse_unless(not flags & ~FILE_FLAGS, Errno.EINVAL)
    if signed(ufd) == -1:
        _ready_for_one(k)
        return _anonymous(k, "signalfd", O_RDWR, signalfd.create(k, mask), "[signalfd]", flags)
    file = get_file(k, ufd)
    _refuse_unless(file.kind == "signalfd", Errno.EINVAL)
    signalfd.set_mask(k, k.tables.signalfds[file.object], mask)
    return ufd


def sys_signalfd(k: Kernel, ufd: int, user_mask: int, sizemask: int) -> int:
    return sys_signalfd4(k, ufd, user_mask, sizemask, 0)


# --- epoll --------------------------------------------------------------------------------------------------


def sys_epoll_create1(k: Kernel, flags: int) -> int:
    _refuse_unless(not flags & ~EPOLL_CLOEXEC, Errno.EINVAL)
    _ready_for_one(k)
    made = epoll.create(k)
    fd = _anonymous(k, "epoll", O_RDWR, made.id, "[eventpoll]", flags)
    made.file = files.current_table(k).fds[fd]
    return fd


def sys_epoll_create(k: Kernel, size: int) -> int:
    _refuse_unless(signed(size) > 0, Errno.EINVAL)
    return sys_epoll_create1(k, 0)


def sys_epoll_ctl(k: Kernel, epfd: int, op: int, fd: int, event: int) -> int:
    given = EpollEvent(0, 0)
    if op != EPOLL_CTL_DEL:
        given = EpollEvent.unpack(uaccess.copy_from_user(k, event, EpollEvent.SIZE))
    file = get_file(k, epfd)
    target = get_file(k, fd)
    _refuse_unless(can_poll(k, target), Errno.EPERM)
    _refuse_unless(file is not target and file.kind == "epoll", Errno.EINVAL)
    if op != EPOLL_CTL_DEL and given.events & EPOLLEXCLUSIVE:
        wrong = op == EPOLL_CTL_MOD or target.kind == "epoll" or given.events & ~EXCLUSIVE_OK
        _refuse_unless(not (wrong and op in (EPOLL_CTL_ADD, EPOLL_CTL_MOD)), Errno.EINVAL)
    return _change(k, k.tables.epolls[file.object], op, target, fd, given)


def _change(k: Kernel, owner: Epoll, op: int, target: OpenFile, fd: int, given: EpollEvent) -> int:
    if op == EPOLL_CTL_ADD and target.kind == "epoll":
        epoll.check_loop(k, owner, target)
    item = epoll.find(k, owner, target, fd)
    events = given.events | EPOLLERR | EPOLLHUP
    if op == EPOLL_CTL_ADD:
        _refuse_unless(item is None, Errno.EEXIST)
        epoll.add(k, owner, target, fd, events, given.data)
    elif op in (EPOLL_CTL_DEL, EPOLL_CTL_MOD):
        if item is None:
            raise KernelError(Errno.ENOENT)
        if op == EPOLL_CTL_DEL:
            epoll.remove(k, item)
        else:
            _refuse_unless(not item.events & EPOLLEXCLUSIVE, Errno.EINVAL)
            epoll.modify(k, item, events, given.data)
    else:
        raise KernelError(Errno.EINVAL)
    return 0


def _epoll_wait(k: Kernel, epfd: int, address: int, maxevents: int, deadline: int) -> int:
    file = get_file(k, epfd)
    _refuse_unless(0 < signed(maxevents) <= EP_MAX_EVENTS, Errno.EINVAL)
    _refuse_unless(address + maxevents * EpollEvent.SIZE <= TASK_SIZE, Errno.EFAULT)
    _refuse_unless(file.kind == "epoll", Errno.EINVAL)
    owner = k.tables.epolls[file.object]

    def put(place: int, events: int, data: int) -> bool:
        at = address + place * EpollEvent.SIZE
        return uaccess.copy_to_user_partial(k, at, EpollEvent(events, data).pack()) == EpollEvent.SIZE

    found = epoll.send_events(k, owner, maxevents, put)
    if found:
        return found
    if 0 <= deadline <= k.now:
        return 0
    if signal_pending(k, k.task):
        raise KernelError(Errno.EINTR)
    k.task.progress = [deadline]
    raise Blocked(f"epoll:{owner.id}:wait", deadline=deadline, restart=Errno.EINTR)


def sys_epoll_wait(k: Kernel, epfd: int, events: int, maxevents: int, timeout: int) -> int:
    return _epoll_wait(k, epfd, events, maxevents, _milliseconds(k, timeout))


def _milliseconds(k: Kernel, timeout: int) -> int:
    return deadline_of(k, signed(timeout) * 1_000_000 if signed(timeout) >= 0 else NEVER)


def _masked_wait(
    k: Kernel, epfd: int, events: int, maxevents: int, deadline: int, sigmask: int, size: int
) -> int:
    """The mask stays as it is when a signal ends the call: the way back to user mode restores it."""
    swap_mask(k, sigmask, size)
    try:
        result = _epoll_wait(k, epfd, events, maxevents, deadline)
    except KernelError as error:
        if error.errno != Errno.EINTR:
            restore_mask(k)
        raise
    restore_mask(k)
    return result


def sys_epoll_pwait(
    k: Kernel, epfd: int, events: int, maxevents: int, timeout: int, sigmask: int, sigsetsize: int
) -> int:
    return _masked_wait(k, epfd, events, maxevents, _milliseconds(k, timeout), sigmask, sigsetsize)


def sys_epoll_pwait2(
    k: Kernel, epfd: int, events: int, maxevents: int, timeout: int, sigmask: int, sigsetsize: int
) -> int:
    deadline = deadline_of(k, read_time(k, timeout, Timespec64))
    return _masked_wait(k, epfd, events, maxevents, deadline, sigmask, sigsetsize)


# --- pidfd --------------------------------------------------------------------------------------------------


def sys_pidfd_open(k: Kernel, pid: int, flags: int) -> int:
    _refuse_unless(not flags & ~(O_NONBLOCK | PIDFD_THREAD) and signed(pid) > 0, Errno.EINVAL)
    task = k.tables.tasks.get(pid)
    if task is None:
        raise KernelError(Errno.ESRCH)
    _refuse_unless(task.pid == task.tgid or bool(flags & PIDFD_THREAD), Errno.ENOENT)
    _ready_for_one(k)
    return _anonymous(k, "pidfd", O_RDWR | flags & PIDFD_THREAD, pid, "[pidfd]", flags | O_CLOEXEC)


def _process(k: Kernel, fd: int) -> Task:
    """The process behind a pidfd: EBADF for other files, ESRCH once it is gone."""
    file = get_file(k, fd)
    _refuse_unless(file.kind == "pidfd", Errno.EBADF)
    return _living(k, file.object)


def _living(k: Kernel, pid: int) -> Task:
    task = k.tables.tasks.get(pid)
    if task is None:
        raise KernelError(Errno.ESRCH)
    return task


def sys_pidfd_send_signal(k: Kernel, pidfd: int, sig: int, info: int, flags: int) -> int:
    """An open /proc/PID serves as a pidfd, as it did before there were any (tgid_pidfd_to_pid)."""
    _refuse_unless(flags in SIGNAL_SCOPES, Errno.EINVAL)
    file = get_file(k, pidfd)
    pid = file.object if file.kind == "pidfd" else process_of(file.inode)
    _refuse_unless(pid > 0, Errno.EBADF)
    task = k.task
    sent = SigInfo(sig, SI_USER, pid=task.tgid, uid=task.cred.uid)
    if info:
        given = Siginfo.unpack(uaccess.copy_from_user(k, info, SIGINFO_SIZE))
        _refuse_unless(given.si_signo == sig, Errno.EINVAL)
        if pid != task.pid and (given.si_code >= 0 or given.si_code == SI_TKILL):
            raise KernelError(Errno.EPERM)
        sent = info_from(given, sig)
    elif _to_thread(file, flags):
        sent.code = SI_TKILL
    target = _living(k, pid)
    _refuse_unless(sig <= 64, Errno.EINVAL)
    _refuse_unless(kill_permitted(k, target, sig), Errno.EPERM)
    targets = [target]
    if flags == SIGNAL_SCOPES[3]:
        every = k.tables.tasks.values()
        targets = [one for one in every if one.pgrp == target.pgrp and one.pid == one.tgid]
    if sig:
        for one in targets:
            error = send_signal(k, one, SigInfo(**_fields(sent)), shared=not _to_thread(file, flags))
            _refuse_unless(not error, Errno.EAGAIN)
    return 0


def _fields(info: SigInfo) -> dict[str, int]:
    return {name: getattr(info, name) for name in SigInfo.__struct_fields__}


def _to_thread(file: OpenFile, flags: int) -> bool:
    return flags == 1 or (not flags and file.kind == "pidfd" and bool(file.flags & PIDFD_THREAD))


def sys_pidfd_getfd(k: Kernel, pidfd: int, fd: int, flags: int) -> int:
    _refuse_unless(not flags, Errno.EINVAL)
    task = _process(k, pidfd)
    mine, its = k.task.cred, task.cred
    same = {mine.uid} == {its.uid, its.euid, its.suid} and {mine.gid} == {its.gid, its.egid, its.sgid}
    _refuse_unless(task.tgid == k.task.tgid or capable(k, CAP_SYS_PTRACE) or same, Errno.EPERM)
    _refuse_unless(task.state != TaskState.ZOMBIE, Errno.ESRCH)
    number = k.tables.fdtables[task.fdtable].fds.get(fd)
    if number is None:
        raise KernelError(Errno.EBADF)
    return files.install_fd(k, k.tables.files[number], cloexec=True)
