"""System calls for extended attributes (man 7 xattr, Linux's fs/xattr.c); every file in memory can have some.

`user.` attributes are for regular files and directories, `trusted.` ones for root alone, `security.` ones for
root to write; nothing else is known here (no access control lists). How much all of them take is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, IN_ATTRIB, S_ISVTX, XATTR_SIZE_MAX
from kernel.abi.process import CAP_FOWNER, CAP_SETFCAP, CAP_SYS_ADMIN
from kernel.capabilities import XATTR, capable
from kernel.errors import KernelError
from kernel.fs import inotify, procfs, vfs
from kernel.fs.files import get_file
from kernel.fs.names import decode_name, encode_name
from kernel.syscalls.attributes import CWD, file_to_change, inode_at, inode_to_change
from kernel.tables import Inode

if TYPE_CHECKING:
    from kernel.kernel import Kernel

XATTR_NAME_MAX = 255
XATTR_CREATE, XATTR_REPLACE = 1, 2
MAX_BYTES = 8 << 20
"""What all attributes of the machine may take: ENOSPC beyond."""
PREFIXES = ("user.", "trusted.", "security.")


def _name(k: Kernel, address: int) -> str:
    try:
        data = uaccess.strncpy_from_user(k, address, XATTR_NAME_MAX + 1)
    except KernelError as error:
        raise KernelError(Errno.ERANGE if error.errno == Errno.ENAMETOOLONG else error.errno) from None
    if not data:
        raise KernelError(Errno.ERANGE)
    return decode_name(data)


def _may(k: Kernel, inode: Inode, name: str, write: bool) -> None:
    """Whether the task may read or write the attribute (`xattr_permission`)."""
    cred = k.task.cred
    denied = KernelError(Errno.EPERM if write else Errno.ENODATA)
    if name.startswith("trusted."):
        if not capable(k, CAP_SYS_ADMIN):
            raise denied
        return
    if name.startswith("user."):
        if not vfs.is_regular(inode) and not vfs.is_dir(inode):
            raise denied
        sticky = vfs.is_dir(inode) and inode.mode & S_ISVTX
        if write and sticky and cred.fsuid != inode.uid and not capable(k, CAP_FOWNER):
            raise KernelError(Errno.EPERM)
    elif name.startswith("security."):
        if write and not capable(k, CAP_SETFCAP if name == XATTR else CAP_SYS_ADMIN):
            raise KernelError(Errno.EPERM)
        return
    vfs.need(k.task, inode, vfs.MAY_WRITE if write else vfs.MAY_READ)


def _known(inode: Inode, name: str) -> None:
    """EOPNOTSUPP for attributes that this file system does not have; EINVAL for a prefix alone."""
    prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    if not prefix or procfs.is_proc(inode.ino) or not inode.dev:
        raise KernelError(Errno.EOPNOTSUPP)
    if name == prefix:
        raise KernelError(Errno.EINVAL)


# --- the four things that can be done -----------------------------------------------------------------------

Find = Callable[[], Inode]


def _set(k: Kernel, find: Find, name_at: int, value: int, size: int, flags: int) -> int:
    if flags & ~(XATTR_CREATE | XATTR_REPLACE):
        raise KernelError(Errno.EINVAL)
    name = _name(k, name_at)
    if size > XATTR_SIZE_MAX:
        raise KernelError(Errno.E2BIG)
    data = uaccess.copy_from_user(k, value, size) if size else b""
    inode = find()
    _may(k, inode, name, write=True)
    _known(inode, name)
    if name == XATTR and (len(data), data[3:4]) not in ((20, b"\x02"), (24, b"\x03")):
        raise KernelError(Errno.EINVAL)
    old = inode.xattrs.get(name)
    if old is not None and flags & XATTR_CREATE:
        raise KernelError(Errno.EEXIST)
    if old is None and flags & XATTR_REPLACE:
        raise KernelError(Errno.ENODATA)
    more = len(data) - len(old) if old is not None else len(data) + len(name)
    if k.tables.xattr_bytes + more > MAX_BYTES:
        raise KernelError(Errno.ENOSPC)
    k.tables.xattr_bytes += more
    inode.xattrs[name] = data
    inode.ctime = k.now
    inotify.happened(k, inode, IN_ATTRIB)
    return 0


def _get(k: Kernel, find: Find, name_at: int, value: int, size: int) -> int:
    name = _name(k, name_at)
    inode = find()
    _may(k, inode, name, write=False)
    _known(inode, name)
    data = inode.xattrs.get(name)
    if data is None:
        raise KernelError(Errno.ENODATA)
    return _give(k, data, value, size)


def _give(k: Kernel, data: bytes, address: int, size: int) -> int:
    """With size 0 only the length is asked for."""
    if size:
        if len(data) > size:
            raise KernelError(Errno.ERANGE)
        uaccess.copy_to_user(k, address, data)
    return len(data)


def _list(k: Kernel, find: Find, address: int, size: int) -> int:
    inode = find()
    root = capable(k, CAP_SYS_ADMIN)
    names = [name for name in inode.xattrs if root or not name.startswith("trusted.")]
    return _give(k, b"".join(encode_name(name) + b"\0" for name in names), address, size)


def _remove(k: Kernel, find: Find, name_at: int) -> int:
    name = _name(k, name_at)
    inode = find()
    _may(k, inode, name, write=True)
    _known(inode, name)
    if name not in inode.xattrs:
        raise KernelError(Errno.ENODATA)
    k.tables.xattr_bytes -= len(inode.xattrs.pop(name)) + len(name)
    inotify.happened(k, inode, IN_ATTRIB)
    inode.ctime = k.now
    return 0


# --- the calls ----------------------------------------------------------------------------------------------


def _path(k: Kernel, address: int, follow: bool = True, change: bool = False) -> Find:
    find = inode_to_change if change else inode_at
    return lambda: find(k, CWD, address, follow=follow)


def _open(k: Kernel, fd: int, change: bool = False) -> Find:
    if change:
        return lambda: file_to_change(k, fd)
    return lambda: vfs.get_inode(k, get_file(k, fd).inode)


def _from(k: Kernel, dirfd: int, address: int, flags: int, change: bool = False) -> Find:
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    find = inode_to_change if change else inode_at
    return lambda: find(k, dirfd, address, flags, not flags & AT_SYMLINK_NOFOLLOW)


def sys_setxattr(k: Kernel, pathname: int, name: int, value: int, size: int, flags: int) -> int:
    return _set(k, _path(k, pathname, change=True), name, value, size, flags)


def sys_lsetxattr(k: Kernel, pathname: int, name: int, value: int, size: int, flags: int) -> int:
    return _set(k, _path(k, pathname, follow=False, change=True), name, value, size, flags)


def sys_fsetxattr(k: Kernel, fd: int, name: int, value: int, size: int, flags: int) -> int:
    get_file(k, fd)
    return _set(k, _open(k, fd, change=True), name, value, size, flags)


def sys_getxattr(k: Kernel, pathname: int, name: int, value: int, size: int) -> int:
    return _get(k, _path(k, pathname), name, value, size)


def sys_lgetxattr(k: Kernel, pathname: int, name: int, value: int, size: int) -> int:
    return _get(k, _path(k, pathname, follow=False), name, value, size)


def sys_fgetxattr(k: Kernel, fd: int, name: int, value: int, size: int) -> int:
    return _get(k, _open(k, fd), name, value, size)


def sys_listxattr(k: Kernel, pathname: int, names: int, size: int) -> int:
    return _list(k, _path(k, pathname), names, size)


def sys_llistxattr(k: Kernel, pathname: int, names: int, size: int) -> int:
    return _list(k, _path(k, pathname, follow=False), names, size)


def sys_flistxattr(k: Kernel, fd: int, names: int, size: int) -> int:
    return _list(k, _open(k, fd), names, size)


def sys_removexattr(k: Kernel, pathname: int, name: int) -> int:
    return _remove(k, _path(k, pathname, change=True), name)


def sys_lremovexattr(k: Kernel, pathname: int, name: int) -> int:
    return _remove(k, _path(k, pathname, follow=False, change=True), name)


def sys_fremovexattr(k: Kernel, fd: int, name: int) -> int:
    return _remove(k, _open(k, fd, change=True), name)


def sys_listxattrat(k: Kernel, dirfd: int, pathname: int, at_flags: int, names: int, size: int) -> int:
    return _list(k, _from(k, dirfd, pathname, at_flags), names, size)


def sys_removexattrat(k: Kernel, dirfd: int, pathname: int, at_flags: int, name: int) -> int:
    return _remove(k, _from(k, dirfd, pathname, at_flags, change=True), name)


def _arguments(k: Kernel, address: int, size: int) -> tuple[int, int, int]:
    """`struct xattr_args`: where the value is, its size, flags. EINVAL if too small, E2BIG if too large."""
    if size < 16:
        raise KernelError(Errno.EINVAL)
    if size > 4096:
        raise KernelError(Errno.E2BIG)
    data = uaccess.copy_from_user(k, address, size)
    if any(data[16:]):
        raise KernelError(Errno.E2BIG)
    low, high, length, flags = (int.from_bytes(data[at : at + 4], "little") for at in range(0, 16, 4))
    return (0xFFFF_FFFF if high else low), length, flags


def sys_setxattrat(
    k: Kernel, dirfd: int, pathname: int, at_flags: int, name: int, uargs: int, usize: int
) -> int:
    value, size, flags = _arguments(k, uargs, usize)
    return _set(k, _from(k, dirfd, pathname, at_flags, change=True), name, value, size, flags)


def sys_getxattrat(
    k: Kernel, dirfd: int, pathname: int, at_flags: int, name: int, uargs: int, usize: int
) -> int:
    value, size, flags = _arguments(k, uargs, usize)
    if flags:
        raise KernelError(Errno.EINVAL)
    return _get(k, _from(k, dirfd, pathname, at_flags), name, value, size)
