"""Structures as strace shows them: `{st_mode=S_IFREG|0644, st_size=12, ...}`. One function for each, by its
name.

`STRUCTS` has a function from bytes to text for every structure of the system call table that stands alone,
`ITEMS` for those that come in arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import unpack_from

from app.strace import text
from app.strace.names import Flags
from app.strace.text import address, array, flags, hexadecimal, name, signed, structure
from kernel.abi import files, process, tty
from kernel.abi.sigframe import Siginfo
from kernel.abi.signal import SI_KERNEL
from kernel.abi.structs import (
    CloneArgs,
    EpollEvent,
    Flock,
    Flock64,
    OldSigaction,
    OldStat,
    OpenHow,
    Pollfd,
    Rusage,
    Sigaction,
    StackT,
    Stat,
    Stat64,
    Statfs,
    Statfs64,
    Statx,
    Sysinfo,
    Termios,
    Tms,
    UserDesc,
    Utsname,
    Winsize,
)
from kernel.capture import SHOWN

_DEVICES = (files.S_IFCHR, files.S_IFBLK)


# --- numbers ---


def _words(data: bytes) -> Iterator[int]:
    for at in range(0, len(data) - 3, 4):
        yield unpack_from("<I", data, at)[0]


def _boxed_int(data: bytes) -> str:
    return f"[{unpack_from('<i', data)[0]}]"


def _boxed_uint(data: bytes) -> str:
    return f"[{unpack_from('<I', data)[0]}]"


def _boxed_address(data: bytes) -> str:
    return f"[{address(unpack_from('<I', data)[0])}]"


def _uid(value: int) -> str:
    return "-1" if value == 0xFFFFFFFF else str(value)


def uid16(value: int) -> str:
    return "-1" if value & 0xFFFF == 0xFFFF else str(value & 0xFFFF)


# --- files ---


def _stat_fields(mode: int, rdev: int, size: int) -> str:
    """What strace shows of a `stat` unless it is told to show all."""
    if mode & files.S_IFMT in _DEVICES:
        more = f"st_rdev={text.device(rdev)}"
    else:
        more = f"st_size={size}"
    return structure((f"st_mode={text.file_mode(mode)}", more), more=True)


def _stat(data: bytes) -> str:
    stat = Stat.unpack(data)
    return _stat_fields(stat.st_mode, stat.st_rdev, stat.st_size)


def _old_stat(data: bytes) -> str:
    stat = OldStat.unpack(data)
    return _stat_fields(stat.st_mode, stat.st_rdev, stat.st_size)


def _stat64(data: bytes) -> str:
    stat = Stat64.unpack(data)
    return _stat_fields(stat.st_mode, stat.st_rdev, stat.st_size)


def _statx(data: bytes) -> str:
    statx = Statx.unpack(data)
    return structure(
        (
            f"stx_mask={flags(statx.stx_mask, 'statx')}",
            f"stx_attributes={flags(statx.stx_attributes, 'statx_attributes')}",
            f"stx_mode={text.file_mode(statx.stx_mode)}",
            f"stx_size={statx.stx_size}",
        ),
        more=True,
    )


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


def _pollfd(data: bytes) -> str:
    poll = Pollfd.unpack(data)
    if signed(poll.fd) < 0:
        return structure((f"fd={poll.fd}",))
    return structure((f"fd={poll.fd}", f"events={flags(poll.events, 'poll')}"))


def pollfd_ready(data: bytes) -> str:
    """What `poll` found: only the descriptor and what happened on it."""
    poll = Pollfd.unpack(data)
    return structure((f"fd={poll.fd}", f"revents={flags(poll.revents, 'poll')}"))


def _epoll_event(data: bytes) -> str:
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


_ACCESS_MODES = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")


def open_flags(value: int) -> str:
    """The access mode, which is a number of two bits, and the flags behind it."""
    rest = value & ~files.O_ACCMODE
    mode = _ACCESS_MODES[value & files.O_ACCMODE]
    return f"{mode}|{flags(rest, 'open')}" if rest else mode


# --- time ---


def _time(format_: str, fraction: str) -> Callable[[bytes], str]:
    def show(data: bytes) -> str:
        seconds, part = unpack_from(format_, data)
        return f"{{tv_sec={seconds}, {fraction}={part}}}"

    return show


_timeval = _time("<ii", "tv_usec")
_timespec = _time("<ii", "tv_nsec")
_timespec64 = _time("<qq", "tv_nsec")


def _utime_part(show: Callable[[bytes], str], format_: str) -> Callable[[bytes], str]:
    """A time for a file: `UTIME_NOW` and `UTIME_OMIT` stand in the place of nanoseconds."""

    def part(data: bytes) -> str:
        seconds, nanoseconds = unpack_from(format_, data)
        special = {0x3FFFFFFF: "UTIME_NOW", 0x3FFFFFFE: "UTIME_OMIT"}.get(nanoseconds)
        if special is not None:
            return special
        dated = text.date(seconds, nanoseconds) if 0 <= nanoseconds < 10**9 else ""
        return f"{show(data)} /* {dated} */" if dated else show(data)

    return part


def _two(show: Callable[[bytes], str]) -> Callable[[bytes], str]:
    def pair(data: bytes) -> str:
        half = len(data) // 2
        return f"[{show(data[:half])}, {show(data[half:])}]"

    return pair


def _interval(show: Callable[[bytes], str]) -> Callable[[bytes], str]:
    def pair(data: bytes) -> str:
        half = len(data) // 2
        return f"{{it_interval={show(data[:half])}, it_value={show(data[half:])}}}"

    return pair


def _timezone(data: bytes) -> str:
    minutes, dst = unpack_from("<ii", data)
    return f"{{tz_minuteswest={minutes}, tz_dsttime={dst}}}"


def _time_t(data: bytes) -> str:
    seconds = unpack_from("<i", data)[0]
    return f"[{seconds} /* {text.date(seconds)} */]"


def _utimbuf(data: bytes) -> str:
    times = unpack_from("<ii", data)
    return structure(
        [f"{word}={when}" for word, when in zip(("actime", "modtime"), map(_dated, times), strict=True)]
    )


def _dated(seconds: int) -> str:
    return f"{seconds} /* {text.date(seconds)} */" if seconds else "0"


def _tms(data: bytes) -> str:
    tms = Tms.unpack(data)
    return structure([f"{word}={getattr(tms, word)}" for word in Tms.__struct_fields__])


# --- processes and the system ---


def _rlimit(data: bytes) -> str:
    return _rlimits(unpack_from("<II", data), process.RLIM_INFINITY, "RLIM_INFINITY")


def _rlimit64(data: bytes) -> str:
    return _rlimits(unpack_from("<QQ", data), process.RLIM64_INFINITY, "RLIM64_INFINITY")


def _rlimits(values: tuple[int, ...], infinity: int, word: str) -> str:
    current, maximum = (text.size_of_limit(value, infinity, word) for value in values)
    return f"{{rlim_cur={current}, rlim_max={maximum}}}"


def _rusage(data: bytes) -> str:
    usage = Rusage.unpack(data)
    user = f"{{tv_sec={usage.utime_sec}, tv_usec={usage.utime_usec}}}"
    system = f"{{tv_sec={usage.stime_sec}, tv_usec={usage.stime_usec}}}"
    return structure((f"ru_utime={user}", f"ru_stime={system}"), more=True)


def _utsname(data: bytes) -> str:
    uts = Utsname.unpack(data)
    names = (("sysname", uts.sysname), ("nodename", uts.nodename))
    return structure([f"{word}={text.quote(text.cstring(value))}" for word, value in names], more=True)


def _sysinfo(data: bytes) -> str:
    info = Sysinfo.unpack(data)
    fields = [
        f"uptime={info.uptime}",
        f"loads=[{info.loads_1}, {info.loads_5}, {info.loads_15}]",
        *(f"{word}={getattr(info, word)}" for word in Sysinfo.__struct_fields__[4:]),
    ]
    return structure(fields)


def _padded(value: int) -> str:
    """C's `%#08x`, which gives 0 no prefix."""
    return f"{value:#08x}" if value else "00000000"


