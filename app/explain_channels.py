"""Explanations of channels between processes and of lines of source."""

from __future__ import annotations

from collections.abc import Callable

from app.graph import links
from app.panes.channels import channel_facts, channel_name
from app.panes.moment import Moment

Told = tuple[str, tuple[str, ...]]

ABOUT = {
    "pipe": "A pipe is a buffer in the kernel with an end to write to and an end to read from. Who reads from"
    " an empty one sleeps until somebody writes; who writes to a full one sleeps until somebody reads. Up to"
    " 4096 bytes (PIPE_BUF) written by one call stay together.",
    "tty": "A terminal: what is typed goes through its line discipline, which echoes, edits and turns Ctrl+C"
    " into SIGINT; a reader gets whole lines unless it asked for single keys.",
    "socket": "A socket is one end of a way between processes: what is sent through it waits in the queue of"
    " its peer until that is received. A server gives its socket a name and listens; each connection that it"
    " accepts is a socket of its own. Open files can be passed along with the data.",
    "stream": "What the first program was given from outside this machine: bytes arrive and leave, and no"
    " event tells who is at the other end.",
}
WIDEST = 16


def channel(rest: str, now: Moment) -> Told | None:
    """What a channel is and the answers about it."""
    kind, _, number = rest.partition(":")
    if kind not in ABOUT or not number.isdigit():
        return None
    facts = channel_facts(now, rest, links(now.state))
    if not facts:
        return channel_name(rest), (ABOUT[kind], "", "It is not there any more.")
    return channel_name(rest), (ABOUT[kind], "", *(f"{name:<{WIDEST}}{text}" for name, text in facts))


def line(rest: str, now: Moment) -> Told | None:
    """What a line of source has to do with machine code."""
    number, start, end, name = (*rest.split(":", 3), "", "", "", "")[:4]
    try:
        first, last = int(start, 16), int(end, 16)
    except ValueError:
        return None
    label = now.view.label(first) if now.view is not None else ""
    size = last - first
    return f"{name} line {number}", (
        "The compiler wrote a table of line numbers into the file (DWARF, .debug_line): which addresses the"
        " code of a line has. The processor knows nothing of it.",
        "",
        f"from      {first:08x}  {label}",
        f"to        {last - 1:08x}  {size} byte{'' if size == 1 else 's'}",
    )


TELLERS: dict[str, Callable[[str, Moment], Told | None]] = {"channel": channel, "line": line}
