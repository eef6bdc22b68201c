"""Every event as a line of JSON, for jq and the like; and the JSON Schema that such lines follow.

A line is `{"seq": 12, "tick": 609, "pid": 2, "event": "SyscallEntered", "data": {...}}`: `seq` events came
before it, at guest time `tick` (nanoseconds), while `pid` had the processor. `data` has the event's fields
under the names of `kernel/events.py` and `cpu/events.py`; bytes are in base64.
"""

from __future__ import annotations

from functools import cache
from typing import Any, BinaryIO, get_args

import msgspec

from app.export import Wish
from app.log import EVENT_TYPES
from app.session.store import Session

_ENCODER = msgspec.json.Encoder()
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def write_jsonl(session: Session, wish: Wish, out: BinaryIO) -> None:
    first, last = wish.stretch(len(session.log))
    for one in session.log.records(first, last):
        event = one.event
        data = {name: getattr(event, name) for name in event.__struct_fields__}
        line = {"seq": one.seq, "tick": one.tick, "pid": one.pid, "event": type(event).__name__, "data": data}
        out.write(_ENCODER.encode(line) + b"\n")


@cache
def _shape(kind: type[Any]) -> type[Any]:
    """The event as an object with named fields."""
    fields = msgspec.structs.fields(kind)
    return msgspec.defstruct(
        kind.__name__, [(one.name, one.type) for one in fields], forbid_unknown_fields=True
    )


def schema() -> bytes:
    """JSON Schema (2020-12) of one line."""
    kinds = {kind.__name__: _shape(kind) for kind in get_args(EVENT_TYPES)}
    shapes, components = msgspec.json.schema_components(list(kinds.values()), ref_template="#/$defs/{name}")
    for kind, one in zip(get_args(EVENT_TYPES), shapes, strict=True):
        about = (kind.__doc__ or "").strip()
        name = one["$ref"].rpartition("/")[2]
        components[name]["description"] = " ".join(about.split())
    whole = {
        "$schema": DRAFT,
        "title": "A line of int80 export --to jsonl",
        "type": "object",
        "properties": {
            "seq": {"type": "integer", "minimum": 0, "description": "how many events came before"},
            "tick": {"type": "integer", "minimum": 0, "description": "guest time in nanoseconds"},
            "pid": {"type": "integer", "minimum": 0, "description": "who had the processor"},
        },
        "required": ["seq", "tick", "pid", "event", "data"],
        "oneOf": [
            {"properties": {"event": {"const": name}, "data": one}, "required": ["event", "data"]}
            for name, one in zip(kinds, shapes, strict=True)
        ],
        "$defs": components,
    }
    return msgspec.json.format(_ENCODER.encode(whole), indent=2) + b"\n"
