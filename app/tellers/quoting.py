"""Bytes as a sentence quotes them."""

from __future__ import annotations

from app.strace.text import quote

SHOWN = 32
"""Bytes of data that a sentence quotes."""


def data(content: bytes) -> str:
    return quote(content[:SHOWN], more=len(content) > SHOWN)
