"""`int80 trace` against strace: the same calls, arguments and results, line by line, of every process.

`traces.py` says in what a run in int80 may differ from one on the host.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path

import pytest

from tests.oracle.harness import HERE, OWN
from tests.oracle.traces import traces

PROGRAMS = HERE / "programs"
Build = Callable[[Path, str], Path]


def same(
    strace: str,
    argv: list[str | Path],
    folder: Path,
    stdin: bytes = b"",
    without: frozenset[str] = frozenset(),
) -> None:
    expected, got = traces(strace, argv, folder, stdin)
    differences: list[str] = []
    for name in sorted(set(expected) | set(got)):
        if name.partition(" ")[0] not in without:
            theirs, ours = expected.get(name, []), got.get(name, [])
            differences += unified_diff(theirs, ours, f"strace {name}", f"int80 {name}", n=1, lineterm="")
    assert not differences, "\n".join(differences[:60])


@pytest.mark.parametrize("name", ["args", "badptr", "divzero", "hello", "printf"])
def test_own_programs(name: str, strace: str, tmp_path: Path) -> None:
    same(strace, [OWN / name, "an argument", "x" * 50], tmp_path)


@pytest.mark.parametrize("libc", ["glibc", "musl"])
@pytest.mark.parametrize(
    "line",
    ["hello", "args one two", "heap", "numbers", "ends abort", "ends segfault", "ends divide", "ends pipe"]
    + ["ends int3", "ends hlt", "ends kill", "ends term", "ends _exit", "ends stack", "ends assert"],
)
def test_c_programs(line: str, libc: str, strace: str, build: Build, tmp_path: Path) -> None:
    name, *arguments = line.split()
    same(strace, [build(PROGRAMS / f"{name}.c", libc), *arguments], tmp_path)


OTHERWISE = {
    "memory": "the host's processor has protection keys, and makes memory that can be executed unreadable",
    "pipes": "how much is in a pipe when it is read depends on the scheduler",
    "preemption": "how often a task turns while another computes depends on the scheduler",
}
"""Programs whose traces differ, and why; that they print the same is tested in `test_conformance.py`."""
RACES = {
    "identity": {"1.7.1": "how far it has come when it is killed"},
    "signals": {"1.13": "which of two signals it sees first when it goes on"},
    "wait": {"1.69": "whether it has come to its pause when it is stopped"},
    "threads": {
        "1.16.1": "whether it has come to its pause when its process ends",
        "1.16": "the same",
        "1.18.1": "the same",
        "1.17": "a first thread's end is told by strace when all threads have ended",
    },
}
"""Processes of the others that run against time."""
CONFORMANCE = sorted(path for path in (HERE / "conformance").glob("*.c") if path.stem not in OTHERWISE)


@pytest.mark.parametrize("source", CONFORMANCE, ids=[path.stem for path in CONFORMANCE])
def test_conformance_programs(source: Path, strace: str, build: Build, tmp_path: Path) -> None:
    same(strace, [build(source, "glibc")], tmp_path, without=frozenset(RACES.get(source.stem, ())))


APPLETS = [
    ("echo hello", b""),
    ("uname -s", b""),
    ("seq 3", b""),
    ("cat", b"one\ntwo\n"),
    ("wc", b"one\ntwo\n"),
    ("sort", b"b\na\n"),
    ("head -1", b"b\na\n"),
    ("sed s/a/b/", b"a\n"),
    ("grep x", b"ax\nby\n"),
    ("awk {print$1}", b"a b\nc d\n"),
    ("md5sum", b"abc"),
    ("cat /nonexistent", b""),
    ("mkdir /dev/null/x", b""),
    ("test -e /dev/zero", b""),
    ("expr 1 + 1", b""),
    ("sleep 0", b""),
    ("true", b""),
    ("kill -0 1", b""),
    ("pwd", b""),
    ("env", b""),
    ("tr a b", b"banana"),
    ("dd bs=2 count=2", b"abcdef"),
    ("readlink /nothing", b""),
    ("nosuchapplet", b""),
    ("od -c", b"abc\n"),
    ("tac", b"1\n2\n"),
    ("tee /dev/null", b"x\n"),
    ("sha256sum", b"abc"),
    ("ls /dev/null", b""),
    ("stat -c %F /dev/null", b""),
    ("sh -c true", b""),
    ("sh -c exit\\t3", b""),
    ("cmp /dev/null /dev/null", b""),
    ("ln -s a /dev/null/b", b""),
]
SHELL = [
    "(exit 3); echo $?",
    "for i in 1 2; do /bin/busybox echo $i; done",
    "kill -TERM $$",
    "trap 'echo got' USR1; kill -USR1 $$; echo end",
]


@pytest.mark.parametrize(("line", "stdin"), APPLETS, ids=[line for line, _ in APPLETS])
def test_applets(line: str, stdin: bytes, strace: str, busybox: Path, tmp_path: Path) -> None:
    same(strace, [busybox, *line.split(" ")], tmp_path, stdin)


@pytest.mark.parametrize("line", SHELL)
def test_shell(line: str, strace: str, busybox: Path, tmp_path: Path) -> None:
    same(strace, [busybox, "sh", "-c", line], tmp_path)
