"""What each of int80's own programs is there to show, read from the comment at the head of its C.

/*
 * name.c - a line about it.
 *
 * Shows ...            what there is to be learnt
 *
 * Look for: ...        where to look while it runs
 */
"""

from __future__ import annotations

from typing import NamedTuple

from app.resources import programs, source

FIRST = ("hello", "pipe", "spaces", "signal")
"""The ones to begin with; the others follow by name."""
SIGNALS = (
    *(
        "nested",
        "nodefer",
        "eintr",
        "alarm",
        "lostwake",
        "corrupt",
        "recover",
        "altstack",
        "reap",
        "stopcont",
    ),
    *("sigpipe", "rtqueue", "coredump"),
)
"""About signals, one after another; they come last."""
KEYS = {
    "hello": "s goes to the next system call, m takes its way apart, M goes back.",
    "pipe": "l goes from message to message, L back; IPC (F9) draws the pipe, who sleeps and what is in it.",
    "socket": "l goes from message to message; IPC (F9) has the sockets, their peers and what waits in them.",
    "spaces": "] goes to the new process. F7 is Memory: a double line joins what parent and child share;"
    " ↓ → go there, Enter explains the frame. s goes on until one of them writes.",
    "signal": "n goes from signal to signal; Signals (F8) shows who has what pending, blocked and caught.",
    "busy": "t goes to the next task switch; Traps (F2) shows the timer's interrupt that led to it.",
    "nested": "n goes on to the frames; Stacks (F3) shows one below the other, Signals (F8) the masks.",
    "lostwake": "c runs on; then leave and let schedules be tried: int80 trace --schedules 100 lostwake.",
    "corrupt": "c runs on; then leave and let schedules be tried: int80 trace --schedules 50 corrupt.",
    "rtqueue": "n goes from signal to signal; Signals (F8) shows what is pending, and how many of each.",
    "stopcont": "n goes from signal to signal; Processes (F6) shows who is stopped.",
    "reap": "c runs on, then S back to the handler: Processes (F6) shows the zombies.",
    "coredump": "] goes to the fault; e saves a core file of the process as it stands there.",
    "divzero": "] goes to the fault; Traps (F2) shows its way into the kernel.",
}
"""What to press first in a program."""


class Lesson(NamedTuple):
    name: str
    title: str
    shows: str
    look_for: str
    keys: str


def lessons() -> list[Lesson]:
    """One for each program that ships, in the order in which to read them."""
    found = [lesson(name) for name in programs()]
    last = len(FIRST) + 1
    order = {name: n for n, name in enumerate(FIRST)} | {name: last + n for n, name in enumerate(SIGNALS)}
    return sorted(found, key=lambda one: (order.get(one.name, len(FIRST)), one.name))


def lesson(name: str) -> Lesson:
    """What a program shows; empty texts where its source says nothing."""
    path = source(name)
    text = path.read_text(encoding="utf-8") if path is not None else ""
    return parse(name, text)


def parse(name: str, text: str) -> Lesson:
    """The parts of the comment that a source begins with."""
    comment = text.partition("/*")[2].partition("*/")[0]
    lines = [line.strip().removeprefix("*").strip() for line in comment.splitlines()]
    parts = [" ".join(part.split()) for part in "\n".join(lines).split("\n\n")]
    title = next((part.partition(" - ")[2] for part in parts if part.startswith(f"{name}.c - ")), "")
    shows = next((part for part in parts if part.startswith("Shows ")), "")
    look = next((part.partition(": ")[2] for part in parts if part.startswith("Look for: ")), "")
    keys = KEYS.get(name, "s goes to the next system call, m takes its way apart, upper case goes back.")
    return Lesson(name, title, shows, look, keys)
