"""The frames of signal handlers, as a host's Linux builds them, and what sigreturn takes back."""

from __future__ import annotations

import struct

import pytest

from kernel.abi.sigframe import FPSTATE_32, RT_RETCODE, Sigcontext, Siginfo, siginfo_variant
from kernel.abi.signal import (
    SA_ONSTACK,
    SA_RESTORER,
    SA_SIGINFO,
    SI_TKILL,
    SIGSEGV,
    SIGUSR1,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
    sigmask,
)
from kernel.abi.structs import StackT
from kernel.signals import frame as frames
from kernel.signals.fpstate import fpstate_from_fxsave, fxsave_from_fpstate
from kernel.signals.state import record_trap
from kernel.syscalls.signals import sys_rt_sigreturn, sys_sigreturn
from kernel.tables import SigAction, SigInfo, Task
from kernel.thread import INITIAL_FXSAVE, Regs, fxsave_read, fxsave_write
from kernel.uaccess import copy_from_user, copy_to_user
from tests.kernel.signal_machine import DATA, STACK, Machine

HANDLER, RESTORER = 0x0804_8100, 0x0804_8200

HOST_FXSAVE = struct.pack(
    "<12I", 0x3000037F, 0xC0, 0x080493A0, 0, 0, 0, 0x1FA0, 0xFFFF, 0, 0, 0, 0
) + struct.pack("<4I", 0, 0xC0000000, 0x3FFF, 0)
HOST_FSAVE = struct.pack("<3I", 0xFFFF037F, 0xFFFF3000, 0xFFFF1FFF)
HOST_STACK = bytes(10) + struct.pack("<2IH", 0, 0xC0000000, 0x3FFF)
"""fld 1.5; fldz; then a signal: the image and the older form of it, on a 6.x kernel."""


@pytest.fixture
def m() -> Machine:
    machine = Machine()
    machine.run(machine.add_task(2))
    return machine


def registers(m: Machine) -> Regs:
    """The task with a different number in each register."""
    regs = Regs(m.kernel, m.task)
    regs.load([*range(0x11, 0x18), 0x7B, 0x7B, 0, 0x33, 37, 0x0804_93A4, 0x73, 0x296, 0x7_F000, 0x7B])
    return regs


def build(m: Machine, flags: int = 0, info: SigInfo | None = None) -> int | None:
    action = SigAction(HANDLER, flags | SA_RESTORER, RESTORER)
    return set_up(m, action, info)


def set_up(m: Machine, action: SigAction, info: SigInfo | None = None) -> int | None:
    return frames.setup_frame(m.kernel, m.task, Regs(m.kernel, m.task), action, info or SigInfo(SIGUSR1))


def words(m: Machine, address: int, count: int) -> list[int]:
    return list(struct.unpack(f"<{count}I", copy_from_user(m.kernel, address, 4 * count)))


def test_a_plain_frame(m: Machine) -> None:
    regs = registers(m)
    record_trap(m.kernel, m.task, 14, 6, 0x1234)
    m.task.blocked = 0x22_0000_0011
    address = build(m)
    assert address is not None
    fpstate = address + 740
    sp = 0x7_F000
    # As dumped by a handler: pretcode, signal number, sigcontext.
    assert words(m, address, 24) == [
        *(RESTORER, SIGUSR1),
        *(0x33, 0, 0x7B, 0x7B, 0x15, 0x14, 0x16, sp, 0x11, 0x13, 0x12, 0x17),
        *(14, 6, 0x0804_93A4, 0x73, 0x296, sp, 0x7B, fpstate, 0x11, 0x1234),
    ]
    assert words(m, address + 720, 3) == [0x22, 0x0077_B858, 0x80CD_0000]
    assert (address + 4) % 16 == 0
    assert (fpstate + 112) % 64 == 0
    assert regs.esp == address


