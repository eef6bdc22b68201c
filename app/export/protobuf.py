"""As much of Protocol Buffers' wire format as a trace needs (protobuf.dev, Encoding): a message is its fields
in a row, each with its number and one of three kinds of value."""

from __future__ import annotations

VARINT, FIXED64, BYTES = 0, 1, 2


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first. Not for negative numbers."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3 | VARINT) + varint(value)


def signed(field: int, value: int) -> bytes:
    """An int64: negative ones take ten bytes."""
    return number(field, value & 0xFFFF_FFFF_FFFF_FFFF)


def fixed(field: int, value: int) -> bytes:
    return varint(field << 3 | FIXED64) + value.to_bytes(8, "little")


def data(field: int, value: bytes) -> bytes:
    """Bytes, or a message within the message."""
    return varint(field << 3 | BYTES) + varint(len(value)) + value


def text(field: int, value: str) -> bytes:
    return data(field, value.encode("utf-8", "replace"))
