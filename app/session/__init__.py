"""A session: one machine's start, inputs, events and checkpoints in one SQLite file.

`recorder` writes it while the machine runs, `store` opens it and believes nothing in it, `schema` says what
lies where, `content` how each thing is packed, `untrusted` how a stranger's database is opened. Running,
folding and showing are for others. All that can be wrong with a file is a `SessionError` of one line.
"""

from app.session.content import StoredCheckpoint, decode_cpu, decode_tables, encode_cpu, encode_tables
from app.session.recorder import Recorder
from app.session.schema import SessionError
from app.session.store import Session, open_session

__all__ = [
    "Recorder",
    "Session",
    "SessionError",
    "StoredCheckpoint",
    "decode_cpu",
    "decode_tables",
    "encode_cpu",
    "encode_tables",
    "open_session",
]