def test_a_frame_with_information(m: Machine) -> None:
    registers(m)
    m.task.altstack = [0x9000, 0, 0x4000]
    m.task.blocked = sigmask(40)
    m.task.saved_mask = sigmask(41)
    info = SigInfo(SIGUSR1, SI_TKILL, pid=7, uid=1000)
    address = build(m, SA_SIGINFO, info)
    assert address is not None
    assert words(m, address, 4) == [RESTORER, SIGUSR1, address + 16, address + 144]
    assert words(m, address + 16, 6) == [SIGUSR1, 0, SI_TKILL & 0xFFFF_FFFF, 7, 1000, 0]
    assert words(m, address + 144, 5) == [0, 0, 0x9000, 0, 0x4000]
    context = Sigcontext.unpack(copy_from_user(m.kernel, address + 164, 88))
    assert (context.eip, context.fpstate) == (0x0804_93A4, address + 276)
    assert words(m, address + 252, 2) == [0, sigmask(41) >> 32]
    assert copy_from_user(m.kernel, address + 260, 8) == RT_RETCODE
    regs = Regs(m.kernel, m.task)
    assert (regs.eax, regs.edx, regs.ecx) == (SIGUSR1, address + 16, address + 144)
    assert (regs.cs, regs.ss, regs.ds, regs.es, regs.gs) == (0x73, 0x7B, 0x7B, 0x7B, 0x33)


def test_without_a_restorer_the_code_is_in_the_frame(m: Machine) -> None:
    registers(m)
    plain = set_up(m, SigAction(HANDLER))
    assert plain is not None
    assert words(m, plain, 1) == [plain + 724]
    rt = set_up(m, SigAction(HANDLER, SA_SIGINFO))
    assert rt is not None
    assert words(m, rt, 1) == [rt + 260]


@pytest.mark.parametrize("flags", [0, SA_SIGINFO])
def test_sigreturn_takes_everything_back(m: Machine, flags: int) -> None:
    regs = registers(m)
    m.task.blocked = 0x22_0000_0011
    image = HOST_FXSAVE.ljust(512, b"\x5a")
    fxsave_write(m.kernel, m.task, image)
    before = regs.all()
    address = build(m, flags)
    assert fxsave_read(m.kernel, m.task) == INITIAL_FXSAVE
    m.task.blocked = sigmask(SIGUSR1)
    regs.load([0x99] * 17)
    assert address is not None
    regs.cs, regs.eflags = 0x73, 0x202
    regs.esp = address + (4 if flags else 8)
    m.events.clear()
    result = sys_rt_sigreturn(m.kernel) if flags else sys_sigreturn(m.kernel)
    regs.eax = result  # as the entry code does
    before[11] = 0xFFFF_FFFF
    assert regs.all() == before
    assert m.task.blocked == 0x22_0000_0011
    (returned,) = m.events
    assert (returned.frame, returned.blocked, returned.eip) == (address, m.task.blocked, before[12])
    back = fxsave_read(m.kernel, m.task)
    assert back[:160] == image[:160]
    assert back[160:] == image[160:]


def test_a_program_cannot_give_itself_more_than_its_own(m: Machine) -> None:
    regs = registers(m)
    context = Sigcontext(cs=0x60, ss=0x68, eflags=0xFFFF_FFFF, oldmask=0xFFFF_FFFF, eax=5)
    regs.esp = DATA + 8
    copy_to_user(m.kernel, DATA + 8, context.pack())
    assert sys_sigreturn(m.kernel) == 5
    assert (regs.cs, regs.ss) == (0x63, 0x6B)
    assert regs.eflags == 0x296 | 0x0005_0DD5  # interrupts stay on, IOPL 0, no NT, no VM
    assert m.task.blocked == 0xFFFF_FFFF & ~sigmask(9) & ~sigmask(19)


@pytest.mark.parametrize("call", [sys_sigreturn, sys_rt_sigreturn])
def test_a_frame_that_is_not_there(m: Machine, call: type) -> None:
    regs = registers(m)
    regs.esp = 0x10
    assert call(m.kernel) == 0
    assert [info.signo for info in m.task.pending] == [SIGSEGV]
    assert regs.eip == 0x0804_93A4


def test_floating_point_state_that_is_not_there(m: Machine) -> None:
    regs = registers(m)
    regs.esp = DATA + 8
    copy_to_user(m.kernel, DATA + 8, Sigcontext(fpstate=8, eip=0x1000).pack())
    assert sys_sigreturn(m.kernel) == 0
    assert [info.signo for info in m.task.pending] == [SIGSEGV]
    m.task.pending.clear()
    regs.esp = DATA + 8
    copy_to_user(m.kernel, DATA + 8, Sigcontext(eip=0x1000).pack())
    sys_sigreturn(m.kernel)
    assert not m.task.pending
    assert fxsave_read(m.kernel, m.task) == INITIAL_FXSAVE


