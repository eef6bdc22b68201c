"""System calls on descriptors: open, read, write, seek, duplicate, control.

Here arguments are checked in Linux's order and handed to `kernel.fs`. Calls on paths and attributes are in
`paths`, waiting for several descriptors is in `poll`.
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    AT_FDCWD,
    CLOSE_RANGE_CLOEXEC,
    CLOSE_RANGE_UNSHARE,
    DT_DIR,
    F_ADD_SEALS,
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_DUPFD_QUERY,
    F_GET_SEALS,
    F_GETFD,
    F_GETFL,
    F_GETLEASE,
    F_GETOWN,
    F_GETOWN_EX,
    F_GETPIPE_SZ,
    F_GETSIG,
    F_NOTIFY,
    F_SETFD,
    F_SETFL,
    F_SETLEASE,
    F_SETOWN,
    F_SETOWN_EX,
    F_SETPIPE_SZ,
    F_SETSIG,
    FASYNC,
    FD_CLOEXEC,
    FICLONE,
    FICLONERANGE,
    O_APPEND,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECT,
    O_NOATIME,
    O_NONBLOCK,
    O_RDONLY,
    O_TRUNC,
    O_WRONLY,
    SEEK_CUR,
    SEEK_DATA,
    SEEK_END,
    SEEK_HOLE,
    SEEK_SET,
)
from kernel.abi.process import CAP_SYS_TTY_CONFIG, RLIMIT_NOFILE
from kernel.abi.structs import pack_dirent, pack_dirent64
from kernel.abi.tty import FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX
from kernel.capabilities import need_capability
from kernel.errors import KernelError
from kernel.events import FileFlagsSet
from kernel.fs import cloning, disk, dnotify, fasync, files, inotify, leases, ramfs, tty, vfs
from kernel.fs.iov import IovIter, import_iovec, one_buffer
from kernel.fs.names import encode_name
from kernel.fs.opening import check_flags, continue_open, do_open
from kernel.fs.operations import OPERATIONS, can_seek, check_read, check_write, is_writable
from kernel.fs.pipe import create_pipe, set_capacity
from kernel.syscalls import locks, memfd
from kernel.tables import Inode, OpenFile
from kernel.uaccess import signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

SETFL_MASK = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME
"""What F_SETFL may change (fs/fcntl.c)."""
OWNER_COMMANDS = (F_GETOWN, F_SETOWN, F_GETOWN_EX, F_SETOWN_EX, F_GETSIG, F_SETSIG)
NOOP_SEEK = ("eventfd", "timerfd", "signalfd", "epoll", "inotify")
"""Where lseek changes nothing and is no error either (`noop_llseek`)."""
CWD = AT_FDCWD & 0xFFFF_FFFF


def _offset(low: int, high: int) -> int:
    """A 64-bit file offset from its halves. EINVAL if it is negative."""
    offset = signed(high) << 32 | low
    if offset < 0:
        raise KernelError(Errno.EINVAL)
    return offset


# --- open and close -----------------------------------------------------------------------------------------


def sys_openat(k: Kernel, dirfd: int, filename: int, flags: int, mode: int) -> int:
    flags = check_flags(flags)
    if k.task.progress:
        file = continue_open(k)
    else:
        path = vfs.getname(k, filename)
        files.free_fds(k, 1)
        file = do_open(k, path, flags, mode, vfs.start_of(k, dirfd, path))
    return install_opened(k, file, flags)


def install_opened(k: Kernel, file: OpenFile, flags: int) -> int:
    """A descriptor for a file that was just opened; without a free one it is closed again."""
    try:
        return files.install_fd(k, file, bool(flags & O_CLOEXEC))
    except KernelError:
        files.close_file(k, file)
        raise


def sys_open(k: Kernel, filename: int, flags: int, mode: int) -> int:
    return sys_openat(k, CWD, filename, flags, mode)


def sys_creat(k: Kernel, pathname: int, mode: int) -> int:
    return sys_openat(k, CWD, pathname, O_CREAT | O_WRONLY | O_TRUNC, mode)


def sys_close(k: Kernel, fd: int) -> int:
    files.close_fd(k, fd)
    return 0


def sys_close_range(k: Kernel, first: int, last: int, flags: int) -> int:
    if flags & ~(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE) or first > last:
        raise KernelError(Errno.EINVAL)
    if flags & CLOSE_RANGE_UNSHARE:
        files.unshare_table(k)
    table = files.current_table(k)
    for fd in [fd for fd in sorted(table.fds) if first <= fd <= last]:
        if flags & CLOSE_RANGE_CLOEXEC:
            files.set_cloexec(table, fd, True)
        else:
            files.close_fd(k, fd)
    return 0


# --- read and write -----------------------------------------------------------------------------------------


def _counted(k: Kernel, file: OpenFile, writing: int, count: int) -> int:
    """What /proc/PID/io tells (bytes and calls), and who watches the file."""
    io = k.task.io
    io[writing] += count
    io[writing + 2] += 1
    return inotify.modified(k, file, count) if writing else inotify.accessed(k, file, count)


def sys_read(k: Kernel, fd: int, buf: int, count: int) -> int:
    file = files.get_file(k, fd)
    return _counted(k, file, 0, check_read(file)(k, file, one_buffer(buf, count), None))


def sys_write(k: Kernel, fd: int, buf: int, count: int) -> int:
    file = files.get_file(k, fd)
    return _counted(k, file, 1, check_write(file)(k, file, one_buffer(buf, count), None))


def _read_vector(k: Kernel, file: OpenFile, count: int) -> int:
    """For who watches the file a vector is read even if it has no bytes (`vfs_readv`)."""
    if not count:
        inotify.accessed(k, file)
    return _counted(k, file, 0, count)


def sys_readv(k: Kernel, fd: int, vec: int, vlen: int) -> int:
    file = files.get_file(k, fd)
    read = check_read(file)
    to = import_iovec(k, vec, vlen)
    return _read_vector(k, file, read(k, file, to, None) if to.count else 0)


def sys_writev(k: Kernel, fd: int, vec: int, vlen: int) -> int:
    file = files.get_file(k, fd)
    write = check_write(file)
    source = import_iovec(k, vec, vlen)
    return _counted(k, file, 1, write(k, file, source, None) if source.count else 0)


def _seekable(k: Kernel, fd: int) -> OpenFile:
    file = files.get_file(k, fd)
    if not can_seek(k, file):
        raise KernelError(Errno.ESPIPE)
    return file


def sys_pread64(k: Kernel, fd: int, buf: int, count: int, pos_low: int, pos_high: int) -> int:
    at = _offset(pos_low, pos_high)
    file = _seekable(k, fd)
    return _counted(k, file, 0, check_read(file)(k, file, one_buffer(buf, count), at))


def sys_pwrite64(k: Kernel, fd: int, buf: int, count: int, pos_low: int, pos_high: int) -> int:
    at = _offset(pos_low, pos_high)
    file = _seekable(k, fd)
    return _counted(k, file, 1, check_write(file)(k, file, one_buffer(buf, count), at))


def sys_preadv(k: Kernel, fd: int, vec: int, vlen: int, pos_low: int, pos_high: int) -> int:
    at = _offset(pos_low, pos_high)
    file = _seekable(k, fd)
    read = check_read(file)
    to = import_iovec(k, vec, vlen)
    return _read_vector(k, file, read(k, file, to, at) if to.count else 0)


def sys_pwritev(k: Kernel, fd: int, vec: int, vlen: int, pos_low: int, pos_high: int) -> int:
    at = _offset(pos_low, pos_high)
    file = _seekable(k, fd)
    write = check_write(file)
    source = import_iovec(k, vec, vlen)
    return _counted(k, file, 1, write(k, file, source, at) if source.count else 0)


# --- positions ----------------------------------------------------------------------------------------------


def _llseek(k: Kernel, fd: int, offset: int, whence: int) -> int:
    """The new position. ESPIPE, EINVAL, and ENXIO past the end for SEEK_DATA and SEEK_HOLE."""
    file = files.get_file(k, fd)
    if whence > SEEK_HOLE:
        raise KernelError(Errno.EINVAL)
    if file.kind in NOOP_SEEK:
        return file.pos
    if not can_seek(k, file):
        raise KernelError(Errno.ESPIPE)
    if file.kind in ("null", "zero", "full"):
        file.pos = 0
        return 0
    if file.kind == "random":
        return file.pos
    if file.kind == "dir" and whence not in (SEEK_SET, SEEK_CUR):
        raise KernelError(Errno.EINVAL)
    size = _size(k, file)
    if whence in (SEEK_DATA, SEEK_HOLE):
        if not 0 <= offset < size:
            raise KernelError(Errno.ENXIO)
        hole = whence == SEEK_HOLE
        if file.kind == "file":
            offset = ramfs.seek_data(k.tables.inodes[file.inode], offset, hole)
            if not hole and offset >= size:
                raise KernelError(Errno.ENXIO)
        elif hole:
            offset = size
    else:
        offset += {SEEK_SET: 0, SEEK_CUR: file.pos, SEEK_END: size}[whence]
    if not 0 <= offset <= ramfs.MAX_LFS:
        raise KernelError(Errno.EINVAL)
    file.pos = offset
    return offset


def _size(k: Kernel, file: OpenFile) -> int:
    if file.kind == "stream":
        return max(file.pos, len(k.tables.streams[file.object].data))
    inode = vfs.get_inode(k, file.inode)
    return disk.the_disk(k)[1].blob_size if file.kind == "disk" else inode.size


def sys_lseek(k: Kernel, fd: int, offset: int, whence: int) -> int:
    position = _llseek(k, fd, signed(offset), whence)
    if position > 0x7FFF_FFFF:
        raise KernelError(Errno.EOVERFLOW)
    return position


def sys__llseek(k: Kernel, fd: int, offset_high: int, offset_low: int, result: int, whence: int) -> int:
    uaccess.put_user64(k, result, _llseek(k, fd, signed(offset_high) << 32 | offset_low, whence))
    return 0


def sys_ftruncate64(k: Kernel, fd: int, length_low: int, length_high: int) -> int:
    length = _offset(length_low, length_high)
    file = files.get_file(k, fd)
    if file.kind != "file" or not is_writable(file):
        raise KernelError(Errno.EINVAL)
    inode = k.tables.inodes[file.inode]
    ramfs.remove_privileges(k, inode)
    ramfs.truncate(k, inode, length)
    inotify.modified(k, file)
    return 0


def sys_ftruncate(k: Kernel, fd: int, length: int) -> int:
    return sys_ftruncate64(k, fd, length, 0xFFFF_FFFF if length & 0x8000_0000 else 0)


def sys_fsync(k: Kernel, fd: int) -> int:
    """Memory is always in order; EINVAL for what cannot be synchronised."""
    kind = files.get_file(k, fd).kind
    if kind == "disk":
        disk.flush(k)
    elif kind not in ("file", "dir"):
        raise KernelError(Errno.EINVAL)
    return 0


def sys_fdatasync(k: Kernel, fd: int) -> int:
    return sys_fsync(k, fd)


def sys_sync(k: Kernel) -> int:
    disk.flush(k)
    return 0


def sys_syncfs(k: Kernel, fd: int) -> int:
    files.get_file(k, fd)
    return 0


# --- duplicates, pipes --------------------------------------------------------------------------------------


def sys_dup(k: Kernel, fildes: int) -> int:
    return files.dup(k, fildes)


def _dup_to(k: Kernel, old: int, new: int, cloexec: bool) -> int:
    if new >= k.rlimit(RLIMIT_NOFILE):
        raise KernelError(Errno.EBADF)
    file = files.get_file(k, old, with_path=True)
    files.set_fd(k, files.current_table(k), new, file, cloexec)
    return new


def sys_dup2(k: Kernel, old: int, new: int) -> int:
    if old == new:
        files.get_file(k, old, with_path=True)
        return new
    return _dup_to(k, old, new, cloexec=False)


def sys_dup3(k: Kernel, old: int, new: int, flags: int) -> int:
    if flags & ~O_CLOEXEC or old == new:
        raise KernelError(Errno.EINVAL)
    return _dup_to(k, old, new, bool(flags & O_CLOEXEC))


def sys_pipe2(k: Kernel, fildes: int, flags: int) -> int:
    """Nothing is made unless the numbers can be handed over. With O_DIRECT a read gets one write's bytes."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT):
        raise KernelError(Errno.EINVAL)
    read_fd, write_fd = files.free_fds(k, 2)
    files.need_files(k, 2)
    uaccess.copy_to_user(k, fildes, read_fd.to_bytes(4, "little") + write_fd.to_bytes(4, "little"))
    pipe = create_pipe(k)
    path = f"pipe:[{pipe.id}]"
    status = flags & O_NONBLOCK
    reader = files.open_file(k, "pipe", O_RDONLY | status, pipe.id, pipe.id, path)
    writer = files.open_file(k, "pipe", O_WRONLY | status | flags & O_DIRECT, pipe.id, pipe.id, path)
    files.install_fd(k, reader, bool(flags & O_CLOEXEC))
    files.install_fd(k, writer, bool(flags & O_CLOEXEC))
    return 0


