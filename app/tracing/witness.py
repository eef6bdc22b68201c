"""What a trace may ask the live machine at the moment of an event, beyond what the event says.

Longer strings, whole structures, the files behind descriptors, where a call was made. All of it is looked at
and nothing of it is changed; a recording has none of it.
"""

from __future__ import annotations

from app.strace.style import Style
from kernel.abi import files
from kernel.capture import Capture, Items
from kernel.captured import PLAIN
from kernel.errors import KernelError
from kernel.fs import procfs
from kernel.kernel import Kernel
from kernel.table import Row
from kernel.tables import Inode
from kernel.thread import regs_index

_EIP = 12
"""Word of `pt_regs`."""


class Witness:
    """Looks at `kernel` for a trace in `style`; `devices` tells device numbers besides paths."""

    def __init__(self, kernel: Kernel, style: Style, devices: bool) -> None:
        self._kernel = kernel
        self._devices = devices
        extent = style.extent
        self._capture = Capture(extent) if extent != PLAIN else None

    def entered(self, row: Row, args: tuple[int, ...], taken: Items) -> Items:
        """What a call reads, as far as the style wants it."""
        return self._capture.enter(row, args, self._kernel.peek) if self._capture is not None else taken

    def exited(self, row: Row, args: tuple[int, ...], result: int, given: Items) -> Items:
        """And what it wrote."""
        return (
            self._capture.exit(row, args, result, self._kernel.peek) if self._capture is not None else given
        )

    def pointer(self) -> int:
        """Where the current task left its program."""
        kernel = self._kernel
        return int(kernel.ram.u32[regs_index(kernel.task.thread) + _EIP])

    def name_fd(self, fd: int) -> str | None:
        """The file behind a descriptor of the current task, as /proc/self/fd has it."""
        kernel = self._kernel
        tables = kernel.tables
        if fd == files.AT_FDCWD:
            directory = self._inode(kernel.task.cwd)
            return kernel.path_of(directory) if directory is not None else None
        table = tables.fdtables.get(kernel.task.fdtable)
        file = tables.files.get(table.fds[fd]) if table is not None and fd in table.fds else None
        if file is None or not file.path:
            return None
        node = self._inode(file.inode) if self._devices and file.inode else None
        kind = {files.S_IFCHR: "char", files.S_IFBLK: "block"}.get(node.mode & files.S_IFMT) if node else None
        if node is None or kind is None:
            return file.path.strip("<>")
        major, minor = node.rdev >> 8 & 0xFFF, node.rdev & 0xFF
        return f"{file.path}<{kind} {major}:{minor}>"

    def _inode(self, number: int) -> Inode | None:
        """An inode that is in use, so that nothing has to be made of it."""
        if not procfs.is_proc(number):
            return self._kernel.tables.inodes.get(number)
        try:
            return procfs.inode(self._kernel, number)
        except KernelError:
            return None
