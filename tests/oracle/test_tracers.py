"""strace and gdb, as Debian has them for i386, trace and debug programs inside int80 as they do natively."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle import tracers
from tests.oracle.conftest import missing
from tests.oracle.harness import Missing

STRACE = {
    "a program": "strace -o o /bin/true; cat o",
    "a pipeline": "strace -ff -o p sh -c 'echo hi | cat; expr 6 \\* 7; exit 5'; echo $?; cat $(ls -v p.*)",
    "followed": "strace -f -e trace=execve,exit_group -o o sh -c 'true; (exit 3); sh -c \"exit 4\"'; cat o",
    "threads": "strace -ff -e trace='!futex' -o p ./threads; cat $(ls -v p.*)",
    "attached": "sleep 1000 & p=$!; sleep 1; strace -o o -p $p & sleep 1; kill $p; wait; cat o",
    "a filter": "strace --seccomp-bpf -f -e trace=openat,execve -o o sh -c 'cat /etc/hostname; true'; cat o",
    "a fault": "strace -e inject=write:error=ENOSPC -e trace=write -o o echo hi; cat o",
    "another result": "strace -e inject=getuid32:retval=77 -e trace=getuid32 -o o id -ru; cat o",
    "counted": "strace -c -S name -U name,calls,errors -o o ls /etc/passwd; cat o",
    "signals": "strace -e trace=none -o o sh -c 'trap \"echo got\" USR1; kill -USR1 $$; kill -TERM $$'; cat o",
    "a crash": "strace -e trace=none -o o ./plain crash; cat o",
    "told to standard error": "strace -e trace=write echo hi",
}
GDB: dict[str, tuple[str, ...]] = {
    "a breakpoint": (
        "",
        *("break f", "run", "bt", "step", "next", "print *p", "print depth", "finish"),
        *("info breakpoints", "delete", "continue"),
    ),
    "variables": (
        "",
        *("break sum", "run", "print values[0]@count", "set var count = 2", "stepi", "x/3i $pc", "nexti"),
        *("info locals", "finish", "info source", "print sizeof(struct point)", "ptype p", "print p"),
        *("print f(1, &p)", "print $_exitcode", "tbreak exit", "continue", "bt", "continue"),
    ),
    "a condition": (
        "",
        *("break f if n == 1", "run", "bt", "up 2", "info frame", "info args", "until 29", "advance sum"),
        *("ignore 1 2", "print $eip == (long)&f", "kill"),
    ),
    "a signal": (
        "",
        *("handle SIGUSR1 stop print pass", "run", "print $_siginfo.si_signo", "stepi", "info symbol $pc"),
        *("finish", "signal 0"),
    ),
    "a crash": (
        "crash",
        "handle SIGUSR1 nostop",
        "run",
        "bt",
        "print value",
        "print $_siginfo._sifields._sigfault",
        "continue",
    ),
    "system calls": ("", "catch syscall write", "run", "continue", "delete", "continue"),
    "a fork": (
        "fork",
        *("set follow-fork-mode child", "catch fork", "run", "break exit", "continue", "bt", "continue"),
    ),
    "both after a fork": (
        "fork",
        *("set detach-on-fork off", "catch fork", "run", "continue", "info inferiors", "inferior 2", "bt 1"),
        "kill inferiors 1 2",
    ),
    "another program": ("exec", "catch exec", "run", "continue"),
    "a software watchpoint": (
        "",
        *("set can-use-hw-watchpoints 0", "break main", "run", "watch depth", "continue", "continue"),
        *("info watchpoints", "kill"),
    ),
    "stepping on": ("", "break main", "run", *("next",) * 12, "info line", "continue"),
    "changed code": (
        "",
        *("break sum", "run", "set var *(unsigned char *)sum = 0xc3", "x/bx sum", "delete", "kill"),
    ),
    "floating point": ("", "break main", "run", "next", "print p.weight * 2", "print $st0", "kill"),
}
THREADS = (
    *("set print thread-events off", "set scheduler-locking on", "break work if number == 0", "run", "next"),
    *("print n", "bt 1", "thread", "set scheduler-locking off", "delete", "continue"),
)


ATTEMPTS = 4
"""What the host does, who comes first, may depend on how busy it is: one of so many runs must be as ours."""


def agree(script: str, root: Path, tmp: Path) -> None:
    for attempt in range(ATTEMPTS):
        place = tmp / str(attempt)
        place.mkdir()
        try:
            for name in ("plain", "threads"):
                tracers.build(name, place)
            script_there = f"cd /tmp; mkdir -p w; cd w; ln -sf ../* .; {script}"
            theirs, ours = tracers.run_both(script_there, root, place)
        except Missing as error:
            missing(str(error))
            raise
        told = [(tracers.plain(one.output), tracers.plain(one.errors), one.status) for one in (ours, theirs)]
        if told[0] == told[1]:
            return
    assert told[0] == told[1]


@pytest.mark.parametrize("name", STRACE)
def test_strace(name: str, debian_root: Path, tmp_path: Path) -> None:
    agree(STRACE[name], debian_root, tmp_path)


@pytest.mark.parametrize("name", [*GDB, "a thread"])
def test_gdb(name: str, debian_root: Path, tmp_path: Path) -> None:
    argument, *commands = GDB.get(name) or ("", *THREADS)
    program = "./threads" if name == "a thread" else "./plain"
    said = " ".join(f"-ex '{command}'" for command in ("set confirm off", *commands))
    agree(f"gdb -batch -nx {said} --args {program} {argument}", debian_root, tmp_path)
