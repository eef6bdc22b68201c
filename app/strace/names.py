"""The names that strace prints for numbers: sets of flags and lists of values, by the words of the system
call table.

A flag set's order is strace's, which is the order of printing. Values come from `kernel/abi`; here are only
the names.
"""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

from kernel.abi import files, ipc, mman, process, signal, time, tty


class Flags(NamedTuple):
    """Bits with names. `unknown` is the comment behind a number of which no bit is known, `zero` the name of
    none."""

    flags: tuple[tuple[int, str], ...]
    unknown: str = ""
    zero: str = ""


class Names(NamedTuple):
    """Values with names."""

    names: dict[int, str]
    unknown: str = ""


def _flags(module: ModuleType, names: str, unknown: str = "", zero: str = "") -> Flags:
    return Flags(tuple((getattr(module, name), name) for name in names.split()), unknown, zero)


def _pairs(pairs: str, unknown: str = "", zero: str = "") -> Flags:
    """Flags that nothing else needs: `NAME=0x1 ...`."""
    parts = [pair.split("=") for pair in pairs.split()]
    return Flags(tuple((int(value, 0), name) for name, value in parts), unknown, zero)


def _names(module: ModuleType, names: str, unknown: str) -> Names:
    return Names({getattr(module, name): name for name in names.split()}, unknown)


def _count(names: str, unknown: str) -> Names:
    """Values that count up from 0."""
    return Names(dict(enumerate(names.split())), unknown)


def _values(pairs: str, unknown: str) -> Names:
    """Values that nothing else needs: `NAME=1 ...`."""
    parts = [pair.split("=") for pair in pairs.split()]
    return Names({int(value, 0): name for name, value in parts}, unknown)