def sys_pipe(k: Kernel, fildes: int) -> int:
    return sys_pipe2(k, fildes, 0)


# --- fcntl, ioctl -------------------------------------------------------------------------------------------


def sys_fcntl64(k: Kernel, fd: int, cmd: int, arg: int) -> int:
    file = files.get_file(k, fd, with_path=True)
    table = files.current_table(k)
    if cmd in (F_DUPFD, F_DUPFD_CLOEXEC):
        if arg >= k.rlimit(RLIMIT_NOFILE):
            raise KernelError(Errno.EINVAL)
        return files.install_fd(k, file, cmd == F_DUPFD_CLOEXEC, arg)
    if cmd == F_DUPFD_QUERY:
        return int(files.get_file(k, arg, with_path=True) is file)
    if cmd == F_GETFD:
        return FD_CLOEXEC if fd in table.cloexec else 0
    if cmd == F_SETFD:
        files.set_cloexec(table, fd, bool(arg & FD_CLOEXEC))
        return 0
    if cmd == F_GETFL:
        return file.flags
    if file.kind == "path":
        raise KernelError(Errno.EBADF)
    if cmd == F_SETFL:
        if arg & O_DIRECT and file.kind not in ("pipe", "file"):
            raise KernelError(Errno.EINVAL)
        if (file.flags ^ arg) & FASYNC and file.kind in fasync.KINDS:
            fasync.set_async(k, file, fd, bool(arg & FASYNC))
        _set_flags(k, file, file.flags & ~SETFL_MASK | arg & SETFL_MASK)
        return 0
    if cmd in locks.GETS or cmd in locks.SETS:
        return locks.fcntl_lock(k, fd, file, cmd, arg)
    if cmd in (F_GETPIPE_SZ, F_SETPIPE_SZ):
        if file.kind != "pipe":
            raise KernelError(Errno.EBADF)
        one = k.tables.pipes[file.object]
        return one.capacity if cmd == F_GETPIPE_SZ else set_capacity(k, one, arg)
    if cmd == F_GET_SEALS:
        return memfd.get_seals(k, file)
    if cmd == F_ADD_SEALS:
        return memfd.add_seals(k, file, arg)
    if cmd in OWNER_COMMANDS:
        return fasync.owner(k, file, cmd, arg)
    if cmd == F_GETLEASE:
        return leases.get_lease(k, file)
    if cmd == F_SETLEASE:
        return leases.set_lease(k, file, fd, signed(arg))
    if cmd == F_NOTIFY:
        return dnotify.notify(k, file, fd, arg)
    raise KernelError(Errno.EINVAL)


