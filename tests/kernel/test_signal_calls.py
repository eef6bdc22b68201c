"""The system calls about signals: what they refuse, and with which error (section 2 of the manual)."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from kernel.abi.errno import Errno
from kernel.abi.sigframe import Siginfo
from kernel.abi.signal import (
    SA_INTERRUPT,
    SA_NODEFER,
    SA_RESETHAND,
    SA_RESTART,
    SI_QUEUE,
    SI_TKILL,
    SIG_IGN,
    SIGCHLD,
    SIGKILL,
    SIGSTOP,
    SIGTERM,
    SIGUSR1,
    SIGUSR2,
    sigmask,
)
from kernel.capabilities import user
from kernel.errors import Blocked, KernelError
from kernel.signals import pending, state
from kernel.syscalls import signals as calls
from kernel.tables import SigAction, SigInfo, TaskState
from kernel.uaccess import copy_from_user, copy_to_user
from kernel.wait import sleep_on, wake_task
from tests.kernel.signal_machine import DATA, Machine

BAD = 0x10
MINUS_ONE = 0xFFFF_FFFF


@pytest.fixture
def m() -> Machine:
    machine = Machine()
    machine.run(machine.add_task(2))
    return machine


def refused(call: Callable[..., int], *args: object) -> Errno:
    with pytest.raises(KernelError) as caught:
        call(*args)
    return Errno(caught.value.errno)


def put_mask(m: Machine, mask: int) -> int:
    copy_to_user(m.kernel, DATA, mask.to_bytes(8, "little"))
    return DATA


def get(m: Machine, form: str, address: int = DATA) -> tuple[int, ...]:
    return struct.unpack(form, copy_from_user(m.kernel, address, struct.calcsize(form)))


# --- kill ---------------------------------------------------------------------------------------------------


def test_kill_refuses(m: Machine) -> None:
    k = m.kernel
    assert refused(calls.sys_kill, k, 99, 100) == Errno.ESRCH  # looked for before the number is looked at
    assert refused(calls.sys_kill, k, 2, 65) == Errno.EINVAL
    assert refused(calls.sys_kill, k, 0x8000_0000, 0) == Errno.ESRCH
    assert refused(calls.sys_kill, k, -99 & MINUS_ONE, 0) == Errno.ESRCH
    assert refused(calls.sys_kill, k, MINUS_ONE, SIGTERM) == Errno.ESRCH  # nobody but init and me
    stranger = m.add_task(3, uid=5)
    m.task.cred = user(4)
    assert refused(calls.sys_kill, k, 3, 0) == Errno.EPERM
    assert refused(calls.sys_kill, k, 1, SIGTERM) == Errno.EPERM
    assert calls.sys_kill(k, MINUS_ONE, SIGTERM) == 0  # as Linux: EPERM does not count
    assert not stranger.shared_pending


def test_kill_reaches(m: Machine) -> None:
    k = m.kernel
    mate, other = m.add_task(3, pgrp=2), m.add_task(4)
    zombie = m.add_task(5, state=TaskState.ZOMBIE)
    assert calls.sys_kill(k, 3, 0) == 0
    assert not mate.shared_pending
    assert calls.sys_kill(k, 0, SIGUSR1) == 0
    assert [len(task.shared_pending) for task in (m.task, mate, other)] == [1, 1, 0]
    assert calls.sys_kill(k, MINUS_ONE, SIGUSR2) == 0
    assert [len(task.shared_pending) for task in (m.task, mate, other)] == [1, 1, 1]
    assert calls.sys_kill(k, 5, SIGKILL) == 0
    assert calls.sys_kill(k, 1, SIGKILL) == 0
    assert not zombie.shared_pending
    info = mate.shared_pending[0]
    assert (info.code, info.pid, info.uid) == (0, 2, 0)


def test_one_success_is_enough_for_a_group(m: Machine) -> None:
    m.task.cred = user(4)
    m.add_task(3, uid=5, pgrp=7)
    assert refused(calls.sys_kill, m.kernel, -7 & MINUS_ONE, SIGTERM) == Errno.EPERM
    m.add_task(4, uid=4, pgrp=7)
    assert calls.sys_kill(m.kernel, -7 & MINUS_ONE, SIGTERM) == 0


def test_threads(m: Machine) -> None:
    k = m.kernel
    thread = m.add_task(3, tgid=2)
    assert calls.sys_tgkill(k, 2, 3, SIGUSR1) == 0
    assert [(info.signo, info.code, info.pid) for info in thread.pending] == [(SIGUSR1, SI_TKILL, 2)]
    assert refused(calls.sys_tgkill, k, 3, 3, SIGUSR1) == Errno.ESRCH
    assert refused(calls.sys_tgkill, k, 0, 3, SIGUSR1) == Errno.EINVAL
    assert refused(calls.sys_tkill, k, MINUS_ONE, SIGUSR1) == Errno.EINVAL
    assert refused(calls.sys_tkill, k, 99, SIGUSR1) == Errno.ESRCH


def test_queued_signals_may_not_pretend(m: Machine) -> None:
    k = m.kernel
    other = m.add_task(3)
    copy_to_user(k, DATA, Siginfo(1, SI_QUEUE, si_pid=2, si_value=42).pack())
    assert calls.sys_rt_sigqueueinfo(k, 3, 40, DATA) == 0
    assert [(info.signo, info.code, info.value) for info in other.shared_pending] == [(40, SI_QUEUE, 42)]
    assert refused(calls.sys_rt_sigqueueinfo, k, 3, 40, BAD) == Errno.EFAULT
    copy_to_user(k, DATA, Siginfo(1, SI_TKILL).pack())
    assert refused(calls.sys_rt_sigqueueinfo, k, 3, 40, DATA) == Errno.EPERM
    assert calls.sys_rt_sigqueueinfo(k, 2, 40, DATA) == 0


# --- actions and masks --------------------------------------------------------------------------------------


def test_rt_sigaction(m: Machine) -> None:
    k = m.kernel
    copy_to_user(k, DATA, struct.pack("<IIIQ", 0x1000, 0xFFFF_FFFF, 0x2000, 0xFFFF_FFFF_FFFF_FFFF))
    for args, error in (
        ((SIGUSR1, DATA, 0, 4), Errno.EINVAL),
        ((SIGKILL, DATA, 0, 8), Errno.EINVAL),
        ((SIGSTOP, DATA, 0, 8), Errno.EINVAL),
        ((0, 0, 0, 8), Errno.EINVAL),
        ((65, 0, 0, 8), Errno.EINVAL),
        ((SIGUSR1, BAD, 0, 8), Errno.EFAULT),
        ((SIGUSR1, 0, BAD, 8), Errno.EFAULT),
    ):
        assert refused(calls.sys_rt_sigaction, k, *args) == error
    assert calls.sys_rt_sigaction(k, SIGKILL, 0, DATA + 64, 8) == 0
    assert calls.sys_rt_sigaction(k, SIGUSR1, DATA, 0, 8) == 0
    assert calls.sys_rt_sigaction(k, SIGUSR1, 0, DATA, 8) == 0
    # As a host answers: flags that are not known are not kept, and two signals cannot be blocked.
    assert get(m, "<IIIQ") == (0x1000, 0xDC00_0807, 0x2000, 0xFFFF_FFFF_FFFB_FEFF)
    assert 0xDC00_0807 & SA_INTERRUPT == 0


def test_older_forms_of_sigaction(m: Machine) -> None:
    k = m.kernel
    copy_to_user(k, DATA, struct.pack("<IIII", 0x1000, sigmask(SIGUSR2), SA_RESTART, 0x2000))
    assert calls.sys_sigaction(k, SIGUSR1, DATA, 0) == 0
    assert calls.sys_sigaction(k, SIGUSR1, 0, DATA + 64) == 0
    assert get(m, "<IIII", DATA + 64) == (0x1000, sigmask(SIGUSR2), SA_RESTART, 0x2000)
    assert calls.sys_signal(k, SIGUSR1, SIG_IGN) == 0x1000
    action = pending.get_action(k, m.task, SIGUSR1)
    assert (action.handler, action.flags, action.mask) == (SIG_IGN, SA_RESETHAND | SA_NODEFER, 0)
    assert refused(calls.sys_signal, k, SIGKILL, SIG_IGN) == Errno.EINVAL


def test_sigprocmask(m: Machine) -> None:
    k, task = m.kernel, m.task
    put_mask(m, sigmask(SIGUSR1) | sigmask(SIGKILL) | sigmask(40))
    assert calls.sys_rt_sigprocmask(k, 0, DATA, 0, 8) == 0
    assert task.blocked == sigmask(SIGUSR1) | sigmask(40)
    put_mask(m, sigmask(SIGUSR2))
    assert calls.sys_sigprocmask(k, 2, DATA, DATA + 64) == 0
    assert task.blocked == sigmask(SIGUSR2) | sigmask(40)  # the older call cannot name 40
    assert get(m, "<I", DATA + 64) == (sigmask(SIGUSR1),)
    assert calls.sys_ssetmask(k, 1) == sigmask(SIGUSR2)
    assert (calls.sys_sgetmask(k), task.blocked) == (1, 1)
    assert refused(calls.sys_rt_sigprocmask, k, 3, DATA, 0, 8) == Errno.EINVAL
    assert calls.sys_rt_sigprocmask(k, 3, 0, DATA, 8) == 0  # without a set nobody asks how
    assert refused(calls.sys_rt_sigprocmask, k, 0, DATA, 0, 4) == Errno.EINVAL
    assert refused(calls.sys_rt_sigprocmask, k, 0, BAD, 0, 8) == Errno.EFAULT


def test_sigpending(m: Machine) -> None:
    k, task = m.kernel, m.task
    task.blocked = sigmask(SIGUSR1) | sigmask(40)
    for signo, shared in ((SIGUSR1, True), (40, False), (SIGUSR2, True)):
        state.send_signal(k, task, SigInfo(signo), shared)
    assert calls.sys_rt_sigpending(k, DATA, 8) == 0
    assert get(m, "<Q") == (task.blocked,)
    assert calls.sys_sigpending(k, DATA + 64) == 0
    assert get(m, "<I", DATA + 64) == (sigmask(SIGUSR1),)
    assert refused(calls.sys_rt_sigpending, k, DATA, 9) == Errno.EINVAL


# --- waiting ------------------------------------------------------------------------------------------------


def test_sigsuspend_sets_the_mask_once(m: Machine) -> None:
    task = m.task
    task.blocked = sigmask(SIGUSR1)
    for _ in range(2):
        with pytest.raises(Blocked) as blocked:
            calls.sys_sigsuspend(m.kernel, 0, 0, sigmask(SIGUSR2))
        assert blocked.value.restart == 514
    assert (task.blocked, task.saved_mask) == (sigmask(SIGUSR2), sigmask(SIGUSR1))
    assert refused(calls.sys_rt_sigsuspend, m.kernel, DATA, 4) == Errno.EINVAL


def wait(m: Machine, mask: int, timeout: tuple[int, int] | None = None) -> int:
    put_mask(m, mask)
    if timeout is not None:
        copy_to_user(m.kernel, DATA + 8, struct.pack("<ii", *timeout))
    m.task.syscall = 177
    return calls.sys_rt_sigtimedwait(m.kernel, DATA, DATA + 64, DATA + 8 if timeout is not None else 0, 8)


def test_sigtimedwait_takes_what_is_there(m: Machine) -> None:
    k, task = m.kernel, m.task
    task.blocked = sigmask(40) | sigmask(SIGUSR1)
    for value in (1, 2):
        state.send_signal(k, task, SigInfo(40, SI_QUEUE, value=value))
    state.send_signal(k, task, SigInfo(SIGUSR1))
    assert wait(m, sigmask(SIGUSR1)) == SIGUSR1
    assert wait(m, sigmask(40)) == 40
    assert get(m, "<iiiiII", DATA + 64)[-1] == 1
    assert [info.value for info in task.shared_pending] == [2]
    assert [event.action for event in m.told("SignalDelivered")] == ["accept"]
    assert m.told("SignalsDiscarded")[0].signals == sigmask(SIGUSR1)


def test_sigtimedwait_sleeps_until_one_comes(m: Machine) -> None:
    k, task = m.kernel, m.task
    task.blocked = sigmask(SIGCHLD)
    with pytest.raises(Blocked) as blocked:
        wait(m, sigmask(SIGCHLD))
    sleep_on(k, task, blocked.value)
    assert task.blocked == 0
    state.send_signal(k, task, SigInfo(SIGCHLD, 1, status=7))  # default: ignored, but it is waited for
    assert task.state == TaskState.RUNNABLE
    assert wait(m, sigmask(SIGCHLD)) == SIGCHLD
    assert (task.blocked, task.progress) == (sigmask(SIGCHLD), [])


def test_sigtimedwait_gives_up(m: Machine) -> None:
    k, task = m.kernel, m.task
    assert refused(wait, m, sigmask(SIGUSR1), (0, 0)) == Errno.EAGAIN
    assert refused(wait, m, sigmask(SIGUSR1), (0, 1_000_000_000)) == Errno.EINVAL
    assert refused(wait, m, sigmask(SIGUSR1), (-1, 0)) == Errno.EINVAL
    with pytest.raises(Blocked) as blocked:
        wait(m, sigmask(SIGUSR1), (0, 500))
    assert blocked.value.deadline == m.now + 500
    sleep_on(k, task, blocked.value)
    wake_task(k, task, "deadline")
    m.now += 500
    assert refused(wait, m, sigmask(SIGUSR1), (0, 500)) == Errno.EAGAIN
    with pytest.raises(Blocked) as blocked:
        wait(m, sigmask(SIGUSR1))
    sleep_on(k, task, blocked.value)
    state.set_action(k, task, SIGUSR2, SigAction(0x1000))
    state.send_signal(k, task, SigInfo(SIGUSR2))
    assert refused(wait, m, sigmask(SIGUSR1)) == Errno.EINTR
    assert task.blocked == 0


def test_sigaltstack(m: Machine) -> None:
    k = m.kernel
    assert calls.sys_sigaltstack(k, 0, DATA) == 0
    assert get(m, "<IiI") == (0, 2, 0)
    copy_to_user(k, DATA, struct.pack("<IiI", 0x9000, 0, 0x4000))
    assert calls.sys_sigaltstack(k, DATA, DATA) == 0
    assert get(m, "<IiI") == (0, 2, 0)
    assert m.task.altstack == [0x9000, 0, 0x4000]
    assert refused(calls.sys_sigaltstack, k, BAD, 0) == Errno.EFAULT
