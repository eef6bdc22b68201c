"""The kernel as data: flat tables of structs that name each other by number, never by reference.

One validated encoding of `Tables` is the checkpoint. Behaviour lives in the rooms, as functions
over these tables; a struct here is only what a textbook draws as a box.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from kernel.abi.process import ALL_CAPABILITIES


class TaskState(IntEnum):
    RUNNABLE = 0
    SLEEPING = 1
    STOPPED = 2
    ZOMBIE = 3
    TRACED = 4
    """Stopped for its tracer."""


class Credentials(msgspec.Struct, array_like=True):
    """Real, effective, saved and file-system ids, and supplementary groups (man 7 credentials)."""

    uid: int = 0
    euid: int = 0
    suid: int = 0
    fsuid: int = 0
    gid: int = 0
    egid: int = 0
    sgid: int = 0
    fsgid: int = 0
    groups: list[int] = []
    effective: int = ALL_CAPABILITIES
    """Capabilities that count, as bits (man 7 capabilities); the other sets say what may become of them."""
    permitted: int = ALL_CAPABILITIES
    inheritable: int = 0
    bounding: int = ALL_CAPABILITIES
    ambient: int = 0
    securebits: int = 0
    """SECURE_*."""


class Wait(msgspec.Struct, array_like=True):
    """What a sleeping task waits for: names of wait queues, since when, until when (ticks, -1 never)."""

    on: list[str]
    since: int
    deadline: int
    interruptible: bool = True
    restart: int = 512


class FutexWait(msgspec.Struct, array_like=True):
    """One futex that a task sleeps on; `bitset` 0 is a lock with an owner, at `address`."""

    queue: str
    bitset: int
    address: int = 0


class SigInfo(msgspec.Struct, array_like=True):
    """What comes with a signal (man 2 sigaction, siginfo_t)."""

    signo: int
    code: int = 0
    errno: int = 0
    pid: int = 0
    uid: int = 0
    status: int = 0
    address: int = 0
    value: int = 0
    utime: int = 0
    stime: int = 0


class SigAction(msgspec.Struct, array_like=True):
    """`handler` is an address, 0 for SIG_DFL, 1 for SIG_IGN; `mask` has bit n-1 for signal n."""

    handler: int = 0
    flags: int = 0
    restorer: int = 0
    mask: int = 0


class SigHand(msgspec.Struct, array_like=True):
    """Signal actions, shared by the tasks of a CLONE_SIGHAND group; missing ones are default."""

    refs: int
    actions: dict[int, SigAction] = {}


class Trace(msgspec.Struct, array_like=True):
    """What a traced task's tracer has of it (man 2 ptrace)."""

    tracer: int
    """Pid of the thread that traces."""
    order: int
    """The higher, the later it was attached."""
    seized: bool = False
    options: int = 0
    """PTRACE_O_*."""
    message: int = 0
    """What PTRACE_GETEVENTMSG gives at the stop it is in."""
    calls: int = 0
    """Whether it stops at system calls, by `ptrace.stops`: NO_CALLS, CALLS, EMULATED_CALLS."""
    emulating: bool = False
    """The call at whose beginning it has stopped is not to be made."""
    leaving: bool = False
    """A call is over, and the tracer has not been told."""
    event: list[int] = []
    """An event, and its message, to stop for on the way to user mode."""
    stepping: bool = False
    forced_tf: bool = False
    """TF is set for stepping only: neither the tracer nor a signal frame sees it."""
    stop_pending: bool = False
    """It has not come to its group's stop yet (Linux: JOBCTL_STOP_PENDING)."""
    trap_stop: bool = False
    """It is to stop because the tracer said so, or has seized its parent (JOBCTL_TRAP_STOP)."""
    notify: bool = False
    """It is to stop because its group was stopped or continued (JOBCTL_TRAP_NOTIFY)."""
    listening: bool = False
    """It has stopped, and the tracer waits for what comes (PTRACE_LISTEN)."""
    debug: list[int] = []
    """DR0 to DR7 as the tracer has set them, where it has."""
    watched: list[bytes] = []
    """What was in memory where these point to, behind the last instruction."""


class Usage(msgspec.Struct, array_like=True):
    """What tasks that are gone have used (man 2 getrusage): in ticks, pages and times."""

    ran: int = 0
    """Time on the processor, of which `system` in the kernel's bodies of system calls."""
    system: int = 0
    minor_faults: int = 0
    voluntary_switches: int = 0
    involuntary_switches: int = 0
    peak: int = 0
    """Pages present at most, as far as that was looked at: at the end of a program."""


