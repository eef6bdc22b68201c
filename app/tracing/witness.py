"""What a trace may ask the live machine at the moment of an event, beyond what the event says.

Longer strings, whole structures, the files behind descriptors, where a call was made. All of it is looked at
and nothing of it is changed; a recording has none of it.
"""

from __future__ import annotations

from app.strace.style import Style
from app.strace.text import quote
from kernel.abi import files
from kernel.capture import Capture, Items
from kernel.captured import PLAIN
from kernel.errors import KernelError
from kernel.fs import procfs
from kernel.fs.names import encode_name
from kernel.kernel import Kernel
from kernel.table import Row
from kernel.tables import Inode, OpenFile
from kernel.thread import regs_index

_EIP = 12
"""Word of `pt_regs`."""


_DEVICES = {files.S_IFCHR: "char", files.S_IFBLK: "block"}


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

    def path_fd(self, fd: int) -> str | None:
        """The path of the file behind a descriptor of the current task, as /proc/self/fd has it."""
        kernel = self._kernel
        if fd == files.AT_FDCWD:
            directory = self._inode(kernel.task.cwd)
            return kernel.path_of(directory) if directory is not None else None
        file = self._file(fd)
        return (file.path.strip("<>") or None) if file is not None else None

    def name_fd(self, fd: int) -> str | None:
        """The same as a trace shows it: `</dev/null>`, with device numbers, and whether it has no name any
        more."""
        path = self.path_fd(fd)
        if path is None or len(path) >= files.PATH_MAX:
            return None
        file = self._file(fd) if fd >= 0 else None
        node = self._inode(file.inode) if file is not None and file.inode else None
        gone = ""
        if file is not None and file.kind in ("file", "dir") and node is not None and not node.nlink:
            gone = "(deleted)"
            path = path.removesuffix(" (deleted)") if path.startswith("/memfd:") else path
        if self._devices and file is not None and file.kind == "pidfd":
            return f"<pid:{file.object}>"
        shown = quote(encode_name(path), octal=b"<>")[1:-1]
        kind = _DEVICES.get(node.mode & files.S_IFMT) if self._devices and node is not None else None
        if node is not None and kind is not None:
            shown += f"<{kind} {node.rdev >> 8 & 0xFFF}:{node.rdev & 0xFF}>"
        return f"<{shown}>{gone}"

    def _file(self, fd: int) -> OpenFile | None:
        tables = self._kernel.tables
        table = tables.fdtables.get(self._kernel.task.fdtable)
        return tables.files.get(table.fds[fd]) if table is not None and fd in table.fds else None

    def _inode(self, number: int) -> Inode | None:
        """An inode that is in use, so that nothing has to be made of it."""
        if not procfs.is_proc(number):
            return self._kernel.tables.inodes.get(number)
        try:
            return procfs.inode(self._kernel, number)
        except KernelError:
            return None
