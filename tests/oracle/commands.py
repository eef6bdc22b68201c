"""Command lines run both ways in a root of Debian's packages: `commands/NAME.txt`, one command line each.

A file's lines are run one after another by one shell, each in an empty directory of its own; what each wrote,
its status and the files it left are what is compared. int80 runs first, as it changes nothing in `tmp`, which
is /tmp to both.
"""

from __future__ import annotations

from pathlib import Path

from tests.oracle.harness import HERE, Missing, int80, native

COMMANDS = HERE / "commands"
DRIVER = """\
for c in ../cmd/*; do
    n=${c##*/}; mkdir $n; cd $n
    echo "@@@ $n"
    sh ../../cmd/$n </dev/null
    echo "@@@ status $?"
    for f in $(find . -mindepth 1 | sort); do
        stat -c '%F %a %h %s %n' $f | sed '/^directory/s/ [0-9]* [0-9]* / /'
        if test -f $f -a -r $f; then md5sum < $f; fi
    done
    cd ..
done 2>&1
"""
MOUNTED = """\
mount -t proc proc {root}/proc && mount --bind /dev {root}/dev && mount --bind {tmp} {root}/tmp &&
exec /usr/sbin/chroot {root} /bin/sh -c "$0"
"""


def lines(name: str) -> list[str]:
    text = (COMMANDS / f"{name}.txt").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def run_both(name: str, root: Path, tmp: Path, only: list[int] | None = None) -> list[tuple[str, str, str]]:
    """Each command line with what came of it natively and in int80. Raises Missing."""
    chosen = {number: line for number, line in enumerate(lines(name)) if only is None or number in only}
    (tmp / "cmd").mkdir()
    (tmp / "work").mkdir()
    for number, line in chosen.items():
        (tmp / "cmd" / f"{number:03}").write_text(line + "\n")
    (tmp / "driver").write_text(DRIVER)
    script = "cd /tmp/work && exec sh ../driver"
    options = ["--root", str(root), "--mount", f"{tmp}:/tmp", "--memory", "256"]
    ours = int80("exec", ["/bin/sh", "-c", script], b"", options, timeout=300)
    mounted = MOUNTED.format(root=root, tmp=tmp)
    theirs = native(["unshare", "-m", "sh", "-c", mounted, script], timeout=120)
    if b"@@@" not in theirs.output:
        raise Missing(f"no chroot here: {theirs.errors.decode(errors='replace').strip()}")
    ours_by, theirs_by = _sections(ours.output), _sections(theirs.output)
    note = f"(the shell ended with {ours.status}: {ours.errors.decode(errors='replace')[-500:]})"
    return [
        (line, theirs_by.get(number, "(nothing)"), ours_by.get(number, note))
        for number, line in chosen.items()
    ]


def _sections(output: bytes) -> dict[int, str]:
    sections: dict[int, str] = {}
    for part in output.decode(errors="backslashreplace").split("@@@ ")[1:]:
        head, _, text = part.partition("\n")
        if head.isdigit():
            number = int(head)
            sections[number] = text
        else:
            sections[number] += f"{head}\n{text}"
    return sections


if __name__ == "__main__":
    import difflib
    import sys
    import tempfile

    from tests.oracle import debian

    for name in sys.argv[1:] or sorted(path.stem for path in COMMANDS.glob("*.txt")):
        with tempfile.TemporaryDirectory() as tmp:
            rows = run_both(name, debian.root(), Path(tmp))
        wrong = [row for row in rows if row[1] != row[2]]
        for line, theirs, ours in wrong:
            print(f"--- {name}: {line}")
            print("".join(difflib.unified_diff(theirs.splitlines(True), ours.splitlines(True), n=1)))
        print(f"{name}: {len(rows) - len(wrong)} of {len(rows)} agree")
