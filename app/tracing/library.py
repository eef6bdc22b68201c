"""Calls of functions, as ltrace shows them: of libraries by dynamic programs, and of a program's own by name.

A dynamic program calls through its procedure linkage table, or through the global offset table directly; its
file says which entry stands for which function. Those addresses, and the ones behind every call of them, are
watched (`Core.watch`), which changes nothing of what happens. What an argument means, `prototypes.py` knows.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_left
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from app.tracing import prototypes
from app.tracing.prototypes import PROTOTYPES, UNKNOWN
from app.tracing.tracer import Tracer
from cpu import registers as r
from kernel import events as e
from kernel.elf import PF_X, BadElf, Image, parse, read_symbols
from kernel.kernel import Halted, Idle, Kernel

MOST_FRAMES = 1000
"""Calls of one task that have not returned; the oldest are forgotten."""
MOST_FILE = 64 << 20
_TEXT_PIECE = 64
_DYNAMIC = 2
_DT = {2: "pltrelsz", 3: "pltgot", 5: "strtab", 6: "symtab", 17: "rel", 18: "relsz", 23: "jmprel"}
_GLOB_DAT, _JMP_SLOT = 6, 7
_ENDBR = b"\xf3\x0f\x1e\xfb"
_JUMP = re.compile(rb"(?=\xff([\x25\xa3])(....))", re.DOTALL)
_CALL = re.compile(rb"(?=\xe8(....))", re.DOTALL)
_CALL_SLOT = re.compile(rb"(?=\xff([\x15\x90-\x97])(....))", re.DOTALL)
_NOT_SHOWN = ("__libc_start_main", "__gmon_start__")


class _Frame(msgspec.Struct):
    """A call that has not returned. `sp` is where its return address lies."""

    name: str
    back: int
    sp: int
    tick: int
    sure: bool
    """Whether its return was watched from the beginning."""


class _Program(msgspec.Struct):
    """What is watched of one program, as it lies in memory."""

    entries: dict[int, str]
    returns: set[int]
    low: int
    high: int
    """Where its own code lies."""
    slots: dict[int, str]
    """Words that will hold functions' addresses, called without an entry of the linkage table."""
    targets: dict[int, str]
    """What was in them: functions elsewhere, of which only this program's calls count."""