class PosixTimer(msgspec.Struct, array_like=True):
    """A timer that sends signals (man 2 timer_create, setitimer): a process's by `owner` and `number`.

    The three of setitimer have the numbers -1 (ITIMER_REAL) to -3 (ITIMER_PROF).
    """

    id: int
    owner: int
    number: int
    clock: int
    """CLOCK_*; -1 is the time that the process runs in user mode."""
    signo: int
    """0: none is sent (SIGEV_NONE)."""
    thread: int = 0
    """Pid of who made it: whose time CLOCK_THREAD_CPUTIME_ID is."""
    signal_thread: int = 0
    """Pid of the thread that gets the signal, 0 for the process (SIGEV_THREAD_ID)."""
    value: int = 0
    expires: int = -1
    """On its clock: a tick, or nanoseconds of processor time; -1: it is not armed."""
    interval: int = 0
    real: bool = False
    """It is to go off at a time of the real-time clock, whenever that clock is set."""
    overrun: int = 0
    overrun_last: int = 0
    """Expirations too many: of the signal that is pending, and of the last one that was delivered."""


class Task(msgspec.Struct):
    """A task: what Linux keeps in task_struct. `thread` is the address of its thread_info."""

    pid: int
    tgid: int
    ppid: int
    pgrp: int
    session: int
    comm: str
    state: int
    thread: int
    """Kernel virtual address of thread_info; the kernel stack ends at thread + THREAD_SIZE."""
    space: int
    """Key into `Tables.spaces`; 0 for a kernel task or a zombie."""
    fdtable: int
    """Key into `Tables.fdtables`; 0 for none."""
    cwd: int
    """Inode number of the current directory."""
    sighand: int
    cred: Credentials
    cwd_mount: int = 1
    """The mount in which it was entered."""
    root: int = 0
    """Inode number of what `/` is to the task, 0 for the real root (chroot)."""
    root_mount: int = 1
    exe: str = ""
    umask: int = 0o022
    wait: Wait | None = None
    progress: list[int] = []
    """What a system call that waited had done already; emptied when the call ends."""
    restart: list[int] = []
    """What restart_syscall goes on with: 0, end of a sleep, where to tell what is left, width of that; or 1,
    a futex's address, value, bits, the end of the wait, whether it is shared."""
    syscall: int = -1
    """Number of the system call the task is in, or -1."""
    woken_by_signal: bool = False
    interrupted: int = 512
    """Errno with which a signal ends the call that the task sleeps in."""
    exit_status: int = -1
    """As wait4 gives it (code << 8, or signal number | 0x80 when a core was dumped); -1 while alive."""
    exit_signal: int = 17
    tls: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0])
    """GDT entries 6-8 of this task, 64 bits each as in memory."""
    ldt: int = 0
    """Frame that holds the task's LDT, 0 for none."""
    clear_child_tid: int = 0
    robust_list: int = 0
    futex: list[FutexWait] = []
    """What it sleeps on, and which of it has woken it (-1: none yet)."""
    futex_woken: int = -1
    policy: int = 0
    """SCHED_*, and 1 to 99 in the real-time classes, else 0."""
    rt_priority: int = 0
    nice: int = 0
    reset_on_fork: bool = False
    deadline: list[int] = []
    """Under SCHED_DEADLINE: runtime, deadline, period; tick of the deadline that counts, runtime left."""
    ioprio: int = 0
    timer_slack: int = 50_000
    next_timer: int = 0
    """Of a leader: number of the next POSIX timer of its process."""
    rseq: int = 0
    vfork_parent: int = 0
    """Pid of a parent that sleeps until this task execs or exits, 0 for none."""
    blocked: int = 0
    saved_mask: int = -1
    pending: list[SigInfo] = []
    shared_pending: list[SigInfo] = []
    altstack: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0])
    """ss_sp, ss_flags, ss_size; flags 2 is SS_DISABLE."""
    fatal_signal: int = 0
    """Of a leader: the signal that ends its process, from the moment it is sent (SIGNAL_GROUP_EXIT)."""
    stop_signal: int = 0
    stop_reported: bool = True
    continued: bool = False
    user_ticks: int = 0
    """Time on the processor, of which `system_ticks` in the kernel's bodies of system calls."""
    system_ticks: int = 0
    gone: Usage = msgspec.field(default_factory=Usage)
    """Of a leader: of the threads of its process that have ended."""
    children: Usage = msgspec.field(default_factory=Usage)
    """Of a leader: of children that were waited for."""
    start_tick: int = 0
    voluntary_switches: int = 0
    involuntary_switches: int = 0
    minor_faults: int = 0
    io: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0, 0])
    """Bytes read and written by system calls, and how many such calls there were."""
    oom_score_adj: int = 0
    rlimits: dict[int, list[int]] = {}
    name_changed: bool = False
    dumpable: int = 1
    no_new_privs: bool = False
    seccomp_mode: int = 0
    seccomp_filters: list[bytes] = []
    """`struct sock_filter`s, oldest first; never changed in place, for tasks share them."""
    personality: int = 0
    """What personality was told; only READ_IMPLIES_EXEC of it changes anything."""
    subreaper: bool = False
    """Of a leader: orphans below it become its children (PR_SET_CHILD_SUBREAPER)."""
    thp_disabled: bool = False
    pdeath_signal: int = 0
    """The signal that the task gets when its parent ends, 0 for none."""
    old_pgrp: int = 0
    """Of a session's leader whose terminal was hung up: the group that was in the foreground."""
    fs: int = 0
    """Tasks of the same number, other than 0, share current directory and umask (CLONE_FS)."""
    trace: Trace | None = None
    """Of a task that is traced."""
    trap: int = 0
    """Where a traced task has stopped, by `kernel.ptrace.stops`: NOWHERE, ENTERING and so on."""
    stop_code: int = 0
    """What wait will tell of the stop; 0 once it was told; then the signal to go on with."""
    stop_info: SigInfo | None = None
    """The siginfo of the stop."""
    group_status: int = -1
    """Of a thread group's leader: what wait4 tells of the group once all of it has ended."""
    fail_next: int = 0
    """With what errno its next system call ends, without being made: a person wants it (`kernel.edits`)."""


