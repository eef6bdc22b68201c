"""/proc and /sys: directories and files that are made from the tables when somebody looks.

Nothing of it is stored: an inode number says which file of which process is meant, and `inode` makes an
`Inode` of it. Their numbers lie above all others, so that they can be told apart: FIRST | kind << 27 | pid <<
12 | which. What the files say is in `proc/` and `sysfs`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kernel.abi.errno import Errno
from kernel.abi.files import (
    O_ACCMODE,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    S_IFDIR,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
)
from kernel.errors import KernelError
from kernel.fs import sysfs
from kernel.fs.iov import IovIter
from kernel.fs.proc import access, fdinfo, memory, mounts, net, process, records, system
from kernel.fs.proc.tree import Tree
from kernel.tables import Inode, OpenFile, Space, Task, TaskState

if TYPE_CHECKING:
    from kernel.kernel import Kernel

FIRST = 0x4000_0000
_KIND = 1 << 27
_STATIC, _PROCESS, _THREAD, _FDS, _FDINFOS, _THREAD_FDS, _THREAD_FDINFOS, _SYS = range(8)
ROOT = FIRST
SYS_ROOT = FIRST + _SYS * _KIND
PID_LIMIT = 1 << 15
FD_LIMIT = 1 << 12
"""Descriptors beyond it have no name here."""
DUMPABLE_DIRECTORY = S_IFDIR | 0o555
MAX_WRITE = 4096

SELF, THREAD_SELF = 0x7FF_FFFE, 0x7FF_FFFF
"""`which` of two links that depend on who looks."""

Text = str | bytes


class Node(NamedTuple):
    """A file of a process. `guarded`: opening it asks whether one may look into the process."""

    mode: int
    show: Callable[[Kernel, Task, bool], Text] | None = None
    store: Callable[[Kernel, Task, bytes], None] | None = None
    guarded: bool = False
    whole_only: bool = False
    """Not below task/."""
    piece: Callable[[Kernel, Space, int, int], bytes] | None = None
    """Instead of `show`, where a file is too large to be made as a whole: so many bytes from a place on."""


def _of_memory(show: Callable[[Kernel, Task], Text]) -> Callable[[Kernel, Task, bool], Text]:
    return lambda k, task, _whole: show(k, task)


_DIR, _LINK = S_IFDIR | 0o555, S_IFLNK | 0o777
NODES: dict[str, Node] = {
    "": Node(_DIR),
    "auxv": Node(S_IFREG | 0o400, _of_memory(memory.auxv), guarded=True),
    "cgroup": Node(S_IFREG | 0o444, process.cgroup),
    "cmdline": Node(S_IFREG | 0o444, _of_memory(memory.cmdline)),
    "comm": Node(S_IFREG | 0o644, process.comm, process.set_comm),
    "cwd": Node(_LINK),
    "environ": Node(S_IFREG | 0o400, _of_memory(memory.environ), guarded=True),
    "exe": Node(_LINK),
    "fd": Node(S_IFDIR | 0o500),
    "fdinfo": Node(_DIR, guarded=True),
    "io": Node(S_IFREG | 0o400, process.io, guarded=True),
    "limits": Node(S_IFREG | 0o444, process.limits),
    "loginuid": Node(S_IFREG | 0o644, process.loginuid),
    "maps": Node(S_IFREG | 0o444, _of_memory(memory.maps), guarded=True),
    "mem": Node(S_IFREG | 0o600, guarded=True),
    "mountinfo": Node(S_IFREG | 0o444, mounts.mountinfo),
    "mounts": Node(S_IFREG | 0o444, mounts.mounts),
    "net": Node(_DIR),
    "oom_score": Node(S_IFREG | 0o444, process.oom_score),
    "oom_score_adj": Node(S_IFREG | 0o644, process.oom_score_adj, process.set_oom_score_adj),
    "pagemap": Node(S_IFREG | 0o400, guarded=True, piece=memory.pagemap),
    "personality": Node(S_IFREG | 0o400, process.personality, guarded=True),
    "root": Node(_LINK),
    "sched": Node(S_IFREG | 0o644, process.sched),
    "sessionid": Node(S_IFREG | 0o444, process.sessionid),
    "smaps": Node(S_IFREG | 0o444, _of_memory(memory.smaps), guarded=True),
    "smaps_rollup": Node(S_IFREG | 0o444, _of_memory(memory.smaps_rollup), guarded=True),
    "stack": Node(S_IFREG | 0o400, process.stack, guarded=True),
    "stat": Node(S_IFREG | 0o444, process.stat),
    "statm": Node(S_IFREG | 0o444, _of_memory(memory.statm)),
    "status": Node(S_IFREG | 0o444, process.status),
    "syscall": Node(S_IFREG | 0o400, process.syscall, guarded=True),
    "task": Node(_DIR, whole_only=True),
    "wchan": Node(S_IFREG | 0o444, process.wchan),
    "net/unix": Node(S_IFREG | 0o444, net.unix),
}
_NAMES = list(NODES)
_MEM = _NAMES.index("mem")
_LISTS = (_NAMES.index("maps"), _NAMES.index("smaps"))
_CWD, _EXE, _ROOT_LINK = (_NAMES.index(name) for name in ("cwd", "exe", "root"))
_FD, _FDINFO, _TASK, _NET = (_NAMES.index(name) for name in ("fd", "fdinfo", "task", "net"))

STATIC = Tree(ROOT, system.ENTRIES)
SYS = Tree(SYS_ROOT, sysfs.ENTRIES)


def is_proc(ino: int) -> bool:
    """Whether it is an inode of here, /sys included."""
    return ino >= FIRST


def is_sys(ino: int) -> bool:
    return ino >= SYS_ROOT


def is_of_process(ino: int) -> bool:
    """Whether it is one of a process's own directory."""
    return is_proc(ino) and _tree(ino) is None


