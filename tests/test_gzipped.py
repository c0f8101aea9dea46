"""What is unpacked is bounded: in size, in time, and against the size of what is packed."""

import errno
import gzip
import os
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from fashion_cnn.data.files import read_file
from fashion_cnn.data.forms.comma_separated import read_csv
from fashion_cnn.data.forms.numpy_archive import read_npy, read_npz
from fashion_cnn.data.forms.parquet import read_parquet
from fashion_cnn.errors import DataError

MOST = 1 << 30
ZEROS = bytes(1 << 20)


@contextmanager
def soon() -> Iterator[None]:
    """2 s of processor time, however busy the machine is."""
    began = time.process_time()
    yield
    assert time.process_time() - began < 2


def packed_zeros(megabytes: int) -> bytes:
    packing = zlib.compressobj(9, wbits=31)
    return b"".join([*(packing.compress(ZEROS) for _ in range(megabytes)), packing.flush()])


def test_what_gzip_packs_is_read_as_it_reads_it(tmp_path) -> None:
    """One member and several, empty ones and fillings of zeros between them, at every limit."""
    random = np.random.default_rng(0)
    first, second = random.bytes(100_000), bytes(70_000) + random.bytes(5)
    path = tmp_path / "file"
    for packed in (
        gzip.compress(first),
        gzip.compress(first) + gzip.compress(b"") + gzip.compress(second),
        gzip.compress(first) + bytes(40_000) + gzip.compress(second) + bytes(3),
        gzip.compress(b""),
    ):
        path.write_bytes(packed)
        wanted = gzip.decompress(packed)
        for limit in (0, 1, 99_999, 100_001, len(wanted), MOST):
            assert read_file(path, limit) == wanted[:limit]


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-1],
        lambda packed: packed[:-9],
        lambda packed: packed[:-5] + bytes([packed[-5] ^ 1]) + packed[-4:],
        lambda packed: packed[:50] + bytes([packed[50] ^ 8]) + packed[51:],
        lambda packed: packed + b"more",
    ],
    ids=["cut", "without its sum", "another sum", "a bit flipped", "more behind"],
)
def test_damaged_files_are_named(tmp_path, damage) -> None:
    path = tmp_path / "file"
    path.write_bytes(damage(gzip.compress(np.random.default_rng(0).bytes(1000))))
    with pytest.raises(DataError, match=r"file is damaged \("):
        read_file(path, MOST)


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOMEM])
def test_a_failing_disk_is_no_damaged_file(tmp_path, monkeypatch, number) -> None:
    path = tmp_path / "file"

    def failing(*arguments, **words):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        read_file(path, MOST)
    assert (caught.value.errno, caught.value.filename) == (number, str(path))


def test_zeros_that_unpack_to_far_more_are_refused(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(packed_zeros(16))
    assert len(read_file(path, MOST)) == 16 << 20, "labels in order may be as much alike"
    path.write_bytes(packed_zeros(500))
    with soon(), pytest.raises(DataError, match="file unpacks to far more than data do"):
        read_file(path, MOST)


def test_a_hundred_times_as_much_is_read(tmp_path) -> None:
    path = tmp_path / "file"
    noise = np.random.default_rng(0).bytes(300_000)
    path.write_bytes(gzip.compress(noise) + packed_zeros(26))
    assert len(read_file(path, MOST)) == 300_000 + (26 << 20)


def test_empty_members_without_end_are_refused(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(b"") * 100_000)
    with soon():
        assert read_file(path, MOST) == b""
    path.write_bytes(gzip.compress(b"") * 100_001)
    with soon(), pytest.raises(DataError, match="file is of over 100,000 packed parts"):
        read_file(path, MOST)


ROW = "7" + ",0" * 784 + "\n"


def test_numbers_as_text_that_unpack_to_far_more_are_refused(tmp_path) -> None:
    path = tmp_path / "some.csv.gz"
    path.write_bytes(gzip.compress(ROW.encode() * 3 + b"\n" * 1_000_000))
    assert read_csv(path).labels.tolist() == [7, 7, 7]
    path.write_bytes(gzip.compress(ROW.encode() + b"\n" * 1_000_001))
    with soon(), pytest.raises(DataError, match="more than 1,000,000 empty lines"):
        read_csv(path)
    path.write_bytes(gzip.compress(ROW.encode() * 20_000, 9))
    with pytest.raises(DataError, match="unpacks to far more than data do"):
        read_csv(path)


def npz(path: Path, count: int, kind: int = zipfile.ZIP_DEFLATED) -> Path:
    """An archive of so many black images."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, 28, 28)}
    with zipfile.ZipFile(path, "w", kind) as archive, archive.open("images.npy", "w") as member:
        npy.write_array_header_1_0(member, header)
        for _ in range(count):
            member.write(bytes(784))
    return path


def test_arrays_that_unpack_to_far_more_are_refused(tmp_path) -> None:
    assert read_npz(npz(tmp_path / "a.npz", 20_000))["images"].shape == (20_000, 28, 28)
    npz(tmp_path / "b.npz", 200_000)
    with soon(), pytest.raises(DataError, match="and less of so small a file"):
        read_npz(tmp_path / "b.npz")
    with pytest.raises(DataError, match="packed in a way that numpy does not write"):
        read_npz(npz(tmp_path / "c.npz", 1, zipfile.ZIP_LZMA))


def test_arrays_share_what_a_file_may_unpack_to(tmp_path) -> None:
    """Several members of one archive, each of them small enough."""
    path = tmp_path / "several.npz"
    with zipfile.ZipFile(npz(path, 15_000), "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.npy", archive.read("images.npy"))
    with pytest.raises(DataError, match=r"more has 11760000 bytes.* less of so small a file"):
        read_npz(path)


def test_an_array_of_less_than_nothing_is_refused(tmp_path) -> None:
    path = tmp_path / "less.npy"
    np.save(path, np.zeros((10, 28, 28), np.uint8))
    path.write_bytes(path.read_bytes().replace(b"(10, 28, 28)", b"(-1, 28, 28)"))
    with pytest.raises(DataError, match=r"less.npy has the shape \(-1, 28, 28\)"):
        read_npy(path)


@pytest.mark.parametrize("shape", [b"(0, 1 << 40, 28)", b"(0, 99999999999, 99999999999)"])
@pytest.mark.parametrize("fortran", [b"False", b"True"])
def test_sides_that_no_memory_could_have_are_refused_beside_one_of_0(
    tmp_path, shape: bytes, fortran: bytes
) -> None:
    path = tmp_path / "none.npy"
    np.save(path, np.zeros((0, 28, 28), np.uint8))
    data = path.read_bytes().replace(b"False", fortran)
    header, rest = data[:10], data[10:]
    changed = rest.replace(b"(0, 28, 28)", shape)[: len(rest)]
    path.write_bytes(header + changed[:-1] + b"\n")
    with pytest.raises(DataError, match=r"none.npy is damaged \("):
        read_npy(path)


def test_parquet_that_unpacks_to_far_more_is_refused(tmp_path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "some.parquet"
    cells = [bytes(1 << 20) + bytes([i]) for i in range(40)]
    table = pa.table({"image": cells, "label": list(range(40))})
    parquet.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 100_000
    with soon(), pytest.raises(DataError, match="would unpack to .* far more than data do"):
        read_parquet([path])
