"""execve and execveat: which file is to be run is found here, `kernel.exec` runs it (fs/exec.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import AT_EMPTY_PATH, AT_EXECVE_CHECK, AT_FDCWD, AT_SYMLINK_NOFOLLOW
from kernel.errors import KernelError
from kernel.exec import do_execve, strings
from kernel.fs import vfs
from kernel.fs.files import current_table, get_file
from kernel.fs.names import encode_name
from kernel.syscalls.attributes import place_at
from kernel.uaccess import signed, strncpy_from_user

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def sys_execve(k: Kernel, filename: int, argv: int, envp: int) -> int:
    path = strncpy_from_user(k, filename).decode("utf-8", "surrogateescape")
    if not path:
        raise KernelError(Errno.ENOENT)
    do_execve(k, k.task, path, strings(k, argv), strings(k, envp))
    return 0


def sys_execveat(k: Kernel, dirfd: int, filename: int, argv: int, envp: int, flags: int) -> int:
    """With AT_EXECVE_CHECK only whether the file could be run.

    The program is told that it is /dev/fd/N, or something in that. A script behind a descriptor that this
    very call closes could not be read by its interpreter: ENOENT.
    """
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EXECVE_CHECK):
        raise KernelError(Errno.EINVAL)
    path = vfs.getname(k, filename, bool(flags & AT_EMPTY_PATH))
    mount, inode = place_at(k, dirfd, filename, flags & AT_EMPTY_PATH, not flags & AT_SYMLINK_NOFOLLOW)
    if vfs.is_link(inode):
        raise KernelError(Errno.ELOOP)
    vfs.need_executable(k, k.task, mount, inode)
    words, environment = strings(k, argv), strings(k, envp)
    if flags & AT_EXECVE_CHECK:
        return 0
    called = encode_name(path).decode("utf-8", "surrogateescape")
    once = ""
    closes = False
    if signed(dirfd) != AT_FDCWD and not path.startswith("/"):
        called = f"/dev/fd/{signed(dirfd)}" + (f"/{called}" if path else "")
        closes = dirfd in current_table(k).cloexec
        once = get_file(k, dirfd, with_path=True).path.removesuffix(" (deleted)") if not path else ""
    do_execve(k, k.task, called, words, environment, (mount, inode, once), closes)
    return 0
