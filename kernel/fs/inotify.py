"""inotify: what happens to watched files and directories, to be read (man 7 inotify, Linux's fs/notify).

A watch is on an inode. Who watches a directory hears of what is done to the files in it, by name, as well as
of the directory itself. The calls that do things to files tell it here: `happened` for a file that is opened,
read, written or changed, `in_directory` for names that come and go, `gone` for an inode's end.
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    IN_ACCESS,
    IN_ALL_EVENTS,
    IN_ATTRIB,
    IN_CLOSE_NOWRITE,
    IN_CLOSE_WRITE,
    IN_CREATE,
    IN_DELETE,
    IN_DELETE_SELF,
    IN_EXCL_UNLINK,
    IN_IGNORED,
    IN_ISDIR,
    IN_MASK_ADD,
    IN_MASK_CREATE,
    IN_MODIFY,
    IN_MOVE_SELF,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    IN_ONESHOT,
    IN_OPEN,
    IN_Q_OVERFLOW,
    IN_UNMOUNT,
    O_ACCMODE,
    O_NONBLOCK,
    O_RDONLY,
    POLLIN,
    POLLRDNORM,
    S_IFDIR,
    S_IFMT,
)
from kernel.abi.signal import POLL_IN
from kernel.abi.tty import FIONREAD
from kernel.errors import Blocked, KernelError
from kernel.events import InotifyQueued, InotifyRead, InotifyUnwatched, InotifyWatched
from kernel.fs import dnotify, fasync
from kernel.fs.iov import IovIter
from kernel.fs.names import encode_name
from kernel.tables import Inode, Inotify, InotifyEvent, InotifyWatch, OpenFile
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MAX_QUEUED_EVENTS = 16384
MAX_USER_INSTANCES = 128
MAX_USER_WATCHES = 65536
HEADER = 16
"""sizeof(struct inotify_event); names are padded to multiples of it."""


# --- watches ------------------------------------------------------------------------------------------------


def create(k: Kernel) -> Inotify:
    """EMFILE when there are too many."""
    if len(k.tables.inotifies) >= MAX_USER_INSTANCES:
        raise KernelError(Errno.EMFILE)
    one = Inotify(k.new_id())
    k.tables.inotifies[one.id] = one
    return one


def release(k: Kernel, file: OpenFile) -> None:
    one = k.tables.inotifies.pop(file.object)
    for watch in one.watches.values():
        _forget(k, one, watch.inode)


def _forget(k: Kernel, one: Inotify, ino: int) -> None:
    watched = k.tables.watched
    watched[ino].remove(one.id)
    if not watched[ino] and ino not in k.tables.dnotifies:
        del watched[ino]


def add_watch(k: Kernel, one: Inotify, ino: int, mask: int, path: str) -> int:
    """The watch's number: a new one, or that of the watch on this inode, which is changed."""
    wanted = mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK)
    for wd, watch in one.watches.items():
        if watch.inode == ino:
            if mask & IN_MASK_CREATE:
                raise KernelError(Errno.EEXIST)
            watch.mask = watch.mask | wanted if mask & IN_MASK_ADD else wanted
            k.emit(InotifyWatched(one.id, wd, ino, watch.mask, path))
            return wd
    if sum(len(other.watches) for other in k.tables.inotifies.values()) >= MAX_USER_WATCHES:
        raise KernelError(Errno.ENOSPC)
    one.last_wd += 1
    one.watches[one.last_wd] = InotifyWatch(ino, wanted)
    k.tables.watched.setdefault(ino, []).append(one.id)
    k.emit(InotifyWatched(one.id, one.last_wd, ino, wanted, path))
    return one.last_wd


def remove_watch(k: Kernel, one: Inotify, wd: int) -> None:
    """EINVAL if there is none of that number. IN_IGNORED is the last that is heard of it."""
    if wd not in one.watches:
        raise KernelError(Errno.EINVAL)
    ino = one.watches.pop(wd).inode
    _forget(k, one, ino)
    _queue(k, one, wd, IN_IGNORED)
    k.emit(InotifyUnwatched(one.id, wd))


# --- what happens -------------------------------------------------------------------------------------------


def happened(k: Kernel, inode: Inode, mask: int) -> None:
    """`mask` (IN_*) befell a file: who watches its directory hears of it by name, then who watches it."""
    if not k.tables.watched:
        return
    if inode.mode & S_IFMT == S_IFDIR:
        mask |= IN_ISDIR
    parent = k.tables.inodes.get(inode.parent)
    if parent is not None and parent is not inode and parent.ino in k.tables.watched:
        unlinked = parent.entries.get(inode.name) != inode.ino
        _tell(k, parent.ino, mask, 0, inode.name, unlinked)
    _tell(k, inode.ino, mask)


def in_directory(k: Kernel, parent: Inode, inode: Inode, name: str, mask: int, cookie: int = 0) -> None:
    """A name in `parent` came or went."""
    if k.tables.watched:
        _tell(k, parent.ino, mask | (IN_ISDIR if inode.mode & S_IFMT == S_IFDIR else 0), cookie, name)


def created(k: Kernel, parent: Inode, inode: Inode, name: str) -> None:
    in_directory(k, parent, inode, name, IN_CREATE)


def linked(k: Kernel, parent: Inode, inode: Inode, name: str) -> None:
    """It has one name more."""
    link_count(k, inode)
    in_directory(k, parent, inode, name, IN_CREATE)


def link_count(k: Kernel, inode: Inode) -> None:
    """It has other names than before."""
    if k.tables.watched:
        _tell(k, inode.ino, IN_ATTRIB | (IN_ISDIR if inode.mode & S_IFMT == S_IFDIR else 0))


