"""Where in the log the words are that were searched for: what Timeline marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.finding import searcher

if TYPE_CHECKING:
    from app.log import Log

AT_ONCE = 1500
"""Events read for one frame: their texts cost about 10 us each."""
MOST = 10_000
"""Results that are kept: a text that is in more events than that says little by its places."""


class Results:
    """The events of a log that have a text, as far as it has been read."""

    def __init__(self) -> None:
        self.text = ""
        self.places: list[int] = []
        """Where the cursor is when such an event is the last that happened; ascending."""
        self._log: Log | None = None
        self._seen = 0

    @property
    def full(self) -> bool:
        return len(self.places) >= MOST

    def follow(self, log: Log, text: str) -> bool:
        """Read on; False while there is more."""
        if log is not self._log or text != self.text:
            self.text, self._log = text, log
            self.places, self._seen = [], 0
        if not text or self.full:
            return True
        wanted = searcher(text)
        stop = min(len(log), self._seen + AT_ONCE)
        for _tick, _pid, event in log.rows(self._seen, stop):
            self._seen += 1
            if wanted(event):
                self.places.append(self._seen)
                if self.full:
                    return True
        return self._seen == len(log)
