"""The main screen: header, panes, story, timeline, tabs, footer. What is in sight, `int80.tcss` says.

It carries the class of its size (`-wide`, `-medium`, `-small`, `-tiny`) and `-zoom`; the pane brought to the
front has `front`. The keys are the actions'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.screen import Screen

from app.actions import ACTIONS, PANE_KEYS
from app.panes.bars import footer_items, footer_row, header_row, tab_row
from app.panes.base import Lines, Pane
from app.panes.console import Console
from app.panes.cpu import Cpu
from app.panes.frame import Place, frames
from app.panes.ipc import Ipc
from app.panes.memory import Memory
from app.panes.moment import Moment
from app.panes.processes import Processes
from app.panes.row import Span, row
from app.panes.signals import Signals
from app.panes.source import Source
from app.panes.stacks import Stacks
from app.panes.story import Story
from app.panes.timeline import Timeline
from app.panes.trace import Trace
from app.panes.traps import Traps

if TYPE_CHECKING:
    from app.tui import Int80

SIZES = ("-wide", "-medium", "-small", "-tiny")
FIRST_PANE = {"-wide": "traps", "-medium": "stacks", "-small": "traps", "-tiny": "traps"}
LEAST_COLUMNS, LEAST_ROWS = 60, 20
BY_SUBJECT = ("processes", "memory", "signals", "ipc", "source")
"""Panes that take the Stacks' place while they are at the front."""


def size_class(width: int, height: int) -> str:
    """Which layout a terminal of this size gets."""
    if width < LEAST_COLUMNS or height < LEAST_ROWS:
        return "-tiny"
    if width >= 160 and height >= 45:
        return "-wide"
    return "-medium" if width >= 100 and height >= 34 else "-small"


class Main(Screen[None], inherit_bindings=False):
    """Everything that is always there."""

    BINDINGS = [
        Binding(key, f"app.do('{action.name}')", action.help, show=False)
        for action in ACTIONS
        for key in action.keys
    ]
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self.header = Lines("header")
        self.footer = Lines("footer")
        self.tabs = Lines("tabs")
        self.too_small = Lines("too_small")
        self.board: tuple[Pane, ...] = (
            Cpu("cpu"),
            Traps("traps"),
            Stacks("stacks"),
            Processes("processes"),
            Memory("memory"),
            Signals("signals"),
            Ipc("ipc"),
            Source("source"),
            Trace("trace"),
            Console("console"),
        )
        self.story = Story("story")
        self.timeline = Timeline("timeline")
        self.front = ""
        self.notice = ""
        self._size_class = ""
        self._reframing = False

    @property
    def host(self) -> Int80:
        return cast("Int80", self.app)

    @property
    def panes(self) -> tuple[Pane, ...]:
        return (*self.board, self.story, self.timeline)

    @property
    def console(self) -> Console:
        return next(pane for pane in self.board if isinstance(pane, Console))

    def compose(self) -> ComposeResult:
        yield self.too_small
        yield self.header
        yield Container(*self.board, id="board")
        yield self.story
        yield self.timeline
        yield self.tabs
        yield self.footer

    # Sizes and frames.

    def on_resize(self) -> None:
        self.fit()

    def fit(self) -> None:
        """Take the layout for the present size."""
        name = size_class(self.app.size.width, self.app.size.height)
        if name != self._size_class:
            for other in SIZES:
                self.set_class(other == name, other)
            self._size_class = name
            self.bring_front(FIRST_PANE[name])
        self.reframe_soon()

    def bring_front(self, name: str) -> None:
        """Where only one pane has room, it is this one."""
        self.front = name
        for pane in self.board:
            pane.set_class(pane.id == name, "front")
        self.set_class(name in BY_SUBJECT, "-subject")
        self.reframe_soon()

    def reframe_soon(self) -> None:
        if not self._reframing:
            self._reframing = True
            self.call_after_refresh(self.reframe)

    def reframe(self) -> None:
        """The panes have their places: draw the lines between them anew."""
        self._reframing = False
        shown = {pane.id or "": pane for pane in self.panes if pane.display and pane.region.area}
        places = {name: Place(*pane.region) for name, pane in shown.items()}
        for name, frame in frames(places).items():
            shown[name].frame = frame
        if self.focused is not None and not self.focused.region.area:
            self.set_focus(None)
        self.host.paint()

    # Painting.

    def paint(self, now: Moment) -> None:
        """Every pane in sight gets the Moment and repaints what changed."""
        width = self.size.width
        if self._size_class == "-tiny":
            here = f"here are {width} and {self.size.height}"
            text = f"int80 needs {LEAST_COLUMNS} columns and {LEAST_ROWS} rows; {here}."
            self.too_small.show([row(Span(text))])
            return
        for pane in self.panes:
            if pane.region.area:
                pane.now = now
        self.header.show([header_row(now, width)])
        self.paint_footer()
        if self.tabs.region.area:
            known = [(name, key.upper(), label) for name, key, label in PANE_KEYS]
            focused = self.focused.id if self.focused is not None else None
            self.tabs.show([tab_row(known, focused or self.front, width)])

    def paint_frame(self, title: str) -> None:
        """The screen before there is anything to be seen in it."""
        self.header.show([row(Span(" int80 ", "bold"), Span("▸ ", "dim"), Span(title, "bold"))])
        self.paint_footer()

    def paint_footer(self) -> None:
        width = self.size.width
        if self.console.typing:
            items = [
                ("ctrl+]", "takes the keyboard back", "action:back"),
                ("ctrl+] ctrl+]", "sends ctrl+]", ""),
            ]
        else:
            items = footer_items(ACTIONS)
        self.footer.show([footer_row(items, width, self.notice)])

    def visible_panes(self) -> list[Pane]:
        """The panes on the board that are in sight, in reading order."""
        return [pane for pane in self.board if pane.region.area]
