"""What well-known library functions take and give, so that a trace can show it as ltrace does.

A line is `result name(arguments)`. Types are `str`, `char`, `int`, `uint`, `hex`, `oct`, `addr`, `signal`,
`int64`, `double`, `void`; `str3` is the bytes whose number the third argument says; `format` is a string for
printf, whose directives say what follows.
"""

from __future__ import annotations

import math
import re
import struct
from typing import NamedTuple, Protocol

from kernel.abi.signal import signal_name

_LINES = """
int puts(str) | int putchar(char) | int getchar() | int putc(char, addr) | int fputc(char, addr)
int fputs(str, addr) | addr fgets(addr, int, addr) | int fgetc(addr) | int ungetc(char, addr)
uint fread(addr, uint, uint, addr) | uint fwrite(addr, uint, uint, addr) | int fflush(addr)
addr fopen(str, str) | addr fopen64(str, str) | int fclose(addr) | int fseek(addr, int, int) | int ftell(addr)
int feof(addr) | int ferror(addr) | int fileno(addr) | void perror(str) | int remove(str)
int printf(format) | int fprintf(addr, format) | int dprintf(int, format) | int sprintf(addr, format)
int snprintf(addr, uint, format) | int __printf_chk(int, format) | int __fprintf_chk(addr, int, format)
int __sprintf_chk(addr, int, uint, format) | int __snprintf_chk(addr, uint, int, uint, format)
void error(int, int, format) | int scanf(str) | int sscanf(str, str) | int __isoc99_sscanf(str, str)
uint strlen(str) | int strcmp(str, str) | int strncmp(str, str, uint) | int strcasecmp(str, str)
int strcoll(str, str) | int strncasecmp(str, str, uint) | str strchr(str, char) | str strrchr(str, char)
str strstr(str, str) | addr strcpy(addr, str) | addr strncpy(addr, str, uint) | addr strcat(str, str)
addr strncat(str, str, uint) | addr strdup(str) | addr strndup(str, uint) | str strtok(str, str)
uint strspn(str, str) | uint strcspn(str, str) | str strerror(int) | str strsignal(int)
addr memcpy(addr, str3, uint) | addr memmove(addr, str3, uint) | addr memset(addr, char, uint)
int memcmp(str3, str3, uint) | addr memchr(str3, char, uint) | addr mempcpy(addr, str3, uint)
addr malloc(uint) | addr calloc(uint, uint) | addr realloc(addr, uint) | void free(addr)
addr reallocarray(addr, uint, uint)
int __libc_start_main(addr, int, addr) | void __cxa_finalize(addr) | int __cxa_atexit(addr, addr, addr)
int _setjmp(addr) | int setjmp(addr) | int __sigsetjmp(addr, int) | void longjmp(addr, int)
void siglongjmp(addr, int) | void _longjmp(addr, int) | void __longjmp_chk(addr, int)
double atof(str) | double strtod(str, addr) | double sqrt(double)
double pow(double, double) | double sin(double)
double cos(double) | double tan(double) | double exp(double) | double log(double) | double floor(double)
double ceil(double) | double fabs(double) | double fmod(double, double)
int __isoc23_strtol(str, addr, int) | uint __isoc23_strtoul(str, addr, int) | int64 strtoll(str, addr, int)
int64 lseek64(int, int64, int) | addr mmap64(addr, uint, hex, hex, int, int64)
int atoi(str) | int atol(str) | int strtol(str, addr, int) | uint strtoul(str, addr, int) | int abs(int)
char toupper(char) | char tolower(char) | int isatty(int) | int rand() | void srand(uint)
void qsort(addr, uint, uint, addr) | str getenv(str) | int setenv(str, str, int) | int putenv(str)
int unsetenv(str) | void exit(int) | void _exit(int) | void abort() | int atexit(addr) | int system(str)
int open(str, int, oct) | int open64(str, int, oct) | int creat(str, oct) | int close(int)
int read(int, addr, uint) | int write(int, str3, uint) | int lseek(int, int, int) | int dup(int)
int dup2(int, int)
int pipe(addr) | int unlink(str) | int rename(str, str) | int link(str, str) | int symlink(str, str)
int mkdir(str, oct) | int rmdir(str) | int chdir(str) | str getcwd(addr, uint) | int access(str, int)
int chmod(str, oct) | int stat(str, addr)
int lstat(str, addr) | int stat64(str, addr) | int fstat(int, addr)
addr opendir(str) | addr readdir(addr) | addr readdir64(addr) | int closedir(addr) | int ioctl(int, hex, addr)
int fork() | int vfork() | int getpid() | int getppid() | int getuid() | int geteuid() | int getgid()
int getegid() | int execv(str, addr) | int execvp(str, addr) | int execve(str, addr, addr) | int wait(addr)
int waitpid(int, addr, int) | int kill(int, signal)
addr signal(signal, addr) | int sigaction(signal, addr, addr)
int raise(signal) | uint sleep(uint) | int usleep(uint) | uint alarm(uint) | int time(addr)
str setlocale(int, str) | str bindtextdomain(str, str) | str textdomain(str) | str gettext(str)
str dcgettext(str, str, int) | int getopt(int, addr, str) | int getopt_long(int, addr, str, addr, addr)
addr __errno_location() | addr __ctype_b_loc() | uint __ctype_get_mb_cur_max()
addr mmap(addr, uint, hex, hex, int, int)
int pthread_create(addr, addr, addr, addr) | int pthread_join(int, addr) | int pthread_mutex_lock(addr)
int pthread_mutex_unlock(addr)
"""


