import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_cnn.data.idx import parse_idx, to_idx
from fashion_cnn.errors import DataError


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, {"|u1": 8, ">i2": 11, ">i4": 12}[array.dtype.str], array.ndim])
    return header + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.randoms())
def test_round_trip(shape: list[int], random) -> None:
    size = int(np.prod(shape))
    array = np.array([random.randrange(256) for _ in range(size)], np.uint8).reshape(shape)
    np.testing.assert_array_equal(parse_idx(idx(array)), array)


@settings(deadline=None)  # beside other tests
@given(st.binary(max_size=64))
def test_arbitrary_bytes_give_an_array_that_holds_them_or_a_data_error(data: bytes) -> None:
    try:
        array = parse_idx(data)
    except DataError:
        return
    assert idx(array) == data


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_mutated_files_never_crash_or_misread(data) -> None:
    original = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    mutated = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    mutated = bytes(mutated)[: data.draw(st.integers(0, len(mutated)))]
    try:
        array = parse_idx(mutated)
    except DataError:
        return
    assert idx(array) == mutated


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (b"<html>", "begins with"),
        (b"\0\0\x0d\1\0\0\0\1x", "begins with"),
        (b"\0\0\x0b\1\0\0\0\1x", "promises 2 bytes"),
        (b"\0\0\x08\x03\0\0", "truncated IDX header"),
        (b"\0\0\x08\x00", "0 dimensions"),
        (b"\0\0\x08\x01\xff\xff\xff\xffx", "promises 4294967295 bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "promises"),
    ],
)
def test_malformed_files_are_named(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        parse_idx(data)


@pytest.mark.parametrize(
    "array", [np.arange(256, dtype=np.uint8).reshape(2, 8, 16), np.array([0, 999, -1], np.int16)]
)
def test_what_is_written_is_read_again(array: np.ndarray) -> None:
    found = parse_idx(to_idx(array))
    assert found.dtype.itemsize == array.itemsize
    np.testing.assert_array_equal(found, array)
