"""The options of `int80 trace`, which are strace's (`man 1 strace`), as data.

Their names are the command line's (`cli.py`); `options_of` checks what was given. strace's options that need
a process of the host (-p, -u, -E), change the program (-e inject), or look elsewhere (-k) are not here.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from app.strace.style import PLAIN, Style
from app.tracing import sets
from app.tracing.sets import BadSet

SORTS = {
    **dict.fromkeys(("time", "time-total", "total-time"), "time"),
    **dict.fromkeys(("calls", "count"), "calls"),
    **dict.fromkeys(("errors", "error"), "errors"),
    **dict.fromkeys(("name", "syscall", "syscall-name"), "name"),
    **dict.fromkeys(("nothing", "none"), "nothing"),
}
_QUIET = {"attach": "attach", "personality": "attach", "exit": "exit", "exits": "exit"}
_NEVER_SAID = ("path-resolution", "path-resolve", "superseded", "thread-execve")


@dataclass(frozen=True)
class TraceOptions:
    """What is shown, and how. Sets are of names; None is everything."""

    follow: bool = False
    """Children, too (-f)."""
    separately: bool = False
    """Each process to a file of its own (-ff)."""
    pids: bool = False
    """Every line begins with its pid: -f into a file."""
    calls: frozenset[str] | None = None
    signals: frozenset[str] | None = None
    statuses: frozenset[str] | None = None
    paths: tuple[str, ...] = ()
    """Only calls that touch one of them (-P)."""
    style: Style = PLAIN
    files: str = ""
    """Files behind descriptors: "path" (-y) or "all" (-yy)."""
    stamp: str = ""
    """At the head of a line: "s" (-t), "us" (-tt), "unix" (-ttt)."""
    relative: bool = False
    """Or the time since the line before (-r)."""
    duration: bool = False
    number: bool = False
    pointer: bool = False
    quiet: frozenset[str] = frozenset()
    """Lines that are left out: "attach", "exit"."""
    summary: bool = False
    lines: bool = True
    wall: bool = False
    sort: str = "time"
    column: int = 40
    library: bool = False
    """Calls of library functions, too (-l)."""
    functions: tuple[str, ...] = ()
    """Calls of functions whose names match one of these globs, the program's own included (--functions)."""


def options_of(given: Namespace) -> TraceOptions:
    """Raises BadSet with what is wrong."""
    if given.relative_timestamps and given.absolute_timestamps:
        raise BadSet("-t and -r cannot be used together")
    if given.summary_only and given.summary:
        raise BadSet("-c and -C cannot be used together")
    separately = given.follow_forks > 1 or given.output_separately
    if given.summary_only and separately:
        raise BadSet("-c and -ff cannot be used together")
    if separately and not given.output:
        raise BadSet("-ff needs -o FILE")
    expressions = _expressions(given)
    statuses = expressions.get("status")
    if given.successful_only or given.failed_only:
        statuses = "successful" if given.successful_only else "failed"
    if given.summary_sort_by not in SORTS:
        raise BadSet(f"invalid sortby: '{given.summary_sort_by}'")
    verbose = given.no_abbrev or expressions.get("abbrev") == "none"
    raw = sets.calls(expressions["raw"]) if "raw" in expressions else frozenset()
    files = {0: "", 1: "path"}.get(given.decode_fds, "all")
    if "decode-fds" in expressions:
        files = {"none": "", "path": "path"}.get(expressions["decode-fds"], "all")
    return TraceOptions(
        follow=bool(given.follow_forks),
        separately=separately,
        pids=bool(given.follow_forks) and bool(given.output) and not separately,
        calls=sets.calls(expressions["trace"]) if "trace" in expressions else None,
        signals=sets.signals(expressions["signal"]) if "signal" in expressions else None,
        statuses=sets.statuses(statuses) if statuses else None,
        paths=tuple(given.trace_path),
        style=Style(
            limit=_number(given.string_limit, "-s"),
            hexadecimal={0: "", 1: "non-ascii"}.get(given.strings_in_hex, "all"),
            verbose=verbose,
            raw=raw,
        ),
        files=files,
        stamp={0: "", 1: "s", 2: "us"}.get(given.absolute_timestamps, "unix"),
        relative=given.relative_timestamps,
        duration=given.syscall_times,
        number=given.syscall_number,
        pointer=given.instruction_pointer,
        quiet=_quiet(given, expressions.get("quiet", "")),
        summary=given.summary_only or given.summary,
        lines=not given.summary_only,
        wall=given.summary_wall_clock,
        sort=SORTS[given.summary_sort_by],
        column=_number(given.columns, "-a"),
        library=given.library,
        functions=tuple(glob for one in given.functions for glob in one.split(",") if glob),
    )


_LONG = ("trace", "signal", "status")
_SHORT = {"t": "trace", "s": "signal", "a": "abbrev", "r": "raw", "q": "quiet", "silent": "quiet"}
_SHORT |= {"silence": "quiet", "signals": "signal", "decode-fd": "decode-fds"}
_KNOWN = frozenset(("trace", "signal", "status", "quiet", "raw", "abbrev", "verbose", "decode-fds"))


def _expressions(given: Namespace) -> dict[str, str]:
    """`-e KEY=SET`; without a key it is the calls to trace."""
    found = {key: getattr(given, key) for key in _LONG if getattr(given, key) is not None}
    for text in given.e:
        key, equals, value = text.partition("=")
        key = _SHORT.get(key, key)
        if not equals:
            key, value = "trace", text
        if key not in _KNOWN:
            raise BadSet(f"-e {text}: not one of {', '.join(sorted(_KNOWN))}")
        found[key] = value
    return found


def _quiet(given: Namespace, expression: str) -> frozenset[str]:
    quiet = {0: set(), 1: {"attach"}}.get(given.quiet, {"attach", "exit"})
    if given.output:
        quiet = quiet | {"attach"}
    for word in filter(None, expression.split(",")):
        if word not in (*_QUIET, *_NEVER_SAID, "all", "none"):
            raise BadSet(f"invalid quiet '{word}'")
        quiet = quiet | ({"attach", "exit"} if word == "all" else {_QUIET[word]} if word in _QUIET else set())
    return frozenset(quiet)


def _number(text: str, option: str) -> int:
    if not (text.isdecimal() and len(text) < 8):
        raise BadSet(f"invalid {option} argument: '{text}'")
    return int(text)