class Vma(msgspec.Struct, array_like=True):
    """A stretch [start, end) of an address space. `inode` 0 is anonymous; `offset` in pages."""

    start: int
    end: int
    prot: int
    flags: int
    inode: int = 0
    offset: int = 0
    name: str = ""


class Space(msgspec.Struct):
    """An address space: its page directory's frame and its sorted VMAs."""

    id: int
    pgd: int
    refs: int
    vmas: list[Vma] = []
    brk_start: int = 0
    brk: int = 0
    stack_top: int = 0
    vdso: int = 0
    """Where the vDSO is mapped, 0 for nowhere."""
    arg_start: int = 0
    arg_end: int = 0
    env_end: int = 0
    start_code: int = 0
    end_code: int = 0
    start_data: int = 0
    end_data: int = 0
    auxv: bytes = b""
    exe: int = 0
    """Inode of the program; it is mapped, so it is still there."""
    peak: int = 0
    """Pages mapped at most so far."""
    rss: int = 0
    """Pages present now."""
    lock_future: int = 0
    """VM_LOCKED and the like of what will be mapped (mlockall)."""
    membarrier: int = 0
    """Commands of membarrier that were registered for."""
    reaped: bool = False
    """Its process is to end for want of memory; its own pages are gone already."""


class HostNode(msgspec.Struct, array_like=True):
    """Where an inode came from: `path` in the tree of the host that is mount `mount` of the start."""

    mount: int
    path: str
    listed: bool = False
    """Of a directory: its entries have been filled."""


class HostListing(msgspec.Struct, array_like=True):
    """`count` inode numbers from `first` on belong to what a host's directory held, in its order."""

    first: int
    count: int
    mount: int
    path: str
    directory: int
    """Inode number of the directory."""
    dev: int


class FileSystem(msgspec.Struct, array_like=True):
    """A file system with inodes of its own, known by its device number."""

    dev: int
    type: str
    source: str
    flags: int = 0
    """MS_* of the file system as a whole: MS_RDONLY."""
    root: int = 0
    """Inode number of its root directory."""
    pages: int = 0
    """How many pages its files may have in all; 0 for as many as there are."""
    options: str = ""
    """What else it was made with, as it is shown."""


