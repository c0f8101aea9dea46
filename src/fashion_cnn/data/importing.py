"""From a folder of photos, a folder a class, to IDX files: a data set of one's own."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.forms.labelled import Part
from fashion_cnn.data.framing import AS_PUBLISHED, Framing, against, measure_framing
from fashion_cnn.data.holding_out import Draw, hold_out
from fashion_cnn.data.layout import ClassFolder, check_pictures, read_layout, told_instead
from fashion_cnn.data.manifest import MOST_IMAGES, Contents, check_class_names, in_one_form
from fashion_cnn.data.photo import Photo, read_photo
from fashion_cnn.data.pictures import files_below, is_picture, read_bytes, shown
from fashion_cnn.data.randomness import stream
from fashion_cnn.data.writing import check_free, write_data_set
from fashion_cnn.errors import DataError, ImageError, UsageError
from fashion_cnn.files import to_csv
from fashion_cnn.process.machine import usable_cores

REPORT = "pictures.csv"
_NO_PICTURE = "not a picture, by content or name"


@dataclass(frozen=True)
class Picture:
    """What became of one file.

    Attributes:
        file: its path in the folder, printable.
        class_name: the folder that it is in; "" for none.
        part: "train" or "test"; "" for a file that was not taken.
        index: its position in that part, or None.
        note: why it was not taken, or what the preparation of the photo found worth a word.
        bad: whether it should have been a picture and could not be used.
    """

    file: str
    class_name: str
    part: str
    index: int | None
    note: str
    bad: bool


def import_folder(
    folder: Path,
    output: Path,
    draw: Draw,
    framing: Framing | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[int], None] = lambda total: None,
) -> tuple[Contents, list[Picture]]:
    """Make a data set out of photos: the four IDX files, `classes.txt`, `dataset.json`, a report.

    The class folders are those of `read_layout`, with the pictures in and below each; what
    `is_left_out` is passed over. A picture that is byte for byte another one is taken once, so that
    none is in both parts.

    Args:
        folder: of the class folders.
        output: made; it must not exist, or be empty. It appears whole or not at all.
        draw: of a share of each class, at least one picture, for a folder without a test part; its
            seed is that of the order too.
        framing: what the photos are made into; None for as Fashion-MNIST was made, or as measured
            where all are 28x28 and grey, which are taken as they are.
        say: gets a line a class, and one on what is unusual.
        progress: is called after each file, with how many there are.

    Returns:
        What was recorded, and a line a file, those taken and those not, as `pictures.csv` has them.

    Raises:
        UsageError: a folder that cannot be used as asked, or `output` is there already; or a share
            is asked for, and there is a test part.
        DataError: fewer than 2 classes, a name that cannot be one, or a class with too few
            pictures.
        OSError: `output` cannot be written.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name one that has a folder of photos a class")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UsageError(f"{folder} cannot be read: Permission denied")
    check_free(output)
    found, outside = read_layout(folder, say)
    classes = [replace(one, name=in_one_form(one.name)) for one in found]
    if any(one.part == "test" for one in classes):
        draw.check_needless()
    names = tuple(sorted({one.name for one in classes}))
    if len(names) < 2:
        raise DataError(
            f"{folder} has {len(names)} class folders; put the pictures of each class, 2 at least, "
            f"into a folder of its name{told_instead(folder)}"
        )
    check_class_names(names, str(folder))
    files = [(path, one) for one in classes for path in files_below(one.path)]
    if len(files) > MOST_IMAGES:
        raise DataError(f"{folder} has {len(files)} files; at most {MOST_IMAGES:,} are taken")
    check_pictures(folder, files, {*names})
    prepared_for = framing or AS_PUBLISHED
    prepared = _read_all([path for path, _ in files], prepared_for, progress)
    pictures = [_outside(path, folder) for path in outside]  # from here on, those not taken
    taken: list[tuple[str, ClassFolder, Photo]] = []
    seen: dict[bytes, str] = {}
    for (path, one), found in zip(files, prepared, strict=True):
        file, fault = shown(str(path.relative_to(folder))), found.fault
        if found.digest in seen:
            fault = f"the same file as {seen[found.digest]}"
        if found.photo is None or fault:
            pictures.append(Picture(file, one.name, "", None, fault, fault != _NO_PICTURE))
            continue
        seen[found.digest] = file
        taken.append((file, one, found.photo))
    place = {name: label for label, name in enumerate(names)}
    truth = np.array([place[one.name] for _, one, _ in taken], np.int64)
    there, listed = np.bincount(truth, minlength=len(names)), Counter(one.name for _, one in files)
    for name, count in zip(names, there, strict=True):
        say(f"{name}: {count} of {listed[name]} files")
    try:
        parts = _divided([one.part for _, one, _ in taken], truth, names, draw, say)
    except DataError as error:
        bad = [one for one in pictures if one.bad]
        first = f" (left out: {len(bad):,}, first {bad[0].file}: {bad[0].note})" if bad else ""
        raise DataError(f"{error}{first}") from None
    photos = [photo for _, _, photo in taken]
    everything = Part(np.array([photo.seen for photo in photos]), truth)
    chosen = {part: everything.select(indices) for part, indices in parts.items()}
    framing = _framing(photos, parts["train"], framing, say)
    for part, places in parts.items():
        for index, at in enumerate(places):
            file, one, photo = taken[at]
            note = _notes(photo, prepared_for, framing)
            pictures.append(Picture(file, one.name, part, index, note, False))
    rows = ([one.file, one.class_name, one.part, one.index, one.note] for one in pictures)
    report = {REPORT: to_csv([["file", "class", "part", "index", "note"], *rows]).encode()}
    return write_data_set(output, names, chosen, framing, report), pictures


