"""RAM, the bus, register banks: small things that everything else leans on."""

from __future__ import annotations

import ctypes
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpu.bus import Bus
from cpu.events import Source, TrapTaken
from cpu.ram import PAGE_SIZE, Ram
from cpu.registers import GENERAL, NAMES, SEGMENTS, Registers
from tests.cpu.machine import Bare


@given(address=st.integers(0, (8 << 20) - 8), word=st.integers(0, (1 << 64) - 1))
def test_the_three_views_of_memory_are_one(address: int, word: int) -> None:
    ram = _RAM
    address &= ~7
    ram.u64[address >> 3] = word
    data = word.to_bytes(8, "little")
    assert ram.read(address, 8) == data
    assert ram.u32[address >> 2] == word & 0xFFFF_FFFF
    assert ram.u32[(address >> 2) + 1] == word >> 32
    assert ctypes.string_at(ram.address + address, 8) == data
    assert bytes(ram.frame(address >> 12)[address & 0xFFF :][:8]) == data


_RAM = Ram(8 << 20)


def test_frames() -> None:
    ram = Ram(8 << 20)
    assert ram.frames == 2048
    ram.frame(5)[:] = b"x" * PAGE_SIZE
    assert ram.read(5 * PAGE_SIZE - 1, 3) == b"\0xx"
    ram.zero_frame(5)
    assert ram.u8[5 * PAGE_SIZE : 6 * PAGE_SIZE] == bytes(PAGE_SIZE)
    ram.write(100, memoryview(b"abc"))
    assert ram.read(99, 5) == b"\0abc\0"


@pytest.mark.parametrize("size", [0, 1 << 20, (8 << 20) + 4096, 1 << 30])
def test_sizes_that_cannot_be_mapped(size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 2 MiB"):
        Ram(size)


def test_the_largest_memory_costs_nothing_until_it_is_used() -> None:
    assert Ram(896 << 20).read((896 << 20) - 1, 1) == b"\0"


def test_the_bus_counts_and_stamps() -> None:
    seen: list[tuple[int, int, Any]] = []
    bus = Bus(lambda tick, pid, event: seen.append((tick, pid, event)))
    bus.publish("a")
    bus.tick, bus.pid = 10, 3
    bus.publish("b")
    assert seen == [(0, 0, "a"), (10, 3, "b")]
    assert bus.seq == 2


def test_what_exists_does_not_depend_on_who_listens() -> None:
    bus = Bus()
    bus.publish("a")
    bus.sink = lambda tick, pid, event: None
    bus.publish("b")
    assert bus.seq == 2


def test_seq_is_counted_before_the_sink_sees_the_event() -> None:
    bus = Bus()
    seen: list[int] = []
    bus.sink = lambda tick, pid, event: seen.append(bus.seq)
    bus.publish("a")
    bus.publish("b")
    assert seen == [1, 2]


def test_events_are_values() -> None:
    event = TrapTaken(0x80, Source.SOFTWARE, 1, 3, 0x68, 2, 3, 0x7B, 4, 0x202, 0x73, 5, -1, 0, 6)
    encoded = msgspec.msgpack.encode(event)
    assert msgspec.msgpack.decode(encoded, type=TrapTaken) == event
    assert hash(event) == hash(msgspec.structs.replace(event))
    with pytest.raises(AttributeError):
        event.vector = 1  # type: ignore[misc]


def test_banks_read_and_write_many_registers(bare: Bare) -> None:
    bank = bare.core.emulator.new_bank(("eax", "esi", "ebp"))
    bank.values[:] = memoryview((ctypes.c_uint64 * 3)(1, 0xFFFF_FFFF, 3)).cast("B").cast("Q")
    assert bank.write() == 0
    regs = bare.core.registers()
    assert (regs.eax, regs.esi, regs.ebp) == (1, 0xFFFF_FFFF, 3)
    assert bank.read().tolist() == [1, 0xFFFF_FFFF, 3]


def test_a_bank_tells_when_a_register_is_refused(bare: Bare) -> None:
    bank = bare.core.emulator.new_bank(("eax", "gs", "ebx"))
    bank.values[0], bank.values[1], bank.values[2] = 7, 0x3F, 9
    assert bank.write() != 0
    regs = bare.core.registers()
    assert (regs.eax, regs.gs, regs.ebx) == (7, 0, 0)
    assert not bare.core.emulator.write_register("gs", 0x3F)
    assert bare.core.emulator.write_register("gs", 0x7B)


def test_registers_are_in_the_order_of_their_names() -> None:
    assert Registers.__struct_fields__[: len(NAMES)] == NAMES == GENERAL + SEGMENTS
    assert Registers(cs=0x73).cpl == 3
    assert Registers(cs=0x60).cpl == 0