def user_desc(data: bytes) -> str:
    """`struct user_desc` with its bit field taken apart."""
    desc = UserDesc.unpack(data)
    return structure(
        (
            f"entry_number={signed(desc.entry_number)}",
            f"base_addr={_padded(desc.base_addr)}",
            f"limit={_padded(desc.limit)}",
            f"seg_32bit={desc.seg_32bit}",
            f"contents={desc.contents}",
            f"read_exec_only={desc.read_exec_only}",
            f"limit_in_pages={desc.limit_in_pages}",
            f"seg_not_present={desc.seg_not_present}",
            f"useable={desc.useable}",
        )
    )


def clone_args(data: bytes) -> str:
    """`struct clone_args` and perhaps the TLS descriptor that it points to, as captured.

    Fields that the flags don't ask for are left out unless they are set.
    """
    args = CloneArgs.unpack(data)
    fields = [f"flags={flags(args.flags, 'clone3')}"]
    pointers = (
        ("pidfd", args.pidfd, process.CLONE_PIDFD),
        ("child_tid", args.child_tid, process.CLONE_CHILD_SETTID | process.CLONE_CHILD_CLEARTID),
        ("parent_tid", args.parent_tid, process.CLONE_PARENT_SETTID),
    )
    fields += [f"{word}={address(value)}" for word, value, wanted in pointers if args.flags & wanted]
    fields.append(f"exit_signal={text.signal_of(args.exit_signal)}")
    fields.append(f"stack={address(args.stack)}")
    fields.append(f"stack_size={hexadecimal(args.stack_size)}")
    if args.flags & process.CLONE_SETTLS:
        descriptor = data[CloneArgs.SIZE :]
        fields.append(f"tls={user_desc(descriptor) if descriptor else address(args.tls)}")
    if args.set_tid or args.set_tid_size:
        fields += [f"set_tid={address(args.set_tid)}", f"set_tid_size={args.set_tid_size}"]
    if args.flags & process.CLONE_INTO_CGROUP or args.cgroup:
        fields.append(f"cgroup={args.cgroup}")
    return structure(fields)


