"""Processes: the tree, what each one does or waits for, and all about the one that is chosen.

The tree is told by events, credentials and groups are read from the machine. What an address space looks
like, the signals and what is inside a pipe have panes of their own.
"""

from __future__ import annotations

from typing import NamedTuple

from app.event_files import what_it_is
from app.panes.bars import RUNNING, STATES
from app.panes.base import Pane
from app.panes.moment import Moment, letter_style, task_name
from app.panes.row import EMPTY, Row, Sheet, Span, beside, cells, padded, row, short, width_of
from app.panes.waiting import call_name, stopped_by, traced_stop, wait_span, wait_times, waits_for, who
from app.state.fold_trace import status_text
from app.state.state import IDLE, INIT, State
from app.units import count, duration
from kernel.abi.files import O_ACCMODE, O_APPEND, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY
from kernel.describe import RUNNABLE, SLEEPING, STOPPED, TRACED, ZOMBIE, FileView, PipeView, TaskView
from kernel.tables import Credentials

SIDE_BY_SIDE = 116
"""From this width on what is known of the chosen process stands beside the tree."""
WIDE = 84
"""Columns from which on the tree has room for system calls and for since when somebody waits."""
BAR = 8
READY, IDLING = "waits for the processor", "runs when nobody else can"
FACT = 12
ACCESS = {O_RDONLY: "read", O_WRONLY: "write", O_RDWR: "read and write"}
THINGS = {
    "tty": "the console",
    "null": "/dev/null: takes all, gives nothing",
    "zero": "/dev/zero: gives zeros",
    "full": "/dev/full: has never room",
    "random": "/dev/random",
}


