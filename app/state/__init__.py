"""The model that the screen is drawn from: a fold of the log's events, and nothing else.

`state` is its shape, `fold` how an event changes it, one room per subject beside it. No clock, no machine, no
widget: the same events give the same State, live or from a recording.
"""

from __future__ import annotations

from app.state.fold import FoldError, fold
from app.state.state import State

__all__ = ["FoldError", "State", "fold"]
