"""The trace of a session, as `strace -f` writes it."""

from __future__ import annotations

from typing import BinaryIO

from app.export import Wish, text_to
from app.session.store import Session
from app.tracing import Tracer


def write_strace(session: Session, wish: Wish, out: BinaryIO) -> None:
    text = text_to(out)
    tracer = Tracer(text, envp=session.start.envp)
    for tick, pid, event in session.log.rows():
        tracer.sink(tick, pid, event)
    tracer.close()
    text.detach()
