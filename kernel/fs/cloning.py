"""Files that share what they hold (man 2 ioctl_ficlone): no file system here can do that, and says so."""

from __future__ import annotations

from struct import unpack
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import FICLONE, O_APPEND
from kernel.errors import KernelError
from kernel.fs.files import get_file
from kernel.fs.operations import is_readable, is_writable
from kernel.tables import OpenFile

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def clone(k: Kernel, target: OpenFile, request: int, arg: int) -> int:
    """FICLONE and FICLONERANGE, as far as they come (`do_clone_file_range`): EOPNOTSUPP."""
    number = arg if request == FICLONE else unpack("<q", uaccess.copy_from_user(k, arg, 32)[:8])[0]
    source = get_file(k, number & 0xFFFF_FFFF)
    if source.mount != target.mount:
        raise KernelError(Errno.EXDEV)
    if "dir" in (source.kind, target.kind):
        raise KernelError(Errno.EISDIR)
    if source.kind != "file" or target.kind != "file":
        raise KernelError(Errno.EINVAL)
    if not is_readable(source) or not is_writable(target) or target.flags & O_APPEND:
        raise KernelError(Errno.EBADF)
    raise KernelError(Errno.EOPNOTSUPP)
