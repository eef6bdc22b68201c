"""What opens for a moment: explanations, the question where to go, lists of panes and commands, the keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.actions import ACTIONS, GROUPS, PANE_KEYS, parse_kill
from app.breakpoints import Breakpoint, parse
from app.core_file import Core, NotSaved, why_not
from app.edits import HINT, VALUE_HINT, Edit, parse_edit
from app.explain import explain as explanation
from app.notes import CHAPTER, place_named
from app.origin import Target, named
from app.panes.moment import task_name
from app.panes.row import wrapped
from app.panes.signal_life import DEFAULTS
from app.screens.popup import Ask, Choose, Item, Text
from app.units import count
from kernel.abi.signal import DEFAULT_ACTIONS, SIGRTMAX, signal_name

if TYPE_CHECKING:
    from app.branch_keys import BranchKeys
    from app.by_hand import ByHand
    from app.saving import Saving
    from app.tui import Int80


HELP_WIDTH = 56


def show(app: BranchKeys, title: str, lines: Sequence[str], what: str = "") -> None:
    """A text to read. A key that does something does it, and closes the text; that of `what` only closes."""

    def go_on(name: str | None) -> None:
        if name and name != what:
            app.action_do(name)

    app.push_screen(Text(title, lines, {key: one.name for one in ACTIONS for key in one.keys}), go_on)


def explain(app: Int80, subject: str) -> None:
    """Say what a register, a gate, an errno is."""
    found = explanation(subject, app.moment())
    if found is not None:
        show(app, found.title, found.lines)
    else:
        app.say(f"nothing more is known of {subject.partition(':')[2] or subject} here")


def ask_place(app: Int80) -> None:
    """Where to go in time."""
    engine = app.engine
    chapters = ", a chapter's title" if any(one.kind == CHAPTER for one in engine.notes_here) else ""
    known = f"event 0 to {count(engine.length)}, 50%, start or end{chapters}"

    def check(text: str) -> str:
        wrong = f"an event from 0 to {count(engine.length)}, a percentage, start or end{chapters}"
        return "" if place_named(text, engine.log, engine.notes_here) is not None else wrong

    def go(text: str | None) -> None:
        place = place_named(text, engine.log, engine.notes_here) if text is not None else None
        if place is not None:
            app.go_to_place(place)

    app.push_screen(Ask("go to", known, check), go)


def ask_text(app: Int80, before: str) -> None:
    """What to search for in the events."""
    hint = "a call, SIGCHLD, a text that was written, page copied, 0804a000; then > on, < back"

    def check(text: str) -> str:
        return "" if text.strip() or before else hint

    def go(text: str | None) -> None:
        if text is not None:
            app.search(text.strip() or before)

    app.push_screen(Ask(f"search ({before})" if before else "search", hint, check), go)


def ask_breakpoint(app: Int80) -> None:
    """Where to stop, in words."""
    hint = "a system call (read, read error), SIGCHLD, ENOENT, vector 14, a function, hello.c:12, 0804901b"

    def parsed(text: str) -> Breakpoint | None:
        view = app.moment().view
        if view is None:
            return parse(text, ())

        def place(name: str) -> int:
            found = named(name, view, 0)
            return found.start if found is not None and not found.register else -1

        return parse(text, view.all_symbols(), place, view.line_address)

    def go(text: str | None) -> None:
        point = parsed(text) if text is not None else None
        if point is not None:
            app.toggle_breakpoint(point)

    app.push_screen(Ask("breakpoint", hint, _checked(parsed, hint)), go)


def _checked(
    parsed: Callable[[str], object | None], hint: str, wrong: str = "nothing is called {}"
) -> Callable[[str], str]:
    """For `Ask`: what is wrong with what was typed, and what would not be."""

    def check(text: str) -> str:
        name = text.strip()
        if parsed(text) is not None:
            return ""
        return f"{wrong.format(name if len(name) < 24 else name[:23] + '…')}: {hint}" if name else hint

    return check


def ask_target(app: Int80, direction: int) -> None:
    """Whose writer is looked for."""
    hint = "an address like 0804b000, a variable's name, frame 0x11e" + (
        ", a register" if direction < 0 else ""
    )

    def parsed(text: str) -> Target | None:
        view = app.moment().view
        return named(text, view, app.engine.state.machine.current) if view is not None else None

    def go(text: str | None) -> None:
        target = parsed(text) if text is not None else None
        if target is not None:
            app.find_origin(target, direction)

    title = "who wrote" if direction < 0 else "who writes next to"

    app.push_screen(Ask(title, hint, _checked(parsed, hint)), go)


def list_breakpoints(app: Int80) -> None:
    """All breakpoints; the chosen one is cleared."""
    known = {str(n): point for n, point in enumerate(app.engine.breakpoints)}
    if not known:
        app.say("no breakpoints: b sets one on what is chosen in a pane")
        return
    items = [Item(name, point.text) for name, point in known.items()]
    app.push_screen(
        Choose("breakpoints: Enter clears", items),
        lambda name: app.toggle_breakpoint(known[name]) if name in known else None,
    )


def ask_core(app: Int80) -> None:
    """A core file for a debugger: of which process, and into which file."""
    now = app.engine.view
    found = now.cores() if now is not None else []
    if now is None or not found:
        app.say(app.engine.broken or "no process is there, and none has left a core file")
        return
    known = {str(n): core for n, core in enumerate(found)}
    items = [Item(name, core.text) for name, core in known.items()]

    def save(core: Core, text: str | None) -> None:
        if text is None:
            return
        try:
            size = now.save_core(core, os.path.expanduser(text.strip()))
        except NotSaved as error:
            app.say(str(error))
        else:
            app.say(f"saved: {text.strip()}, {count(size)} bytes; gdb PROGRAM {text.strip()} opens it")

    def ask(name: str | None) -> None:
        if name in known:
            hint = f"the name of a new file on your computer: {known[name].text}"
            question = Ask("save a core file", hint, lambda text: why_not(os.path.expanduser(text.strip())))
            app.push_screen(question, lambda text: save(known[name], text))

    app.push_screen(Choose("a core file of", items), ask)


def ask_save(app: Saving) -> None:
    """Into which file the session goes."""

    def path(text: str) -> str:
        return os.path.expanduser(text.strip())

    hint = "the name of a new file on your computer; int80 play opens it"
    question = Ask("save the session", hint, lambda text: why_not(path(text)))
    app.push_screen(question, lambda text: app.save_session(path(text)) if text is not None else None)


def ask_signal(app: ByHand, pid: int) -> None:
    """Which signal to send to a process."""
    whom = task_name(app.engine.state, pid)
    items = [
        Item(str(signo), f"{signo:>2} {signal_name(signo):<10} by default {DEFAULTS[DEFAULT_ACTIONS[signo]]}")
        for signo in range(1, SIGRTMAX + 1)
    ]
    app.push_screen(
        Choose(f"send to {whom}, from outside", items),
        lambda name: app.kill(pid, int(name)) if name else None,
    )


def ask_kill(app: ByHand) -> None:
    """Which signal, and to whom, in words."""
    hint = "a signal and a process: USR1 A, SIGTERM 3, 35 B; as kill sends it, from outside"
    state = app.engine.state

    def check(text: str) -> str:
        return "" if parse_kill(text, state) is not None else hint

    def go(text: str | None) -> None:
        found = parse_kill(text, state) if text is not None else None
        if found is not None:
            app.kill(*found)

    app.push_screen(Ask("kill", hint, check), go)


def ask_edit(app: ByHand, what: str = "", now: str = "") -> None:
    """What to change, in words; with `what`, a register or an address, only to which value."""
    state = app.engine.state

    def parsed(text: str) -> Edit | None:
        view = app.engine.view
        words = f"{what} = {text}" if what else text
        return parse_edit(words, state, view.all_symbols()) if view is not None else None

    def go(text: str | None) -> None:
        found = parsed(text) if text is not None else None
        if found is not None:
            app.change(found)

    whose = task_name(state, state.machine.current)
    title = f"{what} of {whose}, now {now}" if what else f"change, in {whose}"
    hint = VALUE_HINT if what else HINT
    app.push_screen(Ask(title, hint, _checked(parsed, hint, "that cannot be done")), go)


def list_panes(app: Int80) -> None:
    """All panes; the chosen one comes to the front."""
    items = [Item(name, f"{key.upper():<4} {label}") for name, key, label in PANE_KEYS]
    items.append(Item("timeline", f"{'Tab':<4} Timeline: + and - zoom, arrows move, a click goes there"))
    app.push_screen(Choose("panes", items), lambda name: app.pane(name) if name else None)


def palette(app: Int80) -> None:
    """All that can be done, by name."""
    items = [Item(one.name, f"{one.shown:<10} {one.help}") for one in ACTIONS]
    app.push_screen(Choose("commands", items), lambda name: app.action_do(name) if name else None)


def help_lines() -> list[str]:
    """Every key and what it does."""
    lines = ["Lower case goes forwards in time, the same letter in upper case backwards.", ""]
    for group in GROUPS:
        known = [one for one in ACTIONS if one.group == group and one.shown]
        lines.append(group)
        for one in known:
            first, *more = wrapped(one.help, HELP_WIDTH)
            lines += [f"  {one.shown:<10} {first}", *(f"{'':<13}{part}" for part in more)]
        lines.append("")
    return [
        *lines,
        "In the Console, while it has the keyboard, every key goes to the guest;",
        "ctrl+] takes the keyboard back, twice sends it. In the past the first key",
        "begins another future, a branch: f lists them, what you left is among them.",
    ]


def show_hint(app: Int80, text: str) -> None:
    """What to try first."""
    show(app, f"{app.engine.title}: what to press", [text, "", "? lists all keys, q leaves."])


def show_help(app: Int80) -> None:
    show(app, "keys", help_lines(), "help")
