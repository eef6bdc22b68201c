"""The debug registers that a tracer sets: breakpoints and watchpoints (Intel SDM vol. 3, 17.2).

The emulator has none that watch data. So a task with some of them enabled runs with TF set, and behind each
of its instructions the kernel does what the processor would have done: compare the address, look whether the
watched bytes are other ones. Reads are not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.mman import TASK_SIZE
from kernel.abi.signal import TRAP_HWBKPT, TRAP_TRACE
from kernel.errors import KernelError
from kernel.fs.proc.access import read_memory
from kernel.thread import Regs

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.tables import Task, Trace

NUMBER = 4
STATUS, CONTROL = 6, 7
ENABLED = 0xFF
"""DR7: two bits for each, local and global."""
CONTROL_RESERVED = 0xFC00
STATUS_RESERVED = 0xFFFF_0FF0
STEP = 1 << 14
"""DR6: the trap came from TF."""
EXECUTE, WRITE, PORT, ACCESS = range(4)
SIZES = (1, 2, 8, 4)
TF = 1 << 8


def armed(trace: Trace | None) -> bool:
    """Whether any of the registers is enabled."""
    return trace is not None and bool(trace.debug) and bool(trace.debug[CONTROL] & ENABLED)


def get(trace: Trace, number: int) -> int:
    value = trace.debug[number] if trace.debug else 0
    return value ^ STATUS_RESERVED if number == STATUS else value


def put(k: Kernel, task: Task, trace: Trace, number: int, value: int) -> None:
    """Set DR `number`. EIO for those that are none, EINVAL for what cannot be, ENOSPC for watching reads."""
    if number in (4, 5):
        raise KernelError(Errno.EIO)
    debug = list(trace.debug) or [0] * 8
    if number == STATUS:
        value ^= STATUS_RESERVED
    elif number == CONTROL:
        value &= ~CONTROL_RESERVED
    elif value >= TASK_SIZE:
        raise KernelError(Errno.EINVAL)
    debug[number] = value
    for address, kind, size in _enabled(debug):
        if kind == PORT or size == 8 or address % size or (kind == EXECUTE and size != 1):
            raise KernelError(Errno.EINVAL)
        if kind == ACCESS:
            raise KernelError(Errno.ENOSPC)
    trace.debug = debug
    remember(k, task)


def _enabled(debug: list[int]) -> list[tuple[int, int, int]]:
    """Address, kind and size of those that are enabled."""
    control = debug[CONTROL]
    return [
        (debug[n], control >> 16 + 4 * n & 3, SIZES[control >> 18 + 4 * n & 3])
        for n in range(NUMBER)
        if control >> 2 * n & 3
    ]


def _contents(k: Kernel, task: Task, debug: list[int]) -> list[bytes]:
    """What is in memory where each register points to."""
    space = k.tables.spaces.get(task.space)
    if space is None:
        return [b""] * NUMBER
    control = debug[CONTROL]
    return [
        read_memory(k, space, debug[n], SIZES[control >> 18 + 4 * n & 3])
        if control >> 2 * n & 3 and control >> 16 + 4 * n & 3 == WRITE
        else b""
        for n in range(NUMBER)
    ]


def remember(k: Kernel, task: Task) -> None:
    """A task is about to run: what is watched is as it is now, and it will trap behind each instruction."""
    trace = task.trace
    if trace is None or not armed(trace):
        return
    trace.watched = _contents(k, task, trace.debug)
    hold(k, task)


def hold(k: Kernel, task: Task) -> None:
    """TF again, where it was taken away: a signal's frame, a program that loads its flags."""
    trace = task.trace
    if trace is None or not armed(trace):
        return
    regs = Regs(k, task)
    if not regs.eflags & TF:
        regs.eflags |= TF
        trace.forced_tf = True


def trapped(k: Kernel, task: Task, eip: int) -> int:
    """The processor has trapped because of TF: the si_code for SIGTRAP, 0 if nothing has happened."""
    trace = task.trace
    if trace is None:
        return TRAP_TRACE
    steps = trace.stepping or not trace.forced_tf
    status = STEP if steps else 0
    debug = trace.debug
    if armed(trace):
        now = _contents(k, task, debug)
        control = debug[CONTROL]
        for n in range(NUMBER):
            if not control >> 2 * n & 3:
                continue
            executes = control >> 16 + 4 * n & 3 == EXECUTE
            if debug[n] == eip if executes else n < len(trace.watched) and now[n] != trace.watched[n]:
                status |= 1 << n
        if status & 0xF:
            for other in k.tables.tasks.values():  # who shares the memory has not changed it
                if other.space == task.space and other.trace is not None and other.trace.debug == debug:
                    other.trace.watched = now
        trace.watched = now
        hold(k, task)
    if not status:
        return 0
    debug = list(debug) or [0] * 8
    debug[STATUS] = status
    trace.debug = debug
    return TRAP_TRACE if steps else TRAP_HWBKPT
