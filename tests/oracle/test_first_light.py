"""What int80 must do from the first day: these programs, as natively."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.resources import assets, programs
from tests.oracle.native import busybox, compiled, missing, native, need_i386, ours

OWN = programs()

SOURCES = {
    "hello": '#include <stdio.h>\nint main(int c, char **v) { printf("hello %d %s\\n", c, v[c - 1]); return 3; }',
    "heap": """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    char *p[300]; unsigned sum = 0;
    for (int i = 0; i < 300; i++) { p[i] = malloc(i * 97 + 1); memset(p[i], i, i * 97 + 1); }
    for (int i = 0; i < 300; i += 2) free(p[i]);
    for (int i = 1; i < 300; i += 2) sum = sum * 31 + p[i][i * 97];
    p[0] = calloc(1, 3000000); printf("%u %d\\n", sum, p[0][2999999]); return 0;
}""",
    "float": """
#include <stdio.h>
#include <math.h>
int main(void) {
    double x = 1.0; float f = 0.1f; long double l = 1.0L / 3;
    for (int i = 1; i < 40; i++) { x = x * 1.0001 + 1.0 / i; f += f * 0.5f; }
    printf("%.15g %.7g %.18Lg\\n", x, f, l); return 0;
}""",
    "environment": """
#include <stdio.h>
extern char **environ;
int main(void) { for (char **e = environ; *e; e++) puts(*e); return 0; }""",
    "segfault": '#include <stdio.h>\nint main(void) { puts("before"); fflush(stdout); *(volatile int *)8 = 1; return 0; }',
    "abort": '#include <stdlib.h>\n#include <stdio.h>\nint main(void) { puts("going"); fflush(stdout); abort(); }',
    "children": """
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>
int main(void) {
    for (int i = 0; i < 5; i++) {
        int s; if (!fork()) { _exit(i * 7); }
        wait(&s); printf("%d %d\\n", WIFEXITED(s), WEXITSTATUS(s));
    }
    return 0;
}""",
}


@pytest.mark.parametrize("name", OWN)
def test_own_programs(name: str) -> None:
    need_i386()
    path = str(assets() / "programs" / "bin" / name)
    assert ours(path) == native(path)


@pytest.mark.parametrize("libc", ["glibc", "musl"])
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_static_programs(name: str, libc: str, tmp_path: Path) -> None:
    need_i386()
    path = str(compiled(SOURCES[name], tmp_path / name, libc))
    assert ours(path, "one", "two") == native(path, "one", "two")


BUSYBOX = [
    ["echo", "hello", "world"],
    ["seq", "10"],
    ["seq", "1", "3", "30"],
    ["uname", "-s"],
    ["true"],
    ["false"],
    ["expr", "6", "*", "7"],
    ["printf", "%05d|%s\\n", "42", "x"],
    ["basename", "/a/b.c", ".c"],
    ["factor", "360360"],
    ["cal", "2", "2024"],
    ["dc", "-e", "2 3 ^ p"],
    ["awk", "BEGIN { for (i = 0; i < 5; i++) print i, i * i / 3 }"],
    ["date", "-u", "-d", "@86400"],
    ["dd", "if=/dev/zero", "bs=1k", "count=2"],
    ["head", "-c", "5", "/dev/zero"],
    ["sh", "-c", "echo a; (exit 3); echo $?"],
    ["sh", "-c", "exit 42"],
    ["sh", "-c", "kill -9 $$"],
    ["sh", "-c", "kill -TERM $$; echo not reached"],
    ["sh", "-c", "echo a | cat"],
    ["sh", "-c", "seq 100 | sort -rn | head -3 | tr '\\n' ' '"],
    ["sh", "-c", "seq 2000 | wc -lc"],
    ["sh", "-c", "i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; echo $i"],
    ["sh", "-c", "for i in 1 2 3; do (exit $i); echo $?; done"],
    ["sh", "-c", "x=$(echo inner; exit 4); echo $x $?"],
    ["sh", "-c", "cat <<EOF\nhere $((1+1))\nEOF"],
    ["sh", "-c", "sleep 0.05 & wait $!; echo $?"],
    ["sh", "-c", "trap 'echo caught' USR1; kill -USR1 $$; echo after"],
    ["sh", "-c", "trap 'echo bye' EXIT; exit 5"],
    ["sh", "-c", "(kill -SEGV $(exec sh -c 'echo $PPID')); echo $?"],
    ["sh", "-c", "yes | head -2"],
    ["sh", "-c", "f() { echo $1; return 9; }; f x; echo $?"],
    ["sh", "-c", "set -- a b c; shift; echo $# $*"],
    ["sh", "-c", "echo out; echo err >&2; nosuchcommand; echo $?"],
    ["sh", "-c", "cd /dev; pwd; cd /; echo null > /dev/null; echo $?"],
    ["sh", "-c", "echo x | md5sum; echo x | sha1sum"],
    ["sh", "-c", "exec 3>&1; echo three >&3; exec 3>&-; echo four >&3; echo $?"],
    ["sh", "-c", "umask; umask 077; umask"],
    ["nosuchapplet"],
]

PIPED = [
    (["cat"], b"one\ntwo\n"),
    (["sort", "-r"], b"b\na\nc\n"),
    (["wc"], b"some words here\nand there\n"),
    (["grep", "-n", "b"], b"abc\nxyz\nb\n"),
    (["sed", "s/a/A/g;2d"], b"banana\nsecond\nlast"),
    (["tr", "a-z", "A-Z"], b"shout\n"),
    (["cut", "-d:", "-f2"], b"a:b:c\nd:e\n"),
    (["od", "-c"], bytes(range(40))),
    (["gzip", "-c"], b""),
    (["sh"], b"echo from stdin\nexit 6\n"),
    (["awk", "{ s += $1 } END { print s }"], b"1\n2\n3.5\n"),
    (["md5sum"], b"x" * 100_000),
    (["tail", "-2"], b"1\n2\n3\n4\n"),
    (["uniq", "-c"], b"a\na\nb\n"),
    (["base64"], bytes(range(256))),
]


@pytest.mark.parametrize("arguments", BUSYBOX, ids=lambda arguments: " ".join(arguments)[:40])
def test_busybox(arguments: list[str]) -> None:
    need_i386()
    path = busybox() or missing("static i386 busybox")
    assert ours(str(path), *arguments) == native(str(path), *arguments)


@pytest.mark.parametrize(("arguments", "stdin"), PIPED, ids=lambda value: str(value)[:24])
def test_busybox_reads_what_is_piped_in(arguments: list[str], stdin: bytes) -> None:
    need_i386()
    path = busybox() or missing("static i386 busybox")
    assert ours(str(path), *arguments, stdin=stdin) == native(str(path), *arguments, stdin=stdin)