class Mount(msgspec.Struct, array_like=True):
    """The directory `root` of file system `dev` covers the directory `point` of mount `parent`."""

    id: int
    parent: int
    point: int
    root: int
    dev: int
    flags: int = 0
    """MS_*: MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC and the like, of this mount only."""
    path: str = ""
    """Where it was mounted, from the real root."""
    expiring: bool = False
    """umount2 with MNT_EXPIRE has asked once."""


class Inode(msgspec.Struct, omit_defaults=True):
    """A file of any type; the type is in `mode`. Pages of regular files live in frames (page cache)."""

    ino: int
    mode: int
    uid: int = 0
    gid: int = 0
    nlink: int = 1
    size: int = 0
    rdev: int = 0
    mtime: int = 0
    """Ticks, as the other times: of access (kept as `relatime` does), change and birth."""
    atime: int = 0
    ctime: int = 0
    btime: int = 0
    linkable: bool = False
    """Made without a name by O_TMPFILE, and may get one."""
    xattrs: dict[str, bytes] = {}
    """Extended attributes."""
    entries: dict[str, int] = {}
    """Of a directory: name to inode number."""
    parent: int = 0
    """The directory that it was last named in; 0 for what has no name (pipes, streams): gone when closed."""
    target: str = ""
    """Of a symbolic link."""
    pages: dict[int, int] = {}
    """Of a regular file: page index to frame, as far as touched or written."""
    blob: str = ""
    """Of a regular file that came from outside: the key of its first contents in `Kernel.blobs`."""
    blob_size: int = 0
    """How much of the blob still counts: less than all of it once the file was cut."""
    zones: list[int] = []
    """Of a file on the disk: which blocks of 1024 bytes its first contents lie in, 0 for a hole."""
    pipe: int = 0
    """Of a named pipe while it is open: the pipe behind it."""
    seals: int = 0
    """F_SEAL_*: what may not be done to it any more (man 2 memfd_create)."""
    opened: int = 0
    """Open files and mappings on it; an unlinked inode goes when this reaches 0."""
    dev: int = 0
    """Key into `Tables.filesystems`; 0 for what has no name and never had one."""
    name: str = ""
    """The last name that it was given in `parent`: where to look first for its path."""
    host: HostNode | None = None
    """Where its first contents (entries, pages) come from, if it came with a directory of the host."""


class OpenFile(msgspec.Struct):
    """An open file description (what dup and fork share). `kind` says which room serves it."""

    id: int
    kind: str
    """'file', 'dir', 'proc', 'pipe', 'tty', 'stream', 'null', 'zero', 'full', 'random', 'path' (O_PATH),
    'eventfd', 'timerfd', 'signalfd', 'epoll', 'pidfd', 'inotify', 'disk', 'socket', 'mqueue'."""
    flags: int
    """O_* as F_GETFL gives them."""
    inode: int = 0
    object: int = 0
    """Pipe id, terminal number, stream number and so on, by kind."""
    pos: int = 0
    refs: int = 0
    """Descriptors for it, in all tables."""
    path: str = ""
    mount: int = 0
    """The mount through which it was opened; 0 for what has no path."""
    names: list[str] = []
    """Of a directory: what getdents goes through, as it was when the reading began."""
    owner: list[int] = []
    """Who is to get its signals (F_SETOWN): F_OWNER_*, the number, the signal's, and who said so (uid, euid);
    empty for nobody."""
    watchers: list[int] = []
    """Entries of `Tables.epoll_items` about it."""
    hung: bool = False
    """Of a terminal: it was hung up under this file."""
    text: bytes = b""
    """Of a made file: its contents as they were when the reading began."""


class FdTable(msgspec.Struct):
    """Descriptors, shared by the tasks of a CLONE_FILES group."""

    id: int
    refs: int
    fds: dict[int, int] = {}
    cloexec: list[int] = []


class Pipe(msgspec.Struct):
    """A pipe's buffer and how many open ends of each kind there are (man 7 pipe)."""

    id: int
    data: bytes = b""
    capacity: int = 65536
    readers: int = 0
    writers: int = 0
    slots: list[int] = []
    """The pages that hold `data`, oldest first: up to where each is filled, with `fs.pipe`'s flags.

    The first begins at `head`.
    """
    head: int = 0
    fifo: int = 0
    """Inode number of a named pipe."""
    read_opens: int = 0
    write_opens: int = 0
    """How often each end was opened: what an open of a named pipe waits for."""


