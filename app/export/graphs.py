"""Processes and channels at one position as a graph: for Graphviz (dot), and as GraphML."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from app.export import Wish
from app.graph import links, tasks_of
from app.session.store import Session
from app.state.state import State

SHAPES = {"task": "box", "channel": "ellipse"}


def write_dot(session: Session, wish: Wish, out: BinaryIO) -> None:
    graph = graph_of(session.history.state_at(wish.position(len(session.log))))
    lines = ["digraph int80 {", "  rankdir=LR;", '  node [fontname="monospace"];']
    for node, facts in graph.nodes(data=True):
        shape = SHAPES["task" if facts["kind"] == "task" else "channel"]
        lines.append(f"  {_quoted(node)} [shape={shape}, label={_quoted(facts['label'])}];")
    for one, other, facts in graph.edges(data=True):
        style = ", style=dashed" if facts["kind"] == "child" else ""
        lines.append(f"  {_quoted(one)} -> {_quoted(other)} [label={_quoted(facts['label'])}{style}];")
    out.write("\n".join([*lines, "}", ""]).encode("utf-8", "replace"))


def write_graphml(session: Session, wish: Wish, out: BinaryIO) -> None:
    import networkx

    graph = graph_of(session.history.state_at(wish.position(len(session.log))))
    whole = io.BytesIO()
    networkx.write_graphml_xml(graph, whole)
    out.write(whole.getvalue())


def graph_of(state: State) -> Any:
    """A networkx.MultiDiGraph: nodes `task:3` and `pipe:21`, edges as bytes go, and from parent to child."""
    import networkx

    graph = networkx.MultiDiGraph()
    tasks = tasks_of(state)
    for pid in tasks:
        task = state.machine.tasks[pid]
        label = _plain(f"{state.letter(pid)} {task.comm}\npid {pid}, {task.state}")
        graph.add_node(f"task:{pid}", kind="task", label=label, pid=pid, comm=_plain(task.comm))
    for link in links(state):
        kind, _, number = link.channel.partition(":")
        if link.channel not in graph:
            pipe = state.machine.pipes.get(int(number)) if kind == "pipe" else None
            fill = f"\n{len(pipe.data)} of {pipe.capacity} bytes" if pipe is not None else ""
            graph.add_node(link.channel, kind=kind, label=f"{kind} {number}{fill}")
        for fds, ends in (
            (link.writes, (f"task:{link.pid}", link.channel)),
            (link.reads, (link.channel, f"task:{link.pid}")),
        ):
            if fds:
                graph.add_edge(*ends, kind="bytes", label="fd " + ",".join(map(str, fds)))
    for end, one in state.machine.sockets.items():
        if f"socket:{end}" in graph and f"socket:{one.peer}" in graph:
            graph.add_edge(f"socket:{end}", f"socket:{one.peer}", kind="bytes", label="")
    for pid in tasks:
        parent = state.machine.tasks[pid].ppid
        if parent in tasks:
            graph.add_edge(f"task:{parent}", f"task:{pid}", kind="child", label="child")
    return graph


def _plain(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
