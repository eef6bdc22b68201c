"""The command line: what is asked for, checked, and handed to the part that does it.

Heavy modules are imported by the command that needs them, so that `--help` answers at once and
nothing without a screen loads one.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

USAGE_ERROR = 2
EXPORTS = ("strace", "jsonl", "perfetto", "cast", "svg", "dot", "graphml")
"""`app.export.FORMATS`, which says what each is."""
MOST_SCHEDULES = 100_000
PLAIN = {
    "PROG, ARG": "a program: one of int80's own, or a path",
    "FILE": "a session file",
    "-o/--output": "-o FILE, where to record",
    "-o/--output, PROG, ARG": "-o FILE, where to record, and a program",
}
"""What is missing, in plain words."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        if message.startswith("the following arguments are required: "):
            message = "needs " + PLAIN.get(message.rpartition(": ")[2], message.rpartition(": ")[2])
        sys.stderr.write(f"{self.prog}: {message} (try {self.prog} --help)\n")
        raise SystemExit(USAGE_ERROR)


class _Version(argparse.Action):
    """Looks the version up only if it is asked for, which takes as long as a tenth of a short run."""

    def __call__(self, *_: object) -> NoReturn:
        print(f"int80 {version()}")
        raise SystemExit(0)


def main(argv: Sequence[str] | None = None) -> int:
    """The command `int80`; its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options, unknown = build_parser().parse_known_args(arguments)
    if unknown:
        asked = "int80" if arguments[0].startswith("-") else f"int80 {arguments[0]}"
        sys.stderr.write(f"{asked}: unrecognized arguments: {' '.join(unknown)} (try {asked} --help)\n")
        return USAGE_ERROR
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        status = command(options)
        if sys.stdout is not None:  # None where it was closed from the beginning
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT):
            raise
        sys.stderr.write(f"int80: standard output: {str(error.strerror).lower()}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of it goes nowhere
        return 1


def build_parser() -> Parser:
    parser = Parser(
        prog="int80",
        description="Watch real i386 Linux programs go through a real int $0x80, forwards and backwards.",
        epilog="Without a command, int80 lists its own programs to choose from.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    parser.set_defaults(command=_first, program="write", arguments=[])
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)

    run = commands.add_parser("run", help="the screen, on a program")
    _program_options(run)
    run.add_argument("-o", "--output", metavar="FILE", help="record the session into FILE")
    _break_option(run)
    _theme_option(run)
    run.set_defaults(command=_run)

    execute = commands.add_parser("exec", help="run a program without screen or trace")
    _program_options(execute)
    execute.set_defaults(command=_exec)

    trace = commands.add_parser("trace", help="run a program and write its system calls as strace does")
    trace.add_argument(
        "-o", "--output", metavar="FILE", help="write the trace to FILE, not to standard error"
    )
    trace.add_argument("--events", action="store_true", help="every event as a line, not only system calls")
    _strace_options(trace)
    _schedules_options(trace)
    _program_options(trace)
    trace.set_defaults(command=_trace)

    record = commands.add_parser("record", help="run a program without screen and record the session")
    record.add_argument("-o", "--output", metavar="FILE", required=True, help="the session file (.int80)")
    _program_options(record)
    record.set_defaults(command=_record)

    play = commands.add_parser("play", help="open a recorded session")
    play.add_argument("file", metavar="FILE")
    play.add_argument(
        "--text", action="store_true", help="write the trace as text instead of opening the screen"
    )
    play.add_argument("--at", metavar="EVENT", type=_count, help="start at this event")
    play.add_argument(
        "--from", metavar="P", dest="first", help="begin here: an event, 50%%, start, end, a chapter's title"
    )
    play.add_argument("--until", metavar="P", dest="last", help="play to here, not further")
    play.add_argument("--loop", action="store_true", help="then from the beginning again")
    play.add_argument("--speed", metavar="X", help="play at once, 1/16 to 64 times as fast as usual")
    play.add_argument(
        "--by",
        choices=("steps", "time"),
        help="play at once: microstep by microstep (as if not given), or as time went by in the guest",
    )
    play.add_argument("--branch", metavar="B", help="another future that was tried: its number or name")
    _break_option(play)
    _theme_option(play)
    play.set_defaults(command=_play)

    export = commands.add_parser("export", help="write a recorded session in another tool's format")
    export.add_argument("file", metavar="FILE", nargs="?")
    export.add_argument("--to", metavar="FORMAT", choices=EXPORTS, help=", ".join(EXPORTS))
    export.add_argument("-o", "--output", metavar="OUT", help="the file to write (default: standard output)")
    export.add_argument(
        "--at", metavar="EVENT", type=_count, help="the position of a picture or graph (default: the end)"
    )
    export.add_argument("--from", metavar="EVENT", type=_count, dest="first", help="begin at this event")
    export.add_argument("--until", metavar="EVENT", type=_count, help="end before this event")
    export.add_argument("--size", metavar="COLSxROWS", type=_size, help="of the screen (default 160x44)")
    _theme_option(export)
    export.add_argument(
        "--schema", action="store_true", help="write the JSON Schema of jsonl's lines instead"
    )
    export.set_defaults(command=_export)

    table = commands.add_parser("syscalls", help="the table of system calls, and how complete each is")
    table.add_argument("name", nargs="*", metavar="GLOB", help="only these, by name or number")
    table.add_argument("--json", action="store_true", help="for programs")
    table.set_defaults(command=_syscalls)
    return parser


def _theme_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--theme", choices=("dark", "light"), help="the screen's colours (default: as last time)"
    )


def _break_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-b",
        "--break",
        dest="breaks",
        metavar="WHAT",
        action="append",
        default=[],
        help="a breakpoint: a system call (read, 'read error'), SIGCHLD, ENOENT, 'vector 14', a function",
    )


def _strace_options(parser: argparse.ArgumentParser) -> None:
    """`app/tracing/options.py` makes sense of them."""
    group = parser.add_argument_group("options of strace (man 1 strace)")
    add = group.add_argument
    add(
        "-f", "--follow-forks", action="count", default=0, help="trace children, too; -ff: into FILE.PID each"
    )
    add("--output-separately", action="store_true", help="with -o, each process into FILE.PID")
    add(
        "-e",
        metavar="EXPR",
        action="append",
        default=[],
        help="trace=, signal=, status=, quiet=, raw=, abbrev=SET",
    )
    add("--trace", metavar="SET", help="only these calls: names, %%file, %%process, ..., /REGEX, !SET")
    add("--signal", metavar="SET", help="only these signals")
    add("--status", metavar="SET", help="only calls that ended so: successful, failed, unfinished")
    add("-P", "--trace-path", metavar="PATH", action="append", default=[], help="only calls that touch PATH")
    add("-z", "--successful-only", action="store_true", help="only calls that succeeded")
    add("-Z", "--failed-only", action="store_true", help="only calls that failed")
    add(
        "-s",
        "--string-limit",
        metavar="N",
        default="32",
        help="bytes of a string that are shown (default 32)",
    )
    add(
        "-x",
        "--strings-in-hex",
        action="count",
        default=0,
        help="strings in hexadecimal: non-ASCII ones, -xx: all",
    )
    add("-v", "--no-abbrev", action="store_true", help="structures and environments in full")
    add("-y", "--decode-fds", action="count", default=0, help="paths behind descriptors; -yy: devices, too")
    add(
        "-t",
        "--absolute-timestamps",
        action="count",
        default=0,
        help="time of day; -tt: with microseconds, -ttt: Unix time",
    )
    add("-r", "--relative-timestamps", action="store_true", help="time since the line before")
    add("-T", "--syscall-times", action="store_true", help="time that each call took")
    add("-n", "--syscall-number", action="store_true", help="the number of each call")
    add("-i", "--instruction-pointer", action="store_true", help="where each call was made")
    add(
        "-q", "--quiet", action="count", default=0, help="no lines about processes; -qq: nor about their ends"
    )
    add("-c", "--summary-only", action="store_true", help="count calls, errors and time instead")
    add("-C", "--summary", action="store_true", help="count them besides")
    add("-w", "--summary-wall-clock", action="store_true", help="count also the time that calls waited")
    add(
        "-S",
        "--summary-sort-by",
        metavar="BY",
        default="time",
        help="sort the counts: time, calls, errors, name",
    )
    add("-a", "--columns", metavar="N", default="40", help="column of results (default 40)")
    add("-l", "--library", action="store_true", help="also calls of library functions, as ltrace does")
    add(
        "--functions",
        metavar="GLOB",
        action="append",
        default=[],
        help="also calls of functions with such names, the program's own (by its symbols) included",
    )


def _schedules_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("failures that depend on who runs when")
    group.add_argument(
        "--schedules",
        metavar="N",
        type=_schedules,
        help="no trace: run N times, each under another random schedule (from --schedule SEED on, or 1), and"
        " list how the runs ended; exit status 1 if not all ended alike",
    )
    group.add_argument(
        "--limit", metavar="S", type=_seconds, help="give up a run after S s of processor time (default 1)"
    )
    group.add_argument("--record", metavar="FILE", help="record a run of the rarest failure into FILE")


def _program_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        metavar="DIR",
        help="a directory or tar file that becomes the guest's root; nothing is ever written to it",
    )
    parser.add_argument(
        "--mount",
        metavar="HOST:GUEST[:ro]",
        action="append",
        default=[],
        help="a further directory or tar file, at GUEST; nothing is ever written to it either",
    )
    parser.add_argument(
        "--disk",
        metavar="FILE[:rw]",
        help="the disk /dev/hda0: FILE as it is, or 'default'; with :rw what is written there stays",
    )
    parser.add_argument(
        "--cwd", metavar="DIR", default="/", help="the program's current directory in the guest"
    )
    parser.add_argument(
        "--env", metavar="K=V", action="append", default=[], type=_assignment, help="an environment variable"
    )
    parser.add_argument("--uid", metavar="N", type=_count, default=0, help="run as this user (default 0)")
    parser.add_argument(
        "--memory",
        metavar="MIB",
        type=_memory,
        default=64,
        help="the machine's memory, 8 to 896 (default 64)",
    )
    parser.add_argument("--seed", metavar="N", type=_count, default=1, help="what random numbers come from")
    parser.add_argument(
        "--schedule",
        metavar="SEED",
        type=_schedule,
        default=-1,
        help="draw who runs next and for how long from this seed (default rr: tasks take turns)",
    )
    parser.add_argument(
        "--core", metavar="FILE", help="let programs dump core, and save the core file that the last one left"
    )
    parser.add_argument("--timeout", metavar="S", type=_seconds, help="give up after S seconds of real time")
    parser.add_argument(
        "program",
        metavar="PROG",
        help="an i386 ELF file, or the name of one of int80's own; with --root, a program in there",
    )
    parser.add_argument("arguments", metavar="ARG", nargs=argparse.REMAINDER, help="the program's arguments")


def _count(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 4294967295")
    return value


def _schedule(text: str) -> int:
    return -1 if text == "rr" else _count(text)


def _schedules(text: str) -> int:
    value = int(text) if text.isdecimal() and len(text) < 9 else 0
    if not 1 <= value <= MOST_SCHEDULES:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to {MOST_SCHEDULES}")
    return value


def _memory(text: str) -> int:
    value = int(text) if text.isdecimal() and len(text) < 9 else 0
    if not 8 <= value <= 896 or value % 2:
        raise argparse.ArgumentTypeError(f"{text} is not an even number of MiB from 8 to 896")
    return value


def _size(text: str) -> tuple[int, int]:
    columns, _, rows = text.partition("x")
    if columns.isdecimal() and rows.isdecimal() and len(text) < 10:
        size = int(columns), int(rows)
        if 60 <= size[0] <= 500 and 20 <= size[1] <= 200:
            return size
    raise argparse.ArgumentTypeError(f"{text} is not COLUMNSxROWS, from 60x20 to 500x200")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return value


def _assignment(text: str) -> str:
    if "=" not in text or text.startswith("="):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return text


def version() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("int80")
    except PackageNotFoundError:
        return "(not installed)"


# The commands.


def _options(namespace: argparse.Namespace, screen: bool = False) -> object:
    from app.host import descriptor_modes, terminal_size
    from app.launch import Options

    arguments = list(namespace.arguments)
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    rows, columns = terminal_size()
    return Options(
        program=namespace.program,
        arguments=arguments,
        root=namespace.root,
        mounts=namespace.mount,
        disk=namespace.disk,
        cwd=namespace.cwd,
        env=namespace.env,
        uid=namespace.uid,
        memory=namespace.memory,
        seed=namespace.seed,
        schedule=namespace.schedule,
        core=namespace.core,
        modes=None if screen else descriptor_modes(),
        rows=rows,
        columns=columns,
    )


def _first(namespace: argparse.Namespace) -> int:
    """int80 alone: choose one of its own programs. Without a terminal, how it is used."""
    from app.commands import run_picker

    name = run_picker()
    if name is None:
        return 0
    if not name:
        build_parser().print_help()
        return USAGE_ERROR
    return _run(build_parser().parse_args(["run", name]), True)


def _run(namespace: argparse.Namespace, picked: bool = False) -> int:
    from app.commands import run_screen

    options = _options(namespace, screen=True)
    return run_screen(options, namespace.output, namespace.theme, picked, namespace.breaks)  # type: ignore[arg-type]


def _exec(namespace: argparse.Namespace) -> int:
    from app.commands import run_exec

    return run_exec(_options(namespace), namespace.timeout)  # type: ignore[arg-type]


def _trace(namespace: argparse.Namespace) -> int:
    from app.commands import run_trace
    from app.host import complain
    from app.tracing.options import options_of
    from app.tracing.sets import BadSet

    if namespace.schedules is not None:
        return _try_schedules(namespace)
    for name in ("limit", "record"):
        if getattr(namespace, name) is not None:
            complain(f"trace: --{name} is for --schedules only")
            return USAGE_ERROR
    try:
        trace = options_of(namespace)
    except BadSet as error:
        complain(f"trace: {error}")
        return USAGE_ERROR
    return run_trace(
        _options(namespace),  # type: ignore[arg-type]
        namespace.timeout,
        namespace.output,
        namespace.events,
        trace,
    )


WITH_SCHEDULES = (
    *("command", "schedules", "limit", "record", "timeout", "program", "arguments", "root", "mount"),
    *("disk", "cwd", "env", "uid", "memory", "seed", "schedule"),
)
"""What `--schedules` goes with, by the parser's names; all else is about a trace, and there is none."""