class Message(msgspec.Struct, array_like=True):
    """What waits in a socket's queue: of a stream a piece of it, else a message with its bounds."""

    data: bytes
    sender: int
    """The socket that sent it, while that is there."""
    memory: int
    """What it takes of the sender's SO_SNDBUF."""
    name: bytes = b""
    """The sender's name when it was sent."""
    files: list[int] = []
    """Open files that are passed along (SCM_RIGHTS); it holds on to them."""
    cred: list[int] = []
    """pid, uid, gid of who sent it, where the sockets wanted that (SO_PASSCRED)."""


class Socket(msgspec.Struct):
    """A socket of AF_UNIX (man 7 unix)."""

    id: int
    type: int
    """SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET."""
    state: int = 0
    """As `net.socket` names them: CLOSED, LISTENING, ESTABLISHED."""
    file: int = 0
    """Its open file: 0 before it was accepted, and once it was closed."""
    closed: bool = False
    """Only its peers still know of it."""
    name: bytes = b""
    """As in sun_path; an abstract name begins with a NUL, a path has one behind it."""
    bound: int = 0
    """Inode number of its name in the file system; -1 for an abstract name."""
    peer: int = 0
    backlog: int = 10
    """How many may wait in its queue: connections, or the messages of strangers."""
    pending: list[int] = []
    """Of one that listens: connections that nobody has accepted yet."""
    queue: list[Message] = []
    memory: int = 0
    """What the messages that it has sent and nobody has read take."""
    shut: int = 0
    """RCV_SHUTDOWN, SEND_SHUTDOWN."""
    error: int = 0
    """What SO_ERROR gives, once."""
    no_space: bool = False
    """Somebody found no room to send: SIGIO for it is due."""
    peer_cred: list[int] = msgspec.field(default_factory=lambda: [0, 0xFFFF_FFFF, 0xFFFF_FFFF])
    """pid, uid, gid of who made the other end of the connection (SO_PEERCRED), or of who listens."""
    options: dict[int, int] = {}
    """What setsockopt was told, by SO_*; times in ticks."""


class Terminal(msgspec.Struct):
    """A terminal with its line discipline's state (man 3 termios)."""

    iflag: int
    oflag: int
    cflag: int
    lflag: int
    cc: list[int]
    line: str = "N_TTY"
    editing: bytes = b""
    """The line being typed, before return."""
    ready: bytes = b""
    """What read may have."""
    lines: list[int] = []
    """In canonical mode the lengths of the lines in `ready`; a bare Ctrl+D is a line of length 0."""
    literal: bool = False
    """Ctrl+V was typed: the next character has no special meaning."""
    stopped: bool = False
    """Ctrl+S was typed: writing waits."""
    rows: int = 24
    columns: int = 80
    pgrp: int = 0
    session: int = 0
    column: int = 0
    """Of the cursor, and where the line being typed began: what erasing a tab needs."""
    line_column: int = 0
    typed: bytes = b""
    """What has arrived and the line discipline has no room for yet."""
    exclusive: bool = False
    """TIOCEXCL: only root may open it."""
    speeds: list[int] = msgspec.field(default_factory=lambda: [38400, 38400])
    """In and out, bits per second."""
    pty: bool = False
    """A pseudoterminal's slave; the fields below are about its master."""
    locked: bool = False
    masters: int = 0
    slaves: int = 0
    """Open files of both sides."""
    left: bool = False
    """The last slave was closed, and none opened since."""
    outgoing: bytes = b""
    """What was written to the slave and the master has not read."""
    packet: bool = False
    """TIOCPKT, and what has happened that the master has not been told."""
    packet_status: int = 0


class Stream(msgspec.Struct):
    """A host's pipe or file on one of the first program's descriptors 0-2, not a terminal."""

    mode: int
    """st_mode that fstat gives."""
    data: bytes = b""
    eof: bool = False


class FileLock(msgspec.Struct, array_like=True):
    """A lock on bytes [start, end] of a file: `kind` is posix, ofd or flock, `type` an F_RDLCK or F_WRLCK.

    `owner` is a descriptor table's number for posix, an open file's for the others; `pid` is who made it,
    `file` the open file by which.
    """

    kind: str
    owner: int
    pid: int
    type: int
    start: int
    end: int
    file: int = 0


class Lease(msgspec.Struct, array_like=True):
    """A lease (man 2 fcntl) of open file `file`, told of with descriptor `fd`: F_RDLCK or F_WRLCK.

    Somebody waits for it to be given back if `ends` is a tick, for it to become F_RDLCK if `weakens` is one:
    then that happens by itself.
    """

    file: int
    fd: int
    type: int
    ends: int = -1
    weakens: int = -1