class Library:
    """Tells `tracer` of calls: of libraries (`imports`), of the program's functions that match `own`."""

    def __init__(
        self, kernel: Kernel, tracer: Tracer, imports: bool, own: tuple[str, ...], limit: int
    ) -> None:
        self._kernel = kernel
        self._tracer = tracer
        self._imports = imports
        self._own = own
        self._limit = limit
        self._programs: dict[tuple[int, int], _Program] = {}
        self._frames: dict[int, list[_Frame]] = {}
        self._stale = False

    def sink(self, tick: int, pid: int, event: Any) -> None:
        """Every event, after the tracer has had it."""
        match event:
            case e.ProgramExecuted():
                self._frames.pop(event.task, None)
                self._load(event.task)
            case e.TaskCreated():
                frames = self._frames.get(event.parent)
                if frames:
                    self._frames[event.child] = [msgspec.structs.replace(one) for one in frames]
            case e.TaskExited():
                self._frames.pop(event.task, None)
            case e.SyscallExited():
                program = self._program()
                if program is not None and program.slots:
                    self._resolve(program)

    def step(self, limit: int) -> Idle | Halted | None:
        """The kernel's step, with all that is known by now watched."""
        if self._stale:
            self._stale = False
            every: set[int] = set()
            for program in self._programs.values():
                every.update(program.entries, program.returns, program.targets)
            self._kernel.core.watch(frozenset(every), self._seen)
        return self._kernel.step(limit)

    # Programs.

    def _program(self) -> _Program | None:
        tables = self._kernel.tables
        task = tables.tasks.get(tables.current)
        space = tables.spaces.get(task.space) if task is not None else None
        return self._programs.get((space.exe, space.start_code)) if space is not None else None

    def _load(self, pid: int) -> None:
        """Find out what to watch of the program that a task has just begun."""
        kernel = self._kernel
        space = kernel.tables.spaces[kernel.tables.tasks[pid].space]
        key = (space.exe, space.start_code)
        inode = kernel.tables.inodes.get(space.exe)
        if key in self._programs or inode is None:
            return
        mapped = [vma for vma in space.vmas if vma.inode == space.exe]
        data = kernel.peek_inode(space.exe, 0, min(inode.size, MOST_FILE))
        try:
            image = parse(data)
        except BadElf:
            return
        if not mapped:
            return
        bias = min(vma.start for vma in mapped) - (image.loads[0].vaddr & ~0xFFF)
        self._programs[key] = _found(data, image, bias, self._imports, self._own)
        self._stale = True

    def _resolve(self, program: _Program) -> None:
        """The dynamic linker fills the table before the program begins."""
        for slot, name in list(program.slots.items()):
            word = self._kernel.peek(slot, 4)
            value = int.from_bytes(word, "little") if word else 0
            if value < 0x10000 or program.low <= value < program.high:
                continue
            space = self._kernel.tables.spaces[self._kernel.task.space]
            if any(vma.start <= value < vma.end and vma.prot & 4 for vma in space.vmas):
                del program.slots[slot]
                program.targets[value] = name
                self._stale = True

    # Calls.

    def _seen(self, address: int, tick: int) -> None:
        program = self._program()
        if program is None:
            return
        kernel = self._kernel
        regs = kernel.core.emulator.bank.read()
        sp, result = int(regs[r.ESP]), int(regs[r.EAX])
        pid = kernel.task.pid
        if address in program.returns:
            self._returned(pid, address, sp, result, tick)
        name = program.entries.get(address) or program.targets.get(address)
        if name is None:
            return
        words = self._words(sp)
        if words and (address in program.entries or program.low <= words[0] < program.high):
            self._called(pid, program, name, sp, words, tick)

    def _words(self, sp: int) -> tuple[int, ...]:
        size = 4 * (1 + prototypes.MOST)
        data = self._kernel.peek(sp, size) or self._kernel.peek(sp, min(size, -sp & 0xFFF) & ~3) or b""
        return struct.unpack(f"<{len(data) // 4}I", data)

    def _called(
        self, pid: int, program: _Program, name: str, sp: int, words: tuple[int, ...], tick: int
    ) -> None:
        frames = self._frames.setdefault(pid, [])
        back = words[0]
        if frames and frames[-1].sp == sp and frames[-1].name == name and frames[-1].back == back:
            if frames[-1].sure:
                return  # its first instruction faulted, and is run again
            frames.pop()
        frame = _Frame(name, back, sp, tick, back in program.returns)
        if not frame.sure:
            program.returns.add(back)
            self._stale = True
        frames.append(frame)
        del frames[:-MOST_FRAMES]
        prototype = PROTOTYPES.get(name, UNKNOWN)
        shown = prototypes.show_arguments(prototype, words[1:], self._text, self._limit)
        self._tracer.function_called(pid, tick, frame, f"{name}({shown}")

    def _returned(self, pid: int, address: int, sp: int, result: int, tick: int) -> None:
        """To `address`, with the stack pointer behind the return address (and what `ret` took)."""
        frames = self._frames.get(pid, [])
        place = next(
            (
                n
                for n in range(len(frames) - 1, -1, -1)
                if frames[n].back == address and 0 < sp - frames[n].sp <= 8
            ),
            -1,
        )
        if place < 0:
            return
        frame = frames[place]
        del frames[place:]  # what lies above was left by longjmp
        prototype = PROTOTYPES.get(frame.name, UNKNOWN)
        shown = prototypes.show(prototype.result, result, self._text, self._limit)
        self._tracer.function_returned(pid, tick, frame, frame.name, frame.tick, shown)

    def _text(self, address: int) -> bytes | None:
        found = b""
        most = max(self._limit, 256) + 1  # a format is read beyond what is shown of it
        while len(found) < most:
            size = min(_TEXT_PIECE, 0x1000 - (address & 0xFFF), most - len(found))
            piece = self._kernel.peek(address, size)
            if piece is None:
                return found or None
            before, end, _ = piece.partition(b"\0")
            found += before
            if end:
                break
            address += size
        return found


