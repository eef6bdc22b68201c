"""Seccomp: a task gives up system calls, all but four or what a filter says (man 2 seccomp).

A filter is a classic BPF program over `struct seccomp_data` (uapi linux/filter.h, linux/seccomp.h), checked
when it is set and run before each system call. It may only jump forwards, so it ends; all of a task's
filters together have at most `MAX_INSTRUCTIONS`. The newest is asked first, and the strictest answer counts.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import PTRACE_O_TRACESECCOMP
from kernel.abi.signal import AUDIT_ARCH_I386, SIGKILL, SIGSYS, SYS_SECCOMP
from kernel.errors import KernelError
from kernel.events import SyscallFiltered
from kernel.exit import do_exit
from kernel.signals.state import force_signal
from kernel.tables import SigInfo, TaskState
from kernel.thread import Regs, regs_index

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MODE_DISABLED, MODE_STRICT, MODE_FILTER = range(3)
STRICT_CALLS = (3, 4, 1, 119)
"""read, write, exit, sigreturn: what strict mode leaves."""

RET_KILL_PROCESS = 0x8000_0000
RET_KILL_THREAD = 0
RET_TRAP = 0x0003_0000
RET_ERRNO = 0x0005_0000
RET_USER_NOTIF = 0x7FC0_0000
RET_TRACE = 0x7FF0_0000
RET_LOG = 0x7FFC_0000
RET_ALLOW = 0x7FFF_0000
RET_ACTION_FULL = 0xFFFF_0000
RET_DATA = 0xFFFF
AVAILABLE = (RET_KILL_PROCESS, RET_KILL_THREAD, RET_TRAP, RET_ERRNO, RET_TRACE, RET_LOG, RET_ALLOW)
MAX_ERRNO = 4095

DATA_SIZE = 64
BPF_MAXINSNS = 4096
MAX_INSTRUCTIONS = 32768
OVERHEAD = 4
"""What each filter counts besides its own instructions (MAX_INSNS_PER_PATH)."""
MEMORY = 16
"""Words of scratch memory."""

INSTRUCTION = Struct("<HBBI")
_DATA = Struct("<iI7Q")

LD_IMM, LD_ABS, LD_MEM, LD_LEN = 0x00, 0x20, 0x60, 0x80
LDX_IMM, LDX_MEM, LDX_LEN = 0x01, 0x61, 0x81
ST, STX = 0x02, 0x03
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, XOR = (0x04 + 16 * n for n in (0, 1, 2, 3, 4, 5, 6, 7, 8, 10))
JA, JEQ, JGT, JGE, JSET = (0x05 + 16 * n for n in range(5))
RET_K, RET_A = 0x06, 0x16
TAX, TXA = 0x07, 0x87
X = 0x08
"""The operand is X, not the constant."""
_BINARY = (ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, XOR)
_TESTS = (JEQ, JGT, JGE, JSET)
_KNOWN = frozenset(
    (LD_IMM, LD_ABS, LD_MEM, LD_LEN, LDX_IMM, LDX_MEM, LDX_LEN, ST, STX, NEG, JA, RET_K, RET_A, TAX, TXA)
    + tuple(code | way for code in _BINARY + _TESTS for way in (0, X))
)

Program = tuple[tuple[int, int, int, int], ...]
"""Instructions: code, jump if true, jump if false, constant."""


@lru_cache(maxsize=64)
def decoded(image: bytes) -> Program:
    """`struct sock_filter`s as tuples."""
    return tuple(INSTRUCTION.iter_unpack(image))


def check(program: Program) -> bool:
    """Whether a filter may be run (bpf_check_classic, seccomp_check_filter)."""
    length = len(program)
    stored = 0
    before = [0xFFFF] * length  # the scratch words that are set on every way to an instruction
    for pc, (code, true, false, k) in enumerate(program):
        stored &= before[pc]
        if code not in _KNOWN:
            return False
        if code == LD_ABS and (k >= DATA_SIZE or k & 3):
            return False
        if (code == DIV and not k) or (code in (LSH, RSH) and k >= 32):
            return False
        if code in (ST, STX, LD_MEM, LDX_MEM):
            if k >= MEMORY:
                return False
            if code in (ST, STX):
                stored |= 1 << k
            elif not stored & 1 << k:
                return False
        if code == JA:
            if k >= length - pc - 1:
                return False
            before[pc + 1 + k] &= stored
            stored = 0xFFFF
        elif code & ~X in _TESTS:
            if pc + 1 + max(true, false) >= length:
                return False
            before[pc + 1 + true] &= stored
            before[pc + 1 + false] &= stored
            stored = 0xFFFF
    return program[-1][0] in (RET_K, RET_A)


def run(program: Program, data: bytes) -> int:
    """What a checked filter says of a `struct seccomp_data`: an action and 16 bits of data."""
    a = x = pc = 0
    memory = [0] * MEMORY
    while True:
        code, true, false, k = program[pc]
        pc += 1
        kind = code & 7
        operand = x if code & X else k
        if kind == 5:
            if code == JA:
                pc += k
                continue
            test = code & ~X
            if test == JEQ:
                holds = a == operand
            elif test == JGT:
                holds = a > operand
            elif test == JGE:
                holds = a >= operand
            else:
                holds = bool(a & operand)
            pc += true if holds else false
        elif kind == 6:
            return a if code == RET_A else k
        elif kind == 4:
            if code & ~X == DIV and not operand:
                return 0
            a = _computed(code & ~X, a, operand)
        elif code == LD_ABS:
            a = int.from_bytes(data[k : k + 4], "little")
        elif code == LD_MEM:
            a = memory[k]
        elif code == LDX_MEM:
            x = memory[k]
        elif code == ST:
            memory[k] = a
        elif code == STX:
            memory[k] = x
        elif code == TAX:
            x = a
        elif code == TXA:
            a = x
        elif kind == 0:
            a = k if code == LD_IMM else DATA_SIZE
        else:
            x = k if code == LDX_IMM else DATA_SIZE


def _computed(code: int, a: int, b: int) -> int:
    if code == ADD:
        a += b
    elif code == SUB:
        a -= b
    elif code == MUL:
        a *= b
    elif code == DIV:
        a //= b
    elif code == OR:
        a |= b
    elif code == AND:
        a &= b
    elif code == LSH:
        a <<= b & 31
    elif code == RSH:
        a >>= b & 31
    elif code == XOR:
        a ^= b
    else:
        a = -a
    return a & 0xFFFF_FFFF


def verdict(filters: list[bytes], data: bytes) -> int:
    """The strictest of what the filters say, of equal ones the newest's (seccomp_run_filters)."""
    least = RET_ALLOW
    for image in reversed(filters):
        said = run(decoded(image), data)
        if _strictness(said) < _strictness(least):
            least = said
    return least


