"""The screen: an engine goes in, panes come out. Keys become engine calls, then the panes are repainted.

Nothing here waits: the engine runs in slices of a few milliseconds between frames, repainting is coalesced
to the frame rate. What the panes show is theirs, which keys there are `app.actions` says, where things lie
`int80.tcss`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TEXTUAL_FPS", "240")  # we keep the frame rate; Textual need not wait as well
os.environ.setdefault(
    "ESCDELAY", "25"
)  # milliseconds; for who types Esc and : in an editor one after the other

from textual import events
from textual.screen import Screen

from app import objects, theme
from app import player as play
from app.actions import BY_NAME, PANE_KEYS
from app.breakpoints import Breakpoint, of_subject
from app.keys import LEAVE, pasted_bytes, terminal_bytes
from app.layouts import LAYOUTS
from app.note_keys import Keeper
from app.objects import Objects
from app.origin import AT_ONCE, Target, target_of
from app.panes.base import Pane, Picked
from app.panes.moment import Moment
from app.player import USUAL, Player
from app.position import Position
from app.screens.main import Main
from app.settings import Settings, load, save, settings_file
from app.taking_over import TakingOver
from app.tellers.people import plural
from app.tellers.tasks import ending
from app.units import duration

if TYPE_CHECKING:
    from app.engine import Engine
    from cpu.registers import Registers

FRAME = 1 / 60
"""Seconds between two paintings at least."""
POLL = 0.1
"""Seconds between two looks at a machine that waits for keys or time."""
IDLE_FRAME = 1.0
"""Seconds between two paintings while nothing but the clock moves."""
YIELD = 0.001
"""Seconds that keys and painting get between two slices."""
FOLLOW_EVERY = 0.5
"""Seconds between two writings of a recording."""
MARKS_KEPT = 4096
BOOT_STEPS = 64
"""Microsteps at most from the first task switch to user mode."""
BROKEN = 70
"""sysexits' EX_SOFTWARE: a bug of ours."""
STEPS = {
    "instruction": "step_instruction",
    "microstep": "step_microstep",
    "syscall": "step_syscall",
    "switch": "step_switch",
    "event": "step_event",
    "signal": "step_signal",
    "message": "step_message",
    "mark": "step_mark",
    "breakpoint": "step_breakpoint",
}
STAYING = ("instruction", "microstep", "event", "follow", "origin")
"""Steps that say themselves when there is nothing more."""