_AT = """AT_SYMLINK_NOFOLLOW AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH AT_RECURSIVE"""
_OPEN = """
    O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_SYNC O_DSYNC O_DIRECT O_LARGEFILE O_NOFOLLOW
    O_NOATIME O_CLOEXEC O_PATH O_TMPFILE O_DIRECTORY FASYNC
"""
_MAP = """
    MAP_FIXED MAP_ANONYMOUS MAP_32BIT MAP_NORESERVE MAP_POPULATE MAP_NONBLOCK MAP_GROWSDOWN
    MAP_DENYWRITE MAP_EXECUTABLE MAP_LOCKED MAP_STACK MAP_HUGETLB MAP_SYNC MAP_FIXED_NOREPLACE
"""
_CLONE = """
    CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_PIDFD CLONE_PTRACE CLONE_VFORK CLONE_PARENT
    CLONE_THREAD CLONE_NEWNS CLONE_SYSVSEM CLONE_SETTLS CLONE_PARENT_SETTID CLONE_CHILD_CLEARTID
    CLONE_UNTRACED CLONE_CHILD_SETTID CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWUSER
    CLONE_NEWPID CLONE_NEWNET CLONE_IO
"""
_UNSHARE = """
    CLONE_NEWTIME CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_THREAD CLONE_NEWNS CLONE_SYSVSEM
    CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET
"""
_SA = """
    SA_RESTORER SA_ONSTACK SA_RESTART SA_INTERRUPT SA_NODEFER SA_RESETHAND SA_SIGINFO SA_NOCLDSTOP
    SA_NOCLDWAIT
"""
_STATX = """
    STATX_ALL STATX_BASIC_STATS STATX_TYPE STATX_MODE STATX_NLINK STATX_UID STATX_GID STATX_ATIME
    STATX_MTIME STATX_CTIME STATX_INO STATX_SIZE STATX_BLOCKS STATX_BTIME STATX_MNT_ID STATX_DIOALIGN
"""
_STATX_ATTRIBUTES = """
    STATX_ATTR_COMPRESSED STATX_ATTR_IMMUTABLE STATX_ATTR_APPEND STATX_ATTR_NODUMP STATX_ATTR_ENCRYPTED
    STATX_ATTR_AUTOMOUNT STATX_ATTR_MOUNT_ROOT STATX_ATTR_VERITY STATX_ATTR_DAX
"""
_MS = """
    MS_RDONLY MS_NOSUID MS_NODEV MS_NOEXEC MS_SYNCHRONOUS MS_REMOUNT MS_MANDLOCK MS_DIRSYNC MS_NOSYMFOLLOW
    MS_NOATIME MS_NODIRATIME MS_BIND MS_MOVE MS_REC MS_SILENT MS_POSIXACL MS_UNBINDABLE MS_PRIVATE MS_SLAVE
    MS_SHARED MS_RELATIME MS_KERNMOUNT MS_I_VERSION MS_STRICTATIME MS_LAZYTIME
"""
_MSG = """
    MSG_OOB=0x1 MSG_PEEK=0x2 MSG_DONTROUTE=0x4 MSG_CTRUNC=0x8 MSG_PROBE=0x10 MSG_TRUNC=0x20
    MSG_DONTWAIT=0x40 MSG_EOR=0x80 MSG_WAITALL=0x100 MSG_FIN=0x200 MSG_SYN=0x400 MSG_CONFIRM=0x800
    MSG_RST=0x1000 MSG_ERRQUEUE=0x2000 MSG_NOSIGNAL=0x4000 MSG_MORE=0x8000 MSG_WAITFORONE=0x10000
    MSG_SENDPAGE_NOTLAST=0x20000 MSG_BATCH=0x40000 MSG_NO_SHARED_FRAGS=0x80000 MSG_ZEROCOPY=0x4000000
    MSG_FASTOPEN=0x20000000 MSG_CMSG_CLOEXEC=0x40000000 MSG_CMSG_COMPAT=0x80000000
"""
_IN = """
    IN_ACCESS=0x1 IN_MODIFY=0x2 IN_ATTRIB=0x4 IN_CLOSE_WRITE=0x8 IN_CLOSE_NOWRITE=0x10 IN_OPEN=0x20
    IN_MOVED_FROM=0x40 IN_MOVED_TO=0x80 IN_CREATE=0x100 IN_DELETE=0x200 IN_DELETE_SELF=0x400
    IN_MOVE_SELF=0x800 IN_UNMOUNT=0x2000 IN_Q_OVERFLOW=0x4000 IN_IGNORED=0x8000 IN_ONLYDIR=0x1000000
    IN_DONT_FOLLOW=0x2000000 IN_EXCL_UNLINK=0x4000000 IN_MASK_CREATE=0x10000000 IN_MASK_ADD=0x20000000
    IN_ISDIR=0x40000000 IN_ONESHOT=0x80000000
"""
_EPOLL = """
    EPOLLIN EPOLLPRI EPOLLOUT EPOLLERR EPOLLHUP EPOLLRDNORM EPOLLRDBAND EPOLLWRNORM EPOLLWRBAND EPOLLMSG
    EPOLLRDHUP EPOLLEXCLUSIVE EPOLLWAKEUP EPOLLONESHOT EPOLLET
"""
_FALLOC = """
    FALLOC_FL_KEEP_SIZE=0x1 FALLOC_FL_PUNCH_HOLE=0x2 FALLOC_FL_NO_HIDE_STALE=0x4
    FALLOC_FL_COLLAPSE_RANGE=0x8 FALLOC_FL_ZERO_RANGE=0x10 FALLOC_FL_INSERT_RANGE=0x20
    FALLOC_FL_UNSHARE_RANGE=0x40
"""

_PTRACE_OPTIONS = """
    PTRACE_O_TRACESYSGOOD PTRACE_O_TRACEFORK PTRACE_O_TRACEVFORK PTRACE_O_TRACECLONE PTRACE_O_TRACEEXEC
    PTRACE_O_TRACEVFORKDONE PTRACE_O_TRACEEXIT PTRACE_O_TRACESECCOMP PTRACE_O_EXITKILL
    PTRACE_O_SUSPEND_SECCOMP
"""

