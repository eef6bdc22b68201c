"""System calls about signals: arguments checked as Linux does, the work done in `kernel.signals`.

The older calls know 32 signals and `signal` even less; the `rt_` ones know all 64. Timers that send signals
(`alarm`, `setitimer`) are not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import ERESTARTNOHAND, Errno
from kernel.abi.sigframe import SIGINFO_SIZE, Siginfo
from kernel.abi.signal import (
    _NSIG,
    SA_EXPOSE_TAGBITS,
    SA_NOCLDSTOP,
    SA_NOCLDWAIT,
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTART,
    SA_RESTORER,
    SA_SIGINFO,
    SI_TKILL,
    SI_USER,
    SIG_BLOCK,
    SIG_SETMASK,
    SIG_UNBLOCK,
    SS_AUTODISARM,
    sigmask,
)
from kernel.abi.structs import OldSigaction, Sigaction, StackT, Timespec, Timespec64
from kernel.abi.time import NSEC_PER_SEC
from kernel.errors import Blocked, KernelError
from kernel.signals.frame import (
    altstack_flags,
    do_rt_sigreturn,
    do_sigreturn,
    info_from,
    set_altstack,
    siginfo_of,
)
from kernel.signals.pending import dequeue_signal, get_action, leader_of, pending_mask, signal_pending
from kernel.signals.state import (
    INIT_PID,
    UNBLOCKABLE,
    kill_permitted,
    send_signal,
    set_action,
    set_blocked,
    tell_accepted,
)
from kernel.tables import SigAction, SigInfo, Task
from kernel.thread import Regs
from kernel.uaccess import copy_from_user, copy_to_user, put_user32, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

SIGSET_SIZE = 8
LOW = 0xFFFF_FFFF
UAPI_SA_FLAGS = (
    SA_NOCLDSTOP
    | SA_NOCLDWAIT
    | SA_SIGINFO
    | SA_EXPOSE_TAGBITS
    | SA_RESTORER
    | SA_ONSTACK
    | SA_RESTART
    | SA_NODEFER
    | SA_RESETHAND
)
"""Flags that are kept: a program can tell by the others' absence that they are not known."""


# --- sending ------------------------------------------------------------------------------------------------


def _from_me(k: Kernel, signo: int, code: int) -> SigInfo:
    return SigInfo(signo, code, pid=k.task.tgid, uid=k.task.cred.uid)


def _find(k: Kernel, pid: int) -> Task:
    task = k.tables.tasks.get(pid) if pid > 0 else None
    if task is None:
        raise KernelError(Errno.ESRCH)
    return task


def _send(k: Kernel, target: Task, info: SigInfo, shared: bool = True) -> None:
    """With permission (check_kill_permission); signal 0 only asks for it."""
    if info.signo > _NSIG:
        raise KernelError(Errno.EINVAL)
    if not kill_permitted(k, target, info.signo):
        raise KernelError(Errno.EPERM)
    if info.signo:
        error = send_signal(k, target, info, shared)
        if error:
            raise KernelError(error)


def _attempt(k: Kernel, target: Task, sig: int) -> int:
    """kill's signal to one of many; the errno or 0."""
    try:
        _send(k, target, _from_me(k, sig, SI_USER))
    except KernelError as error:
        return error.errno
    return 0


def _processes(k: Kernel) -> list[Task]:
    return [task for task in k.tables.tasks.values() if task.pid == task.tgid and task.pid > 0]


def sys_kill(k: Kernel, pid: int, sig: int) -> int:
    number = signed(pid)
    me = k.task
    if number > 0:
        _send(k, _find(k, number), _from_me(k, sig, SI_USER))
        return 0
    if number == -0x8000_0000:
        raise KernelError(Errno.ESRCH)
    if number == -1:
        others = [task for task in _processes(k) if task.pid > INIT_PID and task.tgid != me.tgid]
        outcomes = [_attempt(k, task, sig) for task in others]
        failure = next((error for error in reversed(outcomes) if error != Errno.EPERM), 0)
    else:
        pgrp = -number or me.pgrp
        outcomes = [_attempt(k, task, sig) for task in _processes(k) if task.pgrp == pgrp]
        failure = 0 if 0 in outcomes else next(reversed(outcomes), 0)
    if not outcomes:
        raise KernelError(Errno.ESRCH)
    if failure:
        raise KernelError(failure)
    return 0


def sys_tkill(k: Kernel, pid: int, sig: int) -> int:
    if signed(pid) <= 0:
        raise KernelError(Errno.EINVAL)
    _send(k, _find(k, pid), _from_me(k, sig, SI_TKILL), shared=False)
    return 0


def sys_tgkill(k: Kernel, tgid: int, pid: int, sig: int) -> int:
    if signed(tgid) <= 0 or signed(pid) <= 0:
        raise KernelError(Errno.EINVAL)
    return _tgsend(k, tgid, pid, _from_me(k, sig, SI_TKILL))