class Prototype(NamedTuple):
    result: str
    arguments: tuple[str, ...]


def _parse() -> dict[str, Prototype]:
    found = re.findall(r"(\w+) (\w+)\(([^)]*)\)", _LINES)
    return {name: Prototype(result, tuple(filter(None, args.split(", ")))) for result, name, args in found}


PROTOTYPES = _parse()
UNKNOWN = Prototype("word", ("word",) * 4)
"""For functions that nobody has told of: the words where arguments would be."""
MOST = 24
"""Words behind the return address that are looked at."""

_DIRECTIVE = re.compile(rb"%[-+ #0']*(\*|\d*)(?:\.(\*|\d*))?(hh|h|ll|l|L|q|j|z|t)?([a-zA-Z%])")
_MOST_FORMAT = 1024
_WORDS = {"int64": 2, "uint64": 2, "double": 2, "long double": 3}
"""How many words a type takes, if not one."""
Words = tuple[int, ...]


class Text(Protocol):
    """The bytes at an address, as far as they can be reached; `size` negative: up to a NUL."""

    def __call__(self, address: int, size: int) -> bytes | None: ...


def show_arguments(prototype: Prototype, words: Words, text: Text, limit: int) -> str:
    """The arguments, as far as `words`, what lies behind the return address, reaches."""
    out: list[str] = []
    at = 0
    for kind in prototype.arguments:
        size = _WORDS.get(kind, 1)
        if at + size > len(words):
            break
        if kind[:3] == "str" and kind != "str":
            count = words[int(kind[3:]) - 1] if int(kind[3:]) <= len(words) else 0
            out.append(_bytes(words[at], count, text, limit))
        elif kind == "format":
            out.append(show("str", words[at:], text, limit))
            form = text(words[at], -_MOST_FORMAT) or b""
            for directed in _directed(form):
                at += size
                size = _WORDS.get(directed.partition(".")[0], 1)
                if at + size > len(words):
                    break
                kind, _, most = directed.partition(".")
                if most == "*":
                    most = str(words[at - 1])
                out.append(show(kind, words[at:], text, min(limit, int(most)) if most else limit, bool(most)))
        else:
            out.append(show(kind, words[at:], text, limit))
        at += size
    return ", ".join(out)


