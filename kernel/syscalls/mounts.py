"""System calls on file systems as a whole: mount, umount, what is mounted and how full it is.

Here arguments are checked in Linux's order (fs/namespace.c, fs/statfs.c) and handed to `kernel.fs.mounts`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    ANON_INODE_FS_MAGIC,
    HOSTFS_SUPER_MAGIC,
    MINIX_SUPER_MAGIC,
    MNT_DETACH,
    MNT_EXPIRE,
    MNT_FORCE,
    MS_BIND,
    MS_MGC_MSK,
    MS_MGC_VAL,
    MS_MOVE,
    MS_NOATIME,
    MS_NODIRATIME,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    MS_SHARED,
    MS_SILENT,
    MS_SLAVE,
    MS_UNBINDABLE,
    PATH_MAX,
    PIPEFS_MAGIC,
    PROC_SUPER_MAGIC,
    RAMFS_MAGIC,
    S_IFBLK,
    S_IFIFO,
    S_IFMT,
    ST_VALID,
    SYSFS_MAGIC,
    TMPFS_MAGIC,
    UMOUNT_NOFOLLOW,
)
from kernel.abi.process import CAP_SYS_ADMIN
from kernel.abi.structs import Statfs, Statfs64
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.fs import devfs, minix, mounts, procfs, ramfs, vfs
from kernel.fs.files import get_file
from kernel.fs.names import decode_name
from kernel.mm.frames import frames_left
from kernel.syscalls.attributes import CWD, place_at
from kernel.tables import FileSystem, Inode, Mount

if TYPE_CHECKING:
    from kernel.kernel import Kernel

PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE
MAGIC = {
    "rootfs": RAMFS_MAGIC,
    "ramfs": RAMFS_MAGIC,
    "tmpfs": TMPFS_MAGIC,
    "minix": MINIX_SUPER_MAGIC,
    "devtmpfs": TMPFS_MAGIC,
    "proc": PROC_SUPER_MAGIC,
    "sysfs": SYSFS_MAGIC,
    "hostfs": HOSTFS_SUPER_MAGIC,
}
"""`f_type` by type of file system."""
PAGE = 4096
USTAT = struct.Struct("<iI12x")
"""`struct ustat`: f_tfree, f_tinode, and two names that are empty (include/linux/types.h)."""
UNITS = {"k": 10, "m": 20, "g": 30, "t": 40}


# --- mount --------------------------------------------------------------------------------------------------


def sys_mount(k: Kernel, dev_name: int, dir_name: int, kind: int, flags: int, data: int) -> int:
    """Without propagation between mount namespaces: there is one."""
    wanted = _text(k, kind)
    source = _text(k, dev_name)
    options = _options_text(k, data) if data else ""
    target = place_at(k, CWD, dir_name)
    if not capable(k, CAP_SYS_ADMIN):
        raise KernelError(Errno.EPERM)
    if flags & MS_MGC_MSK == MS_MGC_VAL:
        flags &= ~MS_MGC_MSK
    if flags & (MS_REMOUNT | MS_BIND) == MS_REMOUNT | MS_BIND:
        mounts.set_flags(k, _mount_at(k, target), flags, system=False)
    elif flags & MS_REMOUNT:
        mount = _mount_at(k, target)
        _options(options)
        mounts.set_flags(k, mount, flags, system=True)
    elif flags & MS_BIND:
        _bind(k, dev_name, target, bool(flags & MS_REC))
    elif flags & PROPAGATION:
        kinds = flags & PROPAGATION
        if flags & ~(PROPAGATION | MS_REC | MS_SILENT) or kinds & kinds - 1:
            raise KernelError(Errno.EINVAL)
        _mount_at(k, target)
    elif flags & MS_MOVE:
        _move(k, dev_name, target)
    else:
        _new_mount(k, wanted, source, target, flags, options)
    return 0


def _text(k: Kernel, address: int) -> str | None:
    """A string that may be missing (`copy_mount_string`)."""
    return decode_name(uaccess.strncpy_from_user(k, address, PATH_MAX)) if address else None


def _options_text(k: Kernel, address: int) -> str:
    """The data of a mount, which is a string for all file systems here; what does not fit a page is cut."""
    out = b""
    while len(out) < PAGE - 1:
        size = min(PAGE - 1 - len(out), PAGE - (address + len(out)) % PAGE)
        try:
            piece = uaccess.copy_from_user(k, address + len(out), size)
        except KernelError:
            if not out:
                raise
            break
        text, end, _ = piece.partition(b"\0")
        out += text
        if end:
            break
    return decode_name(out)


def _options(text: str) -> mounts.Options:
    """mode=, uid=, gid=, size=, nr_blocks=, nr_inodes= of tmpfs (man 5 tmpfs). EINVAL for any other."""
    out = mounts.Options()
    for word in filter(None, text.split(",")):
        name, _, value = word.partition("=")
        try:
            if name == "mode":
                out = out._replace(mode=int(value, 8) & 0o7777)
            elif name in ("uid", "gid"):
                out = out._replace(**{name: int(value) & 0xFFFF_FFFF})
            elif name in ("size", "nr_blocks", "nr_inodes"):
                shift = UNITS.get(value[-1:].lower(), 0)
                number = int(value.rstrip("kKmMgGtT")) << shift
                if name != "nr_inodes":
                    out = out._replace(pages=number if name == "nr_blocks" else -(-number // PAGE))
            else:
                raise KernelError(Errno.EINVAL)
        except ValueError:
            raise KernelError(Errno.EINVAL) from None
    return out if 0 <= out.pages < 1 << 52 else out._replace(pages=0)


def _mount_at(k: Kernel, place: tuple[int, Inode]) -> Mount:
    """The mount whose root this is. EINVAL if it is none's."""
    mount = k.tables.mounts.get(place[0])
    if mount is None or mount.root != place[1].ino:
        raise KernelError(Errno.EINVAL)
    return mount