def wait_status(status: int) -> str:
    """`{WIFEXITED(s) && WEXITSTATUS(s) == 3}` (`man 2 wait`)."""
    low = status & 0x7F
    if status == 0xFFFF:
        return "{WIFCONTINUED(s)}"
    if low == 0x7F:
        stopped = status >> 8 & 0xFF
        if stopped & 0x80:
            return f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {text.signal_of(stopped & 0x7F)} | 0x80}}"
        return f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {text.signal_of(stopped)}}}"
    if low:
        core = " && WCOREDUMP(s)" if status & 0x80 else ""
        return f"{{WIFSIGNALED(s) && WTERMSIG(s) == {text.signal_of(low)}{core}}}"
    return f"{{WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}}}"


def _wstatus(data: bytes) -> str:
    return f"[{wait_status(unpack_from('<I', data)[0])}]"


def _sched_param(data: bytes) -> str:
    return _boxed_int(data)


def _fdpair(data: bytes) -> str:
    return "[{}, {}]".format(*unpack_from("<ii", data))


# --- signals ---


def handler(value: int) -> str:
    """SIG_DFL, SIG_IGN, SIG_ERR or where the function is."""
    return {0: "SIG_DFL", 1: "SIG_IGN", 0xFFFFFFFF: "SIG_ERR"}.get(value & 0xFFFFFFFF) or f"{value:#x}"


def _sigaction_fields(action: Sigaction | OldSigaction, mask_size: int) -> str:
    fields = [
        f"sa_handler={handler(action.sa_handler)}",
        f"sa_mask={text.signal_set(action.sa_mask, mask_size)}",
        f"sa_flags={flags(action.sa_flags, 'sigaction')}",
    ]
    if action.sa_flags & 0x04000000:
        fields.append(f"sa_restorer={address(action.sa_restorer)}")
    return structure(fields)


def _sigaction(data: bytes) -> str:
    return _sigaction_fields(Sigaction.unpack(data), 8)


def _old_sigaction(data: bytes) -> str:
    return _sigaction_fields(OldSigaction.unpack(data), 4)


