"""Folders of photos as people lay them out: a folder a class, perhaps inside a folder a part."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fashion_cnn.data.forms.parts import part_alone
from fashion_cnn.errors import DataError


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
        DataError: there are parts with pictures and no class folders in them.
    """
    folders, files = _inside(folder)
    while len(folders) == 1 and not files and len(_inside(folders[0])[0]) > 1:
        say(f"entered {folders[0].name}/, the only folder there")
        folders, files = _inside(folders[0])
    parts = {path: part for path in folders if (part := part_alone(path.name))}
    if "train" in parts.values() and all(_inside(path)[0] for path in parts):
        found = []
        for path, part in parts.items():
            classes, loose = _inside(path)
            found += [ClassFolder(one, one.name, part) for one in classes]
            files += loose
        files += [path for path in folders if path not in parts]
        say(f"{', '.join(f'{path.name}/' for path in parts)}: taken for the parts, not for classes")
    elif len(parts) == len(folders) > 1:
        raise DataError(
            f"{folder} has {', '.join(f'{path.name}/' for path in parts)} and no class folders in "
            "each; put the pictures of a class into a folder of its name, train/CLASS/"
        )
    elif folders and all(_are_parts(_inside(path)) for path in folders):
        found = [
            ClassFolder(one, path.name, part_alone(one.name) or "")
            for path in folders
            for one in _inside(path)[0]
        ]
        say("the folders in each class were taken for the parts")
    else:
        found = [ClassFolder(path, path.name, "") for path in folders]
    return sorted(found, key=lambda one: (one.part != "test", one.name, one.part)), files


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the files in a folder, hidden ones left out."""
    entries = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name != "__MACOSX"
    )
    return [path for path in entries if path.is_dir()], [p for p in entries if not p.is_dir()]


def _are_parts(inside: tuple[list[Path], list[Path]]) -> bool:
    folders, files = inside
    found = [part_alone(path.name) for path in folders]
    return not files and "train" in found and None not in found
