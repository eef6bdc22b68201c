"""Capabilities: what makes root root, piece by piece (man 7 capabilities, Linux's security/commoncap.c).

Each task has five sets of them in its credentials. `capable` is asked wherever something is not for all; what
becomes of the sets when ids change is `ids_changed`'s, when a program is executed `exec_credentials`'s.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from kernel.abi.errno import Errno
from kernel.abi.files import MS_NOSUID, S_ISGID, S_ISUID, S_IXGRP
from kernel.abi.process import (
    ALL_CAPABILITIES,
    CAP_CHOWN,
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CAP_FOWNER,
    CAP_FSETID,
    CAP_LINUX_IMMUTABLE,
    CAP_MAC_OVERRIDE,
    CAP_MKNOD,
    CAP_SETPCAP,
    CAP_SETUID,
    CAP_SYS_PTRACE,
    SECURE_KEEP_CAPS,
    SECURE_NO_SETUID_FIXUP,
    SECURE_NOROOT,
)
from kernel.errors import KernelError
from kernel.tables import Credentials, Inode, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

FS_SET = sum(
    1 << cap
    for cap in (
        CAP_CHOWN,
        CAP_MKNOD,
        CAP_DAC_OVERRIDE,
        CAP_DAC_READ_SEARCH,
        CAP_FOWNER,
        CAP_FSETID,
        CAP_MAC_OVERRIDE,
        CAP_LINUX_IMMUTABLE,
    )
)
"""Those that go with the file system's user id (CAP_FS_SET)."""
XATTR = "security.capability"
_REVISIONS = {0x0100_0000: 1, 0x0200_0000: 2, 0x0300_0000: 2}
"""Of the attribute: to how many pairs of words it has."""
_EFFECTIVE = 1


def holds(cred: Credentials, capability: int) -> bool:
    return bool(cred.effective >> capability & 1)


def capable(k: Kernel, capability: int) -> bool:
    """Whether the current task may do what this capability (CAP_*) is for."""
    return holds(k.task.cred, capability)


def need_capability(k: Kernel, capability: int) -> None:
    """EPERM without it."""
    if not capable(k, capability):
        raise KernelError(Errno.EPERM)


def user(uid: int) -> Credentials:
    """A user alone in a group of the same number; root has all capabilities, everybody else none."""
    held = 0 if uid else ALL_CAPABILITIES
    return Credentials(uid, uid, uid, uid, uid, uid, uid, uid, effective=held, permitted=held)


def copy(cred: Credentials) -> Credentials:
    return msgspec.structs.replace(cred, groups=cred.groups[:])


def commit(task: Task, new: Credentials) -> None:
    """`commit_creds`: who has become another, or can do more, is undumpable and forgets its death signal."""
    old = task.cred
    same = all(getattr(old, name) == getattr(new, name) for name in ("euid", "egid", "fsuid", "fsgid"))
    if not same or new.permitted & ~old.permitted:
        task.dumpable = 0
        task.pdeath_signal = 0
    task.cred = new


# --- other ids ----------------------------------------------------------------------------------------------


def ids_changed(new: Credentials, old: Credentials) -> None:
    """setuid and its like: capabilities go with the last id that is 0 (`cap_emulate_setxuid`)."""
    if new.securebits & SECURE_NO_SETUID_FIXUP:
        return
    was_root = 0 in (old.uid, old.euid, old.suid)
    if was_root and 0 not in (new.uid, new.euid, new.suid):
        if not new.securebits & SECURE_KEEP_CAPS:
            new.permitted = new.effective = 0
        new.ambient = 0
    if not old.euid and new.euid:
        new.effective = 0
    if old.euid and not new.euid:
        new.effective = new.permitted


def file_id_changed(new: Credentials, old: Credentials) -> None:
    """setfsuid: the capabilities for files go and come."""
    if new.securebits & SECURE_NO_SETUID_FIXUP:
        return
    if not old.fsuid and new.fsuid:
        new.effective &= ~FS_SET
    if old.fsuid and not new.fsuid:
        new.effective |= new.permitted & FS_SET


def by_real_ids(cred: Credentials) -> Credentials:
    """What access(2) judges by: the real ids, and the capabilities that go with them."""
    seen = msgspec.structs.replace(cred, fsuid=cred.uid, fsgid=cred.gid)
    if not cred.securebits & SECURE_NO_SETUID_FIXUP:
        seen.effective = 0 if cred.uid else cred.permitted
    return seen


