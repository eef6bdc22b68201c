"""Other ways to open a file: openat2 with rules for the path, and handles that name a file without one.

A handle is as tmpfs makes it (mm/shmem.c): three words with the inode's number and its generation.
"""

from __future__ import annotations

from struct import pack, unpack
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    __O_TMPFILE,
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_HANDLE_FID,
    AT_HANDLE_MNT_ID_UNIQUE,
    AT_SYMLINK_FOLLOW,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_NOFOLLOW,
    O_PATH,
    O_TRUNC,
    RESOLVE_ALL,
    RESOLVE_BENEATH,
    RESOLVE_CACHED,
    RESOLVE_IN_ROOT,
)
from kernel.abi.process import CAP_DAC_READ_SEARCH
from kernel.abi.structs import OpenHow
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.fs import files, mounts, opening, procfs, vfs
from kernel.fs.opening import VALID_FLAGS, check_flags, continue_open, do_open
from kernel.syscalls.attributes import place_at
from kernel.syscalls.files import install_opened
from kernel.uaccess import signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

PAGE = 4096
MAX_HANDLE_SZ = 128
HANDLE_WORDS = 3
FILEID_INO64_GEN = 1


def sys_openat2(k: Kernel, dfd: int, filename: int, how: int, usize: int) -> int:
    """Unlike in openat unknown flags are EINVAL (`build_open_flags`)."""
    given = _how(k, how, usize)
    flags, mode, resolve = given.flags, given.mode, given.resolve
    if k.task.progress:
        return install_opened(k, continue_open(k), flags)
    creates = flags & O_CREAT or flags & __O_TMPFILE
    path_flags = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC
    if flags & ~VALID_FLAGS or resolve & ~RESOLVE_ALL or mode & ~(0o7777 if creates else 0):
        raise KernelError(Errno.EINVAL)
    if resolve & RESOLVE_BENEATH and resolve & RESOLVE_IN_ROOT:
        raise KernelError(Errno.EINVAL)
    if flags & O_PATH and flags & ~path_flags:
        raise KernelError(Errno.EINVAL)
    flags = check_flags(flags)
    if resolve & RESOLVE_CACHED and flags & (O_TRUNC | O_CREAT | __O_TMPFILE):
        raise KernelError(Errno.EAGAIN)
    path = vfs.getname(k, filename)
    files.free_fds(k, 1)
    # an absolute path needs no directory to start from, unless it is to stay in one
    needs = "." if resolve & RESOLVE_IN_ROOT and path.startswith("/") else path
    file = do_open(k, path, flags, mode, vfs.start_of(k, dfd, needs), resolve)
    return install_opened(k, file, flags)


def _how(k: Kernel, address: int, size: int) -> OpenHow:
    """EINVAL if it is too short, E2BIG for more than is known unless that is 0."""
    if size < OpenHow.SIZE:
        raise KernelError(Errno.EINVAL)
    if size > PAGE:
        raise KernelError(Errno.E2BIG)
    data = uaccess.copy_from_user(k, address, size)
    if any(data[OpenHow.SIZE :]):
        raise KernelError(Errno.E2BIG)
    return OpenHow.unpack(data)


# --- handles ------------------------------------------------------------------------------------------------


def sys_name_to_handle_at(k: Kernel, dfd: int, name: int, handle: int, mnt_id: int, flags: int) -> int:
    known = AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE
    if flags & ~known:
        raise KernelError(Errno.EINVAL)
    mount, inode = place_at(k, dfd, name, flags, bool(flags & AT_SYMLINK_FOLLOW))
    if (procfs.is_proc(inode.ino) or not inode.dev) and not flags & AT_HANDLE_FID:
        raise KernelError(Errno.EOPNOTSUPP)
    room = uaccess.get_user32(k, handle)
    if room > MAX_HANDLE_SZ:
        raise KernelError(Errno.EINVAL)
    fits = room >= 4 * HANDLE_WORDS
    data = pack("<Ii", 4 * HANDLE_WORDS, FILEID_INO64_GEN)
    words = pack("<III", inode.btime & 0xFFFF_FFFF, inode.ino & 0xFFFF_FFFF, inode.ino >> 32)
    if flags & AT_HANDLE_MNT_ID_UNIQUE:
        uaccess.put_user64(k, mnt_id, mount)
    else:
        uaccess.put_user32(k, mnt_id, mount)
    uaccess.copy_to_user(k, handle, data + words if fits else pack("<Ii", 4 * HANDLE_WORDS, 0xFF))
    if not fits:
        raise KernelError(Errno.EOVERFLOW)
    return 0


def sys_open_by_handle_at(k: Kernel, mountdirfd: int, handle: int, flags: int) -> int:
    """By root only. ESTALE once the file is gone."""
    fd = signed(mountdirfd)
    size, kind = unpack("<Ii", uaccess.copy_from_user(k, handle, 8))
    if not 0 < size <= MAX_HANDLE_SZ or kind < 0:
        raise KernelError(Errno.EINVAL)
    at = files.get_file(k, fd).mount if fd != AT_FDCWD else k.task.cwd_mount
    if not capable(k, CAP_DAC_READ_SEARCH):
        raise KernelError(Errno.EPERM)
    data = uaccess.copy_from_user(k, handle + 8, size)
    mount = k.tables.mounts.get(at)
    if size < 4 * HANDLE_WORDS or kind != FILEID_INO64_GEN or mount is None:
        raise KernelError(Errno.ESTALE)
    generation, low, high = unpack("<III", data[: 4 * HANDLE_WORDS])
    inode = k.tables.inodes.get(high << 32 | low)
    if inode is None or inode.dev != mount.dev or inode.btime & 0xFFFF_FFFF != generation:
        raise KernelError(Errno.ESTALE)
    if flags & (O_CREAT | __O_TMPFILE):
        raise KernelError(Errno.EINVAL)
    path = mounts.path_at(k, mount.id, inode.ino)
    file = opening.open_found(k, inode, mount.id, check_flags(flags), path)
    return install_opened(k, file, flags)
