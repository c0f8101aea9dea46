import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_cnn.data.idx import MOST_HEADER, parse_idx, promised_bytes, read_header, to_idx
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


def test_bytes_by_hand() -> None:
    images = b"\0\0\x08\x02" + b"\0\0\0\x02" + b"\0\0\0\x03" + b"abcdef"
    assert to_idx(np.frombuffer(b"abcdef", np.uint8).reshape(2, 3)) == images
    labels = b"\0\0\x0b\x01" + b"\0\0\0\x02" + b"\x01\x02\xff\xff"
    assert to_idx(np.array([258, -1], np.int16)) == labels
    found = parse_idx(labels)
    assert found.tolist() == [258, -1]
    assert parse_idx(images).dtype == np.uint8
    assert not parse_idx(images).flags.writeable
    assert read_header(images) == (np.dtype(np.uint8), (2, 3), 12)
    assert read_header(labels + b"more") == (np.dtype(">i2"), (2,), 8)
    assert promised_bytes(images[:12]) == 18
    assert promised_bytes(labels[:8]) == 12
    wide = b"\0\0\x0c\x01" + b"\0\0\x01\0"
    assert promised_bytes(wide) == 8 + 4 * 256
    assert parse_idx(b"\0\0\x08\x01\0\0\0\0").shape == (0,)
    large = b"\0\0\x08\x03" + b"\1\2\3\4" + b"\5\6\7\x08" + b"\x09\x0a\x0b\x0c"
    assert read_header(large)[1:] == ((0x01020304, 0x05060708, 0x090A0B0C), MOST_HEADER)
    assert len(large) == MOST_HEADER


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0\x08", "not an IDX file: 3 bytes, a header has at least 4"),
        (b"\0\1\x08\1", "not an IDX file of whole numbers: it begins with 00 01 08 01"),
        (b"\1\0\x08\1", "not an IDX file of whole numbers: it begins with 01 00 08 01"),
        (b"\0\0\x0e\1rest", "not an IDX file of whole numbers: it begins with 00 00 0e 01"),
        (b"\0\0\x08\0", "an IDX file of 0 dimensions; expected 1 to 3"),
        (b"\0\0\x08\4" + bytes(16), "an IDX file of 4 dimensions; expected 1 to 3"),
        (b"\0\0\x08\1\0\0\0", "truncated IDX header: 7 of 8 bytes"),
        (b"\0\0\x08\3" + bytes(11), "truncated IDX header: 15 of 16 bytes"),
        (
            b"\0\0\x0b\2\0\0\0\2\0\0\0\3" + bytes(13),
            "IDX header promises 12 bytes of shape (2, 3), the file has 13",
        ),
        (
            b"\0\0\x08\1\0\0\0\2" + bytes(1),
            "IDX header promises 2 bytes of shape (2,), the file has 1",
        ),
        (
            b"\0\0\x08\1" + b"\xff" * 4,
            "IDX header promises 4294967295 bytes of shape (4294967295,), the file has 0",
        ),
        (
            b"\0\0\x08\3\0\0\0\0" + b"\xff" * 8,
            "IDX header promises the impossible shape (0, 4294967295, 4294967295)",
        ),
    ],
)
def test_what_is_wrong_is_said_exactly(data: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_idx(data)
    assert str(caught.value) == message


def test_a_file_of_one_to_three_dimensions_is_read() -> None:
    for shape in ((1,), (1, 1), (1, 1, 1)):
        assert parse_idx(to_idx(np.ones(shape, np.uint8))).shape == shape