def sigset(data: bytes) -> str:
    """4 or 8 bytes of signals."""
    return text.signal_set(int.from_bytes(data, "little"), len(data))


def _old_sigset(data: bytes) -> str:
    return sigset(data)


def _sigset_argpack(data: bytes) -> str:
    """`pselect6`'s last argument: where the set is and how large; the set itself was captured behind it."""
    where, size = unpack_from("<II", data)
    mask = sigset(data[8:16]) if len(data) >= 16 and size == 8 else address(where)
    return f"{{sigmask={mask}, sigsetsize={size}}}"


def _stack_t(data: bytes) -> str:
    stack = StackT.unpack(data)
    where = f"ss_sp={address(stack.ss_sp)}"
    return structure(
        (where, f"ss_flags={flags(stack.ss_flags & 0xFFFFFFFF, 'sigaltstack')}", f"ss_size={stack.ss_size}")
    )


_CODES: dict[int, dict[int, str]] = {
    4: dict(
        enumerate(
            [
                "ILL_ILLOPC",
                "ILL_ILLOPN",
                "ILL_ILLADR",
                "ILL_ILLTRP",
                "ILL_PRVOPC",
                "ILL_PRVREG",
                "ILL_COPROC",
                "ILL_BADSTK",
                "ILL_BADIADDR",
            ],
            1,
        )
    ),
    5: dict(
        enumerate(["TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT", "TRAP_UNK", "TRAP_PERF"], 1)
    ),
    7: dict(enumerate(["BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"], 1)),
    8: dict(
        enumerate(
            [
                "FPE_INTDIV",
                "FPE_INTOVF",
                "FPE_FLTDIV",
                "FPE_FLTOVF",
                "FPE_FLTUND",
                "FPE_FLTRES",
                "FPE_FLTINV",
                "FPE_FLTSUB",
            ],
            1,
        )
    ),
    11: dict(enumerate(["SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR"], 1)),
    17: dict(
        enumerate(
            ["CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"], 1
        )
    ),
    29: dict(enumerate(["POLL_IN", "POLL_OUT", "POLL_MSG", "POLL_ERR", "POLL_PRI", "POLL_HUP"], 1)),
    31: {1: "SYS_SECCOMP", 2: "SYS_USER_DISPATCH"},
}
_SENDERS = {
    0: "SI_USER",
    SI_KERNEL: "SI_KERNEL",
    -1: "SI_QUEUE",
    -2: "SI_TIMER",
    -3: "SI_MESGQ",
    -4: "SI_ASYNCIO",
    -5: "SI_SIGIO",
    -6: "SI_TKILL",
    -7: "SI_DETHREAD",
    -60: "SI_ASYNCNL",
}


def siginfo(info: Siginfo) -> str:
    """`{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=3, ...}`: the fields that this signal has."""
    code = _CODES.get(info.si_signo, {}).get(info.si_code) or _SENDERS.get(info.si_code)
    fields = [
        f"si_signo={text.signal_of(info.si_signo)}",
        f"si_code={code or hexadecimal(info.si_code & 0xFFFFFFFF)}",
    ]
    if info.si_errno:
        fields.append(f"si_errno={info.si_errno}")
    return structure([*fields, *_siginfo_fields(info)])


def _siginfo_fields(info: Siginfo) -> list[str]:
    sender = [f"si_pid={info.si_pid}", f"si_uid={info.si_uid}"]
    variant = info.variant
    if variant == "chld":
        ended = info.si_code == 1
        status = str(info.si_status) if ended else text.signal_of(info.si_status)
        return [*sender, f"si_status={status}", f"si_utime={info.si_utime}", f"si_stime={info.si_stime}"]
    if variant == "fault":
        return [f"si_addr={address(info.si_addr)}"]
    if variant == "poll":
        return [f"si_band={info.si_band}", f"si_fd={info.si_fd}"]
    if variant == "timer":
        return [f"si_timerid={info.si_timerid:#x}", f"si_overrun={info.si_overrun}", _sigval(info.si_value)]
    if variant == "sys":
        return [f"si_call_addr={address(info.si_call_addr)}", f"si_syscall={info.si_syscall}"]
    if variant == "rt":
        return [*sender, _sigval(info.si_value)] if info.si_value or info.si_code == -1 else sender
    if info.si_code != SI_KERNEL or info.si_pid:
        return sender
    return [f"si_addr={address(info.si_addr)}"] if info.si_signo in _FAULTS else []


