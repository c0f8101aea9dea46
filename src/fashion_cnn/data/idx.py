"""IDX, the file format of the MNIST family: bytes to arrays.

Source: http://yann.lecun.com/exdb/mnist/, "The IDX file format".
"""

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import DataError

_UNSIGNED_BYTE = 0x08


def parse_idx(data: bytes) -> NDArray[np.uint8]:
    """Parse an IDX file of unsigned bytes.

    Args:
        data: the whole (decompressed) file: two zero bytes, the type 0x08, the number of
            dimensions, each dimension as a big-endian uint32, then the elements.

    Returns:
        A read-only uint8 array of the shape that the header states; it shares `data`'s memory.

    Raises:
        DataError: the header is malformed, or the length is not what the header states.
    """
    if len(data) < 4:
        raise DataError(f"not an IDX file: {len(data)} bytes, a header has at least 4")
    if data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTE:
        raise DataError(f"not an IDX file of unsigned bytes: it begins with {data[:4].hex(' ')}")
    dimensions = data[3]
    header = 4 + 4 * dimensions
    if not 1 <= dimensions <= 3:
        raise DataError(f"an IDX file of {dimensions} dimensions; expected 1 to 3")
    if len(data) < header:
        raise DataError(f"truncated IDX header: {len(data)} of {header} bytes")
    shape = tuple(
        int.from_bytes(data[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(dimensions)
    )
    size = 1
    for length in shape:  # Python integers: a hostile header cannot overflow the product
        size *= length
    if len(data) - header != size:
        raise DataError(
            f"IDX header promises {size} bytes of shape {shape}, the file has {len(data) - header}"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
