"""Names for addresses, both ways."""

from __future__ import annotations

import pytest

from cpu.symbols import Symbol, Symbols

SYMBOLS = Symbols(
    [
        Symbol("write", 0x1000, 0x20),
        Symbol("main", 0x1020, 0x10),
        Symbol("start", 0x1100, 0),
        Symbol("size_of_it", 0x1024, 0, absolute=True),
        Symbol("alias", 0x1020, 0x8),
    ]
)


@pytest.mark.parametrize(
    ("address", "label"),
    [
        (0x0FFF, "00000fff"),
        (0x1000, "write"),
        (0x1004, "write+0x4"),
        (0x101F, "write+0x1f"),
        (0x1020, "main"),
        (0x102F, "main+0xf"),
        (0x1030, "00001030"),
        (0x1100, "start"),
        (0x1180, "start+0x80"),
        (0x1100 + 4095, "start+0xfff"),
        (0x1100 + 4096, "00002100"),
    ],
)
def test_labels(address: int, label: str) -> None:
    assert SYMBOLS.label(address) == label


def test_behind_a_nested_symbol_the_outer_one_goes_on() -> None:
    nested = Symbols([Symbol("outer", 0x1000, 0x100), Symbol("inner", 0x1010, 4)])
    assert [nested.label(at) for at in (0x100F, 0x1012, 0x1014)] == ["outer+0xf", "inner+0x2", "outer+0x14"]


def test_by_name() -> None:
    assert SYMBOLS.address("main") == 0x1020
    assert SYMBOLS.address("size_of_it") == 0x1024
    with pytest.raises(KeyError):
        SYMBOLS.address("nowhere")


def test_absolute_symbols_name_no_addresses() -> None:
    assert len(SYMBOLS) == 4
    found = SYMBOLS.at(0x1024)
    assert found is not None
    assert found[0].name == "main"


def test_none_at_all() -> None:
    assert Symbols([]).label(0xC000_0000) == "c0000000"
    assert Symbols([]).at(0) is None