def sys_fcntl(k: Kernel, fd: int, cmd: int, arg: int) -> int:
    return sys_fcntl64(k, fd, cmd, arg)


def _set_flags(k: Kernel, file: OpenFile, flags: int) -> None:
    if flags != file.flags:
        file.flags = flags
        k.emit(FileFlagsSet(file.id, flags))


def sys_ioctl(k: Kernel, fd: int, cmd: int, arg: int) -> int:
    """What every file knows is done here (fs/ioctl.c), the rest by its kind; ENOTTY."""
    file = files.get_file(k, fd)
    if cmd in (FIOCLEX, FIONCLEX):
        files.set_cloexec(files.current_table(k), fd, cmd == FIOCLEX)
        return 0
    if cmd == FIONBIO:
        on = uaccess.get_user32(k, arg)
        _set_flags(k, file, file.flags | O_NONBLOCK if on else file.flags & ~O_NONBLOCK)
        return 0
    if cmd == FIOASYNC:
        on = bool(uaccess.get_user32(k, arg))
        if on != bool(file.flags & FASYNC):
            if file.kind not in fasync.KINDS:
                raise KernelError(Errno.ENOTTY)
            fasync.set_async(k, file, fd, on)
        return 0
    if cmd in (FICLONE, FICLONERANGE):
        return cloning.clone(k, file, cmd, arg)
    return OPERATIONS[file.kind].ioctl(k, file, cmd, arg)


