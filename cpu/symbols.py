"""Names for addresses. Where they come from (an ELF file's symbol table) is `kernel.elf`'s business."""

from __future__ import annotations

from bisect import bisect_right

import msgspec


class Symbol(msgspec.Struct, frozen=True):
    """A name, its address and its extent in bytes (0 when the file does not say)."""

    name: str
    address: int
    size: int
    absolute: bool = False


NESTED = 4
"""How many symbols may lie inside another one before an address that only the outer one holds."""


class Symbols:
    """Look-up both ways. `at` gives the nearest symbol at or before an address."""

    def __init__(self, symbols: list[Symbol]) -> None:
        self.by_name = {symbol.name: symbol for symbol in symbols}
        code = sorted(
            (symbol for symbol in symbols if not symbol.absolute),
            key=lambda symbol: (symbol.address, symbol.size, symbol.name),
        )
        self._sorted = code
        self._addresses = [symbol.address for symbol in code]

    def __len__(self) -> int:
        return len(self._sorted)

    def address(self, name: str) -> int:
        return self.by_name[name].address

    def at(self, address: int) -> tuple[Symbol, int] | None:
        """The symbol that holds `address` and the offset into it, or None."""
        index = bisect_right(self._addresses, address) - 1
        for symbol in reversed(self._sorted[max(index - NESTED, 0) : index + 1]):
            offset = address - symbol.address
            if offset < (symbol.size or 4096):
                return symbol, offset
        return None

    def label(self, address: int) -> str:
        """`write+0x4`, or the bare number where no symbol reaches."""
        found = self.at(address)
        if found is None:
            return f"{address:08x}"
        symbol, offset = found
        return symbol.name if not offset else f"{symbol.name}+{offset:#x}"
