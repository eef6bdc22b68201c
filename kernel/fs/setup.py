"""The file system as the machine starts with it: the root, files from outside, descriptors 0 to 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import boot
from kernel.abi.errno import Errno
from kernel.abi.files import (
    MS_NODEV,
    MS_NOSUID,
    MS_RDONLY,
    O_LARGEFILE,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFMT,
    S_IFREG,
    S_ISVTX,
)
from kernel.errors import KernelError
from kernel.fs import devfs, disk, mounts, ramfs, vfs
from kernel.fs.files import new_fdtable, open_file, set_fd
from kernel.fs.tty import new_terminal
from kernel.tables import Credentials, Inode, OpenFile, Stream, Task, TaskState

if TYPE_CHECKING:
    from kernel.kernel import HostMount, Kernel

OWN_DIRECTORIES = (("bin", 0o755), ("etc", 0o755), ("root", 0o700))
DIRECTORIES = (("dev", 0o755), ("proc", 0o555), ("sys", 0o555), ("tmp", S_ISVTX | 0o777))
"""What every root has; a root of our own has those above besides."""
BOOT = Task(0, 0, 0, 0, 0, "swapper", TaskState.RUNNABLE, 0, 0, 0, 0, 0, Credentials())
"""Who walks paths before there are tasks."""
FIRST_ID = 100
"""What programs make is numbered from here on, however much was there before them."""
ACCESS_AT = 16
"""From this bit on, the mode of a descriptor 0 to 2 may say how the host has it open: O_ACCMODE + 1."""
_STREAM_NAMES = ("<stdin>", "<stdout>", "<stderr>")


def mount_root(k: Kernel) -> None:
    """The root, a host's directory if the start has one, with /dev, /dev/shm, /proc, /sys and terminal 0."""
    t = k.tables
    first = k.start.mounts[:1]
    if first and first[0].target == "/":
        system = mounts.host_filesystem(k, 0, first[0].read_only)
    else:
        system = mounts.new_tree(k, "rootfs", "rootfs", mounts.Options(mode=0o755))
    t.root = system.root
    mounts.attach(k, system.dev, system.root, 0, 0)
    root = t.inodes[t.root]
    for name, mode in (*(OWN_DIRECTORIES if root.host is None else ()), *DIRECTORIES):
        if name not in ramfs.entries(k, root):
            ramfs.add_name(k, root, name, ramfs.new_inode(k, S_IFDIR | mode, dev=root.dev))
    devices = mounts.new_tree(k, "devtmpfs", "devtmpfs", mounts.Options(mode=0o755))
    process = mounts.made_filesystem(k, "proc")
    for system, path in ((devices, "/dev"), (process, "/proc"), (mounts.made_filesystem(k, "sysfs"), "/sys")):
        found = make_directory(k, path)
        mounts.attach(k, system.dev, system.root, found.mount, found.inode)
    devfs.make_nodes(k, t.inodes[devices.root])
    pts = mounts.new_tree(k, "devpts", "devpts", mounts.Options(mode=0o755))
    directory = t.inodes[pts.root]
    ramfs.add_name(k, directory, "ptmx", ramfs.new_inode(k, S_IFCHR, rdev=devfs.PTMX, dev=pts.dev))
    t.devpts = pts.root
    found = make_directory(k, "/dev/pts")
    mounts.attach(k, pts.dev, pts.root, found.mount, found.inode)
    shared = mounts.new_tree(k, "tmpfs", "tmpfs", mounts.Options(mode=S_ISVTX | 0o777))
    found = make_directory(k, "/dev/shm")
    mounts.attach(k, shared.dev, shared.root, found.mount, found.inode, MS_NOSUID | MS_NODEV)
    t.terminals[0] = new_terminal()
    t.next_id = max(t.next_id, FIRST_ID)


def mount_other(k: Kernel, number: int, mount: HostMount) -> None:
    """A directory of the host besides the root. KernelError if it cannot be mounted."""
    found = make_directory(k, mount.target)
    system = mounts.host_filesystem(k, number, mount.read_only)
    mounts.attach(k, system.dev, system.root, found.mount, found.inode, MS_RDONLY if mount.read_only else 0)


def make_directory(k: Kernel, path: str) -> vfs.Found:
    """The directory at an absolute path, made if it is not there, with those on the way.

    ENOTDIR and the like where something else is in the way.
    """
    found = vfs.walk(k, BOOT, "/")
    found = found._replace(inode=found.parent)
    way = ""
    for name in path.split("/"):
        if name in ("", "."):
            continue
        way = f"{way}/{name}"
        found = vfs.walk(k, BOOT, way)
        if not found.inode:
            parent = vfs.get_inode(k, found.parent)
            made = ramfs.new_inode(k, S_IFDIR | 0o755, dev=parent.dev)
            ramfs.add_name(k, parent, found.name, made)
            found = found._replace(inode=made.ino)
        if not vfs.is_dir(vfs.get_inode(k, found.inode)):
            raise KernelError(Errno.ENOTDIR)
    return found


def add_file(k: Kernel, path: str, blob_key: str, size: int, mode: int) -> Inode:
    """A file from outside at an absolute path; directories on the way are made, a file that was there goes.

    Its contents are the first `size` bytes of `k.blobs[blob_key]`. A `mode` that says directory makes that.
    """
    if mode & S_IFMT == S_IFDIR:
        directory = ramfs.inode_of(k, make_directory(k, path).inode)
        directory.mode = mode
        return directory
    above, _, name = path.rpartition("/")
    directory = ramfs.inode_of(k, make_directory(k, above).inode)
    old = ramfs.entries(k, directory).get(name)
    if old is not None:
        ramfs.remove_name(k, directory, name, ramfs.inode_of(k, old))
        ramfs.drop_link(k, ramfs.inode_of(k, old))
    device = mode & S_IFMT == S_IFBLK
    kind = S_IFBLK if device else S_IFREG
    inode = ramfs.new_inode(k, kind | mode & 0o7777, rdev=devfs.HDA0 if device else 0, dev=directory.dev)
    inode.blob = blob_key
    if device:
        disk.attach(k, inode, size)
        boot.open_disk_gate(k)
    else:
        inode.size = inode.blob_size = size
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
    console = vfs.lookup(k, task, "/dev/console")
    return open_file(k, "tty", O_RDWR | O_LARGEFILE, console.ino, 0, "/dev/console")


def _open_stream(k: Kernel, fd: int, mode: int) -> OpenFile:
    """A host's pipe, file or /dev/null; there is nothing to come from the last."""
    told, mode = mode >> ACCESS_AT, mode & (1 << ACCESS_AT) - 1
    kind = mode & S_IFMT
    inode = ramfs.new_inode(k, mode, rdev=devfs.NULL if kind == S_IFCHR else 0)
    k.tables.streams[fd] = Stream(mode=mode, eof=kind == S_IFCHR or fd > 0)
    access = O_RDONLY if fd == 0 else O_WRONLY
    if kind == S_IFCHR:
        access = told - 1 if told else O_RDWR
    flags = access if kind == S_IFIFO else access | O_LARGEFILE
    return open_file(k, "stream", flags, inode.ino, fd, _STREAM_NAMES[fd])
