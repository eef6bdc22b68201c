"""What opens over the panes for a moment: a text to read, a question to answer, a list to choose from.

Esc closes each of them. They know no engine: they return what was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from app.panes.row import cells, wrapped

TEXT_WIDTH = 76
CLOSING = ("escape", "enter", "q", "space")
MOVING = ("up", "down", "left", "right", "home", "end", "pageup", "pagedown")


class Text(ModalScreen[str]):
    """A text; any of Esc, Enter, q and space closes it. So does a key that means something behind it."""

    BINDINGS = [Binding(",".join(CLOSING), "dismiss('')", "close", show=False)]

    def __init__(self, title: str, lines: Sequence[str], keys: Mapping[str, str] | None = None) -> None:
        """`keys` have a meaning behind the text: what that is called is the result."""
        super().__init__()
        self.heading = title
        self.lines = list(lines)
        self.width = TEXT_WIDTH
        self.keys = {key: name for key, name in (keys or {}).items() if key not in (*CLOSING, *MOVING)}

    def text(self) -> list[str]:
        """The lines as they fit."""
        width = min(self.width, self.app.size.width * 96 // 100 - 5)
        return [part for line in self.lines for part in broken(line, width)]

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box") as box:
            box.border_title = self.heading
            box.border_subtitle = "Esc"
            yield Static("\n".join(self.text()), markup=False)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def on_key(self, event: events.Key) -> None:
        if event.key in self.keys:
            event.stop()
            self.dismiss(self.keys[event.key])

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss("")


def broken(line: str, width: int) -> list[str]:
    """A line as several: what stands behind a name and two blanks goes on below itself."""
    if cells(line) <= width:
        return [line]
    named = re.match(r" *\S+(?: \S+)*  +(?=\S)", line)
    indent = named.end() if named is not None and named.end() <= width // 2 else 0
    if not indent and line.startswith(" "):
        return [line]
    first, *more = wrapped(line[indent:], width - indent)
    return [line[:indent] + first, *(" " * indent + part for part in more)]


class Ask(ModalScreen[str | None]):
    """One line of text. `check` says what is wrong with it, '' for nothing."""

    BINDINGS = [Binding("escape", "dismiss", "close", show=False)]

    def __init__(self, title: str, hint: str, check: Callable[[str], str], text: str = "") -> None:
        """`text` is there to begin with."""
        super().__init__()
        self.text = text
        self.heading = title
        self.hint = hint
        self.check = check

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self.heading
            yield Input(self.text, select_on_focus=False)
            yield Static(self.hint, classes="hint", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        wrong = self.check(event.value)
        if wrong:
            self.query_one(".hint", Static).update(wrong)
        else:
            self.dismiss(event.value)


class Item(NamedTuple):
    """`name` is what is returned, `text` what is read."""

    name: str
    text: str


class Choose(ModalScreen[str | None]):
    """A list that gets shorter while one types."""

    BINDINGS = [
        Binding("escape", "dismiss", "close", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("up", "move(-1)", "up", show=False),
    ]

    def __init__(self, title: str, items: Sequence[Item]) -> None:
        super().__init__()
        self.heading = title
        self.items = items

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self.heading
            yield Input(placeholder="type to search")
            yield OptionList(*self.options(""), markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self.query_one(OptionList).highlighted = 0

    def options(self, words: str) -> list[Option]:
        wanted = words.lower().split()
        return [
            Option(item.text, id=item.name)
            for item in self.items
            if all(word in item.text.lower() for word in wanted)
        ]

    def on_input_changed(self, event: Input.Changed) -> None:
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(self.options(event.value))
        options.highlighted = 0 if options.option_count else None

    def action_move(self, direction: int) -> None:
        options = self.query_one(OptionList)
        if direction > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    def on_input_submitted(self) -> None:
        options = self.query_one(OptionList)
        if options.highlighted is not None:
            self.dismiss(options.get_option_at_index(options.highlighted).id)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)
