"""Exceptions of the processor in user mode, and the signals that they become (arch/x86/kernel/traps.c).

Page faults are `kernel.mm.fault`'s. Exceptions in ring 0 do not come here: `kernel.entry` looks them up in
the entry code's exception table. Two things are not signals: a debugging machine's NMI, and `rdtsc`, which is
made to fault (CR4.TSD) so that the time stamp counter is this machine's clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cpu.interrupts import (
    ALIGNMENT,
    BOUND,
    BREAKPOINT,
    DEBUG,
    DIVIDE_ERROR,
    DOUBLE_FAULT,
    INVALID_OPCODE,
    INVALID_TSS,
    MACHINE_CHECK,
    MATH_FAULT,
    NMI,
    NO_COPROCESSOR,
    NOT_PRESENT,
    OVERFLOW,
    PROTECTION,
    SIMD_FAULT,
    STACK_FAULT,
)
from kernel.abi.signal import (
    BUS_ADRALN,
    FPE_FLTDIV,
    FPE_FLTINV,
    FPE_FLTOVF,
    FPE_FLTRES,
    FPE_FLTUND,
    FPE_INTDIV,
    ILL_ILLOPN,
    SI_KERNEL,
    SIGBUS,
    SIGFPE,
    SIGILL,
    SIGSEGV,
    SIGTRAP,
    TRAP_TRACE,
)
from kernel.errors import Panic
from kernel.events import FaultHandled
from kernel.ptrace import watch
from kernel.signals.frame import NO_SYSCALL
from kernel.signals.state import force_signal, record_trap
from kernel.tables import SigInfo
from kernel.thread import Regs
from kernel.uaccess import copy_from_user_partial

if TYPE_CHECKING:
    from kernel.kernel import Kernel

COPROCESSOR_OVERRUN = 9
RDTSC = b"\x0f\x31"
RDTSC_SIZE = 2


class Meaning(msgspec.Struct, frozen=True):
    """The signal for a vector. `code` SI_KERNEL carries no address; `located` puts eip into si_addr."""

    signo: int
    code: int = SI_KERNEL
    located: bool = False


MEANINGS: dict[int, Meaning] = {
    DIVIDE_ERROR: Meaning(SIGFPE, FPE_INTDIV, located=True),
    DEBUG: Meaning(SIGTRAP, TRAP_TRACE, located=True),
    BREAKPOINT: Meaning(SIGTRAP),
    OVERFLOW: Meaning(SIGSEGV),
    BOUND: Meaning(SIGSEGV),
    INVALID_OPCODE: Meaning(SIGILL, ILL_ILLOPN, located=True),
    NO_COPROCESSOR: Meaning(SIGSEGV),
    COPROCESSOR_OVERRUN: Meaning(SIGFPE),
    INVALID_TSS: Meaning(SIGSEGV),
    NOT_PRESENT: Meaning(SIGBUS),
    STACK_FAULT: Meaning(SIGBUS),
    PROTECTION: Meaning(SIGSEGV),
    MATH_FAULT: Meaning(SIGFPE, FPE_FLTINV, located=True),
    ALIGNMENT: Meaning(SIGBUS, BUS_ADRALN),
    SIMD_FAULT: Meaning(SIGFPE, FPE_FLTINV, located=True),
}
"""What each vector is to a program. The code of the floating point ones follows from the status registers."""


def do_exception(k: Kernel, vector: int) -> None:
    """A program's exception: its error code is where orig_eax will say that this is no system call."""
    task = k.task
    regs = Regs(k, task)
    error = regs.orig_eax
    regs.orig_eax = NO_SYSCALL
    eip = regs.eip
    if vector == NMI:
        return
    if vector in (DOUBLE_FAULT, MACHINE_CHECK):
        raise Panic(f"vector {vector:#x} at {eip:08x} in {task.comm}")
    if vector == PROTECTION and not error and copy_from_user_partial(k, eip, RDTSC_SIZE) == RDTSC:
        _read_time_stamp_counter(k, regs)
        k.emit(FaultHandled(vector, eip, error, 0))
        return
    meaning = MEANINGS[vector]
    code = meaning.code
    if vector in (MATH_FAULT, SIMD_FAULT):
        code = _floating_point_code(k, vector)
    if vector == DEBUG and task.trace is not None:
        code = watch.trapped(k, task, eip)
        if not code:
            return
    record_trap(k, task, vector, error)
    k.emit(FaultHandled(vector, eip, error, meaning.signo))
    force_signal(k, task, SigInfo(meaning.signo, code, address=eip if meaning.located else 0))


def _read_time_stamp_counter(k: Kernel, regs: Regs) -> None:
    regs.eax = k.now
    regs.edx = k.now >> 32
    regs.eip += RDTSC_SIZE


def _floating_point_code(k: Kernel, vector: int) -> int:
    """Which of the exceptions that are not masked has happened (fpu__exception_code).

    The processor still has the program's x87 and SSE registers: the entry code uses none.
    """
    fpu = k.core.emulator.read_fpu()
    if vector == MATH_FAULT:
        raised = fpu.fpsw & ~fpu.fpcw
    else:
        raised = fpu.mxcsr & ~(fpu.mxcsr >> 7)
    for bits, code in (
        (0x01, FPE_FLTINV),
        (0x04, FPE_FLTDIV),
        (0x08, FPE_FLTOVF),
        (0x12, FPE_FLTUND),
        (0x20, FPE_FLTRES),
    ):
        if raised & bits:
            return code
    return MEANINGS[vector].code
