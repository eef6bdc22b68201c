"""Which line of which source an address belongs to, and the text of that source.

Line numbers come from DWARF (pyelftools, loaded at the first use), small files' at once, large files' in a
thread. C of our own programs and the entry code lie in assets; a user's source is read where DWARF says it
was compiled, if there is a regular file of reasonable size. The kernel's bodies are Python: theirs is asked
of `inspect`. Nothing in a program file or a path in it is trusted.
"""

from __future__ import annotations

import os
import posixpath
import stat
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from app import resources
from kernel.elf import BadElf, Image, parse

SMALL = 1 << 20
"""Files up to this size are read at once."""
MAX_DEBUG = 64 << 20
"""Bytes of debugging information that are looked at, decompressed."""
MAX_ROWS = 2_000_000
MAX_SOURCE = 1 << 20
SUFFIXES = frozenset(
    (
        *(".c", ".h", ".s", ".asm", ".inc", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".i"),
        *(".m", ".rs", ".go", ".zig", ".f", ".f90", ".pas", ".d", ".nim", ".adb", ".ads"),
    )
)
"""Names that a source of a user's program may have (in lower case)."""
BODIES = {
    "start_kernel": ("kernel.boot", "start_kernel"),
    "pick_next": ("kernel.sched", "pick_next"),
    "finish_task_switch": ("kernel.sched", "finish_task_switch"),
    "default_idle": ("kernel.entry", "default_idle"),
    "do_notify_resume": ("kernel.signals.delivery", "do_notify_resume"),
    "do_timer_interrupt": ("kernel.sched", "do_timer_interrupt"),
    "do_keyboard_interrupt": ("kernel.entry", "do_input_interrupt"),
    "do_serial_interrupt": ("kernel.entry", "do_input_interrupt"),
    "do_disk_interrupt": ("kernel.fs.disk", "do_disk_interrupt"),
    "do_page_fault": ("kernel.mm.fault", "do_page_fault"),
    "do_iret_error": ("kernel.entry", "do_iret_error"),
    "sys_ni_syscall": ("kernel.entry", "unknown_system_call"),
}
"""Module and function of what the entry code's `hlt`s lead to, besides the system calls."""


class Line(NamedTuple):
    """A line of a source and the code that belongs to it: [start, end)."""

    file: str
    number: int
    start: int
    end: int

    @property
    def name(self) -> str:
        """The file without its folder, as a person may see it."""
        return printable(posixpath.basename(self.file)) or "?"


class Text(NamedTuple):
    """Lines of a source, `first` being the number of the first one; `problem` says why there are none."""

    lines: tuple[str, ...]
    first: int = 1
    problem: str = ""


class LineTable:
    """Look-up of addresses. `problem` says why it is empty."""

    def __init__(self, lines: list[Line], problem: str = "") -> None:
        self._lines = lines
        self._starts = [line.start for line in lines]
        self.problem = problem

    def __len__(self) -> int:
        return len(self._lines)

    def at(self, address: int) -> Line | None:
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._lines[index].end:
            return None
        return self._lines[index]

    def address_of(self, name: str, number: int) -> int:
        """Where line `number` of the source `name` begins, or the next one that has code; -1 for none."""
        found = [line for line in self._lines if line.name == name and line.number >= number]
        first = min((line.number for line in found), default=-1)
        return min((line.start for line in found if line.number == first), default=-1)


def read_lines(data: bytes) -> LineTable:
    """The line table of an ELF file; an empty one with the reason if there is none to be had."""
    from elftools.elf.elffile import ELFFile

    try:
        file = ELFFile(BytesIO(data))
        size = 0
        for section in file.iter_sections():
            if section.name.startswith(".zdebug"):
                return LineTable([], "its debugging information is compressed in an old way")
            if section.name.startswith(".debug"):
                size += section.data_size
        if not file.get_section_by_name(".debug_line"):
            return LineTable([], "it has no line numbers (compile it with -g)")
        if size > MAX_DEBUG:
            return LineTable([], f"it has more than {MAX_DEBUG >> 20} MiB of debugging information")
        found = sorted(_rows(file.get_dwarf_info(relocate_dwarf_sections=False)), key=lambda row: row.start)
    except Exception as error:  # whatever a damaged file makes of a reader in pure Python
        return LineTable([], f"its line numbers cannot be read ({type(error).__name__})")
    return LineTable(_merged(found))


def _rows(dwarf: Any) -> Iterator[Line]:
    count = 0
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        folder = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
        names = _Names(program.header, _text(folder.value) if folder is not None else "")
        before = None
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if before is not None and before.line and before.address and before.address < state.address:
                yield Line(names[before.file], before.line, before.address, state.address)
                count += 1
                if count > MAX_ROWS:
                    return
            before = None if state.end_sequence else state


