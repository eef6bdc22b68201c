"""/proc/sys: the kernel's settings (man 5 proc, Documentation/admin-guide/sysctl).

Writable is what has an effect here; the rest says what is so and is read-only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.errors import KernelError
from kernel.fs.files import FILE_MAX
from kernel.fs.inotify import MAX_QUEUED_EVENTS, MAX_USER_INSTANCES, MAX_USER_WATCHES
from kernel.fs.proc.process import number_of
from kernel.fs.proc.tree import Entry
from kernel.ipc.mqueue import MSG_DEFAULT, MSGSIZE_DEFAULT, QUEUES_MAX
from kernel.uts import RELEASE, SYSNAME, VERSION

if TYPE_CHECKING:
    from kernel.kernel import Kernel

PID_MAX = 32768


def _fixed(text: object) -> Entry:
    line = f"{text}\n"
    return Entry(lambda _k: line)


def _uuid(data: bytes) -> str:
    """RFC 4122, version 4."""
    data = data[:6] + bytes((data[6] & 0x0F | 0x40, data[7], data[8] & 0x3F | 0x80)) + data[9:16]
    text = data.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}\n"


def _boot_id(k: Kernel) -> str:
    if not k.tables.boot_id:
        k.tables.boot_id = k.entropy(16)
    return _uuid(k.tables.boot_id)


def _line(data: bytes, limit: int = 64) -> str:
    return data.split(b"\n", 1)[0][:limit].split(b"\0", 1)[0].decode("utf-8", "replace")


def _hostname(k: Kernel) -> str:
    return f"{k.tables.hostname}\n"


def _domainname(k: Kernel) -> str:
    return f"{k.tables.domainname}\n"


def _set_hostname(k: Kernel, data: bytes) -> None:
    k.tables.hostname = _line(data)


def _set_domainname(k: Kernel, data: bytes) -> None:
    k.tables.domainname = _line(data)


def _setting(name: str, default: int, low: int, high: int) -> Entry:
    """A number that somebody reads from `Tables.settings`."""

    def show(k: Kernel) -> str:
        return f"{k.tables.settings.get(name, default)}\n"

    def store(k: Kernel, data: bytes) -> None:
        value = number_of(data)
        if not low <= value <= high:
            raise KernelError(Errno.EINVAL)
        k.tables.settings[name] = value

    return Entry(show, store, 0o644)


def _file_nr(k: Kernel) -> str:
    return f"{len(k.tables.files)}\t0\t{k.tables.settings.get('file-max', FILE_MAX)}\n"


def _inode_nr(k: Kernel) -> str:
    return f"{len(k.tables.inodes)}\t0\n"


def _ptys(k: Kernel) -> str:
    return f"{sum(1 for number in k.tables.terminals if number)}\n"


ENTRIES: dict[str, Entry] = {
    "fs/file-max": _setting("file-max", FILE_MAX, 1, FILE_MAX),
    "fs/file-nr": Entry(_file_nr),
    "fs/inode-nr": Entry(_inode_nr),
    "fs/inotify/max_queued_events": _fixed(MAX_QUEUED_EVENTS),
    "fs/inotify/max_user_instances": _fixed(MAX_USER_INSTANCES),
    "fs/inotify/max_user_watches": _fixed(MAX_USER_WATCHES),
    "fs/mqueue/msg_default": _fixed(MSG_DEFAULT),
    "fs/mqueue/msg_max": _fixed(MSG_DEFAULT),
    "fs/mqueue/msgsize_default": _fixed(MSGSIZE_DEFAULT),
    "fs/mqueue/msgsize_max": _fixed(MSGSIZE_DEFAULT),
    "fs/mqueue/queues_max": _fixed(QUEUES_MAX),
    "fs/nr_open": _fixed(1048576),
    "fs/pipe-max-size": _fixed(1048576),
    "fs/pipe-user-pages-hard": _fixed(0),
    "fs/pipe-user-pages-soft": _fixed(16384),
    "kernel/cap_last_cap": _fixed(40),
    "kernel/core_pattern": _fixed("core"),
    "kernel/core_uses_pid": _fixed(0),
    "kernel/domainname": Entry(_domainname, _set_domainname, 0o644),
    "kernel/hostname": Entry(_hostname, _set_hostname, 0o644),
    "kernel/msgmax": _fixed(8192),
    "kernel/msgmnb": _fixed(16384),
    "kernel/msgmni": _fixed(32000),
    "kernel/ngroups_max": _fixed(65536),
    "kernel/osrelease": _fixed(RELEASE),
    "kernel/ostype": _fixed(SYSNAME),
    "kernel/overflowgid": _fixed(65534),
    "kernel/overflowuid": _fixed(65534),
    "kernel/pid_max": _fixed(PID_MAX),
    "kernel/printk": _fixed("4\t4\t1\t7"),
    "kernel/pty/max": _fixed(4096),
    "kernel/pty/nr": Entry(_ptys),
    "kernel/random/boot_id": Entry(_boot_id),
    "kernel/random/entropy_avail": _fixed(256),
    "kernel/random/poolsize": _fixed(256),
    "kernel/random/uuid": Entry(lambda k: _uuid(k.entropy(16))),
    "kernel/randomize_va_space": _fixed(0),
    "kernel/sem": _fixed("32000\t1024000000\t500\t32000"),
    "kernel/shmall": _fixed(4278190079),
    "kernel/shmmax": _fixed(4278190079),
    "kernel/shmmni": _fixed(4096),
    "kernel/threads-max": _fixed(4096),
    "kernel/version": _fixed(VERSION),
    "vm/max_map_count": _fixed(65530),
    "vm/mmap_min_addr": _fixed(65536),
    "vm/overcommit_memory": _fixed(1),
    "vm/overcommit_ratio": _fixed(50),
    "vm/swappiness": _fixed(60),
}
"""By path below sys/."""