def _new_mount(
    k: Kernel, kind: str | None, source: str | None, target: tuple[int, Inode], flags: int, options: str
) -> None:
    if kind is None:
        raise KernelError(Errno.EINVAL)
    point = target[1]
    system = _filesystem(k, kind, source or "none", flags, options)
    try:
        if not vfs.is_dir(point):
            raise KernelError(Errno.ENOTDIR)
        above = k.tables.mounts.get(target[0])
        if above is not None and above.dev == system.dev and above.root == point.ino:
            raise KernelError(Errno.EBUSY)
        if not point.nlink:
            raise KernelError(Errno.ENOENT)
        mounts.attach(k, system.dev, system.root, target[0], point.ino, flags)
    except KernelError:
        mounts.drop_unmounted(k)
        raise


def _filesystem(k: Kernel, kind: str, source: str, flags: int, options: str) -> FileSystem:
    """A file system of a type, new unless there can only be one of it. ENODEV for types that are unknown."""
    flags &= mounts.SYSTEM_FLAGS
    if kind in mounts.ONLY_ONE:
        return mounts.made_filesystem(k, kind)
    if kind == "devtmpfs":
        found = [system for system in k.tables.filesystems.values() if system.type == kind]
        if found:
            return found[0]
    if kind == "minix":
        node = vfs.resolve(k, source)
        if node.mode & S_IFMT != S_IFBLK:
            raise KernelError(Errno.ENOTBLK)
        if node.rdev != devfs.HDA0:
            raise KernelError(Errno.ENXIO)
        known = [system for system in k.tables.filesystems.values() if system.type == kind]
        if known:
            return known[0]
        return minix.mount(k, source, flags)
    if kind not in ("tmpfs", "ramfs"):
        raise KernelError(Errno.ENODEV)
    wanted = _options(options)
    if kind == "ramfs":
        wanted = wanted._replace(pages=0, mode=wanted.mode if "mode=" in options else 0o755)
    return mounts.new_tree(k, kind, source, wanted, flags)


def _bind(k: Kernel, source: int, target: tuple[int, Inode], recursive: bool) -> None:
    """The same directory (or file) at another place too; with its mounts if `recursive`."""
    if not source:
        raise KernelError(Errno.EINVAL)
    number, inode = place_at(k, CWD, source)
    if vfs.is_dir(inode) != vfs.is_dir(target[1]):
        raise KernelError(Errno.ENOTDIR)
    old = k.tables.mounts.get(number)
    if old is None:
        raise KernelError(Errno.EINVAL)
    inside = list(mounts.below(k, old)) if recursive else []
    made = mounts.attach(k, old.dev, inode.ino, target[0], target[1].ino, old.flags)
    copies = {old.id: made.id}
    for one in inside:
        if one.parent in copies and (one.parent != old.id or _is_below(k, one.point, inode.ino)):
            copy = mounts.attach(k, one.dev, one.root, copies[one.parent], one.point, one.flags)
            copies[one.id] = copy.id


def _is_below(k: Kernel, ino: int, directory: int) -> bool:
    """Whether an inode is a directory or lies in it, within one file system."""
    while ino != directory:
        above = vfs.get_inode(k, ino).parent
        if above in (0, ino):
            return False
        ino = above
    return True


def _move(k: Kernel, source: int, target: tuple[int, Inode]) -> None:
    if not source:
        raise KernelError(Errno.EINVAL)
    place = place_at(k, CWD, source)
    mount = _mount_at(k, place)
    if not mount.parent or vfs.is_dir(place[1]) != vfs.is_dir(target[1]):
        raise KernelError(Errno.EINVAL)
    if target[0] == mount.id or any(one.id == target[0] for one in mounts.below(k, mount)):
        raise KernelError(Errno.ELOOP)
    mounts.move(k, mount, target[0], target[1].ino)


# --- umount -------------------------------------------------------------------------------------------------


