"""Fashion-MNIST on disk: find the four files, prove that they are the data set, open them.

A folder with a `dataset.json` holds another data set, whose files are what that says.

The test set is sealed: `training` never reads it, and whoever calls `test` writes that down first
(`Run.record_test_reading`).
"""

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.commands import command
from fashion_cnn.data.files import candidates, read_file
from fashion_cnn.data.idx import parse_idx
from fashion_cnn.data.manifest import MANIFEST, Contents, again, is_own, read_manifest
from fashion_cnn.data.split import Split, TrainingData, divide
from fashion_cnn.errors import DataError
from fashion_cnn.recipes.recipe import Recipe

TEST_PART = "t10k"

FASHION_MNIST = "Fashion-MNIST"

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

PIXEL_MEAN = 0.2860405969887955
PIXEL_STD = 0.3530242445149223
"""Of the 60,000 training images scaled to 0..1. Source: computed; a test repeats it."""

SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""Of each file's decompressed bytes; the publisher's and Debian's .gz differ in their headers.

Source: computed from Debian's package dataset-fashion-mnist 0.0~git20200523.55506a9.
"""

_BYTES = {
    "train-images-idx3-ubyte": 16 + 60_000 * 784,
    "train-labels-idx1-ubyte": 8 + 60_000,
    "t10k-images-idx3-ubyte": 16 + 10_000 * 784,
    "t10k-labels-idx1-ubyte": 8 + 10_000,
}

SYSTEM_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the files."""

_TORCHVISIONS = "FashionMNIST/raw"  # below what it is given as root
LOCAL_DIRECTORY = Path("data")
"""Where `fashion-cnn data get` puts them."""


@dataclass(frozen=True)
class DataSet:
    """The four files of a folder, and what they must hold.

    Attributes:
        directory: the folder.
        contents: what its manifest says, read once.
        passed_over: a line a file that was read and is not what its name says, another being so.
    """

    directory: Path
    contents: Contents
    passed_over: list[str] = field(default_factory=list, repr=False, compare=False)
    _verified: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, directory: Path) -> "DataSet":
        """Read what a folder says that it holds: Fashion-MNIST, unless it has a manifest.

        Raises:
            DataError: the manifest is damaged.
        """
        if is_own(directory):
            return cls(directory, read_manifest(directory))
        return cls(directory, Contents(FASHION_MNIST, CLASS_NAMES, SHA256, _BYTES))

    def training(self) -> Split:
        """Open the training images. Raises `DataError` as `verify` does."""
        return self._load("train")

    def divided(self, recipe: Recipe) -> TrainingData:
        """Open what a recipe trains and validates on; the test files are hashed, not looked at.

        Raises:
            DataError: as `verify`.
            UsageError: the recipe does not fit the classes or the size of the data set.
        """
        everything = self.training()
        recipe.check_classes(len(everything.class_names))
        data = divide(
            everything,
            validation=recipe.validation,
            train_images=recipe.train_images,
            seed=recipe.seed,
        )
        # Sealed, but hashed: better to hear of a bad test file now than after fifty epochs.
        self.verify(TEST_PART)
        return replace(data, ground=self.contents.framing.ground)

    def test(self) -> Split:
        """Open the test images. Raises `DataError` as `verify` does."""
        return self._load(TEST_PART)

    def test_images(self) -> NDArray[np.uint8]:
        """Open the test images without their labels: uint8 (N, 28, 28), read-only.

        To compare two forms of one model; nothing can be measured on them, so this does not count
        as opening the test set. Raises `DataError` as `verify` does.
        """
        return parse_idx(self.read(f"{TEST_PART}-images-idx3-ubyte"))

    def verify(self, part: str = "") -> None:
        """Hash the files whose names begin with `part`, without parsing them: all by default.

        Their bytes are kept until they are opened, so that each file is read and hashed once.

        Raises:
            DataError: a file is missing, unreadable, damaged, or not what it should be.
        """
        for name in SHA256:
            if name.startswith(part):
                self._verified[name] = self.read(name)

    def read(self, name: str) -> bytes:
        """Read a file, plain or gzipped, and prove that it is what `name`, a key of `SHA256`, says.

        At most one byte more than the file should have is ever decompressed.

        Returns:
            The decompressed bytes, whose hash is right.

        Raises:
            DataError: as `verify`.
            OSError: no copy is right, and the disk of the first is failing.
        """
        faults: list[DataError | OSError] = []
        for path in candidates(self.directory, name):
            try:
                data = self._read_as(path, name)
            except (DataError, OSError) as error:
                faults.append(error)
            else:
                self.passed_over.extend(f"passed over: {fault}" for fault in faults)
                return data
        if faults and isinstance(faults[0], OSError):
            raise faults[0]
        missing = f"{self.directory} has no {name}.gz"
        raise DataError(f"{faults[0] if faults else missing}; {_again(self.directory)}")

    def _read_as(self, path: Path, name: str) -> bytes:
        """Read one file. Raises `DataError` if it is not what `name` says."""
        directory, known = self.directory, self.contents
        wanted, limit = known.sha256[name], known.sizes[name] + 1
        data = read_file(path, limit)
        digest = hashlib.sha256(data).hexdigest()
        if digest == wanted:
            return data
        if other := next((one for one, sha in known.sha256.items() if sha == digest), None):
            raise DataError(f"{path} holds {other}, under the wrong name")
        own = "" if is_own(directory) else f"; if it is a data set of your own, {again(directory)}"
        if len(data) != known.sizes[name]:
            size = f"over {known.sizes[name]}" if len(data) == limit else str(len(data))
            raise DataError(
                f"{path} holds {size} bytes, {known.name}'s has {known.sizes[name]}{own}"
            )
        raise DataError(
            f"{path} is not {known.name}'s, though as long (MNIST's files have the same names): "
            f"SHA-256 {digest[:12]}…, expected {wanted[:12]}…{own}"
        )

    def _load(self, part: str) -> Split:
        images, labels = (
            parse_idx(self._verified.pop(name, b"") or self.read(name))
            for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
        )
        return Split(images, labels.astype(np.int64), self.contents.class_names)


