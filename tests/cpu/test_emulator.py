"""What the emulator does and does not do, where this floor relies on it (and nowhere else is it tested)."""

from __future__ import annotations

import gc
import weakref

import pytest

from cpu.bus import Bus
from cpu.clock import native_host
from cpu.core import NEVER, Core
from cpu.emulator import Emulator, layout
from cpu.ram import Ram
from cpu.registers import FpuState
from tests.cpu.listing import Code
from tests.cpu.machine import DATA, TEXT, Bare, started, trap_of

FLOATS = Code(
    """
        dbe3        fninit
        d9e8        fld1
        d9eb        fldpi
        687f0c0000  push 0x0c7f
        d92c24      fldcw [esp]
        b80000803f  mov eax, 0x3f800000
        660f6ec8    movd xmm1, eax
        0fc6c900    shufps xmm1, xmm1, 0
        0f28f9      movaps xmm7, xmm1
        0f58ff      addps xmm7, xmm7
        68807f0000  push 0x7f80
        0fae1424    ldmxcsr [esp]
        cd80        int 0x80
        cc          int3
        d8c1        fadd st(0), st(1)
        d9fc        frndint
        0f58f9      addps xmm7, xmm1
        cd80        int 0x80
    """
)


def test_x87_and_sse_survive_traps() -> None:
    machine = started(FLOATS)
    machine.next_event()
    before = machine.core.emulator.read_fpu()
    assert before.fpcw == 0xC7F
    assert before.mxcsr == 0x7F80
    assert before.xmm[1] == bytes.fromhex("0000803f") * 4
    assert before.xmm[7] == bytes.fromhex("00000040") * 4
    assert before.st[before.fpsw >> 11 & 7] == (0xC90F_DAA2_2168_C235, 0x4000)
    assert machine.next_event().vector == 3
    assert machine.core.emulator.read_fpu() == before
    assert machine.next_event().vector == 0x80
    after = machine.core.emulator.read_fpu()
    assert after.xmm[7] == bytes.fromhex("00004040") * 4
    # pi + 1, rounded towards zero as the control word says
    assert after.st[after.fpsw >> 11 & 7] == (0x8000_0000_0000_0000, 0x4001)


def test_each_program_has_its_own_floats_only_by_fxsave() -> None:
    """A trap hands over whatever is in the registers: keeping tasks apart is the kernel's part."""
    machine = started(FLOATS)
    machine.next_event()
    machine.core.emulator.write_fpu(FpuState(0x37F, 0, 0xFFFF, 0x1F80, ((0, 0),) * 8, (bytes(16),) * 8))
    machine.next_event()
    assert machine.core.emulator.read_fpu().xmm[7] == bytes(16)


def test_fpu_state_is_read_and_written_exactly() -> None:
    emulator = Emulator(Ram(8 << 20))
    state = FpuState(
        fpcw=0x0F7F,
        fpsw=0x3841,
        fptag=0x0003,  # the first is empty, the others are numbers
        mxcsr=0x3FA0,
        st=tuple((0x8000_0000_0000_0001 + n, 0x3FFF - n) for n in range(8)),
        xmm=tuple(bytes(range(n, n + 16)) for n in range(8)),
    )
    emulator.write_fpu(state)
    assert emulator.read_fpu() == state
    empty = FpuState(0x37F, 0, 0xFFFF, 0x1F80, ((0, 0),) * 8, (bytes(16),) * 8)
    emulator.write_fpu(empty)
    assert emulator.read_fpu() == empty


def test_the_private_layout_is_found_by_measuring() -> None:
    found = layout()
    assert found is layout()
    assert 0 < found.fpu_start < found.fpu_end < found.size
    assert found.fpu_end - found.fpu_start <= 1024
    assert max(found.error, found.pending, found.operation) < found.size


def test_cpuid_is_deterministic_and_a_core_duo() -> None:
    program = b"\x0f\xa2\xcd\x80"

    def leaf(number: int) -> tuple[int, int, int, int]:
        machine = started(program, eax=number)
        machine.next_event()
        regs = machine.core.registers()
        return regs.eax, regs.ebx, regs.ecx, regs.edx

    for number in (0, 1, 2, 4, 0x8000_0000, 0x8000_0001, 0x8000_0008):
        assert leaf(number) == leaf(number)
    _, ebx, ecx, edx = leaf(0)
    assert b"".join(word.to_bytes(4, "little") for word in (ebx, edx, ecx)) == b"GenuineIntel"
    _, _, ecx, edx = leaf(1)
    for bit in (0, 6, 24, 25, 26):  # x87, PAE, FXSR, SSE, SSE2
        assert edx >> bit & 1
    assert not ecx >> 30 & 1  # RDRAND
    assert not ecx >> 28 & 1  # AVX
    assert leaf(0x8000_0001)[3] >> 20 & 1  # NX


def test_fxsave_and_fxrstor_are_real() -> None:
    program = FLOATS.data + b"\x0f\xae\x05" + DATA.to_bytes(4, "little") + b"\x0f\x57\xff\xdb\xe3\x0f\xae\x0d"
    machine = started(program + DATA.to_bytes(4, "little") + b"\xcc")
    for _ in range(3):
        machine.next_event()
    before = machine.core.emulator.read_fpu()
    assert machine.next_event().vector == 3
    assert machine.core.emulator.read_fpu() == before
    assert machine.get(DATA + 160 + 7 * 16, 16) == before.xmm[7]


