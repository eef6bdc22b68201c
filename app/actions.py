"""All that a person can do, as data. Bindings, footer, palette and help are made from this list.

An action names its keys, says what it is for, and calls one method of `Controls`, which the App is.
Lower case goes forwards, the same letter in upper case backwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from app.state.state import State
from kernel.abi.signal import SIGNAL_NAMES, SIGRTMAX

TIME, PLAY, PANES, HELP = "Time", "Play", "Panes", "Help"
GROUPS = (TIME, PLAY, PANES, HELP)


class Controls(Protocol):
    """What actions ask for."""

    def step(self, what: str, direction: int) -> None: ...
    def play(self) -> None: ...
    def run_on(self) -> None: ...
    def change_speed(self, direction: int) -> None: ...
    def usual_speed(self) -> None: ...
    def run_back(self) -> None: ...
    def follow(self, direction: int) -> None: ...
    def ask_text(self) -> None: ...
    def search_on(self, direction: int) -> None: ...
    def origin(self, direction: int) -> None: ...
    def break_here(self) -> None: ...
    def list_breakpoints(self) -> None: ...
    def add_note(self) -> None: ...
    def list_notes(self) -> None: ...
    def go_start(self) -> None: ...
    def go_end(self) -> None: ...
    def ask_place(self) -> None: ...
    def pane(self, name: str) -> None: ...
    def zoom(self) -> None: ...
    def next_layout(self, direction: int) -> None: ...
    def hide_pane(self) -> None: ...
    def run_next(self) -> None: ...
    def send_signal(self) -> None: ...
    def edit(self) -> None: ...
    def step_object(self, direction: int) -> None: ...
    def list_branches(self) -> None: ...
    def take_over(self) -> None: ...
    def next_view(self) -> None: ...
    def next_focus(self, direction: int) -> None: ...
    def choose(self, down: int, right: int) -> None: ...
    def turn_page(self, direction: int) -> None: ...
    def explain(self) -> None: ...
    def back(self) -> None: ...
    def list_panes(self) -> None: ...
    def ask_core(self) -> None: ...
    def ask_save(self) -> None: ...
    def palette(self) -> None: ...
    def help(self) -> None: ...
    def next_theme(self) -> None: ...
    def leave(self) -> None: ...


class Action(NamedTuple):
    """`keys` are Textual's names, `shown` is how the key is written for a person.

    `footer` is its word in the footer ('' keeps it out), `back_of` the action whose opposite this is.
    """

    name: str
    keys: tuple[str, ...]
    shown: str
    help: str
    group: str
    run: Callable[[Controls], None]
    footer: str = ""
    back_of: str = ""


PANE_KEYS = (
    ("cpu", "f1", "CPU"),
    ("traps", "f2", "Traps"),
    ("stacks", "f3", "Stacks"),
    ("trace", "f4", "Trace"),
    ("console", "f5", "Console"),
    ("processes", "f6", "Processes"),
    ("memory", "f7", "Memory"),
    ("signals", "f8", "Signals"),
    ("ipc", "f9", "IPC"),
    ("source", "f10", "Source"),
)
"""Name, key and label of the panes that can be brought to the front."""


def _step(what: str, direction: int) -> Callable[[Controls], None]:
    return lambda app: app.step(what, direction)


def _pane(name: str) -> Callable[[Controls], None]:
    return lambda app: app.pane(name)


ACTIONS: tuple[Action, ...] = (
    Action(
        "instruction",
        ("i",),
        "i",
        "one instruction on",
        TIME,
        _step("instruction", 1),
        "instruction",
    ),
    Action(
        "instruction_back",
        ("I", "upper_i"),
        "I",
        "one instruction back",
        TIME,
        _step("instruction", -1),
        back_of="instruction",
    ),
    Action(
        "microstep",
        ("m",),
        "m",
        "one microstep on: the next thing that the processor or the kernel does",
        TIME,
        _step("microstep", 1),
        "microstep",
    ),
    Action(
        "microstep_back",
        ("M", "upper_m"),
        "M",
        "one microstep back",
        TIME,
        _step("microstep", -1),
        back_of="microstep",
    ),
    Action(
        "syscall",
        ("s",),
        "s",
        "on to the next begin or end of a system call, of any process",
        TIME,
        _step("syscall", 1),
        "syscall",
    ),
    Action(
        "syscall_back",
        ("S", "upper_s"),
        "S",
        "back to the last begin or end of a system call",
        TIME,
        _step("syscall", -1),
        back_of="syscall",
    ),
    Action("switch", ("t",), "t", "on to the next task switch", TIME, _step("switch", 1), "switch"),
    Action(
        "switch_back",
        ("T", "upper_t"),
        "T",
        "back to the last task switch",
        TIME,
        _step("switch", -1),
        back_of="switch",
    ),
    Action("event", ("full_stop",), ".", "one event on", TIME, _step("event", 1), "event"),
    Action("event_back", ("comma",), ",", "one event back", TIME, _step("event", -1), back_of="event"),
    Action(
        "signal",
        ("n",),
        "n",
        "on to the next thing that happens to a signal: sent, delivered, its handler returns",
        TIME,
        _step("signal", 1),
        "signal",
    ),
    Action(
        "signal_back",
        (
            "N",
            "upper_n",
        ),
        "N",
        "back to the last thing that happened to a signal",
        TIME,
        _step("signal", -1),
        back_of="signal",
    ),
    Action(
        "message",
        ("l",),
        "l",
        "on to the next message on a link: bytes go into a channel or come out of it",
        TIME,
        _step("message", 1),
        "message",
    ),
    Action(
        "message_back",
        (
            "L",
            "upper_l",
        ),
        "L",
        "back to the last message on a link",
        TIME,
        _step("message", -1),
        back_of="message",
    ),
    Action(
        "follow",
        ("right_curly_bracket",),
        "}",
        "follow the message or signal here to where it arrives, in the other process",
        TIME,
        lambda app: app.follow(1),
        "follow",
    ),
    Action(
        "follow_back",
        ("left_curly_bracket",),
        "{",
        "back to where the message or signal here was sent",
        TIME,
        lambda app: app.follow(-1),
        back_of="follow",
    ),
    Action(
        "mark",
        ("right_square_bracket",),
        "]",
        "on to the next mark of the timeline: a new process or program, an end, a signal, a fault, a chapter",
        TIME,
        _step("mark", 1),
        "mark",
    ),
    Action(
        "mark_back",
        ("left_square_bracket",),
        "[",
        "back to the last mark of the timeline",
        TIME,
        _step("mark", -1),
        back_of="mark",
    ),
    Action(
        "search",
        ("slash",),
        "/",
        "search the events: a call, a signal, a text that was written, an address",
        TIME,
        lambda app: app.ask_text(),
        "search",
    ),
    Action(
        "search_on",
        ("greater_than_sign",),
        ">",
        "on to the next event found",
        TIME,
        lambda app: app.search_on(1),
    ),
    Action(
        "search_back",
        ("less_than_sign",),
        "<",
        "back to the event found before",
        TIME,
        lambda app: app.search_on(-1),
        back_of="search_on",
    ),
    Action(
        "origin",
        ("o",),
        "o",
        "on to what next writes to what is chosen: a word, a frame; with nothing chosen, it asks",
        TIME,
        lambda app: app.origin(1),
    ),
    Action(
        "origin_back",
        ("O", "upper_o"),
        "O",
        "who wrote this: back to what last set the word, the register or the frame that is chosen",
        TIME,
        lambda app: app.origin(-1),
        back_of="origin",
    ),
    Action(
        "object",
        ("h",),
        "h",
        "on to the next event of the same object: the one that is chosen (a channel, page, frame, signal,"
        " process, call), or what the event here is about",
        TIME,
        lambda app: app.step_object(1),
    ),
    Action(
        "object_back",
        ("H", "upper_h"),
        "H",
        "back to the last event of the same object",
        TIME,
        lambda app: app.step_object(-1),
        back_of="object",
    ),
    Action(
        "continue",
        ("c",),
        "c",
        "run on to the next breakpoint; without one to the end, or until all wait",
        PLAY,
        lambda app: app.run_on(),
        "run",
    ),
    Action(
        "continue_back",
        (
            "C",
            "upper_c",
        ),
        "C",
        "back to the last breakpoint; without one to the start of time",
        PLAY,
        lambda app: app.run_back(),
        back_of="continue",
    ),
    Action(
        "breakpoint",
        ("b",),
        "b",
        "set or clear a breakpoint on what is chosen: code, a system call, a gate, a signal, a process",
        PLAY,
        lambda app: app.break_here(),
        "breakpoint",
    ),
    Action(
        "breakpoints",
        (
            "B",
            "upper_b",
        ),
        "B",
        "the breakpoints; Enter clears one",
        PLAY,
        lambda app: app.list_breakpoints(),
    ),
    Action("play", ("space",), "space", "play, or pause", PLAY, lambda app: app.play(), "play"),
    Action(
        "faster",
        ("plus",),
        "+",
        "play twice as fast, up to 64 times; in the Timeline: zoom in, around the cursor",
        PLAY,
        lambda app: app.change_speed(1),
    ),
    Action(
        "slower",
        ("minus",),
        "-",
        "play half as fast, down to 1/16; in the Timeline: zoom out",
        PLAY,
        lambda app: app.change_speed(-1),
    ),
    Action(
        "usual_speed",
        ("equals_sign",),
        "=",
        "play at the usual speed, four microsteps a second; in the Timeline: everything",
        PLAY,
        lambda app: app.usual_speed(),
    ),
    Action(
        "go_to",
        ("g",),
        "g",
        "go to a place: an event's number, a percentage, start or end, a chapter's title",
        TIME,
        lambda app: app.ask_place(),
        "go to",
    ),
    Action(
        "note",
        ("a",),
        "a",
        "add a note or a chapter here, for whoever comes by",
        TIME,
        lambda app: app.add_note(),
        "note",
    ),
    Action(
        "notes",
        (
            "A",
            "upper_a",
        ),
        "A",
        "the notes and chapters: go to one, change it, delete it",
        TIME,
        lambda app: app.list_notes(),
    ),
    Action(
        "run_next",
        ("p",),
        "p",
        "in Processes: give the processor to the chosen task; in the past, another branch begins",
        PLAY,
        lambda app: app.run_next(),
    ),
    Action(
        "kill",
        ("k",),
        "k",
        "kill: send the signal chosen in Signals, from outside; in the past, another branch begins",
        PLAY,
        lambda app: app.send_signal(),
    ),
    Action(
        "edit",
        ("y",),
        "y",
        "change the register or word that is chosen, or how the next system call ends; in the past, another"
        " branch begins",
        PLAY,
        lambda app: app.edit(),
    ),
    Action(
        "take_over",
        ("u",),
        "u",
        "take over: a recording becomes a live machine here, on a branch; its file stays as it is",
        PLAY,
        lambda app: app.take_over(),
    ),
    Action(
        "branches",
        ("f",),
        "f",
        "futures: the branches that were begun in the past; go to one, compare, name, forget",
        TIME,
        lambda app: app.list_branches(),
    ),
    Action("start", ("home",), "Home", "to the start of time", TIME, lambda app: app.go_start()),
    Action("end", ("end",), "End", "to the end of what has happened so far", TIME, lambda app: app.go_end()),
    *(
        Action(
            f"pane_{name}",
            (key,),
            key.upper(),
            f"{label}: bring it to the front; once more zooms it"
            if name != "console"
            else "Console: bring it to the front; once more gives the guest the keyboard",
            PANES,
            _pane(name),
        )
        for name, key, label in PANE_KEYS
    ),
    Action("panes", ("0",), "0", "the list of panes", PANES, lambda app: app.list_panes(), "panes"),
    Action("view", ("v",), "v", "the pane's next picture", PANES, lambda app: app.next_view(), "picture"),
    Action(
        "zoom",
        ("z",),
        "z",
        "the pane alone on the screen, or with the others again",
        PANES,
        lambda app: app.zoom(),
        "zoom",
    ),
    Action(
        "layout",
        ("w",),
        "w",
        "the next layout: other panes together, by subject",
        PANES,
        lambda app: app.next_layout(1),
        "layout",
    ),
    Action(
        "layout_back",
        ("W", "upper_w"),
        "W",
        "the layout before",
        PANES,
        lambda app: app.next_layout(-1),
        back_of="layout",
    ),
    Action(
        "hide", ("x",), "x", "hide the pane; its F-key brings it back", PANES, lambda app: app.hide_pane()
    ),
    Action("next", ("tab",), "Tab", "to the next pane", PANES, lambda app: app.next_focus(1)),
    Action(
        "previous", ("shift+tab",), "Shift+Tab", "to the pane before", PANES, lambda app: app.next_focus(-1)
    ),
    Action("up", ("up",), "↑", "to what is above, in a pane", PANES, lambda app: app.choose(-1, 0)),
    Action("down", ("down",), "↓", "to what is below", PANES, lambda app: app.choose(1, 0)),
    Action("left", ("left",), "←", "to what is before", PANES, lambda app: app.choose(0, -1)),
    Action("right", ("right",), "→", "to what comes next", PANES, lambda app: app.choose(0, 1)),
    Action("page_up", ("pageup",), "PgUp", "a page up", PANES, lambda app: app.turn_page(-1)),
    Action("page_down", ("pagedown",), "PgDn", "a page down", PANES, lambda app: app.turn_page(1)),
    Action(
        "explain",
        ("enter",),
        "Enter",
        "explain what is chosen; in the Console: give the guest the keyboard",
        PANES,
        lambda app: app.explain(),
        "explain",
    ),
    Action("back", ("escape",), "Esc", "back: close, zoom out, pause", HELP, lambda app: app.back()),
    Action(
        "core",
        ("e",),
        "e",
        "save a core file for a debugger: of a process as it stands here, or one that a program left",
        HELP,
        lambda app: app.ask_core(),
    ),
    Action(
        "save",
        ("r",),
        "r",
        "save the session, as it stands, into a file: all branches and notes",
        HELP,
        lambda app: app.ask_save(),
    ),
    Action("theme", ("d",), "d", "dark or light", HELP, lambda app: app.next_theme()),
    Action("palette", ("colon",), ":", "all commands by name", HELP, lambda app: app.palette(), "commands"),
    Action("help", ("question_mark",), "?", "what the keys do", HELP, lambda app: app.help(), "help"),
    Action("quit", ("q", "ctrl+q"), "q", "leave", HELP, lambda app: app.leave(), "quit"),
)

NUMBERS = {name: signo for signo, name in enumerate(SIGNAL_NAMES)}
BY_NAME = {action.name: action for action in ACTIONS}


def parse_kill(text: str, state: State) -> tuple[int, int] | None:
    """`USR1 A`, `-9 3` or `kill -TERM 3`: the pid and the signal; None if there is no such one."""
    words = text.split()
    if words and words[0].lower() == "kill":
        del words[0]
    if len(words) != 2:
        return None
    name, whom = words[0].removeprefix("-").upper(), words[1]
    signo = NUMBERS.get(name) or NUMBERS.get(f"SIG{name}") or 0
    if name.isascii() and name.isdigit() and 1 <= int(name[:3]) <= SIGRTMAX:
        signo = int(name[:3])
    named = (pid for pid in state.machine.tasks if whom in (str(pid), state.letter(pid)))
    pid = next(named, 0)
    return (pid, signo) if signo and pid else None
