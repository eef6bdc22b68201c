"""Machine code for the tests, written down as an assembler's listing: bytes, then what they say.

The bytes are what runs; no assembler is needed. Where GNU as is installed, `test_listing.py`
assembles the right-hand side again and compares.
"""

from __future__ import annotations

import re

_LINE = re.compile(r"((?:[0-9a-f]{2})+)\s+(\S.*)")
_LABEL = re.compile(r"(\w+):")

listings: list[Code] = []
"""Every listing of the modules imported so far."""


class Code:
    """`data` are the bytes, `labels` the offsets of the labels, `source` what as makes them from."""

    def __init__(self, listing: str) -> None:
        data = bytearray()
        source = []
        self.labels: dict[str, int] = {}
        for line in listing.strip().splitlines():
            text = line.strip()
            if label := _LABEL.fullmatch(text):
                self.labels[label[1]] = len(data)
                source.append(text)
            elif found := _LINE.fullmatch(text):
                data += bytes.fromhex(found[1])
                source.append(found[2])
            else:
                raise ValueError(f"neither a label nor bytes and an instruction: {text!r}")
        self.data = bytes(data)
        self.source = "\n".join(source) + "\n"
        listings.append(self)

    def __len__(self) -> int:
        return len(self.data)

    def at(self, label: str) -> int:
        return self.labels[label]
