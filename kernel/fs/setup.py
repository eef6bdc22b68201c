"""The file system as the machine starts with it: the root, files from outside, descriptors 0 to 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.files import (
    O_LARGEFILE,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFMT,
    S_IFREG,
    S_ISVTX,
)
from kernel.fs import devfs, procfs, ramfs
from kernel.fs.files import new_fdtable, open_file, set_fd
from kernel.fs.tty import new_terminal
from kernel.tables import Inode, OpenFile, Stream, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

DIRECTORIES = (
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("root", 0o700),
    ("tmp", S_ISVTX | 0o777),
)
_STREAM_NAMES = ("<stdin>", "<stdout>", "<stderr>")


def mount_root(k: Kernel) -> None:
    """The root directory with what every system has, and terminal 0."""
    root = ramfs.new_inode(k, S_IFDIR | 0o755)
    root.parent = root.ino
    k.tables.root = root.ino
    for name, mode in DIRECTORIES:
        ramfs.add_name(k, root, name, ramfs.new_inode(k, S_IFDIR | mode))
    root.entries["proc"] = procfs.ROOT
    root.nlink += 1
    devfs.make_nodes(k, k.tables.inodes[root.entries["dev"]])
    k.tables.terminals[0] = new_terminal()


def add_file(k: Kernel, path: str, blob_key: str, size: int, mode: int) -> Inode:
    """A file from outside at an absolute path; directories on the way are made, a file that was there goes.

    Its contents are the first `size` bytes of `k.blobs[blob_key]`. A `mode` that says directory makes that.
    """
    names = [name for name in path.split("/") if name not in ("", ".")]
    is_directory = mode & S_IFMT == S_IFDIR
    directory = k.tables.inodes[k.tables.root]
    for name in names if is_directory else names[:-1]:
        number = directory.entries.get(name)
        if number is None:
            made = ramfs.new_inode(k, S_IFDIR | 0o755)
            ramfs.add_name(k, directory, name, made)
            number = made.ino
        directory = k.tables.inodes[number]
    if is_directory:
        directory.mode = mode
        return directory
    name = names[-1]
    old = directory.entries.get(name)
    if old is not None:
        ramfs.remove_name(k, directory, name, k.tables.inodes[old])
        ramfs.drop_link(k, k.tables.inodes[old])
    inode = ramfs.new_inode(k, S_IFREG | mode & 0o7777)
    inode.size = inode.blob_size = size
    inode.blob = blob_key
    ramfs.add_name(k, directory, name, inode)
    return inode


def standard_descriptors(k: Kernel, task: Task, modes: tuple[int, int, int] | None) -> None:
    """The first program's descriptor table with 0, 1 and 2 in it.

    `modes` None: one open file on terminal 0, as a login gives it. Else for each descriptor the st_mode of
    what the host has there, 0 meaning the terminal, which then controls the task's session.
    """
    table = new_fdtable(k)
    task.fdtable = table.id
    terminal = None
    for fd, mode in enumerate(modes or (0, 0, 0)):
        if mode:
            file = _open_stream(k, fd, mode)
        else:
            terminal = terminal or _open_console(k, task)
            file = terminal
        set_fd(k, table, fd, file)


def _open_console(k: Kernel, task: Task) -> OpenFile:
    terminal = k.tables.terminals[0]
    terminal.session, terminal.pgrp = task.session, task.pgrp
    dev = k.tables.inodes[k.tables.inodes[k.tables.root].entries["dev"]]
    return open_file(k, "tty", O_RDWR | O_LARGEFILE, dev.entries["console"], 0, "/dev/console")


def _open_stream(k: Kernel, fd: int, mode: int) -> OpenFile:
    """A host's pipe, file or /dev/null; there is nothing to come from the last."""
    kind = mode & S_IFMT
    inode = ramfs.new_inode(k, mode, rdev=devfs.NULL if kind == S_IFCHR else 0)
    k.tables.streams[fd] = Stream(mode=mode, eof=kind == S_IFCHR or fd > 0)
    access = O_RDWR if kind == S_IFCHR else O_RDONLY if fd == 0 else O_WRONLY
    flags = access if kind == S_IFIFO else access | O_LARGEFILE
    return open_file(k, "stream", flags, inode.ino, fd, _STREAM_NAMES[fd])
