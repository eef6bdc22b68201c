"""The way through the IDT as a pure function of memory, and a trap's microsteps as one of its event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpu.descriptors import GATE_INTERRUPT, GATE_TRAP, Descriptor, Gate
from cpu.events import Source, TrapTaken
from cpu.interrupts import DeliveryFault, Tables, combine, enter, microsteps, pushed_words
from cpu.paging import ACCESSED, DIRTY, LARGE, PRESENT, WRITABLE
from cpu.ram import Ram
from cpu.registers import NAMES

CR3, GDT, IDT, TSS = 0x1000, 0x8000, 0xA000, 0x9000
TABLES = Tables(GDT, 0xFF, IDT, 0x7FF, TSS)
BASE = 0xC000_0000
STACK = BASE + 0x2_0000
WORD = st.integers(0, 0xFFFF_FFFF)


def memory() -> Ram:
    """A kernel half of one large page, and one gate of each kind."""
    ram = Ram(8 << 20)
    ram.u64[(CR3 >> 3) + 3] = 0x2000 | PRESENT
    ram.u64[0x2000 >> 3] = PRESENT | WRITABLE | LARGE | ACCESSED | DIRTY
    for selector, access in ((0x60, 0x9B), (0x68, 0x93), (0x73, 0xFB), (0x7B, 0xF3)):
        ram.u64[(GDT >> 3) + (selector >> 3)] = Descriptor(0, 0xF_FFFF, access, 0xC).pack()
    for vector in range(256):
        kind = GATE_TRAP if vector & 1 else GATE_INTERRUPT
        ram.u64[(IDT >> 3) + vector] = Gate(BASE + vector * 16, 0x60, kind, 3, True).pack()
    ram.u32[TSS + 4 >> 2] = STACK
    ram.u32[TSS + 8 >> 2] = 0x68
    return ram


def registers(**values: int) -> list[int]:
    known = {"cs": 0x73, "ss": 0x7B, "eip": 0x0804_8000, "esp": 0xBFFF_0000, "eflags": 0x202, **values}
    return [known.get(name, 0) for name in NAMES]


RAM = memory()


@given(
    vector=st.integers(0, 255),
    eip=WORD,
    esp=WORD,
    eflags=WORD,
    error=st.one_of(st.just(-1), st.integers(0, 0xFFFF)),
    esp0=st.integers(BASE + 0x1_0000, BASE + 0x2_0000),
)
def test_from_ring_3(vector: int, eip: int, esp: int, eflags: int, error: int, esp0: int) -> None:
    RAM.u32[TSS + 4 >> 2] = esp0
    regs = registers(eip=eip, esp=esp, eflags=eflags, eax=vector)
    event, entry, flags = enter(RAM, CR3, TABLES, regs, vector, Source.EXCEPTION, error, 0)
    words = [eip, 0x73, eflags, esp, 0x7B]
    if error >= 0:
        words.insert(0, error)
    assert event.sp == esp0 - 4 * len(words)
    at = event.sp - BASE
    assert RAM.read(at, 4 * len(words)) == b"".join(word.to_bytes(4, "little") for word in words)
    assert entry == BASE + vector * 16
    cleared = 0x34100 | (0 if vector & 1 else 0x200)
    assert flags == eflags & ~cleared | 2
    names = ("error", "eip", "cs", "eflags", "esp", "ss")[6 - len(words) :]
    assert pushed_words(event) == tuple(zip(names, words, strict=True))[::-1]


@given(esp=st.integers(BASE + 0x1_0000, BASE + 0x2_0000), error=st.sampled_from((-1, 0, 0x10)))
def test_from_ring_0(esp: int, error: int) -> None:
    regs = registers(cs=0x60, ss=0x68, esp=esp)
    event, _, _ = enter(RAM, CR3, TABLES, regs, 13, Source.EXCEPTION, error, 0)
    words = [word for _, word in pushed_words(event)]
    assert event.sp == esp - 4 * len(words)
    assert len(words) == (3 if error < 0 else 4)
    assert (event.cpl, event.ss0, event.esp0) == (0, 0x68, esp)
    assert RAM.read(event.sp - BASE, 4 * len(words)) == b"".join(w.to_bytes(4, "little") for w in words[::-1])


def test_a_stack_that_ends_at_the_end_of_memory() -> None:
    ram = memory()
    ram.u64[(0x2000 >> 3) + 511] = PRESENT | WRITABLE | LARGE | 0x20_0000
    ram.u32[TSS + 4 >> 2] = 0
    event, _, _ = enter(ram, CR3, TABLES, registers(), 0x80, Source.SOFTWARE, -1, 0)
    assert event.sp == 0xFFFF_FFEC
    assert ram.u32[0x3F_FFEC >> 2] == 0x0804_8000


@pytest.mark.parametrize(
    ("source", "external"), [(Source.SOFTWARE, 0), (Source.EXCEPTION, 1), (Source.INTERRUPT, 1)]
)
def test_the_external_bit(source: Source, external: int) -> None:
    ram = memory()
    ram.u64[(IDT >> 3) + 9] = Gate(0, 0x60, GATE_INTERRUPT, 3, False).pack()
    with pytest.raises(DeliveryFault) as caught:
        enter(ram, CR3, TABLES, registers(), 9, source, -1, 0)
    assert (caught.value.vector, caught.value.error) == (11, 9 * 8 + 2 + external)


def test_a_stack_without_a_page_is_a_page_fault_with_its_address() -> None:
    for esp0, cr2, error in ((0x0800_0000, 0x0800_0000 - 20, 2), (BASE, BASE - 20, 2)):
        ram = memory()
        ram.u32[TSS + 4 >> 2] = esp0
        with pytest.raises(DeliveryFault) as caught:
            enter(ram, CR3, TABLES, registers(), 0x80, Source.SOFTWARE, -1, 0)
        assert (caught.value.vector, caught.value.error, caught.value.cr2) == (14, error, cr2)


def test_a_stack_that_is_read_only() -> None:
    ram = memory()
    ram.u64[0x2000 >> 3] = 0x3000 | PRESENT | WRITABLE
    for n in range(512):
        ram.u64[(0x3000 >> 3) + n] = n << 12 | PRESENT
    with pytest.raises(DeliveryFault) as caught:
        enter(ram, CR3, TABLES, registers(), 0x80, Source.SOFTWARE, -1, 0)
    assert (caught.value.vector, caught.value.error) == (14, 3)


CONTRIBUTORY = (0, 10, 11, 12, 13)
BENIGN = (1, 2, 3, 4, 5, 6, 7, 9, 16, 17, 18, 19)


@pytest.mark.parametrize("fault", [*CONTRIBUTORY[1:], 14])
def test_table_6_5(fault: int) -> None:
    for vector in BENIGN:
        assert combine(vector, Source.EXCEPTION, fault) == fault
    for vector in CONTRIBUTORY:
        assert combine(vector, Source.EXCEPTION, fault) == (fault if fault == 14 else 8)
    assert combine(14, Source.EXCEPTION, fault) == 8
    assert combine(8, Source.EXCEPTION, fault) == -1
    for source in (Source.SOFTWARE, Source.INTERRUPT):
        assert combine(8, source, fault) == fault
        assert combine(13, source, fault) == fault


# Microsteps.


def trap(**values: int) -> TrapTaken:
    gate = Gate(BASE + 0x1234, 0x60, values.pop("kind", GATE_INTERRUPT), values.pop("dpl", 3), True).pack()
    known = {
        "vector": 0x80, "source": Source.SOFTWARE, "gate": gate, "cpl": 3, "ss0": 0x68, "esp0": STACK,
        "sp": STACK - 20, "ss": 0x7B, "esp": 0xBFFF_0000, "eflags": 0x202, "cs": 0x73, "eip": 0x0804_8002,
        "error": -1, "cr2": 0, "eax": 4,
    }  # fmt: skip
    return TrapTaken(**{**known, **values})


def test_microsteps_of_a_system_call() -> None:
    steps = microsteps(trap())
    assert [step.name for step in steps] == [
        "int $0x80",
        "gate idt[0x80]",
        "cpl 3 ≤ dpl 3",
        "tss ss0:esp0",
        "push ss esp eflags cs eip",
        "cs:eip from the gate",
    ]
    assert "60:c0001234" in steps[1].detail
    assert "interrupt, IF 0" in steps[1].detail
    assert f"68:{STACK:08x}" in steps[3].detail
    assert f"{STACK:08x} → {STACK - 20:08x}" in steps[4].detail


def test_microsteps_of_a_page_fault() -> None:
    event = trap(vector=14, source=Source.EXCEPTION, error=6, cr2=0xDEAD_B000, sp=STACK - 24, dpl=0)
    steps = microsteps(event)
    assert steps[0].name == "exception"
    assert "error code 0x6" in steps[0].detail
    assert "deadb000" in steps[0].detail
    assert steps[2].name == "dpl not checked"
    assert steps[4].name == "push ss esp eflags cs eip error"


def test_microsteps_of_an_interrupt_in_ring_0() -> None:
    event = trap(vector=0x20, source=Source.INTERRUPT, cpl=0, cs=0x60, ss=0x68, kind=GATE_TRAP)
    steps = microsteps(event)
    assert steps[0].name == "interrupt"
    assert steps[3].name == "same ring"
    assert steps[4].name == "push eflags cs eip"
    assert "IF kept" in steps[1].detail


def test_microsteps_name_int3_and_into() -> None:
    assert microsteps(trap(vector=3))[0].name == "int3"
    assert microsteps(trap(vector=4))[0].name == "into"


@given(
    vector=st.integers(0, 255),
    source=st.sampled_from(Source),
    cpl=st.sampled_from((0, 3)),
    error=st.sampled_from((-1, 0, 7)),
)
def test_every_trap_has_six_microsteps(vector: int, source: Source, cpl: int, error: int) -> None:
    event = trap(vector=vector, source=source, cpl=cpl, error=error)
    steps = microsteps(event)
    assert len(steps) == 6
    assert all(step.name and step.detail for step in steps)
    assert microsteps(event) == steps
    names = [name for name, _ in pushed_words(event)]
    expected = (["ss", "esp"] if cpl else []) + ["eflags", "cs", "eip"]
    assert names == expected + (["error"] if error >= 0 else [])
    assert steps[4].name == "push " + " ".join(names)
