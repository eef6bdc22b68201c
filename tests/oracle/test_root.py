"""Debian's i386 programs in a root of their own: the same natively (chroot) and by `int80 exec --root`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle import debian

COMMANDS = {
    "bash": "echo hi; ls / | head; cat /etc/debian_version; readlink /bin /lib/ld-linux.so.2",
    "attributes": "stat -c '%n %s %a %u %g %F %h %Y' /bin /bin/ls /etc/passwd /usr/bin/perl; readlink -f /bin/vi",
    "a tree": "find /usr/bin | md5sum; find /etc -type f | xargs cat | md5sum; du -a /etc | head -20",
    "changes": "mkdir -p /srv/a/b && cp /etc/passwd /srv/a && mv /etc/group /srv/a/b && rm /etc/issue && "
    "chmod 600 /srv/a/passwd && ln /srv/a/passwd /srv/a/twice && stat -c '%n %A %s %h' /srv/a /srv/a/* "
    "/srv/a/b/group; cat /srv/a/b/group /etc/issue; cd /srv/a/b; pwd; cd ../..; pwd; rm -r a; ls",
    "pipes": "seq 1000 | sort -rn | awk '{ s += $1 } END { print s, NR }'; xz -c /etc/group | xz -dc | md5sum",
    "perl": "perl -e 'print join(\",\", map { $_ ** 2 } 1..9), \"\\n\"'; echo 'select 6*7;' | sqlite3",
    "tcc": "echo 'int printf(const char *, ...); int main(void) { printf(\"%d\\n\", 6 * 7); return 3; }' "
    "> /tmp/a.c && tcc -o /tmp/a.out /tmp/a.c && /tmp/a.out",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands(debian_root: Path, name: str, tmp_path: Path) -> None:
    where = debian.copy(tmp_path / "root") if name in ("changes", "tcc") else debian_root
    command = ("/bin/bash", "-c", COMMANDS[name])
    assert debian.int80(where, command) == debian.native(where, command)
