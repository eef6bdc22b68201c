"""The main screen: header, panes, story, timeline, tabs, footer. Which panes are in sight, the layout says.

It carries the class of its size (`-wide`, `-medium`, `-small`, `-tiny`); `app.layouts` has the layouts of
each, `int80.tcss` the rest. The keys are the actions'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, WidgetPlacement
from textual.layout import Layout as Arranging
from textual.screen import Screen
from textual.widget import Widget

from app.actions import ACTIONS, PANE_KEYS
from app.layouts import (
    LAYOUTS,
    LEAST_COLUMNS,
    LEAST_ROWS,
    Layout,
    layout_named,
    panes_of,
    places,
    size_of,
    with_spare,
    without,
)
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
from app.panes.rows_update import RowsUpdate
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


def size_class(width: int, height: int) -> str:
    """The CSS class of a terminal of this size."""
    return f"-{size_of(width, height)}"


class Board(Widget):
    """The panes, where the layout of the screen wants them."""

    @property
    def layout(self) -> Arranging:
        return AsPlanned()


class AsPlanned(Arranging):
    """Textual's side of `app.layouts`."""

    name = "planned"

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        found = cast("Main", parent.screen).places(size)
        return [
            WidgetPlacement(Region(*found[child.id]), NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if child.id in found
        ]


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
        self.board_box = Board(*self.board, id="board")
        self.chosen: dict[str, str] = {}
        """Name of the layout in use by class of terminal."""
        self.spare = ""
        """The pane that was called into the layout's spare place, '' for the layout's own."""
        self.hidden: set[str] = set()
        self.zoomed = ""
        """The pane that is alone on the board."""
        self.notice = ""
        self._size_class = ""
        self.reframing = False
        """The lines between panes are about to be drawn anew."""

    @property
    def host(self) -> Int80:
        return cast("Int80", self.app)

    @property
    def panes(self) -> tuple[Pane, ...]:
        return (*self.board, self.story, self.timeline)

    @property
    def lines(self) -> tuple[Lines, ...]:
        return (*self.panes, self.header, self.footer, self.tabs)

    @property
    def console(self) -> Console:
        return next(pane for pane in self.board if isinstance(pane, Console))

    def compose(self) -> ComposeResult:
        yield self.too_small
        yield self.header
        yield self.board_box
        yield self.story
        yield self.timeline
        yield self.tabs
        yield self.footer

    # Layouts, sizes and frames.

    def on_resize(self) -> None:
        self.fit()

    def fit(self) -> None:
        """Take a layout for the present size."""
        name = size_class(self.app.size.width, self.app.size.height)
        if name != self._size_class:
            for other in SIZES:
                self.set_class(other == name, other)
            self._size_class = name
            if self.console.typing:
                self.bring_front("console")  # nobody types into what is out of sight
            self.rearrange()
        self.reframe_soon()

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """Those for a terminal of this size."""
        return LAYOUTS.get(self._size_class[1:], LAYOUTS["small"])

    @property
    def plan(self) -> Layout:
        """The layout in use."""
        size = self._size_class[1:]
        return layout_named(size, self.chosen.get(size, "")) if size in LAYOUTS else self.layouts[0]

    def take(self, name: str) -> None:
        """Use the layout of this name, with all that belongs to it."""
        self.chosen[self._size_class[1:]] = name
        self.spare = ""
        self.hidden -= set(panes_of(self.plan.board)) | {self.plan.spare}
        self.zoomed = ""
        self.rearrange()

    def bring_front(self, name: str) -> None:
        """Where this pane has no place of its own in the layout, it gets the spare one."""
        self.hidden.discard(name)
        if name not in panes_of(self.plan.board):
            self.spare = name
        if self.zoomed:
            self.zoomed = name
        self.rearrange()

    def hide_pane(self, name: str) -> bool:
        """Leave its room to the others; False for the last one in sight."""
        if len(self.visible_panes()) < 2:
            return False
        if name == self.spare:
            self.spare = ""
            if name != self.plan.spare:
                self.rearrange()
                return True
        self.hidden.add(name)
        self.rearrange()
        return True

    def zoom(self, name: str) -> None:
        """This pane alone; '' all again."""
        self.zoomed = name
        self.rearrange()

    @property
    def front(self) -> str:
        """The pane in the spare place."""
        return self.zoomed or self.spare or self.plan.spare

    def places(self, size: Size) -> dict[str, Place]:
        """Where each pane in sight lies on a board of this size."""
        if self.zoomed:
            return {self.zoomed: Place(0, 0, size.width, size.height)}
        plan = self.plan
        board = without(with_spare(plan.board, self.spare or plan.spare), self.hidden.__contains__)
        return places(board if board is not None else plan.spare, 0, 0, size.width, size.height)

    def rearrange(self) -> None:
        """Lay the panes anew (asked of a pane: its parents then forget how they lay)."""
        self.board[0].refresh(layout=True)
        self.reframe_soon()

    def reframe_soon(self) -> None:
        if not self.reframing:
            self.reframing = True
            self.call_after_refresh(self.reframe)

    def reframe(self) -> None:
        """The panes have their places: draw the lines between them anew."""
        self.reframing = False
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
        update = RowsUpdate(self.host.paint_styles) if self._uncovered() else None
        for one in self.lines:
            one.update = update
        try:
            self._paint(now, width)
        finally:
            for one in self.lines:
                one.update = None
        if update:
            self.host._display(self, cast(Any, update))

    def _uncovered(self) -> bool:
        """Whether everything lies where Textual has it, and is all that is to be seen."""
        return self.is_current and not self.reframing and not self._layout_required

    def _paint(self, now: Moment, width: int) -> None:
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
        shown = [pane for pane in self.board if pane.region.area]
        return sorted(shown, key=lambda pane: (pane.region.y, pane.region.x))
