"""Futex calls: operations, timeouts and flags checked as Linux does (man 2 futex, futex_waitv).

The work is `kernel.futex`'s.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel import futex
from kernel.abi.errno import Errno
from kernel.abi.process import CAP_SYS_PTRACE
from kernel.abi.time import (
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    FUTEX2_PRIVATE,
    FUTEX2_SIZE_MASK,
    FUTEX2_SIZE_U32,
    FUTEX_BITSET_MATCH_ANY,
    FUTEX_CLOCK_REALTIME,
    FUTEX_CMP_REQUEUE,
    FUTEX_LOCK_PI,
    FUTEX_LOCK_PI2,
    FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE,
    FUTEX_TRYLOCK_PI,
    FUTEX_UNLOCK_PI,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAIT_REQUEUE_PI,
    FUTEX_WAITV_MAX,
    FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
    FUTEX_WAKE_OP,
    NSEC_PER_SEC,
)
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.tables import Task
from kernel.uaccess import copy_from_user, get_user32, put_user32, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

TIMED = (FUTEX_WAIT, FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI)
FOR_EVER = 1 << 61
_WAITV = struct.Struct("<QQII")


def _time(k: Kernel, address: int, wide: bool) -> int:
    """The timespec there, in nanoseconds."""
    if wide:
        seconds, nanoseconds = struct.unpack("<qq", copy_from_user(k, address, 16))
        nanoseconds &= 0xFFFF_FFFF
    else:
        seconds, nanoseconds = struct.unpack("<ii", copy_from_user(k, address, 8))
    if seconds < 0 or not 0 <= nanoseconds < NSEC_PER_SEC:
        raise KernelError(Errno.EINVAL)
    return min(int(seconds) * NSEC_PER_SEC + int(nanoseconds), FOR_EVER)


def _deadline(k: Kernel, address: int, wide: bool, relative: bool, real: bool) -> int:
    """The tick at which a wait ends; fixed when the call is made first."""
    if k.task.progress:
        return k.task.progress[0]
    if not address:
        return -1
    time = _time(k, address, wide)
    if relative:
        return k.now + time
    return max(time - k.tables.epoch, 0) if real else time


def _do_futex(
    k: Kernel, uaddr: int, op: int, val: int, utime: int, uaddr2: int, val3: int, wide: bool
) -> int:
    command = op & 0x7F
    shared = not op & FUTEX_PRIVATE_FLAG
    real = bool(op & FUTEX_CLOCK_REALTIME)
    deadline = -1
    if command in TIMED:
        of_real = real or command == FUTEX_LOCK_PI
        deadline = _deadline(k, utime, wide, command == FUTEX_WAIT, of_real)
    if real and command not in (FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_LOCK_PI2):
        raise KernelError(Errno.ENOSYS)
    match command:
        case 0 | 9:  # FUTEX_WAIT, FUTEX_WAIT_BITSET
            bitset = FUTEX_BITSET_MATCH_ANY if command == FUTEX_WAIT else val3
            return futex.wait(k, uaddr, val, bitset, deadline, shared)
        case 1 | 10:  # FUTEX_WAKE, FUTEX_WAKE_BITSET
            bitset = FUTEX_BITSET_MATCH_ANY if command == FUTEX_WAKE else val3
            if not bitset:
                raise KernelError(Errno.EINVAL)
            return futex.wake(k, futex.queue_of(k, uaddr, shared), signed(val), bitset)
        case 3:  # FUTEX_REQUEUE
            return _requeue(k, (uaddr, shared), (uaddr2, shared), val, utime, None)
        case 4:  # FUTEX_CMP_REQUEUE
            return _requeue(k, (uaddr, shared), (uaddr2, shared), val, utime, val3)
        case 5:
            return _wake_op(k, uaddr, shared, val, utime, uaddr2, val3)
        case 6 | 13:
            return futex.lock_pi(k, uaddr, deadline, shared, attempt=False)
        case 8:
            return futex.lock_pi(k, uaddr, -1, shared, attempt=True)
        case 7:
            return futex.unlock_pi(k, uaddr, shared)
    raise KernelError(Errno.ENOSYS)


assert (FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE, FUTEX_WAKE_BITSET) == (0, 9, 1, 10)
assert (FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP) == (3, 4, 5)
assert (FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI) == (6, 13, 8, 7)


def _requeue(
    k: Kernel, source: tuple[int, bool], target: tuple[int, bool], wakes: int, moves: int, value: int | None
) -> int:
    if signed(wakes) < 0 or signed(moves) < 0:
        raise KernelError(Errno.EINVAL)
    first, second = futex.queue_of(k, *source), futex.queue_of(k, *target)
    if value is not None and get_user32(k, source[0]) != value:
        raise KernelError(Errno.EAGAIN)
    return futex.requeue(k, first, second, wakes, moves)


def _wake_op(k: Kernel, uaddr: int, shared: bool, wakes: int, wakes2: int, uaddr2: int, program: int) -> int:
    """Change the second word, wake sleepers of the first, and of the second if its old value was such."""
    first, second = futex.queue_of(k, uaddr, shared), futex.queue_of(k, uaddr2, shared)
    condition = _operate(k, uaddr2, program)
    count = futex.wake(k, first, signed(wakes))
    return count + (futex.wake(k, second, signed(wakes2)) if condition else 0)


def _twelve(value: int) -> int:
    """A 12-bit field with its sign."""
    return (value & 0xFFF ^ 0x800) - 0x800


def _operate(k: Kernel, address: int, program: int) -> bool:
    """futex_atomic_op_inuser: the little program in `val3`, and what its comparison says of the old value."""
    operation, compare = program >> 28 & 7, program >> 24 & 15
    operand, against = _twelve(program >> 12), _twelve(program)
    if program >> 31:
        operand = 1 << (operand & 31)
    old = get_user32(k, address)
    new = {0: operand, 1: old + operand, 2: old | operand, 3: old & ~operand, 4: old ^ operand}.get(operation)
    if new is None:
        raise KernelError(Errno.ENOSYS)
    put_user32(k, address, new)
    was = signed(old)
    said = {
        0: was == against,
        1: was != against,
        2: was < against,
        3: was <= against,
        4: was > against,
        5: was >= against,
    }.get(compare)
    if said is None:
        raise KernelError(Errno.ENOSYS)
    return said


def sys_futex(k: Kernel, uaddr: int, op: int, val: int, utime: int, uaddr2: int, val3: int) -> int:
    return _do_futex(k, uaddr, op, val, utime, uaddr2, val3, wide=False)


def sys_futex_time64(k: Kernel, uaddr: int, op: int, val: int, utime: int, uaddr2: int, val3: int) -> int:
    return _do_futex(k, uaddr, op, val, utime, uaddr2, val3, wide=True)


# --- the newer calls ----------------------------------------------------------------------------------------


def _is_shared(flags: int) -> bool:
    """Whether these are flags of a futex of 32 bits, the only size there is, that is not private. EINVAL."""
    if flags & ~(FUTEX2_SIZE_MASK | FUTEX2_PRIVATE) or flags & FUTEX2_SIZE_MASK != FUTEX2_SIZE_U32:
        raise KernelError(Errno.EINVAL)
    return not flags & FUTEX2_PRIVATE


def _deadline2(k: Kernel, address: int, clock: int) -> int:
    if address and clock not in (CLOCK_REALTIME, CLOCK_MONOTONIC):
        raise KernelError(Errno.EINVAL)
    return _deadline(k, address, True, False, clock == CLOCK_REALTIME)


def sys_futex_wake(k: Kernel, uaddr: int, mask: int, nr: int, flags: int) -> int:
    shared = _is_shared(flags)
    if not mask:
        raise KernelError(Errno.EINVAL)
    queue = futex.queue_of(k, uaddr, shared)
    return futex.wake(k, queue, signed(nr), mask) if nr else 0


def sys_futex_wait(k: Kernel, uaddr: int, val: int, mask: int, flags: int, timeout: int, clock: int) -> int:
    shared = _is_shared(flags)
    deadline = _deadline2(k, timeout, clock)
    return futex.wait(k, uaddr, val, mask, deadline, shared)


def _waiters(k: Kernel, address: int, count: int) -> list[tuple[int, int, bool]]:
    """`struct futex_waitv`s: address, value, whether shared."""
    found = []
    for value, uaddr, flags, reserved in _WAITV.iter_unpack(copy_from_user(k, address, _WAITV.size * count)):
        if reserved:
            raise KernelError(Errno.EINVAL)
        shared = _is_shared(flags)
        if value >> 32 or uaddr >> 32:
            raise KernelError(Errno.EINVAL)
        found.append((uaddr, value, shared))
    return found


def sys_futex_requeue(k: Kernel, waiters: int, flags: int, wakes: int, moves: int) -> int:
    if flags or not waiters:
        raise KernelError(Errno.EINVAL)
    (uaddr, value, shared), (uaddr2, _, shared2) = _waiters(k, waiters, 2)
    return _requeue(k, (uaddr, shared), (uaddr2, shared2), wakes, moves, value)


def sys_futex_waitv(k: Kernel, waiters: int, count: int, flags: int, timeout: int, clock: int) -> int:
    if flags or not 1 <= count <= FUTEX_WAITV_MAX or not waiters:
        raise KernelError(Errno.EINVAL)
    deadline = _deadline2(k, timeout, clock)
    return futex.wait_many(k, _waiters(k, waiters, count), deadline)


# --- robust lists -------------------------------------------------------------------------------------------


def sys_set_robust_list(k: Kernel, head: int, length: int) -> int:
    if length != 12:
        raise KernelError(Errno.EINVAL)
    k.task.robust_list = head
    return 0


def sys_get_robust_list(k: Kernel, pid: int, head: int, length: int) -> int:
    task: Task | None = k.tables.tasks.get(pid) if pid else k.task
    if task is None or signed(pid) < 0:
        raise KernelError(Errno.ESRCH)
    mine, its = k.task.cred, task.cred
    if (
        task.tgid != k.task.tgid
        and not capable(k, CAP_SYS_PTRACE)
        and (mine.uid, mine.uid, mine.uid) != (its.uid, its.euid, its.suid)
    ):
        raise KernelError(Errno.EPERM)
    put_user32(k, length, 12)
    put_user32(k, head, task.robust_list)
    return 0