def _tgsend(k: Kernel, tgid: int, pid: int, info: SigInfo) -> int:
    target = _find(k, pid)
    if target.tgid != tgid:
        raise KernelError(Errno.ESRCH)
    _send(k, target, info, shared=False)
    return 0


def _queued_info(k: Kernel, pid: int, sig: int, address: int) -> SigInfo:
    """A siginfo of the caller's own making; to others it may not pretend to be the kernel's or kill's."""
    given = Siginfo.unpack(copy_from_user(k, address, SIGINFO_SIZE), signo=sig)
    if (given.si_code >= SI_USER or given.si_code == SI_TKILL) and k.task.pid != signed(pid):
        raise KernelError(Errno.EPERM)
    return info_from(given, sig)


def sys_rt_sigqueueinfo(k: Kernel, pid: int, sig: int, uinfo: int) -> int:
    info = _queued_info(k, pid, sig, uinfo)
    _send(k, _find(k, signed(pid)), info)
    return 0


def sys_rt_tgsigqueueinfo(k: Kernel, tgid: int, pid: int, sig: int, uinfo: int) -> int:
    info = _queued_info(k, pid, sig, uinfo)
    if signed(tgid) <= 0 or signed(pid) <= 0:
        raise KernelError(Errno.EINVAL)
    return _tgsend(k, tgid, pid, info)


# --- actions ------------------------------------------------------------------------------------------------


def _do_sigaction(k: Kernel, sig: int, new: SigAction | None) -> SigAction:
    """The action so far."""
    if not 1 <= sig <= _NSIG or (new is not None and sigmask(sig) & UNBLOCKABLE):
        raise KernelError(Errno.EINVAL)
    old = get_action(k, k.task, sig)
    if new is not None:
        mask = new.mask & ~UNBLOCKABLE
        set_action(k, k.task, sig, SigAction(new.handler, new.flags & UAPI_SA_FLAGS, new.restorer, mask))
    return old


def sys_rt_sigaction(k: Kernel, sig: int, act: int, oact: int, sigsetsize: int) -> int:
    if sigsetsize != SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    new = None
    if act:
        given = Sigaction.unpack(copy_from_user(k, act, Sigaction.SIZE))
        new = SigAction(given.sa_handler, given.sa_flags, given.sa_restorer, given.sa_mask)
    old = _do_sigaction(k, sig, new)
    if oact:
        copy_to_user(k, oact, Sigaction(old.handler, old.flags, old.restorer, old.mask).pack())
    return 0


def sys_sigaction(k: Kernel, sig: int, act: int, oact: int) -> int:
    new = None
    if act:
        given = OldSigaction.unpack(copy_from_user(k, act, OldSigaction.SIZE))
        new = SigAction(given.sa_handler, given.sa_flags, given.sa_restorer, given.sa_mask)
    old = _do_sigaction(k, sig, new)
    if oact:
        copy_to_user(k, oact, OldSigaction(old.handler, old.mask & LOW, old.flags, old.restorer).pack())
    return 0


def sys_signal(k: Kernel, sig: int, handler: int) -> int:
    return _do_sigaction(k, sig, SigAction(handler, SA_RESETHAND | SA_NODEFER)).handler


# --- masks --------------------------------------------------------------------------------------------------


def _change_mask(k: Kernel, how: int, mask: int, kept: int = 0) -> None:
    """sigprocmask; `kept` are the signals that the caller cannot name."""
    task = k.task
    if how == SIG_BLOCK:
        set_blocked(k, task, task.blocked | mask)
    elif how == SIG_UNBLOCK:
        set_blocked(k, task, task.blocked & ~mask)
    elif how == SIG_SETMASK:
        set_blocked(k, task, task.blocked & kept | mask)
    else:
        raise KernelError(Errno.EINVAL)


def _read_sigset(k: Kernel, address: int, size: int = SIGSET_SIZE) -> int:
    return int.from_bytes(copy_from_user(k, address, size), "little")


def sys_rt_sigprocmask(k: Kernel, how: int, nset: int, oset: int, sigsetsize: int) -> int:
    if sigsetsize != SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    old = k.task.blocked
    if nset:
        _change_mask(k, how, _read_sigset(k, nset))
    if oset:
        copy_to_user(k, oset, old.to_bytes(SIGSET_SIZE, "little"))
    return 0


def sys_sigprocmask(k: Kernel, how: int, nset: int, oset: int) -> int:
    old = k.task.blocked
    if nset:
        _change_mask(k, how, _read_sigset(k, nset, 4), kept=~LOW)
    if oset:
        put_user32(k, oset, old & LOW)
    return 0


def sys_sgetmask(k: Kernel) -> int:
    return k.task.blocked & LOW


def sys_ssetmask(k: Kernel, newmask: int) -> int:
    old = k.task.blocked & LOW
    set_blocked(k, k.task, newmask)
    return old


