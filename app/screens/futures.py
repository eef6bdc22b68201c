"""The list of branches, and what can be done with one: go there, compare, name, forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import branches
from app.branches import Branch, Difference, wrong_name
from app.engine import Engine
from app.screens.dialogs import show
from app.screens.popup import Ask, Choose, Item
from app.story import tell_event
from app.units import count

if TYPE_CHECKING:
    from app.branch_keys import BranchKeys

NAMES_SHOWN = 24


def list_branches(app: BranchKeys) -> None:
    """All of them; the chosen one is asked about."""
    known = {str(one.number): one for one in app.engine.branches}
    if len(known) == 1:
        app.say("no branches yet: what you do in the past (a key, k, p, y) begins one")
        return
    items = [Item(number, _line(app.engine, one)) for number, one in known.items()]
    app.push_screen(
        Choose("branches", items), lambda number: ask_branch(app, known[number]) if number in known else None
    )


def _line(engine: Engine, one: Branch) -> str:
    here = "▸" if one is engine.branches.here else " "
    text = f"{here} {one.number:>2} {one.name[:NAMES_SHOWN]:<{NAMES_SHOWN}} {count(one.length):>9} events"
    if one.origin is not None:
        parent = engine.branches.all[one.origin.parent].name
        text += f", leaves {parent[:NAMES_SHOWN]} at {count(one.origin.seq)}"
    return text + (", not run again yet" if one.stored is not None else "")


def ask_branch(app: BranchKeys, one: Branch) -> None:
    """What to do with it."""
    items = [
        Item("go", "go there, where its cursor was left"),
        Item("compare", "compare: the first event in which it differs from where you are"),
        Item("name", "give it a name"),
        Item("forget", "forget it"),
    ]
    if one is app.engine.branches.here:
        items = [Item("go", "stay here"), items[2]]

    def do(what: str | None) -> None:
        if what == "go":
            app.go_to_branch(one.number)
        elif what == "compare":
            compare(app, one)
        elif what == "name":
            ask_name(app, one)
        elif what == "forget":
            why = app.engine.branches.forget(one)
            if not why:
                app.engine.notes.forget_branch(one.number)
            app.say(why or f"{one.name} is forgotten")

    app.push_screen(Choose(one.name, items), do)


def ask_name(app: BranchKeys, one: Branch) -> None:
    def go(text: str | None) -> None:
        if text is not None:
            name = text.strip()
            app.say(app.engine.branches.rename(one, name) or f"branch {one.number} is called {name} now")
            app.paint()

    app.push_screen(
        Ask(f"a name for {one.name}", "what happens there", lambda text: wrong_name(text.strip())), go
    )


def compare(app: BranchKeys, other: Branch) -> None:
    """Say where two branches part, in the words of Story."""
    engine = app.engine
    found = branches.compare(engine, other)
    if found is None:
        app.say(f"{other.name} has not been run again yet: go there first")
        return
    here = engine.branches.here
    if found.here is None and found.there is None:
        lines = [f"All {count(found.seq)} events are the same."]
    else:
        lines = [
            f"The first {count(found.seq)} events are the same. The next one, g {found.seq + 1} goes there:",
            "",
            *_next(here, found, found.here),
            "",
            *_next(other, found, found.there),
        ]
    show(app, f"{here.name} and {other.name}", lines)


def _next(branch: Branch, found: Difference, event: object) -> list[str]:
    if event is None:
        return [f"{branch.name}:", "  it ends there."]
    past = branch.past
    assert past is not None
    return [f"{branch.name}:", f"  {tell_event(event, past.history.state_at(found.seq + 1))}"]
