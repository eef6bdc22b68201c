"""`int80 syscalls`: the table of system calls, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase

from app.host import complain
from kernel.syscalls.registry import handlers, standing
from kernel.table import TABLE, Row


def run_syscalls(names: Sequence[str], as_json: bool = False) -> int:
    """`int80 syscalls`: the table, or the rows whose names match or whose numbers are given."""
    rows = [row for row in TABLE if row is not None]
    for name in names:
        if not any(_is_meant(name, row) for row in rows):
            complain(f"there is no system call {name}")
            return 2
    chosen = [row for row in rows if not names or any(_is_meant(name, row) for name in names)]
    if as_json:
        known = handlers()
        print(json.dumps([_as_json(row, row.name in known, standing(row)) for row in chosen], indent=1))
        return 0
    for row in chosen:
        print(f"{row.number:3}  {row.name:28} {row.category.value:13} {row.win32:30} {standing(row)}")
        if names:
            arguments = ", ".join(argument.name for argument in row.args)
            print(f"     {row.note}\n     {row.name}({arguments})")
    return 0


def _is_meant(name: str, row: Row) -> bool:
    return name == str(row.number) or fnmatchcase(row.name, name)


def _as_json(row: Row, implemented: bool, text: str) -> dict[str, object]:
    return {
        "number": row.number,
        "name": row.name,
        "implemented": implemented,
        "whole": implemented and not row.lacks,
        "standing": text,
        "arguments": [
            {"name": arg.name, "type": f"{arg.kind.value.rstrip(':')}{':' + arg.of if arg.of else ''}"}
            for arg in row.args
        ],
        "result": row.result.value,
        "category": row.category.value,
        "win32": row.win32,
        "cost": row.cost,
        "note": row.note,
    }