def rows(now: Moment, width: int, height: int, pid: int = -1) -> Sheet:
    """The tree with process `pid` chosen (whichever is at hand if there is none), and what is known of it."""
    pid = chosen_process(now, pid)
    beside_it = width >= SIDE_BY_SIDE
    tree_width = width // 2 if beside_it else width
    nodes = tree(now.state)
    body = [tree_row(now, node, tree_width, node.pid == pid) for node in nodes]
    facts = fact_rows(now, pid, width - tree_width - 3 if beside_it else width)
    head = tree_head(tree_width)
    at = next((n for n, node in enumerate(nodes) if node.pid == pid), 0)
    top = max(at - height // 2, 0) if at > height - 3 else 0
    if beside_it:
        seam = Span(" │ ", "rule")
        return Sheet(
            beside(body, facts[1:], tree_width, seam), top, (*beside([head], facts, tree_width, seam),)[:1]
        )
    return Sheet([*body, EMPTY, *facts], top, (head,))


def chosen_process(now: Moment, pid: int = -1) -> int:
    """`pid` if there is such a process, else the one that runs, else the first one that has a letter."""
    tasks = now.state.machine.tasks
    if pid in tasks:
        return pid
    if now.pid not in (IDLE, INIT):
        return now.pid
    return next((pid for pid in tasks if pid not in (IDLE, INIT)), now.pid)


# The tree.


class Node(NamedTuple):
    """A task's place in the tree; `lines` lead to it."""

    pid: int
    lines: str


def tree(state: State) -> list[Node]:
    """Init's children at the root, threads under their process, the kernel's own two tasks at the end."""
    tasks = state.machine.tasks
    below: dict[int, list[int]] = {}
    roots: list[int] = []
    for pid in sorted(tasks):
        task = tasks[pid]
        above = task.tgid if task.tgid != pid else task.ppid
        if pid in (IDLE, INIT):
            continue
        if above in (IDLE, INIT) or above not in tasks:
            roots.append(pid)
        else:
            below.setdefault(above, []).append(pid)
    found: list[Node] = []
    left = [(pid, "", "") for pid in reversed(roots)]
    while left:
        pid, lines, rest = left.pop()
        found.append(Node(pid, lines))
        children = below.pop(pid, [])
        for child in reversed(children):
            last = child == children[-1]
            left.append((child, rest + ("└ " if last else "├ "), rest + ("  " if last else "│ ")))
    return [*found, *(Node(pid, "") for pid in (INIT, IDLE) if pid in tasks)]


def _tree_columns(width: int) -> tuple[int, int]:
    """Columns of the name and of the system call (0: it has none of its own)."""
    return (22, 16) if width >= WIDE else (16 if width >= 56 else 12, 0)


def tree_head(width: int) -> Row:
    name, call = _tree_columns(width)
    text = f"  {'process':<{name}}{'pid':>5}  {'state':<12}" + (f"{'in':<{call}}" if call else "")
    return row(Span(short(text + "what it waits for", width), "title"))


def tree_row(now: Moment, node: Node, width: int, chosen: bool) -> Row:
    state, task = now.state, now.state.machine.tasks[node.pid]
    name_width, call_width = _tree_columns(width)
    own = node.pid not in (IDLE, INIT)
    letter = letter_style(state, node.pid)
    name = row(
        Span(node.lines, "rule"),
        Span(f"{task_name(state, node.pid)} " if own else "", f"{letter} bold", f"task:{node.pid}"),
        Span(task.comm, "" if own else "dim", f"task:{node.pid}"),
        Span(" thread" if task.tgid != task.pid else "", "dim"),
    )
    word = state_word(state, task)
    spans = [
        Span("▸ " if chosen else "  ", "mark"),
        *padded(name, name_width),
        Span(f"{task.pid:>5}  ", "dim"),
        *_state_spans(state, task, letter),
        Span(" " * max(12 - 2 - len(word), 1)),
    ]
    call = call_name(task)
    if call_width:
        spans += [
            Span(short(call, call_width - 1), "", f"sys:{task.syscall}" if call else ""),
            Span(" " * max(call_width - cells(short(call, call_width - 1)), 0)),
        ]
    return (*spans, *_doing(now, task, width - width_of(tuple(spans)), bool(call_width)))


def state_word(state: State, task: TaskView) -> str:
    return "running" if is_running(state, task) else task.state


def is_running(state: State, task: TaskView) -> bool:
    return state.machine.current == task.pid and task.state == RUNNABLE


def _state_spans(state: State, task: TaskView, letter: str) -> Row:
    word = state_word(state, task)
    running = word == "running"
    glyph = RUNNING if running else STATES.get(task.state, "?")
    return (
        Span(f"{glyph} ", letter if running else "soft"),
        Span(word, "bold" if running else "soft", f"state:{word}:{task.pid}"),
    )


def _doing(now: Moment, task: TaskView, room: int, has_call: bool) -> Row:
    """The rest of a row of the tree: as much as there is room for."""
    if task.state == ZOMBIE:
        text = status_text(task.exit_status)
        return (Span(f"{text}, not waited for yet" if has_call else text, "error"),)
    if task.state == SLEEPING:
        brief, why = waits_for(now.state, task)
        full = brief + why
        times = wait_times(now, task) if has_call else ""
        text = next((one for one in (full + times, full) if cells(one) <= room), brief)
        return (Span(text, ""),)
    if task.state == STOPPED:
        return (Span(stopped_by(now, task), "mark"),)
    if task.state == TRACED:
        return (Span(traced_stop(now, task), "mark"),)
    if not is_running(now.state, task):
        return (Span(READY if task.pid != IDLE else IDLING, "dim"),)
    return (Span(running_text(now, task, has_call), "dim"),)


def running_text(now: Moment, task: TaskView, has_call: bool = True) -> str:
    call = call_name(task)
    regs = now.regs
    if call and not has_call:
        return f"in {call}"
    return "" if regs is None else "in the kernel" if not regs.cpl else "in user mode"


# The chosen process.


def fact_rows(now: Moment, pid: int, width: int) -> list[Row]:
    """All that is known of a process: always the same lines, so that they hold still."""
    state = now.state
    task = state.machine.tasks.get(pid)
    if task is None:
        return [row(Span("no process", "dim"))]
    found = now.view.task(pid) if now.view is not None else None
    letter = letter_style(state, pid)
    parent = state.machine.tasks.get(task.ppid) if task.ppid != pid else None
    lines = [
        row(
            Span(task_name(state, pid), f"{letter} bold", f"task:{pid}"),
            Span(f" {task.comm} · pid {pid}", "title"),
        ),
        _fact("does", *_state_spans(state, task, letter), *_activity(now, task)),
        *_why(now, task, width),
        _fact("parent", *_parent(state, parent), *_tracer(state, task)),
    ]
    if found is not None:
        lines.append(_fact("group", Span(f"{found.pgrp}, session {found.session}")))
        lines.append(_fact("runs as", Span(credentials_text(found.cred))))
        lines.append(_fact("program", Span(found.exe or "the kernel's own", "" if found.exe else "dim")))
    if task.tgid != pid:
        lines.append(_fact("thread of", Span(f"{who(state, task.tgid)} · pid {task.tgid}")))
    lines.append(_fact("memory", *_memory(state, task)))
    lines += [EMPTY, *descriptor_rows(now, task, width)]
    return lines


def _parent(state: State, parent: TaskView | None) -> Row:
    if parent is None:
        return (Span("none", "dim"),)
    name = (Span(f"{task_name(state, parent.pid)} "),) if parent.pid in state.letters else EMPTY
    return (*name, Span(f"{parent.comm} · pid {parent.pid}", "soft"))


def _tracer(state: State, task: TaskView) -> Row:
    tracer = state.machine.tasks.get(task.tracer) if task.tracer else None
    if tracer is None:
        return EMPTY
    return (Span(", traced by ", "dim"), Span(f"{task_name(state, tracer.pid)} "), Span(tracer.comm, "soft"))


def _fact(name: str, *spans: Span) -> Row:
    return (Span(f"{name:<{FACT}}", "dim"), *spans)


def _activity(now: Moment, task: TaskView) -> Row:
    """What follows the state's word: the call that it is in, or where it is."""
    call = call_name(task)
    if call:
        return (Span(" in "), Span(call, "", f"sys:{task.syscall}"))
    return (Span(f" {running_text(now, task)}"),) if is_running(now.state, task) else EMPTY


def _why(now: Moment, task: TaskView, width: int) -> list[Row]:
    """Why it does not run, and since when: two lines, whatever there is to say."""
    text, times, style = "", "", ""
    if task.state == ZOMBIE:
        text, style = f"{status_text(task.exit_status)}; its parent has not asked yet", "error"
    elif task.state == SLEEPING:
        brief, why = waits_for(now.state, task)
        text, times = brief + why, _since(now, task)
    elif task.state == STOPPED:
        text, style = f"stopped {stopped_by(now, task)}", "mark"
    elif task.state == TRACED:
        text, style = f"stopped {traced_stop(now, task)}", "mark"
    elif not is_running(now.state, task):
        text = READY if task.pid != IDLE else IDLING
    subject = f"state:{state_word(now.state, task)}:{task.pid}" if text else ""
    return [
        _fact("why", Span(short(text, max(width - FACT, 1)) or "–", style if text else "dim", subject)),
        _fact("since", Span(times or "–", "" if times else "dim")),
    ]


def _since(now: Moment, task: TaskView) -> str:
    """The moment at which it fell asleep, for how long that is, and when it ends by itself."""
    since, deadline = wait_span(now, task)
    begun = f"{duration(since)}, for {duration(max(now.cursor.tick - since, 0))}" if since >= 0 else ""
    until = f"until {duration(deadline)}" if deadline >= 0 else ""
    return ", ".join(one for one in (begun, until) if one)


def credentials_text(cred: Credentials) -> str:
    """User and group ids; one number where real, effective, saved and file-system id are the same."""
    users = (cred.uid, cred.euid, cred.suid, cred.fsuid)
    groups = (cred.gid, cred.egid, cred.sgid, cred.fsgid)
    text = f"{_ids('uid', users)}, {_ids('gid', groups)}"
    return text + (f", groups {' '.join(map(str, cred.groups))}" if cred.groups else "")


def _ids(name: str, ids: tuple[int, int, int, int]) -> str:
    if len(set(ids)) == 1:
        return f"{name} {ids[0]}"
    real, effective, saved, _ = ids
    return f"{name} {real} effective {effective} saved {saved}"


def _memory(state: State, task: TaskView) -> Row:
    space = state.machine.spaces.get(task.space)
    if space is None:
        return (Span("none: given back" if task.state == ZOMBIE else "the kernel's only", "dim"),)
    sharers = [
        one.pid for one in state.machine.tasks.values() if one.space == task.space and one.pid != task.pid
    ]
    shared = f", shared with {' '.join(who(state, pid) for pid in sharers)}" if sharers else ""
    size = f"{_many(len(space.vmas), 'area')}, {_many(len(space.pages), 'page')}"
    return (Span(f"address space {task.space}: {size}{shared}"),)


def _many(number: int, what: str) -> str:
    return f"{count(number)} {what}{'' if number == 1 else 's'}"


def descriptor_rows(now: Moment, task: TaskView, width: int) -> list[Row]:
    """Each descriptor and what it leads to."""
    table = now.state.machine.fdtables.get(task.fdtable)
    if table is None:
        return [_fact("descriptors", Span("none: all closed" if task.state == ZOMBIE else "none", "dim"))]
    head = _fact("descriptors", Span(f"{len(table)} open in table {task.fdtable}"))
    return [head, *(descriptor_row(now, task, fd, table[fd], width) for fd in sorted(table))]


def descriptor_row(now: Moment, task: TaskView, fd: int, number: int, width: int) -> Row:
    state = now.state
    file = state.machine.files.get(number)
    if file is None:
        return row(Span(f"{fd:>5}  ", "bold"), Span("?", "dim"))
    what, bar = leads_to(state, file)
    spans = [Span(f"{fd:>5}  ", "bold"), Span(what, "", f"file:{number}"), *bar]
    found = now.view.open_file(number) if now.view is not None else None
    if file.kind == "file" and found is not None:
        spans.append(Span(f", at byte {count(found.pos)}", "soft"))
    others = holders(state, number, task)
    text = f"  also {' '.join(others)}" if others else ""
    if width_of(tuple(spans)) + cells(text) <= width:
        spans.append(Span(text, "dim"))
    return tuple(spans)


def leads_to(state: State, file: FileView) -> tuple[str, Row]:
    """What an open file is, in words, and for a pipe its fill."""
    if file.kind == "pipe":
        pipe = state.machine.pipes.get(file.object)
        way = {O_RDONLY: "read end of ", O_WRONLY: "write end of "}.get(
            file.flags & O_ACCMODE, "both ends of "
        )
        name = f" ({file.path})" if file.path.startswith("/") else ""
        return f"{way}pipe {file.object}{name}", (
            Span("  "),
            *fill_spans(pipe),
        ) if pipe is not None else EMPTY
    if file.kind == "socket":
        one = state.machine.sockets.get(file.object)
        peer = f" connected with socket {one.peer}" if one is not None and one.peer else ""
        return f"socket {file.object}{peer}", _access(file)
    if file.kind == "ptmx":
        return f"master of pts/{file.object - 1}", _access(file)
    if file.kind == "tty" and file.object:
        return f"pts/{file.object - 1}", _access(file)
    if file.kind == "stream":
        return f"stream {file.object}, out of the machine", _access(file)
    what = THINGS.get(file.kind) or what_it_is(state, file)
    if what is None:
        what = file.path or file.kind
        if file.kind == "dir":
            what += " (directory)"
    return what, _access(file)


def _access(file: FileView) -> Row:
    if file.flags & O_PATH:
        return (Span("  only its path", "soft"),)
    text = ACCESS.get(file.flags & O_ACCMODE, "")
    text += ", append" if file.flags & O_APPEND else ""
    return (Span(f"  {text}{', non-blocking' if file.flags & O_NONBLOCK else ''}", "soft"),)


def fill_spans(pipe: PipeView) -> Row:
    """How full a pipe is: a bar and the numbers."""
    full = -(-len(pipe.data) * BAR // max(pipe.capacity, 1))
    return (
        Span("▉" * full, ""),
        Span("░" * (BAR - full), "dim"),
        Span(f" {count(len(pipe.data))} of {count(pipe.capacity)}", "soft"),
    )


def holders(state: State, number: int, task: TaskView) -> list[str]:
    """Other processes that have the same open file, by descriptors that fork or a socket gave them."""
    found = []
    for one in state.machine.tasks.values():
        if one.fdtable and one.fdtable != task.fdtable:
            table = state.machine.fdtables.get(one.fdtable, {})
            if number in table.values():
                found.append(who(state, one.pid))
    return found


class Processes(Pane):
    """The tree of processes; the one that is chosen in it is told all about."""

    label = "Processes"
    key = "F6"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.process = -1
        """Which one was chosen; -1 follows the one that runs."""

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        if self.has_focus and self.process < 0:
            self._chosen = f"task:{chosen_process(now)}"
        return rows(now, width, height, self.process)

    @property
    def chosen(self) -> int:
        """Pid of the process that is told about."""
        return chosen_process(self.now, self.process) if self.now is not None else -1

    def choose(self, down: int, right: int) -> None:
        if self.process < 0 and self.now is not None:
            self.process = chosen_process(self.now)
        super().choose(down, right)
        self.keep(process_of(self._chosen, self.process))

    def picked(self, subject: str) -> None:
        self.keep(process_of(subject, self.process))

    def keep(self, process: int) -> None:
        """Stay with a process, whoever runs."""
        if process != self.process:
            self.process = process
            self.repaint()

    def title(self, now: Moment) -> Row:
        tasks = [task for pid, task in now.state.machine.tasks.items() if pid not in (IDLE, INIT)]
        return row(Span("Processes", "title"), Span(f" · {len(tasks)}", "dim"))


def process_of(subject: str, otherwise: int) -> int:
    """The pid that a subject names, if it is one of a process."""
    kind, _, rest = subject.partition(":")
    last = rest.rpartition(":")[2]
    return int(last) if kind in ("task", "state") and last.isdigit() else otherwise
