"""What is taken of user memory for the trace: enough to show a call, never more, nothing that can't be
read."""

from __future__ import annotations

from struct import pack

from kernel.abi.sigframe import Sigcontext, Siginfo, pack_rt_sigframe, pack_sigframe
from kernel.abi.structs import StackT
from kernel.capture import EMPTY, capture_enter, capture_exit
from kernel.captured import SHOWN, TEXT, Message, Strings, Vector, count
from kernel.table import BY_NAME, TABLE

BASE = 0x1000


class Memory:
    """Two pages from BASE; what lies outside cannot be read. Counts the bytes that were asked for."""

    def __init__(self, content: bytes = b"", at: int = BASE) -> None:
        self.bytes = bytearray(0x2000)
        self.asked = 0
        self.put(at, content)

    def put(self, at: int, content: bytes) -> None:
        self.bytes[at - BASE : at - BASE + len(content)] = content

    def read(self, address: int, size: int) -> bytes | None:
        self.asked += size
        start = address - BASE
        return bytes(self.bytes[start : start + size]) if 0 <= start <= 0x2000 - size else None


def test_rows_without_pointers_share_one_empty_tuple() -> None:
    memory = Memory()
    for name in ("getpid", "close", "exit_group", "brk", "kill"):
        assert capture_enter(BY_NAME[name], (BASE,) * 6, memory.read) is EMPTY
        assert capture_exit(BY_NAME[name], (BASE,) * 6, 0, memory.read) is EMPTY
    assert memory.asked == 0


def test_a_failed_call_has_written_nothing() -> None:
    memory = Memory(b"junk")
    assert capture_exit(BY_NAME["read"], (0, BASE, 4), -9, memory.read) is EMPTY
    assert capture_exit(BY_NAME["fstat64"], (0, BASE), -9, memory.read) is EMPTY


def test_buffers_are_taken_as_far_as_they_are_shown() -> None:
    memory = Memory(bytes(range(64)))
    assert capture_enter(BY_NAME["write"], (1, BASE, 5), memory.read) == (None, bytes(range(5)), None)
    assert capture_enter(BY_NAME["write"], (1, BASE, 1 << 30), memory.read) == (
        None,
        bytes(range(TEXT)),
        None,
    )
    assert capture_exit(BY_NAME["read"], (0, BASE, 60), 50, memory.read) == (None, bytes(range(TEXT)), None)
    assert capture_exit(BY_NAME["read"], (0, BASE, 60), 0, memory.read) == (None, b"", None)
    assert capture_exit(BY_NAME["recvfrom"], (0, BASE, 3, 0, 0, 0), 50, memory.read)[1] == b"\0\1\2"


def test_memory_that_cannot_be_read_is_none() -> None:
    memory = Memory()
    assert capture_enter(BY_NAME["write"], (1, 0, 5), memory.read) == (None, None, None)
    assert capture_enter(BY_NAME["write"], (1, 0x5000, 5), memory.read) == (None, None, None)
    assert capture_enter(BY_NAME["open"], (0x5000, 0, 0), memory.read) == (None, None, None)


def test_a_string_may_end_at_the_last_readable_byte() -> None:
    end = BASE + 0x2000
    memory = Memory(b"tail\0", end - 5)
    assert capture_enter(BY_NAME["chdir"], (end - 5,), memory.read) == (b"tail",)
    memory.put(end - 5, b"tails")
    assert capture_enter(BY_NAME["chdir"], (end - 5,), memory.read) == (None,)


def test_paths_are_taken_whole_and_other_strings_in_part() -> None:
    memory = Memory(b"/" * 300 + b"\0")
    assert capture_enter(BY_NAME["chdir"], (BASE,), memory.read) == (b"/" * 300,)
    assert capture_enter(BY_NAME["memfd_create"], (BASE, 0), memory.read) == (b"/" * TEXT, None)


def test_argv_and_envp() -> None:
    memory = Memory(b"sh\0-c\0" + b"x" * 40 + b"\0")
    memory.put(0x1100, pack("<5I", BASE, BASE + 3, BASE + 6, 0x5000, 0))
    path, argv, envp = capture_enter(BY_NAME["execve"], (BASE, 0x1100, 0x1104), memory.read)
    assert path == b"sh"
    assert argv is not None
    assert Strings.decode(argv) == Strings((b"sh", b"-c", b"x" * TEXT, 0x5000), False)
    assert envp is not None
    assert count(envp) == 3
    assert capture_enter(BY_NAME["execve"], (BASE, 0, 0x5000), memory.read) == (b"sh", None, None)


def test_an_argv_without_end_is_cut() -> None:
    memory = Memory(pack("<I", BASE + 0x1FF0) * 1024)
    argv = capture_enter(BY_NAME["execve"], (0, BASE, 0), memory.read)[1]
    assert argv is not None
    strings = Strings.decode(argv)
    assert len(strings.items) == SHOWN
    assert strings.more


def test_vectors_hold_no_more_than_was_read() -> None:
    memory = Memory(pack("<4I", 0x1100, 8, 0x1200, 20))
    memory.put(0x1100, b"hello wo")
    memory.put(0x1200, b"rld\n????")
    taken = capture_exit(BY_NAME["readv"], (3, BASE, 2), 12, memory.read)[1]
    assert taken is not None
    assert Vector.decode_all(taken) == [Vector(0x1100, 8, b"hello wo"), Vector(0x1200, 20, b"rld\n")]
    taken = capture_enter(BY_NAME["readv"], (3, BASE, 2), memory.read)[1]
    assert taken is not None
    assert Vector.decode_all(taken) == [Vector(0x1100, 8, None), Vector(0x1200, 20, None)]


