"""Machine code into text and into the few facts the core asks of an instruction.

Capstone is loaded at the first use: a program that is only run never needs it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

_TRANSFERS = ("call", "ret", "iret", "loop", "int", "into", "lcall", "ljmp", "lret", "sys", "hlt", "ud")
_MAX_INSTRUCTION = 15


class Instruction(msgspec.Struct, frozen=True):
    """`address` and `size` in bytes, and the text in the usual Intel order."""

    address: int
    size: int
    mnemonic: str
    operands: str
    data: bytes

    @property
    def text(self) -> str:
        return f"{self.mnemonic} {self.operands}".rstrip()

    @property
    def repeats(self) -> bool:
        return self.mnemonic.startswith("rep")

    @property
    def transfers(self) -> bool:
        """Whether it ends a stretch: a jump, call, return or trap, or one turn of a `rep`."""
        name = self.mnemonic.removeprefix("notrack ").removeprefix("bnd ").removeprefix("lock ")
        return name.startswith("j") or self.repeats or name.startswith(_TRANSFERS)


_engine: Any = None


def _capstone() -> Any:
    global _engine
    if _engine is None:
        import capstone

        _engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
    return _engine


@lru_cache(maxsize=65536)
def decode(data: bytes, address: int) -> Instruction | None:
    """The first instruction in `data` (up to 15 bytes), or None when these bytes are none."""
    for start, size, mnemonic, operands in _capstone().disasm_lite(data, address, 1):
        return Instruction(start, size, mnemonic, operands, data[:size])
    return _unlisted(data, address)


_PREFIXES = b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3"
_STRING = ("movs", "cmps", "stos", "lods", "scas", "ins", "outs")


def _unlisted(data: bytes, address: int) -> Instruction | None:
    """Encodings that the emulator executes and Capstone does not know: odd prefixes, aliases."""
    first, second = data[:1], data[1:2]
    if not second:
        return None
    size = 0
    mnemonic, operands = ".byte", ""
    if first in _PREFIXES:
        rest = decode(data[1:], address + 1)
        if rest is not None:
            repeats = first in b"\xf2\xf3" and rest.mnemonic.removeprefix("lock ").startswith(_STRING)
            prefix = "rep " if repeats else "lock " if first == b"\xf0" else ""
            size, mnemonic, operands = 1 + rest.size, prefix + rest.mnemonic, rest.operands
    elif first in b"\x8f\xc6\xc7" and second[0] & 0x38:  # as with register field 0
        rest = decode(first + bytes((second[0] & 0xC7,)) + data[2:], address)
        size = rest.size if rest is not None else 0
    elif b"\xd8" <= first <= b"\xdf" and second >= b"\xc0":
        size = 2
    elif data[:2] == b"\x0f\xae" and data[2:3] >= b"\xc0":
        size = 3
    return Instruction(address, size, mnemonic, operands, data[:size]) if size else None


def disassemble(data: bytes, address: int, count: int = 1 << 30) -> list[Instruction]:
    """Instructions from `address` on; bytes that are none become `.byte`."""
    out: list[Instruction] = []
    offset = 0
    while offset < len(data) and len(out) < count:
        one = decode(bytes(data[offset : offset + _MAX_INSTRUCTION]), address + offset)
        if one is None:
            one = Instruction(address + offset, 1, ".byte", f"{data[offset]:#04x}", data[offset : offset + 1])
        out.append(one)
        offset += one.size
    return out


@lru_cache(maxsize=4096)
def ends_in_transfer(block: bytes) -> bool:
    """Whether the last instruction of a basic block is a control transfer, wherever the block lies."""
    found = disassemble(block, 0)
    return bool(found) and found[-1].transfers
