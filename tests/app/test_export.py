"""Exports, read back by what reads them: JSON Schema, Perfetto's protobuf classes, a terminal, GraphML."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import networkx
import pyte
import pytest
from perfetto.protos.perfetto.trace import perfetto_trace_pb2

from app import cli
from app.export import FORMATS
from app.export.jsonl import schema
from app.session.store import open_session
from app.trace import call_name
from kernel import events as e
from tests.app.test_recording import live, run_out, written

BEGIN, END, MOMENT = 1, 2, 3
SIZE = (100, 30)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sessions")
    for program in ("pipe", "signal", "nested", "recover"):
        engine = live(program)
        run_out(engine)
        written(engine, folder / f"{program}.int80")
    return folder


def export(path: Path, form: str, *options: str) -> bytes:
    out = path.with_suffix(f".{form}")
    assert cli.main(["export", str(path), "--to", form, "-o", str(out), *options]) == 0
    return out.read_bytes()


def test_the_command_line_knows_all_formats() -> None:
    assert tuple(FORMATS) == cli.EXPORTS


def test_strace_is_the_text_of_play(sessions: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = sessions / "signal.int80"
    text = export(path, "strace").decode()
    cli.main(["play", "--text", str(path)])
    assert text == capfd.readouterr().out
    assert "--- SIGUSR1 {si_signo=SIGUSR1" in text


@pytest.mark.parametrize("program", ["pipe", "signal", "recover"])
def test_every_line_of_json_follows_the_schema(sessions: Path, program: str) -> None:
    shape = json.loads(schema())
    jsonschema.Draft202012Validator.check_schema(shape)
    validator = jsonschema.Draft202012Validator(shape)
    lines = [json.loads(line) for line in export(sessions / f"{program}.int80", "jsonl").splitlines()]
    for line in lines:
        validator.validate(line)
    with open_session(sessions / f"{program}.int80") as session:
        assert [line["seq"] for line in lines] == list(range(len(session.log)))
        for line, one in zip(lines, session.log.records(), strict=True):
            assert (line["tick"], line["pid"], line["event"]) == (one.tick, one.pid, type(one.event).__name__)
            assert set(line["data"]) == set(one.event.__struct_fields__)
    spoilt = {**lines[0], "event": "Nonsense"}
    assert not validator.is_valid(spoilt)


def test_a_stretch_of_json(sessions: Path) -> None:
    lines = export(sessions / "pipe.int80", "jsonl", "--from", "10", "--until", "12").splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [10, 11]
    assert export(sessions / "pipe.int80", "jsonl", "--from", "999999") == b""


# Perfetto.


def perfetto(path: Path) -> Any:
    trace = perfetto_trace_pb2.Trace()
    trace.ParseFromString(export(path, "perfetto"))
    return trace


@pytest.mark.parametrize("program", ["pipe", "signal", "nested", "recover"])
def test_perfetto_slices_nest_and_calls_are_those_of_the_log(sessions: Path, program: str) -> None:
    path = sessions / f"{program}.int80"
    tracks: dict[int, Any] = {}
    opened: dict[int, list[str]] = {}
    calls = []
    last = 0
    for packet in perfetto(path).packet:
        assert packet.trusted_packet_sequence_id
        if packet.HasField("track_descriptor"):
            tracks[packet.track_descriptor.uuid] = packet.track_descriptor
            continue
        event = packet.track_event
        assert packet.timestamp >= last
        last = packet.timestamp
        assert event.track_uuid in tracks
        stack = opened.setdefault(event.track_uuid, [])
        if event.type == BEGIN:
            stack.append(event.name)
            if event.categories[0] == "syscall":
                calls.append((tracks[event.track_uuid].thread.tid, event.name))
        elif event.type == END:
            assert stack.pop()
        else:
            assert event.type == MOMENT
            assert event.name
    assert not any(opened.values())
    with open_session(path) as session:
        wanted = [
            (one.pid, call_name(one.event.nr))
            for one in session.log.records()
            if isinstance(one.event, e.SyscallEntered)
        ]
    assert calls == wanted


def arrows(trace: Any) -> dict[int, list[tuple[int, str]]]:
    """By arrow its two ends: track and name."""
    found: dict[int, list[tuple[int, str]]] = {}
    for packet in trace.packet:
        event = packet.track_event
        for arrow in (*event.flow_ids, *event.terminating_flow_ids):
            found.setdefault(arrow, []).append((event.track_uuid & 0xFFFF_FFFF, event.name))
    return found


def test_perfetto_arrows_lead_from_writer_to_reader_and_from_kill_to_handler(sessions: Path) -> None:
    ends = list(arrows(perfetto(sessions / "pipe.int80")).values())
    assert any([pid for pid, _ in pair] == [2, 3] and "bytes →" in pair[0][1] for pair in ends)
    ends = list(arrows(perfetto(sessions / "signal.int80")).values())
    assert [(2, "SIGUSR1 → signal 2"), (2, "SIGUSR1 handler")] in ends
    assert any(pair[0][0] == 3 and pair[1] == (2, "SIGCHLD handler") for pair in ends if len(pair) == 2)


# Graphs.


def test_the_graph_at_a_position(sessions: Path) -> None:
    path = sessions / "pipe.int80"
    with open_session(path) as session:
        at = next(one.seq for one in session.log.records() if isinstance(one.event, e.PipeWritten)) + 1
    graph = networkx.read_graphml(io.BytesIO(export(path, "graphml", "--at", str(at))))
    pipe = next(node for node in graph if node.startswith("pipe:"))
    assert "6 of 65536 bytes" in graph.nodes[pipe]["label"]
    assert graph.has_edge("task:2", pipe)
    assert graph.has_edge(pipe, "task:3")
    assert graph.has_edge("task:2", "task:3")
    dot = export(path, "dot", "--at", str(at)).decode()
    assert dot.startswith("digraph int80 {\n")
    for one, other in graph.edges():
        assert f'"{one}" -> "{other}"' in dot


# Pictures.


def test_a_cast_plays_in_a_terminal(sessions: Path) -> None:
    size = f"{SIZE[0]}x{SIZE[1]}"
    lines = export(
        sessions / "pipe.int80", "cast", "--size", size, "--from", "100", "--until", "130"
    ).splitlines()
    head, *frames = [json.loads(line) for line in lines]
    assert head["version"] == 3
    assert (head["term"]["cols"], head["term"]["rows"]) == SIZE
    terminal = pyte.Screen(*SIZE)
    stream = pyte.Stream(terminal)
    shown = []
    for wait, kind, data in frames:
        assert wait >= 0
        assert kind in "om"
        if kind == "o":
            stream.feed(data)
            shown.append("\n".join(terminal.display))
    assert len(shown) == 32
    for seq, picture in zip(range(100, 131), shown, strict=False):
        assert f"event {seq}/" in picture or f"event {seq} of" in picture
        assert picture.count("\n") == SIZE[1] - 1
    assert "Story" in shown[0]


def test_a_picture(sessions: Path) -> None:
    svg = export(sessions / "pipe.int80", "svg", "--at", "120", "--size", "100x30", "--theme", "light")
    assert svg.startswith(b"<svg")
    assert b"Story" in svg


# What goes wrong is one line.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "needs a session file and --to FORMAT"),
        (("F", "--to", "gif"), "invalid choice: 'gif'"),
        (("F",), "needs a session file and --to FORMAT"),
        (("F", "--to", "dot", "--from", "3"), "--from does not go with dot"),
        (("F", "--to", "jsonl", "--size", "80x24"), "--size does not go with jsonl"),
        (("F", "--to", "svg", "--size", "80"), "80 is not COLUMNSxROWS"),
        (("F", "--to", "svg", "--at", "-1"), "-1 is not a number"),
        (("/nowhere", "--to", "dot"), "/nowhere"),
        (("/", "--to", "dot"), "/"),
    ],
)
def test_bad_command_lines(
    options: tuple[str, ...], words: str, sessions: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [str(sessions / "pipe.int80") if one == "F" else one for one in options]
    try:
        status = cli.main(["export", *given])
    except SystemExit as left:
        status = int(str(left.code))
    assert status == 2
    error = capfd.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_where_it_cannot_be_written(sessions: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for target, status in (("/nowhere/x", 2), ("/dev/full", 1)):
        assert cli.main(["export", str(sessions / "pipe.int80"), "--to", "jsonl", "-o", target]) == status
        assert capfd.readouterr().err.count("\n") == 1


def test_nobody_reads_on(sessions: Path) -> None:
    command = [sys.executable, "-m", "app.cli", "export", str(sessions / "pipe.int80"), "--to", "jsonl"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141
