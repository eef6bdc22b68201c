"""Debian's own strace and gdb, run natively and in int80 on the same program: what they say must agree.

Addresses and pids are another machine's: they are replaced by words, pids by the order of their coming. strace
writes a file per process (`-ff`), as which of two processes comes first is the scheduler's business.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from tests.oracle.harness import HERE, Missing, Result, compiler, int80, native

MOUNTED = """\
mount -t proc proc {root}/proc && mount --bind /dev {root}/dev && mount --bind {tmp} {root}/tmp &&
exec /usr/sbin/chroot {root} /bin/sh -c "$0"
"""
FLAGS = ("-O0", "-g", "-w", "-fno-pie", "-no-pie", "-fcf-protection=none", "-fno-stack-protector", "-pthread")
_ADDRESS = re.compile(r"\b0x[0-9a-f]{5,8}\b")
_RESULT = re.compile(
    r"\b(clone3?|vfork|wait4|sigreturn|set_tid_address|getpid|getppid|gettid)\b.*\) += (\d+)$"
)
_PID = re.compile(r"((?:\[pid +|[Pp]rocess |LWP |si_pid=|kill\(|parent_tid=\[))(\d+)\b")
_FIRST = re.compile(r"^(\d+)(?= +(?:\w+\(|<\.\.\.|---|\+\+\+))")
"""Each line of strace's `-f -o`."""
_OTHERWISE = (
    (re.compile(r"(entry_number=)(6|12)\b"), r"\1SLOT"),
    (re.compile(r"(getrandom\(\")[^\"]*\""), r"\1BYTES\""),
    (re.compile(r"\s+"), " "),
)


def build(name: str, folder: Path) -> Path:
    """The program `debugged/NAME.c` in `folder`, with its libraries. Raises Missing."""
    target = folder / name
    source = HERE / "debugged" / f"{name}.c"
    (folder / source.name).write_bytes(source.read_bytes())
    command = [*compiler("glibc"), *FLAGS, "-o", str(target), source.name]
    subprocess.run(command, check=True, cwd=folder)
    return target


def run_both(script: str, root: Path, tmp: Path) -> tuple[Result, Result]:
    """A shell's command line in the root with `tmp` as /tmp: natively, and here. Raises Missing."""
    options = ["--root", str(root), "--mount", f"{tmp}:/tmp", "--memory", "256"]
    ours = int80("exec", ["/bin/sh", "-c", script], b"", options, timeout=300)
    mounted = MOUNTED.format(root=shlex.quote(str(root)), tmp=shlex.quote(str(tmp)))
    theirs = native(["unshare", "-m", "sh", "-c", mounted, f"echo @@@; {script}"], timeout=120)
    if not theirs.output.startswith(b"@@@\n"):
        raise Missing(f"no chroot here: {theirs.errors.decode(errors='replace').strip()}")
    return Result(theirs.status, theirs.output[4:], theirs.errors), ours


def plain(text: bytes) -> list[str]:
    """Lines in which nothing is left that depends on the machine."""
    pids: dict[str, str] = {}

    def name(number: str) -> str:
        return pids.setdefault(number, f"PID{len(pids)}") if number != "0" else number

    def one(line: str) -> str:
        line = _ADDRESS.sub("ADDRESS", line.strip())
        line = _FIRST.sub(lambda match: name(match[1]), line)
        line = _PID.sub(lambda match: match[1] + name(match[2]), line)
        found = _RESULT.search(line)
        if found:
            line = line[: found.start(2)] + name(found[2])
        for pattern, text in _OTHERWISE:
            line = pattern.sub(text, line)
        return line

    return [one(line) for line in text.decode(errors="replace").splitlines() if line.strip()]
