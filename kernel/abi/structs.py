"""Structures that cross the border between program and kernel, in i386 layout.

Each class is one C structure: its fields in order, `FORMAT` with one `struct` code per field (codes ending in
`x` are padding), `pack()` and `unpack()`. Fields are plain numbers or bytes; nothing here knows what they
mean. Layouts: uapi headers as named at each class, i386 alignment (8-byte numbers lie on 4-byte borders).
`SIZES` gives the size of every structure by the name that `kernel/table_rows.py` uses.

What a signal puts on the stack is in `kernel/abi/sigframe.py`.
"""

from __future__ import annotations

import re
from struct import Struct, calcsize
from typing import Any, ClassVar, Self

import msgspec


class CStruct(msgspec.Struct, frozen=True):
    """Base of the codecs: bytes in little-endian i386 layout, and back."""

    FORMAT: ClassVar[str] = ""
    LAYOUT: ClassVar[Struct] = Struct("")
    SIZE: ClassVar[int] = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.LAYOUT = Struct("<" + cls.FORMAT)
        cls.SIZE = cls.LAYOUT.size

    def pack(self) -> bytes:
        """`SIZE` bytes. A number that does not fit its field raises `struct.error`."""
        return self.LAYOUT.pack(*msgspec.structs.astuple(self))

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Self:
        """From `SIZE` bytes at `offset`; fewer raise `struct.error`."""
        return cls(*cls.LAYOUT.unpack_from(data, offset))

    @classmethod
    def offsets(cls) -> dict[str, int]:
        """Offset of each field in bytes, as C's `offsetof` gives it."""
        found: dict[str, int] = {}
        names = iter(cls.__struct_fields__)
        position = 0
        for code in re.findall(r"\d*[a-zA-Z?]", cls.FORMAT):
            if not code.endswith("x"):
                found[next(names)] = position
            position += calcsize("<" + code)
        return found


# --- files ---


class Stat(CStruct, frozen=True):
    """`struct stat` of asm/stat.h: what `stat`, `lstat`, `fstat` fill in (64 bytes)."""

    FORMAT = "I I H H H H I I I I I I I I I I 8x"
    st_dev: int = 0
    st_ino: int = 0
    st_mode: int = 0
    st_nlink: int = 0
    st_uid: int = 0
    st_gid: int = 0
    st_rdev: int = 0
    st_size: int = 0
    st_blksize: int = 4096
    st_blocks: int = 0
    st_atime: int = 0
    st_atime_nsec: int = 0
    st_mtime: int = 0
    st_mtime_nsec: int = 0
    st_ctime: int = 0
    st_ctime_nsec: int = 0


class OldStat(CStruct, frozen=True):
    """`struct __old_kernel_stat` of asm/stat.h: what `oldstat`, `oldlstat`, `oldfstat` fill in (32 bytes)."""

    FORMAT = "H H H H H H H 2x I I I I"
    st_dev: int = 0
    st_ino: int = 0
    st_mode: int = 0
    st_nlink: int = 0
    st_uid: int = 0
    st_gid: int = 0
    st_rdev: int = 0
    st_size: int = 0
    st_atime: int = 0
    st_mtime: int = 0
    st_ctime: int = 0


class Stat64(CStruct, frozen=True):
    """`struct stat64` of asm/stat.h (96 bytes). `st_ino_low` is C's `__st_ino`."""

    FORMAT = "Q 4x I I I I I Q 4x q I Q I I I I I I Q"
    st_dev: int = 0
    st_ino_low: int = 0
    st_mode: int = 0
    st_nlink: int = 0
    st_uid: int = 0
    st_gid: int = 0
    st_rdev: int = 0
    st_size: int = 0
    st_blksize: int = 4096
    st_blocks: int = 0
    st_atime: int = 0
    st_atime_nsec: int = 0
    st_mtime: int = 0
    st_mtime_nsec: int = 0
    st_ctime: int = 0
    st_ctime_nsec: int = 0
    st_ino: int = 0