def sys_vhangup(k: Kernel) -> int:
    """Whoever may (CAP_SYS_TTY_CONFIG) hangs up their own terminal (man 2 vhangup)."""
    need_capability(k, CAP_SYS_TTY_CONFIG)
    number = tty.controlling(k, k.task)
    if number >= 0:
        tty.hang_up(k, number)
    return 0


# --- directories --------------------------------------------------------------------------------------------


def _getdents(k: Kernel, fd: int, address: int, count: int, wide: bool) -> int:
    """Entries that fit into `count` bytes, in the order of their creation. EINVAL if not even one fits."""
    file = files.get_file(k, fd)
    if file.kind != "dir":
        raise KernelError(Errno.ENOTDIR)
    directory = vfs.get_inode(k, file.inode)
    if not directory.nlink:
        raise KernelError(Errno.ENOENT)
    entries = vfs.entries(k, directory)
    ramfs.accessed(k, directory, file)
    if file.pos == 0:
        file.names = []
    known = set(file.names)
    file.names += [name for name in entries if name not in known]
    to = IovIter([(address, count)])
    pack_entry = pack_dirent64 if wide else pack_dirent
    done = error = 0
    while file.pos < len(file.names) + 2:
        entry = _entry(k, file, directory, entries)
        if entry is not None:
            ino, kind, name = entry
            data = pack_entry(ino, file.pos + 1, kind, name)
            if len(data) > to.count:
                error = Errno.EINVAL
            elif to.give(k, data) < len(data):
                error = Errno.EFAULT
            if error:
                break
            done += len(data)
        file.pos += 1
    inotify.accessed(k, file)
    if error and not done:
        raise KernelError(error)
    return done