class _Names:
    """Paths of a compilation unit's files by number."""

    def __init__(self, header: Any, folder: str) -> None:
        self._header, self._folder = header, folder
        self._known: dict[int, str] = {}

    def __getitem__(self, number: int) -> str:
        if number not in self._known:
            self._known[number] = self._path(number)
        return self._known[number]

    def _path(self, number: int) -> str:
        header = self._header
        new = header.version >= 5
        files, folders = header.file_entry, header.include_directory
        index = number if new else number - 1
        if not 0 <= index < len(files):
            return ""
        entry = files[index]
        at = entry.dir_index if new else entry.dir_index - 1
        folder = _text(folders[at]) if 0 <= at < len(folders) else ""
        return posixpath.normpath(posixpath.join(self._folder, folder, _text(entry.name)))


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def _merged(found: list[Line]) -> list[Line]:
    """Without overlaps, and what is next to each other and of the same line together."""
    out: list[Line] = []
    for line in found:
        if out and line.start < out[-1].end:
            continue
        if out and out[-1].end == line.start and out[-1][:2] == line[:2]:
            out[-1] = out[-1]._replace(end=line.end)
        else:
            out.append(line)
    return out


class Sources:
    """Line tables and texts that have been read, by the contents' key and by path."""

    def __init__(self) -> None:
        self._tables: dict[str, LineTable] = {}
        self._images: dict[str, Image | None] = {}
        self._texts: dict[str, Text] = {}
        self._reading: set[str] = set()

    @property
    def reading(self) -> bool:
        """Whether a thread is on its way with a table."""
        return bool(self._reading)

    def table(self, key: str, data: bytes) -> LineTable | None:
        """The line table of a file with these contents; None while it is being read."""
        known = self._tables.get(key)
        if known is not None:
            return known
        if len(data) <= SMALL:
            self._tables[key] = read_lines(data)
            return self._tables[key]
        if key not in self._reading:
            self._reading.add(key)
            threading.Thread(target=self._read, args=(key, data), daemon=True).start()
        return None

    def _read(self, key: str, data: bytes) -> None:
        try:
            self._tables[key] = read_lines(data)
        finally:
            self._tables.setdefault(key, LineTable([], "its line numbers cannot be read"))
            self._reading.discard(key)

    def address_in(self, key: str, data: bytes, offset: int) -> int | None:
        """Where the file itself means its byte `offset` to be loaded."""
        if key not in self._images:
            try:
                self._images[key] = parse(data)
            except BadElf:
                self._images[key] = None
        image = self._images[key]
        if image is None:
            return None
        for segment in image.loads:
            if segment.offset <= offset < segment.offset + segment.filesz:
                return segment.vaddr + offset - segment.offset
        return None

    def text(self, path: str) -> Text:
        """The source at a path as DWARF has it."""
        if path not in self._texts:
            self._texts[path] = read_source(path)
        return self._texts[path]


def read_source(path: str) -> Text:
    """A source from assets or from this machine; read only, and only what may be a source."""
    if not path.startswith("/"):
        parts = PurePosixPath(path).parts
        if parts[:1] != ("assets",) or ".." in parts:
            return Text((), problem="where it was compiled is not known")
        path = str(resources.assets().joinpath(*parts[1:]))
    if PurePosixPath(path).suffix.lower() not in SUFFIXES or "\0" in path:
        return Text((), problem="this is not the name of a source")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return Text((), problem="the source is not on this machine")
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return Text((), problem="this is not a regular file")
        if status.st_size > MAX_SOURCE:
            return Text((), problem=f"the source is larger than {MAX_SOURCE >> 20} MiB")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(MAX_SOURCE + 1)
    except OSError:
        return Text((), problem="the source cannot be read")
    finally:
        os.close(handle)
    lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
    return Text(tuple(_shown(line) for line in lines))


def _shown(line: str) -> str:
    return printable(line.rstrip("\r").expandtabs(8)).rstrip()


def printable(text: str) -> str:
    """Without what a terminal would take as a command."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


class Body(NamedTuple):
    """A Python function of the kernel: where it is and its text."""

    module: str
    name: str
    text: Text


_bodies: dict[str, Body | None] = {}


def body_of(symbol: str) -> Body | None:
    """What a `hlt` in the entry code's function `symbol` leads to; None if that is nothing of its own."""
    if symbol not in _bodies:
        _bodies[symbol] = _body(symbol)
    return _bodies[symbol]


def _body(symbol: str) -> Body | None:
    from importlib import import_module

    from kernel.syscalls.registry import handlers

    function: Callable[..., object] | None = None
    if symbol in BODIES:
        module, name = BODIES[symbol]
        function = getattr(import_module(module), name, None)
    elif symbol.startswith("sys_"):
        function = handlers().get(symbol.removeprefix("sys_"))
        if function is None:
            return _body("sys_ni_syscall")
    elif symbol.startswith("do_"):
        function = getattr(import_module("kernel.entry"), "exception", None)
    if function is None:
        return None
    import inspect

    function = inspect.unwrap(function)
    module = f"{function.__module__.replace('.', '/')}.py"
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return Body(module, function.__name__, Text((), problem="its Python source is not installed"))
    return Body(module, function.__name__, Text(tuple(_shown(line.rstrip("\n")) for line in lines), first))
