"""How the things in a session are packed into blobs, and unpacked again with every length checked first.

A blob is a zstd frame that tells its size, or plain msgpack where it is small. Strings of the start may hold
any bytes of a host's command line, so they go as bytes. What is unpacked is of its declared types and within
its ranges; whether it makes sense as a machine only running it can tell.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from typing import TypeAlias

import msgspec
import zstandard

from app.branches import Origin, Stored, wrong_name
from app.frozen import LISTING, Answer, decode_listing
from app.log import CHUNK_BYTES
from app.session.schema import (
    EVENTS_PER_BYTE,
    MAX_CONTENT,
    MAX_PATH,
    MAX_ROWS,
    MAX_STATE,
    PAGE,
    BranchRow,
    Damaged,
    one_line,
)
from cpu.core import CpuState
from kernel.abi.errno import Errno
from kernel.abi.files import (
    NAME_MAX,
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
)
from kernel.fs.hostfs import CHUNK
from kernel.kernel import Input, Start
from kernel.tables import Tables

MAX_INPUT = 16 << 20
MAX_DEVICE = 64
MEMORY = range(8 << 20, (896 << 20) + 1, 2 << 20)
WORD = 1 << 32

Plain: TypeAlias = "int | str | bytes | list[Plain] | None"


class StoredCheckpoint(msgspec.Struct, frozen=True):
    """The machine after `seq` events at `tick`: `Tables` and `CpuState` encoded, and frames by number."""

    seq: int
    tick: int
    tables: bytes
    cpu: bytes
    frames: dict[int, bytes]


class _Zstd(threading.local):
    """Per thread: making one costs more than a frame of memory does."""

    def __init__(self) -> None:
        self.decompressor = zstandard.ZstdDecompressor()
        self.compressors: dict[int, zstandard.ZstdCompressor] = {}


_zstd = _Zstd()


def pack(data: bytes, level: int = 3) -> bytes:
    """As one zstd frame that tells its size."""
    compressor = _zstd.compressors.get(level)
    if compressor is None:
        compressor = _zstd.compressors[level] = zstandard.ZstdCompressor(level=level)
    return compressor.compress(data)


def packed_size(data: bytes, limit: int, what: str) -> int:
    """What a zstd frame says that it unpacks to. Damaged if that is nothing sensible."""
    try:
        size = int(zstandard.get_frame_parameters(data).content_size)
    except zstandard.ZstdError:
        raise Damaged(f"{what} is not compressed as it should be") from None
    if size > limit:  # unknown sizes are huge
        raise Damaged(f"{what} would unpack to more than {limit} bytes")
    return size


def unpack(data: bytes, limit: int, what: str) -> bytes:
    """The opposite of `pack`, of at most `limit` bytes. Damaged if it is anything else."""
    size = packed_size(data, limit, what)
    try:
        out = _zstd.decompressor.decompress(data, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError:
        raise Damaged(f"{what} does not decompress") from None
    if len(out) != size:
        raise Damaged(f"{what} unpacks to {len(out)} bytes instead of {size}")
    return out


LEANING = b"L"
"""In front of a keyframe that leans on an earlier one; a zstd frame begins otherwise."""
_BASE = struct.Struct("<cQ")


def pack_leaning(data: bytes, base: bytes, seq: int) -> bytes:
    """As a zstd frame that has `base`, the keyframe after `seq` events, for a dictionary."""
    known = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return _BASE.pack(LEANING, seq) + zstandard.ZstdCompressor(level=3, dict_data=known).compress(data)


def leans_on(data: bytes) -> int:
    """The seq of the keyframe that this one leans on, -1 if on none."""
    return int(_BASE.unpack_from(data)[1]) if data[:1] == LEANING and len(data) > _BASE.size else -1


def unpack_leaning(data: bytes, base: bytes) -> bytes:
    """The opposite of `pack_leaning`. Damaged if it is anything else."""
    frame = data[_BASE.size :]
    size = packed_size(frame, MAX_STATE, "a keyframe")
    known = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    reader = zstandard.ZstdDecompressor(dict_data=known)
    try:
        return reader.decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError:
        raise Damaged("a keyframe does not decompress") from None


def array_length(data: bytes) -> int:
    """How many elements the msgpack array in a zstd frame claims to have; -1 if there is none."""
    try:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data)
        head = bytes(reader.read(5))
    except zstandard.ZstdError:
        return -1
    if head and head[0] & 0xF0 == 0x90:
        return head[0] & 15
    if len(head) >= 3 and head[0] == 0xDC:
        return int.from_bytes(head[1:3], "big")
    if len(head) >= 5 and head[0] == 0xDD:
        return int.from_bytes(head[1:5], "big")
    return -1


# The start.


def _to_bytes(value: Plain) -> Plain:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return [_to_bytes(item) for item in value] if isinstance(value, list | tuple) else value


def _to_text(value: Plain) -> Plain:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, str):
        raise Damaged("the machine's start has text where bytes should be")
    return [_to_text(item) for item in value] if isinstance(value, list) else value


def encode_start(start: Start) -> bytes:
    return msgspec.msgpack.encode(_to_bytes(msgspec.to_builtins(start)))


def decode_start(data: bytes) -> Start:
    """Damaged unless a machine can be built from it."""
    try:
        start = msgspec.convert(_to_text(_PLAIN.decode(data)), Start)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Damaged(f"the machine's start: {one_line(error)}") from None
    check_start(start)
    return start


_PLAIN: msgspec.msgpack.Decoder[Plain] = msgspec.msgpack.Decoder()


def check_start(start: Start) -> None:
    """Damaged if a number in it is out of its range."""
    for name, value, low, high in (
        ("memory", start.memory, MEMORY.start, MEMORY.stop - 1),
        ("uid", start.uid, 0, WORD - 1),
        ("seed", start.seed, 0, (1 << 64) - 1),
        ("schedule", start.schedule, -1, (1 << 64) - 1),
        ("epoch", start.epoch, 0, (1 << 63) - 1),
        ("rows", start.rows, 0, 0xFFFF),
        ("columns", start.columns, 0, 0xFFFF),
        *(("mode", mode, 0, WORD - 1) for mode in start.modes or ()),
        *(("file mode", file.mode, 0, 0xFFFF) for file in start.files),
        *(("file size", file.size, 0, MAX_CONTENT) for file in start.files),
    ):
        if not low <= value <= high:
            raise Damaged(f"the machine's start: {name} {value} is out of range")
    if start.memory not in MEMORY:
        raise Damaged(f"the machine's start: memory {start.memory} is not a multiple of 2 MiB")
    for text in (start.path, start.cwd, *start.argv, *start.envp, *(file.path for file in start.files)):
        if "\0" in text:
            raise Damaged("the machine's start: a string with a zero byte in it")
    for number, mount in enumerate(start.mounts):
        names = mount.target.split("/")
        if names[0] or ".." in names or "\0" in mount.target or (mount.target == "/" and number):
            raise Damaged("the machine's start: an impossible mount point")


def check_files(start: Start, blobs: Mapping[str, bytes]) -> None:
    """Damaged unless the contents of all its files are there."""
    for file in start.files:
        if file.blob not in blobs:
            raise Damaged(f"the contents of {one_line(file.path)} are missing")
        if len(blobs[file.blob]) != file.size:
            raise Damaged(f"{one_line(file.path)} is of another size")


# Inputs and events.


def encode_input(one: Input) -> bytes:
    check_input(one)
    return msgspec.msgpack.encode(one)


def decode_input(data: bytes) -> Input:
    try:
        one = _INPUT.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Damaged(f"an input: {one_line(error)}") from None
    check_input(one)
    return one


_INPUT = msgspec.msgpack.Decoder(Input)


def encode_branch(one: Stored) -> BranchRow:
    """Damaged if no session could have it."""
    if len(one.inputs) > MAX_ROWS:
        raise Damaged(f"{one.name} has more inputs than a session can hold")
    packed = pack(msgspec.msgpack.encode([encode_input(item) for item in one.inputs]))
    origin = one.origin
    return BranchRow(
        one.number,
        origin.parent,
        origin.seq,
        origin.tick,
        origin.inputs,
        one.events,
        one.digest,
        one.name,
        packed,
    )


def decode_branch(row: BranchRow) -> Stored:
    """Damaged if a name or an input is not as it must be."""
    if wrong_name(row.name) and row.name != f"branch {row.number}":
        raise Damaged(f"the name of branch {row.number} is none")
    try:
        packed = _INPUTS.decode(unpack(row.inputs, MAX_CONTENT, "a branch's inputs"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise Damaged(f"a branch's inputs: {one_line(error)}") from None
    if len(packed) > MAX_ROWS:
        raise Damaged(f"branch {row.number} has too many inputs")
    origin = Origin(row.parent, row.seq, row.tick, row.shared)
    inputs = [decode_input(data) for data in packed]
    return Stored(row.number, row.name, origin, inputs, row.events, row.hash)


_INPUTS = msgspec.msgpack.Decoder(list[bytes])


def check_input(one: Input) -> None:
    """Damaged if no machine could have been given it."""
    if not 0 <= one.tick < 1 << 63 or not 0 <= one.number < WORD:
        raise Damaged("an input with an impossible tick or device number")
    device = one.device
    if not (0 < len(device) <= MAX_DEVICE and device.isascii() and device.isprintable()):
        raise Damaged("an input from an impossible device")
    if len(one.data) > MAX_INPUT:
        raise Damaged(f"an input of more than {MAX_INPUT} bytes")


# Answers about the host.


def encode_answer(answer: Answer) -> tuple[int, bytes, int, int, int, bytes]:
    """The fields of its row, without the number."""
    check_answer(answer)
    data = answer.data
    return answer.mount, answer.path.encode(), answer.chunk, answer.errno, len(data), pack(data)


def decode_answer(mount: int, path: bytes, chunk: int, errno: int, size: int, data: bytes) -> Answer:
    """The opposite. Damaged if no host could have answered that."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        raise Damaged("an answer about a path that is not UTF-8") from None
    answer = Answer(mount, text, chunk, errno, unpack(data, size, "an answer about the host"))
    if len(answer.data) != size:
        raise Damaged("an answer about the host is of another size")
    check_answer(answer)
    return answer


