"""What a person does with branches: sees them, goes to one, and is told when one begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import branches
from app.pane_keys import PaneKeys
from app.units import count

if TYPE_CHECKING:
    from app.engine import Engine


class BranchKeys(PaneKeys, inherit_bindings=False):
    """Its methods are what `actions` call."""

    engine: Engine

    if TYPE_CHECKING:  # the App's

        def forget_marks(self) -> None: ...
        def start_search(self) -> None: ...
        def action_do(self, name: str) -> None: ...

    def list_branches(self) -> None:
        from app.screens import futures

        futures.list_branches(self)

    def go_to_branch(self, number: int) -> None:
        """There; one from a file is run again first, which can be watched and stopped."""
        engine = self.engine
        why = branches.go_to(engine, number)
        self.forget_marks()
        if engine.seeking is not None:
            self.say(f"{engine.branches.all[number].name} runs again")
            self.start_search()
        else:
            self.say(why or f"on {engine.branches.here.name}, event {count(engine.cursor.seq)}")
        self.paint()

    def begun(self) -> str:
        """Another branch has begun: what is said of it."""
        self.forget_marks()
        known = self.engine.branches
        origin = known.here.origin
        left = known.all[origin.parent].name if origin is not None else ""
        return f"{known.here.name} begins here, f leads back to {left}"
