"""Which Python function is which system call: `sys_NAME` in one of the modules here."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module

from kernel.table import Row

MODULES = (
    "process",
    "execution",
    "futex",
    "sched",
    "usage",
    "limits",
    "sharing",
    "prctl",
    "seccomp",
    "ptrace",
    "capabilities",
    "identity",
    "files",
    "paths",
    "opening",
    "transfer",
    "ranges",
    "inotify",
    "attributes",
    "xattr",
    "mounts",
    "poll",
    "event_files",
    "locks",
    "memory",
    "mapping",
    "process_memory",
    "memfd",
    "signals",
    "sockets",
    "mqueue",
    "time",
    "clock_set",
    "timers",
    "info",
)


@lru_cache(maxsize=1)
def handlers() -> dict[str, Callable[..., int]]:
    """Name without `sys_` to handler; what is missing here is ENOSYS."""
    out: dict[str, Callable[..., int]] = {}
    for name in MODULES:
        module = import_module(f"kernel.syscalls.{name}")
        for key, value in vars(module).items():
            if key.startswith("sys_") and callable(value):
                out[key.removeprefix("sys_")] = value
    return out


def standing(row: Row) -> str:
    """How complete a call is: `whole`, what it lacks, or `ENOSYS`."""
    if row.name in handlers():
        return row.lacks or "whole"
    return "ENOSYS, as in Linux" if row.note.startswith(("never implemented", "no longer")) else "ENOSYS"
