"""From playback into a live machine: what was recorded stays, another branch goes on from the cursor.

The file that is played is not changed: what comes now is written when somebody saves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import branches
from app.saving import Saving
from app.units import count

if TYPE_CHECKING:
    from app.engine import Engine
    from app.player import Player


def take_over(engine: Engine) -> str:
    """Make the machine of a recording live where the cursor is. Why it cannot be, '' when it is done."""
    if engine.live:
        return "this machine is live already"
    if engine.state.halted >= 0:
        return "the program has ended here: go back to where it still runs, and take over there"
    if engine.view is None:
        return engine.broken or "there is no machine here"
    if engine.branches.here.stored is not None:
        return "this branch is only being run again: wait for its end"
    machine, recorded = engine.machine, frozenset(engine.branches.all)
    engine.to_cursor()
    if machine.seq > engine.length:
        return "the recording breaks off in the middle of a step: go back a little, and take over there"
    if why := branches.begin(engine):
        return why
    engine.live, machine.sealed, engine.recorded = True, False, recorded
    if machine.host is not None:
        machine.host.gone = True
    return ""


class TakingOver(Saving, inherit_bindings=False):
    """Its method is what an action calls."""

    player: Player
    problem: BaseException | None

    def take_over(self) -> None:
        """The played engine becomes live here; it is neither played nor written into the file any more."""
        engine = self.engine
        self._stop()
        with self.guard():
            why = take_over(engine)
        if self.problem is None:
            self.say(why or self._taken_over())
            self.paint()

    def _taken_over(self) -> str:
        self.player.stretch = None
        self.keeper = None
        self.forget_marks()
        here = count(self.engine.cursor.seq)
        return f"live from event {here} on: c runs, F5 twice types; f leads back, r saves"