_SCHED_FLAGS = """
    SCHED_FLAG_RESET_ON_FORK=0x1 SCHED_FLAG_RECLAIM=0x2 SCHED_FLAG_DL_OVERRUN=0x4 SCHED_FLAG_KEEP_POLICY=0x8
    SCHED_FLAG_KEEP_PARAMS=0x10 SCHED_FLAG_UTIL_CLAMP_MIN=0x20 SCHED_FLAG_UTIL_CLAMP_MAX=0x40
"""
_MEMBARRIER = """
    MEMBARRIER_CMD_GLOBAL=1 MEMBARRIER_CMD_GLOBAL_EXPEDITED=2 MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED=4
    MEMBARRIER_CMD_PRIVATE_EXPEDITED=8 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED=16
    MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE=32 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE=64
    MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ=128 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ=256
"""
_TIOCM = """
    TIOCM_LE=0x1 TIOCM_DTR=0x2 TIOCM_RTS=0x4 TIOCM_ST=0x8 TIOCM_SR=0x10 TIOCM_CTS=0x20 TIOCM_CD=0x40
    TIOCM_RI=0x80 TIOCM_DSR=0x100
"""
_ADJ = """
    ADJ_OFFSET_SS_READ=0xa001 ADJ_OFFSET_SINGLESHOT=0x8001 ADJ_OFFSET=0x1 ADJ_FREQUENCY=0x2 ADJ_MAXERROR=0x4
    ADJ_ESTERROR=0x8 ADJ_STATUS=0x10 ADJ_TIMECONST=0x20 ADJ_TAI=0x80 ADJ_SETOFFSET=0x100 ADJ_MICRO=0x1000
    ADJ_NANO=0x2000 ADJ_TICK=0x4000
"""
_STA = """
    STA_PLL=0x1 STA_PPSFREQ=0x2 STA_PPSTIME=0x4 STA_FLL=0x8 STA_INS=0x10 STA_DEL=0x20 STA_UNSYNC=0x40
    STA_FREQHOLD=0x80 STA_PPSSIGNAL=0x100 STA_PPSJITTER=0x200 STA_PPSWANDER=0x400 STA_PPSERROR=0x800
    STA_CLOCKERR=0x1000 STA_NANO=0x2000 STA_MODE=0x4000 STA_CLK=0x8000
"""