class Int80(TakingOver, inherit_bindings=False):
    """The App. Its methods are what `actions` call."""

    CSS_PATH = "int80.tcss"
    TITLE = "int80"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    AUTO_FOCUS = None

    def __init__(
        self,
        engine: Engine,
        follow: Callable[[], None] | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__()
        self.engine = engine
        self._follow = follow
        """Called now and then: a recording takes what is new."""
        self._followed = 0.0
        self.paint_styles = theme.Paint(theme.PLAIN if self.no_color else theme.DARK)
        self.player = Player()
        self.main = Main()
        self.plays = False
        """Time goes by itself as soon as the machine has come to the program."""
        self.painted = 0
        """Frames so far."""
        self.problem: BaseException | None = None
        self.hint = ""
        """What is said when the program stands at its first instruction."""
        self._paint_due = False
        self._last_paint = 0.0
        self._marks: OrderedDict[Position, Registers | None] = OrderedDict()
        self._wake = asyncio.Event()
        """Set when a wait for keys or time is over."""
        self._text = ""
        """What was searched for last."""
        self._found = ""
        """The same, as long as its places are marked."""
        self._sought: tuple[Target, int] | None = None
        """Whose writer is being searched for, and in which direction."""
        self._object: tuple[Objects, Position] | None = None
        """Whose events are gone through, and where that has led."""
        self._coming: Pane | None = None
        """The pane that gets the focus as soon as it has its place."""
        self._leaving = False
        """ctrl+] was just pressed: the next one is for the guest."""
        for one in theme.themes():
            self.register_theme(one)
        self.use_theme(theme.DARK)
        if settings is not None:
            self.restore(settings)
        self.title = f"int80 {engine.title}"

    def restore(self, settings: Settings) -> None:
        """Begin as the last run ended; what is not known is passed over."""
        self.use_theme(theme.LIGHT if settings.theme == "light" else theme.DARK)
        self.main.chosen.update(settings.layouts)
        self.main.hidden.update(name for name, _, _ in PANE_KEYS if name in settings.hidden)

    @property
    def settings(self) -> Settings:
        """What the next run begins with."""
        return Settings(
            theme="light" if self.theme == theme.LIGHT else "dark",
            layouts={size: name for size, name in sorted(self.main.chosen.items()) if size in LAYOUTS},
            hidden=sorted(self.main.hidden),
        )

    @property
    def paint_theme(self) -> str:
        return self.paint_styles.name

    @property
    def settled(self) -> bool:
        """Whether all there is to be seen has been painted."""
        return self.painted > 1 and not self._paint_due and not self.main.reframing

    def get_default_screen(self) -> Screen[Any]:
        return self.main

    # Painting.

    def moment(self) -> Moment:
        """What is to be seen now."""
        engine = self.engine
        cursor = engine.cursor
        return Moment(
            state=engine.state,
            view=engine.view,
            cursor=cursor,
            event=engine.event,
            before=self._marks.get(cursor),
            log=engine.log,
            length=engine.length,
            title=engine.title,
            status=engine.status,
            playing=self.player.text,
            speed=self.player.speed_text if self.player.speed != USUAL else "",
            breakpoints=tuple(engine.breakpoints),
            branch=engine.branches.here.name if len(engine.branches) > 1 else "",
            notes=engine.notes_here,
            search=self._found,
        )

    def paint(self) -> None:
        """Show where the engine is, now or when the frame is over."""
        if self._paint_due:
            return
        wait = self._last_paint + FRAME - time.monotonic()
        if wait <= 0:
            self._paint_now()
        else:
            self._paint_due = True
            self.set_timer(wait, self._paint_now)

    def _paint_now(self) -> None:
        self._paint_due = False
        if not self.main.is_attached:
            return
        self.painted += 1
        if self.painted == 1:
            self.main.paint_frame(self.engine.title)
            self.call_after_refresh(self._begin)
            return
        with self.guard():
            now = self.moment()
        if self.problem is None:
            self.engine.window = self.main.console.window or self.engine.window
            self.main.paint(now)
            self._record()
        self._last_paint = time.monotonic()

    def _begin(self) -> None:
        """The empty screen is there: now the machine may take its time to come to the program."""
        with self.guard():
            to_program(self.engine)
        self.paint()
        if self.plays and self.problem is None:
            self._start()
        if self.hint:
            from app.screens import dialogs

            dialogs.show_hint(self, self.hint)
        if not gc.isenabled():
            self.call_later(settle_memory)

    def _record(self) -> None:
        """Let a recording take what is new. One that cannot be written goes on without it, and says so."""
        if self._follow is None or time.monotonic() - self._followed < FOLLOW_EVERY:
            return
        self._followed = time.monotonic()
        try:
            self._follow()
        except Exception as error:
            self._follow = None
            self.say(f"recording ends: {error}")

    def guard(self) -> Guard:
        """Around whatever the engine does: a bug there ends the program with its name."""
        return Guard(self)

    def say(self, text: str) -> None:
        """A short notice in the footer, until the next key."""
        if text != self.main.notice:
            self.main.notice = text
            self.main.paint_footer()

    # Keys.

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key) and self.typing and not event.is_forwarded:
            self._key_for_guest(event)
            return
        if isinstance(event, events.Paste) and self.typing and not event.is_forwarded:
            self._to_guest(pasted_bytes(event.text, self.main.console.asks_for_brackets))
            return
        await super().on_event(event)

    def action_do(self, name: str) -> None:
        self.say("")
        BY_NAME[name].run(self)

    def on_picked(self, message: Picked) -> None:
        """A click or Enter on something with a name."""
        kind, _, rest = message.subject.partition(":")
        if kind == "action":
            self.action_do(rest)
        elif kind == "pane":
            self.pane(rest)
        elif kind == "goto":
            self.go_to(int(rest))
        else:
            self._explain(message.subject)

    # The guest's keyboard.

    @property
    def typing(self) -> bool:
        return self.main.console.typing and self.screen is self.main

    def give_keys(self, on: bool) -> None:
        """Whether all keys go to the guest."""
        console = self.main.console
        engine = self.engine
        if on and not engine.live:
            self.say("a recording takes no keys: u takes over")
            return
        if on and engine.status == "live":
            engine.go_end()
        if on and (why := engine.why_not_here()):
            self.say(why)
            return
        console.typing = on
        self._leaving = False
        if on and engine.status == "past":
            self._stop()
            ahead = plural(engine.length - engine.cursor.seq, "event")
            self.say(f"the first key begins another future here: {ahead} stay on {engine.branches.here.name}")
        elif on:
            self._start(full=True)
        self.main.paint_footer()
        self.paint()
        console.repaint()

    def forget_marks(self) -> None:
        """Where the cursor has been belongs to another branch."""
        self._marks.clear()

    def start_search(self) -> None:
        """Let time go by until the engine has found what it looks for."""
        self._start(full=True, seeking=True)

    def _key_for_guest(self, event: events.Key) -> None:
        if event.key == LEAVE:
            if self._leaving:
                self._leaving = False
                self._to_guest(terminal_bytes(event.key, None))
            else:
                self._leaving = True
                self.set_timer(0.4, self._leave_console)
            return
        if self._leaving:
            self._leave_console()
            return
        application = self.main.console.wants_application_keys
        self._to_guest(terminal_bytes(event.key, event.character, application))

    def _leave_console(self) -> None:
        if self._leaving:
            self.give_keys(False)

    def _to_guest(self, data: bytes) -> None:
        if not data:
            return
        before = self.engine.branches.here
        with self.guard():
            why = self.engine.type_keys(data)
            self.say(why or (self.begun() if self.engine.branches.here is not before else ""))
            if not why:
                self._start(full=True)

    # Time.

    def step(self, what: str, direction: int) -> None:
        """One step of a kind, forwards or backwards."""
        self._move(getattr(self.engine, STEPS[what]), direction, what)

    def _move(self, method: Callable[[int], bool], direction: int, what: str) -> None:
        self._stop()
        self._sought = None
        engine = self.engine
        with self.guard():
            before = self.moment().regs if direction > 0 else None
        here = engine.cursor
        with self.guard():
            moved = method(direction)
        if self.problem is not None:
            return
        if direction > 0 and engine.cursor != here:
            self._mark(engine.cursor, before)
        if engine.seeking is not None:
            self._start(seeking=True)
        elif not moved:
            self.say(self._edge(direction))
        elif what not in STAYING and not engine.found:
            self.say(f"no further {what}: {self._edge(direction)}")
        self.paint()

    def _mark(self, cursor: Position, before: Registers | None) -> None:
        """Remember against what the registers at a position are compared: coming back shows the same."""
        self._marks[cursor] = before
        self._marks.move_to_end(cursor)
        if len(self._marks) > MARKS_KEPT:
            self._marks.popitem(last=False)

    def _edge(self, direction: int) -> str:
        if direction < 0:
            return "this is the start of time"
        halted = self.engine.state.halted
        if halted >= 0:
            return f"this is the end of time: the program {ending(halted)}"
        if not self.engine.live:
            return "the recording ends here"
        return "all sleep: F5 twice gives the guest the keyboard, c waits with it"

    def _go(self, how: Callable[[], None]) -> None:
        self._stop()
        with self.guard():
            how()
        self.paint()

    def go_to(self, seq: int) -> None:
        """To where `seq` events have happened."""
        self._go(lambda: self.engine.go_to(seq))

    def go_to_place(self, place: Position) -> None:
        self._go(lambda: self.engine.go_to_place(place))

    def go_start(self) -> None:
        if self.engine.at_start:
            self.say(self._edge(-1))
        self._go(self.engine.go_start)

    def go_end(self) -> None:
        if self.engine.at_end:
            self.say(self._edge(1))
        self._go(self.engine.go_end)

    def play(self) -> None:
        if self.player.on:
            self._stop()
            self.paint()
        else:
            self._start()

    def run_on(self) -> None:
        """To the next breakpoint, else to the end, as fast as the machine goes."""
        if self.engine.breakpoints:
            self.step("breakpoint", 1)
            return
        self._go(self.engine.go_end)
        if self.engine.state.halted >= 0 or not self.engine.live:
            self.say(self._edge(1))
        else:
            self._start(full=True)

    def run_back(self) -> None:
        if self.engine.breakpoints:
            self.step("breakpoint", -1)
        else:
            self.go_start()

    def follow(self, direction: int) -> None:
        """To the other end of the message at the cursor."""
        self._move(self.engine.step_follow, direction, "follow")
        if self.engine.reason:
            self.say(self.engine.reason)

    def step_object(self, direction: int) -> None:
        """To the next or last event of the object that is chosen, or of the one that the event is about."""
        engine, pane = self.engine, self.focused_pane()
        subject = pane.chosen_subject() if pane is not None else ""
        what = objects.of_subject(subject, engine.state)
        if what is None and self._object is not None and self._object[1] == engine.cursor:
            what = self._object[0]
        what = what or objects.of_event(engine.event, engine.state)
        if what is None:
            self.say("nothing is chosen, and the event here is about no object")
            return
        self._move(lambda way: engine.step_object(what, way), direction, what.text)
        self._object = what, engine.cursor
        if engine.found:
            self.say(f"{what.text}: {type(engine.event).__name__}")

    def origin(self, direction: int) -> None:
        """Who wrote what is chosen, or writes it next; a question where nothing is that can be written."""
        from app.screens import dialogs

        pane, view = self.focused_pane(), self.moment().view
        subject = pane.chosen_subject() if pane is not None else ""
        target = target_of(subject, view, self.engine.state.machine.current) if view is not None else None
        if view is None:
            self.say(self.engine.broken or "there is no machine to look into here")
        elif target is None:
            dialogs.ask_target(self, direction)
        else:
            self.find_origin(target, direction)

    def find_origin(self, target: Target, direction: int) -> None:
        if target.register and direction > 0:
            self.say("a register is followed back only: O")
            return
        self._move(lambda way: self.engine.step_origin(target, way), direction, "origin")
        self._sought = target, direction
        if self.engine.seeking is None:
            self._say_origin()

    def _say_origin(self) -> None:
        """What the search for a writer came to."""
        if self._sought is None:
            return
        (target, direction), self._sought = self._sought, None
        when = "writes to it any more" if direction > 0 else "wrote to it before"
        near = f", in the last {duration(AT_ONCE[-1])} in this ring" if target.register else ""
        self.say(self.engine.reason or f"{target.name}: nothing {when}{near}")

    def search(self, text: str, direction: int = 1) -> None:
        """To the next event with these words, or the last one."""
        self._text = self._found = text
        self._move(lambda way: self.engine.search(text, way), direction, f'"{text}"')

    def search_on(self, direction: int) -> None:
        if self._text:
            self.search(self._text, direction)
        else:
            self.ask_text()

    def toggle_breakpoint(self, point: Breakpoint) -> None:
        if self.engine.toggle_breakpoint(point):
            self.say(f"breakpoint on {point.text}: c and C go there, B lists them")
        else:
            self.say(f"no breakpoint on {point.text} any more")
        self.paint()

    def break_here(self) -> None:
        """On what is chosen in the focused pane; a question where nothing is."""
        pane = self.focused_pane()
        subject = pane.chosen_subject() if pane is not None else ""
        point = of_subject(subject)
        view = self.moment().view
        if subject.startswith("word:") and view is not None:
            target = target_of(subject, view, 0)
            point = Breakpoint("write", target.start, target.name) if target is not None else None
        if point is not None:
            self.toggle_breakpoint(point)
        else:
            self.ask_breakpoint()

    def change_speed(self, direction: int) -> None:
        """Of playing; in the Timeline how much of it is in sight."""
        if self.main.focused is self.main.timeline:
            self.say(self.main.timeline.zoom_by(direction))
            return
        self.player.change(direction)
        self.say(f"speed: {self.player.speed_text}")
        self.paint()

    def usual_speed(self) -> None:
        if self.main.focused is self.main.timeline:
            self.say(self.main.timeline.zoom_by(-self.main.timeline.zoom))
            return
        self.player.usual()
        self.say(f"speed: {self.player.speed_text}")
        self.paint()

    def _start(self, full: bool = False, seeking: bool = False) -> None:
        running = self.player.on
        self.player.start(full, seeking)
        self._wake.set()
        if not running:
            self.run_worker(self._run(), exclusive=True, group="player")

    def _stop(self) -> None:
        self.player.stop()
        self._wake.set()
        self.engine.seeking = None

    async def _run(self) -> None:
        """While time goes by itself: a slice, what the keyboard wants, a slice, a frame now and then."""
        player, last = self.player, time.monotonic()
        while player.on:
            now = time.monotonic()
            before = self.engine.cursor
            regs = self.moment().regs if not player.full else None
            with self.guard():
                outcome = player.frame(self.engine, now - last)
            if self.problem is not None:
                return
            last = now
            if not player.full and self.engine.cursor != before:
                self._mark(self.engine.cursor, regs)
            if outcome == play.FINISHED:
                self._stop()
                if self._sought is not None:
                    self._say_origin()
                elif not player.found:
                    self.say(self._played())
            idle = outcome == play.WAITING and self.engine.cursor.seq == before.seq
            if not idle or now - self._last_paint > IDLE_FRAME:
                self.paint()
            if outcome == play.WAITING:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL)
            else:
                await asyncio.sleep(YIELD if player.full else FRAME)
        self.paint()

    def _played(self) -> str:
        """Why it plays no further."""
        if self.player.at_last(self.engine.cursor) and not self.engine.at_end:
            return "it plays to here, --until says: g and all steps go on"
        return self._edge(-1 if self.engine.at_start else 1)

    def back(self) -> None:
        if self.player.on:
            self._stop()
            self.paint()
        elif self.main.zoomed:
            self.zoom()
        elif self.main.focused is not None:
            self.main.set_focus(None)
            self.paint()
        elif self._found:
            self.say(f'the marks of "{self._found}" are gone; > and < still go to it')
            self._found = ""
            self.paint()
        else:
            self.say("nothing is open; q leaves")

    # What opens for a moment (loaded when it does).

    def _explain(self, subject: str) -> None:
        from app.screens import dialogs

        with self.guard():
            dialogs.explain(self, subject)

    def ask_place(self) -> None:
        from app.screens import dialogs

        dialogs.ask_place(self)

    def ask_text(self) -> None:
        from app.screens import dialogs

        dialogs.ask_text(self, self._text)

    def ask_breakpoint(self) -> None:
        from app.screens import dialogs

        dialogs.ask_breakpoint(self)

    def list_breakpoints(self) -> None:
        from app.screens import dialogs

        dialogs.list_breakpoints(self)

    def ask_core(self) -> None:
        from app.screens import dialogs

        with self.guard():
            dialogs.ask_core(self)

    def list_panes(self) -> None:
        from app.screens import dialogs

        dialogs.list_panes(self)

    def palette(self) -> None:
        from app.screens import dialogs

        dialogs.palette(self)

    def help(self) -> None:
        from app.screens import dialogs

        dialogs.show_help(self)

    def next_theme(self) -> None:
        if self.no_color:
            self.say("NO_COLOR is set")
            return
        self.use_theme(theme.LIGHT if self.theme == theme.DARK else theme.DARK)
        self.paint()

    def use_theme(self, name: str) -> None:
        """Dark or light; without colour both are plain."""
        self.theme = name
        if not self.no_color:
            self.paint_styles = theme.Paint(name)