def _pending_and_blocked(k: Kernel) -> int:
    task = k.task
    return (pending_mask(task.pending) | pending_mask(leader_of(k, task).shared_pending)) & task.blocked


def sys_rt_sigpending(k: Kernel, uset: int, sigsetsize: int) -> int:
    if sigsetsize > SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    copy_to_user(k, uset, _pending_and_blocked(k).to_bytes(SIGSET_SIZE, "little")[:sigsetsize])
    return 0


def sys_sigpending(k: Kernel, uset: int) -> int:
    put_user32(k, uset, _pending_and_blocked(k) & LOW)
    return 0


# --- waiting ------------------------------------------------------------------------------------------------


def sys_pause(k: Kernel) -> int:
    raise Blocked("pause", restart=ERESTARTNOHAND)


def _suspend(k: Kernel, mask: int) -> int:
    """The mask to come back to stays on the task until the signal has been seen to."""
    task = k.task
    if task.saved_mask < 0:
        task.saved_mask = task.blocked
        set_blocked(k, task, mask)
    raise Blocked("pause", restart=ERESTARTNOHAND)


def sys_sigsuspend(k: Kernel, unused1: int, unused2: int, mask: int) -> int:
    return _suspend(k, mask)


def sys_rt_sigsuspend(k: Kernel, unewset: int, sigsetsize: int) -> int:
    if sigsetsize != SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    return _suspend(k, _read_sigset(k, unewset))


def sys_rt_sigtimedwait(k: Kernel, uthese: int, uinfo: int, uts: int, sigsetsize: int) -> int:
    if sigsetsize != SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    these = _read_sigset(k, uthese)
    if not uts:
        return _timed_wait(k, these, uinfo, -1)
    time = Timespec.unpack(copy_from_user(k, uts, Timespec.SIZE))
    return _timed_wait(k, these, uinfo, _nanoseconds(time.tv_sec, time.tv_nsec))


def sys_rt_sigtimedwait_time64(k: Kernel, uthese: int, uinfo: int, uts: int, sigsetsize: int) -> int:
    if sigsetsize != SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    these = _read_sigset(k, uthese)
    if not uts:
        return _timed_wait(k, these, uinfo, -1)
    time = Timespec64.unpack(copy_from_user(k, uts, Timespec64.SIZE))
    return _timed_wait(k, these, uinfo, _nanoseconds(time.tv_sec, time.tv_nsec & LOW))


def _nanoseconds(seconds: int, nanoseconds: int) -> int:
    if seconds < 0 or not 0 <= nanoseconds < NSEC_PER_SEC:
        raise KernelError(Errno.EINVAL)
    return min(seconds * NSEC_PER_SEC + nanoseconds, 1 << 60)


def _timed_wait(k: Kernel, these: int, uinfo: int, timeout: int) -> int:
    """do_sigtimedwait. While it sleeps, the signals it waits for are not blocked, so that they wake it.

    The mask to come back to is in `progress`, where the sending side finds it too.
    """
    task = k.task
    wanted = these & ~UNBLOCKABLE
    slept = bool(task.progress)
    if slept:
        deadline, mask = task.progress
    else:
        deadline, mask = (k.now + timeout if timeout >= 0 else -1), task.blocked
    info = dequeue_signal(k, task, ~wanted)
    if info is not None:
        tell_accepted(k, task, info)
    if info is not None or 0 <= deadline <= k.now or signal_pending(k, task):
        task.progress = []
        set_blocked(k, task, mask)
        if info is None:
            raise KernelError(Errno.EAGAIN if 0 <= deadline <= k.now else Errno.EINTR)
        if uinfo:
            copy_to_user(k, uinfo, siginfo_of(info).pack())
        return info.signo
    if not slept:
        task.progress = [deadline, mask]
        set_blocked(k, task, task.blocked & ~wanted)
    raise Blocked("pause", deadline=deadline, restart=Errno.EINTR)


# --- the alternate stack and the way back -------------------------------------------------------------------


def sys_sigaltstack(k: Kernel, uss: int, uoss: int) -> int:
    task = k.task
    new = StackT.unpack(copy_from_user(k, uss, StackT.SIZE)) if uss else None
    sp = Regs(k, task).esp
    start, flags, size = task.altstack
    shown = altstack_flags(task, sp) | flags & SS_AUTODISARM
    if new is not None:
        refused = set_altstack(task, new, sp)
        if refused:
            raise KernelError(Errno[refused])
    if uoss:
        copy_to_user(k, uoss, StackT(start, signed(shown), size).pack())
    return 0


def sys_sigreturn(k: Kernel, frame: int = 0) -> int:
    """`frame` is the table's word for where the frame lies; the kernel finds it by the user's esp."""
    return do_sigreturn(k)


def sys_rt_sigreturn(k: Kernel, frame: int = 0) -> int:
    return do_rt_sigreturn(k)