FLAGS: dict[str, Flags] = {
    "open": _flags(files, _OPEN),
    "fdopen": _flags(files, _OPEN, "O_???"),
    "at": _flags(files, _AT, "AT_???"),
    "unlinkat": _flags(files, _AT, "AT_???"),
    "faccessat": _flags(files, "AT_SYMLINK_NOFOLLOW AT_EACCESS AT_EMPTY_PATH", "AT_???"),
    "statx_at": _flags(files, _AT),
    "statx": _flags(files, _STATX, "STATX_???"),
    "statx_attributes": _flags(files, _STATX_ATTRIBUTES, "STATX_ATTR_???"),
    "access": _flags(files, "R_OK W_OK X_OK", "?_OK", "F_OK"),
    "flock": _pairs("LOCK_SH=1 LOCK_EX=2 LOCK_NB=4 LOCK_UN=8 LOCK_MAND=32 LOCK_RW=192", "LOCK_???"),
    "seals": _flags(
        files, "F_SEAL_SEAL F_SEAL_SHRINK F_SEAL_GROW F_SEAL_WRITE F_SEAL_FUTURE_WRITE", "F_SEAL_???"
    ),
    "fd": _flags(files, "FD_CLOEXEC", "FD_???"),
    "poll": _flags(
        files,
        "POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDNORM POLLRDBAND POLLWRNORM POLLWRBAND POLLMSG "
        "POLLREMOVE POLLRDHUP POLL_BUSY_LOOP",
        "POLL???",
    ),
    "epoll": _flags(files, _EPOLL, "EPOLL???"),
    "epoll_create": _flags(files, "EPOLL_CLOEXEC", "EPOLL_???"),
    "eventfd": _flags(files, "EFD_SEMAPHORE EFD_CLOEXEC EFD_NONBLOCK", "EFD_???"),
    "signalfd": _flags(files, "SFD_CLOEXEC SFD_NONBLOCK", "SFD_???"),
    "timerfd_create": _flags(
        files, "TFD_TIMER_ABSTIME TFD_TIMER_CANCEL_ON_SET TFD_CLOEXEC TFD_NONBLOCK", "TFD_???"
    ),
    "timerfd_settime": _flags(
        files, "TFD_TIMER_ABSTIME TFD_TIMER_CANCEL_ON_SET TFD_CLOEXEC TFD_NONBLOCK", "TFD_???"
    ),
    "inotify_init": _flags(files, "IN_NONBLOCK IN_CLOEXEC", "IN_???"),
    "inotify": _pairs(_IN, "IN_???"),
    "memfd": _flags(files, "MFD_CLOEXEC MFD_ALLOW_SEALING MFD_HUGETLB", "MFD_???"),
    "rename": _flags(files, "RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT", "RENAME_??"),
    "fallocate": _pairs(_FALLOC, "FALLOC_FL_???"),
    "mount": _flags(files, _MS, "MS_???"),
    "umount": _flags(files, "MNT_FORCE MNT_DETACH MNT_EXPIRE UMOUNT_NOFOLLOW", "MNT_???"),
    "xattr": _pairs("XATTR_CREATE=1 XATTR_REPLACE=2", "XATTR_???"),
    "splice": _pairs("SPLICE_F_MOVE=1 SPLICE_F_NONBLOCK=2 SPLICE_F_MORE=4 SPLICE_F_GIFT=8", "SPLICE_F_???"),
    "sync_file_range": _pairs(
        "SYNC_FILE_RANGE_WAIT_BEFORE=1 SYNC_FILE_RANGE_WRITE=2 SYNC_FILE_RANGE_WAIT_AFTER=4",
        "SYNC_FILE_RANGE_???",
    ),
    "notify": _flags(
        files, "DN_ACCESS DN_MODIFY DN_CREATE DN_DELETE DN_RENAME DN_ATTRIB DN_MULTISHOT", "DN_???"
    ),
    "modem": _pairs(_TIOCM, "TIOCM_???"),
    "rwf": _pairs("RWF_HIPRI=1 RWF_DSYNC=2 RWF_SYNC=4 RWF_NOWAIT=8 RWF_APPEND=16", "RWF_???"),
    "close_range": _pairs("CLOSE_RANGE_UNSHARE=2 CLOSE_RANGE_CLOEXEC=4", "CLOSE_RANGE_???"),
    "delete_module": _flags(files, "O_NONBLOCK O_TRUNC", "O_???"),
    "userfaultfd": _pairs("UFFD_USER_MODE_ONLY=1 O_CLOEXEC=0o2000000 O_NONBLOCK=0o4000", "UFFD_???"),
    "pidfd": _pairs("PIDFD_NONBLOCK=0o4000", "PIDFD_???"),
    "resolve": _flags(
        files,
        "RESOLVE_NO_XDEV RESOLVE_NO_MAGICLINKS RESOLVE_NO_SYMLINKS RESOLVE_BENEATH RESOLVE_IN_ROOT "
        "RESOLVE_CACHED",
        "RESOLVE_???",
    ),
    "persona": _pairs(
        "UNAME26=0x20000 ADDR_NO_RANDOMIZE=0x40000 FDPIC_FUNCPTRS=0x80000 MMAP_PAGE_ZERO=0x100000 "
        "ADDR_COMPAT_LAYOUT=0x200000 READ_IMPLIES_EXEC=0x400000 ADDR_LIMIT_32BIT=0x800000 "
        "SHORT_INODE=0x1000000 WHOLE_SECONDS=0x2000000 STICKY_TIMEOUTS=0x4000000 ADDR_LIMIT_3GB=0x8000000"
    ),
    "ptrace_options": _flags(process, _PTRACE_OPTIONS, "PTRACE_O_???"),
    "prot": _flags(
        mman, "PROT_READ PROT_WRITE PROT_EXEC PROT_SEM PROT_GROWSDOWN PROT_GROWSUP", "PROT_???", "PROT_NONE"
    ),
    "map": _flags(mman, _MAP),
    "mremap": _flags(mman, "MREMAP_MAYMOVE MREMAP_FIXED MREMAP_DONTUNMAP", "MREMAP_???"),
    "msync": _flags(mman, "MS_SYNC MS_ASYNC MS_INVALIDATE", "MS_???"),
    "mlockall": _flags(mman, "MCL_CURRENT MCL_FUTURE MCL_ONFAULT", "MCL_???"),
    "mlock2": _flags(mman, "MLOCK_ONFAULT", "MLOCK_???"),
    "clone": _flags(process, _CLONE, "CLONE_???"),
    "clone3": _flags(process, _CLONE + " CLONE_CLEAR_SIGHAND CLONE_INTO_CGROUP CLONE_NEWTIME", "CLONE_???"),
    "unshare": _flags(process, _UNSHARE, "CLONE_???"),
    "wait": _flags(
        process, "WNOHANG WEXITED WSTOPPED WCONTINUED WNOWAIT __WCLONE __WALL __WNOTHREAD", "W???"
    ),
    "getrandom": _flags(process, "GRND_NONBLOCK GRND_RANDOM GRND_INSECURE", "GRND_???"),
    "sched_flags": _pairs(_SCHED_FLAGS, "SCHED_FLAG_???"),
    "membarrier": _pairs("MEMBARRIER_CMD_FLAG_CPU=1", "MEMBARRIER_CMD_FLAG_???"),
    "membarrier_commands": _pairs(_MEMBARRIER),
    "futex2": _pairs("FUTEX_32=2 FUTEX_PRIVATE_FLAG=128", "FUTEX_???"),
    "timex_modes": _pairs(_ADJ, "ADJ_???"),
    "timex_status": _pairs(_STA, "STA_???"),
    "sigaction": _flags(signal, _SA, "SA_???"),
    "sigaltstack": _flags(signal, "SS_ONSTACK SS_DISABLE SS_AUTODISARM", "SS_???"),
    "timer": _flags(time, "TIMER_ABSTIME", "TIMER_???"),
    "c_iflag": _flags(
        tty,
        "IGNBRK BRKINT IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF IMAXBEL IUTF8",
    ),
    "c_lflag": _flags(
        tty,
        "ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH IEXTEN ECHOCTL ECHOPRT ECHOKE FLUSHO PENDIN TOSTOP "
        "EXTPROC",
    ),
    "ipcget": _flags(ipc, "IPC_CREAT IPC_EXCL IPC_NOWAIT"),
    "shmget": _flags(ipc, "IPC_CREAT IPC_EXCL SHM_HUGETLB SHM_NORESERVE"),
    "shmat": _flags(ipc, "SHM_RDONLY SHM_RND SHM_REMAP SHM_EXEC", "SHM_???"),
    "msgsnd": _flags(ipc, "MSG_NOERROR MSG_EXCEPT MSG_COPY IPC_NOWAIT", "MSG_???"),
    "msgrcv": _flags(ipc, "MSG_NOERROR MSG_EXCEPT MSG_COPY IPC_NOWAIT", "MSG_???"),
    "semop": _flags(ipc, "SEM_UNDO IPC_NOWAIT", "SEM_???"),
    "msg": _pairs(_MSG, "MSG_???"),
    "sock": _flags(ipc, "SOCK_CLOEXEC SOCK_NONBLOCK", "SOCK_???"),
}

