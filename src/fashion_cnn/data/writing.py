"""Writing a data set of one's own: four IDX files, their hashes, and whatever goes with them."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fashion_cnn.data.files import PREFIXES
from fashion_cnn.data.forms.labelled import Part
from fashion_cnn.data.framing import Framing
from fashion_cnn.data.idx import to_idx
from fashion_cnn.data.manifest import MANIFEST, Contents, contents_of, write_manifest
from fashion_cnn.data.pictures import shown
from fashion_cnn.errors import UsageError
from fashion_cnn.files import sync_directory, write_durably


def check_free(output: Path) -> None:
    """Raise `UsageError` unless `output` does not exist or is an empty folder."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} is there already; name an empty or new folder with --output")


def write_data_set(
    output: Path,
    names: tuple[str, ...],
    parts: Mapping[str, Part],
    framing: Framing,
    others: Mapping[str, bytes] | None = None,
) -> Contents:
    """Write all files aside, then put them into place: the data set appears whole or not at all.

    The disk has all of it before there is a manifest to say so, and before this returns.

    Args:
        output: as `check_free` wants it.
        names: of the classes, in the order of the labels.
        parts: "train" and "test", labels counted from 0.
        framing: of the images.
        others: more files to go with them, by name.

    Returns:
        What `dataset.json` now says.

    Raises:
        OSError: it cannot be written.
    """
    kind = np.uint8 if len(names) <= 256 else np.int16
    files = {}
    for part, name in PREFIXES.items():
        files[f"{name}-images-idx3-ubyte"] = to_idx(parts[part].images)
        files[f"{name}-labels-idx1-ubyte"] = to_idx(parts[part].labels.astype(kind))
    contents = contents_of(shown(output.resolve().name), names, files, framing)
    place = output if output.is_dir() else output.parent  # what is mounted cannot be replaced
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=".incoming-") as temporary:
        incoming = Path(temporary, "whole")
        incoming.mkdir()
        for name, data in {**files, **(others or {})}.items():
            write_durably(incoming / name, data)
        write_manifest(incoming, contents)  # durably too, and all names in the folder with it
        if place == output:
            for path in sorted(incoming.iterdir()):
                if path.name != MANIFEST:
                    os.rename(path, output / path.name)
            sync_directory(output)
            # The manifest makes a data set of it: after a power cut it is not there alone either.
            os.rename(incoming / MANIFEST, output / MANIFEST)
        else:
            os.rename(incoming, output)
        sync_directory(place)
    return contents
