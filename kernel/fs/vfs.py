"""From a path to an inode, and who may do what with it (Linux's fs/namei.c, man 7 path_resolution).

`walk` says where the last name of a path leads, or would lead; `resolve` insists that it leads somewhere.
Directories in memory and /proc look alike from here. Making and removing names is in `directory`, opening
in `opening`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    AT_FDCWD,
    MAXSYMLINKS,
    MS_NOEXEC,
    MS_RDONLY,
    NAME_MAX,
    O_ACCMODE,
    O_RDWR,
    O_WRONLY,
    PATH_MAX,
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    S_IFDIR,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
)
from kernel.abi.process import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
from kernel.capabilities import by_real_ids, holds
from kernel.errors import KernelError
from kernel.fs import disk, hostfs, procfs, ramfs
from kernel.fs.files import get_file
from kernel.fs.names import decode_name, encode_name
from kernel.tables import Inode, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MAY_EXEC, MAY_WRITE, MAY_READ = 1, 2, 4


class Found(NamedTuple):
    """Where a path ends: `name` in directory `parent` leads to `inode` (0 for nothing yet).

    `name` is '' for `/`, `.` and `..`. `slash` is whether the path insists on a directory. `file` is the open
    file behind a link in /proc/PID/fd, or 0. `mount` is the mount that the inode was reached in,
    `parent_mount` that of the directory.
    """

    parent: int
    name: str
    inode: int
    slash: bool
    file: int = 0
    mount: int = 1
    parent_mount: int = 1


_MOUNT_SHIFT = 48
"""A place is a directory as seen in a mount, in one number: 1 << 48 times the mount's, plus the inode's."""


def place(mount: int, ino: int) -> int:
    """What `walk` takes as its start."""
    return mount << _MOUNT_SHIFT | ino


def is_dir(inode: Inode) -> bool:
    return inode.mode & S_IFMT == S_IFDIR


def is_link(inode: Inode) -> bool:
    return inode.mode & S_IFMT == S_IFLNK


def is_regular(inode: Inode) -> bool:
    return inode.mode & S_IFMT == S_IFREG


def get_inode(k: Kernel, ino: int) -> Inode:
    """The inode of a number; ENOENT if it is gone."""
    if procfs.is_proc(ino):
        return procfs.inode(k, ino)
    return k.tables.inodes.get(ino) or ramfs.inode_of(k, ino)


def entries(k: Kernel, directory: Inode) -> dict[str, int]:
    """Names in a directory to inode numbers, without `.` and `..`; not to be changed."""
    return procfs.entries(k, directory) if procfs.is_proc(directory.ino) else ramfs.entries(k, directory)


def type_of(k: Kernel, ino: int) -> int:
    """The S_IFMT bits of an inode that may not have been needed so far; 0 if it is gone."""
    if not procfs.is_proc(ino) and ino not in k.tables.inodes:
        entry = hostfs.entry_of(k, ino)
        return entry.mode & S_IFMT if entry is not None else 0
    try:
        return get_inode(k, ino).mode & S_IFMT
    except KernelError:
        return 0


def path_of(k: Kernel, inode: Inode) -> str:
    """Absolute path; '' where there is none any more."""
    return procfs.path_of(k, inode) if procfs.is_proc(inode.ino) else ramfs.path_of(k, inode)


# --- permissions --------------------------------------------------------------------------------------------


def permitted(task: Task, inode: Inode, mask: int, real: bool = False) -> bool:
    """Whether the task may do all of `mask` (MAY_*); with `real` judged by its real ids, as access(2) does.

    Who may not by the mode may by capabilities, but execute only what somebody may (`generic_permission`).
    """
    cred = by_real_ids(task.cred) if real else task.cred
    mode = inode.mode
    if cred.fsuid == inode.uid:
        mode >>= 6
    elif cred.fsgid == inode.gid or inode.gid in cred.groups:
        mode >>= 3
    if not mask & ~mode & 7:
        return True
    reads = not mask & MAY_WRITE if is_dir(inode) else mask == MAY_READ
    if reads and holds(cred, CAP_DAC_READ_SEARCH):
        return True
    executes = mask & MAY_EXEC and not is_dir(inode) and not inode.mode & 0o111
    return not executes and holds(cred, CAP_DAC_OVERRIDE)


def need(task: Task, inode: Inode, mask: int) -> None:
    """EACCES unless permitted."""
    if not permitted(task, inode, mask):
        raise KernelError(Errno.EACCES)


def is_read_only(k: Kernel, mount: int, dev: int) -> bool:
    """Whether nothing may be changed in a file system as seen in this mount."""
    one = k.tables.mounts.get(mount)
    if one is not None and one.flags & MS_RDONLY:
        return True
    system = k.tables.filesystems.get(dev)
    return system is not None and bool(system.flags & MS_RDONLY)


def want_write(k: Kernel, mount: int, inode: Inode) -> None:
    """EROFS where it may not be changed (`mnt_want_write`)."""
    if is_read_only(k, mount, inode.dev):
        raise KernelError(Errno.EROFS)


# --- the walk -----------------------------------------------------------------------------------------------


def walk(
    k: Kernel,
    task: Task,
    path: str,
    start: int = 0,
    follow: bool = True,
    naming: bool = False,
    resolve: int = 0,
) -> Found:
    """Follow `path` from the place `start` (0: the task's directory).

    With `follow` a symbolic link at its end too; a slash there has it followed all the same. With `naming`
    the last name is not looked up at all, but for `.` and `..`: that is left to `look_up`. `resolve` are the
    rules of openat2 (RESOLVE_*): EXDEV for a way that leaves where it has to stay, ELOOP for links.

    ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG for everything before the last name; what that leads to, and
    whether it is a directory where `slash` demands one, is left to the caller.
    """
    if not path:
        raise KernelError(Errno.ENOENT)
    root_mount, root = root_of(k, task)
    if resolve & RESOLVE_IN_ROOT:
        root_mount, root = (
            (start >> _MOUNT_SHIFT, start & (1 << _MOUNT_SHIFT) - 1)
            if start
            else (
                task.cwd_mount,
                task.cwd,
            )
        )
    if path.startswith("/"):
        if resolve & RESOLVE_BENEATH:
            raise KernelError(Errno.EXDEV)
        mount, here = root_mount, root
    elif start:
        mount, here = start >> _MOUNT_SHIFT, start & (1 << _MOUNT_SHIFT) - 1
    else:
        mount, here = task.cwd_mount, task.cwd
    slash = path.endswith("/")
    pending = [name for name in reversed(path.split("/")) if name]
    links = 0
    parent, parent_mount, name, found, file = here, mount, "", here, 0
    top = (mount, here)
    while pending:
        directory = get_inode(k, here)
        if not is_dir(directory):
            raise KernelError(Errno.ENOTDIR)
        need(task, directory, MAY_EXEC)
        name = pending.pop()
        if naming and not pending and name not in (".", ".."):
            return Found(here, name, 0, slash, 0, mount, mount)
        parent, parent_mount, file = here, mount, 0
        if name == "..":
            if resolve & RESOLVE_BENEATH and (mount, here) == top:
                raise KernelError(Errno.EXDEV)
            mount, found = _above(k, root_mount, root, mount, directory)
            name = ""
        elif name == ".":
            found, name = here, ""
        else:
            mount, found = covering(k, mount, _step(k, directory, name))
        if resolve & RESOLVE_NO_XDEV and mount != parent_mount:
            raise KernelError(Errno.EXDEV)
        if not found:
            if pending:
                raise KernelError(Errno.ENOENT)
            break
        if pending or follow or slash:
            node = get_inode(k, found)
            if is_link(node) and resolve & RESOLVE_NO_SYMLINKS and (pending or follow):
                raise KernelError(Errno.ELOOP)
            if is_link(node):
                links += 1
                if links > MAXSYMLINKS:
                    raise KernelError(Errno.ELOOP)
                linked = procfs.followed(k, found)
                if linked is not None:
                    if resolve & RESOLVE_NO_MAGICLINKS:
                        raise KernelError(Errno.ELOOP)
                    if resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) or (
                        resolve & RESOLVE_NO_XDEV and linked[0] != mount
                    ):
                        raise KernelError(Errno.EXDEV)
                    mount, found, file = linked
                else:
                    if not node.target:
                        raise KernelError(Errno.ENOENT)
                    if not pending and node.target.endswith("/"):
                        slash = True
                    if node.target.startswith("/"):
                        if resolve & RESOLVE_BENEATH or (resolve & RESOLVE_NO_XDEV and root_mount != mount):
                            raise KernelError(Errno.EXDEV)
                        here = found = parent = root
                        mount = parent_mount = root_mount
                        name = ""
                    pending.extend(part for part in reversed(node.target.split("/")) if part)
                    continue
        here = found
    return Found(parent, name, found, slash, file, mount, parent_mount)


def root_of(k: Kernel, task: Task | None) -> tuple[int, int]:
    """Mount and inode number of what `/` is to the task; of the real root for None."""
    if task is not None and task.root:
        return task.root_mount, task.root
    return next(iter(k.tables.mounts), 1), k.tables.root


def mount_of(k: Kernel, dev: int) -> int:
    """A mount of this file system, 0 if there is none."""
    return next((mount.id for mount in k.tables.mounts.values() if mount.dev == dev), 0)


def _step(k: Kernel, directory: Inode, name: str) -> int:
    """One name in one directory; 0 where it leads nowhere."""
    if not directory.nlink:  # removed, and still somebody's current directory
        return 0
    if len(name) * 4 > NAME_MAX and len(encode_name(name)) > NAME_MAX:
        raise KernelError(Errno.ENAMETOOLONG)
    if procfs.is_proc(directory.ino):
        return procfs.lookup(k, directory, name)
    return ramfs.entries(k, directory).get(name, 0)


def covering(k: Kernel, mount: int, ino: int) -> tuple[int, int]:
    """What is seen where `ino` is in a mount: the root of what was mounted there last."""
    for one in k.tables.mounts.values():
        if one.point == ino and one.parent == mount:
            mount, ino = one.id, one.root
    return mount, ino


def _above(k: Kernel, root_mount: int, root: int, mount: int, directory: Inode) -> tuple[int, int]:
    """`..`: up to what a mount covers where it is the mount's root, and nowhere from the task's own root."""
    mounts = k.tables.mounts
    while directory.ino != root or mount != root_mount:
        one = mounts.get(mount)
        if one is None or directory.ino != one.root:
            return covering(k, mount, directory.parent or directory.ino)
        if not one.parent:
            break
        mount = one.parent
        directory = get_inode(k, one.point)
    return mount, directory.ino


def is_mount_root(k: Kernel, mount: int, ino: int) -> bool:
    """Whether an inode found in a mount is that one's root."""
    one = k.tables.mounts.get(mount)
    return one is not None and one.root == ino


def is_mount_point(k: Kernel, ino: int) -> bool:
    """Whether something is mounted there: then its name stays."""
    return bool(ino) and any(mount.point == ino for mount in k.tables.mounts.values())


def look_up(k: Kernel, found: Found) -> Found:
    """What the last name itself leads to, after a walk with `naming`, whatever is mounted there."""
    if not found.name:
        return found
    return found._replace(inode=_step(k, get_inode(k, found.parent), found.name))


def path_in(k: Kernel, task: Task | None, mount: int, ino: int) -> str:
    """The absolute path of a place as the task sees it; '' where it has none any more.

    What lies outside of the task's root begins with `(unreachable)`, as in Linux (fs/d_path.c).
    """
    root_mount, root = root_of(k, task)
    mounts = k.tables.mounts
    names: list[str] = []
    while ino != root or mount != root_mount:
        one = mounts.get(mount)
        if one is not None and ino == one.root:
            if not one.parent:
                return "(unreachable)/" + "/".join(reversed(names))
            mount, ino = one.parent, one.point
            continue
        inode = get_inode(k, ino)
        if inode.parent == ino or not inode.parent:
            if not inode.parent:
                return ""
            return "(unreachable)/" + "/".join(reversed(names))
        if not procfs.is_proc(ino) and inode.parent not in k.tables.inodes:
            return ""
        parent = get_inode(k, inode.parent)
        name = name_in(k, parent, inode)
        if not name:
            return ""
        names.append(name)
        ino = parent.ino
    return "/" + "/".join(reversed(names))


def name_in(k: Kernel, parent: Inode, inode: Inode) -> str:
    """A name of the inode in that directory; '' for none."""
    known = entries(k, parent)
    if inode.name and known.get(inode.name) == inode.ino:
        return inode.name
    return next((name for name, ino in known.items() if ino == inode.ino), "")


def path_found(k: Kernel, found: Found) -> str:
    """The path of what a walk found, by the name by which it was found."""
    if not found.name or found.file:
        return path_in(k, k.task, found.mount, found.inode)
    above = path_in(k, k.task, found.parent_mount, found.parent)
    return ramfs.join(above, found.name) if above else ""


def insist(k: Kernel, found: Found) -> Inode:
    """The inode that a walk found: ENOENT for none, ENOTDIR if the path insists on a directory."""
    if not found.inode:
        raise KernelError(Errno.ENOENT)
    inode = get_inode(k, found.inode)
    if found.slash and not is_dir(inode):
        raise KernelError(Errno.ENOTDIR)
    return inode


def resolve(k: Kernel, path: str, start: int = 0, follow: bool = True) -> Inode:
    """The inode that `path` leads the current task to."""
    return insist(k, walk(k, k.task, path, start, follow))


def lookup(k: Kernel, task: Task, path: str) -> Inode:
    """The inode that `path` leads `task` to."""
    return insist(k, walk(k, task, path))


def executable(k: Kernel, task: Task, path: str) -> Inode:
    """The regular file that execve may run: EACCES for all others (fs/exec.c)."""
    return executable_in(k, task, path)[1]


def executable_in(k: Kernel, task: Task, path: str) -> tuple[int, Inode]:
    """The same with the mount that it is in."""
    found = walk(k, task, decode_name(path.encode("utf-8", "surrogateescape")))
    return found.mount, need_executable(k, task, found.mount, insist(k, found))


def need_executable(k: Kernel, task: Task, number: int, inode: Inode) -> Inode:
    """`inode`, in that mount, if the task may run it. EACCES, ETXTBSY while somebody writes to it."""
    mount = k.tables.mounts.get(number)
    if mount is not None and mount.flags & MS_NOEXEC:
        raise KernelError(Errno.EACCES)
    if not is_regular(inode) or procfs.is_proc(inode.ino):
        raise KernelError(Errno.EACCES)
    need(task, inode, MAY_EXEC)
    if _is_open_for_writing(k, inode):
        raise KernelError(Errno.ETXTBSY)
    if inode.zones:
        disk.need_file(k, inode)
    return inode


def _is_open_for_writing(k: Kernel, inode: Inode) -> bool:
    """Files without a name, of memfd_create, have never been opened and do not count."""
    return bool(inode.opened) and any(
        file.inode == inode.ino
        and file.kind == "file"
        and file.flags & O_ACCMODE in (O_WRONLY, O_RDWR)
        and not file.path.startswith("/memfd:")
        for file in k.tables.files.values()
    )


def deny_write_to_programs(k: Kernel, inode: Inode) -> None:
    """ETXTBSY for what is to be written to while it runs."""
    if any(space.exe == inode.ino for space in k.tables.spaces.values()):
        raise KernelError(Errno.ETXTBSY)


def set_cwd(k: Kernel, mount: int, inode: Inode) -> None:
    """The current task is in that directory now; the old one goes if nobody else keeps it."""
    task = k.task
    old = k.tables.inodes.get(task.cwd)
    for other in k.tables.tasks.values() if task.fs else (task,):
        if other.fs == task.fs:
            other.cwd, other.cwd_mount = inode.ino, mount
    if old is not None:
        ramfs.free_unused(k, old)


def set_root(k: Kernel, mount: int, inode: Inode) -> None:
    """`/` is that directory now, for the current task and those that share its directory."""
    task = k.task
    old = k.tables.inodes.get(task.root)
    for other in k.tables.tasks.values() if task.fs else (task,):
        if other.fs == task.fs:
            other.root, other.root_mount = inode.ino, mount
    if old is not None:
        ramfs.free_unused(k, old)


# --- paths from user memory ---------------------------------------------------------------------------------


def getname(k: Kernel, address: int, empty: bool = False) -> str:
    """The path at a user address: EFAULT, ENAMETOOLONG, and ENOENT if it is empty unless that is allowed."""
    data = uaccess.strncpy_from_user(k, address, PATH_MAX)
    if not data and not empty:
        raise KernelError(Errno.ENOENT)
    return decode_name(data)


def start_of(k: Kernel, dirfd: int, path: str) -> int:
    """The place where an `*at` call begins, 0 for the current directory. EBADF, ENOTDIR.

    Absolute paths need none.
    """
    fd = uaccess.signed(dirfd)
    if fd == AT_FDCWD or path.startswith("/"):
        return 0
    file = get_file(k, fd, with_path=True)
    if path and not is_dir(get_inode(k, file.inode)):
        raise KernelError(Errno.ENOTDIR)
    return place(file.mount, file.inode)
