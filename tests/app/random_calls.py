"""Programs made up for tests: any system call that has a body, with arguments that often look right.

Unlike in `random_program` most of what they do makes no sense, and much of it is refused: what counts is that
the kernel takes it. What an argument is, the table's row says; pointers lead into memory of which parts are
full of numbers, names, vectors, cannot be written or are not there.
"""

from __future__ import annotations

import random
import struct

from kernel.abi import files, process, signal
from kernel.syscalls.registry import handlers
from kernel.table import BY_NAME, Arg, Kind, Row

BASE = 0x0804_8000
CODE = BASE + 0x1000
HANDLER = CODE + 16
ENTRY = CODE + 32
DATA = BASE + 0x8000
DATA_SIZE = 0x4000
READ_ONLY = DATA + DATA_SIZE
PAGE = 4096

SCRATCH, NAMES, VECTORS, NUMBERS, FULL = 0, 0x1000, 0x1800, 0x2000, 0x3000
"""What lies in the data, by its offset."""
ALARM, SECOND = 0x1F00, 0x1F20

PATHS = (
    *("/tmp/f", "/tmp/g", "/tmp/d", "/tmp/d/x", "/tmp/link", "/tmp/fifo", "/tmp", "/", ".", "..", "", "f"),
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/ptmx", "/dev/hda0", "/mnt"),
    *("/mnt/squares", "/mnt/bin/hello", "/mnt/motd", "minix"),
    *("/proc/self/maps", "/proc/self/fd/3", "/proc/self/mem", "/proc/self/exe", "/proc/1/status", "/proc"),
    *("/proc/sys/kernel/hostname", "/sys", "/bin/hello", "/tmp/d/../f/", "user.x", "tmpfs", "/" * 300),
)
DESCRIPTORS = (*range(20), 0xFFFF_FFFF, 0xFFFF_FF9C, 1000)
SIZES = (
    0,
    1,
    2,
    4,
    8,
    12,
    16,
    24,
    32,
    64,
    100,
    128,
    4095,
    4096,
    5000,
    65536,
    1 << 20,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
)
WORDS = (0, 1, 2, 3, 4, 5, 7, 8, 10, 16, 64, 255, 1000, 4096, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
SIGNALS = (0, 1, 2, 10, 12, 13, 14, 17, 18, 19, 20, 23, 28, 32, 34, 64, 65)
POINTERS = frozenset(
    kind
    for kind in Kind
    if kind.value in ("out", "in", "in:", "out:", "inout", "rem", "msgin", "msgout", "addr")
)
MAKES_TASKS = ("fork", "vfork", "clone", "clone3")
LEFT_OUT = frozenset(("exit", "exit_group", "sigreturn", "rt_sigreturn"))
"""What would end the program at once."""
ROWS = tuple(row for name, row in sorted(BY_NAME.items()) if name in handlers() and name not in LEFT_OUT)


class Writer:
    """Machine code, call by call."""

    def __init__(self) -> None:
        self.code = bytearray()
        self.tasks = 0

    def call(self, name: str, *args: int) -> None:
        """mov eax, nr; mov ebx, ...; int $0x80."""
        words = (BY_NAME[name].number, *args)
        for opcode, value in zip((0xB8, 0xBB, 0xB9, 0xBA, 0xBE, 0xBF, 0xBD), words, strict=False):
            self.code += struct.pack("<BI", opcode, value & 0xFFFF_FFFF)
        self.code += b"\xcd\x80"

    def prepare(self) -> None:
        """Descriptors of all kinds from 3 on, files, and an alarm that ends what would wait for ever."""
        known = handlers()
        self.call("open", name_at("/tmp/f"), files.O_RDWR | files.O_CREAT, 0o644)
        self.call("write", 3, DATA + FULL, 3000)
        self.call("pipe", DATA + SCRATCH)
        self.call("mkdir", name_at("/tmp/d"), 0o755)
        self.call("mknod", name_at("/tmp/fifo"), files.S_IFIFO | 0o600, 0)
        self.call("symlink", name_at("f"), name_at("/tmp/link"))
        self.call("eventfd2", 3, 0)
        self.call("epoll_create1", 0)
        self.call("inotify_init1", files.O_NONBLOCK)
        self.call("timerfd_create", 1, 0)
        self.call("open", name_at("/tmp"), files.O_RDONLY)
        self.call("open", name_at("/proc/self/maps"), files.O_RDONLY)
        self.call("inotify_add_watch", 8, name_at("/tmp"), 0xFFF)
        for name, args in (
            ("socketpair", (1, 1, 0, DATA + SCRATCH)),
            ("socket", (2, 1, 0)),
            ("open", (name_at("/dev/ptmx"), files.O_RDWR)),
        ):
            if name in known:
                self.call(name, *args)
        self.call("mkdir", name_at("/mnt"), 0o755)
        self.call("mount", name_at("/dev/hda0"), name_at("/mnt"), name_at("minix"), 0, 0)
        self.call("open", name_at("/dev/hda0"), files.O_RDWR)
        self.call("open", name_at("/mnt/squares"), files.O_RDONLY)
        self.call("rt_sigaction", signal.SIGALRM, DATA + ALARM, 0, 8)
        self.call("setitimer", 0, DATA + SECOND, 0)

    def random_call(self, row: Row, seed: int) -> None:
        rng = random.Random(seed)
        if row.name in MAKES_TASKS:
            self.tasks += 1
            if self.tasks > 2:
                return
            if (
                row.name == "clone"
            ):  # without a stack of its own it shares the caller's: only its code goes on
                self.call(
                    "clone",
                    rng.choice((process.CLONE_FILES, process.CLONE_FS, 0)) | signal.SIGCHLD,
                    0,
                    0,
                    0,
                    0,
                )
                return
        self.call(row.name, *(argument(arg, rng) for arg in row.args))

    def program(self, calls: list[tuple[Row, int]]) -> bytes:
        self.prepare()
        for row, seed in calls:
            self.random_call(row, seed)
        self.call("exit_group", 0)
        return elf(bytes(self.code), data_segment(sum(seed for _, seed in calls)))


def name_at(path: str) -> int:
    """Where a name lies in the data."""
    at = NAMES
    for known in PATHS:
        if known == path:
            return DATA + at
        at += len(known) + 1
    raise ValueError(path)


def argument(arg: Arg, rng: random.Random) -> int:
    """A value that such an argument may have, or one that it may not have."""
    if rng.random() < 0.06:
        return rng.choice((*WORDS, rng.getrandbits(32), DATA + rng.randrange(DATA_SIZE)))
    match arg.kind:
        case Kind.FD | Kind.DIRFD:
            return rng.choice(DESCRIPTORS)
        case Kind.PATH | Kind.STRING:
            return name_at(rng.choice(PATHS)) if rng.random() < 0.95 else pointer(rng)
        case Kind.PID:
            return rng.choice((0, 0, 1, 2, 3, 99, 0xFFFF_FFFF, 0xFFFF_FFFE))
        case Kind.SIGNAL:
            return rng.choice(SIGNALS)
        case Kind.IOVEC_IN | Kind.IOVEC_OUT:
            return DATA + VECTORS + 8 * rng.randrange(24)
        case Kind.UINT | Kind.INT if arg.name in ("count", "size", "len", "length", "bufsiz", "nbytes"):
            return rng.choice(SIZES)
        case Kind.FLAGS | Kind.HEX | Kind.SOCKET_TYPE:
            return rng.choice((0, 0, 1 << rng.randrange(32), 1 << rng.randrange(12) | 1 << rng.randrange(22)))
        case Kind.ENUM | Kind.FUTEX_OP | Kind.INT | Kind.UINT:
            return rng.choice((rng.randrange(16), rng.randrange(64), *rng.sample(WORDS, 2)))
        case Kind.LOW:
            return rng.choice((0, 0, 1, 100, 4096, 5000, 0xFFFF_F000))
        case Kind.HIGH:
            return rng.choice((0, 0, 0, 0, 1, 0xFFFF_FFFF))
        case Kind.MODE | Kind.FILE_MODE:
            return rng.choice((0o644, 0o755, 0o7777, 0o100644, 0o10600, 0o20600, 0o40700))
        case Kind.IOCTL:
            return rng.choice((0x5400 + rng.randrange(0x60), 0x541B, rng.getrandbits(16)))
        case kind if kind in POINTERS or kind.value.endswith("arg"):
            return pointer(rng)
    return rng.choice((pointer(rng), *rng.sample(WORDS, 3)))


def pointer(rng: random.Random) -> int:
    """Into memory full of something, to the end of it, to what cannot be written, or to nothing."""
    return rng.choice(
        (
            *(DATA + place + 4 * rng.randrange(64) for place in (SCRATCH, NUMBERS, NUMBERS, FULL, VECTORS)),
            DATA + NAMES,
            READ_ONLY - rng.randrange(1, 40),
            READ_ONLY + rng.randrange(64),
            rng.choice((0, 0, 0x10, 0xBFFF_F000, 0xC000_0000, READ_ONLY + PAGE)),
        )
    )


def data_segment(seed: int) -> bytes:
    rng = random.Random(seed)
    data = bytearray(DATA_SIZE + PAGE)
    names = b"".join(path.encode() + b"\0" for path in PATHS)
    data[NAMES : NAMES + len(names)] = names
    for n in range(32):
        at = rng.choice((DATA + SCRATCH, DATA + FULL, READ_ONLY - 8, READ_ONLY, 0x10))
        struct.pack_into(
            "<II", data, VECTORS + 8 * n, at + rng.randrange(64), rng.choice((0, 1, 7, 100, 5000))
        )
    struct.pack_into("<III", data, ALARM, HANDLER, signal.SA_RESTORER, CODE)
    struct.pack_into("<IIII", data, SECOND, 0, 2000, 0, 2000)
    for at in range(NUMBERS, NUMBERS + 0x1000, 4):
        small = rng.choice(
            (rng.randrange(17), rng.randrange(17), DATA + rng.randrange(0x40) * 64, rng.choice(WORDS))
        )
        struct.pack_into("<I", data, at, small)
    for at in range(FULL, DATA_SIZE):
        data[at] = rng.randrange(256)
    return bytes(data)


def elf(code: bytes, data: bytes) -> bytes:
    """Code, before it a signal handler that only returns; data; and a page that can only be read."""
    restorer = struct.pack("<BBI", 0x58, 0xB8, BY_NAME["sigreturn"].number) + b"\xcd\x80"
    text = (restorer.ljust(HANDLER - CODE, b"\x90") + b"\xc3").ljust(ENTRY - CODE, b"\x90") + code
    size = DATA - CODE
    if len(text) > size:
        raise ValueError("too long a program")
    header = struct.pack("<4sBBB9x", b"\x7fELF", 1, 1, 1)
    header += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, ENTRY, 52, 0, 0, 52, 32, 3, 0, 0, 0)
    for offset, at, length, flags in (
        (0x1000, CODE, size, 5),
        (0x1000 + size, DATA, DATA_SIZE, 6),
        (0x1000 + size + DATA_SIZE, READ_ONLY, PAGE, 4),
    ):
        header += struct.pack("<8I", 1, offset, at, at, length, length, flags, PAGE)
    return header.ljust(0x1000, b"\0") + text.ljust(size, b"\0") + data
