"""What `int80 play` does: a recorded session on the screen or as text, from where to where, and how fast."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app import branches
from app.history import History
from app.host import complain, exit_code
from app.log import Log
from app.notes import place_named
from app.player import SPEEDS, STEPS, USUAL, Player, Stretch
from app.position import Position
from app.recording import open_engine
from app.session.notes import NotesFile
from app.session.schema import SessionError, one_line
from app.session.store import Session, open_session
from app.state.fold import FoldError

if TYPE_CHECKING:
    from app.engine import Engine

BRANCH_SECONDS = 1.0
"""How long a branch is run again at a time."""
PLACES = "an event from 0 to {}, a percentage, start, end or a chapter's title"
ON_THE_SCREEN = "--from, --until, --loop, --speed and --by are for the screen"


class NotPlayed(Exception):
    """Something that was asked for cannot be; one line for a person."""


@dataclass
class Wish:
    """What the command line asks for; places and speed as they were typed."""

    at: int | None = None
    branch: str | None = None
    breaks: Sequence[str] = ()
    theme: str | None = None
    first: str | None = None
    last: str | None = None
    loop: bool = False
    speed: str | None = None
    by: str | None = None

    @property
    def plays(self) -> bool:
        """Whether time goes by itself from the beginning."""
        return self.loop or self.speed is not None or self.by is not None

    @property
    def needs_screen(self) -> bool:
        return self.plays or self.first is not None or self.last is not None


def play(path: str, text: bool, wish: Wish) -> int:
    """Open a recorded session on the screen, or write its trace."""
    try:
        if text and wish.needs_screen:
            raise NotPlayed(ON_THE_SCREEN)
        player = player_for(wish)
        session = open_session(path)
    except (NotPlayed, SessionError) as error:
        complain(str(error))
        return 2
    with session:
        if wish.at is not None and wish.branch is None and wish.at > len(session.log):
            complain(f"{path}: --at {wish.at}: there are only {len(session.log)} events")
            return 2
        if text and wish.branch is None:
            return _play_text(session, session.log, session.finished)
        try:
            engine = _engine(session, wish)
            player.stretch = stretch(engine, wish)
            engine.go_to_place(player.stretch.first) if wish.at is None else engine.go_to(wish.at)
        except NotPlayed as error:
            complain(str(error))
            return 2
        except Exception as error:  # whatever a foreign file can hold, it is one line
            complain(f"{path}: cannot be played: {error or type(error).__name__}")
            return 2
        if text:
            return _play_text(session, engine.log, engine.finished if engine.finished is not None else -1)
        from app.tui import run_app

        return run_app(engine, theme=wish.theme, keeper=NotesFile(session), player=player, plays=wish.plays)


def _engine(session: Session, wish: Wish) -> Engine:
    """The recording on the branch that was asked for, with its breakpoints, all States folded once."""
    from app.commands import NO_BREAKPOINT

    engine = open_engine(session)
    if wish.branch is not None:
        _go_to_branch(engine, wish.branch, str(session.path))
    if (wrong := engine.set_breakpoints(wish.breaks)) is not None:
        raise NotPlayed(NO_BREAKPOINT.format(wrong))
    engine.history.state_at(engine.length)
    return engine


def _go_to_branch(engine: Engine, name: str, path: str) -> None:
    """Run a branch again, to its end."""
    found = engine.branches.named(name)
    if found is None:
        known = ", ".join(f"{one.number} ({one.name})" for one in engine.branches)
        raise NotPlayed(f"{path}: no branch is called {one_line(name)}: there are {known}")
    branches.go_to(engine, found.number)
    while engine.seeking is not None:
        engine.run(BRANCH_SECONDS)
    if engine.reason:
        raise NotPlayed(f"{path}: {engine.reason}")


def player_for(wish: Wish) -> Player:
    """At the speed that was asked for."""
    player = Player()
    player.by = wish.by or STEPS
    player.speed = USUAL if wish.speed is None else speed_named(wish.speed)
    return player


def speed_named(text: str) -> int:
    """`1/4`, `8`, `8x` or `0.5` as a place in SPEEDS."""
    word = text.strip().lower().removesuffix("x")
    if word in SPEEDS:
        return SPEEDS.index(word)
    try:
        number = float(word)
    except ValueError:
        number = 0.0
    known = [2.0 ** (n - USUAL) for n in range(len(SPEEDS))]
    if number not in known:
        raise NotPlayed(f"--speed {one_line(text)}: there are {', '.join(SPEEDS[:-1])} and {SPEEDS[-1]}")
    return known.index(number)


def stretch(engine: Engine, wish: Wish) -> Stretch:
    """From where to where it is played."""
    first = _place(engine, "--from", wish.first if wish.first is not None else "start")
    last = _place(engine, "--until", wish.last if wish.last is not None else "end")
    if (wish.first is not None or wish.last is not None) and not first.before(last):
        raise NotPlayed(f"nothing lies between --from (event {first.seq}) and --until (event {last.seq})")
    return Stretch(first, last, wish.loop)


def _place(engine: Engine, option: str, text: str) -> Position:
    place = place_named(text, engine.log, engine.notes_here)
    if place is None:
        raise NotPlayed(f"{option} {one_line(text)}: no such place; {PLACES.format(engine.length)}")
    return place


def _play_text(session: Session, log: Log, finished: int | None) -> int:
    from app.tracing import Tracer

    out = io.StringIO()
    tracer = Tracer(out, envp=session.start.envp)
    try:
        History(log).state_at(len(log))
    except FoldError as error:
        complain(f"{session.path}: {error}")
        return 2
    for tick, pid, event in log.rows():
        tracer.sink(tick, pid, event)
        if out.tell() > 1 << 16:
            sys.stdout.write(out.getvalue())
            out.seek(0)
            out.truncate()
    tracer.close()
    sys.stdout.write(out.getvalue())
    sys.stdout.flush()
    if finished is None:
        complain(f"{session.path}: the recording was cut off after event {len(log)}")
        return 0
    return exit_code(finished) if finished >= 0 else 0
