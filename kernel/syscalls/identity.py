"""Who a process is: user and group ids, supplementary groups (man 2 setreuid, setresuid, setgroups).

kernel/sys.c, uid16.c and groups.c of Linux. The old calls with 16-bit
ids are here too. Process groups and sessions are `kernel.syscalls.process`'s.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel import capabilities
from kernel.abi.errno import Errno
from kernel.abi.process import CAP_SETGID, CAP_SETUID
from kernel.errors import KernelError
from kernel.tables import Credentials
from kernel.uaccess import copy_from_user_partial, copy_to_user, put_user32, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

SAME = 0xFFFF_FFFF
"""-1: leave this id as it is."""
OVERFLOW_ID = 65534
"""What a 32-bit id looks like to a call with 16-bit ones."""
NGROUPS_MAX = 65536


class _Names:
    """The four fields of a kind of id."""

    def __init__(self, real: str, effective: str, saved: str, file_system: str) -> None:
        self.real = real
        self.effective = effective
        self.saved = saved
        self.file_system = file_system

    def of(self, cred: Credentials) -> tuple[int, int, int]:
        return getattr(cred, self.real), getattr(cred, self.effective), getattr(cred, self.saved)


_USER = _Names("uid", "euid", "suid", "fsuid")
_GROUP = _Names("gid", "egid", "sgid", "fsgid")


def _low(value: int) -> int:
    """high2lowuid."""
    return value if value <= 0xFFFF else OVERFLOW_ID


def _wide(value: int) -> int:
    """low2highuid: a 16-bit id of the old calls as a 32-bit one."""
    return SAME if value & 0xFFFF == 0xFFFF else value & 0xFFFF


def _commit(
    k: Kernel,
    names: _Names,
    real: int,
    effective: int,
    saved: int,
    file_system: int,
    fs_only: bool = False,
) -> int:
    """commit_creds: another effective id makes the process undumpable and forgets its death signal."""
    task = k.task
    new = capabilities.copy(task.cred)
    setattr(new, names.real, real)
    setattr(new, names.effective, effective)
    setattr(new, names.saved, saved)
    setattr(new, names.file_system, file_system)
    if names is _USER and fs_only:
        capabilities.file_id_changed(new, task.cred)
    elif names is _USER:
        capabilities.ids_changed(new, task.cred)
    capabilities.commit(task, new)
    return 0


def _privileged(k: Kernel, names: _Names) -> bool:
    return capabilities.capable(k, CAP_SETUID if names is _USER else CAP_SETGID)


def _set(k: Kernel, names: _Names, wanted: int) -> int:
    if wanted == SAME:
        raise KernelError(Errno.EINVAL)
    real, _, saved = names.of(k.task.cred)
    if _privileged(k, names):
        real = saved = wanted
    elif wanted not in (real, saved):
        raise KernelError(Errno.EPERM)
    return _commit(k, names, real, wanted, saved, wanted)


def _setre(k: Kernel, names: _Names, real: int, effective: int) -> int:
    old_real, old_effective, saved = names.of(k.task.cred)
    allowed = _privileged(k, names)
    if real != SAME and real not in (old_real, old_effective) and not allowed:
        raise KernelError(Errno.EPERM)
    if effective != SAME and effective not in (old_real, old_effective, saved) and not allowed:
        raise KernelError(Errno.EPERM)
    new_real = old_real if real == SAME else real
    new_effective = old_effective if effective == SAME else effective
    if real != SAME or (effective != SAME and effective != old_real):
        saved = new_effective
    return _commit(k, names, new_real, new_effective, saved, new_effective)


def _setres(k: Kernel, names: _Names, *wanted: int) -> int:
    old = names.of(k.task.cred)
    file_system = getattr(k.task.cred, names.file_system)
    if all(new in (SAME, was) for new, was in zip(wanted, old, strict=True)) and (
        wanted[1] == SAME or wanted[1] == file_system
    ):
        return 0
    if not _privileged(k, names) and any(new != SAME and new not in old for new in wanted):
        raise KernelError(Errno.EPERM)
    real, effective, saved = (was if new == SAME else new for new, was in zip(wanted, old, strict=True))
    return _commit(k, names, real, effective, saved, effective)


def _setfs(k: Kernel, names: _Names, wanted: int) -> int:
    """The old id, whether or not it was changed."""
    cred = k.task.cred
    old = getattr(cred, names.file_system)
    ids = names.of(cred)
    if wanted not in (SAME, old) and (wanted in ids or _privileged(k, names)):
        _commit(k, names, *ids, wanted, fs_only=True)
    return int(old)


def _put_three(k: Kernel, names: _Names, addresses: tuple[int, int, int], wide: bool) -> int:
    for address, value in zip(addresses, names.of(k.task.cred), strict=True):
        if wide:
            put_user32(k, address, value)
        else:
            copy_to_user(k, address, struct.pack("<H", _low(value)))
    return 0


def sys_getuid32(k: Kernel) -> int:
    return k.task.cred.uid


def sys_geteuid32(k: Kernel) -> int:
    return k.task.cred.euid


def sys_getgid32(k: Kernel) -> int:
    return k.task.cred.gid


def sys_getegid32(k: Kernel) -> int:
    return k.task.cred.egid


def sys_getuid(k: Kernel) -> int:
    return _low(k.task.cred.uid)


def sys_geteuid(k: Kernel) -> int:
    return _low(k.task.cred.euid)


def sys_getgid(k: Kernel) -> int:
    return _low(k.task.cred.gid)


def sys_getegid(k: Kernel) -> int:
    return _low(k.task.cred.egid)


def sys_setuid32(k: Kernel, uid: int) -> int:
    return _set(k, _USER, uid)


def sys_setgid32(k: Kernel, gid: int) -> int:
    return _set(k, _GROUP, gid)


def sys_setuid(k: Kernel, uid: int) -> int:
    return _set(k, _USER, _wide(uid))


def sys_setgid(k: Kernel, gid: int) -> int:
    return _set(k, _GROUP, _wide(gid))


def sys_setreuid32(k: Kernel, real: int, effective: int) -> int:
    return _setre(k, _USER, real, effective)


def sys_setregid32(k: Kernel, real: int, effective: int) -> int:
    return _setre(k, _GROUP, real, effective)


def sys_setreuid(k: Kernel, real: int, effective: int) -> int:
    return _setre(k, _USER, _wide(real), _wide(effective))


def sys_setregid(k: Kernel, real: int, effective: int) -> int:
    return _setre(k, _GROUP, _wide(real), _wide(effective))


def sys_setresuid32(k: Kernel, real: int, effective: int, saved: int) -> int:
    return _setres(k, _USER, real, effective, saved)


def sys_setresgid32(k: Kernel, real: int, effective: int, saved: int) -> int:
    return _setres(k, _GROUP, real, effective, saved)


def sys_setresuid(k: Kernel, real: int, effective: int, saved: int) -> int:
    return _setres(k, _USER, _wide(real), _wide(effective), _wide(saved))


def sys_setresgid(k: Kernel, real: int, effective: int, saved: int) -> int:
    return _setres(k, _GROUP, _wide(real), _wide(effective), _wide(saved))


def sys_getresuid32(k: Kernel, real: int, effective: int, saved: int) -> int:
    return _put_three(k, _USER, (real, effective, saved), wide=True)


def sys_getresgid32(k: Kernel, real: int, effective: int, saved: int) -> int:
    return _put_three(k, _GROUP, (real, effective, saved), wide=True)


def sys_getresuid(k: Kernel, real: int, effective: int, saved: int) -> int:
    return _put_three(k, _USER, (real, effective, saved), wide=False)


def sys_getresgid(k: Kernel, real: int, effective: int, saved: int) -> int:
    return _put_three(k, _GROUP, (real, effective, saved), wide=False)


def sys_setfsuid32(k: Kernel, uid: int) -> int:
    return _setfs(k, _USER, uid)


def sys_setfsgid32(k: Kernel, gid: int) -> int:
    return _setfs(k, _GROUP, gid)


def sys_setfsuid(k: Kernel, uid: int) -> int:
    return _setfs(k, _USER, _wide(uid))


def sys_setfsgid(k: Kernel, gid: int) -> int:
    return _setfs(k, _GROUP, _wide(gid))


# --- supplementary groups -----------------------------------------------------------------------------------


def _get_groups(k: Kernel, size: int, address: int, form: str) -> int:
    groups = k.task.cred.groups
    if signed(size) < 0 or (size and size < len(groups)):
        raise KernelError(Errno.EINVAL)
    if size:
        values = [_low(group) for group in groups] if form == "H" else groups
        copy_to_user(k, address, struct.pack(f"<{len(groups)}{form}", *values))
    return len(groups)


def _set_groups(k: Kernel, size: int, address: int, form: str) -> int:
    if not _privileged(k, _GROUP):
        raise KernelError(Errno.EPERM)
    if size > NGROUPS_MAX:
        raise KernelError(Errno.EINVAL)
    each = struct.calcsize(form)
    data = copy_from_user_partial(k, address, size * each)
    groups = struct.unpack(f"<{len(data) // each}{form}", data[: len(data) // each * each])
    if form == "H":
        groups = tuple(_wide(group) for group in groups)
    if SAME in groups:  # one after the other is read and looked at
        raise KernelError(Errno.EINVAL)
    if len(groups) < size:
        raise KernelError(Errno.EFAULT)
    new = capabilities.copy(k.task.cred)
    new.groups = sorted(groups)
    k.task.cred = new
    return 0


def sys_getgroups32(k: Kernel, size: int, address: int) -> int:
    return _get_groups(k, size, address, "I")


def sys_getgroups(k: Kernel, size: int, address: int) -> int:
    return _get_groups(k, size, address, "H")


def sys_setgroups32(k: Kernel, size: int, address: int) -> int:
    return _set_groups(k, size, address, "I")


def sys_setgroups(k: Kernel, size: int, address: int) -> int:
    return _set_groups(k, size, address, "H")