# --- exec ---------------------------------------------------------------------------------------------------


class ExecCredentials(NamedTuple):
    """What a task is once it executes a program; `secure` is AT_SECURE."""

    cred: Credentials
    secure: bool


def exec_credentials(k: Kernel, task: Task, inode: Inode, mount: int) -> ExecCredentials:
    """Set-ID bits, the file's capabilities, and what root gets. EPERM if the file insists on more than it may
    give (`bprm_fill_uid`, `cap_bprm_creds_from_file`)."""
    old = task.cred
    new = copy(old)
    new.permitted = 0
    where = k.tables.mounts.get(mount)
    may_suid = where is None or not where.flags & MS_NOSUID
    traced = is_held_by_tracer(k, task)
    if may_suid and not task.no_new_privs:
        if inode.mode & S_ISUID:
            new.euid = inode.uid
        if inode.mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP:
            new.egid = inode.gid
    given, effective = _from_file(new, inode.xattrs.get(XATTR, b"") if may_suid else b"")
    has_file_capabilities = bool(given) or effective
    if not new.securebits & SECURE_NOROOT and not (has_file_capabilities and new.uid and not new.euid):
        if not new.euid or not new.uid:
            new.permitted = old.bounding | old.inheritable
        effective = effective or not new.euid
    set_id = new.euid != old.uid or new.egid != old.gid
    gains = set_id or bool(new.permitted & ~old.permitted & ~old.ambient)
    if gains and (task.no_new_privs or traced):
        if task.no_new_privs or not holds(old, CAP_SETUID):
            new.euid, new.egid = new.uid, new.gid
        new.permitted &= old.permitted
    new.suid = new.fsuid = new.euid
    new.sgid = new.fsgid = new.egid
    if has_file_capabilities or set_id:
        new.ambient = 0
    new.permitted |= new.ambient
    new.effective = new.permitted if effective else new.ambient
    new.securebits &= ~SECURE_KEEP_CAPS
    secure = set_id or (bool(new.uid) and (effective or bool(new.permitted & ~new.ambient)))
    return ExecCredentials(new, secure)


def is_held_by_tracer(k: Kernel, task: Task) -> bool:
    """Whether who traces the task could not trace what it might become (`ptracer_capable`)."""
    tracer = k.tables.tasks.get(task.trace.tracer) if task.trace is not None else None
    return tracer is not None and not holds(tracer.cred, CAP_SYS_PTRACE)


def _from_file(new: Credentials, data: bytes) -> tuple[bool, bool]:
    """The permitted set that an attribute gives: whether there is one, and whether it is to be effective.

    A damaged attribute counts for nothing.
    """
    if len(data) < 4:
        return False, False
    magic = int.from_bytes(data[:4], "little")
    pairs = _REVISIONS.get(magic & 0xFF00_0000, 0)
    size = 4 + 8 * pairs + 4 * (magic & 0xFF00_0000 == 0x0300_0000)
    if not pairs or len(data) != size or (size == 24 and data[20:] != bytes(4)):
        return False, False
    words = struct.unpack_from(f"<{2 * pairs}I", data, 4)
    permitted = words[0] | (words[2] << 32 if pairs == 2 else 0)
    inheritable = words[1] | (words[3] << 32 if pairs == 2 else 0)
    permitted &= ALL_CAPABILITIES
    effective = bool(magic & _EFFECTIVE)
    new.permitted = (new.bounding & permitted) | (new.inheritable & inheritable)
    if effective and permitted & ~new.permitted:
        raise KernelError(Errno.EPERM)
    return True, effective


# --- the calls ----------------------------------------------------------------------------------------------


def set_capabilities(k: Kernel, effective: int, permitted: int, inheritable: int) -> None:
    """capset: nobody gives himself more. EPERM (`cap_capset`)."""
    task = k.task
    old = task.cred
    more = inheritable & ~old.inheritable
    if (more & ~old.permitted and not capable(k, CAP_SETPCAP)) or more & ~old.bounding:
        raise KernelError(Errno.EPERM)
    if permitted & ~old.permitted or effective & ~permitted:
        raise KernelError(Errno.EPERM)
    new = copy(old)
    new.effective, new.permitted, new.inheritable = effective, permitted, inheritable
    new.ambient &= permitted & inheritable
    commit(task, new)
