"""`int80 trace -l` and `--functions`: calls of functions as ltrace shows them.

The texts are what ltrace 0.7.3 says of these programs; where there is an ltrace, it is asked again. What it
says otherwise: it does not know that longjmp leaves calls, guesses the arguments of functions that its
configuration does not name, and shows strings that calls have yet to fill.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.conftest import missing
from tests.oracle.harness import HERE, Missing, compiler, int80

PROGRAMS = HERE / "programs"
CALLS = """\
__libc_start_main(WORD, 1, WORD <unfinished ...>
getenv("NOTHING") = nil
strlen("hello") = 5
printf("%s has %u, %c%5.2f\\n", "hello", 5, 'x', 1.500000) = 20
puts("none") = 5
qsort(WORD, 2, 4, WORD <unfinished ...>
abs(1) = 1
<... qsort resumed> ) = <void>
fflush(WORD <unfinished ...>
write(1, "hello has 5, x 1.50\\nnone\\n", 25) = 25
<... fflush resumed> ) = 0
atoi("42") = 42
+++ exited with 0 +++
"""
JUMPS = """\
__libc_start_main(WORD, 1, WORD <unfinished ...>
_setjmp(WORD) = 0
qsort(WORD, 2, 4, WORD <unfinished ...>
longjmp(WORD, 1 <unfinished ...>
qsort(WORD, 2, 4, WORD <unfinished ...>
longjmp(WORD, 2 <unfinished ...>
qsort(WORD, 2, 4, WORD) = <void>
strlen("tail") = 4
signal(SIGUSR1, WORD) = 0
raise(SIGUSR1 <unfinished ...>
--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_TKILL, si_pid=2, si_uid=UID} ---
<... raise resumed> ) = 0
pthread_create(WORD, 0, WORD, WORD) = 0
strace: Process 3 attached
[pid     2] pthread_join(WORD, 0 <unfinished ...>
[pid     3] toupper('t') = 'T'
[pid     3] +++ exited with 0 +++
<... pthread_join resumed> ) = 0
fork() = 4
strace: Process 4 attached
[pid     2] wait(WORD <unfinished ...>
[pid     4] <... fork resumed> ) = 0
[pid     4] abs(-3) = 3
[pid     4] _exit(3 <unfinished ...>
[pid     4] +++ exited with 3 +++
--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=4, si_uid=UID, si_status=3, si_utime=0, si_stime=0} ---
<... wait resumed> ) = 4
exit(0 <unfinished ...>
+++ exited with 0 +++
"""
OWN = """\
sum_to(2, GUESSED <unfinished ...>
sum_to(1, GUESSED <unfinished ...>
sum_to(0, GUESSED) = 0
<... sum_to resumed> ) = 1
<... sum_to resumed> ) = 3
twice(3, GUESSED) = 6
+++ exited with 0 +++
"""
STATIC = """\
getenv("NOTHING") = nil
strlen("hello") = 5
printf("%s has %u, %c%5.2f\\n", "hello", 5, 'x', 1.500000) = 20
puts("none") = 5
qsort(WORD, 2, 4, WORD) = <void>
fflush(WORD) = 0
atoi("42") = 42
exit(0 <unfinished ...>
+++ exited with 0 +++
"""
LINKED = {
    "lazy": "-no-pie -Wl,-z,lazy",
    "now": "-pie -fpie -Wl,-z,now,-z,relro",
    "stripped": "-no-pie -s",
    "no linkage table": "-pie -fpie -fno-plt",
    "no linkage table, stripped, not moved": "-no-pie -fno-pic -fno-plt -s",
    "two linkage tables": "-no-pie -fcf-protection -Wl,-z,ibtplt",
}


def trace(argv: list[str], options: list[str], tmp_path: Path, output: bytes) -> str:
    out = tmp_path / "trace"
    got = int80("trace", argv, b"", ["-o", str(out), "-q", *options])
    assert (got.status, got.output, got.errors) == (0, output, b"")
    return out.read_text()


def plain(text: str) -> str:
    """Without columns, addresses, and what only position-independent programs call."""
    text = re.sub(r"^(\[pid +\d+\] )?__cxa_finalize\(.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"si_uid=\d+", "si_uid=UID", text)
    return re.sub(r" +=", " =", re.sub(r"0x[0-9a-f]{5,}|-\d{5,}", "WORD", text))


def linked(source: str, flags: str, tmp_path: Path) -> None:
    try:
        gcc = compiler("glibc")
    except Missing as error:
        missing(str(error))
        raise
    words = ["-O1", "-fno-builtin", "-fno-inline", "-foptimize-sibling-calls", "-w", *flags.split()]
    subprocess.run([*gcc, *words, "-o", str(tmp_path / "program"), str(PROGRAMS / source)], check=True)


@pytest.mark.parametrize("flags", LINKED.values(), ids=LINKED)
def test_library_calls(flags: str, debian_root: Path, tmp_path: Path) -> None:
    linked("calls.c", flags, tmp_path)
    root = ["--root", str(debian_root), "--mount", f"{tmp_path}:/tmp"]
    text = trace(
        ["/tmp/program"], [*root, "-l", "-e", "trace=write"], tmp_path, b"hello has 5, x 1.50\nnone\n"
    )
    assert plain(text) == CALLS
    linked("jumps.c", flags, tmp_path)
    text = trace(["/tmp/program"], [*root, "-l", "-f", "-e", "trace=none"], tmp_path, b"")
    pids = re.sub(r"^(\d+) +", r"[pid     \1] ", text, flags=re.MULTILINE)
    assert plain(pids) == with_pids(JUMPS)


def with_pids(text: str) -> str:
    """As -f into a file has it: each line with its pid, nothing of who comes and goes."""
    lines = [line for line in text.splitlines(True) if not line.startswith("strace: ")]
    return "".join(line if line.startswith("[pid") else f"[pid     2] {line}" for line in lines)


def test_ltrace_says_the_same(host: None, tmp_path: Path) -> None:
    ltrace = shutil.which("ltrace")
    if ltrace is None:
        pytest.skip("no ltrace here")
    linked("calls.c", LINKED["lazy"], tmp_path)
    done = subprocess.run(
        [ltrace, "-o", str(tmp_path / "ltrace"), str(tmp_path / "program")], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    text = re.sub(r"exited \(status (\d+)\)", r"exited with \1", (tmp_path / "ltrace").read_text())
    text = re.sub(r", 0 <unfinished \.\.\.>\n", " <unfinished ...>\n", text, count=1)
    text = re.sub(r"atoi\(.*\)", 'atoi("42")', text)
    without = re.sub(r"^write.*\n", "", CALLS, flags=re.MULTILINE)
    assert plain(text) == re.sub(
        r"fflush\((.*) <unfinished \.\.\.>\n<\.\.\. fflush resumed> \)", r"fflush(\1)", without
    )


def test_own_functions(build: Callable[[Path, str], Path], tmp_path: Path) -> None:
    options = ["-e", "trace=none", "--functions", "twice,sum_*"]
    program = str(build(PROGRAMS / "calls.c", "glibc"))
    text = trace([program], options, tmp_path, b"hello has 5, x 1.50\nnone\n")
    assert re.sub(r"\((\d), [^()<]*(\)| <)", r"(\1, GUESSED\2", plain(text)) == OWN


def test_a_static_program(build: Callable[[Path, str], Path], tmp_path: Path) -> None:
    program = tmp_path / "program"
    build(PROGRAMS / "calls.c", "glibc")
    linked("calls.c", "-static -no-pie", tmp_path)
    text = trace([str(program)], ["-l", "-e", "trace=none"], tmp_path, b"hello has 5, x 1.50\nnone\n")
    assert plain(text) == STATIC
    counted = trace([str(program)], ["-c", "-l", "-S", "name"], tmp_path, b"hello has 5, x 1.50\nnone\n")
    assert [line.split()[-1] for line in counted.splitlines() if "puts" in line or "write" in line] == [
        "puts",
        "write",
    ]
