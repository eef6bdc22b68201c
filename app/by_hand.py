"""What a person does to the machine besides typing: who runs next, signals from outside, changed registers.

Both are inputs at the cursor, which are recorded; in the past another branch begins with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.branch_keys import BranchKeys
from app.edits import Edit
from app.panes.moment import task_name
from app.panes.processes import Processes
from app.panes.signals import Signals
from cpu.registers import GENERAL
from kernel.abi.signal import signal_name
from kernel.thread import PAGE_OFFSET

if TYPE_CHECKING:
    from app.branches import Branch
    from app.engine import Engine


class ByHand(BranchKeys, inherit_bindings=False):
    """Its methods are what `actions` call."""

    engine: Engine

    def run_next(self) -> None:
        """The task that is chosen in Processes runs next."""
        pane = self.focused_pane()
        if not isinstance(pane, Processes):
            self.pane("processes")
            self.say("choose a task here, and p gives it the processor")
            return
        here = self.engine.branches.here
        self._done(self.engine.run_next(pane.chosen), "it runs next", here)

    def send_signal(self) -> None:
        """The signal chosen in Signals; a question which one for a process chosen there or in Processes."""
        from app.screens import dialogs

        pane = self.focused_pane()
        if isinstance(pane, Signals):
            signo, pid = pane.cell
        else:
            signo, pid = 0, pane.chosen if isinstance(pane, Processes) else -1
        if why := self.engine.why_not_here():
            self.say(why)
        elif signo:
            self.kill(pid, signo)
        elif pid > 0:
            dialogs.ask_signal(self, pid)
        else:
            dialogs.ask_kill(self)

    def kill(self, pid: int, signo: int) -> None:
        """Send it, and say so."""
        here = self.engine.branches.here
        why = self.engine.send_signal(pid, signo)
        whom = task_name(self.engine.state, pid)
        done = f"{signal_name(signo)} goes to {whom}: n follows it"
        self._done(why, done, here)

    def edit(self) -> None:
        """The register or word chosen in a pane; a question what to change where none is."""
        from app.screens import dialogs

        pane, view = self.focused_pane(), self.engine.view
        kind, _, rest = (pane.chosen_subject() if pane is not None else "").partition(":")
        name = rest.partition(":")[0]
        if why := self.engine.why_not_here():
            self.say(why)
        elif view is None:
            self.say("there is no machine here that could be changed")
        elif kind == "word" and int(name, 16) >= PAGE_OFFSET:
            self.say("the kernel's memory is not changed from outside, a program's is")
        elif kind == "reg" and name in GENERAL:
            dialogs.ask_edit(self, name, f"{getattr(view.regs, name):08x}")
        elif kind == "word":
            word = view.word(int(name, 16))
            dialogs.ask_edit(self, name, f"{word:08x}" if word is not None else "not there yet")
        else:
            dialogs.ask_edit(self)

    def change(self, edit: Edit) -> None:
        """Change it, and say so."""
        here = self.engine.branches.here
        why = self.engine.edit(edit.device, edit.pid, edit.data)
        done = f"{edit.text} for {task_name(self.engine.state, edit.pid)}, as soon as time goes on"
        self._done(why, done, here)

    def _done(self, why: str, done: str, before: Branch) -> None:
        """Say why it could not be, or what was done and whether another branch has begun with it."""
        begun = self.engine.branches.here is not before
        self.say(why or (f"{done}; {self.begun()}" if begun else done))
        self.paint()
