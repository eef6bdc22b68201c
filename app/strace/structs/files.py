"""Files: the `stat`s, file systems, locks, descriptors that are waited for, how to open."""

from __future__ import annotations

from collections.abc import Callable
from struct import calcsize, unpack_from

from app.strace import text
from app.strace.names import Flags
from app.strace.style import current, descriptor
from app.strace.text import array, flags, hexadecimal, name, signed, structure
from kernel.abi import files
from kernel.abi.structs import (
    EpollEvent,
    Flock,
    Flock64,
    OldStat,
    OpenHow,
    Pollfd,
    Stat,
    Stat64,
    Statfs,
    Statfs64,
    Statx,
)

_DEVICES = (files.S_IFCHR, files.S_IFBLK)


def _stat_fields(stat: Stat | OldStat | Stat64) -> str:
    """What strace shows of a `stat` unless it is told to show all."""
    device = stat.st_mode & files.S_IFMT in _DEVICES
    last = f"st_rdev={text.device(stat.st_rdev)}" if device else f"st_size={stat.st_size}"
    mode = f"st_mode={text.file_mode(stat.st_mode)}"
    if not current().verbose:
        return structure((mode, last), more=True)
    inode = stat.st_ino or getattr(stat, "st_ino_low", 0)
    fields = [f"st_dev={text.device(stat.st_dev)}", f"st_ino={inode}", mode, f"st_nlink={stat.st_nlink}"]
    fields += [f"st_uid={stat.st_uid}", f"st_gid={stat.st_gid}"]
    if not isinstance(stat, OldStat):
        fields += [f"st_blksize={stat.st_blksize}", f"st_blocks={stat.st_blocks}"]
    fields.append(last)
    for word in ("st_atime", "st_mtime", "st_ctime"):
        seconds, nanoseconds = getattr(stat, word), getattr(stat, f"{word}_nsec", None)
        fields.append(f"{word}={seconds}{_dated(seconds, nanoseconds or 0)}")
        if nanoseconds is not None:
            fields.append(f"{word}_nsec={nanoseconds}")
    return structure(fields)


def _dated(seconds: int, nanoseconds: int) -> str:
    """A time as a date in a comment; nothing for time 0."""
    if not seconds and not nanoseconds:
        return ""
    return f" /* {text.date(seconds, nanoseconds)} */"


def _stat(data: bytes) -> str:
    return _stat_fields(Stat.unpack(data))


def _old_stat(data: bytes) -> str:
    return _stat_fields(OldStat.unpack(data))


def _stat64(data: bytes) -> str:
    return _stat_fields(Stat64.unpack(data))


def _statx(data: bytes) -> str:
    statx = Statx.unpack(data)
    if current().verbose:
        return _statx_whole(statx)
    return structure(
        (
            f"stx_mask={flags(statx.stx_mask, 'statx')}",
            f"stx_attributes={flags(statx.stx_attributes, 'statx_attributes')}",
            f"stx_mode={text.file_mode(statx.stx_mode)}",
            f"stx_size={statx.stx_size}",
        ),
        more=True,
    )


def _statx_whole(statx: Statx) -> str:
    fields = [f"stx_mask={flags(statx.stx_mask, 'statx')}", f"stx_blksize={statx.stx_blksize}"]
    fields.append(f"stx_attributes={flags(statx.stx_attributes, 'statx_attributes')}")
    fields += [f"{word}={getattr(statx, word)}" for word in ("stx_nlink", "stx_uid", "stx_gid")]
    fields.append(f"stx_mode={text.file_mode(statx.stx_mode)}")
    fields += [f"{word}={getattr(statx, word)}" for word in ("stx_ino", "stx_size", "stx_blocks")]
    fields.append(f"stx_attributes_mask={flags(statx.stx_attributes_mask, 'statx_attributes')}")
    for word in ("atime", "btime", "ctime", "mtime"):
        seconds, part = getattr(statx, f"stx_{word}_sec"), getattr(statx, f"stx_{word}_nsec")
        if word != "btime" or statx.stx_mask & files.STATX_BTIME:
            fields.append(f"stx_{word}={{tv_sec={seconds}, tv_nsec={part}}}{_dated(seconds, part)}")
    devices = ("stx_rdev_major", "stx_rdev_minor", "stx_dev_major", "stx_dev_minor")
    fields += [f"{word}={getattr(statx, word)}" for word in devices]
    if statx.stx_mask & files.STATX_MNT_ID:
        fields.append(f"stx_mnt_id={hexadecimal(statx.stx_mnt_id)}")
    return structure(fields)


