"""A signal from outside: a person at the screen sends it, as kill(2) does from beyond the machine.

What Linux gives a program in a container that root outside has signalled: SI_USER, from pid 0 and user 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.signal import SI_TKILL, SI_USER, SIGRTMAX
from kernel.signals.state import INIT_PID, send_signal
from kernel.tables import SigInfo

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def signal_input(k: Kernel, pid: int, data: bytes) -> None:
    """Send signal `data[0]`: to the process, or to a thread that is not its first one, as tkill does.

    Nothing where there is no such task or signal, or for those of the kernel itself.
    """
    task = k.tables.tasks.get(pid)
    signo = data[0] if len(data) == 1 else 0
    if task is None or pid <= INIT_PID or not 1 <= signo <= SIGRTMAX:
        return
    alone = task.pid != task.tgid
    send_signal(k, task, SigInfo(signo, SI_TKILL if alone else SI_USER), shared=not alone)
