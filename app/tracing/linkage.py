"""What a program's file says of its functions: where its calls of libraries go through, and its own by name.

A dynamic program calls through its procedure linkage table, or through words of the global offset table
directly; a static one has the functions in itself, and the symbol table names them. Read without sections, so
that stripped programs do as well, and with no trust in any number.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator

import msgspec

from app.tracing.prototypes import PROTOTYPES
from kernel.elf import PF_X, BadElf, Image, parse, read_symbols

_PT_DYNAMIC = 2
_DT = {2: "pltrelsz", 3: "pltgot", 5: "strtab", 6: "symtab", 17: "rel", 18: "relsz", 23: "jmprel"}
_GLOB_DAT, _JMP_SLOT, _IRELATIVE = 6, 7, 42
_NOTYPE, _FUNC, _IFUNC = 0, 2, 10
_ENDBR = b"\xf3\x0f\x1e\xfb"
_JUMP = re.compile(rb"(?=\xff([\x25\xa0-\xa3\xa5-\xa7])(....))", re.DOTALL)
"""`jmp *slot` and `jmp *offset(%ebx)`, of which a linkage table consists; other code may end in one, too."""

MOST_RELOCATIONS = 8 << 16
"""Bytes of each table of relocations that are looked at."""
Chosen = Callable[[str], bool]


class Linkage(msgspec.Struct):
    """The functions of one program, at the addresses where it lies in memory."""

    entries: dict[int, str] = {}
    """Where a call of each arrives: in its linkage table, or the function itself."""
    slots: dict[int, str] = {}
    """Words that will hold functions' addresses and may be called through without an entry of the table."""
    inner: frozenset[int] = frozenset()
    """Of the entries, a static program's functions of libraries: what these call in turn is not shown."""
    main: int = 0
    low: int = 0
    high: int = 0
    """Where its own code lies."""


def read_linkage(data: bytes, start_code: int, imports: Chosen, own: Chosen) -> Linkage:
    """Of the program in `data`, whose code lies at `start_code`: those functions that are chosen."""
    try:
        image = parse(data)
    except BadElf:
        return Linkage()
    code = [segment for segment in image.loads if segment.flags & PF_X]
    low = min((segment.vaddr for segment in code), default=0)
    high = max((segment.vaddr + segment.memsz for segment in code), default=0)
    bias = start_code - low
    symbols = {name: symbol.address for name, symbol in read_symbols(data).by_name.items()}
    names = {name: address for name, address in symbols.items() if low <= address < high}
    slots, lazy, got, resolvers = _slots(data, image, symbols)
    entries, inner, main = {}, frozenset[int](), 0
    for segment in code:
        text = data[segment.offset : segment.offset + segment.filesz]
        for found in _JUMP.finditer(text):
            value = int.from_bytes(found[2], "little")
            name = slots.get(value if found[1] == b"\x25" else got + value & 0xFFFF_FFFF)
            if name is not None:
                at = found.start()
                behind = text[max(at - 4, 0) : at] == _ENDBR
                entries[segment.vaddr + at - (4 if behind else 0)] = name
    linked = lazy if entries else frozenset()
    slots = {slot: name for slot, name in slots.items() if slot not in linked and imports(name)}
    entries = {at: name for at, name in entries.items() if imports(name) or own(name)}
    if not image.interpreter:
        known = {at: name for at, name in _by_address(names).items() if name in PROTOTYPES and imports(name)}
        entries |= {at: name for at, name in known.items() if at not in resolvers}
        inner, main = frozenset(bias + at for at in entries), names.get("main", 0)
    entries |= {at: name for name, at in sorted(names.items()) if own(name) and at not in resolvers}
    return Linkage(
        {bias + at: name for at, name in entries.items()},
        {bias + slot: name for slot, name in slots.items()},
        inner,
        bias + main if main else 0,
        bias + low,
        bias + high,
    )


def _by_address(names: dict[str, int]) -> dict[int, str]:
    """The name that people call each function by: `malloc` and not `__libc_malloc`."""
    found: dict[int, str] = {}
    for name in sorted(names, key=lambda name: (name not in PROTOTYPES, name.startswith("_"), name)):
        found.setdefault(names[name], name)
    return found


def _slots(
    data: bytes, image: Image, symbols: dict[str, int]
) -> tuple[dict[int, str], frozenset[int], int, frozenset[int]]:
    """Words of the global offset table that hold functions, those of them that the linkage table is for,
    where the table begins, and functions that are only called to choose one (STT_GNU_IFUNC)."""
    starts = [segment.vaddr for segment in image.loads]

    def take(vaddr: int, size: int) -> bytes:
        place = bisect_right(starts, vaddr) - 1
        if place < 0:
            return b""
        segment = image.loads[place]
        at = vaddr - segment.vaddr
        return data[segment.offset + at : segment.offset + min(at + size, segment.filesz)]

    dynamic = next((segment for segment in image.segments if segment.type == _PT_DYNAMIC), None)
    block = data[dynamic.offset : dynamic.offset + dynamic.filesz] if dynamic is not None else b""
    tags = {_DT[tag]: value for tag, value in _pairs(block) if tag in _DT}
    begin = symbols.get("__rel_iplt_start", 0)
    tables = (
        (tags.get("rel", 0), tags.get("relsz", 0)),
        (tags.get("jmprel", 0), tags.get("pltrelsz", 0)),
        (begin, symbols.get("__rel_iplt_end", begin) - begin),
    )
    by_address = _by_address(symbols)
    slots: dict[int, str] = {}
    lazy: set[int] = set()
    resolvers: set[int] = set()
    for begin, size in tables:
        for slot, info in _pairs(take(begin, min(max(size, 0), MOST_RELOCATIONS))):
            name = None
            if info & 0xFF == _IRELATIVE:
                resolver = int.from_bytes(take(slot, 4), "little")
                resolvers.add(resolver)
                name = by_address.get(resolver)
            elif info & 0xFF in (_GLOB_DAT, _JMP_SLOT):
                symbol = take(tags.get("symtab", 0) + 16 * (info >> 8), 16)
                name = _imported(symbol, info & 0xFF, lambda at: take(tags.get("strtab", 0) + at, 4096))
            if name:
                slots[slot] = name
                if info & 0xFF != _GLOB_DAT:
                    lazy.add(slot)
    return slots, frozenset(lazy), tags.get("pltgot", 0), frozenset(resolvers)


def _imported(symbol: bytes, relocation: int, text: Callable[[int], bytes]) -> str | None:
    """The function that a word of the table will hold, unless it is the program's own or no function."""
    if len(symbol) < 16:
        return None
    name_at, _, _, info, _, section = struct.unpack("<IIIBBH", symbol)
    kinds = (_FUNC, _IFUNC, _NOTYPE) if relocation == _JMP_SLOT else (_FUNC, _IFUNC)
    if section or info & 15 not in kinds:
        return None
    return text(name_at).partition(b"\0")[0].decode("utf-8", "replace")


def _pairs(block: bytes) -> Iterator[tuple[int, int]]:
    return struct.iter_unpack("<II", block[: len(block) // 8 * 8])
