"""Programs made up for tests: random system calls and memory accesses as machine code in an ELF file.

Addresses, descriptors, signals and pids come from small sets, so that calls meet what earlier ones left. What
such a program does makes no sense, but all of it is allowed: most of its calls must work.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from kernel.abi import files, mman, process, signal
from kernel.table import BY_NAME

BASE = 0x0804_8000
DATA = BASE + 0x3000
WINDOW = 0x5000_0000
WINDOW_PAGES = 24
PAGE = 4096

# What lies in the data segment, by its offset.
FDS, STATUS, TIMESPEC, SCRATCH = 0, 16, 32, 64
ACTIONS = {"default": 128, "ignore": 144, "handler": 160}
SETS = {"usr": 192, "many": 200, "none": 208}
HELLO, FILE, ARGV = 224, 240, 256
HANDLER = BASE + 0x2000
"""`ret`; behind it the restorer."""
SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD, signal.SIGRTMIN + 2, signal.SIGWINCH)


MOV_EAX_EBX_ECX_EDX_ESI_EDI_EBP = (0xB8, 0xBB, 0xB9, 0xBA, 0xBE, 0xBF, 0xBD)


class Writer:
    """Appends calls and accesses to machine code."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.code = bytearray()
        self.forks = 0

    def call(self, name: str, *args: int) -> None:
        """mov eax, nr; mov ebx, ...; int $0x80."""
        words = (BY_NAME[name].number, *args)
        for opcode, value in zip(MOV_EAX_EBX_ECX_EDX_ESI_EDI_EBP, words, strict=False):
            self.code += struct.pack("<BI", opcode, value & 0xFFFF_FFFF)
        self.code += b"\xcd\x80"

    def call_on(self, descriptor: int, name: str, *args: int) -> None:
        """As `call`, with ebx from a word of the data: mov ebx, [descriptor]."""
        self.call(name, 0, *args)
        self.code[-2:] = struct.pack("<BBI", 0x8B, 0x1D, DATA + descriptor) + b"\xcd\x80"

    def page(self) -> int:
        return WINDOW + self.rng.randrange(WINDOW_PAGES) * PAGE

    def size(self) -> int:
        return self.rng.randrange(1, 8) * PAGE

    def prot(self) -> int:
        return self.rng.choice((0, 1, 3, 3, 3, 5, 7))

    def buffer(self) -> int:
        return self.rng.choice((DATA + SCRATCH, self.page(), self.page() + PAGE - 30))

    def fd(self) -> int:
        return self.rng.choice((0, 1, 3, 4, 5, 6, 7, 9))

    # One method per thing to do.

    def map_fixed(self) -> None:
        kind = self.rng.choice((mman.MAP_PRIVATE, mman.MAP_PRIVATE, mman.MAP_SHARED))
        flags = kind | mman.MAP_ANONYMOUS | mman.MAP_FIXED
        self.call("mmap2", self.page(), self.size(), self.prot(), flags, -1, 0)

    def map_file(self) -> None:
        kind = self.rng.choice((mman.MAP_PRIVATE, mman.MAP_SHARED)) | mman.MAP_FIXED
        self.call("mmap2", self.page(), self.size(), self.prot(), kind, self.fd(), self.rng.randrange(3))

    def map_anywhere(self) -> None:
        self.call("mmap2", 0, self.size(), self.prot(), mman.MAP_PRIVATE | mman.MAP_ANONYMOUS, -1, 0)

    def unmap(self) -> None:
        self.call("munmap", self.page(), self.size())

    def protect(self) -> None:
        self.call("mprotect", self.page(), self.size(), self.prot())

    def advise(self) -> None:
        where = self.rng.choice((self.page(), self.page(), 0xBFFE_0000 + self.rng.randrange(24) * PAGE))
        self.call("madvise", where, self.size(), mman.MADV_DONTNEED)

    def move_break(self) -> None:
        self.call("brk", BASE + 0x5000 + self.rng.randrange(6) * 0x900)

    def touch(self) -> None:
        """A byte of the stack, the data or (a risk) the window: movb $1, address."""
        where = [0xBFFF_0000 - self.rng.randrange(30) * PAGE, DATA + SCRATCH]
        if self.rng.random() < 0.1:
            where.append(self.page())
        self.code += struct.pack("<BBIB", 0xC6, 0x05, self.rng.choice(where), 1)

    def make_pipe(self) -> None:
        self.call("pipe", DATA + FDS)

    def write(self) -> None:
        self.call("write", self.fd(), self.buffer(), self.rng.randrange(60))

    def read(self) -> None:
        self.call("read", 3, self.buffer(), self.rng.randrange(60))

    def write_pipe(self) -> None:
        self.call_on(FDS + 4, "write", self.buffer(), self.rng.randrange(60))

    def read_pipe(self) -> None:
        if self.rng.random() < 0.8:
            self.call_on(FDS, "fcntl", files.F_SETFL, files.O_NONBLOCK)
        self.call_on(FDS, "read", self.buffer(), self.rng.randrange(60))

    def duplicate(self) -> None:
        self.call("dup", self.fd())

    def duplicate_to(self) -> None:
        self.call("dup2", self.fd(), self.rng.choice((5, 6, 7, 9)))

    def close(self) -> None:
        self.call("close", self.rng.choice((3, 4, 5, 6, 7, 9)))

    def open_file(self) -> None:
        self.call("open", DATA + FILE, files.O_RDWR | files.O_CREAT, 0o600)

    def remove_file(self) -> None:
        self.call("unlink", DATA + FILE)

    def flags(self) -> None:
        self.call("fcntl", self.fd(), files.F_SETFL, self.rng.choice((0, files.O_NONBLOCK, files.O_APPEND)))

    def set_action(self) -> None:
        action = DATA + self.rng.choice(list(ACTIONS.values()))
        self.call("rt_sigaction", self.rng.choice(SIGNALS), action, 0, 8)

    def set_mask(self) -> None:
        self.call(
            "rt_sigprocmask", self.rng.choice((0, 1, 1, 2)), DATA + self.rng.choice(list(SETS.values())), 0, 8
        )

    def kill(self) -> None:
        number = self.rng.choice(SIGNALS) if self.rng.random() < 0.9 else self.rng.randrange(1, 65)
        self.call("kill", self.rng.choice((0, 2, 2, 2, 3, 4)), number)

    def kill_thread(self) -> None:
        self.call("tkill", self.rng.choice((2, 2, 3)), self.rng.choice(SIGNALS))

    def stop_and_continue(self) -> None:
        self.call("kill", 3, self.rng.choice((signal.SIGSTOP, signal.SIGTSTP)))
        self.call("kill", 3, signal.SIGCONT)

    def fork(self) -> None:
        if self.forks < 2:
            self.forks += 1
            self.call(self.rng.choice(("fork", "fork", "vfork")))

    def clone(self) -> None:
        """A task that shares what the flags say, on the same stack: it must not return from anything."""
        if self.forks < 2:
            self.forks += 1
            flags = self.rng.choice(
                (process.CLONE_FILES, process.CLONE_VM, process.CLONE_VM | process.CLONE_SIGHAND)
            )
            self.call("clone", flags | signal.SIGCHLD, 0, 0, 0, 0)

    def wait(self) -> None:
        self.call("waitpid", -1, DATA + STATUS, process.WNOHANG | process.WUNTRACED)

    def sleep(self) -> None:
        self.call("nanosleep", DATA + TIMESPEC, 0)

    def give_way(self) -> None:
        self.call("sched_yield")

    def rename(self) -> None:
        self.call("prctl", process.PR_SET_NAME, DATA + HELLO, 0, 0, 0)

    def program(self, length: int) -> bytes:
        actions: list[Callable[[], None]] = [
            *(
                [self.map_fixed] * 6
                + [self.protect] * 4
                + [self.unmap] * 2
                + [self.advise] * 2
                + [self.touch] * 3
            ),
            *([self.write_pipe] * 4 + [self.read_pipe] * 4 + [self.make_pipe] * 2 + [self.close] * 2),
            *(self.write, self.write, self.read),
            *(self.map_anywhere, self.map_file, self.map_file, self.move_break, self.move_break),
            *(self.open_file, self.open_file, self.remove_file, self.flags),
            *(
                self.duplicate,
                self.duplicate_to,
                self.set_action,
                self.set_action,
                self.set_mask,
                self.set_mask,
            ),
            *(
                self.kill,
                self.kill,
                self.kill_thread,
                self.stop_and_continue,
                self.fork,
                self.fork,
                self.clone,
            ),
            *(self.wait, self.wait, self.sleep, self.give_way, self.rename),
        ]
        self.open_file()
        self.make_pipe()
        self.call(
            "mmap2",
            WINDOW,
            WINDOW_PAGES * PAGE,
            3,
            mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | mman.MAP_FIXED,
            -1,
            0,
        )
        for _ in range(length):
            self.rng.choice(actions)()
        if self.rng.random() < 0.5:
            self.call("execve", DATA + HELLO, DATA + ARGV, 0)
        self.call(self.rng.choice(("exit", "exit_group")), self.rng.randrange(4))
        return elf(bytes(self.code))