class DirNotify(msgspec.Struct, array_like=True):
    """Who asked with F_NOTIFY for events in a directory: open file, descriptor table, descriptor, IN_*."""

    file: int
    fdtable: int
    fd: int
    mask: int


class Eventfd(msgspec.Struct, array_like=True):
    """A counter that is read and written (man 2 eventfd)."""

    id: int
    count: int = 0
    semaphore: bool = False


class Mqueue(msgspec.Struct, array_like=True):
    """A POSIX message queue (man 7 mq_overview). `inode` has its owner and mode, `user` is charged for it."""

    id: int
    name: str
    inode: int
    user: int
    maxmsg: int
    msgsize: int
    messages: list[tuple[int, bytes]] = []
    """Priority and text, in the order in which they will be received."""
    notify_task: int = 0
    """The process that is to be told of the first message; 0 for none."""
    notify_signo: int = 0
    notify_value: int = 0


class Timerfd(msgspec.Struct, array_like=True):
    """A timer that is read (man 2 timerfd_create). Times in ticks."""

    id: int
    clock: int
    expires: int = -1
    interval: int = 0
    ticks: int = 0
    """Expirations that nobody has read."""
    pending: bool = False
    """It has expired and was not started again."""
    flags: int = 0
    """TFD_TIMER_* with which it was set."""


class Signalfd(msgspec.Struct, array_like=True):
    """Signals that are read (man 2 signalfd): `mask` has bit n-1 for signal n."""

    id: int
    mask: int = 0


class Epoll(msgspec.Struct, array_like=True):
    """A set of watched descriptors (man 7 epoll), by their numbers in `Tables.epoll_items`."""

    id: int
    file: int = 0
    items: list[int] = []
    ready: list[int] = []
    """Those of which something was heard since they were last looked at, in that order."""


class EpollItem(msgspec.Struct, array_like=True):
    """One watched descriptor: an open file under the number `fd` that it had."""

    id: int
    epoll: int
    file: int
    fd: int
    events: int
    data: int
    queues: list[str] = []
    """Wait queues on which it listens."""


class Disk(msgspec.Struct, array_like=True):
    """The disk behind the device file `inode`. Requests are first page, number of pages, whether to write."""

    inode: int
    requests: list[tuple[int, int, bool]] = []
    due: int = -1
    """When the first of them is done; -1: there is none."""
    dirty: list[int] = []
    """Pages that were written and are not on the disk yet."""
    changed: list[int] = []
    """All that ever were written."""


class InotifyWatch(msgspec.Struct, array_like=True):
    """An inode that is watched, and for what (IN_*)."""

    inode: int
    mask: int


class InotifyEvent(msgspec.Struct, array_like=True):
    """As in `struct inotify_event`."""

    wd: int
    mask: int
    cookie: int = 0
    name: str = ""


class Inotify(msgspec.Struct, array_like=True):
    """Watches by their numbers, and what happened and was not read (man 7 inotify)."""

    id: int
    last_wd: int = 0
    watches: dict[int, InotifyWatch] = {}
    queue: list[InotifyEvent] = []


