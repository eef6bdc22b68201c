"""What keys do to panes: into focus, in front, alone, away, turned over; what is chosen in them.

The part of the App that knows the screen and no engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App

from app.actions import PANE_KEYS
from app.panes.base import Pane
from app.screens.main import Main


class PaneKeys(App[int], inherit_bindings=False):
    """Its methods are what `actions` call; every one that has nothing to do says why."""

    main: Main
    _coming: Pane | None
    """The pane that gets the focus when it has its place."""

    if TYPE_CHECKING:  # the App's

        def paint(self) -> None: ...
        def say(self, text: str) -> None: ...
        def give_keys(self, on: bool) -> None: ...

    def pane(self, name: str) -> None:
        """To the front and into focus; if it is there already, alone on the screen (Console: keys)."""
        main = self.main
        pane = next(one for one in main.panes if one.id == name)
        if pane is main.timeline:
            self._focus(pane)
            return
        if pane in (main.focused, self._coming):
            if name == "console":
                self.give_keys(True)
            else:
                self.zoom()
            return
        main.bring_front(name)
        self._coming = pane
        self.call_after_refresh(self._focus, pane)

    def _focus(self, pane: Pane) -> None:
        self._coming = None
        pane.focus(scroll_visible=False)
        self.paint()

    def zoom(self) -> None:
        main, pane = self.main, self.focused_pane()
        if pane is main.timeline:
            self.say("the timeline has its line: + and - show less or more of it")
            return
        if not main.zoomed and len(main.visible_panes()) < 2:
            self.say("this pane is alone on the screen already: Tab and the F-keys turn them over")
            return
        main.zoom("" if main.zoomed else (pane.id if pane is not None and pane.id else main.front))

    def next_layout(self, direction: int) -> None:
        main = self.main
        names = [one.name for one in main.layouts]
        if len(names) == 1:
            self.say("there is room for one pane at a time: Tab and the F-keys turn them over")
            return
        main.take(names[(names.index(main.plan.name) + direction) % len(names)])
        self.say(f"layout {main.plan.name}: {main.plan.about}")

    def hide_pane(self) -> None:
        main, pane = self.main, self.focused_pane()
        if pane is None:
            self.say("Tab goes to a pane, x hides it")
        elif pane is main.timeline:
            self.say("the timeline stays")
        elif main.zoomed or not main.hide_pane(pane.id or ""):
            self.say("the only pane in sight stays" + (": z shows the others" if main.zoomed else ""))
        else:
            self.say(f"{pane.label} is hidden: {pane.key} brings it back")

    def next_view(self) -> None:
        pane = self.focused_pane()
        if pane is None:
            pane = next(one for one in self.main.board if len(one.views) > 1)
        elif len(pane.views) < 2:
            several = ", ".join(one.label for one in self.main.board if len(one.views) > 1)
            self.say(f"{pane.label} has one picture only; of these there are several: {several}")
            return
        if not pane.region.area:
            self.pane(pane.id or "")
        pane.next_view()

    def next_focus(self, direction: int) -> None:
        main = self.main
        shown = main.visible_panes()
        if len(shown) == 1 and (main.zoomed or len(main.layouts) == 1):
            names = [name for name, _, _ in PANE_KEYS]
            at = names.index(shown[0].id or "") + direction
            self.pane(names[at % len(names)])
            return
        if main.timeline.region.area:
            shown.append(main.timeline)
        focused = self.focused_pane()
        at = shown.index(focused) + direction if focused in shown else 0 if direction > 0 else -1
        if shown:
            self._focus(shown[at % len(shown)])

    def focused_pane(self) -> Pane | None:
        focused = self.main.focused
        return focused if isinstance(focused, Pane) else None

    def _pane_in_hand(self) -> Pane | None:
        """The focused pane; the first one in sight takes the focus if none has it."""
        pane = self.focused_pane()
        if pane is None:
            shown = self.main.visible_panes()
            if shown:
                self._focus(shown[0])
                return shown[0]
        return pane

    def choose(self, down: int, right: int) -> None:
        pane = self._pane_in_hand()
        if pane is None:
            self.say("no pane is in sight: 0 lists them")
            return
        before = pane.picture()
        pane.choose(down, right)
        if pane is not self.main.timeline and pane.picture() == before:
            self.say(f"{pane.label}: nothing further that way")

    def turn_page(self, direction: int) -> None:
        pane = self._pane_in_hand()
        if pane is None:
            self.say("no pane is in sight: 0 lists them")
            return
        before = pane.picture()
        pane.page(direction)
        if pane.picture() == before:
            self.say(f"{pane.label}: nothing further {'below' if direction > 0 else 'above'}")

    def explain(self) -> None:
        pane = self.focused_pane()
        if pane is None:
            self.say("Tab goes to a pane, arrows choose in it, Enter explains")
        elif not pane.explain():
            self.say(f"{pane.label}: nothing is chosen here to be explained")
