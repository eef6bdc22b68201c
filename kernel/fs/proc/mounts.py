"""mounts and mountinfo: what is mounted where (man 5 proc_pid_mountinfo)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.files import MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_RDONLY
from kernel.fs.names import encode_name
from kernel.fs.ramfs import path_of
from kernel.tables import Mount, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

_OPTIONS = (
    (MS_NOSUID, "nosuid"),
    (MS_NODEV, "nodev"),
    (MS_NOEXEC, "noexec"),
    (MS_NOATIME, "noatime"),
    (MS_NODIRATIME, "nodiratime"),
)
_ESCAPED = (b" ", b"\t", b"\n", b"\\")


def _escape(data: bytes) -> str:
    for char in _ESCAPED[::-1]:
        data = data.replace(char, f"\\{char[0]:03o}".encode())
    return data.decode("utf-8", "surrogateescape")


def _where(k: Kernel, mount: Mount) -> str:
    point = k.tables.inodes.get(mount.point)
    return _escape(encode_name(path_of(k, point))) if point is not None else "/"


def _flags(flags: int) -> str:
    names = [name for bit, name in _OPTIONS if flags & bit]
    return ",".join(["ro" if flags & MS_RDONLY else "rw", *names])


def mounts(k: Kernel, _task: Task, _whole: bool) -> str:
    """Device, place, type, options, and two zeros, in the order of mounting."""
    lines = []
    for mount in k.tables.mounts.values():
        made = k.tables.filesystems[mount.dev]
        source = _escape(encode_name(made.source))
        options = _flags(mount.flags | made.flags & MS_RDONLY)
        lines.append(f"{source} {_where(k, mount)} {made.type} {options} 0 0\n")
    return "".join(lines)


def mountinfo(k: Kernel, _task: Task, _whole: bool) -> str:
    """Without propagation: there is one namespace."""
    lines = []
    for mount in k.tables.mounts.values():
        made = k.tables.filesystems[mount.dev]
        source = _escape(encode_name(made.source))
        parent = mount.parent or mount.id
        lines.append(
            f"{mount.id} {parent} {mount.dev >> 8 & 0xFFF}:{mount.dev & 0xFF} / {_where(k, mount)} "
            f"{_flags(mount.flags)} - {made.type} {source} {_flags(made.flags)}\n"
        )
    return "".join(lines)
