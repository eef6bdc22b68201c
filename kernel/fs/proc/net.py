"""/proc/net/unix: the sockets there are (net/unix/af_unix.c, `unix_seq_show`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.fs.names import decode_name
from kernel.net.socket import ABSTRACT, ESTABLISHED, LISTENING
from kernel.tables import Socket, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

_ACCEPTS = 1 << 16
"""__SO_ACCEPTCON."""
_UNCONNECTED, _CONNECTING, _CONNECTED, _DISCONNECTING = 1, 2, 3, 4
"""SS_* (include/linux/net.h)."""


def _line(one: Socket) -> str:
    established = one.state == ESTABLISHED
    if one.file:
        state = _CONNECTED if established else _UNCONNECTED
    else:
        state = _CONNECTING if established else _DISCONNECTING
    name = one.name if one.bound == ABSTRACT or one.name[:1] == b"\0" else one.name.rstrip(b"\0")
    path = f" {decode_name(name.replace(bytes(1), b'@'))}" if name else ""
    flags = _ACCEPTS if one.state == LISTENING else 0
    references = 3 if one.peer else 2
    inode = one.id if one.file else 0
    return f"{0:08x}: {references:08X} {0:08X} {flags:08X} {one.type:04X} {state:02X} {inode:5}{path}\n"


def unix(k: Kernel, _task: Task, _whole: bool) -> str:
    head = "Num       RefCount Protocol Flags    Type St Inode Path\n"
    return head + "".join(_line(one) for one in k.tables.sockets.values())
