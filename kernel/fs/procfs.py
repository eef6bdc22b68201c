"""/proc: directories and files that are made from the tables when somebody looks.

Nothing of it is stored: an inode number says which file of which process is meant, and `inode` makes an
`Inode` of it. Its numbers lie above all others, so that they can be told apart.

    /proc/self      -> PID
    /proc/PID/exe   -> path of the program
    /proc/PID/fd/N  -> what descriptor N leads to; opening it opens that anew
    /proc/PID/comm, /proc/PID/status
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import S_IFDIR, S_IFLNK, S_IFREG
from kernel.abi.signal import SIG_IGN, sigmask
from kernel.errors import KernelError
from kernel.fs.iov import IovIter
from kernel.fs.names import encode_name
from kernel.tables import Inode, OpenFile, SigInfo, Task, TaskState

if TYPE_CHECKING:
    from kernel.kernel import Kernel

FIRST = 0x4000_0000
"""Inode numbers of /proc are FIRST | pid << 12 | which file."""
ROOT = FIRST
SELF = FIRST | 1
_DIRECTORY, _FD, _EXE, _COMM, _STATUS = range(5)
_LINK = 0x800
"""| descriptor: its link in fd."""
_FILES = {"fd": _FD, "exe": _EXE, "comm": _COMM, "status": _STATUS}
_STATES = {
    TaskState.RUNNABLE: "R (running)",
    TaskState.SLEEPING: "S (sleeping)",
    TaskState.STOPPED: "T (stopped)",
    TaskState.ZOMBIE: "Z (zombie)",
}


def is_proc(ino: int) -> bool:
    return ino >= FIRST


def _parts(ino: int) -> tuple[int, int]:
    return ino - FIRST >> 12, ino & 0xFFF


def _task(k: Kernel, pid: int) -> Task:
    task = k.tables.tasks.get(pid)
    if task is None:
        raise KernelError(Errno.ENOENT)
    return task


def inode(k: Kernel, ino: int) -> Inode:
    """The inode as it is now. ENOENT once the process or descriptor is gone."""
    if ino == ROOT:
        return Inode(ino, S_IFDIR | 0o555, nlink=2, parent=k.tables.root)
    if ino == SELF:
        return Inode(ino, S_IFLNK | 0o777, parent=ROOT, target=str(k.task.tgid))
    pid, which = _parts(ino)
    task = _task(k, pid)
    directory = ino & ~0xFFF
    made = Inode(ino, S_IFREG | 0o444, uid=task.cred.euid, gid=task.cred.egid, parent=directory)
    if which == _DIRECTORY:
        made.mode, made.nlink, made.parent = S_IFDIR | 0o555, 3, ROOT
    elif which == _FD:
        made.mode, made.nlink = S_IFDIR | 0o500, 2
    elif which == _EXE:
        made.mode, made.target = S_IFLNK | 0o777, task.exe
    elif which & _LINK:
        made.parent = directory | _FD
        made.mode, made.target = S_IFLNK | 0o700, _file(k, task, which & ~_LINK).path
        made.size = 64
    return made


def _file(k: Kernel, task: Task, fd: int) -> OpenFile:
    table = k.tables.fdtables.get(task.fdtable)
    if table is None or fd not in table.fds:
        raise KernelError(Errno.ENOENT)
    return k.tables.files[table.fds[fd]]


def linked_file(k: Kernel, ino: int) -> OpenFile | None:
    """The open file that a link in /proc/PID/fd stands for; None for any other inode."""
    pid, which = _parts(ino)
    return _file(k, _task(k, pid), which & ~_LINK) if is_proc(ino) and which & _LINK else None


def lookup(k: Kernel, directory: Inode, name: str) -> int:
    """Inode number of `name` in one of the directories here, 0 if there is none."""
    return entries(k, directory).get(name, 0)


def entries(k: Kernel, directory: Inode) -> dict[str, int]:
    """What a directory here contains now."""
    if directory.ino == ROOT:
        pids = [task.pid for task in k.tables.tasks.values() if task.pid and task.pid == task.tgid]
        return {"self": SELF, **{str(pid): FIRST | pid << 12 for pid in sorted(pids)}}
    pid, which = _parts(directory.ino)
    base = directory.ino & ~0xFFF
    if which == _DIRECTORY:
        return {name: base | number for name, number in _FILES.items()}
    table = k.tables.fdtables.get(_task(k, pid).fdtable)
    fds = sorted(table.fds) if table is not None else []
    return {str(fd): base | _LINK | fd for fd in fds if fd < _LINK}


def path_of(k: Kernel, node: Inode) -> str:
    """Absolute path of a file here."""
    if node.ino == ROOT:
        return "/proc"
    parent = inode(k, node.parent)
    name = next((name for name, ino in entries(k, parent).items() if ino == node.ino), "")
    return f"{path_of(k, parent)}/{name}"


def read_proc(k: Kernel, file: OpenFile, to: IovIter, at: int | None) -> int:
    """read and pread of a file here: made anew each time."""
    data = contents(k, file.inode)
    pos = file.pos if at is None else at
    data = data[pos : pos + to.count]
    copied = to.give(k, data)
    if data and not copied:
        raise KernelError(Errno.EFAULT)
    if at is None:
        file.pos += copied
    return copied


def contents(k: Kernel, ino: int) -> bytes:
    """What a regular file here contains now; ESRCH once the process is gone."""
    pid, which = _parts(ino)
    task = k.tables.tasks.get(pid)
    if task is None:
        raise KernelError(Errno.ESRCH)
    if which == _COMM:
        return encode_name(task.comm) + b"\n"
    return _status(k, task).encode()


def _status(k: Kernel, task: Task) -> str:
    """man 5 proc, /proc/pid/status: the fields that mean something here."""
    t = k.tables
    cred = task.cred
    table = t.fdtables.get(task.fdtable)
    threads = sum(1 for other in t.tasks.values() if other.tgid == task.tgid)
    sighand = t.sighands.get(task.sighand)
    actions = sighand.actions if sighand is not None else {}
    ignored = sum(sigmask(n) for n, action in actions.items() if action.handler == SIG_IGN)
    caught = sum(sigmask(n) for n, action in actions.items() if action.handler > SIG_IGN)
    lines = (
        ("Name", task.comm),
        ("Umask", f"{task.umask:04o}"),
        ("State", _STATES[TaskState(task.state)]),
        ("Tgid", task.tgid),
        ("Pid", task.pid),
        ("PPid", task.ppid),
        ("TracerPid", 0),
        ("Uid", f"{cred.uid}\t{cred.euid}\t{cred.suid}\t{cred.fsuid}"),
        ("Gid", f"{cred.gid}\t{cred.egid}\t{cred.sgid}\t{cred.fsgid}"),
        ("FDSize", 64 if table is not None else 0),
        ("Groups", " ".join(map(str, cred.groups))),
        ("Threads", threads),
        ("SigPnd", f"{_mask(task.pending):016x}"),
        ("ShdPnd", f"{_mask(task.shared_pending):016x}"),
        ("SigBlk", f"{task.blocked:016x}"),
        ("SigIgn", f"{ignored:016x}"),
        ("SigCgt", f"{caught:016x}"),
    )
    return "".join(f"{name}:\t{value}\n" for name, value in lines)


def _mask(pending: list[SigInfo]) -> int:
    mask = 0
    for info in pending:
        mask |= sigmask(info.signo)
    return mask
