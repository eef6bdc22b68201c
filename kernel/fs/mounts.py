"""File systems and where they are mounted (Linux's fs/namespace.c, man 8 mount).

Every file system has a device number, which its inodes carry (`st_dev`), and a mount says which of its
directories covers which directory. The first mount is the root's. Walking across them is `vfs`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import MS_RDONLY, S_IFDIR
from kernel.errors import KernelError
from kernel.fs import hostfs, ramfs
from kernel.tables import FileSystem, Inode, Mount

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MAX_MOUNTS = 1000


def new_filesystem(k: Kernel, kind: str, source: str, flags: int = 0) -> FileSystem:
    """With the next anonymous device number (major 0, from 1 on)."""
    numbers = k.tables.filesystems
    made = FileSystem(max(numbers, default=0) + 1, kind, source, flags)
    numbers[made.dev] = made
    return made


def new_tree(k: Kernel, kind: str, source: str, mode: int) -> Inode:
    """The root directory of a new file system in memory."""
    root = ramfs.new_inode(k, S_IFDIR | mode, dev=new_filesystem(k, kind, source).dev)
    root.parent = root.ino
    return root


def attach(k: Kernel, root: Inode, point: int, flags: int = 0) -> Mount:
    """`root` covers the directory `point` (0: nothing, it is the root of all) from now on. ENOSPC."""
    t = k.tables
    if len(t.mounts) >= MAX_MOUNTS:
        raise KernelError(Errno.ENOSPC)
    number = max(t.mounts, default=0) + 1
    above = next((mount.id for mount in t.mounts.values()), 0)
    t.mounts[number] = mount = Mount(number, above, point, root.ino, root.dev, flags)
    return mount


def attach_made(k: Kernel, kind: str, root: int, point: int) -> Mount:
    """A file system whose inodes are made when looked at: they all have the number of its first mount."""
    made = new_filesystem(k, kind, kind)
    return attach(k, Inode(root, S_IFDIR | 0o555, dev=made.dev), point)


def mount_host(k: Kernel, number: int, point: int, read_only: bool) -> Inode:
    """Mount `number` of the start: a directory of the host. KernelError if that cannot be read."""
    made = new_filesystem(k, "hostfs", "none", MS_RDONLY if read_only else 0)
    root = hostfs.mount_top(k, number, made.dev)
    attach(k, root, point)
    return root
