"""Times, in all the widths and pairs in which they come."""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from

from app.strace import text
from app.strace.text import structure
from kernel.abi.structs import Tms


def _time(format_: str, fraction: str) -> Callable[[bytes], str]:
    def show(data: bytes) -> str:
        seconds, part = unpack_from(format_, data)
        return f"{{tv_sec={seconds}, {fraction}={part}}}"

    return show


_timeval = _time("<iI", "tv_usec")
_timespec = _time("<iI", "tv_nsec")
_timespec64 = _time("<qQ", "tv_nsec")


def _utime_part(show: Callable[[bytes], str], format_: str) -> Callable[[bytes], str]:
    """A time for a file: `UTIME_NOW` and `UTIME_OMIT` stand in the place of nanoseconds."""

    def part(data: bytes) -> str:
        seconds, nanoseconds = unpack_from(format_, data)
        special = {0x3FFFFFFF: "UTIME_NOW", 0x3FFFFFFE: "UTIME_OMIT"}.get(nanoseconds)
        if special is not None:
            return special
        return _with_date(show(data), seconds, nanoseconds, 9)

    return part


def _with_date(shown: str, seconds: int, part: int, digits: int) -> str:
    """A time with its date in a comment, if its part of a second is one."""
    dated = text.date(seconds, part, digits) if part < 10**digits and (seconds or part) else ""
    return f"{shown} /* {dated} */" if dated else shown


def _utimeval(data: bytes) -> str:
    seconds, microseconds = unpack_from("<iI", data)
    return _with_date(_timeval(data), seconds, microseconds, 6)


def _two(show: Callable[[bytes], str]) -> Callable[[bytes], str]:
    def pair(data: bytes) -> str:
        half = len(data) // 2
        return f"[{show(data[:half])}, {show(data[half:])}]"

    return pair


def _interval(show: Callable[[bytes], str]) -> Callable[[bytes], str]:
    def pair(data: bytes) -> str:
        half = len(data) // 2
        return f"{{it_interval={show(data[:half])}, it_value={show(data[half:])}}}"

    return pair


def _timezone(data: bytes) -> str:
    minutes, dst = unpack_from("<ii", data)
    return f"{{tz_minuteswest={minutes}, tz_dsttime={dst}}}"


def _time_t(data: bytes) -> str:
    seconds = unpack_from("<i", data)[0]
    return f"[{_dated(seconds)}]"


def _utimbuf(data: bytes) -> str:
    times = unpack_from("<ii", data)
    return structure(
        [f"{word}={when}" for word, when in zip(("actime", "modtime"), map(_dated, times), strict=True)]
    )


def _dated(seconds: int) -> str:
    return f"{seconds} /* {text.date(seconds)} */" if seconds else "0"


_TIMEX = ("offset", "freq", "maxerror", "esterror", "status", "constant", "precision", "tolerance")
_TIMEX_STATISTICS = (
    *("tick", "ppsfreq", "jitter", "shift", "stabil", "jitcnt", "calcnt", "errcnt", "stbcnt"),
    "tai",
)


def _timex(format_: str) -> Callable[[bytes], str]:
    """How a clock is steered (`man 2 adjtimex`)."""

    def show(data: bytes) -> str:
        modes, *values = unpack_from(format_, data)
        fields = [f"modes={text.flags(modes, 'timex_modes')}"]
        for word, value in zip(_TIMEX, values, strict=False):
            status = word == "status"
            fields.append(f"{word}={text.flags(value & 0xFFFFFFFF, 'timex_status') if status else value}")
        seconds, part, *statistics = values[len(_TIMEX) :]
        fields.append(f"time={{tv_sec={seconds}, tv_usec={part}}}")
        words = zip(_TIMEX_STATISTICS, statistics, strict=True)
        return structure([*fields, *(f"{word}={value}" for word, value in words)])

    return show


def _tms(data: bytes) -> str:
    tms = Tms.unpack(data)
    return structure([f"{word}={getattr(tms, word)}" for word in Tms.__struct_fields__])


STRUCTS: dict[str, Callable[[bytes], str]] = {
    "utimbuf": _utimbuf,
    "timeval": _timeval,
    "timespec": _timespec,
    "timespec64": _timespec64,
    "time_t": _time_t,
    "timezone": _timezone,
    "timevals": _two(_utimeval),
    "utimespecs": _two(_utime_part(_timespec, "<iI")),
    "utimespecs64": _two(_utime_part(_timespec64, "<qQ")),
    "tms": _tms,
    "timex": _timex("<I20i"),
    "timex64": _timex("<I4xqqqqi4xqqqqqqqqi4xqqqqqi"),
    "itimerval": _interval(_timeval),
    "itimerspec": _interval(_timespec),
    "itimerspec64": _interval(_timespec64),
}
"""Text of each structure by its name in the table."""
