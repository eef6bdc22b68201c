"""Signals: processes by signals, and for the chosen process what is pending, blocked and done about each.

The matrix, masks and frames are told by events; flags and masks of actions, and what is in a frame, are read
from the machine. Words on any page of the user stack are the Stacks pane's.
"""

from __future__ import annotations

from app.panes.base import Pane
from app.panes.moment import Moment, letter_style, task_name
from app.panes.processes import chosen_process, tree
from app.panes.row import EMPTY, Row, Sheet, Span, beside, cells, padded, row, short, width_of
from app.panes.signal_life import DEFAULTS, all_lives, chosen_life, life_rows, list_rows
from app.state.life import Life
from app.state.state import IDLE, INIT, State
from app.strace.text import flags, signal_set
from kernel.abi import sigframe
from kernel.abi.signal import (
    DEFAULT_ACTIONS,
    SA_RESTORER,
    SIG_IGN,
    SIGKILL,
    SIGRTMAX,
    SIGRTMIN,
    SIGSTOP,
    sigmask,
    signal_name,
)
from kernel.describe import ZOMBIE, TaskView

VIEWS = ("standard signals", "real-time signals", "lives")
REAL_TIME, LIVES = 1, 2
STANDARD = tuple(range(1, SIGRTMIN))
NAME = 14
"""Columns before the matrix."""
NAMES_HEIGHT = 6
"""Rows that the longest name takes when it is written downwards."""
NARROW = 72
"""Below so many columns the counts take less room."""
LIFE = 60
"""Columns of a signal's life, at least."""
BESIDE = NAME + 3 * (SIGRTMIN - 1) + 3 + LIFE
"""From so many columns on the life of a signal is shown beside the matrix."""
TALL = 22
"""Rows of the pane from which on there is room for names above the numbers."""
NEVER = (SIGKILL, SIGSTOP)
"""They can be neither caught, ignored nor blocked."""
LEGEND = (
    ("·", "default"),
    ("i", "ignored"),
    ("f", "caught"),
    ("b", "blocked"),
    ("●", "pending"),
    ("◐", "and blocked"),
    ("K", "cannot be caught"),
)
TO_ALL = ("○", "pending for all threads")
STYLES = {"·": "dim", "i": "soft", "f": "good", "b": "kernel", "K": "dim"} | dict.fromkeys("●◐○", "error")
EIP_AT = 4 * sigframe.Sigcontext.__struct_fields__.index("eip")


def rows(
    now: Moment, width: int, height: int, pid: int = -1, signo: int = 0, view: int = 0, event: int = -1
) -> Sheet:
    """The matrix, with process `pid` and signal `signo` chosen (0: none); below it, what is known.

    `view` is the picture's number; in LIVES the one is chosen that event `event` sent.
    """
    pid = chosen_process(now, pid)
    if view == LIVES:
        return lives_sheet(now, width, event)
    one = chosen_life(now, pid, signo) or chosen_life(now, pid)
    shown = signals_shown(now.state, view)
    if one is None or width < BESIDE:
        return matrix_sheet(now, width, height, pid, signo, shown, one)
    life = max(width - 3 - NAME - 3 * len(shown), LIFE)
    left = width - life - 3
    sheet = matrix_sheet(now, left, height, pid, signo, shown, None)
    gap = [EMPTY] * len(sheet.head)
    head = beside(sheet.head, gap, left, Span("   "))
    return Sheet(beside(sheet.rows, life_rows(now, one, life), left, Span("   ")), sheet.top, tuple(head))


def lives_sheet(now: Moment, width: int, event: int) -> Sheet:
    """The last lives of all, and the steps of the one that is chosen."""
    known = all_lives(now.state)
    one = next((one for one in known if one.seq == event), None) or chosen_life(now, -1)
    steps = [*life_rows(now, one, width), EMPTY] if one is not None else []
    return Sheet([*steps, *list_rows(now, known, one, width)])


