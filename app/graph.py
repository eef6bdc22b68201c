"""The graph of processes and channels: which descriptor leads where, and where each node has its place.

There are three columns: processes at both sides, pipes between them. A node keeps its place for as long as it
lives. `place` puts new nodes beside what they belong to; `Places` does so along the log, so that the picture
at a position is the same whichever way one came. What a node looks like is the pane's business.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from app.state.state import IDLE, INIT, State
from kernel import events as e
from kernel.abi.files import O_ACCMODE, O_RDONLY, O_WRONLY

if TYPE_CHECKING:
    from app.log import Event, Log

LEFT, MIDDLE, RIGHT = range(3)
AT_ONCE = 10_000
"""Events read for one frame."""
CHANNELS = ("pipe", "tty", "ptmx", "stream", "socket", "mqueue")
"""Kinds of open files that lead to a channel."""
FAR, SAME_SIDE = 4, 3
"""What a slot between neighbours costs, and a partner on the same side."""


class Place(NamedTuple):
    column: int
    slot: int


Layout: TypeAlias = dict[str, Place]
"""Place by node. Nodes are called `task:3` and `pipe:21`. Never changed once it is made."""
Edge: TypeAlias = tuple[str, str]
"""From where bytes come to where they go; between two tasks from parent to child."""


class Link(NamedTuple):
    """What a task has of a channel: descriptors to read from and to write to."""

    pid: int
    channel: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]

    @property
    def fds(self) -> tuple[int, ...]:
        return tuple(sorted({*self.reads, *self.writes}))


def links(state: State) -> list[Link]:
    """All descriptors of all programs that lead to channels, by task and channel."""
    found = []
    for pid in tasks_of(state):
        table = state.machine.fdtables.get(state.machine.tasks[pid].fdtable, {})
        ends: dict[str, tuple[list[int], list[int]]] = {}
        for fd, number in sorted(table.items()):
            file = state.machine.files.get(number)
            if file is None or file.kind not in CHANNELS:
                continue
            kind = "tty" if file.kind == "ptmx" else file.kind
            reads, writes = ends.setdefault(f"{kind}:{file.object}", ([], []))
            access = file.flags & O_ACCMODE
            if access != O_WRONLY:
                reads.append(fd)
            if access != O_RDONLY:
                writes.append(fd)
        found += [
            Link(pid, channel, tuple(reads), tuple(writes)) for channel, (reads, writes) in ends.items()
        ]
    return found


def tasks_of(state: State) -> list[int]:
    """The tasks in the picture, zombies too, in order of their letters."""
    known = [pid for pid in state.machine.tasks if pid not in (IDLE, INIT)]
    return sorted(known, key=lambda pid: state.letters.get(pid, 1 << 30 | pid))


def nodes_of(state: State) -> list[str]:
    """The nodes that have a place."""
    return [*(f"task:{pid}" for pid in tasks_of(state)), *(f"pipe:{n}" for n in sorted(state.machine.pipes))]


def edges_of(state: State) -> list[Edge]:
    """What ties the nodes together now."""
    found = []
    tasks = set(tasks_of(state))
    for pid in tasks:
        parent = state.machine.tasks[pid].ppid
        if parent in tasks:
            found.append((f"task:{parent}", f"task:{pid}"))
    for link in links(state):
        if link.channel.startswith("pipe:"):
            found += [(f"task:{link.pid}", link.channel)] if link.writes else []
            found += [(link.channel, f"task:{link.pid}")] if link.reads else []
    return sorted(found)


def place(previous: Layout, nodes: Sequence[str], edges: Iterable[Edge]) -> Layout:
    """Where `nodes` lie: those of `previous` where they were, new ones beside their neighbours."""
    alive = set(nodes)
    layout = {node: at for node, at in previous.items() if node in alive}
    new = [node for node in nodes if node not in layout]
    if not new:
        return layout
    ties = [edge for edge in edges if edge[0] in alive and edge[1] in alive]
    neighbours: dict[str, set[str]] = {node: set() for node in nodes}
    for one, other in ties:
        neighbours[one].add(other)
        neighbours[other].add(one)
    taken = set(layout.values())
    for node in new if len(new) == 1 else along_the_flow(new, ties):
        partners = {
            task
            for near in neighbours[node]
            for task in (neighbours[near] if near.startswith("pipe:") else (near,))
            if task.startswith("task:") and task != node
        }
        costs = [(_cost(at, neighbours[node], partners, layout), at) for at in _free(node, taken)]
        _, layout[node] = min(costs)
        taken.add(layout[node])
    return layout


def along_the_flow(nodes: Sequence[str], edges: Iterable[Edge]) -> list[str]:
    """The nodes so that who writes comes before who reads; where bytes go in circles, the older one first."""
    import networkx

    age = {node: n for n, node in enumerate(nodes)}
    graph = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from((one, other) for one, other in edges if one in age and other in age)
    circles = networkx.condensation(graph)
    members = {n: sorted(circles.nodes[n]["members"], key=age.__getitem__) for n in circles}
    order = networkx.lexicographical_topological_sort(circles, key=lambda n: age[members[n][0]])
    return [node for n in order for node in members[n]]


def _free(node: str, taken: set[Place]) -> list[Place]:
    """The places that a new node may take: gaps, and the edge."""
    columns = (MIDDLE,) if node.startswith("pipe:") else (LEFT, RIGHT)
    last = max((at.slot for at in taken), default=-1)
    return [
        Place(column, slot)
        for column in columns
        for slot in range(last + 2)
        if Place(column, slot) not in taken
    ]


def _cost(at: Place, near: set[str], partners: set[str], layout: Layout) -> int:
    far = sum(abs(at.slot - layout[node].slot) for node in near if node in layout)
    beside = sum(layout[task].column == at.column for task in partners if task in layout)
    return FAR * far + SAME_SIDE * beside + at.slot


class Places:
    """The layout at every position of a log, and who made what. Reads the log once, piece by piece."""

    def __init__(self) -> None:
        self._begin(None)

    def _begin(self, log: Log | None) -> None:
        self.log = log
        self.seen = 0
        self.creators: dict[int, int] = {}
        """Which task made a pipe."""
        self.births: dict[int, tuple[int, str]] = {}
        """A task's parent and how it was made."""
        self._nodes: list[str] = []
        self._edges: set[Edge] = set()
        self._known: dict[int, set[int]] = {}
        """Pipes that a task made or got from its parent."""
        self._seqs = [0]
        self._layouts: list[Layout] = [{}]

    def follow(self, log: Log, at_most: int = AT_ONCE) -> bool:
        """Read on; False while there is more."""
        if log is not self.log or len(log) < self.seen:
            self._begin(log)
        stop = min(len(log), self.seen + at_most)
        for _, pid, event in log.rows(self.seen, stop):
            self.seen += 1
            if self._take(pid, event):
                self._seqs.append(self.seen)
                self._layouts.append(place(self._layouts[-1], self._nodes, sorted(self._edges)))
        return self.seen == len(log)

    def at(self, seq: int) -> Layout:
        """The layout after the first `seq` events, as far as they have been read."""
        return self._layouts[bisect_right(self._seqs, seq) - 1]

    def _take(self, pid: int, event: Event) -> bool:
        """Whether the event changes who is there."""
        kind = type(event)
        if kind is e.TaskCreated:
            assert isinstance(event, e.TaskCreated)
            return self._born(event)
        if kind is e.TaskReaped:
            assert isinstance(event, e.TaskReaped)
            self._known.pop(event.task, None)
            return self._gone(f"task:{event.task}")
        if kind is e.TaskTookOver:
            assert isinstance(event, e.TaskTookOver)
            self._known[event.leader] = self._known.pop(event.task, set())
            return self._gone(f"task:{event.task}")
        if kind is e.PipeCreated:
            assert isinstance(event, e.PipeCreated)
            self.creators[event.pipe] = pid
            self._known.setdefault(pid, set()).add(event.pipe)
            self._nodes.append(f"pipe:{event.pipe}")
            self._edges.add((f"task:{pid}", f"pipe:{event.pipe}"))
            return True
        if kind is e.PipeEndsChanged:
            assert isinstance(event, e.PipeEndsChanged)
            return not event.readers and not event.writers and self._gone(f"pipe:{event.pipe}")
        return False

    def _born(self, event: e.TaskCreated) -> bool:
        child, parent = event.child, event.parent
        if child in (IDLE, INIT):
            return False
        self.births[child] = parent, event.how
        node = f"task:{child}"
        self._nodes.append(node)
        if parent != child:
            self._edges.add((f"task:{parent}", node))
        inherited = {pipe for pipe in self._known.get(parent, ()) if f"pipe:{pipe}" in self._nodes}
        self._known[child] = inherited
        self._edges.update((f"pipe:{pipe}", node) for pipe in inherited)
        return True

    def _gone(self, node: str) -> bool:
        if node not in self._nodes:
            return False
        self._nodes.remove(node)
        self._edges = {edge for edge in self._edges if node not in edge}
        return True
