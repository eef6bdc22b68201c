"""A trace brought to a form in which strace's and int80's are the same, if they tell of the same calls.

Everything in which a run in int80 may differ from one on the host is in `NORMAL` and `Normaliser`, each with its
reason; the rest has to be the same. Each process has lines of its own: whose turn it is, is the scheduler's.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from difflib import unified_diff
from pathlib import Path

from kernel.table import TABLE
from tests.oracle.harness import ENVIRONMENT, TIMEOUT, int80, look_like_i386

_UNCHANGED = r"\|".join(
    f"STATX_{word}" for word in ("TYPE", "MODE", "NLINK", "UID", "GID", "ATIME", "INO", "SIZE", "BLOCKS")
)
_YOUNG = [row for row in TABLE if row is not None and row.number > 450]
_BYTE = r"(?:\\(?:\d{1,3}|\D)|[^\\\"])"
"""One byte of a string as strace quotes it."""

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
    # File systems of different kinds and sizes.
    (r"\{f_type=.*\}\) = 0", "FILE SYSTEM) = 0"),
    # How much memory there is, and what is under way.
    (r"^sysinfo\(\{.*", "sysinfo"),
    (r"(RLIMIT_(?:NPROC|SIGPENDING|MEMLOCK), (?:NULL, )?)\{[^}]*\}", r"\1LIMIT"),
    # strace knows of SIGIO alone that it may be about a descriptor.
    (r"(si_code=0x\d, )(?:si_pid=[^,]*, si_uid=|si_band=\d+, si_fd=)", r"\1si_fd="),
    # Random bytes, and who and where we are.
    (r"getrandom\(\"[^\"]*\"", 'getrandom("RANDOM"'),
    (r"nodename=\"[^\"]*\"", 'nodename="NODE"'),
    # What a file system says of itself, as that a file is a mount's root.
    (r"stx_attributes=[^,]*, ", ""),
    # Time is the machine's own.
    (r"tv_sec=-?\d+, tv_(n|u)sec=-?\d+", r"tv_sec=TIME, tv_\1sec=TIME"),
    (r"^times\((.*)\) = \d+", r"times(\1) = TIME"),
    (r" /\* 20\d\d-[^*]*\*/", " /* TIME */"),
    (r"si_([us])time=\d+( /\*.*?\*/)?", r"si_\1time=TIME"),
    # Names of temporary files are random, and the host has a directory for them.
    (r"(int80-[a-z]+-)\w{1,6}\b", r"\1XXXXXX"),
    (r"^mkdir\(\"/dev/shm\", 0777\) = .*", "mkdir /dev/shm"),
    (r"(/dev/shm/sem\.)\w{6}\"", r'\1XXXXXX"'),
    # strace leads the process group that the program is in; in int80 it is the program.
    (r"^(getpgrp|getpgid|getsid)\((.*)\) = <.*", r"\1(\2) = GROUP"),
    (r"^(setpgid|getpgid|rt_sigqueueinfo)\(\d{4,}", r"\1(1"),
    # int80 is Linux 6.1. Since 6.13 times of changes are told only if asked for, since 6.12 tasks have slices.
    (rf"stx_mask={_UNCHANGED}\|STATX_BTIME\b", "stx_mask=STATX_ALL"),
    (rf"stx_mask={_UNCHANGED}\b", "stx_mask=STATX_BASIC_STATS"),
    (r"(sched_policy=SCHED_(?:OTHER|BATCH|IDLE), .*sched_runtime=)\d+", r"\1SLICE"),
    # strace 6.1 knows no calls above 450, and this request not as one that answers.
    *((rf"^(syscall_{row.number:#x}|{row.name})\(.*\) =", f"{row.name}(...) =") for row in _YOUNG),
    (r"\bTIOCGPTLCK, (\[\d+\]|STACK)", "TIOCGPTLCK, LOCK"),
    # Where a program works.
    (r"\"/(?:dev/shm|tmp)/([a-z]+)\w{6}\b", r'"/\1XXXXXX'),
    (r"^readlink\(\"/proc/self/fd/(\d+)\", \"/[a-z]+XXXXXX/.*", r"readlink(FD \1, FILE)"),
    # Numbers and sizes that only the file system understands.
    (r"d_ino=\d+, d_off=\d+", "d_ino=INODE, d_off=OFFSET"),
    (r"f_handle=\"[^\"]*\"", "f_handle=HANDLE"),
    (r"^(name_to_handle_at\(.*), \[\d+\], (\w+\) = 0)", r"\1, [MOUNT], \2"),
    (r"(stx?_mode=S_IFDIR\|[^,]*, stx?_size=)\d+", r"\1SIZE"),
    # Where a thread has its list is known before the first mapping that one sees of it.
    (r"^set_robust_list\((?:0xb|MMAP|LOADER)[^,]*", "set_robust_list(LIST"),
    # wc counts lines with AVX2 where the processor has it.
    (r"^(read\(0, .*, )163[28][04]\)", r"\1ROOM)"),
    (r"\"pipe:\[\d+\]\", (\d+)\) = \d+", r'"pipe:[INODE]", \1) = LENGTH'),
    # inotify's cookies, and who sent a signal, in what is read as bytes.
    (rf"^(read\(\d+, \"\\\d+\\0\\0\\0(?:@|\\200)\\0\\0\\0){_BYTE * 4}", r"\1COOKIE"),
    (
        rf"^((?:read|write)\(\d+, \"{_BYTE})(?:\\0){{7}}{_BYTE * 4}{_BYTE}*(\".*, (?:128|130|384)\) = )",
        r"\1 SIGINFO\2",
    ),
    # Others may have terminals too. The host's administrator says how devpts is mounted.
    (r"(/dev/pts/|TIOCGPTN, \[)\d+", r"\1N"),
    (r"=S_IFCHR\|06[02]0,", "=S_IFCHR|06TTY,"),
    # Which of two different things comes first is random.
    (r"^(kcmp\(.*) = [12]$", r"\1 = 1 or 2"),
    # A stop that is told when the child goes on already.
    (r"(si_code=CLD_STOPPED, .*si_status=)0,", r"\1SIGSTOP,"),
    # How many processors the kernel is made for.
    (r"^(sched_getaffinity\(.*\)) = \d+$", r"\1 = SIZE"),
    # strace itself, and numbers of processes, in what /proc says.
    (r"\"TracerPid:\\t\d+\", \d+\) = \d+", '"TracerPid:\\\\tPID") = LENGTH'),
    (r"^(readlink\(\"/proc/(?:thread-)?self\"), \".*", r"\1, PID)"),
    # The host's administrator decides about limits.
    (
        r"RLIMIT_NOFILE, (NULL, )?\{rlim_cur=1024, rlim_max=[^}]*",
        r"RLIMIT_NOFILE, \1{rlim_cur=1024, rlim_max=MAX",
    ),
    # sigreturn's result is whatever the interrupted program had in eax, perhaps a pid.
    (r"^(rt_)?sigreturn\((.*)\) = \d+$", r"\1sigreturn(\2) = EAX"),
)

_BIRTHS = re.compile(r"^(?:fork|vfork|clone|clone3)\(.* = (\d+)$")
_RESULTS = re.compile(
    r"^(fork|vfork|clone3?|getpid|getppid|gettid|getpgrp|getpgid|getsid|setsid|set_tid_address|wait4|waitpid)"
    r"\((.*)\) = (\d+)$"
)
_FIRST = re.compile(
    r"^((?:kill|wait4|waitpid)\(-?|(?:tkill|tgkill|setpgid|getpgid|getsid|sched_\w+|prlimit64|pidfd_open)\("
    r"|(?:rt_(?:tg)?sigqueueinfo|kcmp|process_vm_\w+)\()(\d+)"
)
_SECOND = re.compile(
    r"^((?:tgkill|setpgid|getpriority|setpriority|kcmp)\([^,]*, |waitid\(P_P(?:ID|GID), |ioprio_\w+\([A-Z_]+, "
    r"|fcntl64\(\d+, F_SETOWN, -?)(\d+)"
)
_INSIDE = re.compile(
    r"(si_pid=|pid=|l_pid=|parent_tid=\[|\"/proc/(?:self/task/)?|TIOC[GS](?:PGRP|SID), \[)(\d+)"
)


class Processes:
    """The lines of each process of a trace with -f, its calls made whole again.

    Processes are named by their birth: the second child of the first one is "1.2".
    """

    def __init__(self, lines: Sequence[str]) -> None:
        own: dict[int, list[str]] = {}
        begun: dict[int, str] = {}
        for line in lines:
            pid_text, _, text = line.partition(" ")
            pid = int(pid_text)
            text = text.strip()
            told = own.setdefault(pid, [])
            if text.endswith("<unfinished ...>"):
                begun[pid] = text.removesuffix("<unfinished ...>").rstrip()
                continue
            if (
                text.startswith("+++") and pid in begun
            ):  # the end of a call that never returned is not always told
                told.append(f"{begun.pop(pid).rstrip(', ')}) = ?")
            if found := re.match(r"<\.\.\. (?:\w+) resumed>(.*)$", text):
                begin = begun.pop(pid, "")
                rest = found[1].lstrip()
                text = begin + (" " if begin.endswith(",") or rest.startswith("=>") else "") + rest
            told.append(re.sub(r"\) +=", ") =", text))
        self.names: dict[int, str] = {}
        if own:
            self._name(next(iter(own)), "1", own)
        self.lines = {name: own.get(pid, []) for pid, name in self.names.items()}

    def _name(self, pid: int, name: str, own: dict[int, list[str]]) -> None:
        """Name a process and those that it made."""
        self.names[pid] = name
        born = [int(found[1]) for text in own.get(pid, ()) if (found := _BIRTHS.match(text))]
        for number, child in enumerate(born, 1):
            self._name(child, f"{name}.{number}", own)


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
        dynamic = any(line.startswith('access("/etc/ld.so.preload"') for line in lines)
        files = _ProcFiles()
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
            # There is no /dev/shm in int80, so programs work elsewhere.
            if re.match(r"mkdir\(\"/dev/shm/\w+\", 0700\) = -1 ENOENT", line):
                continue
            # Nobody can keep access control lists in int80.
            if re.match(r"\w*getxattr\(.*\"system\.posix_acl_", line):
                continue
            # How often a task asks for its turn until others have come along is the scheduler's affair.
            if line.startswith("sched_yield("):
                continue
            line = _MOVABLE.sub(lambda at: f"{int(at[0], 16) - 0x40C0_0000:#x}", line)
            if line.startswith("brk("):
                heap = heap or int(line.rpartition("= ")[2], 16)
            elif heap and not line.startswith(("set_", "rseq")):
                # What lies where in the heap depends on the processor: glibc has directories for its features.
                line = re.sub(r"\b0x(?:8[0-9a-f]{6}|[4-9a-f][0-9a-f]{5})\b", _heap(heap), line)
            line = self._pids(files.line(line))
            for pattern, text in NORMAL:
                line = re.sub(pattern, text, line)
            line = _OFFSET.sub(lambda at: f"{at[1]}{int(at[2]) & 0xFFFFFFFF:#x}", line)
            line = _MAPPED.sub(lambda at: _mapped(at[0], mapped, dynamic), line)
            if not out or line != out[-1] or "PROC" not in line:
                out.append(line)
        return out

    def _pids(self, line: str) -> str:
        line = _RESULTS.sub(lambda m: f"{m[1]}({m[2]}) = {self._pid(m[3]) if int(m[3]) else 0}", line)
        line = _FIRST.sub(lambda m: f"{m[1]}{self._known(m[2])}", line)
        line = _SECOND.sub(lambda m: f"{m[1]}{self._known(m[2])}", line)
        if line.startswith("clone(") and "CLONE_PIDFD" in line:  # there a descriptor is where a tid would be
            return line
        return _INSIDE.sub(lambda m: f"{m[1]}{self._pid(m[2])}", line)

    def _known(self, text: str) -> str:
        return self._pid(text) if int(text) in self._names else text


class _ProcFiles:
    """Which descriptors are files that tell of the machine and its processes, not of the program; or nothing."""

    def __init__(self) -> None:
        self._open: set[str] = set()

    def line(self, line: str) -> str:
        if found := re.match(r"openat\(AT_FDCWD, \"(/proc/[^\"]*|/dev/urandom)\".* = (\d+)$", line):
            (self._open.add if _OF_THE_MACHINE.search(found[1]) else self._open.discard)(found[2])
        elif (found := re.match(r"(p?read\w*)\((\d+), .* = (\d+)$", line)) and found[2] in self._open:
            return f"{found[1]}({found[2]}, PROC) = {'BYTES' if int(found[3]) else 0}"
        return line


_OF_THE_MACHINE = re.compile(
    r"(?:^|/)(status|stat|statm|maps|smaps|filesystems|auxv|io|uptime|loadavg|meminfo|fdinfo/\d+|uuid|file-nr|urandom)$"
)
_MOVABLE = re.compile(r"\b0x41[0-9a-f]{6}\b")
"""A program that may lie anywhere is at 0x41000000 on x86-64 that gives it 3 GiB, at 0x400000 on i386."""
_MAPPED = re.compile(r"\b0x(?:a[0-9a-f]|b[0-7])[0-9a-f]{6}\b")
_OFFSET = re.compile(r"^(p(?:read|write)64\(.*, )(-\d{10})(?=\))")


def _heap(heap: int) -> Callable[[re.Match[str]], str]:
    return lambda at: "HEAP" if int(at[0], 16) >= heap else at[0]


def _mapped(text: str, mapped: int, dynamic: bool) -> str:
    """Relative to the first mapping; above it is the loader, at which distance depends on the vDSO's size."""
    if not mapped:
        return "MMAP"
    at = int(text, 16) - mapped
    return "LOADER" if dynamic and at >= 0x2000 else f"MMAP{at:+#x}"


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