def matrix_sheet(
    now: Moment, width: int, height: int, pid: int, signo: int, shown: list[int], one: Life | None
) -> Sheet:
    """Who does what about which signal; below it what is known of process `pid`, and life `one`."""
    step = cell_width(width, len(shown))
    head = head_rows(shown, step, height, signo)
    pids = [node.pid for node in tree(now.state) if node.pid not in (IDLE, INIT)]
    body = [matrix_row(now.state, one_pid, shown, step, one_pid == pid, signo) for one_pid in pids]
    if not body:
        body = [row(Span("no process", "dim"))]
    found = [*body, EMPTY, *legend_rows(now.state, width)]
    found += detail_rows(now, pid, signo, shown, step, width, one)
    at = pids.index(pid) if pid in pids else 0
    room = height - len(head)
    return Sheet(found, max(at - room // 2, 0) if at > room - 3 else 0, head)


# The matrix.


def signals_shown(state: State, view: int = 0) -> list[int]:
    """The standard signals, and those of the real-time ones that anything was done with; or all of these."""
    if view == REAL_TIME:
        return list(range(SIGRTMIN, SIGRTMAX + 1))
    used = {signo for signo in state.generated if SIGRTMIN <= signo <= SIGRTMAX}
    for task in state.machine.tasks.values():
        named = (*task.actions, *task.pending, *task.shared_pending)
        used |= {signo for signo in named if SIGRTMIN <= signo <= SIGRTMAX}
    return [*STANDARD, *sorted(used)]


def cell_width(width: int, number: int) -> int:
    """Columns of a signal in the matrix."""
    return min(max((width - NAME) // number, 1), 3)


def head_rows(shown: list[int], step: int, height: int, signo: int) -> tuple[Row, ...]:
    """The signals' names from top to bottom where there is room for that, and their numbers."""
    found: list[Row] = []
    if height >= TALL:
        names = [short_name(one).rjust(NAMES_HEIGHT) for one in shown]
        found = [_head_row("", [name[n] for name in names], shown, step, signo) for n in range(NAMES_HEIGHT)]
    if step >= 3:
        return (*found, _head_row("signal", [str(one) for one in shown], shown, step, signo))
    tens = [str(one // 10) if one > 9 and (one % 10 == 0 or one >= SIGRTMIN) else "" for one in shown]
    units = [str(one % 10) for one in shown]
    return (
        *found,
        _head_row("signal", tens, shown, step, signo),
        _head_row("", units, shown, step, signo),
    )


def _head_row(label: str, texts: list[str], shown: list[int], step: int, signo: int) -> Row:
    return row(
        Span(f"  {label:<{NAME - 2}}", "title"),
        *(
            Span(
                f"{text:>{step}}",
                "mark" if one == signo else "title",
                f"signal:{one}" if text.strip() else "",
            )
            for one, text in zip(shown, texts, strict=True)
        ),
    )


def short_name(signo: int) -> str:
    """`USR1` for 10."""
    return signal_name(signo).removeprefix("SIG")


def matrix_row(state: State, pid: int, shown: list[int], step: int, chosen: bool, signo: int) -> Row:
    task = state.machine.tasks[pid]
    name = row(
        Span("▸ " if chosen else "  ", "mark"),
        Span(f"{task_name(state, pid)} ", f"{letter_style(state, pid)} bold", f"task:{pid}"),
        Span(short(task.comm, NAME - 5), "" if task.state != ZOMBIE else "dim"),
    )
    spans = list(padded(name, NAME))
    if task.state == ZOMBIE:
        return (*spans, Span(" " * (step - 1)), Span("zombie: no signal reaches it", "dim"))
    for one in shown:
        glyph = glyph_of(state, task, one)
        style = STYLES[glyph] + (" bold" if chosen and one == signo else "")
        queued = queued_of(state, task, one) if step > 1 else 0
        if step > 1:
            count = (str(queued) if queued < 10 else "+") if queued > 1 else " "
            spans.append(Span(" " * (step - 2) + count, style))
        spans.append(Span(glyph, style, f"signal:{one}:{pid}"))
    return tuple(spans)


def glyph_of(state: State, task: TaskView, signo: int) -> str:
    """What is to be said first about a signal of a task."""
    blocked = task.blocked >> signo - 1 & 1
    if signo in task.pending:
        return "◐" if blocked else "●"
    if signo in shared_pending(state, task):
        return "◐" if blocked else "○" if has_threads(state, task) else "●"
    if signo in NEVER:
        return "K"
    if blocked:
        return "b"
    handler = task.actions.get(signo, 0)
    return "·" if not handler else "i" if handler == SIG_IGN else "f"


def shared_pending(state: State, task: TaskView) -> tuple[int, ...]:
    """Signals for the task's whole process: any thread that does not block one may take it."""
    leader = state.machine.tasks.get(task.tgid)
    return leader.shared_pending if leader is not None else ()


def queued_of(state: State, task: TaskView, signo: int) -> int:
    """How many of a signal wait for a task: its own and its process's."""
    return task.pending.count(signo) + shared_pending(state, task).count(signo)


def has_threads(state: State, task: TaskView) -> bool:
    """Whether its process has more threads than this one."""
    return any(one.tgid == task.tgid and one.pid != task.pid for one in state.machine.tasks.values())


def legend_rows(state: State, width: int) -> list[Row]:
    """What the glyphs say, in as many rows as that takes."""
    threads = any(task.tgid != pid for pid, task in state.machine.tasks.items())
    found: list[Row] = []
    line: Row = EMPTY
    for glyph, word in (*LEGEND, *((TO_ALL,) if threads else ())):
        part = (Span(f"  {glyph} ", STYLES[glyph]), Span(word, "dim"))
        if line and width_of((*line, *part)) > width:
            found.append(line)
            line = EMPTY
        line = (*line, *part)
    return [*found, line]


# The chosen process.


def detail_rows(
    now: Moment, pid: int, signo: int, shown: list[int], step: int, width: int, one: Life | None
) -> list[Row]:
    state = now.state
    task = state.machine.tasks.get(pid)
    if task is None:
        return []
    found: list[Row] = [
        EMPTY,
        row(
            Span("  "),
            Span(task_name(state, pid), f"{letter_style(state, pid)} bold", f"task:{pid}"),
            Span(f" {task.comm} · pid {pid}", "title"),
        ),
        _chosen_row(now, task, signo, width),
    ]
    own, shared = _mask_of(task.pending), _mask_of(shared_pending(state, task))
    if has_threads(state, task):
        found.append(_bits("own pending", own, shown, step, "error bold"))
        found.append(_bits("process's", shared, shown, step, "error bold"))
    else:
        found.append(_bits("pending", own | shared, shown, step, "error bold"))
    found.append(_bits("blocked", task.blocked, shown, step, "kernel bold"))
    words = (pending_text(state, task), blocked_text(task))
    found += [_line("", Span(short(text, max(width - NAME, 1)), "soft", f"sets:{pid}")) for text in words]
    if one is not None:
        found += [EMPTY, *life_rows(now, one, width)]
    found += [EMPTY, *frame_rows(now, pid)]
    found += [EMPTY, *action_rows(now, task, width)]
    return found


def _mask_of(pending: tuple[int, ...]) -> int:
    return sum(sigmask(one) for one in set(pending) if 0 < one <= SIGRTMAX)


def _bits(name: str, mask: int, shown: list[int], step: int, style: str) -> Row:
    """A signal set as bits, each under its signal."""
    return row(
        Span(f"  {name:<{NAME - 2}}", "dim"),
        *(Span(f"{mask >> one - 1 & 1:>{step}}", style if mask >> one - 1 & 1 else "dim") for one in shown),
    )


def _line(name: str, *spans: Span) -> Row:
    return (Span(f"  {name:<{NAME - 2}}", "dim"), *spans)


def _chosen_row(now: Moment, task: TaskView, signo: int, width: int) -> Row:
    """What the process does about the chosen signal."""
    if not signo:
        return _line("", Span("arrows choose a signal, Enter explains it", "dim"))
    text = short(cell_text(now, task, signo), max(width - NAME, 1))
    return row(
        Span(f"  {signo:>2} ", "mark"),
        Span(f"{short_name(signo):<{NAME - 5}}", "mark"),
        Span(text, "", f"signal:{signo}:{task.pid}"),
    )


def pending_text(state: State, task: TaskView) -> str:
    """The generation set in words: what was sent and is not delivered yet."""
    if task.state == ZOMBIE:
        return "generation set: none, a zombie gets no signal"
    own, shared = task.pending, shared_pending(state, task)
    if not own and not shared:
        return "generation set: empty, nothing waits"
    parts = [f"{_names(own)} (this task)"] if own else []
    parts += [f"{_names(shared)} (process)"] if shared else []
    held = sorted({one for one in own + shared if task.blocked >> one - 1 & 1})
    free = sorted(set(own + shared).difference(held))
    if not held:
        text = "delivered next"
    elif not free:
        text = "held back"
    else:
        text = f"{_names(held)} held back"
    return f"generation set: {', '.join(parts)}; {text}"


def _names(signals: tuple[int, ...] | list[int]) -> str:
    """Names, each with how often it is queued if that is more than once."""
    return ", ".join(
        short_name(one) + (f" ×{signals.count(one)}" if signals.count(one) > 1 else "")
        for one in dict.fromkeys(signals)
    )


def blocked_text(task: TaskView) -> str:
    """The delivery mask in words."""
    if not task.blocked:
        return "delivery mask: empty, nothing is held back"
    return f"delivery mask: {signal_set(task.blocked)} held back"


def cell_text(now: Moment, task: TaskView, signo: int) -> str:
    """What a task does about a signal."""
    if task.state == ZOMBIE:
        return "nothing any more: a zombie gets no signal"
    if signo in NEVER:
        text = f"cannot be caught, ignored or blocked: {DEFAULTS[DEFAULT_ACTIONS[signo]]}"
    else:
        text = action_text(now, task, signo)
    if task.blocked >> signo - 1 & 1:
        text += ", blocked"
    if signo in task.pending or signo in shared_pending(now.state, task):
        text += ", pending"
    return text


def action_text(now: Moment, task: TaskView, signo: int) -> str:
    """`caught by on_usr1 @ 08048213`, `ignored`, or the default action."""
    handler = task.actions.get(signo, 0)
    if handler == SIG_IGN:
        return "ignored"
    if not handler:
        return f"default: {DEFAULTS[DEFAULT_ACTIONS[signo]]}"
    label = now.view.label_of(task.pid, handler) if now.view is not None else f"{handler:08x}"
    return f"caught by {handler_text(label, handler)}"


def handler_text(label: str, handler: int) -> str:
    return f"{label} @ {handler:08x}" if label != f"{handler:08x}" else label


def frame_rows(now: Moment, pid: int) -> list[Row]:
    """The frames of running handlers on the user stack, the innermost first."""
    frames = now.state.frames.get(pid, [])
    if not frames:
        return [_line("handlers", Span("none running: no frame on the user stack", "soft"))]
    found = [_line("handlers", Span(f"{len(frames)} running, each with a frame on the user stack"))]
    found += [row(Span(f"    {at:08x}  ", "mark"), *_frame_spans(now, pid, at)) for at in reversed(frames)]
    return found


def _frame_spans(now: Moment, pid: int, at: int) -> Row:
    """Whose frame it is and where its handler returns to, if it can be read."""
    data = now.view.read_of(pid, at, sigframe.RT_SIGFRAME_SIZE) if now.view is not None else None
    if data is None:
        return (Span("not to be read here", "dim"),)
    words = [int.from_bytes(data[n : n + 4], "little") for n in range(0, len(data), 4)]
    signo = words[1]
    real = words[2] == at + sigframe.RT_SIGFRAME_INFO
    context = sigframe.RT_SIGFRAME_CONTEXT if real else sigframe.SIGFRAME_CONTEXT
    eip = words[(context + EIP_AT) // 4]
    assert now.view is not None
    known = 0 < signo <= 64
    return (
        Span(
            signal_name(signo) if known else f"signal {signo}", "", f"signal:{signo}:{pid}" if known else ""
        ),
        Span("  then sigreturn, and on at ", "soft"),
        Span(now.view.label_of(pid, eip)),
    )


def action_rows(now: Moment, task: TaskView, width: int) -> list[Row]:
    """Signals with another than the default action, and those that were ever sent to anybody."""
    state = now.state
    told = sorted({*task.actions, *state.generated, *state.delivered})
    if not told:
        return [_line("so far", Span("nothing sent, caught or ignored", "soft"))]
    narrow = width < NARROW
    sent_width, delivered_width = (6, 7) if narrow else (8, 11)
    kept = max(width - NAME - sent_width - delivered_width, 10)
    titles = f"{'sent':>{sent_width}}{'deliv.' if narrow else 'delivered':>{delivered_width}}"
    found = [row(Span(f"  {'signal':<{NAME - 2}}{'here':<{kept}}{titles}", "title"))]
    actions = now.view.signal_actions(task.pid) if now.view is not None else {}
    for signo in told:
        text = action_text(now, task, signo) if task.state != ZOMBIE else "–"
        action = actions.get(signo)
        if action is not None and signo in task.actions:
            bits = action.flags & ~SA_RESTORER
            text += f"  {flags(bits, 'sigaction')}" if bits else ""
            text += f"  blocks {signal_set(action.mask)}" if action.mask else ""
        text = short(text, kept - 1)
        sent, delivered = state.generated.get(signo, 0), state.delivered.get(signo, 0)
        style = "" if sent or delivered else "dim"
        found.append(
            row(
                Span(f"  {signo:>2} "),
                Span(short_name(signo), "", f"signal:{signo}:{task.pid}"),
                Span(" " * max(NAME - 5 - cells(short_name(signo)), 1)),
                Span(text + " " * (kept - cells(text)), "" if signo in task.actions else "dim"),
                Span(f"{sent or '·':>{sent_width}}{delivered or '·':>{delivered_width}}", style),
            )
        )
    return found


class Signals(Pane):
    """The matrix, of standard or real-time signals, and the lives of signals; arrow keys choose in them."""

    label = "Signals"
    key = "F8"
    views = VIEWS

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.process = -1
        """Which one was chosen; -1 follows the one that runs."""

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        if not self.has_focus:
            return rows(now, width, height, self.process, view=self.view)
        if self.view == LIVES:
            return rows(now, width, height, self.process, 0, LIVES, event_of(self._chosen))
        if self.process < 0:
            signo, _ = cell_of(self._chosen, -1)
            pid = chosen_process(now)
            self._chosen = f"signal:{signo}:{pid}" if signo else f"task:{pid}"
        return rows(now, width, height, self.process, cell_of(self._chosen, -1)[0], self.view)

    @property
    def cell(self) -> tuple[int, int]:
        """The signal and the pid that are chosen; no signal (0) while the pane is not in hand."""
        if self.now is None:
            return 0, -1
        signo, _ = cell_of(self._chosen if self.has_focus else "", -1)
        return signo, chosen_process(self.now, self.process)

    def choose(self, down: int, right: int) -> None:
        """Up and down keep the column as long as there is a cell of the same signal."""
        if self.process < 0 and self.now is not None:
            self.process = chosen_process(self.now)
        signo, _ = cell_of(self._chosen, -1)
        same = f"signal:{signo}:"
        others = [
            place
            for place in self.subjects()
            if signo and place[1].startswith(same) and (place[0] - self._chosen_row) * down > 0
        ]
        if others:
            self._chosen_row, self._chosen = min(others, key=lambda place: abs(place[0] - self._chosen_row))
        else:
            super().choose(down, right)
        _, self.process = cell_of(self._chosen, self.process)
        self.repaint()

    def picked(self, subject: str) -> None:
        _, self.process = cell_of(subject, self.process)

    def title(self, now: Moment) -> Row:
        pid = chosen_process(now, self.process)
        return row(
            Span("Signals · " if not self.view else f"Signals: {VIEWS[self.view]} · ", "title"),
            Span(task_name(now.state, pid), letter_style(now.state, pid) + " bold"),
        )


def event_of(subject: str) -> int:
    """Which life is chosen, by the event that began it; -1 for none."""
    kind, _, rest = subject.partition(":")
    seq = rest.partition(":")[0]
    return int(seq) if kind == "life" and seq.isdigit() else -1


def cell_of(subject: str, process: int) -> tuple[int, int]:
    """Signal and pid that a subject names; 0 for no signal, `process` for none of its own."""
    kind, _, rest = subject.partition(":")
    first, _, second = rest.partition(":")
    if kind == "task" and first.isdigit():
        return 0, int(first)
    if kind == "signal" and first.isdigit():
        return int(first), int(second) if second.isdigit() else process
    return 0, process