class Tables(msgspec.Struct):
    """All of the kernel's state that is not in RAM. Everything is reached by key."""

    current: int = 0
    current_thread: int = 0
    """thread_info of the task on the processor, also while that task is already gone."""
    graveyard: list[int] = []
    """thread_infos whose tasks are gone, to be freed when nobody stands on them."""
    next_pid: int = 1
    next_id: int = 1
    """Next number for spaces, fdtables, files, inodes, pipes and sighands."""
    first: int = 0
    """Pid of the program that was started from outside; its end is the session's."""
    first_status: int = -1
    entropy: int = 0
    entropy_used: int = 0
    timex: list[int] = []
    """What adjtimex was told: status, frequency, maxerror, esterror, time constant, TAI offset, tick."""
    epoch: int = 0
    """Real time at tick 0, nanoseconds since 1970."""
    runqueue: list[int] = []
    slice_end: int = 0
    deadlines: dict[int, int] = {}
    """Pid to the tick at which its sleep ends."""
    waiting: dict[str, list[int]] = {}
    """Wait queue to the pids that sleep on it, in order."""
    posix_timers: dict[int, PosixTimer] = {}
    ranked: bool = False
    """Some task was given another scheduling class than the usual one: all classes are to be looked at."""
    rotate: bool = False
    """The current task goes behind its equals when it is switched away from."""
    run_next: int = 0
    """Pid of the task that a person wants to run next, 0 for none."""
    schedule_seed: int = -1
    """What random choices of the scheduler come from; -1: it takes turns."""
    schedule_drawn: int = 0
    pi_owners: dict[str, int] = {}
    """Pid of who has a lock that others wait for, by the lock's wait queue."""
    tasks: dict[int, Task] = {}
    spaces: dict[int, Space] = {}
    sighands: dict[int, SigHand] = {}
    fdtables: dict[int, FdTable] = {}
    files: dict[int, OpenFile] = {}
    inodes: dict[int, Inode] = {}
    pipes: dict[int, Pipe] = {}
    terminals: dict[int, Terminal] = {}
    streams: dict[int, Stream] = {}
    xattr_bytes: int = 0
    """What all extended attributes take."""
    locks: dict[int, list[FileLock]] = {}
    """By inode."""
    eventfds: dict[int, Eventfd] = {}
    timerfds: dict[int, Timerfd] = {}
    mqueues: dict[int, Mqueue] = {}
    mqueue_names: dict[str, int] = {}
    signalfds: dict[int, Signalfd] = {}
    epolls: dict[int, Epoll] = {}
    epoll_items: dict[int, EpollItem] = {}
    disk: Disk | None = None
    inotifies: dict[int, Inotify] = {}
    leases: dict[int, list[Lease]] = {}
    """By inode."""
    dnotifies: dict[int, list[DirNotify]] = {}
    """By directory."""
    asyncs: dict[int, int] = {}
    """Open files with O_ASYNC to the descriptor that SIGIO tells of; the one set last comes last."""
    watched: dict[int, list[int]] = {}
    """Inode number to the inotify instances that watch it; to none if only F_NOTIFY asked."""
    inotify_cookie: int = 0
    listening: dict[str, list[int]] = {}
    """Wait queue to the epoll items that are told when it is woken."""
    timers: dict[str, int] = {}
    """Name to the tick at which it is due (`kernel.timers`)."""
    anon_inode: int = 0
    """The inode of all files that are none: event counters, timers and so on. 0 before the first of them."""
    root: int = 0
    vdso: int = 0
    """Inode number of the vDSO's file."""
    filesystems: dict[int, FileSystem] = {}
    mounts: dict[int, Mount] = {}
    """By the number of the mount; the first is the root's."""
    listings: list[HostListing] = []
    """By their first number."""
    host_links: dict[str, int] = {}
    """What has several names on the host, to its inode number."""
    hostname: str = "int80"
    domainname: str = "(none)"
    settings: dict[str, int] = {}
    """What was written to /proc/sys."""
    devpts: int = 0
    """Inode of /dev/pts."""
    boot_id: bytes = b""
    interrupts: dict[int, int] = {}
    """How often each device's vector was taken."""
    switches: int = 0
    forks: int = 0
    run_since: int = 0
    """When the current task got the processor, as far as that is not yet in its `user_ticks`."""
    idle_ticks: int = 0
    gone_user_ticks: int = 0
    gone_system_ticks: int = 0
    """Time of tasks that are gone."""
    load: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0])
    """Load averages in 2048ths, and when they are due again."""
    load_due: int = 5_000_000_000
    frame_refs: dict[int, int] = {}
    """Owners of each allocated frame (mappings, page cache, page tables, kernel stacks)."""
    frames_free: list[int] = []
    """Frames given back, last one first out."""
    frame_next: int = 0
    """First frame never allocated so far."""
    stacks_free: list[int] = []
    """Kernel stacks given back, by their first frame."""
    executed: set[int] = set()
    """Frames mapped executable at some time: written again, translated code must be forgotten."""
    idle: bool = False
    halted: bool = False
    """Nothing is left to run, and that has been told."""
    sockets: dict[int, Socket] = {}
    passed: dict[int, int] = {}
    """Open files on their way through sockets, and how many messages have them."""
    dropped: list[int] = []
    """Open files of messages that are gone, to be let go of; empty between events."""
    dropping: bool = False
    autobind: int = 0
    """The name that the kernel gave last to a socket without one."""
    socket_memory: int = 0
    """What all messages take that are in sockets' queues, in bytes."""
    inputs_done: int = 0
    """How many recorded inputs have been taken."""
