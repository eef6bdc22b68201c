"""A file system in memory: inodes, directories, regular files whose pages lie in guest frames.

The page cache is the file: what is read, written and mapped are the same frames. A page of a file from
outside is filled from its blob, or by `hostfs`, when first touched; a page never touched is a hole of
zeroes. Times are ticks.

Leaves paths and permissions to `vfs`, the rules for names to `directory`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import (
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    MS_NOATIME,
    MS_RDONLY,
    O_APPEND,
    O_LARGEFILE,
    O_NOATIME,
    S_IFDIR,
    S_IFMT,
    S_IFREG,
    S_ISGID,
    S_ISUID,
    S_IXGRP,
)
from kernel.abi.process import CAP_FSETID, RLIM_INFINITY, RLIMIT_FSIZE
from kernel.abi.signal import SI_USER, SIGXFSZ
from kernel.capabilities import XATTR, capable
from kernel.errors import KernelError
from kernel.events import FileWritten, InodeCreated, NameRemoved, PagesDropped
from kernel.fs import hostfs, inotify
from kernel.fs.iov import IovIter
from kernel.mm.address_space import drop_pages
from kernel.mm.frames import alloc_frame, frames_left, put_frame, touch_code
from kernel.signals.state import send_signal
from kernel.tables import Inode, OpenFile, SigInfo

if TYPE_CHECKING:
    from kernel.kernel import Kernel

PAGE = 4096
ZONE = 1024
"""Blocks of the file system on the disk."""
MAX_NON_LFS = 0x7FFF_FFFF
"""Files opened without O_LARGEFILE end here (include/linux/fs.h)."""
MAX_LFS = (1 << 63) - 1
DAY = 86_400_000_000_000
MAX_INODES = 65536
"""A machine's whole file system; more would be the host's memory."""


# --- inodes and names ---------------------------------------------------------------------------------------


def new_inode(k: Kernel, mode: int, uid: int = 0, gid: int = 0, rdev: int = 0, dev: int = 0) -> Inode:
    """An inode without a name in file system `dev` (0: none). ENOSPC when there are too many."""
    if len(k.tables.inodes) >= MAX_INODES:
        raise KernelError(Errno.ENOSPC)
    inode = Inode(ino=k.new_id(), mode=mode, uid=uid, gid=gid, rdev=rdev, dev=dev)
    inode.atime = inode.mtime = inode.ctime = inode.btime = k.now
    if mode & S_IFMT == S_IFDIR:
        inode.nlink = 2
        inode.size = PAGE
    k.tables.inodes[inode.ino] = inode
    return inode


def inode_of(k: Kernel, ino: int) -> Inode:
    """The inode of a number, brought in if it is one of a host's directory. ENOENT if it is gone, ENOMEM."""
    inode = k.tables.inodes.get(ino)
    if inode is None:
        if len(k.tables.inodes) >= MAX_INODES:
            raise KernelError(Errno.ENOMEM)
        inode = hostfs.make_inode(k, ino)
        if inode is None:
            raise KernelError(Errno.ENOENT)
    return inode


def entries(k: Kernel, directory: Inode) -> dict[str, int]:
    """Names in a directory to inode numbers, read in if they are a host's. KernelError if they cannot be."""
    if directory.host is not None and not directory.host.listed:
        hostfs.list_directory(k, directory)
    return directory.entries


def anonymous_inode(k: Kernel, size: int) -> Inode:
    """A file without a name behind shared anonymous memory (Linux's shmem). It goes with its mappings."""
    inode = new_inode(k, S_IFREG | 0o777)
    inode.size = size
    return inode


def add_name(k: Kernel, parent: Inode, name: str, inode: Inode) -> None:
    """`name` in `parent` leads to `inode` from now on. The caller counts `inode.nlink`."""
    entries(k, parent)[name] = inode.ino
    parent.mtime = parent.ctime = inode.ctime = k.now
    inode.parent = parent.ino
    inode.name = name
    if inode.mode & S_IFMT == S_IFDIR:
        parent.nlink += 1
    k.emit(InodeCreated(inode.ino, inode.mode, join(path_of(k, parent), name)))


