"""What the screen remembers from one run to the next: layouts, hidden panes, the theme. One small JSON file.

It lies in the user's state directory (XDG Base Directory Specification: $XDG_STATE_HOME, else
~/.local/state). A file that is missing, broken, or not ours to write is no reason to complain: the screen
starts as it does the first time.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

MOST = 16 << 10
"""Bytes of a file that are believed to be ours."""


class Settings(msgspec.Struct):
    """`layouts` is the layout's name by class of terminal; names that are not known are passed over."""

    theme: str = ""
    layouts: dict[str, str] = {}
    hidden: list[str] = []


def settings_file() -> Path | None:
    """Where it is, None if there is no such place."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):
        return Path(state, "int80", "screen.json")
    try:
        return Path.home() / ".local" / "state" / "int80" / "screen.json"
    except RuntimeError:
        return None


def load(path: Path | None) -> Settings:
    """What was remembered; nothing where that cannot be read."""
    try:
        if path is None or not path.is_file() or path.stat().st_size > MOST:
            return Settings()
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except (OSError, ValueError, RecursionError):
        return Settings()


def save(path: Path | None, settings: Settings) -> None:
    """Remember; the old file is replaced as a whole or stays."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".screen")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(settings), indent=1) + b"\n")
            os.replace(name, path)
        except OSError:
            os.unlink(name)
            raise
    except OSError:
        return
