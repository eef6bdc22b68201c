"""A recorded session in the formats of other tools: what `int80 export` does.

One file a format. Each gets the opened session and where to write, and reads the log and what is folded from
it; the pictures run the screen without a terminal. `FORMATS` is the list that the command line shows.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from importlib import import_module
from typing import BinaryIO, NamedTuple

from app.host import OutputFailed, complain
from app.session.schema import SessionError
from app.session.store import Session, open_session
from app.state.fold import FoldError
from app.tracing.output import open_binary

USAGE_ERROR = 2
BROKEN_OUTPUT = 1


class Wish(NamedTuple):
    """What is to be written: positions count events, None is the session's end (or beginning)."""

    at: int | None = None
    """The position of a picture."""
    first: int | None = None
    last: int | None = None
    """Events [first, last) of a stretch."""
    columns: int = 160
    rows: int = 44
    light: bool = False

    def position(self, length: int) -> int:
        return length if self.at is None else min(self.at, length)

    def stretch(self, length: int) -> tuple[int, int]:
        last = length if self.last is None else min(self.last, length)
        return min(self.first or 0, last), last


Write = Callable[[Session, Wish, BinaryIO], None]


class Format(NamedTuple):
    """`module` has the function `write_<name>`; `takes` are the options that mean something to it."""

    name: str
    about: str
    module: str
    takes: frozenset[str] = frozenset()
    binary: bool = False


_STRETCH = frozenset(("from", "until"))
_SCREEN = frozenset(("size", "theme"))
FORMATS = {
    one.name: one
    for one in (
        Format("strace", "the system calls as strace writes them", "text"),
        Format("jsonl", "every event as a line of JSON (--schema tells of what form)", "jsonl", _STRETCH),
        Format("perfetto", "a trace for the Perfetto UI: processes, calls, arrows", "perfetto", binary=True),
        Format("cast", "the screen, event by event, for asciinema (v3)", "cast", _STRETCH | _SCREEN),
        Format("svg", "the screen at one position", "pictures", _SCREEN | {"at"}),
        Format("dot", "processes and channels at one position, for Graphviz", "graphs", frozenset(("at",))),
        Format("graphml", "the same for yEd, Gephi and networkx", "graphs", frozenset(("at",))),
    )
}


def run_export(path: str, name: str, output: str | None, wish: Wish, given: frozenset[str]) -> int:
    """`int80 export`; its exit status. `given` are the names of the options that somebody wrote."""
    form = FORMATS[name]
    for option in sorted(given - form.takes):
        complain(f"export: --{option} does not go with {name}")
        return USAGE_ERROR
    if output is None and form.binary and sys.stdout.isatty():
        complain(f"export: {name} is not for a terminal; give a file with -o")
        return USAGE_ERROR
    write: Write = getattr(import_module(f"app.export.{form.module}"), f"write_{name}")
    try:
        with open_session(path) as session:
            session.history.state_at(len(session.log))
            try:
                out = sys.stdout.buffer if output is None else open_binary(output)
            except OutputFailed as error:
                complain(str(error))
                return USAGE_ERROR
            try:
                write(session, wish, out)
            finally:
                if output is not None:
                    out.close()
                else:
                    out.flush()
    except SessionError as error:
        complain(str(error))
        return USAGE_ERROR
    except FoldError as error:
        complain(f"{path}: {error}")
        return USAGE_ERROR
    except OutputFailed as error:
        complain(str(error))
        return BROKEN_OUTPUT
    return 0


def text_to(out: BinaryIO) -> io.TextIOWrapper:
    """For text; to be detached when done."""
    return io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="\n", write_through=False)


def run_schema() -> int:
    """`int80 export --schema`."""
    from app.export.jsonl import schema

    sys.stdout.buffer.write(schema())
    sys.stdout.buffer.flush()
    return 0