IN_ROOT = """\
mount -t proc proc {root}/proc && mount --bind /dev {root}/dev && mount -t tmpfs -o mode=755 tmpfs {root}/tmp &&
cp -a {tmp}/. {root}/tmp && unset PWD OLDPWD && exec {strace} -f -o {out} /usr/sbin/chroot {root} "$@"
"""


def _one_processor() -> None:
    """In the child, before exec: int80 has one."""
    look_like_i386()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def record(
    strace: str,
    words: Sequence[str],
    folder: Path,
    options: Sequence[str] = (),
    root: Path | None = None,
) -> tuple[list[str], list[str]]:
    """What strace and int80 write of the same command with -f.

    With a `root` it runs in there, and /tmp is a file system of its own that has what is in `folder`/tmp.
    """
    theirs, ours, tmp = folder / "strace", folder / "int80", folder / "tmp"
    command = [strace, "-f", "-o", str(theirs), *words]
    if root is not None:
        script = IN_ROOT.format(root=root, tmp=tmp, strace=strace, out=theirs)
        command = ["unshare", "-m", "sh", "-c", script, "sh", *words]
        options = [*options, "--root", str(root), "--mount", f"{tmp}:/tmp", "--memory", "256"]
    int80("trace", words, b"", ["-f", "-o", str(ours), *options])
    subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        env=ENVIRONMENT,
        preexec_fn=_one_processor,
        process_group=0,
        timeout=5 * TIMEOUT,
        check=False,
    )
    texts = [
        path.read_text(errors="replace").splitlines() if path.exists() else [] for path in (theirs, ours)
    ]
    return texts[0], texts[1]


