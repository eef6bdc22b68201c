"""What well-known library functions take and give, so that a trace can show it as ltrace does.

A line is `result name(arguments)`. Types are `str`, `char`, `int`, `uint`, `hex`, `addr`, `void`, and
`format`: a string for printf, whose directives say what follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

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
str strstr(str, str) | str strcpy(addr, str) | str strncpy(addr, str, uint) | str strcat(str, str)
str strncat(str, str, uint) | str strdup(str) | str strndup(str, uint) | str strtok(str, str)
uint strspn(str, str) | uint strcspn(str, str) | str strerror(int) | str strsignal(int)
addr memcpy(addr, addr, uint) | addr memmove(addr, addr, uint) | addr memset(addr, int, uint)
int memcmp(addr, addr, uint) | addr memchr(addr, char, uint) | addr mempcpy(addr, addr, uint)
addr malloc(uint) | addr calloc(uint, uint) | addr realloc(addr, uint) | void free(addr)
addr reallocarray(addr, uint, uint)
int atoi(str) | int atol(str) | int strtol(str, addr, int) | uint strtoul(str, addr, int) | int abs(int)
int toupper(char) | int tolower(char) | int isatty(int) | int rand() | void srand(uint)
void qsort(addr, uint, uint, addr) | str getenv(str) | int setenv(str, str, int) | int putenv(str)
int unsetenv(str) | void exit(int) | void _exit(int) | void abort() | int atexit(addr) | int system(str)
int open(str, hex, hex) | int open64(str, hex, hex) | int creat(str, hex) | int close(int)
int read(int, addr, uint) | int write(int, str, uint) | int lseek(int, int, int) | int dup(int)
int dup2(int, int)
int pipe(addr) | int unlink(str) | int rename(str, str) | int link(str, str) | int symlink(str, str)
int mkdir(str, hex) | int rmdir(str) | int chdir(str) | str getcwd(addr, uint) | int access(str, int)
int chmod(str, hex) | int stat(str, addr)
int lstat(str, addr) | int stat64(str, addr) | int fstat(int, addr)
addr opendir(str) | addr readdir(addr) | addr readdir64(addr) | int closedir(addr) | int ioctl(int, hex, addr)
int fork() | int vfork() | int getpid() | int getppid() | int getuid() | int geteuid() | int getgid()
int getegid() | int execv(str, addr) | int execvp(str, addr) | int execve(str, addr, addr) | int wait(addr)
int waitpid(int, addr, int) | int kill(int, int) | addr signal(int, addr) | int sigaction(int, addr, addr)
int raise(int) | uint sleep(uint) | int usleep(uint) | uint alarm(uint) | int time(addr)
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
UNKNOWN = Prototype("hex", ("hex",) * 4)
"""For functions that nobody has told of: the words where arguments would be."""
MOST = 24
"""Words behind the return address that are looked at."""

_DIRECTIVE = re.compile(rb"%[-+ #0']*(\*|\d*)(?:\.(\*|\d*))?(hh|h|ll|l|L|q|j|z|t)?([a-zA-Z%])")
Words = tuple[int, ...]
Text = Callable[[int], bytes | None]
"""The NUL-terminated string at an address, as far as it is shown and a byte more."""


def show_arguments(prototype: Prototype, words: Words, text: Text, limit: int) -> str:
    out: list[str] = []
    for place, kind in enumerate(prototype.arguments):
        if place >= len(words):
            break
        if kind != "format":
            out.append(show(kind, words[place], text, limit))
            continue
        out.append(show("str", words[place], text, limit))
        out += _directed(text(words[place]) or b"", words[place + 1 :], text, limit)
    return ", ".join(out)


def _directed(form: bytes, words: Words, text: Text, limit: int) -> list[str]:
    """The arguments that a format asks for."""
    out: list[str] = []
    at = 0
    for width, precision, size, letter in _DIRECTIVE.findall(form):
        if letter == b"%":
            continue
        kinds = ["int"] * ((width == b"*") + (precision == b"*"))
        kinds.append(_LETTERS.get(letter, "hex"))
        for kind in kinds:
            if at >= len(words):
                return out
            if kind == "float" or (size in (b"ll", b"q", b"j", b"L") and kind in ("int", "uint", "hex")):
                wide = 3 if size == b"L" and kind == "float" else 2
                if kind == "float":
                    out.append("<float>" if wide == 3 else _double(words[at : at + 2]))
                else:
                    value = words[at] | (words[at + 1] if at + 1 < len(words) else 0) << 32
                    signed = value - (value >> 63 << 64)
                    out.append(
                        str(signed) if kind == "int" else str(value) if kind == "uint" else f"{value:#x}"
                    )
                at += wide
            else:
                out.append(show(kind, words[at], text, limit))
                at += 1
    return out


_LETTERS = {
    **dict.fromkeys((b"d", b"i"), "int"),
    b"u": "uint",
    **dict.fromkeys((b"x", b"X", b"o"), "hex"),
    b"s": "str",
    b"c": "char",
    **dict.fromkeys((b"p", b"n"), "addr"),
    **dict.fromkeys((b"f", b"F", b"g", b"G", b"e", b"E", b"a", b"A"), "float"),
}


def _double(words: Words) -> str:
    import struct

    if len(words) < 2:
        return "<float>"
    return f"{struct.unpack('<d', struct.pack('<II', *words))[0]:f}"


def show(kind: str, word: int, text: Text, limit: int) -> str:
    """One word as ltrace shows it."""
    if kind == "void":
        return "<void>"
    if kind == "int":
        return str(word - (word >> 31 << 32))
    if kind == "uint":
        return str(word)
    if kind == "char":
        return (
            f"'{_escaped(bytes((word & 0xFF,)), chr(39))}'" if word < 256 else str(word - (word >> 31 << 32))
        )
    if kind == "str":
        data = text(word) if word else None
        if data is not None:
            return f'"{_escaped(data[:limit])}"' + ("..." if len(data) > limit else "")
    if kind in ("str", "addr") and not word:
        return "nil"
    return f"{word:#x}" if word else "0"


_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}


def _escaped(data: bytes, quote: str = '"') -> str:
    return "".join(
        _ESCAPES.get(byte)
        or (f"\\{quote}" if chr(byte) == quote else chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")
        for byte in data
    )
