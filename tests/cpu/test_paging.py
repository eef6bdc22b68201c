"""Page-table entries and the walk in Python, against hand-made tables and against the processor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpu.paging import (
    ACCESSED,
    DIRTY,
    FRAME_MASK,
    LARGE,
    NX,
    PRESENT,
    USER,
    WRITABLE,
    Entry,
    read_linear,
    translate,
    walk,
)
from cpu.ram import Ram
from tests.cpu.machine import DATA, KERNEL_BASE, PDPT, READ_EXECUTE, TEXT, Bare

CR3, DIRECTORY, TABLE = 0x1000, 0x2000, 0x3000
DEFINED = NX | FRAME_MASK | 0xFFF


@given(
    st.builds(
        Entry,
        frame=st.integers(0, (1 << 40) - 1),
        present=st.booleans(),
        writable=st.booleans(),
        user=st.booleans(),
        accessed=st.booleans(),
        dirty=st.booleans(),
        large=st.booleans(),
        no_execute=st.booleans(),
        write_through=st.booleans(),
        cache_disable=st.booleans(),
        is_global=st.booleans(),
        available=st.integers(0, 7),
    )
)
def test_entries_round_trip(entry: Entry) -> None:
    assert Entry.unpack(entry.pack()) == entry


@given(st.integers(0, (1 << 64) - 1))
def test_every_word_is_an_entry(word: int) -> None:
    assert Entry.unpack(word).pack() == word & DEFINED


def test_a_known_entry() -> None:
    entry = Entry.unpack(NX | 0x1234_5000 | PRESENT | WRITABLE | USER | ACCESSED | DIRTY)
    assert entry == Entry(0x1_2345, True, True, True, True, True, False, True)


@pytest.fixture
def ram() -> Ram:
    """One page of 4 KiB at 0x08048000 -> 0x400000, one of 2 MiB at 0x08200000 -> 0x600000."""
    memory = Ram(8 << 20)
    memory.u64[CR3 >> 3] = DIRECTORY | PRESENT
    memory.u64[(DIRECTORY >> 3) + 0x40] = TABLE | PRESENT | WRITABLE | USER
    memory.u64[(DIRECTORY >> 3) + 0x41] = 0x60_0000 | PRESENT | LARGE | NX
    memory.u64[(TABLE >> 3) + 0x48] = 0x40_0000 | PRESENT | USER
    memory.u64[(TABLE >> 3) + 0x49] = 0x40_0000 | USER
    return memory


@pytest.mark.parametrize(
    ("va", "pa"),
    [
        (0x0804_8000, 0x40_0000),
        (0x0804_8FFF, 0x40_0FFF),
        (0x0804_9000, -1),
        (0x0804_A000, -1),
        (0x0820_0000, 0x60_0000),
        (0x083F_FFFF, 0x7F_FFFF),
        (0x0840_0000, -1),
        (0x4000_0000, -1),
        (0xFFFF_FFFF, -1),
    ],
)
def test_translate(ram: Ram, va: int, pa: int) -> None:
    assert translate(ram, CR3, va) == pa


def test_walk_shows_every_entry_down_to_the_one_that_stops_it(ram: Ram) -> None:
    steps = walk(ram, CR3, 0x0804_8123)
    assert [(step.level, step.index, step.address) for step in steps] == [
        ("PDPT", 0, CR3),
        ("PD", 0x40, DIRECTORY + 0x40 * 8),
        ("PT", 0x48, TABLE + 0x48 * 8),
    ]
    assert steps[-1].word == 0x40_0000 | PRESENT | USER
    assert [step.level for step in walk(ram, CR3, 0x0820_0000)] == ["PDPT", "PD"]
    assert [step.level for step in walk(ram, CR3, 0x0840_0000)] == ["PDPT", "PD"]
    assert [step.level for step in walk(ram, CR3, 0xC000_0000)] == ["PDPT"]
    assert [step.level for step in walk(ram, CR3, 0x0804_9000)] == ["PDPT", "PD", "PT"]


def test_tables_outside_of_memory_end_the_walk(ram: Ram) -> None:
    ram.u64[(DIRECTORY >> 3) + 0x42] = 0x4000_0000 | PRESENT
    assert [step.level for step in walk(ram, CR3, 0x0840_0000)] == ["PDPT", "PD"]
    assert translate(ram, CR3, 0x0840_0000) == -1


def test_read_linear_across_pages(ram: Ram) -> None:
    ram.u64[(TABLE >> 3) + 0x49] = 0x50_0000 | PRESENT
    ram.write(0x40_0FFE, b"ab")
    ram.write(0x50_0000, b"cd")
    assert read_linear(ram, CR3, 0x0804_8FFE, 4) == b"abcd"
    assert read_linear(ram, CR3, 0x0804_8FFE, 0) == b""
    assert read_linear(ram, CR3, 0x0804_9FFE, 4) is None
    ram.u64[(TABLE >> 3) + 0x4A] = 0x4000_0000 | PRESENT
    assert read_linear(ram, CR3, 0x0804_A000, 4) is None


@pytest.mark.parametrize(
    "va", [TEXT, TEXT + 0xABC, DATA + 0x1FFF, KERNEL_BASE + 0x1_0000, KERNEL_BASE + 0x7F_FFFC]
)
def test_python_and_the_processor_agree(va: int) -> None:
    """What `mov` in ring 0 reads is what `translate` leads to."""
    machine = Bare()
    machine.boot()
    machine.program(b"\xa1" + (va & ~3).to_bytes(4, "little") + b"\xcc", READ_EXECUTE & ~USER)
    pa = translate(machine.ram, PDPT, va & ~3)
    if va != TEXT:
        machine.ram.u32[pa >> 2] = 0x1357_9BDF
    machine.enter(cpl=0)
    machine.next_event()
    assert machine.core.registers().eax == machine.ram.u32[pa >> 2]
    assert machine.events[-1].vector == 3
