"""Waiting for several descriptors at once: poll, select and their kin (Linux's fs/select.c).

What is ready is asked of each file's room; if nothing is, the task sleeps on all their queues together. The
tick at which the waiting ends is kept in `Task.progress`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import ERESTARTNOHAND, Errno
from kernel.abi.files import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from kernel.abi.process import RLIMIT_NOFILE
from kernel.abi.structs import CStruct, Pollfd, SelectArgs, Timespec, Timespec64, Timeval
from kernel.abi.time import NSEC_PER_SEC, NSEC_PER_USEC, USEC_PER_SEC, time_bytes
from kernel.errors import Blocked, KernelError
from kernel.fs.files import current_table, get_file
from kernel.fs.operations import poll_file
from kernel.signals.state import set_blocked, signal_pending

if TYPE_CHECKING:
    from kernel.kernel import Kernel

NEVER = -1
LIMIT = 1 << 61
"""Ticks that no machine reaches: longer waits end there."""
SIGSET_SIZE = 8
_READY = (
    POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR,
    POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR,
    POLLPRI,
)
"""What makes a descriptor readable, writable, exceptional for select."""


def deadline_of(k: Kernel, timeout: int) -> int:
    """The tick at which the waiting ends, remembered over wake-ups. `timeout` in ns, negative for never."""
    if k.task.progress:
        return k.task.progress[0]
    return NEVER if timeout < 0 else min(k.now + timeout, LIMIT)


def _wait(k: Kernel, deadline: int, queues: list[str]) -> None:
    """Nothing is ready: return if the time is over, else sleep on the queues. A signal is ERESTARTNOHAND."""
    if 0 <= deadline <= k.now:
        return
    if signal_pending(k, k.task):
        raise KernelError(ERESTARTNOHAND)
    k.task.progress = [deadline]
    raise Blocked(*dict.fromkeys(queues or ["poll"]), deadline=deadline, restart=ERESTARTNOHAND)


# --- times and masks ----------------------------------------------------------------------------------------


def read_time(k: Kernel, address: int, build: type[CStruct]) -> int:
    """The `timeval` or `timespec` at a user address in ns; NEVER for a null pointer. EINVAL if it is none."""
    if not address:
        return NEVER
    seconds, part = build.LAYOUT.unpack(uaccess.copy_from_user(k, address, build.SIZE))
    if build is Timeval:
        seconds, part = seconds + part // USEC_PER_SEC, part % USEC_PER_SEC * NSEC_PER_USEC
    elif build is Timespec64:
        part &= 0xFFFF_FFFF
    if seconds < 0 or not 0 <= part < NSEC_PER_SEC:
        raise KernelError(Errno.EINVAL)
    return min(int(seconds) * NSEC_PER_SEC + int(part), LIMIT)


def _write_time(k: Kernel, address: int, build: type[CStruct], timeout: int, deadline: int) -> None:
    """What is left of the time goes back to the program; a bad address is no error (`poll_select_finish`)."""
    if timeout <= 0:
        return
    unit = NSEC_PER_USEC if build is Timeval else 1
    left = time_bytes(build is Timespec64, max(0, deadline - k.now), unit=unit)
    uaccess.copy_to_user_partial(k, address, left)


def swap_mask(k: Kernel, address: int, size: int) -> None:
    """ppoll and pselect wait with another signal mask; the old one comes back with `restore_mask`."""
    if not address:
        return
    if size != SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    mask = int.from_bytes(uaccess.copy_from_user(k, address, size), "little")
    task = k.task
    if task.saved_mask < 0:
        task.saved_mask = task.blocked
        set_blocked(k, task, mask)


def restore_mask(k: Kernel) -> None:
    """Not when a signal ended the call: then the way back to user mode does it, after the handler's frame."""
    task = k.task
    if task.saved_mask >= 0:
        mask, task.saved_mask = task.saved_mask, -1
        set_blocked(k, task, mask)


def _timed(
    k: Kernel, time: int, build: type[CStruct], mask: tuple[int, int], wait: Callable[[int], int]
) -> int:
    """Call `wait` with a deadline; afterwards tell what is left of the time, and put the mask back."""
    timeout = read_time(k, time, build)
    swap_mask(k, *mask)
    deadline = deadline_of(k, timeout)
    try:
        result = wait(deadline)
    except KernelError as error:
        _write_time(k, time, build, timeout, deadline)
        if error.errno != ERESTARTNOHAND:
            restore_mask(k)
        raise
    _write_time(k, time, build, timeout, deadline)
    restore_mask(k)
    return result


# --- poll ---------------------------------------------------------------------------------------------------


