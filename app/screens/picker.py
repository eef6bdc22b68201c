"""`int80` alone: the programs that come with it, what each of them shows, and Enter to open one."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from app import theme
from app.lessons import Lesson
from app.panes.row import short

HEAD = "Real programs on an emulated x86, step by step into the kernel and back. Which one?"
FOOT = "↑ ↓ choose   Enter opens   ? help   q leaves   your own: int80 run ./prog"
HELP = """\
Enter opens the one that is marked, q or Esc leaves. Without a screen: int80 trace ./prog.

In a program, lower case goes forwards in time, the same letter in upper case back: i is one \
instruction, s the next system call; space plays, c runs to the end. Enter explains, ? lists all keys."""


class Picker(App[str]):
    """Returns the name of the program that was chosen, None if none was."""

    TITLE = "int80"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: $background; color: $foreground; padding: 0 2; }
    #head { height: 2; text-style: bold; }
    OptionList { height: auto; max-height: 50%; border: none; padding: 0; background: $background; }
    #about { height: 1fr; margin-top: 1; border-top: solid $rule; }
    #foot { height: 1; color: $text-muted; }
    """
    BINDINGS = [
        Binding("q,escape,ctrl+q", "leave", "leave", show=False),
        Binding("question_mark,f1", "help", "help", show=False),
    ]

    def __init__(self, lessons: list[Lesson], light: bool = False) -> None:
        super().__init__()
        self.lessons = lessons
        for one in theme.themes():
            self.register_theme(one)
        self.theme = theme.LIGHT if light else theme.DARK

    def compose(self) -> ComposeResult:
        yield Static(HEAD, id="head", markup=False)
        yield OptionList(*self._options(), id="list", markup=False)
        with VerticalScroll(id="about", can_focus=False):
            yield Static("", id="text", markup=False)
        yield Static(FOOT, id="foot", markup=False)

    def _options(self) -> list[Option]:
        width = max(len(one.name) for one in self.lessons)
        room = max(self.size.width - width - 10, 30)
        return [
            Option(f"{one.name:<{width}}   {short(one.title, room)}", id=one.name) for one in self.lessons
        ]

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self.query_one(OptionList).highlighted = 0

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        one = next(one for one in self.lessons if one.name == event.option.id)
        parts = [one.shows, f"Keys: {one.keys}", f"Look for {one.look_for}" if one.look_for else ""]
        self.query_one("#text", Static).update("\n\n".join(part for part in parts if part))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.exit(event.option.id)

    def action_help(self) -> None:
        self.query_one("#text", Static).update(HELP)

    def action_leave(self) -> None:
        self.exit(None)


def pick(lessons: list[Lesson], light: bool = False) -> str | None:
    """Let somebody choose; the program's name, None if they left."""
    return Picker(lessons, light).run()
