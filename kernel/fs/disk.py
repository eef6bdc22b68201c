"""/dev/hda0: a disk, its page cache, and requests that take their time (Linux's block layer, in outline).

What is not in the page cache is asked of the disk: the request waits in a queue, the caller sleeps on `disk`,
and some time later the disk's interrupt (vector 0x2e) says that it is done. Written pages stay in the cache
until they are written back (fsync, sync). What is on the disk at the start is a blob, like an outside file.

All of it happens in calls that are begun again after the sleep, before they have changed anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.errors import Blocked, KernelError
from kernel.events import DiskCompleted, DiskRequested
from kernel.fs.iov import IovIter
from kernel.fs.ramfs import PAGE, ZONE, page_of
from kernel.mm.frames import touch_code
from kernel.tables import Disk, Inode, OpenFile
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

QUEUE = "disk"
READ_AHEAD = 8
"""Pages that one request asks for at most."""
SEEK_TICKS, PAGE_TICKS = 200_000, 20_000
"""What a request takes, and for each page more."""
SECTOR = 512
BLKROGET, BLKGETSIZE, BLKFLSBUF, BLKSSZGET, BLKGETSIZE64 = 0x125E, 0x1260, 0x1261, 0x1268, 0x8004_1272


def attach(k: Kernel, inode: Inode, size: int) -> None:
    """The machine has a disk, behind this device file."""
    inode.blob_size = size
    k.tables.disk = Disk(inode.ino)


def the_disk(k: Kernel) -> tuple[Disk, Inode]:
    """ENXIO where the machine has none."""
    one = k.tables.disk
    if one is None:
        raise KernelError(Errno.ENXIO)
    return one, k.tables.inodes[one.inode]


# --- requests -----------------------------------------------------------------------------------------------


def _request(k: Kernel, first: int, count: int, write: bool) -> None:
    one, _inode = the_disk(k)
    one.requests.append((first, count, write))
    k.emit(DiskRequested(first, count, write))
    if one.due < 0:
        _start(k, one)


def _start(k: Kernel, one: Disk) -> None:
    one.due = k.now + SEEK_TICKS + PAGE_TICKS * one.requests[0][1]
    k.reprogram_timer()


def do_disk_interrupt(k: Kernel) -> None:
    """The first request is done: what was read is in the page cache, and who waits looks again."""
    one = k.tables.disk
    if one is None or not 0 <= one.due <= k.now or not one.requests:
        k.reprogram_timer()
        return
    first, count, write = one.requests.pop(0)
    inode = k.tables.inodes[one.inode]
    if not write:
        for index in range(first, first + count):
            try:
                page_of(k, inode, index)
            except KernelError:  # no memory for it: who asked will ask again
                break
    k.emit(DiskCompleted(first, count, write))
    one.due = -1
    if one.requests:
        _start(k, one)
    wake_up(k, QUEUE)
    k.reprogram_timer()


def need_pages(k: Kernel, first: int, count: int) -> None:
    """Pages of the disk are in the cache; Blocked until then."""
    one, inode = the_disk(k)
    last = -(-inode.blob_size // PAGE)
    for index in range(first, min(first + count, last)):
        if index in inode.pages:
            continue
        if not any(start <= index < start + many and not write for start, many, write in one.requests):
            many = 1
            while many < READ_AHEAD and index + many < last and index + many not in inode.pages:
                many += 1
            _request(k, index, many, False)
        raise Blocked(QUEUE, interruptible=False)


def content(k: Kernel, at: int, count: int) -> bytes:
    """Bytes of the disk; Blocked until they are there. EIO beyond its end."""
    _one, inode = the_disk(k)
    if at + count > inode.blob_size:
        raise KernelError(Errno.EIO)
    need_pages(k, at // PAGE, -(-(at + count) // PAGE) - at // PAGE)
    parts = []
    while count:
        length = min(count, PAGE - at % PAGE)
        frame = k.ram.frame(page_of(k, inode, at // PAGE))
        parts.append(bytes(frame[at % PAGE : at % PAGE + length]))
        at += length
        count -= length
    return b"".join(parts)


def need_file(k: Kernel, inode: Inode) -> None:
    """All of a file on the disk is in the disk's page cache; Blocked until then."""
    for zone in inode.zones:
        if zone:
            need_pages(k, zone * ZONE // PAGE, 1)


def flush(k: Kernel) -> None:
    """What was written is on the disk; Blocked until then."""
    one = k.tables.disk
    if one is None:
        return
    while one.dirty:
        first = one.dirty.pop(0)
        many = 1
        while one.dirty and one.dirty[0] == first + many and many < READ_AHEAD:
            one.dirty.pop(0)
            many += 1
        _request(k, first, many, True)
    if any(write for _, _, write in one.requests):
        raise Blocked(QUEUE, interruptible=False)


# --- the device file ----------------------------------------------------------------------------------------


def read(k: Kernel, file: OpenFile, to: IovIter, at: int | None) -> int:
    _one, inode = the_disk(k)
    start = file.pos if at is None else at
    count = min(to.count, max(inode.blob_size - start, 0), READ_AHEAD * PAGE * 4)
    data = content(k, start, count) if count else b""
    done = to.give(k, data)
    if data and not done:
        raise KernelError(Errno.EFAULT)
    if at is None:
        file.pos = start + done
    return done


def write(k: Kernel, file: OpenFile, source: IovIter, at: int | None) -> int:
    """Into the cache; pages of which only a part is written are read before. ENOSPC at the end."""
    one, inode = the_disk(k)
    start = file.pos if at is None else at
    count = min(source.count, max(inode.blob_size - start, 0), READ_AHEAD * PAGE * 4)
    if not count:
        if source.count:
            raise KernelError(Errno.ENOSPC)
        return 0
    need_pages(k, start // PAGE, -(-(start + count) // PAGE) - start // PAGE)
    done = 0
    while done < count:
        index, offset = divmod(start + done, PAGE)
        wanted = min(count - done, PAGE - offset)
        data = source.take(k, wanted)
        frame = page_of(k, inode, index)  # still there, unless memory ran short meanwhile
        touch_code(k, frame)
        k.ram.frame(frame)[offset : offset + len(data)] = data
        done += len(data)
        if data and index not in one.dirty:
            one.dirty = sorted((*one.dirty, index))
        if data and index not in one.changed:
            one.changed = sorted((*one.changed, index))
        if len(data) < wanted:
            break
    if not done:
        raise KernelError(Errno.EFAULT)
    if at is None:
        file.pos = start + done
    return done


def ioctl(k: Kernel, file: OpenFile, request: int, arg: int) -> int:
    _one, inode = the_disk(k)
    if request == BLKGETSIZE64:
        uaccess.put_user64(k, arg, inode.blob_size)
    elif request == BLKFLSBUF:
        flush(k)
    elif request in (BLKGETSIZE, BLKSSZGET, BLKROGET):
        value = {BLKGETSIZE: inode.blob_size // SECTOR, BLKSSZGET: SECTOR, BLKROGET: 0}[request]
        uaccess.put_user32(k, arg, value)
    else:
        raise KernelError(Errno.ENOTTY)
    return 0
