"""How much of a list one read gives: files of /proc that are made entry by entry (Linux's fs/seq_file.c).

The kernel fills a page with whole entries and gives what is in it, so that a reader of a long list gets it in
pieces however large its buffer is.
"""

from __future__ import annotations

import re
from itertools import pairwise

PAGE = 4096
_MAPPING = re.compile(rb"^[0-9a-f]+-[0-9a-f]+ ", re.MULTILINE)


def piece(text: bytes, pos: int, room: int) -> bytes:
    """What a read of `room` bytes at `pos` gives of a list of mappings.

    It is the rest of the entry that `pos` is in, and the next entries as far as they fit into a page; the
    first of them however long it is.
    """
    ends = [match.start() for match in _MAPPING.finditer(text)][1:] + [len(text)]
    begins = [0, *ends]
    if pos in begins:
        given = b""
    else:
        given = text[pos : next(end for end in ends if end >= pos)][:room] if pos < len(text) else b""
        if pos + len(given) not in begins:
            return given
        pos += len(given)
    left, count = room - len(given), 0
    for begin, end in pairwise(begins):
        if begin >= pos and count < left:
            size = end - begin
            if count and count + size >= PAGE:
                break
            count += size
    return given + text[pos : pos + min(count, left)]