def find_data(data_dir: str | Path | None = None) -> Path | None:
    """Find the folder of the data set, without reading the files.

    Args:
        data_dir: the folder that the user named; without it $FASHION_CNN_DATA, ./data and
            Debian's folder are looked at, in this order.

    Returns:
        The folder, or None if nobody named one and no usual place has any of the files.

    Raises:
        DataError: a folder that was named lacks a file, or a usual place has some of them only,
            or another data set.
    """
    if data_dir is not None:
        return _complete(Path(data_dir), "--data-dir")
    if named := named_directory():
        return _complete(named, "$FASHION_CNN_DATA")
    for directory in (LOCAL_DIRECTORY, SYSTEM_DIRECTORY):
        if is_own(directory):
            raise DataError(
                f"{directory} is where Fashion-MNIST is looked for, and its {MANIFEST} says that "
                f"it holds another data set; to use that: --data-dir {directory}"
            )
        has_any = any(candidates(directory, name) for name in SHA256)
        if has_any or all(candidates(directory / _TORCHVISIONS, name) for name in SHA256):
            return _complete(directory, "the usual place")
    return None


def named_directory() -> Path | None:
    """The folder that $FASHION_CNN_DATA names, if it names one."""
    named = os.environ.get("FASHION_CNN_DATA")
    return Path(named).expanduser() if named else None


def nowhere() -> DataError:
    """The error for a machine without the data set."""
    return DataError("Fashion-MNIST is in none of the usual places; run: fashion-cnn data get")


def _again(directory: Path) -> str:
    if is_own(directory):
        return f"bring back the file that was recorded, or {again(directory)}"
    return f"get it again with: {command('data', 'get', '--data-dir', directory)}"


def _complete(directory: Path, origin: str) -> Path:
    missing = [name for name in SHA256 if not candidates(directory, name)]
    torchvisions = directory / _TORCHVISIONS
    if missing and not is_own(directory) and all(candidates(torchvisions, name) for name in SHA256):
        return torchvisions
    if missing and not is_own(directory) and len(missing) == len(SHA256):
        what = "holds no data set" if directory.is_dir() else "is no folder"
        raise DataError(
            f"{directory} ({origin}) {what}; make one of photos with fashion-cnn data import, of "
            f"CSV, IDX, npz or Parquet files with fashion-cnn data adopt, or "
            f"get Fashion-MNIST with: {command('data', 'get', '--data-dir', directory)}"
        )
    if missing:
        raise DataError(f"{directory} ({origin}) has no {missing[0]}.gz; {_again(directory)}")
    return directory