def test_a_processor_and_its_memory_go_when_nobody_holds_them() -> None:
    """No cycles through the emulator's callbacks: sessions make many of these."""
    gc.collect()
    gc.disable()
    try:
        core = Core(Ram(8 << 20), Bus())
        emulator, ram = weakref.ref(core.emulator), core.ram
        del core
        assert emulator() is None
        assert ram.size == 8 << 20
    finally:
        gc.enable()


def test_rcl_of_a_word_that_is_not_there_keeps_its_carry() -> None:
    """The emulator loses the flags when such an access faults; the core brings them back."""
    for rotate in ("d115", "d11d", "c015", "66d315", "64d31d"):  # rcl, rcr
        operand = "0000000a" + ("03" if rotate.startswith("c0") else "")
        for flags in ("3c02", "f9", "29c9", "04ff"):  # cmp al, 2; stc; sub ecx, ecx; add al, 255
            code = bytes.fromhex("b801000000" + flags + rotate + operand + "cd80")
            event = trap_of(code, ecx=1)
            assert (event.vector, event.cr2) == (14, 0x0A00_0000)
            expected = started(code[: 5 + len(flags) // 2] + b"\xcd\x80", ecx=1).next_event().eflags
            assert event.eflags == expected


def test_a_program_cannot_turn_iopl_or_interrupts_with_popf() -> None:
    machine = started(b"\x9c\x81\x0c\x24\x00\x30\x00\x00\x80\x64\x24\x01\xfd\x9d\x9c\x58\xcd\x80")
    assert machine.next_event().eax & 0x3200 == 0x200


def test_sse_is_on_and_denormals_are_the_programs_business() -> None:
    assert trap_of(b"\x0f\x57\xc0\x0f\xae\x1c\x24\xcd\x80", esp=DATA + 64).vector == 0x80


def test_reading_code_stops_where_memory_does() -> None:
    machine = started(b"\x90" * 0xFFF + b"\xc3")
    one = machine.core.instruction_at(TEXT + 0xFFF)
    assert one is not None
    assert one.text == "ret"
    assert machine.core.instruction_at(0x0A00_0000) is None
    assert machine.core.read(TEXT + 0xFFE, 2) == b"\x90\xc3"
    assert machine.core.read(TEXT + 0xFFE, 3) is None


def test_steps_after_a_run_and_runs_after_a_step() -> None:
    """The emulator keeps counted and uncounted translations apart only if they are flushed in between."""
    loop = b"\xb9\x00\x10\x00\x00\x40\x49\x75\xfc\xcd\x80"
    machine = started(loop)
    core = machine.core
    core.run(core.ticks + 2000)
    for _ in range(10):
        before = core.registers().eax
        for _ in range(3):
            assert core.step() is None
        assert core.registers().eax in (before + 1, before + 2)
        core.run(core.ticks + 40)
    assert core.run(NEVER)
    assert machine.events[-1].eax == 0x1000


def test_the_kernels_pages_raise_no_faults_when_counting_ends_in_ring_3() -> None:
    machine = started(b"\xcd\x80" * 20 + b"\xf7\xf1")
    while len(machine.log) < 21:
        machine.core.step()
        machine.core.run(machine.core.ticks + 1)
    assert {event.vector for event in machine.events} == {0, 0x80}
    assert machine.core.registers().cr2 == 0


STORES = Code(
    """
        bd00010508    mov ebp, 0x08050100
        bf00000508    mov edi, 0x08050000
        b900100000    mov ecx, 0x1000
    again:
        890f          mov [edi], ecx
        0317          add edx, [edi]
        51            push ecx
        894704        mov [edi+4], eax
        59            pop ecx
        8345fc01      add dword ptr [ebp-4], 1
        49            dec ecx
        75f0          jne again
        cd80          int 0x80
    """
)


def test_asking_less_changes_nothing_but_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs, cuts and single steps: the same ticks and registers as when each access to memory asks."""
    seen = []
    for less in (True, False):
        if not less:
            monkeypatch.setattr("cpu.emulator.asks_less", lambda _handle: None)
        machine = started(STORES)
        core = machine.core
        places = []
        for n in range(1, 40):
            core.run(core.ticks + 7 * n)
            places.append((core.ticks, core.registers()))
            for _ in range(n % 4):
                core.step()
                places.append((core.ticks, core.registers()))
            core.run_to(core.ticks + 5)
            places.append((core.ticks, core.registers()))
        core.run(NEVER)
        places.append((core.ticks, core.registers()))
        seen.append(places)
        assert machine.events[-1].vector == 0x80
    assert seen[0] == seen[1]


def test_this_build_of_the_emulator_can_ask_less() -> None:
    machine = started(STORES)
    assert machine.core.emulator.asking_less == native_host()


def test_native_and_python_clocks_agree_on_a_plain_loop() -> None:
    ticks = []
    for native in (True, False):
        machine = Bare(native)
        machine.boot()
        machine.program(b"\xb9\xe8\x03\x00\x00\x49\x75\xfd\xcd\x80")
        machine.enter()
        assert machine.core.emulator.clock.native in (native, False)
        machine.next_event()
        ticks.append(machine.core.ticks)
    assert ticks[0] == ticks[1]