def removed(k: Kernel, parent: Inode, inode: Inode, name: str) -> None:
    in_directory(k, parent, inode, name, IN_DELETE)


def moved(k: Kernel, parents: tuple[Inode, Inode], names: tuple[str, str], inode: Inode) -> None:
    """From one name to another: two events with one cookie."""
    if k.tables.watched:
        k.tables.inotify_cookie += 1
        cookie = k.tables.inotify_cookie
        in_directory(k, parents[0], inode, names[0], IN_MOVED_FROM, cookie)
        in_directory(k, parents[1], inode, names[1], IN_MOVED_TO, cookie)
        if parents[0] is parents[1]:
            dnotify.happened(k, parents[0].ino, dnotify.RENAMED)


def moved_self(k: Kernel, inode: Inode) -> None:
    if k.tables.watched:
        _tell(k, inode.ino, IN_MOVE_SELF)


def gone(k: Kernel, ino: int, mask: int = IN_DELETE_SELF) -> None:
    """The inode is no more, or its file system is not (IN_UNMOUNT): all watches on it end."""
    _tell(k, ino, mask)
    for number in list(k.tables.watched.get(ino, ())):
        one = k.tables.inotifies[number]
        wd = next(wd for wd, watch in one.watches.items() if watch.inode == ino)
        remove_watch(k, one, wd)


def _tell(k: Kernel, ino: int, mask: int, cookie: int = 0, name: str = "", unlinked: bool = False) -> None:
    if ino in k.tables.dnotifies:
        dnotify.happened(k, ino, mask)
    for number in list(k.tables.watched.get(ino, ())):
        one = k.tables.inotifies[number]
        wd, watch = next(item for item in one.watches.items() if item[1].inode == ino)
        if not mask & (watch.mask | IN_UNMOUNT) & ~IN_ISDIR or (unlinked and watch.mask & IN_EXCL_UNLINK):
            continue
        _queue(k, one, wd, mask, cookie, name)
        if watch.mask & IN_ONESHOT:
            remove_watch(k, one, wd)


def _queue(k: Kernel, one: Inotify, wd: int, mask: int, cookie: int = 0, name: str = "") -> None:
    """The same as the last one is told once; a full queue gets one event that says so."""
    last = one.queue[-1] if one.queue else None
    if len(one.queue) >= MAX_QUEUED_EVENTS:
        if any(event.mask == IN_Q_OVERFLOW for event in reversed(one.queue)):
            return
        wd, mask, cookie, name = -1, IN_Q_OVERFLOW, 0, ""
    elif last is not None and (last.wd, last.mask, last.name) == (wd, mask, name):
        return
    one.queue.append(InotifyEvent(wd, mask, cookie, name))
    k.emit(InotifyQueued(one.id, wd, mask, cookie, name))
    wake_up(k, f"inotify:{one.id}")
    if k.tables.asyncs:
        fasync.tell(k, "inotify", one.id, POLL_IN)


# --- open files ---------------------------------------------------------------------------------------------


def _on_file(k: Kernel, file: OpenFile, mask: int) -> None:
    inode = k.tables.inodes.get(file.inode)
    if inode is not None:
        happened(k, inode, mask)
    else:
        _tell(k, file.inode, mask | (IN_ISDIR if file.kind == "dir" else 0))


def opened(k: Kernel, file: OpenFile) -> OpenFile:
    if k.tables.watched and file.kind != "path":
        _on_file(k, file, IN_OPEN)
    return file


def accessed(k: Kernel, file: OpenFile, count: int = 1) -> int:
    """`count` bytes were read; `count`."""
    if k.tables.watched and count > 0:
        _on_file(k, file, IN_ACCESS)
    return count


def modified(k: Kernel, file: OpenFile, count: int = 1) -> int:
    """`count` bytes were written; `count`."""
    if k.tables.watched and count > 0:
        _on_file(k, file, IN_MODIFY)
    return count


def closed(k: Kernel, file: OpenFile) -> None:
    if k.tables.watched and file.kind != "path":
        _on_file(k, file, IN_CLOSE_NOWRITE if file.flags & O_ACCMODE == O_RDONLY else IN_CLOSE_WRITE)


# --- reading ------------------------------------------------------------------------------------------------


def _packed(event: InotifyEvent) -> bytes:
    """`struct inotify_event` with its name, padded."""
    name = encode_name(event.name)
    if name:
        name = name.ljust(len(name) // HEADER * HEADER + HEADER, b"\0")
    return pack("<iIII", event.wd, event.mask, event.cookie, len(name)) + name


def read(k: Kernel, file: OpenFile, to: IovIter, _at: int | None) -> int:
    """As many events as fit, at least one: EINVAL if not even that does."""
    one = k.tables.inotifies[file.object]
    if not one.queue:
        if file.flags & O_NONBLOCK:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(f"inotify:{one.id}")
    done = count = error = 0
    for event in one.queue:
        data = _packed(event)
        if len(data) > to.count:
            error = Errno.EINVAL
            break
        count += 1
        if to.give(k, data) < len(data):
            error = Errno.EFAULT
            break
        done += len(data)
    if count:
        del one.queue[:count]
        k.emit(InotifyRead(one.id, count))
    if error and (error == Errno.EFAULT or not done):
        raise KernelError(error)
    return done


def poll(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    one = k.tables.inotifies[file.object]
    return (POLLIN | POLLRDNORM if one.queue else 0), (f"inotify:{one.id}",)


def ioctl(k: Kernel, file: OpenFile, request: int, arg: int) -> int:
    if request != FIONREAD:
        raise KernelError(Errno.ENOTTY)
    queue = k.tables.inotifies[file.object].queue
    uaccess.put_user32(k, arg, sum(len(_packed(event)) for event in queue))
    return 0
