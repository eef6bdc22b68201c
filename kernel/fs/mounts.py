"""File systems and where they are mounted (Linux's fs/namespace.c, man 2 mount).

Every file system has a device number, which its inodes carry (`st_dev`), and a mount says which of its
directories covers which directory of which other mount. The first mount is the root's. Walking across them
is `vfs`'s, checking the arguments of mount(2) and umount(2) that of the system calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from kernel.abi.errno import Errno
from kernel.abi.files import (
    IN_UNMOUNT,
    MS_DIRSYNC,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_RELATIME,
    MS_SYNCHRONOUS,
    O_ACCMODE,
    O_RDONLY,
    S_IFDIR,
    S_ISVTX,
)
from kernel.errors import KernelError
from kernel.events import Mounted, MountFlagsSet, Unmounted
from kernel.fs import hostfs, inotify, procfs, ramfs, vfs
from kernel.mm.frames import put_frame
from kernel.tables import FileSystem, Mount

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MAX_MOUNTS = 1000
MOUNT_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME
"""What belongs to a mount; the rest to its file system, and MS_RDONLY to either."""
MADE = {"proc": procfs.ROOT, "sysfs": procfs.SYS_ROOT}
ONLY_ONE = (*MADE, "devpts")
"""File systems of which there is one, however often mounted; devpts is there from the start."""
SYSTEM_FLAGS = MS_RDONLY | MS_SYNCHRONOUS | MS_DIRSYNC


# --- file systems -------------------------------------------------------------------------------------------


class Options(NamedTuple):
    """What the text behind `mount -o` says of a file system in memory."""

    mode: int = S_ISVTX | 0o777
    uid: int = 0
    gid: int = 0
    pages: int = 0

    def shown(self) -> str:
        """As /proc/mounts has them (mm/shmem.c, shmem_show_options)."""
        words = [f"size={self.pages * 4}k"] if self.pages else []
        if self.mode != S_ISVTX | 0o777:
            words.append(f"mode={self.mode:03o}")
        words += [f"{name}={value}" for name, value in (("uid", self.uid), ("gid", self.gid)) if value]
        return ",".join(words)


def new_filesystem(k: Kernel, kind: str, source: str, flags: int = 0) -> FileSystem:
    """With the next anonymous device number (major 0, from 1 on)."""
    numbers = k.tables.filesystems
    made = FileSystem(max(numbers, default=0) + 1, kind, source, flags)
    numbers[made.dev] = made
    return made


def new_tree(k: Kernel, kind: str, source: str, options: Options, flags: int = 0) -> FileSystem:
    """A new file system in memory with an empty root directory."""
    made = new_filesystem(k, kind, source, flags)
    root = ramfs.new_inode(k, S_IFDIR | options.mode, options.uid, options.gid, dev=made.dev)
    root.parent = made.root = root.ino
    made.pages = options.pages
    if kind == "tmpfs":
        made.options = options.shown()
    return made


def made_filesystem(k: Kernel, kind: str) -> FileSystem:
    """The one that there is; the inodes of proc and sysfs are made when looked at."""
    for system in k.tables.filesystems.values():
        if system.type == kind:
            return system
    made = new_filesystem(k, kind, kind)
    made.root = MADE[kind]
    return made


def host_filesystem(k: Kernel, number: int, read_only: bool) -> FileSystem:
    """Mount `number` of the start: a directory of the host. KernelError if that cannot be read."""
    made = new_filesystem(k, "hostfs", "none", MS_RDONLY if read_only else 0)
    made.root = hostfs.mount_top(k, number, made.dev).ino
    return made


# --- mounts -------------------------------------------------------------------------------------------------


def attach(k: Kernel, dev: int, root: int, parent: int, point: int, flags: int = 0) -> Mount:
    """Directory `root` of file system `dev` covers `point` of mount `parent` from now on. ENOSPC.

    0 for `point` makes it the root of all.
    """
    t = k.tables
    if len(t.mounts) >= MAX_MOUNTS:
        raise KernelError(Errno.ENOSPC)
    if not flags & (MS_NOATIME | MS_RELATIME):
        flags |= MS_RELATIME
    mount = Mount(max(t.mounts, default=0) + 1, parent, point, root, dev, flags & MOUNT_FLAGS)
    mount.path = path_at(k, parent, point) if point else "/"
    t.mounts[mount.id] = mount
    tell(k, mount)
    return mount


def tell(k: Kernel, mount: Mount) -> None:
    """The event of a mount that is new or elsewhere."""
    system = k.tables.filesystems[mount.dev]
    k.emit(Mounted(mount.id, mount.parent, mount.path, system.type, system.source, shown_flags(k, mount)))


def path_at(k: Kernel, mount: int, ino: int) -> str:
    """The absolute path of a place from the real root."""
    return vfs.path_in(k, None, mount, ino)


def shown_flags(k: Kernel, mount: Mount) -> int:
    """MS_* of a mount, with what its file system adds."""
    return mount.flags | k.tables.filesystems[mount.dev].flags & MS_RDONLY


def set_flags(k: Kernel, mount: Mount, flags: int, system: bool) -> None:
    """Other flags for a mount, and if `system` for its file system. EBUSY for read-only while written to."""
    t = k.tables
    ids = [one.id for one in t.mounts.values() if one.dev == mount.dev] if system else [mount.id]
    if flags & MS_RDONLY and any(
        file.mount in ids and file.kind == "file" and file.flags & O_ACCMODE != O_RDONLY
        for file in t.files.values()
    ):
        raise KernelError(Errno.EBUSY)
    if not flags & (MS_NOATIME | MS_RELATIME):
        flags |= MS_RELATIME
    mount.flags = flags & MOUNT_FLAGS
    if system:
        found = t.filesystems[mount.dev]
        found.flags = flags & SYSTEM_FLAGS
    k.emit(MountFlagsSet(mount.id, mount.path, shown_flags(k, mount)))


def below(k: Kernel, mount: Mount) -> Iterator[Mount]:
    """All mounts below this one, each after the one that it is in."""
    for one in list(k.tables.mounts.values()):
        if one.parent == mount.id:
            yield one
            yield from below(k, one)


def is_busy(k: Kernel, mount: Mount) -> bool:
    """Whether something is mounted in it, or somebody is in it or has something open there."""
    t = k.tables
    if any(one.parent == mount.id for one in t.mounts.values()):
        return True
    if any(
        task.pid and (task.cwd_mount == mount.id or (task.root and task.root_mount == mount.id))
        for task in t.tasks.values()
    ) or any(file.mount == mount.id for file in t.files.values()):
        return True
    if any(one.dev == mount.dev for one in t.mounts.values() if one is not mount):
        return False
    mapped = {vma.inode for space in t.spaces.values() for vma in space.vmas if vma.inode}
    return any(t.inodes[ino].dev == mount.dev for ino in mapped if ino in t.inodes)


def move(k: Kernel, mount: Mount, parent: int, point: int) -> None:
    """The mount covers another directory instead, and is the last one there."""
    mount.parent, mount.point = parent, point
    mount.path = path_at(k, parent, point)
    mounts = k.tables.mounts
    mounts[mount.id] = mounts.pop(mount.id)
    tell(k, mount)


def detach(k: Kernel, mount: Mount) -> None:
    """The mount goes, and those below it; file systems that are nowhere mounted any more go too."""
    for one in [*below(k, mount), mount][::-1]:
        del k.tables.mounts[one.id]
        k.emit(Unmounted(one.id, one.path))
    drop_unmounted(k)


def drop_unmounted(k: Kernel) -> None:
    """File systems that are nowhere mounted go, unless somebody still has something of them."""
    t = k.tables
    mounted = {mount.dev for mount in t.mounts.values()}
    gone = {dev for dev, one in t.filesystems.items() if dev not in mounted and one.type not in ONLY_ONE}
    if not gone:
        return
    places = {ino for task in t.tasks.values() for ino in (task.cwd, task.root)}
    kept: set[int] = set()
    for inode in [inode for inode in t.inodes.values() if inode.dev in gone]:
        if inode.opened > 0 or inode.ino in places:
            kept.add(inode.dev)
            continue
        if inode.ino in t.watched:
            inotify.gone(k, inode.ino, IN_UNMOUNT)
        for frame in inode.pages.values():
            put_frame(k, frame)
        del t.inodes[inode.ino]
    for dev in gone - kept:
        del t.filesystems[dev]
    t.listings = [listing for listing in t.listings if listing.dev in t.filesystems]
