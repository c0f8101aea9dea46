import gzip
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fashion_cnn.data import fashion_mnist
from fashion_cnn.data.fashion_mnist import SHA256, DataSet, find_data
from fashion_cnn.errors import DataError
from opened import load_test, load_training


@pytest.fixture
def copy(real_data: Path, tmp_path: Path) -> Path:
    """The real files, linked so that a test may replace one."""
    for name in SHA256:
        source = real_data / f"{name}.gz"
        (tmp_path / source.name).symlink_to(source)
    return tmp_path


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def test_the_real_data_set(real_data: Path) -> None:
    training, test = load_training(real_data), load_test(real_data)
    assert len(training) == 60_000
    assert len(test) == 10_000
    assert np.bincount(training.labels).tolist() == [6000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10


def test_uncompressed_files_serve_as_well(copy: Path) -> None:
    name = "t10k-labels-idx1-ubyte"
    data = gzip.decompress((copy / f"{name}.gz").read_bytes())
    (copy / f"{name}.gz").unlink()
    (copy / name).write_bytes(data)
    DataSet.open(copy).verify()


def test_another_data_set_of_the_same_size_is_refused(copy: Path) -> None:
    other = bytes([0, 0, 8, 1]) + (10_000).to_bytes(4, "big") + bytes(10_000)
    replace(copy / "t10k-labels-idx1-ubyte.gz", gzip.compress(other))
    with pytest.raises(DataError, match="is not Fashion-MNIST's, though as long"):
        DataSet.open(copy).verify()


def test_swapped_files_are_recognised(copy: Path) -> None:
    path = copy / "train-labels-idx1-ubyte.gz"
    path.unlink()
    shutil.copy(copy / "t10k-labels-idx1-ubyte.gz", path)
    with pytest.raises(DataError, match="holds t10k-labels-idx1-ubyte, under the wrong name"):
        load_training(copy)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds 0 bytes"),
        (b"<!DOCTYPE html><p>sign in to the hotel", "is a web page"),
        (b"PK\x03\x04 not a gzip", "is a ZIP archive"),
        (b"\x1f\x8b\x08 no more of it", "is damaged"),
        (gzip.compress(b"short", mtime=0), "holds 5 bytes"),
    ],
)
def test_a_wrong_file_is_named(copy: Path, content: bytes, words: str) -> None:
    replace(copy / "train-images-idx3-ubyte.gz", content)
    with pytest.raises(DataError, match=words) as caught:
        load_training(copy)
    assert "train-images-idx3-ubyte.gz" in str(caught.value)
    assert "fashion-cnn data get" in str(caught.value)


@pytest.mark.parametrize("cut", [10, 1000, 29_000])
def test_a_truncated_download_is_named(copy: Path, cut: int) -> None:
    path = copy / "train-labels-idx1-ubyte.gz"
    replace(path, path.read_bytes()[:cut])
    with pytest.raises(DataError, match="damaged|holds"):
        load_training(copy)


def test_flipped_bits_are_detected(copy: Path) -> None:
    path = copy / "t10k-labels-idx1-ubyte.gz"
    original = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(100):
        mutated = bytearray(original)
        # Past the header, whose time stamp and name mean nothing.
        mutated[random.integers(40, len(original))] ^= 1 << random.integers(8)
        replace(path, bytes(mutated))
        with pytest.raises(DataError):
            DataSet.open(copy).verify("t10k-labels")


def test_a_gzip_bomb_is_read_no_further_than_the_data_set_is_long(copy: Path) -> None:
    replace(copy / "t10k-labels-idx1-ubyte.gz", gzip.compress(bytes(200_000_000), 1))
    tracemalloc.start()
    with pytest.raises(DataError, match="holds over 10008 bytes"):
        DataSet.open(copy).verify("t10k-labels")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_what_torchvision_fetched_is_found_in_the_usual_place(tmp_path, copy, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fashion_mnist, "SYSTEM_DIRECTORY", tmp_path / "nowhere")
    monkeypatch.delenv("FASHION_CNN_DATA", raising=False)
    shutil.copytree(copy, "data/FashionMNIST/raw")
    assert find_data() == Path("data/FashionMNIST/raw")
    next(Path("data/FashionMNIST/raw").glob("t10k-labels*")).unlink()
    assert find_data() is None


def test_places_are_looked_at_in_order(tmp_path, copy, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fashion_mnist, "SYSTEM_DIRECTORY", tmp_path / "nowhere")
    monkeypatch.delenv("FASHION_CNN_DATA", raising=False)
    assert find_data() is None
    monkeypatch.setattr(fashion_mnist, "SYSTEM_DIRECTORY", copy)
    assert find_data() == copy
    monkeypatch.setenv("FASHION_CNN_DATA", str(tmp_path / "absent"))
    with pytest.raises(DataError, match="FASHION_CNN_DATA"):
        find_data()
    with pytest.raises(DataError, match="--data-dir"):
        find_data(tmp_path / "absent")
    assert find_data(copy) == copy
