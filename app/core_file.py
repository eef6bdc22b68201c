"""Core files, saved on the host for a debugger: those that programs have left, and of a process as it stands.

A file that is there already stays as it is. What is not in the guest's memory is a hole in the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from app.host import complain
from kernel.abi.elf import ET_CORE
from kernel.abi.files import S_IFMT, S_IFREG
from kernel.signals.core_dump import core_image

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.tables import Inode

PAGE = 4096
HEAD = b"\x7fELF\x01\x01\x01"


class NotSaved(Exception):
    """Why a core file was not saved, in one line."""


class Core(NamedTuple):
    """What can be saved: of process `pid`, or if that is 0 the guest's file `inode`."""

    pid: int
    inode: int
    text: str


def cores(kernel: Kernel) -> list[Core]:
    """What programs have left, the last one first; then the processes that are there, who runs first."""
    t = kernel.tables
    left = sorted((one for one in t.inodes.values() if _is_core(kernel, one)), key=lambda one: -one.mtime)
    found = [Core(0, one.ino, f"{kernel.path_of(one)}, which a program left") for one in left]
    leaders = [task for task in t.tasks.values() if task.pid == task.tgid and task.space in t.spaces]
    current = t.tasks[t.current].tgid if t.current in t.tasks else 0
    leaders.sort(key=lambda task: (task.pid != current, task.pid))
    return found + [Core(one.pid, 0, f"process {one.pid}, {one.comm}, as it stands here") for one in leaders]


def _is_core(kernel: Kernel, inode: Inode) -> bool:
    """A core file that was written in the guest and still has a name."""
    frame = inode.pages.get(0)
    if frame is None or not inode.nlink or inode.mode & S_IFMT != S_IFREG or inode.size < PAGE:
        return False
    head = bytes(kernel.ram.frame(frame)[:18])
    return head.startswith(HEAD) and head[16] == ET_CORE


def save_core(kernel: Kernel, core: Core, path: str) -> int:
    """Write it to a new file of the host; its size. Raises NotSaved."""
    if core.inode:
        inode = kernel.tables.inodes[core.inode]
        return _save(path, _pages(kernel, inode), inode.size)
    return _save(path, core_image(kernel, kernel.tables.tasks[core.pid]))


def _pages(kernel: Kernel, inode: Inode) -> Iterator[tuple[int, bytes]]:
    for index, frame in sorted(inode.pages.items()):
        yield index * PAGE, bytes(kernel.ram.frame(frame)[: max(inode.size - index * PAGE, 0)])


def _save(path: str, pieces: Iterator[tuple[int, bytes]], size: int = 0) -> int:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except (OSError, ValueError) as error:
        raise NotSaved(_why(path, error)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            for at, data in pieces:
                size = max(size, at + len(data))
                if any(data):
                    file.seek(at)
                    file.write(data)
            file.truncate(size)
    except OSError as error:
        with suppress(OSError):
            os.unlink(path)
        raise NotSaved(_why(path, error)) from None
    return size


def why_not(path: str) -> str:
    """Why nothing can be saved under this name, as far as that is known beforehand; '' if it can."""
    if not path:
        return "a file's name is needed"
    if os.path.lexists(path):
        return f"{path}: there is a file of that name"
    folder = os.path.dirname(path) or "."
    return "" if os.path.isdir(folder) else f"{folder}: no such directory"


def _why(path: str, error: OSError | ValueError) -> str:
    if isinstance(error, FileExistsError):
        return f"{path}: there is a file of that name"
    return f"{path}: {(getattr(error, 'strerror', None) or str(error)).lower()}"


def keep_core(path: str | None, kernel: Kernel) -> bool:
    """After a run with --core: save what was left last, and say so. False if that could not be."""
    left = [one for one in cores(kernel) if one.inode] if path is not None else []
    if path is None or not left:
        return True
    try:
        save_core(kernel, left[0], path)
    except NotSaved as error:
        complain(str(error))
        return False
    complain(f"core file saved: {path} (gdb PROGRAM {path} opens it)")
    return True