@dataclass(frozen=True, eq=False)
class _Read:
    """A file's hash and what it shows, or its fault."""

    digest: bytes = b""
    photo: Photo | None = None
    fault: str = ""


def _read_all(
    paths: Sequence[Path], framing: Framing, progress: Callable[[int], None]
) -> list[_Read]:
    """Read files, several at once, in their order."""

    def read(path: Path) -> _Read:
        try:
            if not is_picture(path):
                return _Read(fault=_NO_PICTURE)
            data = read_bytes(str(path))
            return _Read(hashlib.sha256(data).digest(), read_photo(data, framing))
        except ImageError as error:
            return _Read(fault=str(error))

    with ThreadPoolExecutor(usable_cores() + 1) as pool:
        found = []
        for one in pool.map(read, paths):
            found.append(one)
            progress(len(paths))
        return found


def _divided(
    own_parts: Sequence[str],
    truth: NDArray[np.int64],
    names: Sequence[str],
    draw: Draw,
    say: Callable[[str], None],
) -> dict[str, NDArray[np.int64]]:
    """Positions in what was taken of the images to train on and of those to test on."""
    own = np.array(own_parts)
    tested = np.flatnonzero(own == "test") if "test" in own else None
    if tested is None:
        tested = hold_out(truth, names, draw)
        if own.any():
            say(f"no test part was found, so {len(tested):,} images became the test files")
    if count := int((own == "validation").sum()):
        say(f"the {count:,} images for validation join those to train on; every run draws its own")
    order = stream(draw.seed, "import order").permutation(len(truth))
    there = np.isin(order, tested)
    parts = {"train": order[~there], "test": order[there]}
    for label, name in enumerate(names):
        if not (truth[parts["train"]] == label).any():
            raise DataError(f"class {name!r} has no picture to train on")
        if not (truth[parts["test"]] == label).any():
            say(f"class {name} has no image to test")
    return parts


def _framing(
    photos: Sequence[Photo],
    training: NDArray[np.int64],
    wanted: Framing | None,
    say: Callable[[str], None],
) -> Framing:
    """What the photos were made into, or all pictures lie like; says where another would do better.

    Args: training: positions of the pictures to train on; wanted: what was asked for.
    """
    as_they_are = [place for place in training if photos[place].untouched]
    images = np.array([photos[place].seen for place in as_they_are])
    measured = measure_framing(images) if as_they_are else None
    if wanted is None and measured and all(photo.untouched for photo in photos):
        return measured
    framing = wanted or AS_PUBLISHED
    if measured and (measured.background != wanted.background if wanted else measured != framing):
        say(
            f"the {len(as_they_are):,} pictures that are 28x28 and grey were taken as they are: "
            f"{measured.describe()}; to prepare photos the same way: --framing {measured}"
        )
    lost = sum(not photo.found for photo in photos)
    if 2 * lost > len(photos) and framing.background != "none":
        say(
            f"nothing stands out from the background in {lost:,} of {len(photos):,} pictures; to "
            "have them whole: --framing none"
        )
    return framing


def _notes(photo: Photo, prepared_for: Framing, framing: Framing) -> str:
    """What to say of a picture, now that the framing may be another than it was prepared for."""
    if not photo.untouched:
        return "; ".join(photo.notes)
    no_more = against(photo.seen[None], prepared_for)[0]
    others = [note for note in photo.notes if note not in no_more]
    return "; ".join([*others, *against(photo.seen[None], framing)[0]])


def _outside(path: Path, folder: Path) -> Picture:
    below = files_below(path) if path.is_dir() else [path]
    count = sum(map(is_picture, below))
    inside = f", with {count:,} pictures" if path.is_dir() else ""
    note = f"in no class{inside}" if count else _NO_PICTURE
    return Picture(shown(str(path.relative_to(folder))), "", "", None, note, bool(count))