def _entry(
    k: Kernel, file: OpenFile, directory: Inode, entries: dict[str, int]
) -> tuple[int, int, bytes] | None:
    """Inode number, type and name at the file's position; None if that name is gone since."""
    if file.pos == 0:
        return directory.ino, DT_DIR, b"."
    if file.pos == 1:
        return directory.parent, DT_DIR, b".."
    name = file.names[file.pos - 2]
    ino = entries.get(name)
    if ino is None:
        return None
    return ino, vfs.type_of(k, ino) >> 12, encode_name(name)


def sys_getdents64(k: Kernel, fd: int, dirent: int, count: int) -> int:
    return _getdents(k, fd, dirent, count, wide=True)


def sys_getdents(k: Kernel, fd: int, dirent: int, count: int) -> int:
    return _getdents(k, fd, dirent, count, wide=False)


def sys_readdir(k: Kernel, fd: int, dirent: int, _count: int = 1) -> int:
    """One entry in the oldest layout: inode, offset, length of the name, the name. 0 at the end."""
    file = files.get_file(k, fd)
    if file.kind != "dir":
        raise KernelError(Errno.ENOTDIR)
    directory = vfs.get_inode(k, file.inode)
    if not directory.nlink:
        raise KernelError(Errno.ENOENT)
    entries = vfs.entries(k, directory)
    ramfs.accessed(k, directory, file)
    known = set(file.names)
    file.names += [name for name in entries if name not in known]
    while file.pos < len(file.names) + 2:
        entry = _entry(k, file, directory, entries)
        if entry is not None:
            ino, _kind, name = entry
            uaccess.copy_to_user(k, dirent, pack("<IIH", ino, file.pos, len(name)) + name + b"\0")
            file.pos += 1
            return 1
        file.pos += 1
    return 0


def sys_fchdir(k: Kernel, fd: int) -> int:
    file = files.get_file(k, fd, with_path=True)
    inode = vfs.get_inode(k, file.inode)
    if not vfs.is_dir(inode):
        raise KernelError(Errno.ENOTDIR)
    vfs.need(k.task, inode, vfs.MAY_EXEC)
    vfs.set_cwd(k, file.mount, inode)
    return 0