def remove_name(k: Kernel, parent: Inode, name: str, inode: Inode) -> None:
    """The opposite of `add_name`; whether the inode goes too is `release_inode`'s or `drop_link`'s matter."""
    path = join(path_of(k, parent), name)
    del parent.entries[name]
    parent.mtime = parent.ctime = inode.ctime = k.now
    if inode.mode & S_IFMT == S_IFDIR:
        parent.nlink -= 1
    k.emit(NameRemoved(inode.ino, path))


def drop_link(k: Kernel, inode: Inode) -> None:
    """A name of it is gone; with the last one, unless it is open, the inode is too."""
    inode.nlink = 0 if inode.mode & S_IFMT == S_IFDIR else inode.nlink - 1
    free_unused(k, inode)


def release_inode(k: Kernel, ino: int) -> None:
    """One open file or mapping less (`opened` is counted up by whoever opens or maps)."""
    inode = k.tables.inodes.get(ino)
    if inode is not None:
        inode.opened -= 1
        free_unused(k, inode)


def free_unused(k: Kernel, inode: Inode) -> None:
    """The inode goes, with its pages, unless it has a name, is open or mapped, or is somebody's directory."""
    if inode.opened > 0 or (inode.nlink and inode.parent):
        return
    if any(inode.ino in (task.cwd, task.root) for task in k.tables.tasks.values()):
        return
    if any(inode.ino in (mount.root, mount.point) for mount in k.tables.mounts.values()):
        return
    if inode.ino in k.tables.watched:
        inotify.gone(k, inode.ino)
    for frame in inode.pages.values():
        put_frame(k, frame)
    if inode.xattrs:
        k.tables.xattr_bytes -= sum(len(name) + len(value) for name, value in inode.xattrs.items())
    del k.tables.inodes[inode.ino]


def join(directory: str, name: str) -> str:
    return f"{directory.rstrip('/')}/{name}"


def path_of(k: Kernel, inode: Inode) -> str:
    """Its absolute path, or '' where it has none any more. Of several names one that is still there."""
    inodes = k.tables.inodes
    names: list[str] = []
    while inode.ino != k.tables.root:
        above = inode.parent
        if above == inode.ino:  # the root of its file system
            above = next((mount.point for mount in k.tables.mounts.values() if mount.root == above), 0)
            if above not in inodes:
                return ""
            inode = inodes[above]
            continue
        parent = inodes.get(above)
        if parent is None:
            return ""
        name: str | None = inode.name
        if parent.entries.get(inode.name) != inode.ino:
            name = next((name for name, ino in parent.entries.items() if ino == inode.ino), None)
        if name is None:
            return ""
        names.append(name)
        inode = parent
    return "/" + "/".join(reversed(names))


# --- contents -----------------------------------------------------------------------------------------------


def page_of(k: Kernel, inode: Inode, index: int) -> int:
    """The frame of page `index`, filled when first touched. ENOMEM. The page cache stays its owner."""
    frame = inode.pages.get(index)
    if frame is None:
        data = _blob_page(k, inode, index)
        system = k.tables.filesystems.get(inode.dev)
        if system is not None and system.pages and pages_in(k, inode.dev) >= system.pages:
            raise KernelError(Errno.ENOSPC)
        frame = alloc_frame(k)
        if data:
            k.ram.frame(frame)[: len(data)] = data
        inode.pages[index] = frame
    return frame


def _blob_page(k: Kernel, inode: Inode, index: int, peek: bool = False) -> bytes:
    start = index * PAGE
    if start >= inode.blob_size:
        return b""
    if inode.zones:
        return _zones(k, inode, start, peek)
    if inode.host is not None:
        return hostfs.contents(k, inode, inode.host, start, start + PAGE, peek)
    return k.blobs[inode.blob][start : min(start + PAGE, inode.blob_size)]


