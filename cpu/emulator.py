"""Unicorn, held by the handles that the core needs: contexts, banks, one entry call.

What Unicorn does and does not do is a matter of measurement; each fact this file relies on has a
test in `tests/cpu/test_emulator.py`. Nothing here knows of gates or kernels.
"""

from __future__ import annotations

import ctypes
import re
import struct
from array import array
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec
from unicorn import x86_const as x86
from unicorn.unicorn_const import (
    UC_ARCH_X86,
    UC_ERR_INSN_INVALID,
    UC_ERR_OK,
    UC_HOOK_CODE,
    UC_HOOK_INSN,
    UC_HOOK_MEM_WRITE,
    UC_MODE_32,
    UC_PROT_ALL,
)
from unicorn.unicorn_py3.unicorn import Uc, UcError, uclib

from cpu.clock import LAST_ADDRESS, LAST_SIZE, REFUSED, REMAINING, VECTOR, Clock, native_host
from cpu.ram import Ram
from cpu.registers import NAMES, Bank, FpuState, unicorn_id

ERR_OK = UC_ERR_OK
ERR_INSN_INVALID = UC_ERR_INSN_INVALID
MSR_EFER = 0xC000_0080
MSR_SYSENTER = (0x174, 0x175, 0x176)
"""IA32_SYSENTER_CS, _ESP, _EIP."""
INVALID_OPCODE, PROTECTION = 6, 13
NO_TABLES = 0xFFFF_FFE0
"""A CR3 at which there is no memory."""


class Layout(msgspec.Struct, frozen=True):
    """Where an emulator context holds what its register interface does not give; found by measuring.

    `fpu` is the byte range of x87 and SSE state, `error` the offset of the last exception's error
    code (32 bits), followed by a word that is 1 for `int n`; `pending` that of the vector which a
    further exception is combined with into a double fault (32 bits, -1 for none). `operation` is that
    of what the arithmetic flags have to be worked out from when they are asked for (32 bits): 1 when
    they are there as they are.
    """

    size: int
    fpu_start: int
    fpu_end: int
    error: int
    pending: int
    operation: int


library: Any = ctypes.PyDLL(uclib._name)
"""For calls that are over at once: Python's lock is not given away for them."""


