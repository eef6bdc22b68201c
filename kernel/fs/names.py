"""Names of files: bytes for a program, text in the tables and events, one for one.

UTF-8 where it is valid. Any other byte b becomes the private character U+F700 + b (b is 0x80 or more); those
characters themselves are taken byte by byte, so that different bytes never become the same text.
"""

from __future__ import annotations

import re

_BASE = 0xF700
_PRIVATE = re.compile("[\uf780-\uf7ff]")


def decode_name(data: bytes) -> str:
    """The text that stands for these bytes."""
    try:
        text = data.decode()
        if text.isascii() or not _PRIVATE.search(text):
            return text
    except UnicodeDecodeError:
        text = data.decode("utf-8", "surrogateescape")
    return "".join(char if _is_plain(char) else _escape(char) for char in text)


def encode_name(text: str) -> bytes:
    """The bytes that `decode_name` made this text of."""
    if text.isascii() or not _PRIVATE.search(text):
        return text.encode("utf-8", "surrogateescape")
    return b"".join(
        bytes((ord(char) - _BASE,)) if _PRIVATE.match(char) else char.encode("utf-8", "surrogateescape")
        for char in text
    )


def _is_plain(char: str) -> bool:
    return not _PRIVATE.match(char) and not 0xDC80 <= ord(char) <= 0xDCFF


def _escape(char: str) -> str:
    return "".join(chr(_BASE + byte) for byte in char.encode("utf-8", "surrogateescape"))
