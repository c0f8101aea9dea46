"""IDX, the file format of the MNIST family: bytes to arrays and back.

Source: http://yann.lecun.com/exdb/mnist/, "The IDX file format".
"""

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import DataError

_TYPES = {0x08: np.dtype(np.uint8), 0x0B: np.dtype(">i2"), 0x0C: np.dtype(">i4")}
"""Bytes, and wider whole numbers for labels of more than 256 classes."""

MOST_HEADER = 16
"""Bytes of the longest header."""


def parse_idx(data: bytes) -> NDArray[Any]:
    """Parse an IDX file of whole numbers.

    Args:
        data: the whole file, decompressed. It has two zero bytes, a byte for the type, a byte for
            the number of dimensions, each dimension as a big-endian uint32, then the elements. The
            type is 0x08 for unsigned bytes, 0x0B and 0x0C for signed numbers of 2 and 4 bytes.

    Returns:
        A read-only array of the shape that the header states, uint8 for bytes; it shares `data`'s
        memory.

    Raises:
        DataError: the header is malformed, or the length is not what the header states.
    """
    kind, shape, header = read_header(data)
    size = promised_bytes(data) - header
    if len(data) - header != size:
        raise DataError(
            f"IDX header promises {size} bytes of shape {shape}, the file has {len(data) - header}"
        )
    try:
        return np.frombuffer(data, kind, offset=header).reshape(shape)
    except ValueError:  # no element, but other sides that no memory could have
        raise DataError(f"IDX header promises the impossible shape {shape}") from None


def promised_bytes(data: bytes) -> int:
    """How long a file is by its header. Raises `DataError` for a malformed one."""
    kind, shape, header = read_header(data)
    return header + math.prod(shape) * kind.itemsize


def read_header(data: bytes) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """The type and the shape of the array in a file, and the header's length in bytes.

    Raises:
        DataError: the header is malformed.
    """
    if len(data) < 4:
        raise DataError(f"not an IDX file: {len(data)} bytes, a header has at least 4")
    if data[:2] != b"\0\0" or data[2] not in _TYPES:
        raise DataError(f"not an IDX file of whole numbers: it begins with {data[:4].hex(' ')}")
    dimensions = data[3]
    header = 4 + 4 * dimensions
    if not 1 <= dimensions <= 3:
        raise DataError(f"an IDX file of {dimensions} dimensions; expected 1 to 3")
    if len(data) < header:
        raise DataError(f"truncated IDX header: {len(data)} of {header} bytes")
    return _TYPES[data[2]], struct.unpack(f">{dimensions}I", data[4:header]), header


def to_idx(array: NDArray[Any]) -> bytes:
    """Write a uint8 or int16 array of 1 to 3 dimensions as `parse_idx` reads it."""
    kind = {np.dtype(np.uint8): 0x08, np.dtype(np.int16): 0x0B}[array.dtype]
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(_TYPES[kind]).tobytes()
