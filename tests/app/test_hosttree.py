"""Directories of the host as the guest's: what is reached, what never is, and that nothing is written."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest

from app.frozen import Frozen
from app.hosttar import BadTar, HostTar
from app.hosttree import HostTree
from kernel.abi.errno import Errno
from kernel.errors import KernelError, Panic
from kernel.fs.hostfs import CHUNK
from kernel.kernel import HostMount
from tests.kernel.file_machine import BUFFER, CWD, FileMachine


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root with a secret beside it, and everything in it that could lead there."""
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "root"
    for name in ("etc", "usr/bin", "empty"):
        (root / name).mkdir(parents=True)
    (root / "etc/motd").write_text("hello\n")
    (root / "etc/again").hardlink_to(root / "etc/motd")
    (root / "big").write_bytes(bytes(range(256)) * (CHUNK // 256) + b"tail")
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin/prog").write_bytes(b"\x7fELF")
    (root / "usr/bin/prog").chmod(0o4755)
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("../secret")
    (root / "upup").symlink_to("../../../../../../../etc/motd")
    (root / "etc/absolute").symlink_to("/etc/motd")
    os.mkfifo(root / "fifo")
    (root / os.fsdecode(b"\xff\xfe")).write_text("bytes")
    return root


def snapshot(root: Path) -> list[tuple[object, ...]]:
    out: list[tuple[object, ...]] = []
    for folder, folders, files in os.walk(root):
        for name in sorted((*folders, *files)):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            data = Path(path).read_bytes() if stat.S_ISREG(status.st_mode) else b""
            out.append((path, status.st_mode, status.st_nlink, status.st_mtime_ns, status.st_uid, data))
    return out


def machine(*roots: Path, targets: tuple[str, ...] = ("/",), read_only: bool = False) -> FileMachine:
    host = Frozen([HostTree(str(root)) for root in roots])
    return FileMachine(host=host, mounts=tuple(HostMount(target, read_only) for target in targets))


def content(m: FileMachine, path: str) -> bytes | int:
    fd = m.call("open", path, 0, 0)
    assert isinstance(fd, int)
    if fd < 0:
        return fd
    count = m.call("read", fd, BUFFER, 4096)
    m.call("close", fd)
    assert isinstance(count, int)
    return m.load(BUFFER, count) if count >= 0 else count


def test_the_tree_is_the_guests_root(tree: Path) -> None:
    m = machine(tree)
    assert content(m, "/etc/motd") == b"hello\n"
    assert content(m, "/bin/prog") == b"\x7fELF"
    assert content(m, "/etc/absolute") == b"hello\n"
    assert content(m, b"/\xff\xfe\0") == b"bytes"  # type: ignore[arg-type]
    assert content(m, "/nothing") == -Errno.ENOENT
    assert content(m, "/etc") == -Errno.EISDIR
    assert content(m, "/dev/null") == b""
    assert m.call("chdir", "/proc/self") == 0
    assert m.call("access", "/tmp", 7) == 0


def test_links_and_dots_stay_inside(tree: Path) -> None:
    """A link out of the tree is resolved by the guest, in the guest."""
    m = machine(tree)
    assert content(m, "/out") == content(m, "/up") == -Errno.ENOENT
    assert content(m, "/upup") == content(m, "/../../etc/motd") == b"hello\n"
    for path in ("", "../secret", "..", "etc/../../secret", "up", "out", "etc//motd", "./etc"):
        source = HostTree(str(tree))
        source.listing("")
        with pytest.raises(KernelError):
            source.chunk(path, 0)
    with pytest.raises(KernelError):
        HostTree(str(tree)).listing("out")
    with pytest.raises(KernelError):
        HostTree(str(tree)).listing("..")


def test_what_is_put_in_a_files_place_is_not_read(tree: Path, tmp_path: Path) -> None:
    """Between the listing and the reading the host's file becomes something else: stale."""
    m = machine(tree)
    assert m.call("access", "/usr/bin/prog", 0) == 0
    (tree / "usr/bin/prog").unlink()
    (tree / "usr/bin/prog").symlink_to(tmp_path / "secret")
    assert content(m, "/usr/bin/prog") == -Errno.ESTALE
    assert m.call("access", "/big", 0) == 0
    (tree / "big").unlink()
    os.mkfifo(tree / "big")
    assert content(m, "/big") == -Errno.ESTALE
    m = machine(tree)
    assert m.call("access", "/usr", 0) == 0
    (tree / "usr").rename(tmp_path / "usr")
    (tree / "usr").symlink_to(tmp_path)
    assert content(m, "/usr/secret") == -Errno.ESTALE


def test_changes_are_the_guests_alone(tree: Path) -> None:
    before = snapshot(tree)
    m = machine(tree)
    fd = m.call("open", "/etc/motd", 1 | 0o1000, 0)
    assert isinstance(fd, int)
    m.store(BUFFER, b"changed")
    assert m.call("write", fd, BUFFER, 7) == 7
    assert content(m, "/etc/again") == b"changed"  # the same file by its other name
    assert m.call("unlink", "/etc/motd") == 0
    assert m.call("rename", "/usr/bin", "/moved") == 0
    assert content(m, "/moved/prog") == b"\x7fELF"
    assert m.call("mkdir", "/usr/bin", 0o755) == 0
    assert m.call("rmdir", "/empty") == 0
    assert m.call("rmdir", "/etc") == -Errno.ENOTEMPTY
    assert m.call("rmdir", "/dev") == -Errno.EBUSY
    assert m.call("chmod", "/moved/prog", 0o600) == 0
    assert m.call("truncate", "/big", 3) == 0
    assert content(m, "/big") == b"\0\1\2"
    assert snapshot(tree) == before


def test_what_was_touched_never_changes(tree: Path) -> None:
    """A second machine on the same answers, without the directory, sees the same and no more."""
    host = Frozen([HostTree(str(tree))])
    m = FileMachine(host=host, mounts=(HostMount("/"),))
    assert content(m, "/etc/motd") == b"hello\n"
    (tree / "etc/motd").write_text("later")
    (tree / "etc/new").write_text("new")
    replayed = FileMachine(host=Frozen((), host.answers), mounts=(HostMount("/"),))
    for one in (m, replayed):
        assert content(one, "/etc/motd") == b"hello\n"
        assert content(one, "/etc/new") == -Errno.ENOENT
    assert replayed.tables.inodes == m.tables.inodes
    with pytest.raises(Panic):
        content(replayed, "/usr/bin/prog")


def test_a_large_file_is_read_piece_by_piece(tree: Path) -> None:
    host = Frozen([HostTree(str(tree))])
    m = FileMachine(host=host, mounts=(HostMount("/"),))
    fd = m.call("open", "/big", 0, 0)
    assert isinstance(fd, int)
    assert m.call("pread64", fd, BUFFER, 100, CHUNK - 2, 0) == 6
    assert m.load(BUFFER, 6) == b"\xfe\xfftail"
    assert [answer.chunk for answer in host.answers if answer.path == "big"] == [0, 1]


def test_further_mounts(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "sub").mkdir(parents=True)
    (other / "sub/file").write_text("mounted")
    m = machine(tree, other, targets=("/", "/mnt/deep"))
    assert content(m, "/mnt/deep/sub/file") == b"mounted"
    assert m.call("chdir", "/mnt/deep/sub") == 0
    assert content(m, "../../../etc/motd") == b"hello\n"
    assert m.call("getcwd", BUFFER, 100) == len("/mnt/deep/sub") + 1
    assert m.call("renameat", CWD, "file", CWD, "/tmp/file") == -Errno.EXDEV


def test_unreadable_is_what_the_host_says(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: object, flags: int, *args: object, **named: object) -> int:
        if str(path).startswith("/proc/self/fd/"):
            raise PermissionError(Errno.EACCES, "Permission denied")
        return real(path, flags, *args, **named)  # type: ignore[call-overload,no-any-return]

    host = HostTree(str(tree))
    host.listing("etc")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(KernelError) as caught:
        host.chunk("etc/motd", 0)
    assert caught.value.errno == Errno.EACCES


def test_a_tar_is_what_unpacking_it_would_give(tree: Path, tmp_path: Path) -> None:
    """The same tree packed, compressed or not, is the same to the guest."""
    (tree / "fifo").unlink()  # its identity would be the only difference
    plain = tmp_path / "root.tar"
    for path in (plain, tmp_path / "root.tar.gz", tmp_path / "root.tar.xz"):
        with tarfile.open(path, f"w:{path.suffix[1:]}" if path != plain else "w") as tar:
            tar.add(tree, ".")
        packed, real = HostTar(str(path)), HostTree(str(tree))
        for name in ("", "etc", "usr", "usr/bin", "empty"):
            assert entries(packed, name) == entries(real, name)
        assert packed.chunk("big", 0) == real.chunk("big", 0)
        assert packed.chunk("big", 1) == real.chunk("big", 1) == b"tail"
        assert packed.chunk("etc/again", 0) == b"hello\n"


def entries(source: HostTar | HostTree, path: str) -> list[tuple[object, ...]]:
    """A listing without what depends on where it is kept: order, directories' sizes, link identities."""
    return sorted(
        (
            *(one.name, one.mode, one.uid, one.gid, 0 if stat.S_ISDIR(one.mode) else one.size),
            *(one.mtime // 10**9, one.nlink, one.rdev, one.target, bool(one.link)),
        )
        for one in source.listing(path)
    )


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("../x", b"0", "")], "a member is called"),
        ([("a/../../x", b"0", "")], "a member is called"),
        ([("x", b"1", "gone")], "which is not there"),
        ([("x", b"1", "")], "which is not there"),
        ([("l", b"2", "l"), ("l/x", b"0", "")], "too many links"),
        ([("f", b"0", ""), ("f/x", b"0", "")], "no directory but has members"),
    ],
)
def test_a_tar_that_makes_no_sense(
    members: list[tuple[str, bytes, str]], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    with pytest.raises(BadTar, match=reason):
        HostTar(str(path))


def test_a_tar_out_of_its_tree(tmp_path: Path) -> None:
    """A member below a link goes where the link leads, never outside."""
    path = tmp_path / "links.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind, target in (
            ("bin", b"2", "usr/bin"),
            ("/bin/sh", b"0", ""),
            ("out", b"2", "../../.."),
            ("out/etc/x", b"0", ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    source = HostTar(str(path))
    assert [one.name for one in source.listing("usr/bin")] == ["", "sh"]
    assert [one.name for one in source.listing("etc")] == ["", "x"]
    for junk in (
        b"",
        b"\x1f\x8b junk",
        b"junk" * 500,
        b"\xfd7zXZ\0junk",
        b"\x28\xb5\x2f\xfdjunk",
        b"BZhjunk",
    ):
        path.write_bytes(junk)
        with pytest.raises((BadTar, OSError)):
            HostTar(str(path))