def _directed(form: bytes) -> list[str]:
    """The types of arguments that a format asks for; `str.5` and `str.*` have their precision behind them."""
    out: list[str] = []
    for width, precision, size, letter in _DIRECTIVE.findall(form):
        if letter == b"%":
            continue
        out += ["int"] * ((width == b"*") + (precision == b"*"))
        kind = _LETTERS.get(letter, "word")
        if kind == "double" and size == b"L":
            kind = "long double"
        elif size in (b"ll", b"q", b"j", b"L") and kind in ("int", "uint", "hex", "oct"):
            kind = "int64" if kind == "int" else "uint64"
        elif kind == "str" and precision:
            kind += f".{precision.decode()}"
        out.append(kind)
    return out


_LETTERS = {
    **dict.fromkeys((b"d", b"i"), "int"),
    **dict.fromkeys((b"x", b"X"), "hex"),
    b"u": "uint",
    b"o": "oct",
    b"s": "str",
    b"c": "char",
    **dict.fromkeys((b"p", b"n"), "addr"),
    **dict.fromkeys((b"f", b"F", b"g", b"G", b"e", b"E", b"a", b"A"), "double"),
}
_GUESSED_DECIMAL = 10_000
"""Up to here a word of an unknown type is taken for a number, above for an address or flags."""


def show(kind: str, words: Words, text: Text, limit: int, exactly: bool = False) -> str:
    """What begins at the first of `words`, which are enough; `exactly`: no more than `limit` is there."""
    word = words[0]
    signed = word - (word >> 31 << 32)
    match kind:
        case "void":
            return "<void>"
        case "int":
            return str(signed)
        case "uint":
            return str(word)
        case "oct":
            return f"0{word:o}"
        case "char":
            return f"'{_escaped(bytes((word,)))}'" if word < 256 else str(signed)
        case "signal":
            return signal_name(word) if 0 < word < 65 else str(signed)
        case "int64" | "uint64":
            value = word | words[1] << 32
            return str(value - (value >> 63 << 64) if kind == "int64" else value)
        case "double":
            return f"{struct.unpack('<d', struct.pack('<II', *words[:2]))[0]:f}"
        case "long double":
            return _extended(word | words[1] << 32, words[2])
        case "str":
            data = text(word, -(limit + (not exactly))) if word else None
            if data is not None:
                return f'"{_escaped(data[:limit])}"' + ("..." if len(data) > limit else "")
            return f"{word:#x}" if word else "nil"
        case "word" if word <= _GUESSED_DECIMAL:
            return str(word)
    return f"{word:#x}" if word else "0"


def show_result(prototype: Prototype, words: Words, top: tuple[int, int], text: Text, limit: int) -> str:
    """What a function gave: `words` are EAX and EDX, `top` the mantissa and exponent of ST(0)."""
    if prototype.result == "double":
        return _extended(*top)
    return show(prototype.result, words, text, limit)


def _extended(mantissa: int, exponent: int) -> str:
    """An 80-bit number of the x87."""
    sign = -1.0 if exponent & 0x8000 else 1.0
    exponent &= 0x7FFF
    if exponent == 0x7FFF:
        return "nan" if mantissa << 1 & 0xFFFF_FFFF_FFFF_FFFF else f"{sign * math.inf:f}"
    try:
        return f"{sign * math.ldexp(mantissa, exponent - 16383 - 63):f}"
    except OverflowError:
        return f"{sign * math.inf:f}"


def _bytes(address: int, count: int, text: Text, limit: int) -> str:
    data = text(address, min(count, limit)) if address else None
    if data is None:
        return f"{address:#x}" if address else "nil"
    return f'"{_escaped(data)}"' + ("..." if count > limit else "")


_ESCAPES = {0: "\\0", 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}


def _escaped(data: bytes) -> str:
    """ltrace leaves quotes as they are."""
    return "".join(
        _ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in data
    )
