"""memfd_create: files without a name, in memory, and the seals that keep them as they are (mm/memfd.c).

That a seal holds is seen to where files change: `kernel.fs.ramfs`, mmap, mprotect, chmod.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import (
    F_SEAL_EXEC,
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    MEMFD_NAME_MAX,
    MFD_ALLOW_SEALING,
    MFD_CLOEXEC,
    MFD_EXEC,
    MFD_HUGETLB,
    MFD_NOEXEC_SEAL,
    O_ACCMODE,
    O_LARGEFILE,
    O_RDONLY,
    O_RDWR,
)
from kernel.abi.mman import MAP_HUGE_SHIFT, MAP_SHARED
from kernel.errors import KernelError
from kernel.fs.files import close_file, install_fd, open_file
from kernel.fs.ramfs import anonymous_inode, free_unused
from kernel.mm.flags import VM_MAYNOTWRITE
from kernel.tables import OpenFile
from kernel.uaccess import strncpy_from_user

if TYPE_CHECKING:
    from kernel.kernel import Kernel

KNOWN = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC
SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC
AGAINST_WRITES = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
MARK = "/memfd:"


def sys_memfd_create(k: Kernel, name: int, flags: int) -> int:
    known = KNOWN | -1 << MAP_HUGE_SHIFT if flags & MFD_HUGETLB else KNOWN
    if flags & ~known or (flags & MFD_EXEC and flags & MFD_NOEXEC_SEAL):
        raise KernelError(Errno.EINVAL)
    try:
        text = strncpy_from_user(k, name, MEMFD_NAME_MAX + 1)
    except KernelError as error:
        raise KernelError(Errno.EINVAL if error.errno == Errno.ENAMETOOLONG else error.errno) from None
    if flags & MFD_HUGETLB:
        raise KernelError(Errno.ENOSYS)
    inode = anonymous_inode(k, 0)
    inode.nlink = 0
    cred = k.task.cred
    inode.uid, inode.gid = cred.fsuid, cred.fsgid
    inode.seals = F_SEAL_SEAL
    if flags & MFD_NOEXEC_SEAL:
        inode.mode &= ~0o111
        inode.seals = F_SEAL_EXEC
    elif flags & MFD_ALLOW_SEALING:
        inode.seals = 0
    path = f"{MARK}{text.decode('utf-8', 'surrogateescape')} (deleted)"
    try:
        file = open_file(k, "file", O_RDWR | O_LARGEFILE, inode.ino, path=path)
    except KernelError:
        free_unused(k, inode)
        raise
    try:
        return install_fd(k, file, bool(flags & MFD_CLOEXEC))
    except KernelError:
        close_file(k, file)
        raise


def _need_sealable(k: Kernel, file: OpenFile) -> None:
    if file.kind != "file" or not file.path.startswith(MARK) or k.tables.inodes[file.inode].parent:
        raise KernelError(Errno.EINVAL)


def get_seals(k: Kernel, file: OpenFile) -> int:
    _need_sealable(k, file)
    return k.tables.inodes[file.inode].seals


def add_seals(k: Kernel, file: OpenFile, seals: int) -> int:
    _need_sealable(k, file)
    if file.flags & O_ACCMODE == O_RDONLY:
        raise KernelError(Errno.EPERM)
    if seals & ~SEALS:
        raise KernelError(Errno.EINVAL)
    inode = k.tables.inodes[file.inode]
    if inode.seals & F_SEAL_SEAL:
        raise KernelError(Errno.EPERM)
    if seals & F_SEAL_WRITE and not inode.seals & F_SEAL_WRITE and _writable_somewhere(k, inode.ino):
        raise KernelError(Errno.EBUSY)
    if seals & F_SEAL_EXEC and inode.mode & 0o111:
        seals |= AGAINST_WRITES
    inode.seals |= seals
    return 0


def _writable_somewhere(k: Kernel, ino: int) -> bool:
    """Whether a shared mapping of the file is, or may become, writable."""
    return any(
        vma.inode == ino and vma.flags & MAP_SHARED and not vma.flags & VM_MAYNOTWRITE
        for space in k.tables.spaces.values()
        for vma in space.vmas
    )
