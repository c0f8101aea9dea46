"""Predictions for people and for programs: a table, JSON, CSV, and what the model saw."""

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from fashion_cnn import files
from fashion_cnn.data.pictures import shown
from fashion_cnn.errors import UsageError
from fashion_cnn.shipping.predict import Prediction, as_png
from fashion_cnn.text import to_utf8, visible

Row = tuple[str, Prediction | str]
"""A file's name, and what was predicted or what is wrong with it."""
_MOST_SEEN = 4096  # bytes of a PNG of 784


def to_table(rows: Sequence[Row], top_k: int) -> str:
    """A line a picture, and one a warning; files that could not be read are left out."""
    answered = [(shown(name), answer) for name, answer in rows if isinstance(answer, Prediction)]
    wide = max((len(name) for name, _ in answered), default=0)
    lines = []
    for name, answer in answered:
        classes = "   ".join(f"{label} {p:.1%}" for label, p in answer.classes[:top_k])
        unsure = "" if answer.accepted else "not sure enough to answer; perhaps "
        lines.append(f"{name:<{wide}}  {unsure}{classes}")
        lines += [f"{'':<{wide}}  ! {warning}" for warning in answer.warnings]
    return "\n".join(lines)


def to_json(rows: Sequence[Row], top_k: int) -> str:
    """A list of objects: `file`, and what `Prediction.to_dict` gives or `error`.

    A program finds the file again by its name, so that only what is no text is written out in it.
    """
    return json.dumps(
        [
            {"file": to_utf8(name).decode()}
            | (answer.to_dict(top_k) if isinstance(answer, Prediction) else {"error": answer})
            for name, answer in rows
        ],
        indent=2,
    )


def to_csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    """A row a file: label, probability, … as in `fixed`, then all probabilities.

    Each of these in a column of its class's name; "class label" where the class is "label".
    """
    fixed = ["file", "label", "probability", "accepted", "may_be", "warnings", "recipe", "error"]
    table = [[*fixed, *(f"class {name}" if name in fixed else name for name in names)]]
    for name, answer in rows:
        if isinstance(answer, str):
            table.append([visible(name), *[""] * 6, answer, *[""] * len(names)])
            continue
        (best, confidence), every = answer.classes[0], dict(answer.classes)
        known = [best, f"{confidence:.6f}", str(answer.accepted).lower()]
        lists = ["; ".join(answer.may_be), "; ".join(answer.warnings), answer.recipe, ""]
        table.append([visible(name), *known, *lists, *(f"{every[one]:.6f}" for one in names)])
    return files.to_csv(table).rstrip("\n")


def save_seen(rows: Sequence[Row], folder: Path) -> int:
    """Write what the model saw of each picture as `folder`/NAME.png, 28x28 grey.

    Each is there whole or not at all. Pictures of one name in several folders are numbered.

    Returns:
        How many were written.

    Raises:
        UsageError: one would replace a file that is no such picture; then none is written.
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, Prediction] = {}
    for name, answer in rows:
        if isinstance(answer, Prediction):
            stem = Path(name).stem if name != "-" else "stdin"
            file, count = f"{stem}.png", 1
            while file in chosen:
                count += 1
                file = f"{stem}-{count}.png"
            chosen[file] = answer
    for name in chosen:
        if os.path.lexists(folder / name) and not _is_seen(folder / name, rows):
            raise UsageError(
                f"{shown(str(folder / name))} is there already, and is none of what the model saw "
                "before; give another folder"
            )
    for name, answer in chosen.items():
        files.write_atomically(folder / name, as_png(answer.seen))
    return len(chosen)


def _is_seen(path: Path, rows: Sequence[Row]) -> bool:
    """Whether a file may be what was written here before, and is none of the pictures."""
    try:
        asked = (name for name, _ in rows if os.path.exists(name))
        if path.is_symlink() or any(os.path.samefile(path, name) for name in asked):
            return False
        data = files.read_bytes(path, UsageError, _MOST_SEEN)  # a pipe would be waited for
        with Image.open(io.BytesIO(data)) as picture:
            return (picture.format, picture.mode, picture.size) == ("PNG", "L", (28, 28))
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
