"""What `int80 syscalls` says that calls lack, they lack: what stands behind "without" is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from struct import pack

import pytest

from kernel.abi.errno import Errno
from kernel.errors import KernelError
from kernel.syscalls.registry import handlers, standing
from kernel.table import BY_NAME, TABLE
from kernel.table_rows import LACKS
from tests.kernel.file_machine import BUFFER, SMALL, FileMachine

FD = -1
"""Stands for the descriptor of a file."""
DISK = -2
"""And of the disk."""
CLONE_NEWNS, CLONE_NEWUTS, CLONE_INTO_CGROUP = 0x20000, 0x400_0000, 1 << 33
RWF_HINT = 1036
EINVAL, ENOSYS, ENOTTY, EOPNOTSUPP, ENODEV = (
    Errno.EINVAL,
    Errno.ENOSYS,
    Errno.ENOTTY,
    Errno.EOPNOTSUPP,
    Errno.ENODEV,
)


def clone_args(flags: int = 0, set_tid: int = 0) -> bytes:
    return pack("<11Q", flags, 0, 0, 0, 17, 0, 0, 0, set_tid, int(bool(set_tid)), 0)


Arg = int | str | bytes
REFUSED: dict[str, list[tuple[str, tuple[Arg, ...], Errno]]] = {
    "socket": [("other families", (2, 1, 0), Errno.EAFNOSUPPORT)],
    "clone": [("namespaces", (CLONE_NEWUTS | 17, 0, 0, 0, 0), EINVAL)],
    "clone3": [
        ("namespaces", (clone_args(CLONE_NEWNS), 88), EINVAL),
        ("set_tid", (clone_args(set_tid=BUFFER), 88), EINVAL),
        ("CLONE_INTO_CGROUP", (clone_args(CLONE_INTO_CGROUP), 88), EINVAL),
    ],
    "unshare": [("namespaces", (CLONE_NEWNS,), EINVAL)],
    "setns": [("namespaces", (FD, 0), EINVAL)],
    "fcntl": [
        ("F_SET_RW_HINT", (FD, RWF_HINT, SMALL), EINVAL),
    ],
    "futex": [
        ("FUTEX_WAIT_REQUEUE_PI", (BUFFER, 11, 0, 0, BUFFER + 4, 0), ENOSYS),
        ("FUTEX_CMP_REQUEUE_PI", (BUFFER, 12, 1, 1, BUFFER + 4, 0), ENOSYS),
    ],
    "ioctl": [
        ("FS_IOC_GETFLAGS", (FD, 0x8004_6601, SMALL), ENOTTY),
        ("KDGKBTYPE", (0, 0x4B33, SMALL), ENOTTY),
        ("SIOCGIFCONF", (FD, 0x8912, SMALL), ENOTTY),
    ],
    "kcmp": [("KCMP_EPOLL_TFD", (2, 2, 7, 0, 0), EINVAL)],
    "madvise": [("MADV_HWPOISON", (BUFFER, 4096, 100), EINVAL)],
    "membarrier": [("MEMBARRIER_CMD_FLAG_CPU", (128, 1, 0), EINVAL)],
    "memfd_create": [("MFD_HUGETLB", ("name", 4), ENOSYS)],
    "mmap2": [("mappings of the disk", (0, 4096, 1, 2, DISK, 0), ENODEV)],
    "mq_notify": [("SIGEV_THREAD", (FD, pack("<IiI", 0, 0, 2)), Errno.EBADF)],
    "name_to_handle_at": [("AT_HANDLE_CONNECTABLE", (-100, "/tmp", SMALL, SMALL + 64, 2), EINVAL)],
    "pivot_root": [("another root", ("/tmp", "/tmp"), EINVAL)],
    "prctl": [
        ("PR_SET_MM", (35, 6, BUFFER, 0, 0), EINVAL),
        ("PR_SET_VMA", (0x5356_4D41, 0, BUFFER, 4096, 0), EINVAL),
        ("PR_SET_MDWE", (65, 1, 0, 0, 0), EINVAL),
        ("PR_GET_AUXV", (0x4155_5856, BUFFER, 64, 0, 0), EINVAL),
        ("PR_TSC_SIGSEGV", (26, 2, 0, 0, 0), EINVAL),
    ],
    "ptrace": [("PTRACE_O_SUSPEND_SECCOMP", (0x4206, 2, 0, 0x20_0000), EINVAL)],
    "reboot": [("end of the machine", (0xFEE1_DEAD, 672274793, 0x4321_FEDC, 0), EINVAL)],
    "sched_setattr": [
        ("utilisation clamps", (0, pack("<IIQiIQQQII", 56, 0, 0x20, 0, 0, 0, 0, 0, 100, 0), 0), EOPNOTSUPP)
    ],
    "seccomp": [("listener for notifications", (1, 8, BUFFER), EINVAL)],
    "setxattr": [
        ("access control lists", ("/tmp", "system.posix_acl_access", bytes(44), 44, 0), EOPNOTSUPP),
    ],
    "swapon": [("swap space", ("/tmp", 0), EINVAL)],
    "timer_create": [("alarm clocks", (8, 0, SMALL), EINVAL)],
}
"""Of each row (one for all that share a text): the words in it, arguments, and how they are refused."""
ELSEWHERE = {"statx": "its result is looked at below"}


def lacks() -> dict[str, str]:
    return {name: text for names, text in LACKS.items() for name in names.split()}


def test_only_calls_that_are_there_lack_something() -> None:
    for name, text in lacks().items():
        assert name in handlers(), name
        assert BY_NAME[name].lacks == text == standing(BY_NAME[name])
        assert len(text) < 110
        assert not text.endswith(".")


def test_every_call_stands_somewhere() -> None:
    words = [standing(row) for row in TABLE if row is not None]
    assert all(words)
    assert words.count("whole") > 200
    assert standing(BY_NAME["read"]) == "whole"
    assert standing(BY_NAME["perf_event_open"]) == "ENOSYS"
    assert standing(BY_NAME["getpmsg"]) == "ENOSYS, as in Linux"


def test_what_is_said_to_be_refused_has_a_sample() -> None:
    for names, text in LACKS.items():
        if "without" in text:
            assert set(names.split()) & (REFUSED.keys() | ELSEWHERE.keys()), names
            behind = text.partition("without ")[2].partition(";")[0].partition(":")[0]
            for word in re.findall(r"\b[A-Z][A-Z_0-9]{5,}\b", behind):
                samples = [one for name in names.split() for one in REFUSED.get(name, [])]
                assert names in ELSEWHERE or any(word in said for said, _, _ in samples), word


@pytest.fixture
def machine() -> FileMachine:
    return FileMachine()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_it_is_refused(name: str, machine: FileMachine) -> None:
    fd = machine.open("/tmp/file", 0o102)
    disk = machine.open("/tmp/disk", 0o102)
    machine.tables.files[machine.tables.fdtables[machine.task.fdtable].fds[disk]].kind = "disk"
    handler: Callable[..., int] = handlers()[name]
    for said, arguments, errno in REFUSED[name]:
        assert said in lacks()[name]
        words: list[int] = []
        at = BUFFER + 0x2000
        for argument in arguments:
            if argument == FD and not words:
                words.append(fd)
            elif argument == DISK:
                words.append(disk)
            elif isinstance(argument, int):
                words.append(argument & 0xFFFF_FFFF)
            else:
                data = argument.encode() + b"\0" if isinstance(argument, str) else argument
                machine.store(at, data)
                words.append(at)
                at += len(data) + 15 & ~15
        with pytest.raises(KernelError) as raised:
            handler(machine.kernel, *words)
        assert raised.value.errno == errno, said


def test_what_statx_does_not_tell(machine: FileMachine) -> None:
    asked = {"STATX_DIOALIGN": 0x2000, "STATX_MNT_ID_UNIQUE": 0x4000, "STATX_SUBVOL": 0x8000}
    machine.ok("statx", -100, "/tmp", 0, sum(asked.values()), SMALL)
    mask = int.from_bytes(machine.load(SMALL, 4), "little")
    for word, bit in asked.items():
        assert word in BY_NAME["statx"].lacks
        assert not mask & bit
