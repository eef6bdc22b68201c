"""Output, error output and exit status of whole programs: as on the host."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.harness import HERE, OWN, both, int80, native, scratch

PROGRAMS = HERE / "programs"
Build = Callable[[Path, str], Path]


def same(argv: list[str | Path], stdin: bytes = b"") -> None:
    expected, got = both(argv, stdin)
    assert got == expected


RACES = ("corrupt", "lostwake")
"""Their cure is the same everywhere; what they do without it depends on who has the processor."""
LEAVES_A_FILE = ("coredump",)


@pytest.mark.parametrize("name", sorted({path.name for path in OWN.iterdir() if path.is_file()} - {*RACES}))
def test_own_programs(name: str, host: None, tmp_path: Path) -> None:
    if name not in LEAVES_A_FILE:
        same([OWN / name])
        return
    done = subprocess.run([OWN / name], capture_output=True, cwd=tmp_path, check=False)
    if b"no core" not in done.stdout:
        assert int80("exec", [OWN / name]) == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", RACES)
def test_what_is_cured(name: str, host: None) -> None:
    expected, got = both([OWN / name, "cure"])
    assert (got.status, got.errors) == (expected.status, expected.errors) == (0, b"")
    assert got.output.splitlines()[-1] == expected.output.splitlines()[-1]


LIBCS = pytest.mark.parametrize("libc", ["glibc", "musl"])


@LIBCS
@pytest.mark.parametrize("name", ["hello", "heap", "numbers"])
def test_c_programs(name: str, libc: str, build: Build) -> None:
    same([build(PROGRAMS / f"{name}.c", libc)])


@LIBCS
def test_arguments_and_environment(libc: str, build: Build) -> None:
    path = build(PROGRAMS / "args.c", libc)
    same([path, "one", "", "two words", "tab\there", "ünï", "-x", "--", "a" * 5000])
    same([path])


ENDS = [
    "return",
    "exit",
    "_exit",
    "abort",
    "assert",
    "segfault",
    "kernel",
    "text",
    "jump",
    "divide",
    "trap",
    "int3",
    "hlt",
    "stack",
    "deep",
    "pipe",
    "kill",
    "term",
]


@LIBCS
@pytest.mark.parametrize("how", ENDS)
def test_ways_to_end(how: str, libc: str, build: Build) -> None:
    same([build(PROGRAMS / "ends.c", libc), how])


# --- busybox ------------------------------------------------------------------------------------------------

TEXT = b"the quick brown fox\njumps over\nthe lazy dog\n\n10 apples\n9 pears\nfox again, the end\n"
NUMBERS = b"".join(b"%d\n" % (n * 7919 % 1000) for n in range(400))

APPLETS = [
    ("echo", b""),
    ("echo -n a 'b  c' -e", b""),
    ("echo -e a\\tb\\x41\\0101", b""),
    ("seq 10", b""),
    ("seq 2 3 20", b""),
    ("seq -w 8 12", b""),
    ("seq -s , 5", b""),
    ("uname", b""),
    ("uname -s", b""),
    ("uname -m", b""),
    ("true", b""),
    ("false", b""),
    ("cat", TEXT),
    ("cat -n", TEXT),
    ("cat -", b"\x00\xff\x80" * 3000),
    ("cat /nonexistent", b""),
    ("cat /", b""),
    ("sort", TEXT),
    ("sort -r", TEXT),
    ("sort -n", NUMBERS),
    ("sort -u", NUMBERS),
    ("sort -k2", TEXT),
    ("uniq -c", b"a\na\nb\na\n"),
    ("awk {n+=$1}END{print(n,NR)}", NUMBERS),
    ("awk -F, {print$2}", TEXT),
    ("awk BEGIN{printf(\"%5.3f|%s|%d\\n\",3.14159,\"x\",42);exit(3)}", b""),
    ("awk {a[$1]++}END{for(k=0;k<1000;k++)if(a[k]>1)print(k,a[k])}", NUMBERS * 2),
    ("sed s/the/THE/g", TEXT),
    ("sed -n 2,4p", TEXT),
    ("sed -e /fox/d -e y/abc/ABC/", TEXT),
    ("sed -n $=", TEXT),
    ("grep fox", TEXT),
    ("grep -c the", TEXT),
    ("grep -v o", TEXT),
    ("grep -n ^the", TEXT),
    ("grep -iE (FOX|DOG)$", TEXT),
    ("grep -q nothing", TEXT),
    ("grep -o [a-z]*er", TEXT),
    ("expr 6 * 7", b""),
    ("expr length hello", b""),
    ("expr 1 = 2", b""),
    ("expr abcdef : abc\\(.*\\)", b""),
    ("expr 1 / 0", b""),
    ("head", NUMBERS),
    ("head -c 10", TEXT),
    ("head -n -5", TEXT),
    ("tail", NUMBERS),
    ("tail -n +3", TEXT),
    ("tail -c 20", TEXT),
    ("wc", TEXT),
    ("wc -l", NUMBERS * 50),
    ("wc -c", b"x" * 200_000),
    ("tr a-z A-Z", TEXT),
    ("tr -d aeiou", TEXT),
    ("tr -s x", b"axxxxb"),
    ("cut -c 1-3", TEXT),
    ("cut -d\x20 -f 2,3", TEXT),
    ("printf %s-%d-%x\\n abc 42 255", b""),
    ("printf %d\\n notanumber", b""),
    ("md5sum", TEXT),
    ("sha1sum", TEXT),
    ("sha256sum", NUMBERS * 10),
    ("sha512sum", TEXT),
    ("cksum", TEXT),
    ("crc32", TEXT),
    ("sum", TEXT),
    ("dd bs=7 count=3 skip=1", TEXT),
    ("dd bs=1k of=/dev/null", b"x" * 10240),
    ("od -c", TEXT),
    ("od -An -tx1", bytes(range(256))),
    ("hexdump -C", bytes(range(200))),
    ("xxd", TEXT),
    ("base64", bytes(range(256))),
    ("base64 -d", b"aGVsbG8gd29ybGQK"),
    ("rev", TEXT),
    ("tac", TEXT),
    ("nl", TEXT),
    ("fold -w 10", TEXT),
    ("expand", b"a\tb\n"),
    ("paste -s -d, -", TEXT),
    ("tee /dev/null", TEXT),
    ("xargs echo", TEXT),
    ("xargs -n 2 echo", b"a b c d e"),
    ("basename /a/b/c.txt .txt", b""),
    ("dirname /a/b/c.txt", b""),
    ("factor 1234567890 97", b""),
    ("test -d /dev", b""),
    ("test 3 -gt 4", b""),
    ("[ a = a ]", b""),
    ("env", b""),
    ("env -i A=b env", b""),
    ("printenv HOME", b""),
    ("pwd", b""),
    ("sleep 0.01", b""),
    ("usleep 100", b""),
    ("which sh-that-is-not-there", b""),
    ("gzip -c", b""),
    ("bc", b"2^100\n10/3\nscale=5;10/3\n"),
    ("dc", b"2 3 + p\n"),
    ("cmp /dev/null /dev/null", b""),
    ("timeout 5 echo in-time", b""),
    ("nosuchapplet", b""),
    ("cal 2 2024", b""),
    ("date -u -d @86400", b""),
    ("head -c 5 /dev/zero", b""),
    ("dd if=/dev/zero bs=1k count=2", b""),
]  # fmt: skip


@pytest.mark.parametrize(("line", "stdin"), APPLETS, ids=[line for line, _ in APPLETS])
def test_applets(line: str, stdin: bytes, busybox: Path) -> None:
    expected, got = both([busybox, *_words(line)], stdin)
    if line.startswith("dd"):  # says how long it took
        expected, got = (one._replace(errors=one.errors[:30]) for one in (expected, got))
    assert got == expected


def _words(line: str) -> list[str]:
    """Blanks separate; `{...}` scripts and quoted words stay whole."""
    import shlex

    return shlex.split(line) if "'" in line else line.split(" ")


SHELL = {
    "echo": "echo a; (exit 3); echo $?",
    "pipeline": "echo a b c | tr ' ' '\\n' | sort -r | head -2",
    "long pipeline": "seq 1000 | cat | cat | cat | cat | tail -1",
    "loop of 300": "i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; echo $i",
    "loop with forks": "for i in 1 2 3 4 5 6 7 8 9 10; do (exit $i); echo $?; done",
    "for": "for x in a b 'c d'; do echo \"<$x>\"; done",
    "here document": "x=5; cat <<END\nvalue $x\n  $(echo in)\nEND\ncat <<'END'\n$x\nEND",
    "background": "sleep 0.05 & wait; echo done $?",
    "background status": "(exit 9) & wait $!; echo $?",
    "many in background": "for i in 1 2 3 4 5; do (sleep 0.$i; echo $i) & done; wait; echo all",
    "trap": "trap 'echo caught' USR1; kill -USR1 $$; echo after",
    "trap exit": "trap 'echo bye' EXIT; echo hi; exit 4",
    "trap ignore": "trap '' TERM; kill $$; echo alive",
    "kill": "sleep 10 & kill $!; wait $!; echo $?",
    "kill -9": "sleep 10 & kill -9 $!; wait $!; echo $?",
    "kill itself": "kill -KILL $$",
    "terminate itself": "kill $$; echo not reached",
    "stop and go on": "sleep 0.05 & p=$!; kill -STOP $p; kill -CONT $p; wait $p; echo $?",
    "subshell": "x=1; (x=2; echo $x); echo $x; { x=3; }; echo $x",
    "substitution": "echo $(echo $(echo deep)); x=$(false); echo $?; echo `seq 3`",
    "redirect": "mkdir -p D; cd D; echo a >f; echo b >>f; cat f; cat <f; ls; rm -r D",
    "redirect descriptors": "(echo out; echo err >&2) 2>&1 | sort; exec 3>&1; echo three >&3",
    "redirect missing": "cat </no/such/file; echo $?",
    "redirect noclobber": "mkdir -p D; cd D; set -C; echo a >f; echo b >f; echo $?; cat f; rm -r D",
    "functions": "f() { echo $# $1; return 5; }; f a b; echo $?",
    "case": "for x in apple 1 zz; do case $x in a*) echo A;; [0-9]) echo N;; *) echo other;; esac; done",
    "arithmetic": "echo $((7*6)) $((1<<10)) $((-7/2)) $((0x1f)) $((5%3)) $((3>2&&1))",
    "expansion": "x=hello.tar.gz; echo ${x%.*} ${x##*.} ${#x} ${y:-no} ${x:1:3} ${x/l/L}",
    "globbing": "mkdir -p D; cd D; touch a1 a2 b1; echo a* [ab]1 x*; rm -r D",
    "read": "printf '1 2\\n3 4\\n' | while read a b; do echo $b $a; done",
    "set -e": "set -e; echo one; false; echo two",
    "not found": "nosuchcommand; echo $?",
    "not executable": "mkdir -p D; cd D; echo x >f; chmod 644 f; ./f; echo $?; rm -r D",
    "script": "mkdir -p D; cd D; printf '#!/bin/busybox sh\\necho script $1 $#\\n' >s; chmod 755 s; ./s x y; rm -r D",
    "exec": "exec echo replaced; echo never",
    "exec missing": "exec nosuch; echo never",
    "exit": "exit 42",
    "exit big": "exit 511",
    "broken pipe": "seq 100000 | head -1",
    "yes": "yes | head -3",
    "pipe status": "false | true; echo $?; true | false; echo $?",
    "umask": "umask; umask 077; umask",
    "files": "mkdir -p D/a/b; cd D; echo hi >a/b/f; ln -s a/b/f l; cat l; readlink l; mv a/b/f g; cat g; "
    "cat l; ls -A; cp g h; cmp g h && echo same; rm g h l; rmdir a/b a; cd /; rmdir D",
    "find": "mkdir -p D/x/y; cd D; touch x/1 x/y/2; find . | sort; find . -type f -name '2'; rm -r D",
    "stat": "mkdir -p D; cd D; echo hello >f; chmod 640 f; stat -c '%a %s %F %h' f; stat -c %F . f; rm -r D",
    "hard links": "mkdir -p D; cd D; echo hi >a; ln a b; stat -c %h a; rm a; stat -c %h b; cat b; rm -r D",
    "tests of files": "mkdir -p D; cd D; echo x >f; for t in e f d r w x s; do [ -$t f ]; echo $t $?; done; rm -r D",
    "fifo": "mkdir -p D; cd D; mkfifo p; echo through >p & cat p; wait; rm -r D",
    "dd in place": "mkdir -p D; cd D; echo 0123456789 >f; printf XY | dd of=f bs=1 seek=3 conv=notrunc 2>/dev/null; "
    "cat f; rm -r D",
    "tail of a file": "mkdir -p D; cd D; seq 100 >f; tail -3 f; head -2 f; wc f; rm -r D",
    "sort a file": "mkdir -p D; cd D; seq 50 | sort -r >f; sort -n f | head -2; sort -n -o f f; head -1 f; rm -r D",
    "tar": "mkdir -p D/t; cd D; echo one >t/a; echo two >t/b; tar cf x.tar t; rm -r t; tar xf x.tar; cat t/*; rm -r D",
    "gzip": "mkdir -p D; cd D; seq 2000 >f; gzip f; ls; gunzip f.gz; tail -1 f; rm -r D",
    "cd": "cd /tmp; pwd; cd ..; pwd; cd /nonexistent; echo $?; pwd",
    "ulimit": "ulimit -s; ulimit -c; ulimit -n",
    "getopts": "set -- -a -b val rest; while getopts ab: o; do echo $o $OPTARG; done; shift $((OPTIND-1)); echo $1",
    "printf": "printf '%5d|%-5s|%05.1f|%x|%c|%%\\n' 42 ab 3.14159 255 xyz",
    "eval": "x='echo evaluated'; eval \"$x\" twice",
    "deep recursion": "f() { [ $1 -eq 0 ] || f $(($1-1)); }; f 200; echo ok",
    "type": "type cd; command -v echo",
    "wait for nothing": "wait; echo $?; wait 99999; echo $?",
    "signals by pipes": "(sleep 0.02; kill -USR1 $$) & trap 'echo usr1; exit 6' USR1; while :; do sleep 0.01; done",
    "kill the parent": "(kill -SEGV $(exec sh -c 'echo $PPID')); echo $?",
    "sums": "echo x | md5sum; echo x | sha1sum",
    "closed descriptor": "exec 3>&1; echo three >&3; exec 3>&-; echo four >&3; echo $?",
    "id": "id -u; [ $(id -u) = 0 ] && echo root",
}  # fmt: skip

_numbers = itertools.count()


@pytest.mark.parametrize("name", SHELL)
def test_shell(name: str, busybox: Path) -> None:
    # D is a directory of this test's own, by the same name on the host and in the guest.
    directory = f"{scratch()}/int80-oracle-{os.getpid()}-{next(_numbers)}"
    script = SHELL[name].replace(" D", f" {directory}").replace("cd D", f"cd {directory}")
    same([busybox, "sh", "-c", script])


def test_shell_reads_its_script_from_standard_input(busybox: Path) -> None:
    same([busybox, "sh"], b"echo one\nread x\ndata\necho got $x\nexit 3\n")


def test_shell_with_arguments(busybox: Path) -> None:
    same([busybox, "sh", "-c", 'echo $0 $# "$@"', "name", "a", "b c"])


def test_deterministic(busybox: Path) -> None:
    line = [busybox, "sh", "-c", "echo $$ $RANDOM; date +%s%N; (echo $PPID) | cat"]
    first, second = int80("exec", line), int80("exec", line)
    assert first == second
    assert native(line).status == first.status == 0