def _try_schedules(namespace: argparse.Namespace) -> int:
    from app.host import complain
    from app.schedules import run_schedules

    usual = vars(build_parser().parse_args(["trace", "x"]))
    for name, value in vars(namespace).items():
        if name not in WITH_SCHEDULES and value != usual[name]:
            option = f"--{name.replace('_', '-')}" if len(name) > 1 else f"-{name}"
            complain(f"trace: {option} makes no sense with --schedules, which writes no trace")
            return USAGE_ERROR
    return run_schedules(
        _options(namespace),  # type: ignore[arg-type]
        namespace.schedules,
        namespace.limit,
        namespace.timeout,
        namespace.record,
    )


def _record(namespace: argparse.Namespace) -> int:
    from app.commands import run_record

    return run_record(_options(namespace), namespace.timeout, namespace.output)  # type: ignore[arg-type]


def _play(namespace: argparse.Namespace) -> int:
    from app.commands import run_play
    from app.playing import Wish

    wish = Wish(
        namespace.at,
        namespace.branch,
        namespace.breaks,
        namespace.theme,
        namespace.first,
        namespace.last,
        namespace.loop,
        namespace.speed,
        namespace.by,
    )
    return run_play(namespace.file, namespace.text, wish)


def _export(namespace: argparse.Namespace) -> int:
    from app.export import Wish, run_export, run_schema
    from app.host import complain

    if namespace.schema:
        return run_schema()
    if namespace.file is None or namespace.to is None:
        complain("export: needs a session file and --to FORMAT (try int80 export --help)")
        return USAGE_ERROR
    written = {
        "at": namespace.at,
        "from": namespace.first,
        "until": namespace.until,
        "size": namespace.size,
        "theme": namespace.theme,
    }
    columns, rows = namespace.size or (160, 44)
    wish = Wish(namespace.at, namespace.first, namespace.until, columns, rows, namespace.theme == "light")
    given = frozenset(name for name, value in written.items() if value is not None)
    return run_export(namespace.file, namespace.to, namespace.output, wish, given)


def _syscalls(namespace: argparse.Namespace) -> int:
    from app.listing import run_syscalls

    return run_syscalls(namespace.name, namespace.json)


if __name__ == "__main__":
    raise SystemExit(main())