def test_messages() -> None:
    memory = Memory(pack("<7I", 0x1100, 4, 0x1200, 1, 0x1300, 12, 0))
    memory.put(0x1100, b"\1\0/a")
    memory.put(0x1200, pack("<2I", 0x1280, 3))
    memory.put(0x1280, b"abc")
    taken = capture_enter(BY_NAME["sendmsg"], (3, BASE, 0), memory.read)[1]
    assert taken is not None
    message = Message.decode(taken)
    assert (message.name, message.control) == (b"\1\0/a", bytes(12))
    assert message.vectors is not None
    assert Vector.decode_all(message.vectors) == [Vector(0x1280, 3, b"abc")]


def test_arrays_by_count_and_by_result() -> None:
    memory = Memory(pack("<iHHiHH", 3, 1, 1, 4, 4, 0))
    args = (BASE, 2, 0)
    assert capture_enter(BY_NAME["poll"], args, memory.read)[0] == memory.read(BASE, 16)
    assert capture_exit(BY_NAME["poll"], args, 1, memory.read)[0] == memory.read(BASE, 16)
    assert capture_enter(BY_NAME["poll"], (BASE, 1000, 0), memory.read)[0] == memory.read(BASE, 8 * TEXT)
    assert capture_exit(BY_NAME["getgroups32"], (10, BASE), 1, memory.read)[1] == pack("<I", 3)


def test_what_is_left_of_a_sleep_is_there_only_after_a_signal() -> None:
    memory = Memory(pack("<ii", 1, 2))
    assert capture_exit(BY_NAME["nanosleep"], (0, BASE), -516, memory.read) == (None, pack("<ii", 1, 2))
    assert capture_exit(BY_NAME["nanosleep"], (0, BASE), -4, memory.read) == (None, pack("<ii", 1, 2))
    assert capture_exit(BY_NAME["nanosleep"], (0, BASE), 0, memory.read) is EMPTY


def test_requests_decide_what_is_taken() -> None:
    memory = Memory(bytes(range(64)))
    ioctl, fcntl, futex = BY_NAME["ioctl"], BY_NAME["fcntl64"], BY_NAME["futex"]
    assert capture_exit(ioctl, (0, 0x5401, BASE), 0, memory.read) == (None, None, bytes(range(36)))
    assert capture_exit(ioctl, (0, 0x5402, BASE), 0, memory.read) == (None, None, None)
    assert capture_enter(ioctl, (0, 0x5402, BASE), memory.read) == (None, None, bytes(range(36)))
    assert capture_enter(fcntl, (0, 13, BASE), memory.read) == (None, None, bytes(range(24)))
    assert capture_enter(fcntl, (0, 4, BASE), memory.read) == (None, None, None)
    assert capture_enter(futex, (BASE, 0x80, 1, BASE, 0, 0), memory.read)[3] == bytes(range(8))
    assert capture_enter(futex, (BASE, 1, 1, BASE, 0, 0), memory.read)[3] is None


def test_directories_give_a_number() -> None:
    entry = pack("<QqHB5s", 1, 1, 24, 8, b"a\0\0\0\0")
    memory = Memory(entry * 3)
    taken = capture_exit(BY_NAME["getdents64"], (3, BASE, 4096), 72, memory.read)[1]
    assert taken is not None
    assert count(taken) == 3
    memory.put(BASE + 16, b"\0\0")
    assert capture_exit(BY_NAME["getdents64"], (3, BASE, 4096), 72, memory.read)[1] is None


def test_a_call_inside_a_call_comes_behind_it() -> None:
    memory = Memory(pack("<4I", 3, 0x1100, 5, 0))
    memory.put(0x1100, b"hello")
    block = memory.read(BASE, 16)
    entered = capture_enter(BY_NAME["socketcall"], (9, BASE), memory.read)
    assert entered == (None, block, None, b"hello", None, None)
    exited = capture_exit(BY_NAME["socketcall"], (10, BASE), 5, memory.read)
    assert exited == (None, None, None, b"hello", None, None)
    memory.put(BASE, pack("<6I", 0, 4096, 3, 0x22, 0xFFFFFFFF, 0))
    assert capture_enter(BY_NAME["mmap"], (BASE,), memory.read) == (memory.read(BASE, 24),)


def test_sigreturn_finds_the_mask_in_its_frame() -> None:
    mask = 0x1234_5678_9ABC
    memory = Memory(pack_sigframe(0, 10, Sigcontext(), mask))
    esp = BASE + 8
    assert capture_enter(BY_NAME["sigreturn"], (esp,), memory.read) == (mask.to_bytes(8, "little"),)
    memory = Memory(pack_rt_sigframe(0, BASE, Siginfo(10), Sigcontext(), StackT(), mask))
    assert capture_enter(BY_NAME["rt_sigreturn"], (BASE + 4,), memory.read) == (mask.to_bytes(8, "little"),)


def test_no_row_and_no_arguments_make_it_fail() -> None:
    memory = Memory(bytes(range(256)) * 32)
    for row in TABLE:
        for word in (0, 1, BASE, BASE + 0x1FFE, 0xFFFFFFFF):
            for result in (0, 1, 40, -4, -22, 0x7FFFFFFF, -0x80000000):
                if row is not None:
                    capture_enter(row, (word,) * 6, memory.read)
                    capture_exit(row, (word,) * 6, result, memory.read)


def test_parts_of_a_message_may_be_long() -> None:
    for size in (0, 1, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 200_000):
        message = Message(bytes(28), None, b"v" * size, b"control")
        assert Message.decode(message.encode()) == message
