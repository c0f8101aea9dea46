"""Checkpoints: folders that are either whole and provably unaltered, or not used.

    step-00000844/
      model.safetensors      the weights that answer
      optimizer.safetensors  what else the next step needs
      state.json             where the run stands
      MANIFEST.json          size and SHA-256 of the other three, written last

Order of a save: write under a temporary name, fsync the files, rename, fsync the folder, read the
published bytes back and verify them; only then may older ones be pruned. A published checkpoint is
never written to again. No pickle is read or written.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from fashion_cnn.errors import CheckpointError, NotFiniteError
from fashion_cnn.files import (
    from_json,
    read_bytes,
    sync_directory,
    target_of,
    to_json,
    write_durably,
)

Arrays = Mapping[str, NDArray[Any]]

WEIGHTS = "model.safetensors"

_FILES = (WEIGHTS, "optimizer.safetensors", "state.json")
_MANIFEST = "MANIFEST.json"
_FORMAT = 1
_NAME = re.compile(r"step-(\d{8})")


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint.

    Attributes:
        path: its folder.
        model, optimizer: arrays by tensor name, all finite.
        state: what was given to `save`; its "step" is the one that the folder's name says.
        sha256: of the file that `model` was in.
    """

    path: Path
    model: Arrays
    optimizer: Arrays
    state: Mapping[str, Any]
    sha256: str


def save(directory: Path, model: Arrays, optimizer: Arrays, state: Mapping[str, Any]) -> Path:
    """Publish a checkpoint in `directory` under the name of `state["step"]`.

    A checkpoint of that step and run that is there already and verifies is left as it is: a
    step's content is a pure function of the run.

    Raises:
        NotFiniteError: a tensor is NaN or infinite; nothing was published.
        OSError: the disk is full or failing; nothing was published, older checkpoints are intact.
    """
    check_finite(model, optimizer)
    target = path_of(directory, state["step"])
    if target.is_symlink() or target.exists():
        try:
            if not target.is_symlink() and load(target).state.get("run") == state.get("run"):
                return target
        except CheckpointError:
            pass
        remove(target)
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{target.name}.tmp"
    remove(temporary)
    try:
        temporary.mkdir()
        tensors = (safetensors.numpy.save(dict(arrays)) for arrays in (model, optimizer))
        content: dict[str, bytes] = dict(zip(_FILES, (*tensors, to_json(dict(state))), strict=True))
        for name, data in content.items():
            write_durably(temporary / name, data)
        write_durably(temporary / _MANIFEST, _manifest(content))
        sync_directory(temporary)
        os.rename(temporary, target)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_directory(directory)
    load(target)
    return target


def load(path: Path) -> Checkpoint:
    """Read and verify a checkpoint; every byte that is used was hashed first.

    Raises:
        CheckpointError: it is missing, torn, altered, of another format or not finite.
    """
    manifest = read_bytes(path / _MANIFEST, CheckpointError)
    content = {name: read_bytes(path / name, CheckpointError) for name in _FILES}
    if manifest != _manifest(content):
        raise CheckpointError(f"{path}: {_difference(manifest, content)}")
    state = from_json(content["state.json"], f"{path}/state.json", CheckpointError)
    step = state.get("step") if isinstance(state, dict) else None
    name = path.resolve().name
    # A copy without links has a plain folder of the name "best" or "final".
    if type(step) is not int or (_NAME.fullmatch(name) and name != path_of(path, step).name):
        raise CheckpointError(f"{path}: state.json is of another step")
    arrays = []
    for name in _FILES[:2]:
        try:
            arrays.append(safetensors.numpy.load(content[name]))
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise CheckpointError(f"{path}/{name} is not valid safetensors ({error})") from None
        check_finite({f"{path}/{name}: {key}": array for key, array in arrays[-1].items()})
    sha256 = hashlib.sha256(content[WEIGHTS]).hexdigest()
    return Checkpoint(path, arrays[0], arrays[1], state, sha256)


def check_finite(*groups: Arrays) -> None:
    """Raise `NotFiniteError` if a tensor holds a number that is NaN or infinite."""
    for name, array in (item for group in groups for item in group.items()):
        if not np.isfinite(array).all():
            raise NotFiniteError(f"{name} is not finite")


def check_layout(found: Arrays, wanted: Arrays, what: str) -> None:
    """Raise `CheckpointError` unless both have the same names, shapes and dtypes."""
    for name in sorted(found.keys() | wanted.keys()):
        if name not in found or name not in wanted:
            fault = "lacks" if name not in found else "has an unknown"
            raise CheckpointError(f"{what} {fault} tensor {name!r}")
        have, want = found[name], wanted[name]
        if (have.shape, have.dtype) != (want.shape, want.dtype):
            raise CheckpointError(
                f"{what}: {name} is {have.dtype} {have.shape}, expected {want.dtype} {want.shape}"
            )


def path_of(directory: Path, step: int) -> Path:
    """The folder of the checkpoint of `step`."""
    return directory / f"step-{step:08d}"


def published_steps(directory: Path) -> list[int]:
    """The steps of the checkpoints in `directory`, verified or not, newest first."""
    names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    return sorted(
        (int(found[1]) for name in names if (found := _NAME.fullmatch(name))), reverse=True
    )


def link(directory: Path, name: str, step: int | None) -> None:
    """Let `directory/name` stand for the checkpoint of `step`, or for none, in one change."""
    if step is None:
        (directory / name).unlink(missing_ok=True)
    else:
        temporary = directory / f".{name}.tmp"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(path_of(directory, step).name)
        if (directory / name).is_dir() and not (directory / name).is_symlink():
            remove(directory / name)  # a copy of the run that lost its links
        os.replace(temporary, directory / name)
    sync_directory(directory)


def linked_steps(directory: Path) -> set[int]:
    """The steps that `link` has given a name."""
    links = [path for path in directory.iterdir() if path.is_symlink()]
    return {int(found[1]) for path in links if (found := _NAME.fullmatch(os.readlink(path)))}


def is_own(name: str) -> bool:
    """Whether a run gives that name to what it puts beside its checkpoints."""
    name = target_of(name) or name
    return name in ("best", "final") or bool(_NAME.fullmatch(name))


def prune(directory: Path, keep: set[int]) -> None:
    """Remove the checkpoints whose steps are not in `keep`, and leftovers of torn saves."""
    for step in published_steps(directory):
        if step not in keep:
            remove(path_of(directory, step))
    for leftover in directory.glob(".step-*.tmp"):
        remove(leftover)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _manifest(content: Mapping[str, bytes]) -> bytes:
    """The one possible manifest of these bytes, so that no altered byte of it goes unseen."""
    files = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in content.items()
    }
    return to_json({"format": _FORMAT, "files": files})


def _difference(manifest: bytes, content: Mapping[str, bytes]) -> str:
    """Name what a manifest and the files disagree on."""
    try:
        files = from_json(manifest, _MANIFEST, CheckpointError)["files"]
        for name, data in content.items():
            if files[name]["bytes"] != len(data):
                return f"{name} has {len(data)} bytes, its manifest says {files[name]['bytes']}"
            if files[name]["sha256"] != hashlib.sha256(data).hexdigest():
                return f"{name} is not what its manifest says: other SHA-256"
    except (CheckpointError, KeyError, TypeError):
        pass
    return f"{_MANIFEST} is damaged"