class Statx(CStruct, frozen=True):
    """`struct statx` of linux/stat.h (256 bytes); each `struct statx_timestamp` as its seconds and
    nanoseconds."""

    FORMAT = "I I Q I I I H 2x Q Q Q Q q I 4x q I 4x q I 4x q I 4x I I I I Q I I 96x"
    stx_mask: int = 0
    stx_blksize: int = 4096
    stx_attributes: int = 0
    stx_nlink: int = 0
    stx_uid: int = 0
    stx_gid: int = 0
    stx_mode: int = 0
    stx_ino: int = 0
    stx_size: int = 0
    stx_blocks: int = 0
    stx_attributes_mask: int = 0
    stx_atime_sec: int = 0
    stx_atime_nsec: int = 0
    stx_btime_sec: int = 0
    stx_btime_nsec: int = 0
    stx_ctime_sec: int = 0
    stx_ctime_nsec: int = 0
    stx_mtime_sec: int = 0
    stx_mtime_nsec: int = 0
    stx_rdev_major: int = 0
    stx_rdev_minor: int = 0
    stx_dev_major: int = 0
    stx_dev_minor: int = 0
    stx_mnt_id: int = 0
    stx_dio_mem_align: int = 0
    stx_dio_offset_align: int = 0


class Statfs(CStruct, frozen=True):
    """`struct statfs` of asm-generic/statfs.h (64 bytes)."""

    FORMAT = "I I I I I I I i i I I I 16x"
    f_type: int = 0
    f_bsize: int = 4096
    f_blocks: int = 0
    f_bfree: int = 0
    f_bavail: int = 0
    f_files: int = 0
    f_ffree: int = 0
    f_fsid_0: int = 0
    f_fsid_1: int = 0
    f_namelen: int = 255
    f_frsize: int = 4096
    f_flags: int = 0


class Statfs64(CStruct, frozen=True):
    """`struct statfs64` of asm-generic/statfs.h (84 bytes)."""

    FORMAT = "I I Q Q Q Q Q i i I I I 16x"
    f_type: int = 0
    f_bsize: int = 4096
    f_blocks: int = 0
    f_bfree: int = 0
    f_bavail: int = 0
    f_files: int = 0
    f_ffree: int = 0
    f_fsid_0: int = 0
    f_fsid_1: int = 0
    f_namelen: int = 255
    f_frsize: int = 4096
    f_flags: int = 0


class Flock(CStruct, frozen=True):
    """`struct flock` of asm-generic/fcntl.h, for F_GETLK, F_SETLK, F_SETLKW."""

    FORMAT = "h h i i i"
    l_type: int = 0
    l_whence: int = 0
    l_start: int = 0
    l_len: int = 0
    l_pid: int = 0


class Flock64(CStruct, frozen=True):
    """`struct flock64` of asm-generic/fcntl.h, for F_GETLK64 and so on."""

    FORMAT = "h h q q i"
    l_type: int = 0
    l_whence: int = 0
    l_start: int = 0
    l_len: int = 0
    l_pid: int = 0


class Iovec(CStruct, frozen=True):
    """`struct iovec` of linux/uio.h."""

    FORMAT = "I I"
    iov_base: int = 0
    iov_len: int = 0


class Pollfd(CStruct, frozen=True):
    """`struct pollfd` of asm-generic/poll.h."""

    FORMAT = "i H H"
    fd: int = 0
    events: int = 0
    revents: int = 0


class EpollEvent(CStruct, frozen=True):
    """`struct epoll_event` of linux/eventpoll.h (12 bytes on i386)."""

    FORMAT = "I Q"
    events: int = 0
    data: int = 0


class SelectArgs(CStruct, frozen=True):
    """`struct sel_arg_struct` of fs/select.c: the argument block of the old `select`."""

    FORMAT = "I I I I I"
    n: int = 0
    inp: int = 0
    outp: int = 0
    exp: int = 0
    tvp: int = 0


class OpenHow(CStruct, frozen=True):
    """`struct open_how` of linux/openat2.h."""

    FORMAT = "Q Q Q"
    flags: int = 0
    mode: int = 0
    resolve: int = 0


