"""Layouts: which panes lie where on the board, as data, and the rule that turns one into rectangles.

A layout divides the board over and over, above each other (`above`) or side by side (`beside`). One place in
each is `SPARE`: there lies the pane that was called last and has no place of its own. Hidden panes leave
their room to their neighbours. Which layouts there are goes by the terminal's class of size. What the panes
are and how lines are drawn between them is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from app.panes.frame import Place

SPARE = "*"
WIDE, MEDIUM, SMALL, TINY = "wide", "medium", "small", "tiny"
LEAST_COLUMNS, LEAST_ROWS = 60, 20

Node: TypeAlias = "str | Split"
Share: TypeAlias = "int | float"
"""An int is a number of rows or columns, a float a share of what is left."""


class Split(NamedTuple):
    """Parts of a rectangle, each with its share of it."""

    across: bool
    parts: tuple[tuple[Share, Node], ...]


class Layout(NamedTuple):
    """`spare` is the pane that lies in the spare place as long as no other was called there."""

    name: str
    about: str
    board: Node
    spare: str


def above(*parts: tuple[Share, Node]) -> Split:
    return Split(False, parts)


def beside(*parts: tuple[Share, Node]) -> Split:
    return Split(True, parts)


_BELOW = beside((1.4, "trace"), (1.0, "console"))

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    WIDE: (
        Layout(
            "dispatch",
            "everything at once: the way into the kernel above",
            above(
                (2.3, beside((50, "cpu"), (0.85, "traps"), (1.0, SPARE))),
                (1.0, beside((1.0, "source"), (1.2, "memory"))),
                (0.9, beside((1.0, "ipc"), (1.0, "signals"))),
                (0.8, _BELOW),
            ),
            "stacks",
        ),
        Layout(
            "processes",
            "who there is, what each waits for, what is between them",
            above(
                (1.5, beside((1.6, "processes"), (1.0, SPARE))),
                (1.0, beside((1.0, "ipc"), (1.0, "memory"))),
                (10, _BELOW),
            ),
            "traps",
        ),
        Layout(
            "memory",
            "address spaces, page walks and frames, with the instruction that touches them",
            above(
                (1.8, beside((50, "cpu"), (1.0, "memory"))),
                (1.0, beside((1.0, "source"), (1.2, SPARE))),
                (8, _BELOW),
            ),
            "traps",
        ),
        Layout(
            "signals",
            "masks and pending signals, the handler's frame on the stack",
            above(
                (1.0, beside((1.3, "signals"), (1.0, "processes"))),
                (1.2, beside((50, "cpu"), (0.9, "source"), (1.0, SPARE))),
                (9, _BELOW),
            ),
            "stacks",
        ),
        Layout(
            "channels",
            "pipes: who is at their ends, what is in them",
            above(
                (1.2, beside((1.2, "ipc"), (1.0, "processes"))),
                (1.0, beside((1.0, "source"), (1.2, SPARE))),
                (10, _BELOW),
            ),
            "traps",
        ),
        Layout(
            "source",
            "the program's lines, its registers and its stack",
            above((1.0, beside((1.2, "source"), (50, "cpu"), (1.0, SPARE))), (12, _BELOW)),
            "stacks",
        ),
    ),
    MEDIUM: (
        Layout(
            "dispatch",
            "the way into the kernel above, one pane below",
            above(
                (2.0, beside((48, above((3.0, "cpu"), (1.0, "source"))), (1.0, "traps"))),
                (0.8, SPARE),
                (3, "trace"),
            ),
            "stacks",
        ),
        *(
            Layout(name, about, above((1.5, pane), (1.0, SPARE), (4, "trace")), spare)
            for name, about, pane, spare in (
                ("processes", "who there is and what each waits for", "processes", "ipc"),
                ("memory", "address spaces, page walks and frames", "memory", "source"),
                ("signals", "masks, pending signals, handlers", "signals", "stacks"),
                ("channels", "pipes, their ends and what is in them", "ipc", "processes"),
                ("source", "the program's lines", "source", "stacks"),
            )
        ),
    ),
    SMALL: (Layout("one", "one pane at a time", SPARE, "traps"),),
}
"""The layouts for each class of terminal, the first one to begin with."""


def size_of(width: int, height: int) -> str:
    """Which class a terminal of this size is of; for a tiny one there are no layouts."""
    if width < LEAST_COLUMNS or height < LEAST_ROWS:
        return TINY
    if width >= 160 and height >= 45:
        return WIDE
    return MEDIUM if width >= 100 and height >= 34 else SMALL


def layout_named(size: str, name: str) -> Layout:
    """The layout of that name, or the first one."""
    return next((one for one in LAYOUTS[size] if one.name == name), LAYOUTS[size][0])


def panes_of(node: Node) -> list[str]:
    """The panes in a layout, in reading order, `SPARE` among them."""
    if isinstance(node, str):
        return [node]
    return [name for _, part in node.parts for name in panes_of(part)]


def with_spare(node: Node, name: str) -> Node:
    """The layout with a pane in its spare place."""
    if isinstance(node, str):
        return name if node == SPARE else node
    return Split(node.across, tuple((share, with_spare(part, name)) for share, part in node.parts))


def without(node: Node, hidden: Callable[[str], bool]) -> Node | None:
    """The layout without some of its panes; None if nothing is left."""
    if isinstance(node, str):
        return None if hidden(node) else node
    parts = [(share, kept) for share, part in node.parts if (kept := without(part, hidden)) is not None]
    if len(parts) == 1:
        return parts[0][1]
    return Split(node.across, tuple(parts)) if parts else None


def places(node: Node, x: int, y: int, width: int, height: int) -> dict[str, Place]:
    """Where each pane lies in a rectangle."""
    if isinstance(node, str):
        return {node: Place(x, y, width, height)}
    found: dict[str, Place] = {}
    sizes = divided([share for share, _ in node.parts], width if node.across else height)
    for size, (_, part) in zip(sizes, node.parts, strict=True):
        if node.across:
            found |= places(part, x, y, size, height)
            x += size
        else:
            found |= places(part, x, y, width, size)
            y += size
    return found


def divided(shares: Sequence[Share], room: int) -> list[int]:
    """Whole numbers that fill the room. Where only fixed sizes are left, they become shares of it."""
    fixed = sum(share for share in shares if isinstance(share, int))
    if fixed > room or all(isinstance(share, int) for share in shares):
        shares, fixed = [float(share) for share in shares], 0
    total = sum(share for share in shares if isinstance(share, float))
    left, used, done, sizes = room - fixed, 0, 0.0, []
    for share in shares:
        if isinstance(share, int):
            sizes.append(share)
            continue
        done += share
        end = round(left * done / total)
        sizes.append(end - used)
        used = end
    return sizes
