"""Paths, files, descriptors: results and error numbers as Linux gives them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from kernel.abi.errno import Errno
from kernel.abi.files import (
    AT_EMPTY_PATH,
    AT_REMOVEDIR,
    AT_SYMLINK_NOFOLLOW,
    F_DUPFD,
    F_GETFD,
    F_GETFL,
    F_SETFD,
    O_APPEND,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_NOFOLLOW,
    O_PATH,
    O_RDWR,
    O_TRUNC,
    O_WRONLY,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    S_IFCHR,
    S_IFIFO,
    S_IFMT,
    S_IFREG,
    SEEK_CUR,
    SEEK_END,
    SEEK_HOLE,
    SEEK_SET,
)
from kernel.abi.process import RLIMIT_FSIZE, RLIMIT_NOFILE
from kernel.abi.signal import SIGXFSZ
from kernel.abi.structs import Stat, Stat64, Statx, unpack_dirents64
from kernel.errors import KernelError
from kernel.fs import files, ramfs, setup, vfs
from kernel.fs.names import decode_name, encode_name
from kernel.fs.stream import stream_input
from kernel.wait import wake_task
from tests.kernel.file_machine import BAD, BUFFER, BUFFER_END, CWD, SMALL, FileMachine, error

PAGE = 4096


@pytest.fixture
def m() -> Iterator[FileMachine]:
    machine = FileMachine()
    yield machine
    machine.check()


def stat(m: FileMachine, path: str, flags: int = 0) -> Stat64:
    m.ok("fstatat64", CWD, path, SMALL, flags)
    return Stat64.unpack(m.load(SMALL, Stat64.SIZE))


def listing(m: FileMachine, path: str, count: int = PAGE) -> list[str]:
    fd = m.open(path, O_DIRECTORY)
    found: list[str] = []
    while size := m.ok("getdents64", fd, BUFFER, count):
        found += [name.decode() for _, _, _, name in unpack_dirents64(m.load(BUFFER, size))]
    m.ok("close", fd)
    return found


# --- paths --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("", Errno.ENOENT),
        ("missing", Errno.ENOENT),
        ("missing/x", Errno.ENOENT),
        ("/tmp/file/x", Errno.ENOTDIR),
        ("/tmp/file/", Errno.ENOTDIR),
        ("/tmp/file/..", Errno.ENOTDIR),
        ("/tmp/loop", Errno.ELOOP),
        ("/tmp/loop/x", Errno.ELOOP),
        ("/tmp/dangling", Errno.ENOENT),
        ("x" * 256, Errno.ENAMETOOLONG),
        ("/" * 5000, Errno.ENAMETOOLONG),
    ],
)
def test_a_path_that_leads_nowhere(m: FileMachine, path: str, number: Errno) -> None:
    m.open("/tmp/file", O_CREAT)
    m.ok("symlink", "loop", "/tmp/loop")
    m.ok("symlink", "nothing", "/tmp/dangling")
    assert m.call("stat64", path, SMALL) == error(number)
    assert m.call("open", path, 0, 0) == error(number)


def test_paths_that_lead_to_the_same(m: FileMachine) -> None:
    m.ok("mkdir", "/tmp/d", 0o755)
    m.ok("symlink", "d", "/tmp/to_d")
    m.ok("symlink", "/tmp/to_d/../d", "/tmp/there")
    number = stat(m, "/tmp/d").st_ino
    paths = (
        "/tmp//d/",
        "/tmp/d/.",
        "/../tmp/./d",
        "/tmp/to_d",
        "/tmp/to_d/",
        "/tmp/there",
        "/tmp/d/../there/",
    )
    for path in paths:
        assert stat(m, path).st_ino == number, path
    assert stat(m, "/tmp/to_d", AT_SYMLINK_NOFOLLOW).st_ino != number
    assert stat(m, "/tmp/to_d/", AT_SYMLINK_NOFOLLOW).st_ino == number
    m.ok("chdir", "/tmp/there")
    assert m.ok("getcwd", BUFFER, 100) == 7
    assert m.load(BUFFER, 7) == b"/tmp/d\0"
    assert m.call("getcwd", BUFFER, 6) == error(Errno.ERANGE)
    assert stat(m, "..").st_ino == stat(m, "/tmp").st_ino


def test_forty_links_are_followed_and_no_more(m: FileMachine) -> None:
    m.open("/tmp/0", O_CREAT)
    for n in range(1, 42):
        m.ok("symlink", str(n - 1), f"/tmp/{n}")
    assert stat(m, "/tmp/40").st_mode & S_IFMT == S_IFREG
    assert m.call("stat64", "/tmp/41", SMALL) == error(Errno.ELOOP)


def test_a_bad_pointer_to_a_path(m: FileMachine) -> None:
    assert m.call("open", BAD, 0, 0) == error(Errno.EFAULT)
    assert m.call("stat64", "/tmp", BAD) == error(Errno.EFAULT)


def test_the_user_may_not_what_the_mode_forbids(m: FileMachine) -> None:
    fd = m.open("/tmp/secret", O_CREAT, 0o640)
    m.ok("close", fd)
    m.ok("mkdir", "/tmp/closed", 0o700)
    m.open("/tmp/closed/x", O_CREAT)
    user = m.add_process(3, uid=1000)
    m.run(user)
    assert m.call("open", "/tmp/secret", 0, 0) == error(Errno.EACCES)
    assert m.call("access", "/tmp/secret", 4) == error(Errno.EACCES)
    assert m.call("open", "/tmp/closed/x", 0, 0) == error(Errno.EACCES)
    assert m.call("open", "/etc/new", O_CREAT, 0o644) == error(Errno.EACCES)
    assert m.call("unlink", "/tmp/secret") == error(Errno.EPERM)  # /tmp is sticky
    assert m.call("rename", "/tmp/secret", "/tmp/mine") == error(Errno.EPERM)
    assert m.call("chmod", "/tmp/secret", 0o777) == error(Errno.EPERM)
    mine = m.open("/tmp/mine", O_CREAT | O_RDWR, 0o400)  # the mode counts from the next open on
    assert m.write(mine, b"x") == 1
    assert m.call("open", "/tmp/mine", O_WRONLY, 0) == error(Errno.EACCES)
    assert m.ok("unlink", "/tmp/mine") == 0
    m.run(m.first)
    assert m.call("access", "/tmp/secret", 1) == error(Errno.EACCES)  # root may not execute what nobody may
    assert m.call("access", "/tmp/secret", 8) == error(Errno.EINVAL)


# --- open ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "flags", "number"),
    [
        ("/tmp", O_WRONLY, Errno.EISDIR),
        ("/tmp", O_CREAT, Errno.EISDIR),
        ("/tmp/new/", O_CREAT, Errno.EISDIR),
        ("/tmp/file", O_CREAT | O_EXCL, Errno.EEXIST),
        ("/tmp/link", O_CREAT | O_EXCL, Errno.EEXIST),
        ("/tmp/link", O_NOFOLLOW, Errno.ELOOP),
        ("/tmp/file", O_DIRECTORY, Errno.ENOTDIR),
        ("/tmp/new", O_CREAT | O_DIRECTORY, Errno.EINVAL),
        ("/proc/self/comm", O_WRONLY, Errno.EACCES),
        ("/proc/new", O_CREAT, Errno.ENOENT),
    ],
)
def test_open_refuses(m: FileMachine, path: str, flags: int, number: Errno) -> None:
    m.ok("close", m.open("/tmp/file", O_CREAT))
    m.ok("symlink", "elsewhere", "/tmp/link")
    if path == "/proc/self/comm":
        m.task.cred.fsuid, m.task.cred.effective = 1000, 0
    assert m.call("open", path, flags, 0o644) == error(number)
    assert len(files.current_table(m.kernel).fds) == 3


def test_open_creates_through_a_dangling_link(m: FileMachine) -> None:
    m.task.umask = 0o027
    m.ok("symlink", "real", "/tmp/link")
    m.open("/tmp/link", O_CREAT | O_WRONLY, 0o666)
    assert stat(m, "/tmp/real").st_mode == S_IFREG | 0o640


def test_the_lowest_descriptor_up_to_the_limit(m: FileMachine) -> None:
    m.limits[RLIMIT_NOFILE] = 6
    assert [m.open("/dev/null") for _ in range(3)] == [3, 4, 5]
    assert m.call("open", "/missing", 0, 0) == error(Errno.EMFILE)  # found out before the path is looked at
    assert m.call("dup", 0) == error(Errno.EMFILE)
    assert m.call("dup2", 0, 6) == error(Errno.EBADF)
    assert m.call("fcntl64", 0, F_DUPFD, 6) == error(Errno.EINVAL)
    m.ok("close", 4)
    assert m.ok("dup", 3) == 4
    assert m.call("close", 9) == error(Errno.EBADF)


def test_dup_shares_position_and_flags_but_not_close_on_exec(m: FileMachine) -> None:
    fd = m.open("/tmp/a", O_CREAT | O_RDWR | O_CLOEXEC)
    other = m.ok("dup", fd)
    m.write(fd, b"abc")
    assert m.ok("lseek", other, 0, SEEK_CUR) == 3
    assert (m.ok("fcntl64", fd, F_GETFD, 0), m.ok("fcntl64", other, F_GETFD, 0)) == (1, 0)
    assert m.ok("fcntl64", fd, F_GETFL, 0) == O_RDWR
    assert m.ok("dup2", fd, fd) == fd
    assert m.call("dup3", fd, fd, 0) == error(Errno.EINVAL)
    assert m.ok("dup3", fd, 9, O_CLOEXEC) == 9
    m.ok("fcntl64", other, F_SETFD, 1)
    files.close_on_exec(m.kernel, m.task.fdtable)
    assert sorted(files.current_table(m.kernel).fds) == [0, 1, 2]


def test_fork_copies_the_table_and_shares_open_files(m: FileMachine) -> None:
    fd = m.open("/tmp/a", O_CREAT | O_RDWR)
    child = m.add_task(7)
    child.fdtable = files.copy_fdtable(m.kernel, m.task.fdtable)
    m.write(fd, b"parent")
    m.run(child)
    assert m.ok("lseek", fd, 0, SEEK_CUR) == 6
    m.ok("close", fd)
    m.run(m.first)
    assert m.ok("lseek", fd, 0, SEEK_CUR) == 6
    files.drop_fdtable(m.kernel, child.fdtable)
    assert m.ok("lseek", fd, 0, SEEK_CUR) == 6


# --- read and write -----------------------------------------------------------------------------------------


def test_what_was_written_is_read(m: FileMachine) -> None:
    data = bytes(n % 251 for n in range(10000))
    fd = m.open("/tmp/a", O_CREAT | O_RDWR)
    assert m.write(fd, data) == 10000
    assert m.read(fd) == b""
    assert m.ok("lseek", fd, 4000, SEEK_SET) == 4000
    assert m.read(fd, 200) == data[4000:4200]
    assert m.ok("pread64", fd, BUFFER, 10000, 9000, 0) == 1000
    assert m.ok("lseek", fd, 0, SEEK_CUR) == 4200
    m.store(BUFFER, b"hole")
    assert m.ok("pwrite64", fd, BUFFER, 4, 20000, 0) == 4
    assert stat(m, "/tmp/a").st_size == 20004
    assert m.ok("pread64", fd, BUFFER, 8, 15000, 0) == 8
    assert m.load(BUFFER, 8) == bytes(8)


@pytest.mark.parametrize(
    ("name", "flags", "number"),
    [("read", O_WRONLY, Errno.EBADF), ("write", 0, Errno.EBADF), ("read", O_PATH, Errno.EBADF)],
)
def test_not_open_for_that(m: FileMachine, name: str, flags: int, number: Errno) -> None:
    fd = m.open("/tmp/a", O_CREAT | O_WRONLY) and m.open("/tmp/a", flags)
    assert m.call(name, fd, BAD, 1) == error(number)


def test_read_of_a_directory(m: FileMachine) -> None:
    fd = m.open("/tmp")
    assert m.call("read", fd, BUFFER, 0) == error(Errno.EISDIR)
    assert m.call("write", fd, BUFFER, 1) == error(Errno.EBADF)


def test_bad_buffers_give_short_counts(m: FileMachine) -> None:
    fd = m.open("/tmp/a", O_CREAT | O_RDWR)
    edge = BUFFER_END - 5000
    m.store(edge, b"y" * 5000)
    assert m.call("write", fd, BAD, 1) == error(Errno.EFAULT)
    assert m.ok("write", fd, BAD, 0) == 0
    assert m.ok("write", fd, edge, 9000) == 5000
    assert stat(m, "/tmp/a").st_size == 5000
    assert m.ok("lseek", fd, 0, SEEK_SET) == 0
    assert m.call("read", fd, BAD, 1) == error(Errno.EFAULT)
    assert m.ok("read", fd, BAD, 0) == 0
    assert m.ok("read", fd, BUFFER_END - 100, 5000) == 100
    assert m.ok("lseek", fd, 0, SEEK_CUR) == 100
    assert m.ok("read", fd, BUFFER, 0xFFFF_FFFF) == 4900
    assert m.ok("read", fd, BAD, 100) == 0  # at the end nothing is copied


def test_vectors(m: FileMachine) -> None:
    fd = m.open("/tmp/a", O_CREAT | O_RDWR)
    m.store(BUFFER, b"onetwothree")
    vector = struct.pack("<8I", BUFFER, 3, BAD, 0, BUFFER + 3, 3, BUFFER + 6, 5)
    assert m.ok("writev", fd, vector, 4) == 11
    vector = struct.pack("<6I", BUFFER + 100, 5, BUFFER + 200, 4, BAD, 100)
    m.ok("lseek", fd, 0, SEEK_SET)
    assert m.ok("readv", fd, vector, 3) == 9
    assert m.load(BUFFER + 100, 5) + m.load(BUFFER + 200, 4) == b"onetwothr"
    assert m.call("readv", fd, BAD, 1) == error(Errno.EFAULT)
    assert m.ok("readv", fd, BAD, 0) == 0
    assert m.call("readv", fd, BAD, 1025) == error(Errno.EINVAL)
    assert m.call("writev", fd, struct.pack("<2I", BUFFER, 0x8000_0000), 1) == error(Errno.EINVAL)


def test_append_goes_to_the_end_whatever_the_position(m: FileMachine) -> None:
    fd = m.open("/tmp/a", O_CREAT | O_RDWR | O_APPEND)
    m.write(fd, b"one")
    m.ok("lseek", fd, 0, SEEK_SET)
    m.write(fd, b"two")
    m.store(BUFFER, b"three")
    assert m.ok("pwrite64", fd, BUFFER, 5, 0, 0) == 5
    assert m.ok("pread64", fd, BUFFER, 100, 0, 0) == 11
    assert m.load(BUFFER, 11) == b"onetwothree"


def test_seeking(m: FileMachine) -> None:
    fd = m.open("/tmp/a", O_CREAT | O_RDWR)
    m.write(fd, b"0123456789")
    assert m.ok("lseek", fd, -3, SEEK_END) == 7
    assert m.call("lseek", fd, -8, SEEK_CUR) == error(Errno.EINVAL)
    assert m.call("lseek", fd, 0, 5) == error(Errno.EINVAL)
    assert m.ok("lseek", fd, 5, SEEK_HOLE) == 10
    assert m.call("lseek", fd, 10, SEEK_HOLE) == error(Errno.ENXIO)
    assert m.ok("_llseek", fd, 1, 5, SMALL, SEEK_SET) == 0
    assert m.load(SMALL, 8) == struct.pack("<Q", 0x1_0000_0005)
    assert m.call("lseek", fd, 0, SEEK_CUR) == error(Errno.EOVERFLOW)
    assert m.call("pread64", fd, BUFFER, 1, 0, 0x8000_0000) == error(Errno.EINVAL)
    read_end, _ = m.pipe()
    assert m.call("lseek", read_end, 0, SEEK_CUR) == error(Errno.ESPIPE)
    assert m.call("pread64", read_end, BUFFER, 1, 0, 0) == error(Errno.ESPIPE)
    assert m.call("lseek", 0, 0, SEEK_CUR) == error(Errno.ESPIPE)


def test_the_file_size_limit(m: FileMachine) -> None:
    m.limits[RLIMIT_FSIZE] = 5000
    fd = m.open("/tmp/a", O_CREAT | O_WRONLY)
    assert m.write(fd, b"x" * 6000) == 5000
    assert m.write(fd, b"x") == error(Errno.EFBIG)
    assert [event.signo for event in m.told("SignalGenerated")] == [SIGXFSZ]


# --- inodes and frames --------------------------------------------------------------------------------------


def test_an_unlinked_file_lives_until_it_is_closed(m: FileMachine) -> None:
    before = len(m.tables.frame_refs)
    fd = m.open("/tmp/a", O_CREAT | O_RDWR)
    m.write(fd, b"x" * (3 * PAGE))
    m.ok("link", "/tmp/a", "/tmp/b")
    assert stat(m, "/tmp/b").st_nlink == 2
    m.ok("unlink", "/tmp/a")
    m.ok("unlink", "/tmp/b")
    assert m.ok("fstat64", fd, SMALL) == 0
    assert Stat64.unpack(m.load(SMALL, 96)).st_nlink == 0
    inode = files.get_file(m.kernel, fd).inode
    assert len(m.tables.inodes[inode].pages) == 3
    pages = set(m.tables.inodes[inode].pages.values())
    m.ok("close", fd)
    assert inode not in m.tables.inodes
    assert not pages & m.tables.frame_refs.keys()
    assert before <= len(m.tables.frame_refs)


def test_a_file_from_outside_is_read_page_by_page(m: FileMachine) -> None:
    data = bytes(n % 249 for n in range(9000))
    m.blobs["key"] = data
    inode = setup.add_file(m.kernel, "/usr/lib/deep/file", "key", 9000, 0o755)
    assert vfs.executable(m.kernel, m.task, "/usr/lib/deep/file") is inode
    assert ramfs.peek_inode(m.kernel, inode.ino, 4000, 200) == data[4000:4200]
    assert not inode.pages
    assert ramfs.read_inode(m.kernel, inode, 4000, 200) == data[4000:4200]
    assert sorted(inode.pages) == [0, 1]
    m.ok("truncate64", "/usr/lib/deep/file", 8500, 0)
    m.ok("truncate64", "/usr/lib/deep/file", 12000, 0)
    assert ramfs.read_inode(m.kernel, inode, 8000, 4000) == data[8000:8500] + bytes(3500)
    assert ramfs.write_inode(m.kernel, inode, 4090, b"0123456789") == 10
    assert ramfs.read_inode(m.kernel, inode, 4088, 14) == data[4088:4090] + b"0123456789" + data[4100:4102]
    m.ok("close", m.open("/usr/lib/deep/file", O_WRONLY | O_TRUNC))
    assert (inode.size, inode.pages) == (0, {})


def test_no_frame_left(m: FileMachine) -> None:
    fd = m.open("/tmp/big", O_CREAT | O_RDWR)
    written = 0
    while (done := m.call("write", fd, BUFFER, 65536)) != error(Errno.ENOSPC):
        assert isinstance(done, int)
        assert done > 0
        written += done
    assert m.tables.inodes[files.get_file(m.kernel, fd).inode].size == written
    m.ok("ftruncate64", fd, 0, 0)
    assert m.write(fd, b"room again") == 10


# --- names --------------------------------------------------------------------------------------------------


def test_directories(m: FileMachine) -> None:
    m.ok("mkdir", "/tmp/d", 0o777)
    assert stat(m, "/tmp").st_nlink == 3
    assert m.call("mkdir", "/tmp/d", 0o777) == error(Errno.EEXIST)
    assert m.call("mkdir", "/tmp/x/y", 0o777) == error(Errno.ENOENT)
    m.open("/tmp/d/file", O_CREAT)
    assert m.call("rmdir", "/tmp/d") == error(Errno.ENOTEMPTY)
    assert m.call("unlink", "/tmp/d") == error(Errno.EISDIR)
    assert m.call("rmdir", "/tmp/d/file") == error(Errno.ENOTDIR)
    assert m.call("rmdir", "/tmp/d/.") == error(Errno.EINVAL)
    assert m.call("rmdir", "/tmp/d/..") == error(Errno.ENOTEMPTY)
    assert m.call("unlinkat", CWD, "/tmp/d", 1) == error(Errno.EINVAL)
    m.ok("unlinkat", CWD, "/tmp/d/file", 0)
    m.ok("chdir", "/tmp/d")
    m.ok("unlinkat", CWD, "/tmp/d", AT_REMOVEDIR)
    assert stat(m, "/tmp").st_nlink == 2
    assert m.call("getcwd", BUFFER, 100) == error(Errno.ENOENT)
    assert m.call("open", "new", O_CREAT, 0o644) == error(Errno.ENOENT)
    m.ok("chdir", "..")
    assert m.ok("getcwd", BUFFER, 100) == 5


def test_rename(m: FileMachine) -> None:
    m.ok("mkdir", "/tmp/a", 0o755)
    m.ok("mkdir", "/tmp/a/b", 0o755)
    one = m.open("/tmp/one", O_CREAT | O_WRONLY)
    m.write(one, b"1")
    m.open("/tmp/two", O_CREAT)
    m.ok("rename", "/tmp/one", "/tmp/two")
    assert stat(m, "/tmp/two").st_size == 1
    assert m.call("rename", "/tmp/one", "/tmp/x") == error(Errno.ENOENT)
    assert m.call("rename", "/tmp/a", "/tmp/a/b/c") == error(Errno.EINVAL)
    assert m.call("rename", "/tmp/a/b", "/tmp/a") == error(Errno.ENOTEMPTY)
    assert m.call("rename", "/tmp/two", "/tmp/a") == error(Errno.EISDIR)
    assert m.call("rename", "/tmp/a", "/tmp/two") == error(Errno.ENOTDIR)
    assert m.call("renameat2", CWD, "/tmp/two", CWD, "/tmp/a", 1) == error(Errno.EEXIST)
    m.ok("rename", "/tmp/a/b", "/b")
    m.ok("chdir", "/b")
    assert m.ok("getcwd", BUFFER, 100) == 3
    assert stat(m, "/tmp/a").st_nlink == 2


def test_links(m: FileMachine) -> None:
    m.open("/tmp/file", O_CREAT)
    assert m.call("link", "/tmp", "/x") == error(Errno.EPERM)
    assert m.call("link", "/tmp/file", "/tmp/file") == error(Errno.EEXIST)
    m.ok("symlink", "target text", "/tmp/l")
    assert m.ok("readlink", "/tmp/l", BUFFER, 6) == 6
    assert m.load(BUFFER, 6) == b"target"
    assert m.call("readlink", "/tmp/l", BUFFER, 0) == error(Errno.EINVAL)
    assert m.call("readlink", "/tmp/file", BUFFER, 100) == error(Errno.EINVAL)
    assert stat(m, "/tmp/l", AT_SYMLINK_NOFOLLOW).st_size == 11


def test_reading_a_directory_while_it_changes(m: FileMachine) -> None:
    m.ok("mkdir", "/tmp/d", 0o755)
    names = [f"file{n:03}" for n in range(50)]
    for name in names:
        m.ok("close", m.open(f"/tmp/d/{name}", O_CREAT))
    assert listing(m, "/tmp/d") == [".", "..", *names]
    assert listing(m, "/tmp/d", 100) == [".", "..", *names]
    fd = m.open("/tmp/d")
    seen: list[str] = []
    while size := m.ok("getdents64", fd, BUFFER, 200):
        for entry in unpack_dirents64(m.load(BUFFER, size)):
            seen.append(entry[3].decode())
            if len(entry[3]) > 2:
                m.ok("unlink", f"/tmp/d/{seen[-1]}")
    assert seen == [".", "..", *names]
    assert m.call("getdents64", m.open("/tmp"), BUFFER, 10) == error(Errno.EINVAL)
    assert m.call("getdents64", m.open("/tmp"), BAD, 100) == error(Errno.EFAULT)
    assert m.call("getdents64", m.open("/dev/null"), BUFFER, 100) == error(Errno.ENOTDIR)


@pytest.mark.parametrize(
    "data", [b"plain", "größe".encode(), b"\xff\x80x", "\uf7ff\U0001f600".encode(), b"\xed\xb2\x80"]
)
def test_every_name_has_a_text_of_its_own(m: FileMachine, data: bytes) -> None:
    text = decode_name(data)
    text.encode()  # can be written down
    assert encode_name(text) == data
    m.ok("close", m.ok("open", b"/tmp/" + data + b"\0", O_CREAT, 0o644))
    m.ok("chdir", "/tmp")
    m.ok("stat64", data + b"\0", SMALL)


# --- attributes ---------------------------------------------------------------------------------------------


def test_the_three_forms_of_stat_agree(m: FileMachine) -> None:
    fd = m.open("/tmp/a", O_CREAT | O_WRONLY, 0o640)
    m.write(fd, b"x" * 5000)
    wide = stat(m, "/tmp/a")
    m.ok("fstat", fd, SMALL)
    narrow = Stat.unpack(m.load(SMALL, Stat.SIZE))
    m.ok("statx", fd, "", AT_EMPTY_PATH, 0x7FF, SMALL)
    extended = Statx.unpack(m.load(SMALL, Statx.SIZE))
    assert (wide.st_mode, wide.st_size, wide.st_blocks) == (S_IFREG | 0o640, 5000, 16)
    assert (narrow.st_mode, narrow.st_size, narrow.st_ino) == (wide.st_mode, 5000, wide.st_ino)
    assert (extended.stx_mode, extended.stx_size, extended.stx_ino) == (wide.st_mode, 5000, wide.st_ino)
    assert m.call("statx", fd, "", AT_EMPTY_PATH, 0x8000_0000, SMALL) == error(Errno.EINVAL)
    assert m.call("fstatat64", fd, "", SMALL, 0) == error(Errno.ENOENT)
    assert m.call("fstatat64", fd, "x", SMALL, 0) == error(Errno.ENOTDIR)
    assert m.call("fstatat64", 77, "x", SMALL, 0) == error(Errno.EBADF)
    assert m.call("fstatat64", 77, "/tmp", SMALL, 0) == 0


def test_times_can_be_set(m: FileMachine) -> None:
    m.open("/tmp/a", O_CREAT)
    m.ok("utimensat", CWD, "/tmp/a", struct.pack("<4i", 1, 2, 1_000_000_000, 5), 0)
    assert (stat(m, "/tmp/a").st_mtime, stat(m, "/tmp/a").st_mtime_nsec) == (1_000_000_000, 5)
    bad = struct.pack("<4i", 0, 0, 0, 1_000_000_000)
    assert m.call("utimensat", CWD, "/tmp/a", bad, 0) == error(Errno.EINVAL)


# --- devices, /proc, streams --------------------------------------------------------------------------------


def test_devices(m: FileMachine) -> None:
    assert stat(m, "/dev/null").st_mode == S_IFCHR | 0o666
    assert (stat(m, "/dev/null").st_rdev, stat(m, "/dev/urandom").st_rdev) == (0x103, 0x109)
    names = ("null", "zero", "full", "urandom")
    null, zero, full, random = (m.open(f"/dev/{name}", O_RDWR) for name in names)
    assert m.call("write", null, BAD, 100) == 100
    assert m.read(null) == b""
    m.store(BUFFER, b"x" * 6000)
    assert m.read(zero, 5000) == bytes(5000)
    assert m.call("read", zero, BUFFER_END - 10, 100) == 10
    assert m.write(full, b"x") == error(Errno.ENOSPC)
    assert m.read(random, 5) == bytes((0, 7, 14, 21, 28))
    assert m.entropy_used == 5
    assert m.call("ioctl", null, 0x5401, BUFFER) == error(Errno.ENOTTY)
    assert m.ok("lseek", null, 55, SEEK_SET) == 0
    m.ok("mknod", "/dev/odd", S_IFCHR | 0o600, 0x6363)
    assert m.call("open", "/dev/odd", 0, 0) == error(Errno.ENXIO)


def test_proc_shows_the_process(m: FileMachine) -> None:
    assert m.ok("readlink", "/proc/self", BUFFER, 100) == 1
    assert m.load(BUFFER, 1) == b"2"
    assert m.read(m.open("/proc/self/comm")) == b"task2\n"
    status = m.read(m.open("/proc/2/status")).decode()
    assert "Pid:\t2\n" in status
    assert "State:\tR (running)\n" in status
    assert {"self", "1", "2"} <= set(listing(m, "/proc"))
    assert listing(m, "/proc/self/fd")[2:5] == ["0", "1", "2"]
    assert m.call("stat64", "/proc/99", SMALL) == error(Errno.ENOENT)
    assert m.call("mkdir", "/proc/x", 0o755) == error(Errno.ENOENT)
    assert m.call("rmdir", "/proc") == error(Errno.EBUSY)
    m.ok("chdir", "/proc/self/fd")
    assert m.ok("getcwd", BUFFER, 100) == len("/proc/2/fd") + 1
    assert stat(m, "../../..").st_ino == m.tables.root


def test_opening_a_descriptor_through_proc(m: FileMachine) -> None:
    fd = m.open("/tmp/a", O_CREAT | O_RDWR)
    m.write(fd, b"abc")
    m.ok("unlink", "/tmp/a")
    again = m.open(f"/proc/self/fd/{fd}")
    assert m.read(again) == b"abc"
    assert m.call("write", again, BUFFER, 1) == error(Errno.EBADF)
    read_end, write_end = m.pipe()
    other = m.open(f"/proc/self/fd/{write_end}", O_WRONLY)
    m.ok("close", write_end)
    m.write(other, b"still open")
    assert m.read(read_end) == b"still open"
    assert m.write(m.open("/proc/self/fd/1", O_WRONLY), b"tty") == 3


def test_streams_are_what_their_mode_says() -> None:
    m = FileMachine(modes=(S_IFREG | 0o644, S_IFIFO | 0o600, S_IFCHR | 0o666))
    for fd, mode in enumerate((S_IFREG | 0o644, S_IFIFO | 0o600, S_IFCHR | 0o666)):
        m.ok("fstat64", fd, SMALL)
        assert Stat64.unpack(m.load(SMALL, 96)).st_mode == mode
        assert m.call("ioctl", fd, 0x5401, BUFFER) == error(Errno.ENOTTY)
    assert m.write(1, b"out") == 3
    assert m.write(2, b"err") == 3
    assert [(event.stream, event.data) for event in m.told("StreamWritten")] == [(1, b"out"), (2, b"err")]
    assert m.call("lseek", 1, 0, SEEK_CUR) == error(Errno.ESPIPE)
    assert m.read(0, 100) == ("stream:0",)
    stream_input(m.kernel, 0, b"line one\nline two\n")
    assert m.resume(m.first) == ("stream:0",)  # a regular file gives all that is wanted
    stream_input(m.kernel, 0, b"")
    assert m.resume(m.first) == 18
    assert m.ok("lseek", 0, -9, SEEK_CUR) == 9
    assert m.read(0, 100) == b"line two\n"
    assert m.read(0, 100) == b""
    assert m.read(2, 100) == b""
    m.check()


def test_a_piped_standard_input_gives_what_is_there() -> None:
    m = FileMachine(modes=(S_IFIFO | 0o600, 0, 0))
    assert m.read(0) == ("stream:0",)
    stream_input(m.kernel, 0, b"abc")
    assert m.resume(m.first) == 3
    assert m.read(0) == ("stream:0",)
    stream_input(m.kernel, 0, b"")
    assert m.resume(m.first) == 0
    assert m.write(1, b"x\n") == 2
    assert m.screen() == b"x\r\n"
    m.check()


# --- poll and select ----------------------------------------------------------------------------------------


def poll(m: FileMachine, *wanted: tuple[int, int], timeout: int = 0) -> object:
    m.store(SMALL, b"".join(struct.pack("<iHH", fd, events, 0xFFFF) for fd, events in wanted))
    return m.call("poll", SMALL, len(wanted), timeout)


def revents(m: FileMachine, count: int) -> list[int]:
    return [struct.unpack("<H", m.load(SMALL + 8 * n + 6, 2))[0] for n in range(count)]


def test_poll_waits_for_several(m: FileMachine) -> None:
    one, _ = m.pipe()
    two, to_two = m.pipe()
    assert poll(m, (one, POLLIN), (to_two, POLLOUT), (-1, POLLIN), (77, POLLIN)) == 2
    assert revents(m, 4) == [0, POLLOUT, 0, POLLNVAL]
    assert poll(m, (one, POLLIN)) == 0
    number = files.get_file(m.kernel, one).object
    waited = poll(m, (one, POLLIN), (two, POLLIN), timeout=-1)
    assert isinstance(waited, tuple)
    assert waited[0] == f"pipe:{number}:read"
    other = m.add_task(3)
    other.fdtable = m.first.fdtable
    m.run(other)
    m.ok("close", to_two)
    assert m.resume(m.first) == 1
    assert revents(m, 2) == [0, POLLHUP]


def test_poll_ends_with_its_time(m: FileMachine) -> None:
    one, _ = m.pipe()
    assert isinstance(poll(m, (one, POLLIN), timeout=5), tuple)
    assert m.task.wait is not None
    assert m.task.wait.deadline == m.now + 5_000_000
    m.now += 5_000_000
    wake_task(m.kernel, m.first, "deadline")
    assert m.resume(m.first) == 0


def test_select(m: FileMachine) -> None:
    one, to_one = m.pipe()
    m.write(to_one, b"x")
    sets = struct.pack("<II", 1 << one | 1, 1 << to_one)
    m.store(SMALL, sets)
    assert m.ok("_newselect", 10, SMALL, SMALL + 4, 0, 0) == 2
    assert m.load(SMALL, 8) == struct.pack("<II", 1 << one, 1 << to_one)
    m.store(SMALL, struct.pack("<IIii", 1, 0, 0, 0))
    assert m.ok("_newselect", 1, SMALL, 0, 0, SMALL + 8) == 0
    m.store(SMALL, struct.pack("<I", 1 << 20))
    assert m.call("_newselect", 21, SMALL, 0, 0, 0) == error(Errno.EBADF)
    assert m.call("_newselect", -1, SMALL, 0, 0, 0) == error(Errno.EINVAL)


def test_what_exec_may_run(m: FileMachine) -> None:
    m.open("/tmp/data", O_CREAT, 0o644)
    for path, number in (("/tmp", Errno.EACCES), ("/tmp/data", Errno.EACCES), ("/tmp/no", Errno.ENOENT)):
        with pytest.raises(KernelError) as raised:
            vfs.executable(m.kernel, m.task, path)
        assert raised.value.errno == number