def process_of(ino: int) -> int:
    """The pid whose directory this is, /proc/PID itself; 0 for every other inode."""
    kind, pid, which = _parts(ino) if is_of_process(ino) else (0, 0, 0)
    return pid if kind == _PROCESS and not which else 0


def _tree(ino: int) -> Tree | None:
    return STATIC if STATIC.holds(ino) else SYS if SYS.holds(ino) else None


def _parts(ino: int) -> tuple[int, int, int]:
    """Kind, pid and which file."""
    rest = ino - FIRST
    return rest // _KIND, rest % _KIND >> 12, rest & 0xFFF


def _number(kind: int, pid: int, which: int = 0) -> int:
    return FIRST + kind * _KIND | pid << 12 | which


def _task(k: Kernel, pid: int) -> Task:
    task = k.tables.tasks.get(pid)
    if task is None:
        raise KernelError(Errno.ENOENT)
    return task


# --- inodes -------------------------------------------------------------------------------------------------


def inode(k: Kernel, ino: int) -> Inode:
    """The inode as it is now. ENOENT once the process or descriptor is gone."""
    tree = _tree(ino)
    if tree is not None:
        made = tree.inode(ino, k.tables.root)
        if ino == ROOT:
            made.nlink += len(_processes(k))
        return made
    if ino - FIRST in (SELF, THREAD_SELF):
        return Inode(ino, _LINK, parent=ROOT, target=_self(k, ino - FIRST == THREAD_SELF))
    kind, pid, which = _parts(ino)
    task = _task(k, pid)
    if kind in (_PROCESS, _THREAD):
        return _node_inode(k, task, kind, which, ino)
    if kind in (_FDINFOS, _THREAD_FDINFOS):
        fdinfo.open_file_of(k, task, which)
        outer = _number(_PROCESS if kind == _FDINFOS else _THREAD, pid, _FDINFO)
        return _owned(task, Inode(ino, S_IFREG | 0o444, parent=outer))
    if kind not in (_FDS, _THREAD_FDS):
        raise KernelError(Errno.ENOENT)
    file = fdinfo.open_file_of(k, task, which)
    readable = file.flags & O_ACCMODE in (O_RDONLY, O_RDWR)
    writable = file.flags & O_ACCMODE in (O_WRONLY, O_RDWR)
    mode = S_IFLNK | (0o500 if readable else 0) | (0o300 if writable else 0)
    outer = _number(_PROCESS if kind == _FDS else _THREAD, pid, _FD)
    made = Inode(ino, mode, parent=outer, size=64, target=fdinfo.target(k, file))
    return _owned(task, made)