def check_answer(answer: Answer) -> None:
    """Damaged unless the kernel can take it as it is."""
    name = one_line(answer.path)[:80] or "the top"
    if answer.path and any(not _is_name(part) for part in answer.path.split("/")):
        raise Damaged("an answer about an impossible path")
    if answer.errno:
        if answer.errno not in _ERRNOS or answer.data:
            raise Damaged(f"an answer about {name} with an impossible error")
    elif answer.chunk != LISTING:
        if len(answer.data) > CHUNK:
            raise Damaged(f"a piece of {name} of more than {CHUNK} bytes")
    else:
        _check_listing(answer.data, name)


def _check_listing(data: bytes, name: str) -> None:
    try:
        entries = decode_listing(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Damaged(f"the directory {name}: {one_line(error)}") from None
    if not entries or entries[0].name or entries[0].mode & S_IFMT != S_IFDIR:
        raise Damaged(f"the directory {name} does not begin with itself")
    names = {entry.name for entry in entries}
    if len(names) != len(entries) or not all(_is_name(entry.name) for entry in entries[1:]):
        raise Damaged(f"the directory {name} has an impossible name in it")
    for entry in entries:
        if (
            entry.mode & S_IFMT not in _TYPES
            or not 0 <= entry.mode < 1 << 16
            or not 0 <= entry.uid < WORD
            or not 0 <= entry.gid < WORD
            or not 0 <= entry.size < 1 << 63
            or any(abs(time) > 1 << 62 for time in (entry.mtime, entry.atime, entry.ctime))
            or not 0 <= entry.nlink < WORD
            or not 0 <= entry.rdev < WORD
            or len(entry.target) > MAX_PATH
            or len(entry.link) > MAX_DEVICE
            or "\0" in entry.target
            or (entry.mode & S_IFMT == S_IFDIR and entry.link)
        ):
            raise Damaged(f"the directory {name}: an impossible {one_line(entry.name)[:80]}")


def _is_name(text: str) -> bool:
    return 0 < len(text) <= NAME_MAX and text not in (".", "..") and "/" not in text and "\0" not in text


_ERRNOS = frozenset(Errno)
_TYPES = (S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK)


def check_chunk(count: int, data: bytes, what: str) -> int:
    """How many bytes a chunk of events unpacks to. Damaged before anything is decoded that no log wrote."""
    size = packed_size(data, CHUNK_BYTES if count > 1 else MAX_CONTENT, what)
    if count > EVENTS_PER_BYTE * len(data) or array_length(data) != count:
        raise Damaged(f"{what} has not the {count} events that it claims")
    return size


# Checkpoints.


def encode_tables(tables: Tables) -> bytes:
    return msgspec.msgpack.encode(tables)


def decode_tables(data: bytes) -> Tables:
    """A kernel's tables, each field of its type. Damaged if not."""
    try:
        return _TABLES.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Damaged(f"a checkpoint's tables: {one_line(error)}") from None


_TABLES = msgspec.msgpack.Decoder(Tables)


def encode_cpu(cpu: CpuState) -> bytes:
    return msgspec.msgpack.encode(cpu)


def decode_cpu(data: bytes) -> CpuState:
    """A processor's state that fits into the registers. Damaged if not."""
    try:
        cpu = _CPU.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Damaged(f"a checkpoint's processor: {one_line(error)}") from None
    fpu = cpu.fpu
    words = (
        *msgspec.structs.astuple(cpu.registers),
        *(*cpu.gdtr, *cpu.idtr, cpu.tr, cpu.ldtr, cpu.efer),
        *(fpu.fpcw, fpu.fpsw, fpu.fptag, fpu.mxcsr, *(exponent for _, exponent in fpu.st)),
    )
    if (
        any(not 0 <= word < WORD for word in words)
        or any(not 0 <= mantissa < 1 << 64 for mantissa, _ in fpu.st)
        or len(fpu.st) != 8
        or [len(register) for register in fpu.xmm] != [16] * 8
        or not 0 <= cpu.ticks < 1 << 63
        or not 0 <= cpu.irq_at < 1 << 63
        or not 0 <= cpu.irq_vector < 256
    ):
        raise Damaged("a checkpoint's processor: a register is out of range")
    return cpu


_CPU = msgspec.msgpack.Decoder(CpuState)


_PAIR = struct.Struct("<II")


def encode_frame_list(numbers: Mapping[int, int]) -> bytes:
    """Frame number of guest memory to number of the row with its contents, sorted."""
    return pack(b"".join(_PAIR.pack(pfn, numbers[pfn]) for pfn in sorted(numbers)))


def decode_frame_list(data: bytes, frames: int) -> dict[int, int]:
    """The opposite, for a memory of `frames` frames."""
    payload = unpack(data, frames * _PAIR.size, "a checkpoint's list of frames")
    if len(payload) % _PAIR.size:
        raise Damaged("a checkpoint's list of frames is cut off")
    out: dict[int, int] = {}
    last = -1
    for pfn, number in _PAIR.iter_unpack(payload):
        if not last < pfn < frames:
            raise Damaged(f"a checkpoint has an impossible frame {pfn}")
        out[pfn] = number
        last = pfn
    return out


def unpack_frame(data: bytes) -> bytes:
    frame = unpack(data, PAGE, "a frame")
    if len(frame) != PAGE:
        raise Damaged("a frame is not 4096 bytes")
    return frame