def sys_umount2(k: Kernel, name: int, flags: int) -> int:
    if flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW):
        raise KernelError(Errno.EINVAL)
    place = place_at(k, CWD, name, follow=not flags & UMOUNT_NOFOLLOW)
    if not capable(k, CAP_SYS_ADMIN):
        raise KernelError(Errno.EPERM)
    mount = _mount_at(k, place)
    if flags & MNT_EXPIRE and flags & (MNT_FORCE | MNT_DETACH):
        raise KernelError(Errno.EINVAL)
    if not mount.parent:
        if flags & MNT_DETACH:
            raise KernelError(Errno.EINVAL)
        mounts.set_flags(k, mount, mount.flags | MS_RDONLY, system=True)
        return 0
    if not flags & MNT_DETACH and mounts.is_busy(k, mount):
        raise KernelError(Errno.EBUSY)
    if flags & MNT_EXPIRE and not mount.expiring:
        mount.expiring = True
        raise KernelError(Errno.EAGAIN)
    mounts.detach(k, mount)
    return 0


def sys_umount(k: Kernel, name: int) -> int:
    return sys_umount2(k, name, 0)


def sys_pivot_root(k: Kernel, new_root: int, put_old: int) -> int:
    """The first mount stays the root: EINVAL, as on Linux where that is an initial ramfs."""
    if not capable(k, CAP_SYS_ADMIN):
        raise KernelError(Errno.EPERM)
    for address in (new_root, put_old):
        if not vfs.is_dir(place_at(k, CWD, address)[1]):
            raise KernelError(Errno.ENOTDIR)
    raise KernelError(Errno.EINVAL)


# --- statfs -------------------------------------------------------------------------------------------------


def _statfs(k: Kernel, mount: int, inode: Inode, build: type[Statfs] | type[Statfs64]) -> bytes:
    """What is written lies in the machine's memory, whatever it was mounted from: so much is free."""
    t = k.tables
    one = t.mounts.get(mount)
    system = t.filesystems.get(one.dev if one is not None else inode.dev)
    if system is None:
        pipe = inode.mode & S_IFMT == S_IFIFO
        return build(f_type=PIPEFS_MAGIC if pipe else ANON_INODE_FS_MAGIC, f_flags=ST_VALID).pack()
    flags = ST_VALID | _st_flags(mounts.shown_flags(k, one)) if one is not None else ST_VALID
    magic = MAGIC[system.type]
    if procfs.is_proc(system.root):
        return build(f_type=magic, f_flags=flags).pack()
    total, free = k.ram.frames, frames_left(k)
    if system.pages:
        used = ramfs.pages_in(k, system.dev)
        total, free = system.pages, max(0, min(free, system.pages - used))
    inodes = ramfs.MAX_INODES
    return build(
        f_type=magic,
        f_blocks=total,
        f_bfree=free,
        f_bavail=free,
        f_files=inodes,
        f_ffree=max(0, inodes - len(t.inodes)),
        f_fsid_0=system.dev,
        f_flags=flags,
    ).pack()


def _st_flags(flags: int) -> int:
    """ST_* of man 2 statfs: the MS_* of the same numbers up to noexec, and three that are elsewhere."""
    moved = ((MS_NOATIME, 0x400), (MS_NODIRATIME, 0x800), (MS_RELATIME, 0x1000))
    return flags & 0xF | sum(to for flag, to in moved if flags & flag)


def sys_statfs(k: Kernel, path: int, buf: int) -> int:
    uaccess.copy_to_user(k, buf, _statfs(k, *place_at(k, CWD, path), Statfs))
    return 0


def sys_fstatfs(k: Kernel, fd: int, buf: int) -> int:
    file = get_file(k, fd, with_path=True)
    uaccess.copy_to_user(k, buf, _statfs(k, file.mount, vfs.get_inode(k, file.inode), Statfs))
    return 0


def sys_statfs64(k: Kernel, path: int, sz: int, buf: int) -> int:
    if sz not in (Statfs64.SIZE, Statfs64.SIZE + 4):
        raise KernelError(Errno.EINVAL)
    uaccess.copy_to_user(k, buf, _statfs(k, *place_at(k, CWD, path), Statfs64))
    return 0


def sys_fstatfs64(k: Kernel, fd: int, sz: int, buf: int) -> int:
    if sz not in (Statfs64.SIZE, Statfs64.SIZE + 4):
        raise KernelError(Errno.EINVAL)
    file = get_file(k, fd, with_path=True)
    uaccess.copy_to_user(k, buf, _statfs(k, file.mount, vfs.get_inode(k, file.inode), Statfs64))
    return 0


def sys_ustat(k: Kernel, dev: int, ubuf: int) -> int:
    """EINVAL for what is not mounted."""
    system = k.tables.filesystems.get(dev)
    if system is None:
        raise KernelError(Errno.EINVAL)
    free = max(0, ramfs.MAX_INODES - len(k.tables.inodes))
    uaccess.copy_to_user(k, ubuf, USTAT.pack(frames_left(k), free))
    return 0