def to_program(engine: Engine) -> None:
    """From power on to the first program's first instruction: where somebody wants to begin."""
    if not engine.at_start or (engine.live and engine.length):
        return
    engine.step_switch(1)
    for _ in range(BOOT_STEPS):
        if engine.seeking is not None or engine.view is None or engine.view.regs.cpl == 3:
            return
        engine.step_microstep(1)


class Guard:
    """A with-block around the engine."""

    def __init__(self, app: Int80) -> None:
        self.app = app

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        self.app.problem = error
        self.app.player.stop()
        self.app.exit(BROKEN, return_code=BROKEN)
        return True


def run_app(
    engine: Engine,
    follow: Callable[[], None] | None = None,
    theme: str | None = None,
    hint: str = "",
    keeper: Keeper | None = None,
    player: Player | None = None,
    plays: bool = False,
) -> int:
    """The screen until somebody leaves; the exit status. `follow` is called now and then.

    `theme` is the one that was asked for, None for the one remembered; `hint` is opened at the beginning,
    `keeper` gets the notes, `player` knows how fast and how far it is played; `plays`: from the beginning.
    """
    path = settings_file()
    remembered = load(path)
    if theme:
        remembered.theme = theme
    app = Int80(engine, follow, remembered)
    app.hint = hint
    app.keeper = keeper
    app.player = player or app.player
    app.plays = plays
    begun = app.settings
    status = app.run()
    if theme or app.settings != begun:
        save(path, app.settings)
    gc.enable()
    if app.not_kept:
        sys.stderr.write(f"int80: {app.not_kept}\n")
    if app.problem is not None:
        problem = app.problem
        sys.stderr.write(f"int80: the machine stopped: {type(problem).__name__}: {problem}\n")
        if os.environ.get("INT80_DEBUG"):
            raise problem
        return BROKEN
    return status or 0


def settle_memory() -> None:
    """What is loaded by now stays: the garbage collector need not look at it again (45 ms each time)."""
    gc.freeze()
    gc.enable()