def page_from_outside(k: Kernel, inode: Inode, index: int) -> bytes:
    """A page of a file as it is outside of the page cache. KernelError."""
    return _blob_page(k, inode, index)


def original_page(k: Kernel, inode: Inode, index: int) -> bytes:
    """What page `index` was when it came in from outside; nothing is fetched for that."""
    return _blob_page(k, inode, index, peek=True)


def _zones(k: Kernel, inode: Inode, start: int, peek: bool) -> bytes:
    """A page of a file on the disk, from the disk's own pages; there already if the file was opened."""
    one = k.tables.disk
    if one is None:
        return b""
    device = k.tables.inodes[one.inode]
    parts = []
    for zone in inode.zones[start // ZONE : (start + PAGE) // ZONE]:
        index, offset = divmod(zone * ZONE, PAGE)
        if not zone:
            parts.append(bytes(ZONE))
        elif index in device.pages or not peek:
            parts.append(bytes(k.ram.frame(page_of(k, device, index))[offset : offset + ZONE]))
        else:
            parts.append(k.blobs[device.blob][zone * ZONE : zone * ZONE + ZONE].ljust(ZONE, b"\0"))
    return b"".join(parts)[: inode.blob_size - start]


def read_inode(k: Kernel, inode: Inode, pos: int, n: int) -> bytes:
    """Up to `n` bytes from `pos`, fewer at the end of the file; touches the pages, but fills no holes."""
    end = min(pos + n, inode.size)
    parts: list[bytes | memoryview] = []
    while pos < end:
        index, offset = divmod(pos, PAGE)
        length = min(PAGE - offset, end - pos)
        if index in inode.pages or index * PAGE < inode.blob_size:
            parts.append(k.ram.frame(page_of(k, inode, index))[offset : offset + length])
        else:
            parts.append(bytes(length))
        pos += length
    return b"".join(parts)


def peek_inode(k: Kernel, ino: int, pos: int, n: int) -> bytes:
    """As `read_inode`, for those who only look: nothing is touched."""
    inode = k.tables.inodes[ino]
    end = min(pos + n, inode.size)
    parts: list[bytes] = []
    while pos < end:
        index, offset = divmod(pos, PAGE)
        length = min(PAGE - offset, end - pos)
        frame = inode.pages.get(index)
        data = bytes(k.ram.frame(frame)) if frame is not None else _blob_page(k, inode, index, peek=True)
        parts.append(data[offset : offset + length].ljust(length, b"\0"))
        pos += length
    return b"".join(parts)


def write_inode(k: Kernel, inode: Inode, pos: int, data: bytes) -> int:
    """Put `data` at `pos`; how much there was room for, ENOMEM if for none. The event is `write_file`'s."""
    done = 0
    while done < len(data):
        index, offset = divmod(pos + done, PAGE)
        piece = data[done : done + PAGE - offset]
        try:
            frame = page_of(k, inode, index)
        except KernelError:
            if not done:
                raise
            break
        touch_code(k, frame)
        k.ram.frame(frame)[offset : offset + len(piece)] = piece
        done += len(piece)
    inode.size = max(inode.size, pos + done)
    inode.mtime = inode.ctime = k.now
    return done


def seek_data(inode: Inode, offset: int, hole: bool) -> int:
    """Where data, or with `hole` a hole, begins from `offset` on, by whole pages; the size if nowhere."""
    given = inode.blob_size + PAGE - 1 >> 12
    index = offset // PAGE
    if hole:
        index = max(index, given)
        while index in inode.pages:
            index += 1
    elif index >= given and index not in inode.pages:
        index = min((page for page in inode.pages if page > index), default=inode.size)
    return min(max(offset, index * PAGE), inode.size)


def accessed(k: Kernel, inode: Inode, file: OpenFile | None = None) -> None:
    """It was read: the time of access moves on if it is not younger than the last change, or a day old
    (man 8 mount, relatime)."""
    if file is not None:
        mount = k.tables.mounts.get(file.mount)
        if file.flags & O_NOATIME or (mount is not None and mount.flags & (MS_NOATIME | MS_RDONLY)):
            return
    if inode.atime <= inode.mtime or inode.atime <= inode.ctime or k.now - inode.atime >= DAY:
        inode.atime = k.now


def pages_in(k: Kernel, dev: int) -> int:
    """How many pages the files of a file system have."""
    return sum(len(inode.pages) for inode in k.tables.inodes.values() if inode.dev == dev)


def remove_privileges(k: Kernel, inode: Inode) -> None:
    """A program that is changed gives no capabilities any more, and unless its changer has CAP_FSETID it is
    no longer set-user-ID (`file_remove_privs`)."""
    forget_capabilities(k, inode)
    if not capable(k, CAP_FSETID):
        inode.mode &= ~(S_ISUID | (S_ISGID if inode.mode & S_IXGRP else 0))


def forget_capabilities(k: Kernel, inode: Inode) -> None:
    """The file gives whoever executes it no capabilities any more."""
    gone = inode.xattrs.pop(XATTR, None) if inode.xattrs else None
    if gone is not None:
        k.tables.xattr_bytes -= len(gone) + len(XATTR)


def truncate(k: Kernel, inode: Inode, size: int) -> None:
    """Cut or extend (by a hole) to `size` bytes. EPERM if a seal is against it."""
    if (size < inode.size and inode.seals & F_SEAL_SHRINK) or (
        size > inode.size and inode.seals & F_SEAL_GROW
    ):
        raise KernelError(Errno.EPERM)
    if size < inode.size:
        last, offset = divmod(size, PAGE)
        keep = last + bool(offset)
        unmap_from(k, inode.ino, keep)
        for index in [index for index in inode.pages if index >= keep]:
            put_frame(k, inode.pages.pop(index))
        if offset and last in inode.pages:
            touch_code(k, inode.pages[last])
            k.ram.frame(inode.pages[last])[offset:] = bytes(PAGE - offset)
        inode.blob_size = min(inode.blob_size, size)
    inode.size = size
    inode.mtime = inode.ctime = k.now


def punch_hole(k: Kernel, inode: Inode, start: int, end: int) -> None:
    """Zeroes from `start` to `end`, whole pages as a hole (`shmem_fallocate`). Mappings see it. EPERM."""
    if inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
        raise KernelError(Errno.EPERM)
    end = min(end, -(-max(inode.size, 1) // PAGE) * PAGE)
    first, last = -(-start // PAGE), end // PAGE
    if inode.blob_size > start:  # what came from outside is brought in, and then cleared
        for index in range(start // PAGE, min(-(-end // PAGE), -(-inode.blob_size // PAGE))):
            page_of(k, inode, index)
    if first < last:
        unmap_from(k, inode.ino, first, last)
        for index in [index for index in inode.pages if first <= index < last]:
            if index * PAGE < inode.blob_size:
                _zero(k, inode.pages[index], 0, PAGE)
            else:
                put_frame(k, inode.pages.pop(index))
    for index, low, high in (
        (start // PAGE, start, min(end, first * PAGE)),
        (last, max(start, last * PAGE), end),
    ):
        if low < high and index in inode.pages:
            _zero(k, inode.pages[index], low % PAGE, low % PAGE + high - low)
    inode.mtime = inode.ctime = k.now


def _zero(k: Kernel, frame: int, start: int, end: int) -> None:
    touch_code(k, frame)
    k.ram.frame(frame)[start:end] = bytes(end - start)


def allocate(k: Kernel, inode: Inode, start: int, end: int, keep_size: bool) -> None:
    """Pages for all of a stretch, as fallocate wants them: all or ENOSPC; EFBIG beyond the limit of sizes."""
    limit = k.rlimit(RLIMIT_FSIZE)
    if inode.seals & F_SEAL_GROW and not keep_size and end > inode.size:
        raise KernelError(Errno.EPERM)
    if not keep_size and end > inode.size and limit < RLIM_INFINITY and end > limit:
        send_signal(k, k.task, SigInfo(SIGXFSZ, SI_USER, pid=k.task.tgid, uid=k.task.cred.uid), shared=False)
        raise KernelError(Errno.EFBIG)
    first, last = start // PAGE, -(-end // PAGE)
    if last - first > frames_left(k) + len(inode.pages):
        raise KernelError(Errno.ENOSPC)
    made: list[int] = []
    for index in range(first, last):
        if index in inode.pages:
            continue
        try:
            page_of(k, inode, index)
        except KernelError:
            for given in made:
                put_frame(k, inode.pages.pop(given))
            raise KernelError(Errno.ENOSPC) from None
        made.append(index)
    if not keep_size:
        inode.size = max(inode.size, end)
    inode.ctime = k.now


def unmap_from(k: Kernel, ino: int, index: int, until: int = 1 << 52) -> None:
    """Pages of the file from `index` up to `until` are in no address space any more, private copies included
    (unmap_mapping_range)."""
    for space in k.tables.spaces.values():
        for vma in space.vmas:
            if vma.inode != ino:
                continue
            start = max(vma.start, vma.start + (index - vma.offset << 12))
            end = min(vma.end, vma.start + (until - vma.offset << 12))
            if start < end and drop_pages(k, space, start, end):
                k.emit(PagesDropped(space.id, start, end))


# --- open files ---------------------------------------------------------------------------------------------


def read_file(k: Kernel, file: OpenFile, to: IovIter, at: int | None) -> int:
    """read, or pread at `at`. A bad buffer gives the count so far, EFAULT if that is 0 (mm/filemap.c)."""
    inode = k.tables.inodes[file.inode]
    pos = file.pos if at is None else at
    done = 0
    if to.count:
        accessed(k, inode, file)
    while to.count and pos < inode.size:
        data = read_inode(k, inode, pos, min(to.count, PAGE - pos % PAGE))
        copied = to.give(k, data)
        done += copied
        pos += copied
        if copied < len(data):
            if not done:
                raise KernelError(Errno.EFAULT)
            break
    if at is None:
        file.pos = pos
    return done


def write_file(k: Kernel, file: OpenFile, source: IovIter, at: int | None) -> int:
    """write, or pwrite at `at` (which O_APPEND overrides, as Linux does). Faults as in `read_file`."""
    inode = k.tables.inodes[file.inode]
    if not source.count:
        return 0
    pos = inode.size if file.flags & O_APPEND else file.pos if at is None else at
    if inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
        raise KernelError(Errno.EPERM)
    remove_privileges(k, inode)
    room = _room(k, file, pos)
    start = pos
    error = 0
    while source.count and pos - start < room:
        wanted = min(source.count, PAGE - pos % PAGE, room - (pos - start))
        if inode.seals & F_SEAL_GROW and pos + wanted > inode.size:
            error = Errno.EPERM
            break
        data = source.take(k, wanted)
        if not data:
            error = Errno.EFAULT
            break
        try:
            pos += write_inode(k, inode, pos, data)
        except KernelError:
            error = Errno.ENOSPC
            break
    if pos > start:
        k.emit(FileWritten(inode.ino, start, pos - start))
    elif error:
        raise KernelError(error)
    if at is None:
        file.pos = pos
    return pos - start


def _room(k: Kernel, file: OpenFile, pos: int) -> int:
    """How many bytes a write at `pos` may have. EFBIG, with SIGXFSZ for the process's own limit."""
    limit = k.rlimit(RLIMIT_FSIZE)
    if limit >= RLIM_INFINITY:
        limit = MAX_LFS
    elif pos >= limit:
        send_signal(k, k.task, SigInfo(SIGXFSZ, SI_USER, pid=k.task.tgid, uid=k.task.cred.uid), shared=False)
        raise KernelError(Errno.EFBIG)
    highest = MAX_LFS if file.flags & O_LARGEFILE else MAX_NON_LFS
    if pos >= highest:
        raise KernelError(Errno.EFBIG)
    return min(limit, highest) - pos
