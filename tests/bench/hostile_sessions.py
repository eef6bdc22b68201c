"""Ten thousand session files that somebody has tampered with, each opened, played and looked into.

    python -m tests.bench.hostile_sessions [FILES]

Bits flipped, ends cut off, rows changed or taken away with their digests made right again, absurd lengths
and numbers, triggers, views and tables in the schema. Each must either open, or give one clear line; none may
take longer than LONGEST, raise anything else, or leave a file behind. Prints how many did what.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from app import branches
from app.branches import TRUNK
from app.engine import Engine
from app.launch import Options, prepare
from app.playing import Wish, play
from app.recording import Recording, open_engine
from app.resources import kernel_image
from app.session import schema
from app.session.store import SessionError, open_session
from tests.app.pictures import run_to_the_end

FILES = 10_000
LONGEST = 5.0
PLAYED = 10
"""Every so many of those that open is also gone about in, with the machine run again."""
SCHEMA = (
    "CREATE TRIGGER t AFTER INSERT ON chunks BEGIN DELETE FROM files; END",
    "CREATE VIEW v AS SELECT * FROM chunks",
    "CREATE TABLE other (x)",
    "DROP TABLE {table}",
    "ALTER TABLE {table} ADD COLUMN more BLOB",
    "CREATE INDEX i ON {table} (digest)",
    "PRAGMA user_version={number}",
    "PRAGMA application_id={number}",
    "DELETE FROM {table}",
    "DELETE FROM {table} WHERE rowid = {row}",
    "INSERT INTO {table} SELECT * FROM {table} WHERE rowid = {row}",
    "UPDATE {table} SET digest = zeroblob(16)",
)
NUMBERS = (0, 1, 2, 3, 255, 4096, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, -1, -(1 << 63))


def session(path: Path) -> None:
    """A small one that has everything: inputs, keyframes, checkpoints, branches."""
    start, blobs = prepare(Options("pipe"))
    engine = Engine(start, kernel_image(), blobs)
    machine = engine.machine
    recording = Recording(str(path), start, kernel_image(), blobs, machine, engine.history, engine.branches)
    machine.follow = recording.follow
    run_to_the_end(engine)
    engine.go_to(60)
    engine.send_signal(2, 15)
    run_to_the_end(engine)
    branches.go_to(engine, TRUNK)
    recording.finish()


def tamper(path: Path, rng: random.Random) -> str:
    """Change the file somehow; what kind of change that was."""
    kind = rng.choice(("bits", "bits", "cut", "bytes", "row", "row", "row", "schema"))
    data = bytearray(path.read_bytes())
    if kind == "bits":
        for _ in range(rng.choice((1, 1, 2, 8, 64))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[rng.randrange(len(data)) :]
    elif kind == "bytes":
        at, length = rng.randrange(len(data)), rng.choice((1, 4, 100, 4096))
        data[at : at + length] = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    if kind in ("bits", "cut", "bytes"):
        path.write_bytes(data)
        return kind
    database = sqlite3.connect(path, isolation_level=None)
    with contextlib.closing(database), contextlib.suppress(sqlite3.Error, OverflowError):
        (_tampered_row if kind == "row" else _tampered_schema)(database, rng)
    return kind


def _tampered_row(database: sqlite3.Connection, rng: random.Random) -> None:
    """A field of a row becomes something else, and the digest is right."""
    table = rng.choice(schema.ROWS)
    rows = database.execute(schema.select_statement(table)).fetchall()
    if not rows:
        return
    names, row = schema.columns(table), list(rng.choice(rows)[:-1])
    key, place = row[0], rng.randrange(len(names))
    old = row[place]
    if isinstance(old, int):
        row[place] = rng.choice((*NUMBERS, old + 1, old - 1, old * 1000))
    elif isinstance(old, str):
        row[place] = rng.choice(("", "x" * 100_000, "\x1b[2J", "a" * 64, old[::-1], old[:-1] + "é"))
    else:
        blob = bytearray(old)
        for _ in range(rng.choice((1, 3, 20))):
            if blob:
                blob[rng.randrange(len(blob))] = rng.randrange(256)
        row[place] = rng.choice(
            (bytes(blob), b"", old[: len(old) // 2], old * 3, rng.randbytes(50), bytes(70_000))
        )
    digest = schema.digest(table, tuple(row))
    sets = ", ".join(f"{name} = ?" for name in (*names, "digest"))
    database.execute(f"UPDATE {table.TABLE} SET {sets} WHERE {names[0]} = ?", (*row, digest, key))


def _tampered_schema(database: sqlite3.Connection, rng: random.Random) -> None:
    sql = rng.choice(SCHEMA)
    table = rng.choice(schema.ROWS).TABLE
    database.execute(sql.format(table=table, number=rng.choice(NUMBERS), row=rng.randrange(3)))


def opened(path: Path, deep: bool) -> str:
    """What came of it: opens, refused; anything else is a failure."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = play(str(path), True, Wish())
    said = err.getvalue()
    if status == 2:
        one_line = (
            said.count("\n") == 1 and said.startswith(f"int80: {path}: ") and said.strip().isprintable()
        )
        return "refused in one line" if one_line else f"FAILED: says {said!r}"
    if not deep:
        return "opens"
    with open_session(path) as found:
        engine = open_engine(found)
        for seq in (engine.length // 2, engine.length, 1):
            engine.go_to(seq)
            if engine.view is None:
                return "opens; the machine cannot be run again, which is said"
        for one in list(engine.branches):
            branches.go_to(engine, one.number)
            while engine.seeking is not None:
                engine.run(0.1)
        with contextlib.suppress(SessionError):
            found.verify()
    return "opens, and is gone about in"


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else FILES
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 80)
    counted: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory(prefix="int80-hostile-") as folder:
        whole, path = Path(folder) / "whole.int80", Path(folder) / "evil.int80"
        session(whole)
        data = whole.read_bytes()
        print(f"{files:,} files from one of {len(data):,} bytes")
        for number in range(files):
            path.write_bytes(data)
            kind = tamper(path, rng)
            begun = time.perf_counter()
            try:
                what = opened(path, not number % PLAYED)
            except Exception as error:
                what = f"FAILED: {type(error).__name__}: {error}"
            took = time.perf_counter() - begun
            slowest = max(slowest, took)
            if took > LONGEST:
                what = f"FAILED: took {took:.1f} s"
            left = sorted(set(os.listdir(folder)) - {"whole.int80", "evil.int80"})
            if left:
                what = f"FAILED: left {left} behind"
                for name in left:
                    os.unlink(Path(folder) / name)
            counted[f"{kind}: {re.sub('[0-9]+', 'N', what)[:160]}"] += 1
            if what.startswith("FAILED"):
                print(number, kind, what[:300])
    for what, count in sorted(counted.items()):
        print(f"{count:7,}  {what}")
    print(f"slowest: {slowest * 1000:.0f} ms")


if __name__ == "__main__":
    main()