class Context:
    """One saved state of the whole processor, in the emulator's own private layout.

    `save()` takes it, `restore()` puts it back.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.pointer = ctypes.c_void_p()
        if uclib.uc_context_alloc(emulator.handle, ctypes.byref(self.pointer)):
            raise MemoryError("no memory for an emulator context")
        self.address = self.pointer.value or 0

        self.save: Callable[[], int] = partial(library.uc_context_save, emulator.handle, self.pointer)
        self.restore: Callable[[], int] = partial(library.uc_context_restore, emulator.handle, self.pointer)

    def bytes(self, size: int) -> bytes:
        return ctypes.string_at(self.address, size)

    def view(self, start: int, end: int) -> memoryview:
        """A part of it, in place."""
        return memoryview((ctypes.c_char * (end - start)).from_address(self.address + start)).cast("B")

    def __del__(self) -> None:
        uclib.uc_context_free(self.pointer)


class Emulator:
    """One x86, with RAM at physical address 0.

    The model is a Core Duo: PAE, no-execute and SSE2, and no instruction that reads the host's
    randomness. `clock` counts; `bank` is the general and segment registers.
    """

    def __init__(self, ram: Ram, native_clock: bool | None = None) -> None:
        self.ram = ram
        self.uc = Uc(UC_ARCH_X86, UC_MODE_32)
        self.uc.ctl_set_cpu_model(x86.UC_CPU_X86_COREDUO)
        self.uc.mem_map_ptr(0, ram.size, UC_PROT_ALL, ram.address)
        # No end address at all: its look-up on the way out would leave a page fault pending.
        self.uc.ctl_exits_enabled(True)
        self.uc.ctl_set_exits([])
        self.handle = self.uc._uch
        self.clock = Clock(uclib, self.handle, native_clock)
        self.bank = self.new_bank(NAMES)
        self.control = self.new_bank(("cr0", "cr2", "cr3", "cr4"))
        self._cr2 = self.new_bank(("cr2",))
        self._cr3 = self.new_bank(("cr3",))
        self._counting = False
        self._asks_less = asks_less(self.handle)
        self._ask_less(True)
        self._scratch: Context | None = None
        start = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.cast(uclib.uc_emu_start, ctypes.c_void_p).value or 0)
        pc, count, none = ctypes.c_uint64(), ctypes.c_size_t(), ctypes.c_uint64()
        self._pc = memoryview(pc).cast("B").cast("Q")
        self._count = memoryview(count).cast("B").cast("Q")
        self._start: Callable[[], int] = partial(start, self.handle, pc, none, none, count)
        """Run `_count` instructions (0: without end) from `_pc`."""
        self._cells = self.clock.cells
        self._watches: list[int] = []
        self._writes = 0
        """The hook that tells of writes, 0 for none."""
        self._before_refused = Context(self)
        self._clock_before_refused = [0, 0, 0]
        self._hook_refused()

    def _hook_refused(self) -> None:
        """Stop at instructions that the emulator would execute where a processor raises an exception.

        `in` and `out` with too little privilege: #GP; `syscall`, which this model does not have: #UD.
        The vector is left in the cell REFUSED. The emulator goes on to the end of the block or beyond
        before it stops. So the state is kept here, to be put back, and without page tables nothing
        that still runs reaches memory.
        """
        cells = self._cells
        save, cr3 = self._before_refused.save, self._cr3
        clock = self._clock_before_refused

        def refuse(uc: Any, vector: int) -> None:
            if not cells[REFUSED]:
                cells[REFUSED] = vector
                save()
                clock[:] = cells[REMAINING], cells[LAST_SIZE], cells[LAST_ADDRESS]
                cr3.values[0] = NO_TABLES
                cr3.write()
                uc.emu_stop()

        def on_in(uc: Any, _port: int, _size: int, _user: Any) -> int:
            ring = uc.reg_read(x86.UC_X86_REG_CS) & 3
            if ring > uc.reg_read(x86.UC_X86_REG_EFLAGS) >> 12 & 3:
                refuse(uc, PROTECTION)
            return 0

        def on_out(uc: Any, port: int, size: int, _value: int, user: Any) -> None:
            on_in(uc, port, size, user)

        def on_syscall(uc: Any, _user: Any) -> None:
            refuse(uc, INVALID_OPCODE)

        add = self.uc.hook_add
        add(UC_HOOK_INSN, on_in, aux1=x86.UC_X86_INS_IN)
        add(UC_HOOK_INSN, on_out, aux1=x86.UC_X86_INS_OUT)
        add(UC_HOOK_INSN, on_syscall, aux1=x86.UC_X86_INS_SYSCALL)

    def new_bank(self, names: tuple[str, ...], over: Bank | None = None) -> Bank:
        return Bank(library, self.handle, names, over)

    def start(self, pc: int) -> int:
        """Run from `pc` until something stops it; the emulator's error code."""
        if self._counting:
            self._leave_counting(pc)
        self._pc[0] = pc
        error = self._start()
        if self._cells[REFUSED]:
            self._undo_refused()
        return error

    def _leave_counting(self, pc: int) -> None:
        """Get rid of the emulator's own counting, which goes with the first uncounted run.

        On its way out it looks every address up that it counted at: from ring 3 the kernel's raise
        page faults inside the emulator. So that run ends before it begins, and its traces are undone.
        """
        cells = self._cells
        kept = cells.tolist()
        if self._scratch is None:
            self._scratch = Context(self)
        self._scratch.save()
        cells[REMAINING] = 0
        self._pc[0] = pc
        self._start()
        self._scratch.restore()
        cells[:] = memoryview(array("q", kept))
        self._ask_less(True)
        self.uc.ctl_flush_tb()
        self._counting = False

    @property
    def asking_less(self) -> bool:
        """Whether what is translated now asks only between blocks."""
        return self._asks_less is not None and self._asks_less.value

    def _ask_less(self, less: bool) -> None:
        """Whether what is translated from now on asks to stop between blocks only. Counting needs more."""
        if self._asks_less is not None:
            self._asks_less.value = less

    def step(self, pc: int, count: int = 1) -> int:
        """Run `count` instructions from `pc`."""
        if not self._counting:
            self._counting = True
            self._ask_less(False)
            self.uc.ctl_flush_tb()
        self._pc[0], self._count[0] = pc, count
        error = self._start()
        self._count[0] = 0
        if self._cells[REFUSED]:
            self._undo_refused()
        return error

    def _undo_refused(self) -> None:
        """Take back what ran after the instruction that was refused."""
        cells = self._cells
        self._before_refused.restore()
        cells[REMAINING], cells[LAST_SIZE], cells[LAST_ADDRESS] = self._clock_before_refused
        cells[VECTOR] = -1

    def stop_before(self, address: int | None) -> None:
        """Neither run nor translate what lies at `address`."""
        self.uc.ctl_set_exits([] if address is None else [address])

    def watch(self, addresses: Iterable[int], seen: Callable[[int], None], also: bool = False) -> None:
        """Tell of each of these addresses before the instruction at it is run; of others only if `also`.

        Taking a hook away looks its addresses up as `_leave_counting` says, with page faults as its traces.
        """

        def on_code(_uc: Any, address: int, _size: int, _user: Any) -> None:
            seen(address)

        if self._scratch is None:
            self._scratch = Context(self)
        self._scratch.save()
        if not also:
            for hook in self._watches:
                self.uc.hook_del(hook)
            self._watches.clear()
        self._watches += [self.uc.hook_add(UC_HOOK_CODE, on_code, None, one, one) for one in addresses]
        self.uc.ctl_flush_tb()
        self._scratch.restore()

    def watch_writes(self, written: Callable[[int, bytes, int], None] | None) -> None:
        """Tell of every write that is about to go through: physical address, bytes, where from.

        What reaches into another page is told of in pieces. Each store costs a call of Python meanwhile.
        """
        if self._scratch is None:
            self._scratch = Context(self)
        self._scratch.save()
        if self._writes:
            self.uc.hook_del(self._writes)
            self._writes = 0
        if written is not None:
            told = written

            def on_write(uc: Any, _access: int, pa: int, size: int, value: int, _user: Any) -> None:
                data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
                told(pa, data, uc.reg_read(x86.UC_X86_REG_EIP))

            self._writes = self.uc.hook_add(UC_HOOK_MEM_WRITE, on_write)
        self.uc.ctl_flush_tb()
        self._scratch.restore()

    def forget_code(self, va: int) -> None:
        """Forget the translations that hold the instruction at `va`."""
        self.uc.ctl_remove_cache(va, va + 1)

    def read_cr2(self) -> int:
        return int(self._cr2.read()[0]) & 0xFFFF_FFFF

    def write_cr2(self, cr2: int) -> None:
        self._cr2.values[0] = cr2
        self._cr2.write()

    def write_cr3(self, cr3: int) -> None:
        """Load CR3; flushes the TLB."""
        self._cr3.values[0] = cr3
        self._cr3.write()

    def read_cr3(self) -> int:
        return int(self._cr3.read()[0])

    def write_register(self, name: str, value: int) -> bool:
        """False when a selector cannot be loaded."""
        try:
            self.uc.reg_write(unicorn_id(name), value)
        except UcError:
            return False
        return True

    def write_control(self, cr0: int, cr3: int, cr4: int, efer: int) -> None:
        """Paging as a whole; CR0 last, as a processor would."""
        self.write_msr(MSR_EFER, efer)
        self.uc.reg_write(x86.UC_X86_REG_CR4, cr4)
        self.write_cr3(cr3)
        self.uc.reg_write(x86.UC_X86_REG_CR0, cr0)

    def read_table(self, name: str) -> tuple[int, int, int, int]:
        """`gdtr`, `idtr`, `ldtr` or `tr` as (selector, base, limit, flags)."""
        value = self.uc.reg_read(getattr(x86, "UC_X86_REG_" + name.upper()))
        return tuple(value)

    def write_table(self, name: str, value: tuple[int, int, int, int]) -> None:
        self.uc.reg_write(getattr(x86, "UC_X86_REG_" + name.upper()), value)

    def read_msr(self, number: int) -> int:
        return int(self.uc.reg_read(x86.UC_X86_REG_MSR, number))

    def write_msr(self, number: int, value: int) -> None:
        self.uc.reg_write(x86.UC_X86_REG_MSR, (number, value))

    def read_fpu(self) -> FpuState:
        read = self.uc.reg_read
        return FpuState(
            fpcw=read(x86.UC_X86_REG_FPCW),
            fpsw=read(x86.UC_X86_REG_FPSW),
            fptag=read(x86.UC_X86_REG_FPTAG),
            mxcsr=read(x86.UC_X86_REG_MXCSR),
            st=tuple(tuple(read(x86.UC_X86_REG_FP0 + n)) for n in range(8)),
            xmm=tuple(read(x86.UC_X86_REG_XMM0 + n).to_bytes(16, "little") for n in range(8)),
        )

    def write_fpu(self, state: FpuState) -> None:
        write = self.uc.reg_write
        write(x86.UC_X86_REG_FPCW, state.fpcw)
        for n, value in enumerate(state.st):
            write(x86.UC_X86_REG_FP0 + n, tuple(value))
        write(x86.UC_X86_REG_FPTAG, state.fptag)
        write(x86.UC_X86_REG_FPSW, state.fpsw)
        write(x86.UC_X86_REG_MXCSR, state.mxcsr)
        for n, data in enumerate(state.xmm):
            write(x86.UC_X86_REG_XMM0 + n, int.from_bytes(data, "little"))

    def flush_code(self) -> None:
        """Forget all translated code: RAM that was executed has been written from outside."""
        self.uc.ctl_flush_tb()


