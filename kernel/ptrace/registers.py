"""What a tracer sees and changes of a task's registers (arch/x86/kernel/ptrace.c, step.c, i386's user_32.h).

The task has stopped, so all of them are in memory: pt_regs on its kernel stack, x87 and SSE in thread_info.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.errors import KernelError
from kernel.fs.proc.access import read_memory
from kernel.ptrace import watch
from kernel.signals.fpstate import MXCSR_MASK, fpstate_from_fxsave, fxsave_from_fpstate
from kernel.thread import PT_REGS, Regs, fxsave_read, fxsave_write

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.tables import Task

REGS_SIZE = 4 * len(PT_REGS)
FPREGS_SIZE = 108
FPXREGS_SIZE = 512
USER_SIZE = 284
DEBUGREG = 252
"""Offset of u_debugreg in struct user."""
EFLAGS_AT = 4 * PT_REGS.index("eflags")
TF = 1 << 8
FLAG_MASK = 0x0005_4DD5
"""What a tracer may set of eflags: AC RF NT OF DF TF SF ZF AF PF CF."""
RPL_USER = 3
_POPF, _IRET = 0x9D, 0xCF
_PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3))
_MXCSR = Struct("<I")


# --- pt_regs ------------------------------------------------------------------------------------------------


def get_regs(k: Kernel, task: Task) -> bytes:
    """struct user_regs_struct; TF that is only there for stepping is not shown."""
    words = Regs(k, task).all()
    if task.trace is not None and task.trace.forced_tf:
        words[EFLAGS_AT // 4] &= ~TF
    for name in ("ds", "es", "fs", "gs", "cs", "ss"):
        words[PT_REGS.index(name)] &= 0xFFFF
    return b"".join(word.to_bytes(4, "little") for word in words)


def set_regs(k: Kernel, task: Task, data: bytes) -> None:
    """As many of the registers as `data` has words, in their order. EIO for a selector that cannot be."""
    for at in range(0, len(data) & ~3, 4):
        set_reg(k, task, at, int.from_bytes(data[at : at + 4], "little"))


def set_reg(k: Kernel, task: Task, at: int, value: int) -> None:
    regs = Regs(k, task)
    name = PT_REGS[at // 4]
    if name in ("ds", "es", "fs", "gs", "cs", "ss"):
        value &= 0xFFFF
        if (value and value & 3 != RPL_USER) or (not value and name in ("cs", "ss")):
            raise KernelError(Errno.EIO)
    elif name == "eflags":
        trace = task.trace
        if value & TF:
            if trace is not None:
                trace.forced_tf = False
        elif trace is not None and trace.forced_tf:
            value |= TF
        value = regs.eflags & ~FLAG_MASK | value & FLAG_MASK
    setattr(regs, name, value)


def peek_user(k: Kernel, task: Task, offset: int) -> int:
    """A word of struct user. EIO for where none is."""
    if offset & 3 or offset >= USER_SIZE:
        raise KernelError(Errno.EIO)
    if offset < REGS_SIZE:
        return int.from_bytes(get_regs(k, task)[offset : offset + 4], "little")
    if offset >= DEBUGREG and task.trace is not None:
        return watch.get(task.trace, (offset - DEBUGREG) // 4)
    return 0


def poke_user(k: Kernel, task: Task, offset: int, value: int) -> None:
    """Change a word of struct user. EIO where none is; as `watch.put` for a debug register."""
    if offset & 3 or offset >= USER_SIZE:
        raise KernelError(Errno.EIO)
    if offset < REGS_SIZE:
        set_reg(k, task, offset, value)
    elif offset >= DEBUGREG and task.trace is not None:
        watch.put(k, task, task.trace, (offset - DEBUGREG) // 4, value)


# --- x87 and SSE --------------------------------------------------------------------------------------------


def get_fpregs(k: Kernel, task: Task) -> bytes:
    """struct user_i387_struct, as `fsave` would have it."""
    return fpstate_from_fxsave(fxsave_read(k, task))[:FPREGS_SIZE]


def set_fpregs(k: Kernel, task: Task, data: bytes) -> None:
    image = fxsave_read(k, task)
    old = fpstate_from_fxsave(image)
    fxsave_write(k, task, fxsave_from_fpstate(data + old[len(data) : FPREGS_SIZE] + old[FPREGS_SIZE:]))


def get_fpxregs(k: Kernel, task: Task) -> bytes:
    """struct user_fxsr_struct: the image of `fxsave`."""
    return fxsave_read(k, task)


def set_fpxregs(k: Kernel, task: Task, data: bytes) -> None:
    """EINVAL unless it is all of it, with an MXCSR that can be loaded."""
    if len(data) != FPXREGS_SIZE or _MXCSR.unpack_from(data, 24)[0] & ~MXCSR_MASK:
        raise KernelError(Errno.EINVAL)
    fxsave_write(k, task, data)


# --- one instruction at a time ------------------------------------------------------------------------------


def enable_step(k: Kernel, task: Task) -> None:
    """The task traps behind its next instruction (enable_single_step)."""
    trace = task.trace
    if trace is None:
        return
    regs = Regs(k, task)
    trace.stepping = True
    before = regs.eflags
    regs.eflags = before | TF
    if _sets_trap_flag(k, task, regs.eip):
        trace.forced_tf = False
    elif not before & TF:
        trace.forced_tf = True


def disable_step(k: Kernel, task: Task) -> None:
    hide_step(k, task)
    watch.hold(k, task)


def hide_step(k: Kernel, task: Task) -> None:
    """No stepping any more, and no TF that the program has not set itself."""
    trace = task.trace
    if trace is None:
        return
    trace.stepping = False
    if trace.forced_tf:
        trace.forced_tf = False
        regs = Regs(k, task)
        regs.eflags &= ~TF


def _sets_trap_flag(k: Kernel, task: Task, eip: int) -> bool:
    """Whether the next instruction is one that loads TF itself (is_setting_trap_flag)."""
    space = k.tables.spaces.get(task.space)
    if space is None:
        return False
    for byte in read_memory(k, space, eip, 15):
        if byte not in _PREFIXES:
            return byte in (_POPF, _IRET)
    return False