def _self(k: Kernel, thread: bool) -> str:
    task = k.task
    return f"{task.tgid}/task/{task.pid}" if thread else str(task.tgid)


def _node_inode(k: Kernel, task: Task, kind: int, which: int, ino: int) -> Inode:
    if which >= len(_NAMES) or (kind == _THREAD and NODES[_NAMES[which]].whole_only):
        raise KernelError(Errno.ENOENT)
    node = NODES[_NAMES[which]]
    made = Inode(ino, node.mode, parent=_number(kind, task.pid))
    kind_of_file = node.mode & S_IFMT
    if kind_of_file == S_IFDIR:
        made.nlink = 2
    if which == 0:
        made.parent = ROOT if kind == _PROCESS else _number(_PROCESS, task.tgid, _TASK)
        made.nlink = 9 if kind == _PROCESS else 7
    elif "/" in _NAMES[which]:
        made.parent = _number(kind, task.pid, _NET)
    elif which == _TASK:
        made.nlink = 2 + len(process.threads(k, task))
    elif kind_of_file == S_IFLNK:
        made.target = _link_target(k, task, which)
    return _owned(task, made)


def _owned(task: Task, made: Inode) -> Inode:
    """The process's, or root's where it must not be looked into (`task_dump_owner`)."""
    if made.mode == DUMPABLE_DIRECTORY or task.dumpable == 1:
        made.uid, made.gid = task.cred.euid, task.cred.egid
    return made


def _link_target(k: Kernel, task: Task, which: int) -> str:
    """'' (ENOENT to follow) for what a zombie or a kernel task has not."""
    mount, number = _linked_place(k, task, which)
    if number not in k.tables.inodes and not is_proc(number):
        return ""
    return k.path_in(k.task, mount, number) or (task.exe if which == _EXE else "") + " (deleted)"


def _linked_place(k: Kernel, task: Task, which: int) -> tuple[int, int]:
    """Mount and inode."""
    if task.state == TaskState.ZOMBIE:
        return 0, 0
    if which == _CWD:
        return task.cwd_mount, task.cwd
    if which == _ROOT_LINK:
        return k.root_of(task)
    space = memory.space_of(k, task)
    exe = k.tables.inodes.get(space.exe) if space is not None else None
    return (k.mount_of(exe.dev), exe.ino) if exe is not None else (0, 0)


def followed(k: Kernel, ino: int) -> tuple[int, int, int] | None:
    """Where a link here leads by itself, whatever its text says: (mount, inode, open file or 0).

    None for any other inode; EACCES for who may not look into the process.
    """
    if not is_proc(ino) or _tree(ino) is not None or ino - FIRST in (SELF, THREAD_SELF):
        return None
    kind, pid, which = _parts(ino)
    if kind in (_FDS, _THREAD_FDS):
        task = _task(k, pid)
        access.need_access(k, task)
        file = fdinfo.open_file_of(k, task, which)
        return file.mount, file.inode, file.id
    if kind in (_PROCESS, _THREAD) and which in (_CWD, _EXE, _ROOT_LINK):
        task = _task(k, pid)
        access.need_access(k, task)
        mount, number = _linked_place(k, task, which)
        if not number:
            raise KernelError(Errno.ENOENT)
        return mount, number, 0
    return None


def need_link(k: Kernel, ino: int) -> None:
    """readlink asks the same as following does."""
    if is_proc(ino):
        followed(k, ino)


