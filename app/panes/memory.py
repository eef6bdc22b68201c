"""Memory: address spaces side by side with their frames; one page walk; physical frames with their owners.

Each picture is a file of its own (`memory_spaces`, `memory_walk`, `memory_frames`); here is the pane, which
keeps what was chosen: an address to be walked, a frame to be told about.
"""

from __future__ import annotations

from app.panes import memory_frames, memory_spaces, memory_walk
from app.panes.base import Pane
from app.panes.memory_facts import changes, notice_text
from app.panes.memory_walk import FAULT
from app.panes.moment import Moment
from app.panes.row import Row, Sheet, Span, row

SPACES, WALK, FRAMES = range(3)
VIEWS = ("address spaces", "page walk", "physical frames")


def rows(
    now: Moment, width: int, height: int, view: int = SPACES, address: str = FAULT, frame: int = -1
) -> Sheet:
    """The picture that has its turn. `address` and `frame` are what was chosen in it."""
    if view == WALK:
        return memory_walk.rows(now, width, height, address)
    if view == FRAMES:
        return memory_frames.rows(now, width, height, frame)
    return memory_spaces.rows(now, width, height)


class Memory(Pane):
    """Three pictures of memory; `v` turns them over."""

    label = "Memory"
    key = "F7"
    views = VIEWS

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.address = FAULT
        """Name of the address that is walked, as in `memory_walk.choices`."""
        self.chosen_frame = -1
        """-1: the picture's own choice."""

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        return rows(now, width, height, self.view, self.address, self.chosen_frame)

    def title(self, now: Moment) -> Row:
        found = row(Span(f"Memory: {VIEWS[self.view]}", "title"))
        if self.view == SPACES and self.room()[1] < memory_spaces.ROOM_FOR_NOTICE:
            notice = notice_text(changes(now))
            return (*found, Span(f" · {notice}", "changed")) if notice else found
        return found

    def next_view(self) -> bool:
        """In each picture the choice begins with what it is about."""
        super().next_view()
        now = self.now
        if now is not None and self.view == WALK:
            self._chosen = self.address
        elif now is not None and self.view == FRAMES:
            frame = self.chosen_frame
            if frame < 0:
                frame = memory_frames.default_frame(now, memory_frames.frames_of(now))
            self._chosen = f"frame:{frame:x}"
        self.repaint()
        return True

    # Choosing: an address that is chosen is walked, a frame that is chosen is told about.

    def choose(self, down: int, right: int) -> None:
        if self.view == WALK and down and self._choose_address(down):
            return
        super().choose(down, right)
        self._take(self._chosen)

    def _choose_address(self, down: int) -> bool:
        """The next address of the list, whether in sight or not. False where something else is chosen."""
        now = self.now
        if now is None or not self._chosen.startswith("walk:"):
            return False
        names = [one.subject for one in memory_walk.choices(now)]
        if not names:
            return False
        at = names.index(self.address) if self.address in names else 0
        self._take(names[min(max(at + down, 0), len(names) - 1)])
        return True

    def _take(self, subject: str) -> None:
        kind, _, rest = subject.partition(":")
        if self.view == WALK and kind == "walk" and subject != self.address:
            self.address = self._chosen = subject
            self.repaint()
        elif self.view == FRAMES and kind == "frame" and int(rest, 16) != self.chosen_frame:
            self.chosen_frame = int(rest, 16)
            self.repaint()

    def picked(self, subject: str) -> None:
        self._take(subject)
