"""What the console answers to a program that asks: where the cursor is, what kind of terminal it is.

The answer goes in like typed keys, as a recorded input of the tick behind the write that asked: the same
however the run is cut up, and again when it is run again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.state.state import Output
from app.vt.replay import Replay
from kernel.events import TerminalWritten
from kernel.kernel import Input

if TYPE_CHECKING:
    from app.engine import Engine

_QUESTION = re.compile(rb"\x1b(?:\[[?>]?[0-9]{0,4}[cnt]|Z)")
_LONGEST = 8
MOST = 16
"""Questions in one write that are heeded."""
UNREAD = 4096
"""Nothing is answered to who leaves so many bytes unread."""
CONSOLE = 0


class Answers:
    """`sink` sees every new event of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._last = b""
        """The end of what was written before: a question may come in pieces."""
        self._replay: Replay | None = None

    def sink(self, tick: int, _pid: int, event: object) -> None:
        """Behind each event."""
        if type(event) is not TerminalWritten or event.terminal != CONSOLE:
            return
        text = self._last + event.data
        self._last = text[-_LONGEST:]
        at = len(text) - len(event.data)
        ends = [found.end() - at for found in _QUESTION.finditer(text) if found.end() > at]
        if ends and len(self._engine.machine.kernel.tables.terminals[CONSOLE].typed) < UNREAD:
            answer = self._answer(len(event.data), ends[:MOST])
            if answer:
                self._engine.give(Input(tick + 1, "tty", CONSOLE, answer))

    def _answer(self, written: int, ends: list[int]) -> bytes:
        """To questions that end so many bytes into the last `written` ones."""
        history = self._engine.history
        output = history.state_at(len(history.log)).terminals[CONSOLE]
        replay = self._replay = self._replay or Replay()
        answers = []
        for end in ends:
            replay.follow(_until(output, output.total - written + end - 1))
            replay.screen.answer = b""
            answers.append(replay.follow(_until(output, output.total - written + end)).answer)
        return b"".join(answers)


def _until(output: Output, total: int) -> Output:
    """What there was when so many bytes had been written."""
    kept = output.kept[: max(len(output.kept) - (output.total - total), 0)]
    return Output(kept, total, [size for size in output.sizes if size[0] <= total])