def pack_dirent64(ino: int, offset: int, d_type: int, name: bytes) -> bytes:
    """One `struct linux_dirent64` (linux/dirent.h): padded with NULs to a multiple of 8; `offset` is the
    next's."""
    length = (19 + len(name) + 1 + 7) & ~7
    return _DIRENT64.pack(ino, offset, length, d_type) + name.ljust(length - 19, b"\0")


def unpack_dirents64(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """(inode, offset, type, name) of each whole `struct linux_dirent64` in `data`."""
    found: list[tuple[int, int, int, bytes]] = []
    position = 0
    while position + 19 <= len(data):
        ino, offset, length, d_type = _DIRENT64.unpack_from(data, position)
        if length < 20 or position + length > len(data):
            break
        name = data[position + 19 : position + length].partition(b"\0")[0]
        found.append((ino, offset, d_type, name))
        position += length
    return found


def pack_dirent(ino: int, offset: int, d_type: int, name: bytes) -> bytes:
    """One `struct linux_dirent` (fs/readdir.c, `man 2 getdents`): a multiple of 4, the type in the last
    byte."""
    length = (10 + len(name) + 2 + 3) & ~3
    return _DIRENT.pack(ino, offset, length) + name.ljust(length - 11, b"\0") + bytes((d_type,))


_DIRENT64 = Struct("<QqHB")
_DIRENT = Struct("<IIH")


# --- time ---


class Timeval(CStruct, frozen=True):
    """`struct __kernel_old_timeval` of linux/time_types.h."""

    FORMAT = "i i"
    tv_sec: int = 0
    tv_usec: int = 0


class Timespec(CStruct, frozen=True):
    """`struct old_timespec32`: what calls without 64 in their names use."""

    FORMAT = "i i"
    tv_sec: int = 0
    tv_nsec: int = 0


class Timespec64(CStruct, frozen=True):
    """`struct __kernel_timespec` of linux/time_types.h.

    The upper half of `tv_nsec` is padding that 32-bit programs need not clear: mask it when reading from one.
    """

    FORMAT = "q q"
    tv_sec: int = 0
    tv_nsec: int = 0


class Timezone(CStruct, frozen=True):
    """`struct timezone` of linux/time.h."""

    FORMAT = "i i"
    tz_minuteswest: int = 0
    tz_dsttime: int = 0


class Itimerval(CStruct, frozen=True):
    """`struct itimerval` of linux/time.h: two `timeval`s."""

    FORMAT = "i i i i"
    interval_sec: int = 0
    interval_usec: int = 0
    value_sec: int = 0
    value_usec: int = 0


class Itimerspec(CStruct, frozen=True):
    """`struct old_itimerspec32`: two `timespec`s."""

    FORMAT = "i i i i"
    interval_sec: int = 0
    interval_nsec: int = 0
    value_sec: int = 0
    value_nsec: int = 0


class Itimerspec64(CStruct, frozen=True):
    """`struct __kernel_itimerspec` of linux/time_types.h."""

    FORMAT = "q q q q"
    interval_sec: int = 0
    interval_nsec: int = 0
    value_sec: int = 0
    value_nsec: int = 0


class Tms(CStruct, frozen=True):
    """`struct tms` of linux/times.h, in 1/100 seconds."""

    FORMAT = "i i i i"
    tms_utime: int = 0
    tms_stime: int = 0
    tms_cutime: int = 0
    tms_cstime: int = 0


# --- processes and the system ---


class Rlimit(CStruct, frozen=True):
    """`struct rlimit` of linux/resource.h, 32-bit."""

    FORMAT = "I I"
    rlim_cur: int = 0
    rlim_max: int = 0


class Rlimit64(CStruct, frozen=True):
    """`struct rlimit64` of linux/resource.h."""

    FORMAT = "Q Q"
    rlim_cur: int = 0
    rlim_max: int = 0


class Rusage(CStruct, frozen=True):
    """`struct rusage` of linux/resource.h (72 bytes)."""

    FORMAT = "i i i i i i i i i i i i i i i i i i"
    utime_sec: int = 0
    utime_usec: int = 0
    stime_sec: int = 0
    stime_usec: int = 0
    ru_maxrss: int = 0
    ru_ixrss: int = 0
    ru_idrss: int = 0
    ru_isrss: int = 0
    ru_minflt: int = 0
    ru_majflt: int = 0
    ru_nswap: int = 0
    ru_inblock: int = 0
    ru_oublock: int = 0
    ru_msgsnd: int = 0
    ru_msgrcv: int = 0
    ru_nsignals: int = 0
    ru_nvcsw: int = 0
    ru_nivcsw: int = 0


class Utsname(CStruct, frozen=True):
    """`struct new_utsname` of linux/utsname.h: six fields of 65 bytes, NUL-padded."""

    FORMAT = "65s 65s 65s 65s 65s 65s"
    sysname: bytes = b""
    nodename: bytes = b""
    release: bytes = b""
    version: bytes = b""
    machine: bytes = b""
    domainname: bytes = b""


class Sysinfo(CStruct, frozen=True):
    """`struct sysinfo` of linux/sysinfo.h (64 bytes)."""

    FORMAT = "i I I I I I I I I I H 2x I I I 8x"
    uptime: int = 0
    loads_1: int = 0
    loads_5: int = 0
    loads_15: int = 0
    totalram: int = 0
    freeram: int = 0
    sharedram: int = 0
    bufferram: int = 0
    totalswap: int = 0
    freeswap: int = 0
    procs: int = 0
    totalhigh: int = 0
    freehigh: int = 0
    mem_unit: int = 1


class UserDesc(CStruct, frozen=True):
    """`struct user_desc` of asm/ldt.h (16 bytes); `flags` is its bit field, bit by bit below."""

    FORMAT = "I I I I"
    entry_number: int = 0
    base_addr: int = 0
    limit: int = 0
    flags: int = 0

    @property
    def seg_32bit(self) -> int:
        return self.flags & 1

    @property
    def contents(self) -> int:
        """0 data, 1 stack, 2 code, 3 conforming code."""
        return self.flags >> 1 & 3

    @property
    def read_exec_only(self) -> int:
        return self.flags >> 3 & 1

    @property
    def limit_in_pages(self) -> int:
        return self.flags >> 4 & 1

    @property
    def seg_not_present(self) -> int:
        return self.flags >> 5 & 1

    @property
    def useable(self) -> int:
        return self.flags >> 6 & 1


class MmapArgs(CStruct, frozen=True):
    """`struct mmap_arg_struct32`: the argument block of the old `mmap`, its offset in bytes."""

    FORMAT = "I I I I I I"
    addr: int = 0
    len: int = 0
    prot: int = 0
    flags: int = 0
    fd: int = 0
    offset: int = 0


class CloneArgs(CStruct, frozen=True):
    """`struct clone_args` of linux/sched.h (88 bytes; older programs give 64 or 80)."""

    FORMAT = "Q Q Q Q Q Q Q Q Q Q Q"
    flags: int = 0
    pidfd: int = 0
    child_tid: int = 0
    parent_tid: int = 0
    exit_signal: int = 0
    stack: int = 0
    stack_size: int = 0
    tls: int = 0
    set_tid: int = 0
    set_tid_size: int = 0
    cgroup: int = 0


# --- terminals ---


class Termios(CStruct, frozen=True):
    """The kernel's `struct termios` of asm-generic/termbits.h (36 bytes; a C library's own is larger)."""

    FORMAT = "I I I I B 19s"
    c_iflag: int = 0
    c_oflag: int = 0
    c_cflag: int = 0
    c_lflag: int = 0
    c_line: int = 0
    c_cc: bytes = bytes(19)


class Winsize(CStruct, frozen=True):
    """`struct winsize` of asm-generic/termios.h."""

    FORMAT = "H H H H"
    ws_row: int = 0
    ws_col: int = 0
    ws_xpixel: int = 0
    ws_ypixel: int = 0


# --- signals ---


class Sigaction(CStruct, frozen=True):
    """The kernel's `struct sigaction` of asm/signal.h, for `rt_sigaction` (20 bytes)."""

    FORMAT = "I I I Q"
    sa_handler: int = 0
    sa_flags: int = 0
    sa_restorer: int = 0
    sa_mask: int = 0


class OldSigaction(CStruct, frozen=True):
    """`struct old_sigaction` of asm/signal.h, for `sigaction` (16 bytes): another order, 32 signals."""

    FORMAT = "I I I I"
    sa_handler: int = 0
    sa_mask: int = 0
    sa_flags: int = 0
    sa_restorer: int = 0


class StackT(CStruct, frozen=True):
    """`stack_t` of asm/signal.h, for `sigaltstack`."""

    FORMAT = "I i I"
    ss_sp: int = 0
    ss_flags: int = 0
    ss_size: int = 0


class SignalfdSiginfo(CStruct, frozen=True):
    """`struct signalfd_siginfo` of linux/signalfd.h (128 bytes)."""

    FORMAT = "I i i I I i I I I I i i Q Q Q Q 48x"
    ssi_signo: int = 0
    ssi_errno: int = 0
    ssi_code: int = 0
    ssi_pid: int = 0
    ssi_uid: int = 0
    ssi_fd: int = 0
    ssi_tid: int = 0
    ssi_band: int = 0
    ssi_overrun: int = 0
    ssi_trapno: int = 0
    ssi_status: int = 0
    ssi_int: int = 0
    ssi_ptr: int = 0
    ssi_utime: int = 0
    ssi_stime: int = 0
    ssi_addr: int = 0


# fmt: off
SIZES: dict[str, int] = {
    "stat": Stat.SIZE, "oldstat": OldStat.SIZE, "stat64": Stat64.SIZE, "statx": Statx.SIZE,
    "statfs": Statfs.SIZE, "statfs64": Statfs64.SIZE, "iovec": Iovec.SIZE, "pollfd": Pollfd.SIZE,
    "epoll_event": EpollEvent.SIZE, "open_how": OpenHow.SIZE, "fd_set": 128, "fdpair": 8, "off_t": 4,
    "loff_t": 8, "utimbuf": 8, "timeval": Timeval.SIZE, "timespec": Timespec.SIZE,
    "timespec64": Timespec64.SIZE, "time_t": 4, "timezone": Timezone.SIZE, "timevals": 16, "utimespecs": 16,
    "utimespecs64": 32, "tms": Tms.SIZE, "itimerval": Itimerval.SIZE, "itimerspec": 16, "itimerspec64": 32,
    "rlimit": Rlimit.SIZE, "rlimit64": Rlimit64.SIZE, "rusage": Rusage.SIZE, "utsname": Utsname.SIZE,
    "olduname": 5 * 65, "sysinfo": Sysinfo.SIZE, "user_desc": UserDesc.SIZE, "clone_args": CloneArgs.SIZE,
    "sched_param": 4, "sigevent": 64, "cpu_set": 128, "residency": 1, "cap_header": 8, "cap_data": 24,
    "wstatus": 4, "int": 4, "uint": 4, "addr": 4, "uid16": 2, "gid16": 2, "uid32": 4, "gid32": 4,
    "mmap": MmapArgs.SIZE, "select": SelectArgs.SIZE, "sigaction": Sigaction.SIZE,
    "old_sigaction": OldSigaction.SIZE, "stack_t": StackT.SIZE, "sigset": 8, "old_sigset": 4,
    "sigset_argpack": 8, "siginfo": 128, "mq_attr": 32, "msghdr": 28, "mmsghdr": 32, "sembuf": 6, "msgbuf": 4,
    "sockaddr": 128, "dirents": 1, "dirents64": 1, "flock": Flock.SIZE, "flock64": Flock64.SIZE,
    "sched_attr": 56, "file_handle": 8, "file_handle_room": 8, "old_dirent": 10, "futex_waitv": 24,
    "timex": 128, "timex64": 208, "kcmp_epoll_slot": 12, "pending_set": 8, "sock_fprog": 8,
    "seccomp_notif_sizes": 6, "seccomp_arg": 8, "optval": 1,
    "termios": Termios.SIZE, "winsize": Winsize.SIZE, "signalfd_siginfo": SignalfdSiginfo.SIZE,
}
# fmt: on
"""Bytes of each structure by the name it has in the table; for arrays, of one element (`msgbuf`: without
text)."""