# --- floating point -----------------------------------------------------------------------------------------


def test_both_forms_of_the_floating_point_state_are_the_host_s() -> None:
    state = fpstate_from_fxsave(HOST_FXSAVE.ljust(512, b"\0"))
    assert len(state) == FPSTATE_32
    assert state[:12] == HOST_FSAVE
    assert state[28:48] == HOST_STACK
    assert state[108:112] == struct.pack("<HH", 0x3000, 0)
    assert state[112:] == HOST_FXSAVE.ljust(512, b"\0")


def test_the_older_form_wins_and_mxcsr_is_masked() -> None:
    state = bytearray(fpstate_from_fxsave(HOST_FXSAVE.ljust(512, b"\0")))
    state[0:2] = (0x27F).to_bytes(2, "little")
    state[28:38] = bytes(range(10))
    state[112 + 24 : 112 + 28] = b"\xff" * 4
    image = fxsave_from_fpstate(bytes(state))
    assert image[:2] == (0x27F).to_bytes(2, "little")
    assert image[32:42] == bytes(range(10))
    assert image[24:28] == b"\xff\xff\0\0"


@pytest.mark.parametrize(
    ("register", "tag"),
    [
        (struct.pack("<QH", 0, 0), 1),
        (struct.pack("<QH", 1 << 63, 0x3FFF), 0),
        (struct.pack("<QH", 1 << 63, 0xFFFF), 2),
        (struct.pack("<QH", 1, 0), 2),
        (struct.pack("<QH", 1 << 62, 0x3FFF), 2),
    ],
)
def test_tags(register: bytes, tag: int) -> None:
    head = struct.pack("<HHB", 0x37F, 7 << 11, 0x80)
    image = (head.ljust(32, b"\0") + register).ljust(512, b"\0")
    state = fpstate_from_fxsave(image)
    assert struct.unpack_from("<I", state, 8) == (0xFFFF_0000 | 0x3FFF | tag << 14,)
    assert fxsave_from_fpstate(state) == image


# --- the alternate stack ------------------------------------------------------------------------------------


def test_handlers_on_the_alternate_stack(m: Machine) -> None:
    regs = registers(m)
    m.task.altstack = [STACK, 0, 0x4000]
    first = build(m, SA_ONSTACK)
    assert first is not None
    assert STACK < first < STACK + 0x4000
    assert frames.altstack_flags(m.task, regs.esp) == SS_ONSTACK
    second = build(m, SA_ONSTACK)  # nested: below the first one
    assert second is not None
    assert STACK < second < first
    regs.esp = 0x7_F000
    third = build(m)
    assert third is not None
    assert third > STACK + 0x4000


def test_an_alternate_stack_that_would_overflow(m: Machine) -> None:
    regs = registers(m)
    m.task.altstack = [STACK + 0x1000, 0, 0x800]
    assert build(m, SA_ONSTACK) is not None
    assert build(m, SA_ONSTACK) is None
    assert regs.eip == HANDLER


def test_changing_the_alternate_stack(m: Machine) -> None:
    task: Task = m.task

    def change(start: int, flags: int, size: int, sp: int = 0x100) -> str:
        return frames.set_altstack(task, StackT(start, flags, size), sp)

    assert change(0x9000, 4, 0x4000) == "EINVAL"
    assert change(0x9000, 0, 2047) == "ENOMEM"
    assert change(0x9000, SS_ONSTACK, 2048) == ""
    assert change(0x9000, 0, 0x4000, sp=0x9100) == "EPERM"
    assert change(0x9000, SS_DISABLE, 77) == ""
    assert task.altstack == [0, SS_DISABLE, 0]
    assert change(0x9000, SS_AUTODISARM - (1 << 32), 0x4000) == ""
    assert frames.altstack_flags(task, 0x9100) == 0
    assert change(0xA000, 0, 0x4000, sp=0x9100) == ""


def test_siginfo_s_fields_follow_from_number_and_code() -> None:
    packed = frames.siginfo_of(SigInfo(SIGSEGV, 1, address=0x1234)).pack()
    assert Siginfo.unpack(packed).si_addr == 0x1234
    assert siginfo_variant(SIGSEGV, SI_TKILL) == "rt"
