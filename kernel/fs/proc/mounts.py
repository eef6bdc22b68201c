"""mounts and mountinfo: what is mounted where (man 5 proc_pid_mountinfo)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kernel.abi.files import (
    MS_DIRSYNC,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_RELATIME,
    MS_SYNCHRONOUS,
)
from kernel.fs.names import encode_name
from kernel.tables import FileSystem, Mount, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

_OPTIONS = (
    (MS_SYNCHRONOUS, "sync"),
    (MS_DIRSYNC, "dirsync"),
    (MS_NOSUID, "nosuid"),
    (MS_NODEV, "nodev"),
    (MS_NOEXEC, "noexec"),
    (MS_NOATIME, "noatime"),
    (MS_NODIRATIME, "nodiratime"),
    (MS_RELATIME, "relatime"),
)
_ESCAPED = (b" ", b"\t", b"\n", b"\\")


def _escape(text: str) -> str:
    data = encode_name(text)
    for char in _ESCAPED[::-1]:
        data = data.replace(char, f"\\{char[0]:03o}".encode())
    return data.decode("utf-8", "surrogateescape")


def _flags(flags: int, system: FileSystem | None = None) -> str:
    names = [name for bit, name in _OPTIONS if flags & bit]
    if system is not None and system.options:
        names.append(system.options)
    return ",".join(["ro" if flags & MS_RDONLY else "rw", *names])


def _reachable(k: Kernel, task: Task) -> Iterator[tuple[Mount, FileSystem, str]]:
    """Mounts in their order, where the task can see them, each with its path."""
    for mount in k.tables.mounts.values():
        path = k.path_in(task, mount.id, mount.root)
        if path.startswith("/"):
            yield mount, k.tables.filesystems[mount.dev], path


def mounts(k: Kernel, task: Task, _whole: bool) -> str:
    """Device, place, type, options, and two zeros, in the order of mounting."""
    lines = []
    for mount, system, path in _reachable(k, task):
        options = _flags(mount.flags | system.flags, system)
        lines.append(f"{_escape(system.source)} {_escape(path)} {system.type} {options} 0 0\n")
    return "".join(lines)


def mountinfo(k: Kernel, task: Task, _whole: bool) -> str:
    """Without propagation: there is one namespace."""
    lines = []
    for mount, system, path in _reachable(k, task):
        parent = mount.parent or mount.id
        lines.append(
            f"{mount.id} {parent} {mount.dev >> 8 & 0xFFF}:{mount.dev & 0xFF} "
            f"{_escape(_within(k, system, mount.root))} {_escape(path)} {_flags(mount.flags)} - "
            f"{system.type} {_escape(system.source)} {_flags(system.flags, system)}\n"
        )
    return "".join(lines)


def _within(k: Kernel, system: FileSystem, ino: int) -> str:
    """Path of a mount's root in its own file system: other than / for a part that was mounted (MS_BIND)."""
    names: list[str] = []
    while ino != system.root and ino in k.tables.inodes:
        inode = k.tables.inodes[ino]
        names.append(inode.name)
        ino = inode.parent
    return "/" + "/".join(reversed(names))