_FAULTS = (4, 5, 7, 8, 11)


def _sigval(value: int) -> str:
    return f"si_int={signed(value)}, si_ptr={address(value)}"


def _siginfo(data: bytes) -> str:
    return siginfo(Siginfo.unpack(data)) if data[:4] != b"\0\0\0\0" else "{}"


# --- terminals ---

_SPEEDS = {
    getattr(tty, speed): speed
    for speed in (
        *(
            "B0",
            "B50",
            "B75",
            "B110",
            "B134",
            "B150",
            "B200",
            "B300",
            "B600",
            "B1200",
            "B1800",
            "B2400",
            "B4800",
        ),
        *(
            "B9600",
            "B19200",
            "B38400",
            "BOTHER",
            "B57600",
            "B115200",
            "B230400",
            "B460800",
            "B500000",
            "B576000",
        ),
        *(
            "B921600",
            "B1000000",
            "B1152000",
            "B1500000",
            "B2000000",
            "B2500000",
            "B3000000",
            "B3500000",
            "B4000000",
        ),
    )
}
_CHARACTER_SIZES = ("CS5", "CS6", "CS7", "CS8")
_DELAYS = (
    *((tty.NLDLY, ("NL0", "NL1")), (tty.CRDLY, ("CR0", "CR1", "CR2", "CR3"))),
    *((tty.TABDLY, ("TAB0", "TAB1", "TAB2", "XTABS")), (tty.BSDLY, ("BS0", "BS1"))),
    *((tty.VTDLY, ("VT0", "VT1")), (tty.FFDLY, ("FF0", "FF1"))),
)
_OUTPUT = ("OPOST", "OLCUC", "ONLCR", "OCRNL", "ONOCR", "ONLRET", "OFILL", "OFDEL")
_CONTROL = ("CSTOPB", "CREAD", "PARENB", "PARODD", "HUPCL", "CLOCAL", "CMSPAR", "CRTSCTS")


