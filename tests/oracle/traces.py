"""A trace brought to a form in which strace's and int80's are the same, if they tell of the same calls.

Everything in which a run in int80 may differ from one on the host is in `NORMAL` and `Normaliser`, each with its
reason; the rest has to be the same. Each process has lines of its own: whose turn it is, is the scheduler's.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from difflib import unified_diff
from pathlib import Path

from tests.oracle.harness import ENVIRONMENT, TIMEOUT, _look_like_i386, int80

NORMAL: tuple[tuple[str, str], ...] = (
    # The first execve: the environment that strace sees is its own, int80's the new program's. The path is the
    # one in the guest.
    (r"^execve\(\"[^\"]*\", (\[.*\]), 0x[0-9a-f]+ /\* \d+ vars \*/\)\s+= 0$", r"execve(\1) = 0"),
    # Environment pointers lie where earlier allocations put them, which depends on the host's name.
    (r"0x[0-9a-f]+ /\* (\d+) vars \*/", r"ENVP /* \1 vars */"),
    # The stack: auxv is shorter in int80, as there is no vDSO to point at.
    (r"\b0xb[89a-f][0-9a-f]{6}\b", "STACK"),
    # TLS descriptors are GDT entries 6-8 on i386, 12-14 for i386 programs on x86-64.
    *((rf"\bentry_number={host}\b", f"entry_number={host - 6}") for host in (12, 13, 14)),
    # Linux drops SA_RESTORER's absence in favour of its vDSO; libc passes one where AT_SYSINFO is absent.
    (r"SA_RESTORER\|", ""),
    (r"\|SA_RESTORER", ""),
    (r"sa_flags=SA_RESTORER", "sa_flags=0"),
    (r", sa_restorer=0x[0-9a-f]+", ""),
    # Random bytes, and who and where we are.
    (r"getrandom\(\"[^\"]*\"", 'getrandom("RANDOM"'),
    (r"nodename=\"[^\"]*\"", 'nodename="NODE"'),
    # What a file system says of itself, as that a file is a mount's root.
    (r"stx_attributes=[^,]*, ", ""),
    # Time is the machine's own.
    (r"tv_sec=-?\d+, tv_(n|u)sec=-?\d+", r"tv_sec=TIME, tv_\1sec=TIME"),
    (r"^times\((.*)\) = \d+", r"times(\1) = TIME"),
    (r"si_([us])time=\d+( /\*.*?\*/)?", r"si_\1time=TIME"),
    # Names of temporary files are random, and the host has a directory for them.
    (r"(int80-[a-z]+-)\w{1,6}\b", r"\1XXXXXX"),
    (r"^mkdir\(\"/dev/shm\", 0777\) = .*", "mkdir /dev/shm"),
    # strace leads the process group that the program is in; in int80 it is the program.
    (r"^(getpgrp|getpgid|getsid)\((.*)\) = <.*", r"\1(\2) = GROUP"),
    (r"^(setpgid|getpgid|rt_sigqueueinfo)\(\d{4,}", r"\1(1"),
    # The host's administrator decides about limits.
    (r"RLIMIT_NOFILE, \{rlim_cur=1024, rlim_max=[^}]*", "RLIMIT_NOFILE, {rlim_cur=1024, rlim_max=MAX"),
    # sigreturn's result is whatever the interrupted program had in eax, perhaps a pid.
    (r"^(rt_)?sigreturn\((.*)\) = \d+$", r"\1sigreturn(\2) = EAX"),
)

_BIRTHS = re.compile(r"^(?:fork|vfork|clone|clone3)\(.* = (\d+)$")
_RESULTS = re.compile(
    r"^(fork|vfork|clone3?|getpid|getppid|gettid|getpgrp|getpgid|getsid|setsid|set_tid_address|wait4|waitpid)"
    r"\((.*)\) = (\d+)$"
)
_FIRST = re.compile(
    r"^(kill|tkill|tgkill|wait4|waitpid|setpgid|getpgid|getsid|setpriority|sched_\w+|prlimit64|rt_sigqueueinfo)\((-?)(\d+)"
)
_SECOND = re.compile(r"^(tgkill|setpgid|waitid|getpriority|setpriority)\(([^,]*, )()(\d+)")
_INSIDE = re.compile(r"(si_pid=|pid=|l_pid=|parent_tid=\[|pidfd=\[)(\d+)")


class Processes:
    """The lines of each process of a trace with -f, its calls made whole again.

    Processes are named by their birth: the second child of the first one is "1.2".
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines: dict[str, list[str]] = {}
        self.names: dict[int, str] = {}
        begun: dict[int, str] = {}
        children: dict[int, int] = {}
        early: dict[int, list[str]] = {}
        for line in lines:
            pid_text, _, text = line.partition(" ")
            pid = int(pid_text)
            text = text.strip()
            if not self.names:
                self.names[pid] = "1"
            if text.endswith("<unfinished ...>"):
                begun[pid] = text.removesuffix("<unfinished ...>").rstrip()
                continue
            if (
                text.startswith("+++") and pid in begun
            ):  # the end of a call that never returned is not always told
                self.lines[self.names[pid]].append(f"{begun.pop(pid).rstrip(', ')}) = ?")
            if found := re.match(r"<\.\.\. (?:\w+) resumed>(.*)$", text):
                begin = begun.pop(pid, "")
                rest = found[1].lstrip()
                text = begin + (" " if begin.endswith(",") else "") + rest
            text = re.sub(r"\) +=", ") =", text)
            if born := _BIRTHS.match(text):
                children[pid] = children.get(pid, 0) + 1
                name = f"{self.names[pid]}.{children[pid]}"
                self.names[int(born[1])] = name
                self.lines.setdefault(name, [])[:0] = early.pop(int(born[1]), [])
            if pid in self.names:
                self.lines.setdefault(self.names[pid], []).append(text)
            else:  # it ran before the call that made it returned
                early.setdefault(pid, []).append(text)


