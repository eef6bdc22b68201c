"""What becomes of the processor's exceptions: numbers as a host's signal handlers see them."""

from __future__ import annotations

import msgspec
import pytest

from kernel.abi.signal import (
    FPE_FLTDIV,
    FPE_FLTINV,
    FPE_FLTOVF,
    FPE_FLTRES,
    FPE_FLTUND,
    SI_KERNEL,
    SIGBUS,
    SIGFPE,
    SIGILL,
    SIGSEGV,
    SIGTRAP,
)
from kernel.errors import Panic
from kernel.exceptions import do_exception
from kernel.signals.state import last_trap
from tests.kernel.signal_machine import DATA, Machine


@pytest.fixture
def m() -> Machine:
    machine = Machine()
    machine.run(machine.add_task(2))
    return machine


def fault(m: Machine, vector: int, error: int = 0, eip: int = 0x0804_9000) -> None:
    regs = m.run(m.task)
    regs.orig_eax, regs.eip = error, eip
    do_exception(m.kernel, vector)
    assert regs.orig_eax == 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("vector", "signo", "code", "located"),
    [
        (0, SIGFPE, 1, True),
        (1, SIGTRAP, 2, True),
        (3, SIGTRAP, SI_KERNEL, False),
        (4, SIGSEGV, SI_KERNEL, False),
        (5, SIGSEGV, SI_KERNEL, False),
        (6, SIGILL, 2, True),
        (10, SIGSEGV, SI_KERNEL, False),
        (11, SIGBUS, SI_KERNEL, False),
        (12, SIGBUS, SI_KERNEL, False),
        (13, SIGSEGV, SI_KERNEL, False),
        (17, SIGBUS, 1, False),
    ],
)
def test_vectors_and_their_signals(m: Machine, vector: int, signo: int, code: int, located: bool) -> None:
    fault(m, vector, error=0x102)
    (info,) = m.task.pending
    assert (info.signo, info.code, info.address) == (signo, code, 0x0804_9000 if located else 0)
    assert last_trap(m.kernel, m.task)[:2] == (vector, 0x102)
    assert [type(event).__name__ for event in m.events] == ["FaultHandled", "SignalGenerated"]
    assert m.events[0].signo == signo
    assert m.flagged(m.task)


@pytest.mark.parametrize(
    ("bits", "code"),
    [
        (0x01, FPE_FLTINV),
        (0x04, FPE_FLTDIV),
        (0x08, FPE_FLTOVF),
        (0x10, FPE_FLTUND),
        (0x02, FPE_FLTUND),
        (0x20, FPE_FLTRES),
        (0x24, FPE_FLTDIV),
        (0x00, FPE_FLTINV),
    ],
)
def test_floating_point_codes(m: Machine, bits: int, code: int) -> None:
    fpu = m.emulator.fpu
    m.emulator.fpu = msgspec.structs.replace(fpu, fpsw=bits, fpcw=0x340, mxcsr=bits)
    fault(m, 16)
    fault(m, 19)
    assert [info.code for info in m.task.pending] == [code]
    m.emulator.fpu = msgspec.structs.replace(fpu, fpsw=0x3F, fpcw=0x37F & ~bits)
    m.task.pending.clear()
    fault(m, 16)
    assert [info.code for info in m.task.pending] == [code]


def test_rdtsc_is_this_machine_s_clock(m: Machine) -> None:
    space = m.tables.spaces[m.task.space]
    m.put(space, DATA, b"\x0f\x31")
    m.now = 0x1_2345_6789
    regs = m.run(m.task)
    fault(m, 13, eip=DATA)
    assert (regs.eax, regs.edx, regs.eip) == (0x2345_6789, 1, DATA + 2)
    assert not m.task.pending
    assert [event.signo for event in m.told("FaultHandled")] == [0]


def test_what_the_kernel_cannot_survive(m: Machine) -> None:
    with pytest.raises(Panic):
        fault(m, 8)
    fault(m, 2)
    assert not m.task.pending