def _field(mask: int, names: tuple[str, ...], value: int) -> str:
    """The name of a number inside flags."""
    return names[(value & mask) // (mask & -mask)]


def _termio(data: bytes) -> str:
    """The older `struct termio`: the same flags, 16 bits each."""
    return _termios(Termios(*unpack_from("<HHHH", data)).pack())


def _termios(data: bytes) -> str:
    term = Termios.unpack(data)
    output = [_field(mask, names, term.c_oflag) for mask, names in _DELAYS]
    output += [word for word in _OUTPUT if term.c_oflag & getattr(tty, word)]
    speed = _SPEEDS.get(term.c_cflag & tty.CBAUD, hexadecimal(term.c_cflag & tty.CBAUD))
    control = [speed, _field(tty.CSIZE, _CHARACTER_SIZES, term.c_cflag)]
    control += [word for word in _CONTROL if term.c_cflag & getattr(tty, word)]
    fields = (
        f"c_iflag={flags(term.c_iflag, 'c_iflag')}",
        f"c_oflag={'|'.join(output)}",
        f"c_cflag={'|'.join(control)}",
        f"c_lflag={flags(term.c_lflag, 'c_lflag')}",
    )
    return structure(fields, more=True)


def _winsize(data: bytes) -> str:
    size = Winsize.unpack(data)
    return structure([f"{word}={getattr(size, word)}" for word in Winsize.__struct_fields__])


# --- messages ---


def _sockaddr(data: bytes) -> str:
    if len(data) < 2:
        return structure((f"sa_family={name(0, 'family')}",), more=True)
    family = unpack_from("<H", data)[0]
    rest = data[2:]
    if family == 1:
        return _unix_address(rest)
    if family == 2 and len(rest) >= 6:
        port = int.from_bytes(rest[:2], "big")
        host = ".".join(str(byte) for byte in rest[2:6])
        return f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{host}")}}'
    return f"{{sa_family={name(family, 'family')}, sa_data={text.quote(rest)}}}"


def _unix_address(path: bytes) -> str:
    if not path:
        return "{sa_family=AF_UNIX}"
    if path[:1] == b"\0" and len(path) > 1:
        return f"{{sa_family=AF_UNIX, sun_path=@{text.quote(path[1:])}}}"
    return f"{{sa_family=AF_UNIX, sun_path={text.quote(text.cstring(path))}}}"


def control(data: bytes) -> str:
    """Control messages: descriptors and credentials that are passed along (`man 3 cmsg`)."""
    found: list[str] = []
    at = 0
    while at + 12 <= len(data):
        size, level, kind = unpack_from("<Iii", data, at)
        shown = f"cmsg_len={size}, cmsg_level={name(level & 0xFFFFFFFF, 'sol')}"
        shown += f", cmsg_type={_control_type(level, kind)}"
        body = data[at + 12 : at + size]
        if size < 12:
            found.append(f"{{{shown}}}")
            break
        found.append(f"{{{shown}, cmsg_data={_control_data(level, kind, body)}}}" if body else f"{{{shown}}}")
        at += (size + 3) & ~3
    return array(found)


def _control_type(level: int, kind: int) -> str:
    return name(kind, "scm") if level == 1 else hexadecimal(kind & 0xFFFFFFFF)


def _control_data(level: int, kind: int, body: bytes) -> str:
    if level == 1 and kind == 1:
        return array([str(signed(fd)) for fd in _words(body)])
    if level == 1 and kind == 2 and len(body) >= 12:
        return _credentials(body)
    return text.quote_hex(body[:SHOWN], more=len(body) > SHOWN)


def _credentials(data: bytes) -> str:
    pid, uid, gid = unpack_from("<iII", data)
    return f"{{pid={pid}, uid={_uid(uid)}, gid={_uid(gid)}}}"


def socket_option(data: bytes, level: int, option: int) -> str | None:
    """The value of a socket option; None for one that is just bytes."""
    if level == 1 and option == 17 and len(data) >= 12:
        return _credentials(data)
    if level == 1 and option == 13 and len(data) == 8:
        return "{{l_onoff={}, l_linger={}}}".format(*unpack_from("<ii", data))
    return f"[{unpack_from('<i', data)[0]}]" if len(data) == 4 else None


def _sigevent(data: bytes) -> str:
    """`struct sigevent`: what is to happen when a timer ends."""
    value, signo, how, thread = unpack_from("<IiIi", data)
    fields = [f"sigev_value={{sival_int={signed(value)}, sival_ptr={address(value)}}}"]
    fields.append(f"sigev_signo={text.signal_of(signo) if how in (0, 4) else signo}")
    fields.append(f"sigev_notify={name(how, 'sigev')}")
    if how == 4:
        fields.append(f"sigev_notify_thread_id={thread}")
    return structure(fields)


def _cpu_set(data: bytes) -> str:
    return _fd_set(data)


def _residency(data: bytes) -> str:
    """One byte per page: whether it is in memory."""
    return array([str(page & 1) for page in data[:SHOWN]], more=len(data) > SHOWN)


def _capabilities(bits: int) -> str:
    shown = [
        f"1<<{_CAPABILITIES[bit]}" if bit in _CAPABILITIES else f"1<<{bit}"
        for bit in range(64)
        if bits >> bit & 1
    ]
    return "|".join(shown) or "0"


_CAPABILITIES = {value: word for word, value in vars(process).items() if word.startswith("CAP_")}
_CAPABILITY_VERSIONS = {
    0x19980330: "_LINUX_CAPABILITY_VERSION_1",
    0x20071026: "_LINUX_CAPABILITY_VERSION_2",
    0x20080522: "_LINUX_CAPABILITY_VERSION_3",
}


def _cap_header(data: bytes) -> str:
    version, pid = unpack_from("<Ii", data)
    known = _CAPABILITY_VERSIONS.get(version)
    shown = known or f"{hexadecimal(version)} /* _LINUX_CAPABILITY_VERSION_??? */"
    return f"{{version={shown}, pid={pid}}}"


def _cap_data(data: bytes) -> str:
    low, high = unpack_from("<III", data), unpack_from("<III", data, 12)
    words = ("effective", "permitted", "inheritable")
    return structure(
        [f"{word}={_capabilities(a | b << 32)}" for word, a, b in zip(words, low, high, strict=True)]
    )


def _sembuf(data: bytes) -> str:
    number, change, how = unpack_from("<HhH", data)
    return structure((f"sem_num={number}", f"sem_op={change}", f"sem_flg={flags(how, 'semop')}"))


def _mq_attr(data: bytes) -> str:
    values = unpack_from("<iiii", data)
    how, rest = flags(values[0] & 0xFFFFFFFF, "fdopen"), values[1:]
    words = zip(("mq_maxmsg", "mq_msgsize", "mq_curmsgs"), rest, strict=True)
    return structure([f"mq_flags={how}", *(f"{word}={value}" for word, value in words)])


STRUCTS: dict[str, Callable[[bytes], str]] = {
    "stat": _stat,
    "oldstat": _old_stat,
    "stat64": _stat64,
    "statx": _statx,
    "statfs": _statfs,
    "statfs64": _statfs64,
    "fd_set": _fd_set,
    "fdpair": _fdpair,
    "off_t": _boxed_int,
    "loff_t": lambda data: f"[{unpack_from('<q', data)[0]}]",
    "open_how": _open_how,
    "epoll_event": _epoll_event,
    "utimbuf": _utimbuf,
    "timeval": _timeval,
    "timespec": _timespec,
    "timespec64": _timespec64,
    "time_t": _time_t,
    "timezone": _timezone,
    "timevals": _two(_timeval),
    "utimespecs": _two(_utime_part(_timespec, "<ii")),
    "utimespecs64": _two(_utime_part(_timespec64, "<qq")),
    "tms": _tms,
    "itimerval": _interval(_timeval),
    "itimerspec": _interval(_timespec),
    "itimerspec64": _interval(_timespec64),
    "rlimit": _rlimit,
    "rlimit64": _rlimit64,
    "rusage": _rusage,
    "utsname": _utsname,
    "sysinfo": _sysinfo,
    "user_desc": user_desc,
    "sched_param": _sched_param,
    "wstatus": _wstatus,
    "f_owner_ex": _f_owner,
    "int": _boxed_int,
    "uint": _boxed_uint,
    "addr": _boxed_address,
    "uid16": lambda data: f"[{uid16(int.from_bytes(data, 'little'))}]",
    "gid16": lambda data: f"[{uid16(int.from_bytes(data, 'little'))}]",
    "uid32": lambda data: f"[{_uid(int.from_bytes(data, 'little'))}]",
    "gid32": lambda data: f"[{_uid(int.from_bytes(data, 'little'))}]",
    "sigaction": _sigaction,
    "old_sigaction": _old_sigaction,
    "sigset": sigset,
    "old_sigset": _old_sigset,
    "siginfo": _siginfo,
    "stack_t": _stack_t,
    "termios": _termios,
    "termio": _termio,
    "sigset_argpack": _sigset_argpack,
    "winsize": _winsize,
    "mq_attr": _mq_attr,
    "sigevent": _sigevent,
    "cpu_set": _cpu_set,
    "residency": _residency,
    "cap_header": _cap_header,
    "cap_data": _cap_data,
    "sockaddr": _sockaddr,
}
"""Text of a structure by its name in the table."""

ITEMS: dict[str, tuple[int, Callable[[bytes], str]]] = {
    "pollfd": (Pollfd.SIZE, _pollfd),
    "epoll_event": (EpollEvent.SIZE, _epoll_event),
    "sembuf": (6, _sembuf),
    "gid16": (2, lambda data: uid16(int.from_bytes(data, "little"))),
    "gid32": (4, lambda data: _uid(int.from_bytes(data, "little"))),
}
"""Size and text of what comes in arrays."""


def items(data: bytes, of: str) -> str:
    """An array, of which at most `SHOWN` elements are shown."""
    size, show = ITEMS[of]
    parts = [data[at : at + size] for at in range(0, len(data) - size + 1, size)]
    return array([show(part) for part in parts[:SHOWN]], more=len(parts) > SHOWN)
