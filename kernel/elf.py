"""ELF32 for i386: what execve and the symbol reader need of a file (man 5 elf).

Distrusts every number in it; a bad image is ENOEXEC, with a reason for people.
"""

from __future__ import annotations

import struct

import msgspec

from cpu.symbols import Symbol, Symbols

_HEADER = struct.Struct("<4s12xHHIIIIIHHHHHH")
_PROGRAM = struct.Struct("<8I")
_SECTION = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")

ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_INTERP, PT_PHDR, PT_GNU_STACK = 1, 3, 6, 0x6474E551
PF_X, PF_W, PF_R = 1, 2, 4
MAX_PROGRAM_HEADERS = 128


class BadElf(Exception):
    """Not an image that this machine can run; the text says why."""


class Segment(msgspec.Struct, frozen=True):
    """A program header; sizes and offsets in bytes."""

    type: int
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    flags: int
    align: int = 0


class Image(msgspec.Struct, frozen=True):
    """What the headers say."""

    type: int
    entry: int
    phoff: int
    phnum: int
    segments: tuple[Segment, ...]
    interpreter: str

    @property
    def loads(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.type == PT_LOAD]


def parse(data: bytes) -> Image:
    """Read and check the headers of `data`, the whole file. Raises BadElf."""
    if not data:
        raise BadElf("the file is empty")
    if data[:4] != b"\x7fELF":
        raise BadElf("not an ELF file")
    if len(data) < 52:
        raise BadElf("the ELF header is cut off")
    if data[4] == 2:
        raise BadElf("a 64-bit ELF file; int80 runs 32-bit i386 programs (gcc -m32)")
    if data[4] != 1 or data[5] != 1:
        raise BadElf("not a little-endian 32-bit ELF file")
    _, kind, machine, _, entry, phoff, _, _, _, phentsize, phnum, _, _, _ = _HEADER.unpack_from(data)
    if machine != 3:
        raise BadElf(f"an ELF file for another machine (e_machine {machine}, not 3 for i386)")
    if kind not in (ET_EXEC, ET_DYN):
        raise BadElf(f"an ELF file that is not a program (e_type {kind})")
    if phentsize != _PROGRAM.size or not 0 < phnum <= MAX_PROGRAM_HEADERS:
        raise BadElf("the ELF program headers make no sense")
    if phoff + phnum * _PROGRAM.size > len(data):
        raise BadElf("the ELF program headers lie outside of the file")
    segments = []
    interpreter = ""
    for n in range(phnum):
        type_, offset, vaddr, _, filesz, memsz, flags, align = _PROGRAM.unpack_from(data, phoff + n * 32)
        if type_ == PT_INTERP:
            if offset + filesz > len(data) or not 1 < filesz <= 4096:
                raise BadElf("the ELF interpreter's name lies outside of the file")
            interpreter = data[offset : offset + filesz].rstrip(b"\0").decode("utf-8", "surrogateescape")
        if type_ == PT_LOAD:
            if filesz > memsz or vaddr + memsz > 0xC000_0000 or (offset ^ vaddr) & 0xFFF:
                raise BadElf("an ELF segment makes no sense")
            if offset + filesz > len(data):
                raise BadElf("an ELF segment lies outside of the file")
        segments.append(Segment(type_, offset, vaddr, filesz, memsz, flags, align))
    if not any(segment.type == PT_LOAD and segment.memsz for segment in segments):
        raise BadElf("the ELF file has nothing to load")
    return Image(kind, entry, phoff, phnum, tuple(segments), interpreter)


def read_symbols(data: bytes) -> Symbols:
    """The functions, objects and labels that the symbol table names; none where there is no table."""
    out: list[Symbol] = []
    try:
        shoff = struct.unpack_from("<I", data, 32)[0]
        shentsize, shnum = struct.unpack_from("<HH", data, 46)
        if shentsize == _SECTION.size and shoff + shnum * shentsize <= len(data):
            sections = [_SECTION.unpack_from(data, shoff + n * shentsize) for n in range(shnum)]
            for section in sections:
                if section[1] != 2 or section[6] >= shnum:
                    continue
                text = data[sections[section[6]][4] : sections[section[6]][4] + sections[section[6]][5]]
                table = data[section[4] : section[4] + section[5] // _SYMBOL.size * _SYMBOL.size]
                for name_at, value, size, info, _, index in _SYMBOL.iter_unpack(table):
                    if not index or info & 15 in (3, 4) or not name_at:
                        continue
                    end = text.find(b"\0", name_at)
                    name = text[name_at:end].decode("utf-8", "replace")
                    out.append(Symbol(name, value, size, index == 0xFFF1))
    except struct.error:
        return Symbols([])
    return Symbols(out)