_TYPES = {1: "FIFO", 2: "CHR", 4: "DIR", 6: "BLK", 8: "REG", 10: "LNK", 12: "SOCK", 14: "WHT"}


def entries(data: bytes, wide: bool) -> str:
    """Directory entries: `linux_dirent64` where `wide`, else `linux_dirent`, whose last byte is its type."""
    shown: list[str] = []
    head = "<QqH" if wide else "<IIH"
    size = calcsize(head)
    at = 0
    while at + size < len(data):
        inode, offset, length = unpack_from(head, data, at)
        if not size < length <= len(data) - at:
            break
        kind = data[at + size] if wide else data[at + length - 1]
        name_ = text.quote(text.cstring(data[at + size + wide : at + length]))
        type_ = f"d_type=DT_{_TYPES.get(kind, 'UNKNOWN')}"
        last = f"{type_}, d_name={name_}" if wide else f"d_name={name_}, {type_}"
        shown.append(f"{{d_ino={inode}, d_off={offset}, d_reclen={length}, {last}}}")
        at += length
    return array(shown)


_FILE_SYSTEMS = {
    files.EXT4_SUPER_MAGIC: "EXT2_SUPER_MAGIC",
    files.TMPFS_MAGIC: "TMPFS_MAGIC",
    files.RAMFS_MAGIC: "RAMFS_MAGIC",
    files.PROC_SUPER_MAGIC: "PROC_SUPER_MAGIC",
    files.SYSFS_MAGIC: "SYSFS_MAGIC",
    files.DEVPTS_SUPER_MAGIC: "DEVPTS_SUPER_MAGIC",
    files.PIPEFS_MAGIC: "PIPEFS_MAGIC",
    files.SOCKFS_MAGIC: "SOCKFS_MAGIC",
}
_ST_FLAGS = (
    *((1, "ST_RDONLY"), (2, "ST_NOSUID"), (4, "ST_NODEV"), (8, "ST_NOEXEC"), (16, "ST_SYNCHRONOUS")),
    *(
        (32, "ST_VALID"),
        (64, "ST_MANDLOCK"),
        (1024, "ST_NOATIME"),
        (2048, "ST_NODIRATIME"),
        (4096, "ST_RELATIME"),
    ),
    (8192, "ST_NOSYMFOLLOW"),
)


def _statfs_fields(stat: Statfs | Statfs64) -> str:
    kind = _FILE_SYSTEMS.get(stat.f_type, hexadecimal(stat.f_type))
    return structure(
        (
            f"f_type={kind}, f_bsize={stat.f_bsize}, f_blocks={stat.f_blocks}, f_bfree={stat.f_bfree}",
            f"f_bavail={stat.f_bavail}, f_files={stat.f_files}, f_ffree={stat.f_ffree}",
            f"f_fsid={{val=[{_fsid(stat.f_fsid_0)}, {_fsid(stat.f_fsid_1)}]}}, f_namelen={stat.f_namelen}",
            f"f_frsize={stat.f_frsize}, f_flags={text.flags_of(stat.f_flags, Flags(_ST_FLAGS))}",
        )
    )


def _fsid(value: int) -> str:
    return hexadecimal(value & 0xFFFFFFFF)


def _statfs(data: bytes) -> str:
    return _statfs_fields(Statfs.unpack(data))


def _statfs64(data: bytes) -> str:
    return _statfs_fields(Statfs64.unpack(data))


def _flock_fields(lock: Flock | Flock64, *, pid: bool) -> str:
    fields = [
        f"l_type={name(lock.l_type & 0xFFFF, 'lock_type')}",
        f"l_whence={name(lock.l_whence & 0xFFFF, 'whence')}",
        f"l_start={lock.l_start}",
        f"l_len={lock.l_len}",
    ]
    return structure([*fields, f"l_pid={lock.l_pid}"] if pid else fields)


def _f_owner(data: bytes) -> str:
    kind, pid = unpack_from("<Ii", data)
    return f"{{type={name(kind, 'owner')}, pid={pid}}}"