# --- directories --------------------------------------------------------------------------------------------


def _processes(k: Kernel) -> list[int]:
    return sorted(
        task.pid for task in k.tables.tasks.values() if 0 < task.pid < PID_LIMIT and task.pid == task.tgid
    )


def lookup(k: Kernel, directory: Inode, name: str) -> int:
    """Inode number of `name` in one of the directories here, 0 if there is none."""
    if directory.ino == ROOT and name.isdecimal() and len(name) < 6 and name == str(int(name)):
        pid = int(name)  # threads can be found by number too, though they are not listed
        return _number(_PROCESS, pid) if 0 < pid < PID_LIMIT and pid in k.tables.tasks else 0
    _allow(k, directory)
    return entries(k, directory).get(name, 0)


def _allow(k: Kernel, directory: Inode) -> None:
    """fdinfo/ is readable by all, but only for those who may look into the process."""
    kind, pid, which = _parts(directory.ino)
    if kind in (_PROCESS, _THREAD) and which == _FDINFO:
        access.need_access(k, _task(k, pid))


def entries(k: Kernel, directory: Inode) -> dict[str, int]:
    """What a directory here contains now."""
    tree = _tree(directory.ino)
    if directory.ino == ROOT:
        made = dict(STATIC.names(ROOT))
        made["self"], made["thread-self"] = FIRST + SELF, FIRST + THREAD_SELF
        return {**made, **{str(pid): _number(_PROCESS, pid) for pid in _processes(k)}}
    if tree is not None:
        return tree.names(directory.ino)
    kind, pid, which = _parts(directory.ino)
    task = _task(k, pid)
    if which == 0:
        return {
            name: _number(kind, pid, number)
            for number, name in enumerate(_NAMES)
            if number and "/" not in name and not (kind == _THREAD and NODES[name].whole_only)
        }
    if which == _NET:
        return {"unix": _number(kind, pid, _NAMES.index("net/unix"))}
    if which == _TASK:
        return {
            str(one.pid): _number(_THREAD, one.pid) for one in process.threads(k, task) if one.pid < PID_LIMIT
        }
    if which not in (_FD, _FDINFO):
        return {}
    table = k.tables.fdtables.get(task.fdtable)
    inner = (_FDS if which == _FD else _FDINFOS) + (2 if kind == _THREAD else 0)
    fds = sorted(table.fds) if table is not None else []
    return {str(fd): _number(inner, pid, fd) for fd in fds if fd < FD_LIMIT}


def path_of(k: Kernel, node: Inode) -> str:
    """Absolute path of a file here."""
    tree = _tree(node.ino)
    if tree is not None:
        top = "/sys" if is_sys(node.ino) else "/proc"
        path = tree.path(node.ino)
        return f"{top}/{path}" if path else top
    parent = inode(k, node.parent)
    name = next((name for name, ino in entries(k, parent).items() if ino == node.ino), "")
    if not name and parent.ino == ROOT:
        name = str(_parts(node.ino)[1])
    return f"{path_of(k, parent)}/{name}"


# --- open, read, write --------------------------------------------------------------------------------------


def check_open(k: Kernel, node: Inode, flags: int) -> None:
    """What opening asks beyond the mode's bits: EACCES for another's memory and for what cannot be set."""
    entry = STATIC.entry(node.ino) if STATIC.holds(node.ino) else None
    if entry is not None:
        writes = flags & O_ACCMODE != O_RDONLY
        if writes and not entry.mode & 0o222 and STATIC.path(node.ino).startswith("sys/"):
            raise KernelError(Errno.EACCES)
        return
    kind, pid, which = _parts(node.ino)
    if (kind in (_PROCESS, _THREAD) and NODES[_NAMES[which]].guarded) or kind in (_FDINFOS, _THREAD_FDINFOS):
        access.need_access(k, _task(k, pid))