def _poll(k: Kernel, address: int, count: int, deadline: int) -> int:
    if count > k.rlimit(RLIMIT_NOFILE):
        raise KernelError(Errno.EINVAL)
    data = bytearray(uaccess.copy_from_user(k, address, count * Pollfd.SIZE)) if count else bytearray()
    queues: list[str] = []
    ready = 0
    for at in range(0, len(data), Pollfd.SIZE):
        entry = Pollfd.unpack(data, at)
        mask = 0
        if entry.fd >= 0:
            found, names = _ask(k, entry.fd)
            mask = found & (entry.events | POLLERR | POLLHUP | POLLNVAL)
            queues.extend(names)
        data[at + 6 : at + 8] = mask.to_bytes(2, "little")
        ready += bool(mask)
    if not ready:
        _wait(k, deadline, queues)
    if data:
        uaccess.copy_to_user(k, address, bytes(data))
    return ready


def _ask(k: Kernel, fd: int) -> tuple[int, tuple[str, ...]]:
    """A descriptor's bits and queues; POLLNVAL for none."""
    try:
        file = get_file(k, fd)
    except KernelError:
        return POLLNVAL, ()
    return poll_file(k, file)


def sys_poll(k: Kernel, ufds: int, nfds: int, timeout_msecs: int) -> int:
    timeout = uaccess.signed(timeout_msecs)
    return _poll(k, ufds, nfds, deadline_of(k, timeout * 1_000_000 if timeout >= 0 else NEVER))


def sys_ppoll(k: Kernel, ufds: int, nfds: int, tsp: int, sigmask: int, sigsetsize: int) -> int:
    return _timed(k, tsp, Timespec, (sigmask, sigsetsize), lambda deadline: _poll(k, ufds, nfds, deadline))


def sys_ppoll_time64(k: Kernel, ufds: int, nfds: int, tsp: int, sigmask: int, sigsetsize: int) -> int:
    return _timed(k, tsp, Timespec64, (sigmask, sigsetsize), lambda deadline: _poll(k, ufds, nfds, deadline))


# --- select -------------------------------------------------------------------------------------------------


def _select(k: Kernel, n: int, addresses: tuple[int, int, int], deadline: int) -> int:
    """Three bit sets of descriptors below `n`: for reading, writing, exceptions; a null one is not asked."""
    if uaccess.signed(n) < 0:
        raise KernelError(Errno.EINVAL)
    n = min(n, _table_size(k))
    size = (n + 31) // 32 * 4
    wanted = [int.from_bytes(uaccess.copy_from_user(k, at, size), "little") if at else 0 for at in addresses]
    wanted = [bits & (1 << n) - 1 for bits in wanted]
    result = [0, 0, 0]
    queues: list[str] = []
    for fd in range(n):
        bit = 1 << fd
        if not (wanted[0] | wanted[1] | wanted[2]) & bit:
            continue
        mask, names = _ask(k, fd)
        if mask == POLLNVAL:
            raise KernelError(Errno.EBADF)
        queues.extend(names)
        for index in range(3):
            if wanted[index] & bit and mask & _READY[index]:
                result[index] |= bit
    ready = sum(bits.bit_count() for bits in result)
    if not ready:
        _wait(k, deadline, queues)
    for at, bits in zip(addresses, result, strict=True):
        if at:
            uaccess.copy_to_user(k, at, bits.to_bytes(size, "little"))
    return ready


def _table_size(k: Kernel) -> int:
    """Descriptors that Linux's table would have room for; bits beyond are not looked at."""
    highest = max(current_table(k).fds, default=0)
    return 64 if highest < 64 else 1 << max(8, highest.bit_length())


def sys__newselect(k: Kernel, n: int, inp: int, outp: int, exp: int, tvp: int) -> int:
    return _timed(k, tvp, Timeval, (0, 0), lambda deadline: _select(k, n, (inp, outp, exp), deadline))


def sys_select(k: Kernel, arg: int) -> int:
    """The old call: its arguments lie in memory."""
    args = SelectArgs.unpack(uaccess.copy_from_user(k, arg, SelectArgs.SIZE))
    return sys__newselect(k, args.n, args.inp, args.outp, args.exp, args.tvp)


def _pselect(k: Kernel, n: int, sets: tuple[int, int, int], tsp: int, sig: int, build: type[CStruct]) -> int:
    """`sig` is the address of the mask's address and size."""
    mask = (0, 0)
    if sig:
        data = uaccess.copy_from_user(k, sig, 8)
        mask = (int.from_bytes(data[:4], "little"), int.from_bytes(data[4:], "little"))
    return _timed(k, tsp, build, mask, lambda deadline: _select(k, n, sets, deadline))


def sys_pselect6(k: Kernel, n: int, inp: int, outp: int, exp: int, tsp: int, sig: int) -> int:
    return _pselect(k, n, (inp, outp, exp), tsp, sig, Timespec)


def sys_pselect6_time64(k: Kernel, n: int, inp: int, outp: int, exp: int, tsp: int, sig: int) -> int:
    return _pselect(k, n, (inp, outp, exp), tsp, sig, Timespec64)
