"""prctl: settings of a process or thread (man 2 prctl, Linux's kernel/sys.c). EINVAL for what there is not.

What is about capabilities is in `capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import (
    CAP_SYS_RESOURCE,
    PR_GET_CHILD_SUBREAPER,
    PR_GET_DUMPABLE,
    PR_GET_IO_FLUSHER,
    PR_GET_NAME,
    PR_GET_NO_NEW_PRIVS,
    PR_GET_PDEATHSIG,
    PR_GET_SECCOMP,
    PR_GET_THP_DISABLE,
    PR_GET_TID_ADDRESS,
    PR_GET_TIMERSLACK,
    PR_GET_TIMING,
    PR_GET_TSC,
    PR_MCE_KILL,
    PR_MCE_KILL_GET,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_IO_FLUSHER,
    PR_SET_NAME,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    PR_SET_SECCOMP,
    PR_SET_THP_DISABLE,
    PR_SET_TIMERSLACK,
    PR_SET_TIMING,
    PR_SET_TSC,
    PR_TASK_PERF_EVENTS_DISABLE,
    PR_TASK_PERF_EVENTS_ENABLE,
)
from kernel.capabilities import need_capability
from kernel.errors import KernelError
from kernel.events import TaskRenamed
from kernel.signals.pending import leader_of
from kernel.syscalls import capabilities
from kernel.syscalls.seccomp import prctl_set_seccomp
from kernel.uaccess import copy_from_user, copy_to_user, put_user32, signed, strncpy_from_user

if TYPE_CHECKING:
    from kernel.kernel import Kernel

Option = Callable[["Kernel", int, int, int, int], int]
TSC_ENABLE = 1
MCE_KILL_DEFAULT = 2
DEFAULT_SLACK = 50_000


def _refuse_if(condition: object) -> None:
    if condition:
        raise KernelError(Errno.EINVAL)


def _set_name(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    task = k.task
    try:
        name = strncpy_from_user(k, a, 16)
    except KernelError as error:
        if error.errno != Errno.ENAMETOOLONG:
            raise
        name = copy_from_user(k, a, 15)
    task.comm = name[:15].decode("utf-8", "replace")
    k.emit(TaskRenamed(task.pid, task.comm))
    return 0


def _get_name(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    copy_to_user(k, a, k.task.comm.encode("utf-8", "replace")[:15].ljust(16, b"\0"))
    return 0


def _set_dumpable(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    _refuse_if(a > 1)
    k.task.dumpable = a
    return 0


def _set_no_new_privs(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    _refuse_if(a != 1 or b or c or d)
    k.task.no_new_privs = True
    return 0


def _get_no_new_privs(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    _refuse_if(a or b or c or d)
    return int(k.task.no_new_privs)


def _set_pdeath_signal(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    _refuse_if(a > 64)
    k.task.pdeath_signal = a
    return 0


def _set_timing(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    """Statistical: the only way there is."""
    _refuse_if(a)
    return 0


def _set_tsc(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    """The time stamp counter can be read by all: that it is an error instead is not implemented."""
    _refuse_if(a != TSC_ENABLE)
    return 0


def _set_timer_slack(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    k.task.timer_slack = a if signed(a) > 0 else DEFAULT_SLACK
    return 0


def _mce_kill(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    """What a machine check does to the process: there are none."""
    _refuse_if(c or d or a > 1 or (b if a == 0 else b > MCE_KILL_DEFAULT))
    return 0


def _mce_kill_get(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    _refuse_if(a or b or c or d)
    return MCE_KILL_DEFAULT


def _set_subreaper(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    leader_of(k, k.task).subreaper = bool(a)
    return 0


def _get_subreaper(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    put_user32(k, a, int(leader_of(k, k.task).subreaper))
    return 0


def _put(value: Callable[[Kernel], int]) -> Option:
    def put(k: Kernel, a: int, b: int, c: int, d: int) -> int:
        put_user32(k, a, value(k))
        return 0

    return put


def _set_thp_disable(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    """Pages are small in any case."""
    _refuse_if(b or c or d)
    leader_of(k, k.task).thp_disabled = bool(a)
    return 0


def _get_thp_disable(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    _refuse_if(a or b or c or d)
    return int(leader_of(k, k.task).thp_disabled)


def _io_flusher(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    """Nothing is written to a disk to make room: it makes no difference."""
    need_capability(k, CAP_SYS_RESOURCE)
    _refuse_if(a > 1 or b or c or d)
    return 0


def _nothing(k: Kernel, a: int, b: int, c: int, d: int) -> int:
    return 0


OPTIONS: dict[int, Option] = {
    PR_SET_NAME: _set_name,
    PR_GET_NAME: _get_name,
    PR_GET_DUMPABLE: lambda k, a, b, c, d: k.task.dumpable,
    PR_SET_DUMPABLE: _set_dumpable,
    PR_SET_NO_NEW_PRIVS: _set_no_new_privs,
    PR_GET_NO_NEW_PRIVS: _get_no_new_privs,
    PR_SET_PDEATHSIG: _set_pdeath_signal,
    PR_GET_PDEATHSIG: _put(lambda k: k.task.pdeath_signal),
    PR_GET_TIMING: _nothing,
    PR_SET_TIMING: _set_timing,
    PR_GET_SECCOMP: lambda k, a, b, c, d: k.task.seccomp_mode,
    PR_SET_SECCOMP: prctl_set_seccomp,
    PR_GET_TSC: _put(lambda k: TSC_ENABLE),
    PR_SET_TSC: _set_tsc,
    PR_SET_TIMERSLACK: _set_timer_slack,
    PR_GET_TIMERSLACK: lambda k, a, b, c, d: k.task.timer_slack,
    PR_TASK_PERF_EVENTS_DISABLE: _nothing,
    PR_TASK_PERF_EVENTS_ENABLE: _nothing,
    PR_MCE_KILL: _mce_kill,
    PR_MCE_KILL_GET: _mce_kill_get,
    PR_SET_CHILD_SUBREAPER: _set_subreaper,
    PR_GET_CHILD_SUBREAPER: _get_subreaper,
    PR_GET_TID_ADDRESS: _put(lambda k: k.task.clear_child_tid),
    PR_SET_THP_DISABLE: _set_thp_disable,
    PR_GET_THP_DISABLE: _get_thp_disable,
    PR_SET_IO_FLUSHER: _io_flusher,
    PR_GET_IO_FLUSHER: _io_flusher,
}


def sys_prctl(k: Kernel, option: int, a: int, b: int, c: int, d: int) -> int:
    done = capabilities.prctl(k, option, a, b, c, d)
    if done is not None:
        return done
    body = OPTIONS.get(option)
    if body is None:
        raise KernelError(Errno.EINVAL)
    return body(k, a, b, c, d)
