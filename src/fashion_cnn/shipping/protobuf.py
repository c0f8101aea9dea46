"""Protobuf's wire format, walked with no library that would load anything.

Source: protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterator

_VARINT, _BYTES, _FOUR = 0, 2, 5
_KEYS = range(8, 1 << 32)
"""Of longer ones a runtime keeps 32 bits: it would read another field than the one seen here."""


class RefusedError(Exception):
    """What is wrong with a model, to be said behind its name."""


def fields(content: memoryview) -> Iterator[tuple[int, int | float | memoryview]]:
    """The fields of a message: (number, value), without following any of them.

    A value is an unsigned number, a float of 32 bits, or bytes.

    Raises: `RefusedError`.
    """
    position = 0
    while position < len(content):
        key, position = varint(content, position)
        if key not in _KEYS:
            raise RefusedError("is no ONNX model")
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = varint(content, position)
            yield field, value
            continue
        if kind == _BYTES:
            length, position = varint(content, position)
        elif kind == _FOUR:
            length = 4
        else:
            raise RefusedError("is no ONNX model")
        end = position + length
        if end > len(content):
            raise RefusedError("is no ONNX model, or is cut off")
        part = content[position:end]
        yield field, part if kind == _BYTES else struct.unpack("<f", part)[0]
        position = end


def varint(content: memoryview, position: int) -> tuple[int, int]:
    """An unsigned number, and where the next thing begins. Raises: `RefusedError`."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(content):
            raise RefusedError("is no ONNX model, or is cut off")
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise RefusedError("is no ONNX model")


def message(field: int, content: bytes) -> bytes:
    """A field that holds a message, or bytes."""
    return _as_varint(field << 3 | _BYTES) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def signed(value: int) -> int:
    """A number as the types int32 and int64 mean it."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def packed(value: float | memoryview) -> list[int]:
    """Signed numbers of a repeated field: one, or many packed together. Raises: `RefusedError`."""
    if isinstance(value, int):
        return [signed(value)]
    if isinstance(value, float):
        raise RefusedError("holds damaged numbers")
    numbers, position = [], 0
    while position < len(value):
        number, position = varint(value, position)
        numbers.append(signed(number))
    return numbers