def _space(k: Kernel, file: OpenFile) -> tuple[Task, Space] | None:
    """The process behind an open `mem`; None for any other file. ESRCH once it is gone."""
    kind, pid, which = _parts(file.inode)
    if kind not in (_PROCESS, _THREAD) or which != _MEM or _tree(file.inode) is not None:
        return None
    task = k.tables.tasks.get(pid)
    space = memory.space_of(k, task) if task is not None else None
    if task is None or space is None:
        raise KernelError(Errno.ESRCH)
    return task, space


def read_proc(k: Kernel, file: OpenFile, to: IovIter, at: int | None) -> int:
    """read and pread. What a file says is made when reading it begins, and stays so until it begins anew."""
    pos = file.pos if at is None else at
    found = _space(k, file)
    piece = _piece(file.inode)
    if found is not None:
        data = access.read_memory(k, found[1], pos, min(to.count, 1 << 20))
        if to.count and not data:
            raise KernelError(Errno.EIO)
    elif piece is not None:
        task = k.tables.tasks.get(_parts(file.inode)[1])
        space = memory.space_of(k, task) if task is not None else None
        data = piece(k, space, pos, min(to.count, 1 << 20)) if space is not None else b""
    else:
        if pos == 0 or not file.text:
            file.text = contents(k, file.inode)
        whole = _is_list(file.inode)
        data = records.piece(file.text, pos, to.count) if whole else file.text[pos : pos + to.count]
    copied = to.give(k, data)
    if data and not copied:
        raise KernelError(Errno.EFAULT)
    if at is None:
        file.pos += copied
    return copied


def _piece(ino: int) -> Callable[[Kernel, Space, int, int], bytes] | None:
    kind, _pid, which = _parts(ino)
    of_process = kind in (_PROCESS, _THREAD) and which < len(_NAMES) and _tree(ino) is None
    return NODES[_NAMES[which]].piece if of_process else None


def _is_list(ino: int) -> bool:
    """Whether a file is a list of mappings, of which a read gives whole entries."""
    kind, _pid, which = _parts(ino)
    return kind in (_PROCESS, _THREAD) and which in _LISTS and _tree(ino) is None


def write_proc(k: Kernel, file: OpenFile, source: IovIter, at: int | None) -> int:
    """EIO or EINVAL where nothing takes it, as for Linux's files without a write."""
    pos = file.pos if at is None else at
    found = _space(k, file)
    data = source.take(k, min(source.count, 1 << 20 if found is not None else MAX_WRITE))
    if source.count and not data:
        raise KernelError(Errno.EFAULT)
    if found is not None:
        done = access.write_memory(k, found[1], pos, data)
        if data and not done:
            raise KernelError(Errno.EIO)
    else:
        _store(k, file, data)
        done = len(data)
    if at is None:
        file.pos += done
    return done


def _store(k: Kernel, file: OpenFile, data: bytes) -> None:
    tree = _tree(file.inode)
    if tree is not None:
        entry = tree.entry(file.inode)
        if entry.store is None:
            raise KernelError(Errno.EIO)
        entry.store(k, data)
        return
    kind, pid, which = _parts(file.inode)
    store = NODES[_NAMES[which]].store if kind in (_PROCESS, _THREAD) else None
    if store is None:
        raise KernelError(Errno.EINVAL)
    task = k.tables.tasks.get(pid)
    if task is None:
        raise KernelError(Errno.ESRCH)
    store(k, task, data)


def contents(k: Kernel, ino: int) -> bytes:
    """What a regular file here contains now; ESRCH once the process is gone."""
    tree = _tree(ino)
    if tree is not None:
        show = tree.entry(ino).show
        text: Text = show(k) if show is not None else ""
    else:
        kind, pid, which = _parts(ino)
        task = k.tables.tasks.get(pid)
        if task is None:
            raise KernelError(Errno.ESRCH)
        if kind in (_FDINFOS, _THREAD_FDINFOS):
            text = fdinfo.fdinfo(k, task, which)
        else:
            reader = NODES[_NAMES[which]].show
            text = reader(k, task, kind == _PROCESS) if reader is not None else ""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