def flock(data: bytes, *, pid: bool) -> str:
    """`struct flock` or `flock64`, by its size; the pid is shown only where the kernel wrote it."""
    return _flock_fields(Flock.unpack(data) if len(data) == Flock.SIZE else Flock64.unpack(data), pid=pid)


def _clone_range(data: bytes) -> str:
    source, offset, length, target = unpack_from("<qQQQ", data)
    fields = [f"src_fd={descriptor(source)}", f"src_offset={offset}", f"src_length={length}"]
    return structure([*fields, f"dest_offset={target}"])


def handle_body(data: bytes) -> str:
    """A file handle behind its size: its type and the bytes that only the file system understands."""
    size, kind = unpack_from("<Ii", data)
    body = data[8:]
    known = text.quote_hex(body, more=size > len(body)) if len(body) == min(size, 128) else "???"
    return f"handle_type={kind}, f_handle={known}"


def _old_dirent(data: bytes) -> str:
    """`readdir`'s entry; its length is its name's."""
    inode, offset, length = unpack_from("<IIH", data)
    return structure(
        (f"d_ino={inode}", f"d_off={offset}", f"d_reclen={length}", f"d_name={text.quote(data[10:])}")
    )


def pollfd(data: bytes) -> str:
    poll = Pollfd.unpack(data)
    if signed(poll.fd) < 0:
        return structure((f"fd={poll.fd}",))
    return structure((f"fd={descriptor(poll.fd)}", f"events={flags(poll.events, 'poll')}"))


def pollfd_ready(data: bytes) -> str:
    """What `poll` found: only the descriptor and what happened on it."""
    poll = Pollfd.unpack(data)
    return structure((f"fd={descriptor(poll.fd)}", f"revents={flags(poll.revents, 'poll')}"))


def epoll_event(data: bytes) -> str:
    event = EpollEvent.unpack(data)
    low, high = event.data & 0xFFFFFFFF, event.data
    return structure((f"events={flags(event.events, 'epoll')}", f"data={{u32={low}, u64={high}}}"))


def descriptors(data: bytes, total: int) -> list[int]:
    """The members of an `fd_set` below `total`."""
    bits = int.from_bytes(data, "little")
    return [fd for fd in range(min(total, len(data) * 8)) if bits >> fd & 1]


def _fd_set(data: bytes) -> str:
    return "[" + " ".join(str(fd) for fd in descriptors(data, len(data) * 8)) + "]"


def _open_how(data: bytes) -> str:
    how = OpenHow.unpack(data)
    fields = [f"flags={open_flags(how.flags)}"]
    if how.mode or how.flags & (files.O_CREAT | files.__dict__["__O_TMPFILE"]):
        fields.append(f"mode={text.mode(how.mode)}")
    return structure([*fields, f"resolve={flags(how.resolve, 'resolve')}"])


def open_how_behind(data: bytes, size: int) -> str:
    """What a structure of `size` bytes has behind the fields that are known, unless it is all zero."""
    more = data[OpenHow.SIZE :]
    if size <= OpenHow.SIZE:
        return ""
    if not more:
        return ", ???"
    last = OpenHow.SIZE + len(more) - 1
    return f", /* bytes {OpenHow.SIZE}..{last} */ {text.quote_hex(more)}" if any(more) else ""


_ACCESS_MODES = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")


def open_flags(value: int) -> str:
    """The access mode, which is a number of two bits, and the flags behind it."""
    rest = value & ~files.O_ACCMODE
    mode = _ACCESS_MODES[value & files.O_ACCMODE]
    return f"{mode}|{flags(rest, 'open')}" if rest else mode


def _residency(data: bytes) -> str:
    """One byte per page: whether it is in memory."""
    return array([str(page & 1) for page in data[: text.elements()]], more=len(data) > text.elements())


def _cpu_set(data: bytes) -> str:
    return _fd_set(data)


STRUCTS: dict[str, Callable[[bytes], str]] = {
    "stat": _stat,
    "oldstat": _old_stat,
    "stat64": _stat64,
    "statx": _statx,
    "statfs": _statfs,
    "statfs64": _statfs64,
    "fd_set": _fd_set,
    "open_how": _open_how,
    "old_dirent": _old_dirent,
    "file_clone_range": _clone_range,
    "epoll_event": epoll_event,
    "f_owner_ex": _f_owner,
    "residency": _residency,
    "cpu_set": _cpu_set,
}
"""Text of each structure by its name in the table."""