def batch(
    strace: str,
    runner: str,
    programs: Sequence[Sequence[str]],
    folder: Path,
    mounts: Sequence[Path] = (),
    root: Path | None = None,
) -> list[tuple[dict[str, list[str]], dict[str, list[str]]]]:
    """Each program's processes, run one after another by `runner` (`programs/batch.c`) on either side.

    The names of a program's processes begin with "1.", as if it had been the first one.
    """
    words = [runner]
    for program in programs:
        words += [*program, "--"]
    options = [word for place in mounts for word in ("--mount", f"{place}:{place}")]
    theirs, ours = (normalised(lines) for lines in record(strace, words, folder, options, root))
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
    """Where the two differ, process by process, but for those in `without`, and its calls: `"name("`, and for
    `"--- SIGCHLD"` how often it is told that children ended."""
    expected, got = pair
    found: list[str] = []
    for name in sorted(set(expected) | set(got)):
        process, _, signals = name.partition(" ")
        if process not in without and not (signals and "--- SIGCHLD" in without):
            calls = tuple(call for call in without if call.endswith("("))
            theirs, ours = (
                [line for line in side.get(name, []) if not line.startswith(calls)]
                for side in (expected, got)
            )
            found += unified_diff(theirs, ours, f"strace {name}", f"int80 {name}", n=1, lineterm="")
    return found