class Normaliser:
    """One process's lines in the common form."""

    def __init__(self, names: dict[int, str]) -> None:
        self._names = names

    def _pid(self, text: str) -> str:
        return f"<{self._names.get(int(text), 'PID')}>"

    def lines(self, lines: Sequence[str]) -> list[str]:
        out: list[str] = []
        heap = 0
        mapped = _first_mapped(lines)
        for line in lines:
            # strace notes that the program is a 32-bit one.
            if line.startswith("[ Process PID="):
                continue
            # The host answers these in its vDSO.
            if line.startswith(("clock_gettime", "gettimeofday(", "time(")):
                continue
            # Whether a wait has begun when a signal comes is the scheduler's affair.
            if line.startswith("wait") and "= ? ERESTARTSYS" in line:
                continue
            # mkstemp asks for random numbers when the clock's are not random enough.
            if line.startswith("getrandom(") and ", 8, " in line:
                continue
            # Not implemented in int80; with a pipe on its input Linux refuses it too.
            if "sendfile64(" in line:
                continue
            if line.startswith("brk("):
                heap = heap or int(line.rpartition("= ")[2], 16)
            elif heap and not line.startswith(("set_", "rseq")):
                # What lies where in the heap depends on the processor: glibc has directories for its features.
                line = re.sub(r"\b0x8[0-9a-f]{6}\b", _heap(heap), line)
            line = self._pids(line)
            for pattern, text in NORMAL:
                line = re.sub(pattern, text, line)
            out.append(re.sub(r"\b0xb7[0-9a-f]{6}\b", lambda at: _mapped(at[0], mapped), line))
        return out

    def _pids(self, line: str) -> str:
        line = _RESULTS.sub(lambda m: f"{m[1]}({m[2]}) = {self._pid(m[3]) if int(m[3]) else 0}", line)
        line = _FIRST.sub(lambda m: f"{m[1]}({m[2]}{self._known(m[3])}", line)
        line = _SECOND.sub(lambda m: f"{m[1]}({m[2]}{m[3]}{self._known(m[4])}", line)
        return _INSIDE.sub(lambda m: f"{m[1]}{self._pid(m[2])}", line)

    def _known(self, text: str) -> str:
        return self._pid(text) if int(text) in self._names else text