def random_program(seed: int, length: int = 60) -> bytes:
    """An ELF file; the same seed gives the same program."""
    return Writer(seed).program(length)


def elf(code: bytes) -> bytes:
    """Two segments: code with the handler in its last page, and data."""
    text = bytearray(0x2F00 - 0x100)
    if len(code) > 0x1E00:
        raise ValueError("too long a program")
    text[: len(code)] = code
    restorer = struct.pack("<BI", 0xB8, BY_NAME["rt_sigreturn"].number) + b"\xcd\x80"
    text[0x1F00 : 0x1F00 + 16] = (b"\xc3" + b"\x90" * 7 + restorer).ljust(16, b"\x90")
    header = struct.pack("<4sBBB9x", b"\x7fELF", 1, 1, 1)
    header += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, BASE + 0x100, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    header += struct.pack("<8I", 1, 0, BASE, BASE, 0x2F00, 0x2F00, 5, PAGE)
    header += struct.pack("<8I", 1, 0x3000, DATA, DATA, 0x200, 0x1200, 6, PAGE)
    return (header.ljust(0x100, b"\0") + bytes(text)).ljust(0x3000, b"\0") + data_segment()


def data_segment() -> bytes:
    data = bytearray(0x200)
    struct.pack_into("<2I", data, TIMESPEC, 0, 50_000)
    data[SCRATCH : SCRATCH + 30] = b"thirty bytes of what is written"[:30]
    flags = signal.SA_SIGINFO | signal.SA_RESTORER
    handlers = {"default": (signal.SIG_DFL, 0), "ignore": (signal.SIG_IGN, 0), "handler": (HANDLER, flags)}
    for name, (handler, flag) in handlers.items():
        struct.pack_into("<3I", data, ACTIONS[name], handler, flag, HANDLER + 8)
    masks = {"usr": signal.sigmask(signal.SIGUSR1), "many": sum(map(signal.sigmask, SIGNALS[:3])), "none": 0}
    for name, mask in masks.items():
        struct.pack_into("<Q", data, SETS[name], mask)
    data[HELLO : HELLO + 11] = b"/bin/hello\0"
    data[FILE : FILE + 8] = b"/tmp/f\xffl"
    struct.pack_into("<2I", data, ARGV, DATA + HELLO, 0)
    return bytes(data)