# What a file says.


def _found(data: bytes, image: Image, bias: int, imports: bool, own: tuple[str, ...]) -> _Program:
    code = [segment for segment in image.loads if segment.flags & PF_X]
    low = bias + min((segment.vaddr for segment in code), default=0)
    high = bias + max((segment.vaddr + segment.memsz for segment in code), default=0)
    entries: dict[int, str] = {}
    returns: set[int] = set()
    slots: dict[int, str] = {}
    got = 0
    if imports:
        slots, got = _slots(data, image)
    with_entry: set[str] = set()
    for segment in code:
        text = data[segment.offset : segment.offset + segment.filesz]
        for found in _JUMP.finditer(text):
            name = slots.get(_slot(found, got, 0x25))
            if name is not None:
                at = found.start() - (4 if text[found.start() - 4 : found.start()] == _ENDBR else 0)
                entries[bias + segment.vaddr + at] = name
                with_entry.add(name)
    if own:
        for name, symbol in read_symbols(data).by_name.items():
            if any(fnmatchcase(name, glob) for glob in own) and low <= bias + symbol.address < high:
                entries[bias + symbol.address] = name
    slots = {slot: name for slot, name in slots.items() if name not in with_entry}
    for segment in code:
        text = data[segment.offset : segment.offset + segment.filesz]
        start = bias + segment.vaddr
        for found in _CALL.finditer(text):
            back = start + found.start() + 5
            if back + int.from_bytes(found[1], "little") & 0xFFFF_FFFF in entries:
                returns.add(back)
        for found in _CALL_SLOT.finditer(text):
            if _slot(found, got, 0x15) in slots:
                returns.add(start + found.start() + 6)
    return _Program(entries, returns, low, high, {bias + slot: name for slot, name in slots.items()}, {})


def _slot(found: re.Match[bytes], got: int, absolute: int) -> int:
    """The word of the global offset table that an instruction names: by address, or from its beginning."""
    value = int.from_bytes(found[2], "little")
    return value if found[1][0] == absolute else got + value & 0xFFFF_FFFF


def _slots(data: bytes, image: Image) -> tuple[dict[int, str], int]:
    """Words of the global offset table that hold functions of libraries, and where the table begins."""
    dynamic = next((segment for segment in image.segments if segment.type == _DYNAMIC), None)
    if dynamic is None:
        return {}, 0
    block = data[dynamic.offset : dynamic.offset + dynamic.filesz // 8 * 8]
    tags = {_DT[tag]: value for tag, value in struct.iter_unpack("<II", block) if tag in _DT}
    starts = [segment.vaddr for segment in image.loads]

    def offset(vaddr: int) -> int:
        place = bisect_left(starts, vaddr + 1) - 1
        return vaddr - image.loads[place].vaddr + image.loads[place].offset if place >= 0 else len(data)

    symbols, strings = offset(tags.get("symtab", 0)), offset(tags.get("strtab", 0))
    slots: dict[int, str] = {}
    for table, size in (("rel", "relsz"), ("jmprel", "pltrelsz")):
        at = offset(tags.get(table, 0))
        block = data[at : at + tags.get(size, 0) // 8 * 8]
        for slot, info in struct.iter_unpack("<II", block[: len(block) // 8 * 8]):
            if info & 0xFF not in (_GLOB_DAT, _JMP_SLOT):
                continue
            symbol = data[symbols + 16 * (info >> 8) :][:16] if (info >> 8) < 1 << 20 else b""
            if len(symbol) < 16:
                continue
            name_at, _, _, kind, _, section = struct.unpack("<IIIBBH", symbol)
            if kind & 15 not in (0, 2, 10) or section or (info & 0xFF == _GLOB_DAT and kind & 15 == 0):
                continue
            start = strings + name_at
            name = data[start : data.find(b"\0", start)].decode("utf-8", "replace")
            if name and name not in _NOT_SHOWN:
                slots[slot] = name
    return slots, tags.get("pltgot", 0)
