"""Whom a sentence is about: tasks, address spaces and open files by name."""

from __future__ import annotations

from app.panes.moment import task_name
from app.panes.processes import leads_to
from app.panes.row import text_of
from app.state.state import INIT, State


def who(state: State) -> str:
    """The task that runs."""
    return task(state, state.pid)


def task(state: State, pid: int) -> str:
    """`A (pipe)`: letter and program, or what tasks without a letter are called."""
    if pid == 0:
        return "the idle task"
    found = state.machine.tasks.get(pid)
    name = task_name(state, pid)
    if name == str(pid):
        return f"{found.comm} (pid {pid})" if found is not None and found.comm else f"task {pid}"
    return f"{name} ({found.comm})" if found is not None and found.comm else name


def brief(state: State, pid: int) -> str:
    """The letter alone; a task that is gone keeps it."""
    return "init" if pid == INIT else state.letter(pid) or f"task {pid}"


def listed(names: list[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def in_space(state: State, space: int) -> str:
    """The tasks whose address space this is."""
    found = [brief(state, one.pid) for one in state.machine.tasks.values() if one.space == space]
    return listed(found)


def with_table(state: State, fdtable: int) -> str:
    """The tasks whose descriptors these are."""
    found = [brief(state, one.pid) for one in state.machine.tasks.values() if one.fdtable == fdtable]
    return listed(found)


def open_file(state: State, number: int) -> str:
    """What an open file is: `the read end of pipe 24`, `the console`, `/tmp/x`."""
    file = state.machine.files.get(number)
    if file is None:
        return "an open file"
    what, access = leads_to(state, file)
    if file.kind == "pipe":
        return f"the {what}"
    return f"{what} ({text_of(access).strip()})" if text_of(access).strip() else what


def plural(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