_ASKS = re.compile(rb"\x48\x8b\xb7.{4}\x80\xbe(.{4})\x00\x74", re.DOTALL)
"""mov rsi, [rdi + the engine]; cmp byte [rsi + the switch], 0; je: how the translator looks at it."""


def asks_less(handle: Any) -> ctypes.c_bool | None:
    """The engine's switch for translations that do not ask behind each access to memory whether to stop.

    Without asking, what works on memory runs in two thirds of the time. Between blocks it is asked in any
    case, and nothing here stops anywhere else, but for counting. The emulator has this for its own use, so
    that where it is has to be read off its code; None where that looks otherwise.
    """
    function = getattr(uclib, "check_exit_request_x86_64", None)
    if function is None or not native_host():
        return None
    found = _ASKS.match(ctypes.string_at(ctypes.cast(function, ctypes.c_void_p).value or 0, 20))
    if found is None:
        return None
    switch = ctypes.c_bool.from_address((handle.value or 0) + int.from_bytes(found[1], "little"))
    return None if switch.value else switch


_layout: Layout | None = None


def layout() -> Layout:
    """Measure (once in a process) where this build of the emulator keeps its private state."""
    global _layout
    if _layout is None:
        _layout = _measure()
    return _layout


def _measure() -> Layout:
    ram = Ram(8 << 20)
    emulator = Emulator(ram, native_clock=None)
    size = int(uclib.uc_context_size(emulator.handle))
    context = Context(emulator)
    context.save()
    one = context.bytes(size)
    emulator.write_fpu(
        FpuState(
            fpcw=0x0C3F,
            fpsw=0x3800,
            fptag=0x5555,
            mxcsr=0x7F80,
            st=tuple((0x8123_4567_89AB_CDEF + n, 0x4001) for n in range(8)),
            xmm=tuple(bytes([0xA0 + n]) * 16 for n in range(8)),
        )
    )
    context.save()
    two = context.bytes(size)
    changed = [n for n in range(size) if one[n] != two[n]]
    if not changed or changed[-1] - changed[0] > 1024:
        raise RuntimeError("this build of the emulator keeps its x87 state where int80 cannot find it")

    code = 0x5A_1000
    cells = emulator.clock.cells

    def vector_at(data: bytes) -> int:
        ram.write(code, data)
        emulator.flush_code()
        cells[REMAINING] = 1 << 40
        cells[VECTOR] = -1
        emulator.start(code)
        return cells[VECTOR]

    def words() -> tuple[int, ...]:
        context.save()
        return struct.unpack(f"<{size // 4}i", context.bytes(size & ~3))

    clean = Context(emulator)
    clean.save()
    before = words()
    found = vector_at(b"\xcd\x80") == 0x80
    context.save()
    error = context.bytes(size).find(struct.pack("<iQ", 1, code + 2)) - 4
    if not found or error < 0:
        raise RuntimeError("this build of the emulator keeps its error code where int80 cannot find it")

    clean.restore()
    found = vector_at(b"\xb8\x08\x00\x00\x00\x8e\xd8") == PROTECTION  # mov eax, 8; mov ds, eax
    after_protection = words()
    clean.restore()
    found = found and vector_at(b"\x31\xc9\xf7\xf1") == 0  # xor ecx, ecx; div ecx
    seen = list(zip(before, after_protection, words(), strict=True))
    if not found or seen.count((-1, PROTECTION, 0)) != 1:
        raise RuntimeError("this build of the emulator keeps its last exception where int80 cannot find it")
    pending = 4 * seen.index((-1, PROTECTION, 0))

    clean.restore()
    found = vector_at(b"\xb8\x78\x56\x34\x12\x05\x01\x01\x01\x01\xcd\x80") == 0x80  # mov, add eax, 0x01010101
    context.save()
    operands = context.bytes(size).find(struct.pack("<QQ", 0x1335_5779, 0x0101_0101))
    operation = operands + 24
    if not found or operands < 0 or before[operation // 4] != 1 or words()[operation // 4] in (0, 1):
        raise RuntimeError("this build of the emulator keeps its flags where int80 cannot find them")
    return Layout(size, changed[0] & ~7, (changed[-1] + 8) & ~7, error, pending, operation)
