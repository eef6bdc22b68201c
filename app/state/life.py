"""What became of a signal: from the moment that it was sent to what comes after its handler.

The last KEPT of them are in the State. Events tell each step: `app.state.fold_signals` calls what is here.
"""

from __future__ import annotations

import msgspec

from kernel.describe import TaskView

KEPT = 48
PENDING, IGNORED, MERGED, DISCARDED, ACCEPTED, HANDLER = (
    "pending",
    "ignored",
    "merged",
    "discarded",
    "accept",
    "handler",
)
"""Fates besides the default actions: waiting; dropped when it was sent, because it is ignored or because one
is pending already; taken back; taken by a call that waits for it; a handler runs, or has run."""
WAITING_CALLS = (3, 145, 177, 333, 378, 421)
"""Calls that take a pending signal without its being delivered: reads of a signalfd, rt_sigtimedwait."""


class Life(msgspec.Struct, array_like=True):
    """`seq` is the number of the event that sent it to `task`, or (`shared`) to the process of that leader.

    `call` is the system call that the sender was in, -1 for none; `held` whether the mask held it back then;
    `queued` how many of it were pending with it. `taken` is the event with which it was no longer pending,
    `taker` the thread that took it, `back` the event of sigreturn; -1 as long as there is none.
    """

    seq: int
    signo: int
    task: int
    shared: bool
    sender: int
    code: int
    info: tuple[int, ...] = ()
    call: int = -1
    held: bool = False
    queued: int = 0
    fate: str = PENDING
    taken: int = -1
    taker: int = 0
    handler: int = 0
    frame: int = 0
    before: int = 0
    """The mask when it was delivered."""
    mask: int = 0
    """The mask while the handler runs."""
    restored: int = 0
    """The mask that sigreturn took out of the frame."""
    interrupted: str = ""
    """What became of the system call that it interrupted: 'EINTR', 'restart', '' where there was none."""
    back: int = -1
    eip: int = 0
    left: bool = False
    """The handler was left by a jump out of it: its frame went with another one's sigreturn."""

    @property
    def over(self) -> bool:
        return self.fate != PENDING and (self.fate != HANDLER or self.back >= 0 or self.left)


def keep(lives: list[Life], one: Life) -> None:
    """One more; where there are too many, the oldest one that is over goes."""
    lives.append(one)
    if len(lives) > KEPT:
        del lives[next((n for n, old in enumerate(lives) if old.over), 0)]


def waiting(lives: list[Life], tasks: dict[int, TaskView], pid: int, signo: int) -> Life | None:
    """The oldest one that waits for this task: its own first, then its process's."""
    task = tasks.get(pid)
    tgid = task.tgid if task is not None else pid
    for shared, owner in ((False, pid), (True, tgid)):
        for one in lives:
            if one.fate == PENDING and (one.signo, one.shared, one.task) == (signo, shared, owner):
                return one
    return None
