"""Folders of photos as people lay them out: a folder a class, perhaps inside a folder a part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_cnn.data.forms.find import is_data
from fashion_cnn.data.forms.parts import besides_part, part_alone, part_of, says_no_class, words
from fashion_cnn.data.manifest import is_own
from fashion_cnn.data.pictures import DRAWINGS, entries, files_below, is_picture, shown
from fashion_cnn.errors import DataError

_MOST_LISTED = 3
_ALL = {"image", "images", "img", "imgs", "jpegimages"}
"""What a folder is called beside labels, annotations or masks; a class never."""
_LISTS = {".csv", ".tsv", ".json", ".jsonl", ".txt", ".xml"}
_TEXTS = {"readme", "license", "licence", "classes", "requirements", "notes", "citation"}


@dataclass(frozen=True)
class ClassFolder:
    """A folder whose pictures are of one class, and of one part; "" if that is to be drawn."""

    path: Path
    name: str
    part: str


def read_layout(folder: Path, say: Callable[[str], None]) -> tuple[list[ClassFolder], list[Path]]:
    """Find the class folders: `CLASS/`, `train/CLASS/` or `CLASS/train/`, in all the usual words.

    A folder that has nothing but one folder of folders in it, as an archive leaves it, is entered.

    Args: say: gets a line on what was understood, where that is not `CLASS/` at once.

    Returns:
        Those of a test part first, so that a picture in two parts stays in that; and what is
        beside them, which belongs to no class.

    Raises:
        DataError: there are parts with pictures and no class folders in those to train on; some
            classes are divided into parts and others are not; or what would be classes are data
            sets, or parts of one under other words.
    """
    folders, files = entries(folder)
    while len(folders) == 1 and not _has_picture(files) and entries(folders[0])[0]:
        say(f"entered {shown(folders[0].name)}/, the only folder there")
        folders, more = entries(folders[0])
        files += more
    for path in filter(is_own, folders):
        say(f"passed over {shown(path.name)}/, which is a data set already")
    folders = [path for path in folders if not is_own(path)]
    if parts := _parts(folders):
        found = []
        for path, part in parts.items():
            classes, loose = entries(_entered(path, part))
            found += [ClassFolder(one, one.name, part) for one in classes]
            files += loose if classes else [path]
        files += [path for path in folders if path not in parts]
        said = ", ".join(f"{shown(path.name)}/" for path in parts if path not in files)
        say(f"{said}: taken for the parts, not for classes")
    elif len(folders) > 1 and all(part_alone(path.name) for path in folders):
        named = ", ".join(f"{shown(path.name)}/" for path in folders)
        raise DataError(
            f"{shown(str(folder))} has {named} and no class folders to train on; put the pictures "
            f"of a class into a folder of its name, train/CLASS/{told_instead(folder)}"
        )
    else:
        found, loose = _classes(folder, folders, say)
        files += loose
    _check_are_classes(folder, found)
    return sorted(found, key=lambda one: (one.part != "test", one.name, one.part)), files


def _classes(
    folder: Path, folders: list[Path], say: Callable[[str], None]
) -> tuple[list[ClassFolder], list[Path]]:
    """The class folders, or the folders of the parts in each of them; and what is beside those."""
    inside = {}
    for path in folders:
        try:
            inside[path] = entries(path)
        except PermissionError:  # as any other file of its class that cannot be read
            inside[path] = [], []
    undivided = [path for path in folders if not _are_parts(*inside[path])]
    if folders and not undivided:
        say("the folders in each class were taken for the parts")
        found = [
            ClassFolder(one, path.name, part_alone(one.name) or "")
            for path, (parts, _) in inside.items()
            for one in parts
        ]
        return found, [file for _, files in inside.values() for file in files]
    named = {part_alone(one.name) for parts, _ in inside.values() for one in parts}
    if "train" in named and named & {"test", "validation"}:
        raise DataError(
            f"{shown(str(folder))}: some classes have train/ and other parts in them, and "
            f"{shown(undivided[0].name)}/ has not, or has something else beside them; divide "
            "every class, or none"
        )
    return [ClassFolder(path, path.name, "") for path in folders], []


def _check_are_classes(folder: Path, found: list[ClassFolder]) -> None:
    """Raise `DataError` if folders taken for classes all have the same folders, and no picture."""
    common: set[str] | None = None
    for one in found:
        try:
            folders, files = entries(one.path)
        except PermissionError:  # named later, as any other file that cannot be read
            return
        names = {path.name for path in folders}
        common = names if common is None else common & names
        if len(common) < 2 or _has_picture(files):
            return
    names = sorted({one.name for one in found})
    if common and len(names) > 1:
        first = next(one.path for one in found if one.name == names[0])
        raise DataError(
            f"{shown(str(folder))}: {_listed(names)} have no pictures of their own, and all have "
            f"{_listed(sorted(common))} in them; if they are data sets, name one, "
            f"{shown(str(first if first.name == names[0] else first.parent))}; if parts of one, "
            "call them train/ and test/; if classes, put their pictures right into them"
        )


def check_pictures(
    folder: Path, files: Sequence[tuple[Path, ClassFolder]], names: set[str]
) -> None:
    """Raise `DataError` if a class has no picture, or is called as what holds those of all classes.

    Args: files: of the class folders, each with its own; names: of the classes.
    """
    holders = sorted(name for name in names if {*words(name)} and {*words(name)} <= _ALL)
    empty = names - {one.name for path, one in files if is_picture(path)}
    if not holders and not empty:
        return
    name = min(empty or holders)
    why = "has 0 usable pictures" if empty else "would be all the pictures in a folder of that name"
    raise DataError(
        f"class {name!r} {why}; put the pictures of each class into a folder of its name, and "
        f"leave other folders out{told_instead(folder)}"
    )


def told_instead(folder: Path) -> str:
    """What to do with a folder whose pictures are in no class folders, by the files that it has.

    Begins with "; ". It is empty where no file tells.
    """
    files = [*files_below(folder)]
    lists = [path for path in files if path.suffix.lower() in _LISTS and not _is_text(path)]
    first = min(lists, key=lambda path: (len(path.parts), path), default=None)
    if any(map(is_picture, files)):
        if first is None:
            return ""
        name = shown(str(first.relative_to(folder)))
        return f"; labels in {name} are not read: sort the pictures into a folder for each class"
    data = any(path.is_file() and is_data(path) for path in files)
    return "; CSV, IDX, npz or Parquet files are for: fashion-cnn data adopt" if data else ""


def _is_text(path: Path) -> bool:
    """Whether a file is one of those that come with any data, by its name."""
    return path.suffix.lower() == ".txt" and bool({*words(path.stem)} & _TEXTS)


def _listed(names: Sequence[str]) -> str:
    some = [f"{shown(name)}/" for name in names[:_MOST_LISTED]]
    return f"{', '.join(some)}, …" if len(names) > len(some) else " and ".join(some)


def _parts(folders: list[Path]) -> dict[Path, str]:
    """Which folders are the parts: named alike but for that, as seg_train/ and seg_test/.

    Empty if there is no class folder to train on, as in a class that is called train.
    """
    alike: dict[frozenset[str], dict[Path, str]] = {}
    for path in folders:
        if part := part_of(path.name):
            alike.setdefault(besides_part(path.name), {})[path] = part
    for rest, parts in alike.items():
        training = [_entered(path, part) for path, part in parts.items() if part == "train"]
        told = not rest or len({*parts.values()}) > 1
        if told and training and all(entries(path)[0] for path in training):
            return parts
    return {}


def _entered(path: Path, part: str) -> Path:
    """A part's folder, or the only one in it if that is named as the part too, or as images are."""
    folders, files = entries(path)
    if len(folders) != 1 or _has_picture(files):
        return path
    again = part_of(folders[0].name) == part
    images = says_no_class(folders[0].name) and entries(folders[0])[0]
    return folders[0] if again or images else path


def _are_parts(folders: list[Path], files: list[Path]) -> bool:
    found = [part_alone(path.name) for path in folders]
    return "train" in found and None not in found and not _has_picture(files)


def _has_picture(files: list[Path]) -> bool:
    """Whether one of the files is a picture; a logo is none, a link to nothing may be anything."""
    photos = (path for path in files if path.suffix.lower() not in DRAWINGS)
    return any(path.exists() and is_picture(path) for path in photos)