def _heap(heap: int) -> Callable[[re.Match[str]], str]:
    return lambda at: "HEAP" if int(at[0], 16) >= heap else at[0]


def _mapped(text: str, mapped: int) -> str:
    return f"MMAP{int(text, 16) - mapped:+#x}" if mapped else "MMAP"


def _first_mapped(lines: Sequence[str]) -> int:
    """The first address that mmap chose: the host's vDSO shifts all of them."""
    for line in lines:
        if found := re.match(r"(?:old_)?mmap2?\(NULL.*= (0xb[0-9a-f]+)$", line):
            return int(found[1], 16)
    return 0


def normalised(lines: Sequence[str]) -> dict[str, list[str]]:
    """The lines of each process by its name."""
    found = Processes(lines)
    normal = Normaliser(found.names)
    out: dict[str, list[str]] = {}
    for name, own in found.lines.items():
        all_lines = normal.lines(own)
        out[name] = [line for line in all_lines if not line.startswith("--- SIGCHLD")]
        # When a child ends and its parent hears of it is the scheduler's affair; that it does is not.
        out[f"{name} SIGCHLD"] = sorted(line for line in all_lines if line.startswith("--- SIGCHLD"))
    return out


def record(
    strace: str,
    argv: Sequence[str | Path],
    folder: Path,
    options: Sequence[str] = (),
    root: Path | None = None,
) -> tuple[list[str], list[str]]:
    """What strace and int80 write of the same command with -f, which works in `folder` in both."""
    words = [str(word) for word in argv]
    theirs, ours = folder / "strace", folder / "int80"
    subprocess.run(
        [strace, "-f", "-o", str(theirs), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        env=ENVIRONMENT,
        preexec_fn=_look_like_i386,
        process_group=0,
        timeout=TIMEOUT,
        check=False,
    )
    int80("trace", words, b"", ["-f", "-o", str(ours), *options])
    texts = [path.read_text(errors="replace").splitlines() for path in (theirs, ours)]
    return texts[0], texts[1]


def batch(
    strace: str, runner: Path, programs: Sequence[Sequence[str]], folder: Path, mounts: Sequence[Path]
) -> list[tuple[dict[str, list[str]], dict[str, list[str]]]]:
    """Each program's processes, run one after another by `runner` (`programs/batch.c`) on either side.

    The names of a program's processes begin with "1.", as if it had been the first one.
    """
    words = [str(runner)]
    for program in programs:
        words += [*program, "--"]
    options = [word for place in mounts for word in ("--mount", f"{place}:{place}")]
    theirs, ours = (normalised(lines) for lines in record(strace, words, folder, options))
    return [(part(theirs, number), part(ours, number)) for number in range(1, len(programs) + 1)]


def part(processes: dict[str, list[str]], number: int) -> dict[str, list[str]]:
    """The first process's `number`th child and its descendants, as if they were alone."""
    prefix = f"1.{number}"
    found: dict[str, list[str]] = {}
    for name, lines in processes.items():
        whose, space, kind = name.partition(" ")
        if whose == prefix or whose.startswith(prefix + "."):
            found[f"1{whose.removeprefix(prefix)}{space}{kind}"] = lines
    return found


def differences(
    pair: tuple[dict[str, list[str]], dict[str, list[str]]], without: frozenset[str] = frozenset()
) -> list[str]:
    """Where the two differ, process by process, but for those that run against time."""
    expected, got = pair
    found: list[str] = []
    for name in sorted(set(expected) | set(got)):
        if name.partition(" ")[0] not in without:
            theirs, ours = expected.get(name, []), got.get(name, [])
            found += unified_diff(theirs, ours, f"strace {name}", f"int80 {name}", n=1, lineterm="")
    return found