_RLIMITS = """
    RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE
    RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO
    RLIMIT_RTTIME
"""
_CLOCKS = """
    CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID CLOCK_MONOTONIC_RAW
    CLOCK_REALTIME_COARSE CLOCK_MONOTONIC_COARSE CLOCK_BOOTTIME CLOCK_REALTIME_ALARM
    CLOCK_BOOTTIME_ALARM CLOCK_SGI_CYCLE CLOCK_TAI
"""
_MADVICE = """
    MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_REMOVE
    MADV_DONTFORK MADV_DOFORK MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE MADV_NOHUGEPAGE
    MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT MADV_POPULATE_READ
    MADV_POPULATE_WRITE MADV_DONTNEED_LOCKED MADV_COLLAPSE MADV_HWPOISON MADV_SOFT_OFFLINE
"""
_FCNTL = """
    F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN F_SETSIG F_GETSIG
    F_GETLK64 F_SETLK64 F_SETLKW64 F_SETOWN_EX F_GETOWN_EX F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW
    F_SETLEASE F_GETLEASE F_NOTIFY F_CANCELLK F_DUPFD_CLOEXEC F_SETPIPE_SZ F_GETPIPE_SZ F_ADD_SEALS
    F_GET_SEALS
"""
_PRCTL = " ".join(
    name for name in vars(process) if name.startswith("PR_") and name not in ("PR_SET_PTRACER_ANY",)
)
_PTRACE = " ".join(
    name
    for name in vars(process)
    if name.startswith("PTRACE_") and not name.startswith(("PTRACE_O_", "PTRACE_EVENT_"))
)
_FAMILIES = """
    AF_UNSPEC AF_UNIX AF_INET AF_AX25 AF_IPX AF_APPLETALK AF_NETROM AF_BRIDGE AF_ATMPVC AF_X25 AF_INET6
    AF_ROSE AF_DECnet AF_NETBEUI AF_SECURITY AF_KEY AF_NETLINK AF_PACKET AF_ASH AF_ECONET AF_ATMSVC
    AF_RDS AF_SNA AF_IRDA AF_PPPOX AF_WANPIPE AF_LLC AF_IB AF_MPLS AF_CAN AF_TIPC AF_BLUETOOTH AF_IUCV
    AF_RXRPC AF_ISDN AF_PHONET AF_IEEE802154 AF_CAIF AF_ALG AF_NFC AF_VSOCK AF_KCM AF_QIPCRTR AF_SMC
    AF_XDP AF_MCTP
"""
_SOCKETCALLS = """
    SYS_SOCKET SYS_BIND SYS_CONNECT SYS_LISTEN SYS_ACCEPT SYS_GETSOCKNAME SYS_GETPEERNAME SYS_SOCKETPAIR
    SYS_SEND SYS_RECV SYS_SENDTO SYS_RECVFROM SYS_SHUTDOWN SYS_SETSOCKOPT SYS_GETSOCKOPT SYS_SENDMSG
    SYS_RECVMSG SYS_ACCEPT4 SYS_RECVMMSG SYS_SENDMMSG
"""
_SOCKET_OPTIONS = """
    SO_DEBUG SO_REUSEADDR SO_TYPE SO_ERROR SO_DONTROUTE SO_BROADCAST SO_SNDBUF SO_RCVBUF SO_KEEPALIVE
    SO_OOBINLINE SO_LINGER SO_REUSEPORT SO_PASSCRED SO_PEERCRED SO_RCVLOWAT SO_SNDLOWAT SO_ACCEPTCONN
    SO_PROTOCOL SO_DOMAIN
"""
_IOCTLS = " ".join(
    name
    for name in vars(tty)
    if name.startswith(("TC", "TIOC", "FIO"))
    and name not in ("TIOCINQ",)
    and not name.endswith("FLUSH")
    and name not in ("TCOOFF", "TCOON", "TCIOFF", "TCION")
)

