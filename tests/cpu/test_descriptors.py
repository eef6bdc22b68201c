"""GDT, IDT entries: the codecs round-trip, and agree with words written down from the manual."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpu.descriptors import GATE_INTERRUPT, GATE_TRAP, Descriptor, Gate

WORD64 = st.integers(0, (1 << 64) - 1)


@given(
    st.builds(
        Descriptor,
        base=st.integers(0, 0xFFFF_FFFF),
        limit=st.integers(0, 0xF_FFFF),
        access=st.integers(0, 0xFF),
        flags=st.integers(0, 0xF),
    )
)
def test_descriptors_round_trip(descriptor: Descriptor) -> None:
    word = descriptor.pack()
    assert 0 <= word < 1 << 64
    assert Descriptor.unpack(word) == descriptor


@given(WORD64)
def test_every_word_is_a_descriptor(word: int) -> None:
    assert Descriptor.unpack(word).pack() == word


@given(
    st.builds(
        Gate,
        offset=st.integers(0, 0xFFFF_FFFF),
        selector=st.integers(0, 0xFFFF),
        type=st.integers(0, 0x1F),
        dpl=st.integers(0, 3),
        present=st.booleans(),
    )
)
def test_gates_round_trip(gate: Gate) -> None:
    word = gate.pack()
    assert word >> 32 & 0xFF == 0  # reserved
    assert Gate.unpack(word) == gate


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0x00CF_9A00_0000_FFFF, Descriptor(0, 0xF_FFFF, 0x9A, 0xC)),
        (0x00CF_F200_0000_FFFF, Descriptor(0, 0xF_FFFF, 0xF2, 0xC)),
        (0xC000_8900_9000_0067, Descriptor(0xC000_9000, 0x67, 0x89, 0)),
    ],
)
def test_known_descriptors(word: int, expected: Descriptor) -> None:
    assert Descriptor.unpack(word) == expected
    assert expected.pack() == word


def test_known_gates() -> None:
    gate = Gate(0xC010_1234, 0x60, GATE_TRAP, 3, True)
    assert gate.pack() == 0xC010_EF00_0060_1234
    assert not gate.interrupt
    assert Gate(0, 0x60, GATE_INTERRUPT, 0, True).pack() == 0x0000_8E00_0060_0000
    assert Gate.unpack(0x0000_8E00_0060_0000).interrupt


@pytest.mark.parametrize(
    ("access", "present", "dpl", "code", "writable"),
    [
        (0x9A, True, 0, True, False),
        (0xFB, True, 3, True, False),
        (0x92, True, 0, False, True),
        (0x90, True, 0, False, False),
        (0x72, False, 3, False, True),
        (0x8B, True, 0, False, False),
    ],
)
def test_what_access_means(access: int, present: bool, dpl: int, code: bool, writable: bool) -> None:
    one = Descriptor(0, 0, access, 0)
    assert (one.present, one.dpl, one.code, one.writable_data) == (present, dpl, code, writable)
