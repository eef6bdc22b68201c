"""signalfd: signals read from a file instead of being delivered (man 2 signalfd, Linux's fs/signalfd.c).

What is read are the signals of whoever reads. Those who wait sleep on `signalfd:SIGHAND`, which sending a
signal wakes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import O_NONBLOCK, POLLIN
from kernel.abi.sigframe import siginfo_variant
from kernel.abi.structs import SignalfdSiginfo
from kernel.errors import Blocked, KernelError
from kernel.events import SignalfdSet
from kernel.fs.iov import IovIter
from kernel.signals.pending import dequeue_signal, leader_of, pending_mask
from kernel.signals.state import tell_accepted
from kernel.tables import OpenFile, SigInfo, Signalfd
from kernel.uaccess import signed
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def create(k: Kernel, mask: int) -> int:
    one = Signalfd(k.new_id())
    k.tables.signalfds[one.id] = one
    set_mask(k, one, mask)
    return one.id


def set_mask(k: Kernel, one: Signalfd, mask: int) -> None:
    """Which signals it gives from now on, bit n-1 for signal n."""
    one.mask = mask
    k.emit(SignalfdSet(one.id, mask))
    wake_up(k, f"signalfd:{k.task.sighand}")


def release(k: Kernel, file: OpenFile) -> None:
    del k.tables.signalfds[file.object]


def read(k: Kernel, file: OpenFile, to: IovIter, _at: int | None) -> int:
    """As many signals as are there and fit; waits for the first one only."""
    one = k.tables.signalfds[file.object]
    task = k.task
    if to.count < SignalfdSiginfo.SIZE:
        raise KernelError(Errno.EINVAL)
    done = 0
    while to.count >= SignalfdSiginfo.SIZE:
        info = dequeue_signal(k, task, ~one.mask)
        if info is None:
            break
        tell_accepted(k, task, info)
        if to.give(k, _pack(info)) < SignalfdSiginfo.SIZE:
            if not done:
                raise KernelError(Errno.EFAULT)
            break
        done += SignalfdSiginfo.SIZE
    if done:
        return done
    if file.flags & O_NONBLOCK:
        raise KernelError(Errno.EAGAIN)
    raise Blocked(f"signalfd:{task.sighand}")


_SENDER = {"ssi_pid": "pid", "ssi_uid": "uid"}
_VALUE = {"ssi_int": "value", "ssi_ptr": "value"}
_FIELDS = {
    "kill": _SENDER,
    "rt": {**_SENDER, **_VALUE},
    "timer": {"ssi_tid": "pid", "ssi_overrun": "uid", **_VALUE},
    "poll": {"ssi_band": "pid", "ssi_fd": "uid"},
    "fault": {"ssi_addr": "address"},
    "chld": {**_SENDER, "ssi_status": "status"},
    "sys": {},
}
_SIGNED = ("ssi_code", "ssi_fd", "ssi_status", "ssi_int")


def _pack(info: SigInfo) -> bytes:
    """The fields that this kind of signal has, and no others (`signalfd_copyinfo`)."""
    fields = {
        name: _as(name, getattr(info, source))
        for name, source in _FIELDS[siginfo_variant(info.signo, info.code)].items()
    }
    code = _as("ssi_code", info.code)
    return SignalfdSiginfo(ssi_signo=info.signo, ssi_errno=info.errno, ssi_code=code, **fields).pack()


def _as(name: str, value: int) -> int:
    return signed(value & 0xFFFF_FFFF) if name in _SIGNED else value & 0xFFFF_FFFF


def poll(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    one = k.tables.signalfds[file.object]
    task = k.task
    pending = pending_mask(task.pending) | pending_mask(leader_of(k, task).shared_pending)
    return POLLIN if pending & one.mask else 0, (f"signalfd:{task.sighand}",)