_SHARED_IOCTLS = {
    tty.TCSETS: "SNDCTL_TMR_START or TCSETS",
    tty.TCSETSW: "SNDCTL_TMR_STOP or TCSETSW",
    tty.TCSETSF: "SNDCTL_TMR_CONTINUE or TCSETSF",
}
"""Requests of terminals that have the numbers of others: strace can't tell and writes both."""

_FILE_IOCTLS = {
    **_names(files, "FIBMAP FIGETBSZ", "").names,
    0x80046601: "FS_IOC_GETFLAGS",
    0x40046602: "FS_IOC_SETFLAGS",
    0xC020660B: "FS_IOC_FIEMAP",
    files.FICLONE: "BTRFS_IOC_CLONE or FICLONE",
    files.FICLONERANGE: "BTRFS_IOC_CLONE_RANGE or FICLONERANGE",
    files.FIDEDUPERANGE: "BTRFS_IOC_FILE_EXTENT_SAME or FIDEDUPERANGE",
}

NAMES: dict[str, Names] = {
    "whence": _names(files, "SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE", "SEEK_???"),
    "fcntl": _names(files, _FCNTL, "F_???"),
    "lock_type": _names(files, "F_RDLCK F_WRLCK F_UNLCK", "F_???"),
    "owner": _names(files, "F_OWNER_TID F_OWNER_PID F_OWNER_PGRP", "F_OWNER_???"),
    "epoll_ctl": _names(files, "EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD", "EPOLL_CTL_???"),
    "fadvise": _count(
        "POSIX_FADV_NORMAL POSIX_FADV_RANDOM POSIX_FADV_SEQUENTIAL POSIX_FADV_WILLNEED POSIX_FADV_DONTNEED "
        "POSIX_FADV_NOREUSE",
        "POSIX_FADV_???",
    ),
    "sighow": _names(signal, "SIG_BLOCK SIG_UNBLOCK SIG_SETMASK", "SIG_???"),
    "madvise": _names(mman, _MADVICE, "MADV_???"),
    "map_type": _names(mman, "MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE", "MAP_???"),
    "rlimit": _names(process, _RLIMITS, "RLIMIT_???"),
    "rusage": _values(
        "RUSAGE_BOTH=0xFFFFFFFE RUSAGE_CHILDREN=0xFFFFFFFF RUSAGE_SELF=0 RUSAGE_THREAD=1",
        "RUSAGE_???",
    ),
    "priority": _names(process, "PRIO_PROCESS PRIO_PGRP PRIO_USER", "PRIO_???"),
    "idtype": _names(process, "P_ALL P_PID P_PGID P_PIDFD", "P_???"),
    "prctl": _names(process, _PRCTL, "PR_???"),
    "arch_prctl": _names(
        process, "ARCH_SET_GS ARCH_SET_FS ARCH_GET_FS ARCH_GET_GS ARCH_GET_CPUID ARCH_SET_CPUID", "ARCH_???"
    ),
    "sched": _values(
        "SCHED_OTHER=0 SCHED_FIFO=1 SCHED_RR=2 SCHED_BATCH=3 SCHED_ISO=4 SCHED_IDLE=5 SCHED_DEADLINE=6",
        "SCHED_???",
    ),
    "ptrace": Names(
        {
            **_names(process, _PTRACE, "").names,
            process.PTRACE_PEEKUSR: "PTRACE_PEEKUSER",
            process.PTRACE_POKEUSR: "PTRACE_POKEUSER",
        },
        "PTRACE_???",
    ),
    "clock": _count(_CLOCKS, "CLOCK_???"),
    "itimer": _names(time, "ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF", "ITIMER_???"),
    "ioctl": Names({**_names(tty, _IOCTLS, "").names, **_SHARED_IOCTLS, **_FILE_IOCTLS}),
    "socketcall": _names(ipc, _SOCKETCALLS, "SYS_???"),
    "semctl": _values(
        "IPC_RMID=0 IPC_SET=1 IPC_STAT=2 IPC_INFO=3 GETPID=11 GETVAL=12 GETALL=13 GETNCNT=14 GETZCNT=15 "
        "SETVAL=16 SETALL=17 SEM_STAT=18 SEM_INFO=19 SEM_STAT_ANY=20",
        "SEM_???",
    ),
    "shmctl": _values(
        "IPC_RMID=0 IPC_SET=1 IPC_STAT=2 IPC_INFO=3 SHM_LOCK=11 SHM_UNLOCK=12 SHM_STAT=13 SHM_INFO=14 "
        "SHM_STAT_ANY=15",
        "SHM_???",
    ),
    "msgctl": _values(
        "IPC_RMID=0 IPC_SET=1 IPC_STAT=2 IPC_INFO=3 MSG_STAT=11 MSG_INFO=12 MSG_STAT_ANY=13",
        "MSG_???",
    ),
    "family": _count(_FAMILIES, "AF_???"),
    "socket_type": _values(
        "SOCK_STREAM=1 SOCK_DGRAM=2 SOCK_RAW=3 SOCK_RDM=4 SOCK_SEQPACKET=5 SOCK_DCCP=6 SOCK_PACKET=10",
        "SOCK_???",
    ),
    "protocol": _values(
        "IPPROTO_IP=0 IPPROTO_ICMP=1 IPPROTO_IGMP=2 IPPROTO_TCP=6 IPPROTO_UDP=17 IPPROTO_IPV6=41 "
        "IPPROTO_ICMPV6=58 IPPROTO_RAW=255",
        "IPPROTO_???",
    ),
    "sol": _values("SOL_IP=0 SOL_SOCKET=1 SOL_TCP=6 SOL_UDP=17 SOL_IPV6=41 SOL_RAW=255", "SOL_???"),
    "socket_option": Names(
        {**_names(ipc, _SOCKET_OPTIONS, "").names, 20: "SO_RCVTIMEO_OLD", 21: "SO_SNDTIMEO_OLD"}, "SO_???"
    ),
    "ip_option": _values("IP_TOS=1 IP_TTL=2 IP_HDRINCL=3 IP_OPTIONS=4 IP_PKTINFO=8", "IP_???"),
    "tcp_option": _values(
        "TCP_NODELAY=1 TCP_MAXSEG=2 TCP_CORK=3 TCP_KEEPIDLE=4 TCP_KEEPINTVL=5 TCP_KEEPCNT=6 TCP_SYNCNT=7 "
        "TCP_LINGER2=8 TCP_DEFER_ACCEPT=9 TCP_INFO=11",
        "TCP_???",
    ),
    "scm": _values("SCM_RIGHTS=1 SCM_CREDENTIALS=2", "SCM_???"),
    "sigev": _values("SIGEV_SIGNAL=0 SIGEV_NONE=1 SIGEV_THREAD=2 SIGEV_THREAD_ID=4", "SIGEV_???"),
    "persona": _values("PER_LINUX=0 PER_LINUX32=8", "PER_???"),
    "shutdown": _names(ipc, "SHUT_RD SHUT_WR SHUT_RDWR", "SHUT_???"),
    "syslog": _count(
        "SYSLOG_ACTION_CLOSE SYSLOG_ACTION_OPEN SYSLOG_ACTION_READ SYSLOG_ACTION_READ_ALL "
        "SYSLOG_ACTION_READ_CLEAR SYSLOG_ACTION_CLEAR SYSLOG_ACTION_CONSOLE_OFF SYSLOG_ACTION_CONSOLE_ON "
        "SYSLOG_ACTION_CONSOLE_LEVEL SYSLOG_ACTION_SIZE_UNREAD SYSLOG_ACTION_SIZE_BUFFER",
        "SYSLOG_ACTION_???",
    ),
    "seccomp": _count(
        "SECCOMP_SET_MODE_STRICT SECCOMP_SET_MODE_FILTER SECCOMP_GET_ACTION_AVAIL SECCOMP_GET_NOTIF_SIZES",
        "SECCOMP_SET_MODE_???",
    ),
    "membarrier": _values("MEMBARRIER_CMD_QUERY=0 " + _MEMBARRIER, "MEMBARRIER_CMD_???"),
    "kcmp": _count(
        "KCMP_FILE KCMP_VM KCMP_FILES KCMP_FS KCMP_SIGHAND KCMP_IO KCMP_SYSVSEM KCMP_EPOLL_TFD", "KCMP_???"
    ),
    "ioprio_who": _values("IOPRIO_WHO_PROCESS=1 IOPRIO_WHO_PGRP=2 IOPRIO_WHO_USER=3", "IOPRIO_WHO_???"),
    "ioprio_class": _count(
        "IOPRIO_CLASS_NONE IOPRIO_CLASS_RT IOPRIO_CLASS_BE IOPRIO_CLASS_IDLE", "IOPRIO_CLASS_???"
    ),
    "cap_ambient": _values(
        "PR_CAP_AMBIENT_IS_SET=1 PR_CAP_AMBIENT_RAISE=2 PR_CAP_AMBIENT_LOWER=3 PR_CAP_AMBIENT_CLEAR_ALL=4",
        "PR_CAP_AMBIENT_???",
    ),
    "clock_state": _count("TIME_OK TIME_INS TIME_DEL TIME_OOP TIME_WAIT TIME_ERROR", ""),
}

FILE_TYPES: dict[int, str] = {
    getattr(files, name): name
    for name in ["S_IFSOCK", "S_IFLNK", "S_IFREG", "S_IFBLK", "S_IFDIR", "S_IFCHR", "S_IFIFO"]
}
"""The file's type in a mode."""
