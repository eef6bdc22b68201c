"""What can go wrong inside the kernel.

    Exception
    ├── KernelError(errno)     a system call's refusal; becomes -errno at one place (`kernel.entry`)
    ├── Blocked(on, deadline)  the call has to wait; it is called again when woken (`kernel.entry`)
    ├── Stopped                the call stopped for a tracer, and is called again (`kernel.entry`)
    ├── Fault(address)         user memory that cannot be reached; becomes EFAULT or SIGSEGV
    └── Panic                  the guest's kernel cannot go on: the machine stops, loudly

Anything else that is raised is a bug of ours and stops the machine as well.
"""

from __future__ import annotations

from kernel.abi.errno import Errno


class KernelError(Exception):
    """A system call refused with an errno (positive)."""

    def __init__(self, errno: int) -> None:
        super().__init__(Errno(errno).name if errno < 512 else str(errno))
        self.errno = int(errno)


class Blocked(Exception):
    """The current task must sleep on these wait queues, at most until tick `deadline` (-1: for ever).

    `interruptible` False keeps signals from waking it. `restart` is the errno with which a signal
    ends the call: ERESTARTSYS unless the manual says otherwise.
    """

    def __init__(self, *on: str, deadline: int = -1, interruptible: bool = True, restart: int = 512) -> None:
        super().__init__(", ".join(on))
        self.on = on
        self.deadline = deadline
        self.interruptible = interruptible
        self.restart = restart


class Stopped(Exception):
    """The current task has stopped for its tracer inside its call, which is called again when it goes on."""


class Fault(Exception):
    """User memory at `address` cannot be read (or written, as `write` says)."""

    def __init__(self, address: int, write: bool) -> None:
        super().__init__(f"{address:08x}")
        self.address = address
        self.write = write


class Panic(Exception):
    """The guest's kernel met something that cannot be."""
