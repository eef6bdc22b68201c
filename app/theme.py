"""All colours, by the name of what they mean. Rows name a meaning; here it becomes a look.

Kernel and user have one tint each everywhere, each process one colour for life. Without colour (NO_COLOR)
bold, dim, underline and reverse remain, and the glyphs carry the state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style

if TYPE_CHECKING:
    from textual.theme import Theme

DARK, LIGHT, PLAIN = "int80-dark", "int80-light", "int80-plain"

_BOLD, _DIM, _UNDER, _TURNED = (
    Style(bold=True),
    Style(dim=True),
    Style(underline=True),
    Style(reverse=True),
)

COLOURS: dict[str, dict[str, str]] = {
    DARK: {
        "background": "#15171c",
        "text": "#c9ced8",
        "dim": "#7b8292",
        "rule": "#3b414e",
        "title": "#9aa3b4",
        "soft": "#9aa3b4",
        "focus": "#f0f2f6",
        "mark": "#f0f2f6",
        "user": "#6fb3e0",
        "kernel": "#e3a857",
        "user_ground": "#1a2a38",
        "kernel_ground": "#33281a",
        "good": "#8fbf7f",
        "error": "#ef7a7a",
        "p0": "#8fd18a",
        "p1": "#c39bf0",
        "p2": "#f08fc0",
        "p3": "#5fd0c5",
        "p4": "#d6d670",
        "p5": "#9fb0ff",
        "p6": "#f0a08f",
        "p7": "#b0c4b1",
    },
    LIGHT: {
        "background": "#fbfaf7",
        "text": "#2b2f36",
        "dim": "#6d737e",
        "rule": "#c6c9cf",
        "title": "#5a606b",
        "soft": "#5a606b",
        "focus": "#000000",
        "mark": "#000000",
        "user": "#1668a8",
        "kernel": "#9a5b00",
        "user_ground": "#dcebf7",
        "kernel_ground": "#f8e8cf",
        "good": "#2f7d32",
        "error": "#b3261e",
        "p0": "#2f7d32",
        "p1": "#7b3fc4",
        "p2": "#b3307c",
        "p3": "#00796f",
        "p4": "#77700a",
        "p5": "#3f51c5",
        "p6": "#b1462f",
        "p7": "#4f6b51",
    },
    PLAIN: {},
}

_EXTRA = {
    "bold": _BOLD,
    "changed": _BOLD,
    "mark": _BOLD,
    "focus": _BOLD,
    "title": _BOLD,
    "under": _UNDER,
    "chosen": _TURNED,
    "error": _BOLD,
}
"""What a meaning looks like besides its colour."""
_GROUNDS = {"on_user": "user_ground", "on_kernel": "kernel_ground"}


class Paint:
    """Names of styles into looks, for one theme."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._colours = COLOURS[name]
        self._known: dict[str, Style] = {}
        self._on_text: dict[str, Style] = {}

    def __call__(self, names: str) -> Style:
        known = self._known.get(names)
        if known is None:
            known = self._known[names] = Style.combine(
                [Style(), *(self._one(name) for name in names.split())]
            )
        return known

    def on_text(self, names: str) -> Style:
        """The look on the ground that text stands on."""
        known = self._on_text.get(names)
        if known is None:
            known = self._on_text[names] = self("text") + self(names)
        return known

    def _one(self, name: str) -> Style:
        if name.startswith("#"):
            ink, _, ground = name[1:].partition("/")
            return Style(color=ink or None, bgcolor=ground or None)
        look = _EXTRA.get(name, Style())
        if name == "text" and self._colours:
            return Style(color=self._colours["text"], bgcolor=self._colours["background"])
        if name in _GROUNDS:
            tint = self._colours.get(_GROUNDS[name])
            return Style(bgcolor=tint) if tint else look
        if name == "changed":
            return look + Style(color=self._colours.get("focus"))
        colour = self._colours.get(name)
        if colour:
            return look + Style(color=colour)
        return look + (_DIM if name in ("dim", "rule") else Style())


def themes() -> list[Theme]:
    """The same colours as Textual's themes, for what `int80.tcss` styles."""
    from textual.theme import Theme

    found = []
    for name in (DARK, LIGHT):
        colours = COLOURS[name]
        found.append(
            Theme(
                name=name,
                primary=colours["user"],
                secondary=colours["kernel"],
                accent=colours["focus"],
                foreground=colours["text"],
                background=colours["background"],
                surface=colours["background"],
                panel=colours["background"],
                error=colours["error"],
                success=colours["good"],
                dark=name == DARK,
                variables={"rule": colours["rule"], "dim": colours["dim"]},
            )
        )
    return found