def _strictness(said: int) -> int:
    action = said & RET_ACTION_FULL
    return action - 0x1_0000_0000 if action & 0x8000_0000 else action


def asked(k: Kernel, number: int) -> int:
    """What the current task's filters say of the system call that it is about to make."""
    task = k.task
    index = regs_index(task.thread)
    words = k.ram.u32[index : index + 13].tolist()
    signed = number - 0x1_0000_0000 if number & 0x8000_0000 else number
    return verdict(task.seccomp_filters, _DATA.pack(signed, AUDIT_ARCH_I386, words[12], *words[:6]))


def secure_computing(k: Kernel, number: int) -> int | None:
    """Before the current task's system call: None to make it, else what is in eax instead.

    (`__secure_computing`.) The task may have ended, or have a signal to take."""
    task = k.task
    if task.seccomp_mode == MODE_STRICT:
        if number in STRICT_CALLS:
            return None
        k.emit(SyscallFiltered(number, RET_KILL_THREAD))
        do_exit(k, SIGKILL)
        return 0
    said = asked(k, number)
    action = said & RET_ACTION_FULL
    if action == RET_ALLOW:
        return None
    if action == RET_TRACE and task.trace is not None and task.trace.options & PTRACE_O_TRACESECCOMP:
        return None  # its tracer was asked, and has let it be made
    k.emit(SyscallFiltered(number, said))
    if action == RET_LOG:
        return None
    if action == RET_ERRNO:
        return -min(said & RET_DATA, MAX_ERRNO)
    if action in (RET_TRACE, RET_USER_NOTIF):  # nobody is there who could be asked
        return -int(Errno.ENOSYS)
    info = SigInfo(SIGSYS, SYS_SECCOMP, said & RET_DATA, status=AUDIT_ARCH_I386)
    info.address, info.value = Regs(k, task).eip, number & 0xFFFF_FFFF
    if action == RET_TRAP:
        force_signal(k, task, info)
    elif action == RET_KILL_THREAD and _threads_alive(k) > 1:
        do_exit(k, SIGSYS)
    else:
        force_signal(k, task, info, default=True)
    return number


def _threads_alive(k: Kernel) -> int:
    me = k.task
    return sum(task.tgid == me.tgid and task.state != TaskState.ZOMBIE for task in k.tables.tasks.values())


def set_strict(k: Kernel) -> None:
    _may_assign(k, MODE_STRICT)
    k.task.seccomp_mode = MODE_STRICT


def _may_assign(k: Kernel, mode: int) -> None:
    if k.task.seccomp_mode not in (MODE_DISABLED, mode):
        raise KernelError(Errno.EINVAL)


def attach(k: Kernel, image: bytes) -> None:
    """One more filter for the current task."""
    _may_assign(k, MODE_FILTER)
    filters = k.task.seccomp_filters
    whole = sum(len(other) // INSTRUCTION.size + OVERHEAD for other in filters)
    if whole + len(image) // INSTRUCTION.size > MAX_INSTRUCTIONS:
        raise KernelError(Errno.ENOMEM)
    k.task.seccomp_filters = [*filters, image]
    k.task.seccomp_mode = MODE_FILTER


def unsynchronised_thread(k: Kernel) -> int:
    """A thread of the process whose filters are not the beginning of the current one's, or 0
    (seccomp_can_sync_threads)."""
    me = k.task
    for task in k.tables.tasks.values():
        if task.tgid != me.tgid or task.pid == me.pid or task.state == TaskState.ZOMBIE:
            continue
        if task.seccomp_mode == MODE_DISABLED:
            continue
        mine = me.seccomp_filters[: len(task.seccomp_filters)]
        if task.seccomp_mode != MODE_FILTER or task.seccomp_filters != mine:
            return task.pid
    return 0


def synchronise_threads(k: Kernel) -> None:
    """The current task's filters, and its no_new_privs, are the whole process's (seccomp_sync_threads)."""
    me = k.task
    for task in k.tables.tasks.values():
        if task.tgid == me.tgid and task.state != TaskState.ZOMBIE:
            task.seccomp_mode = me.seccomp_mode
            task.seccomp_filters = me.seccomp_filters
            task.no_new_privs |= me.no_new_privs
