"""Weights of before, from which a training starts: read whole, hashed, and only then parsed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from fashion_cnn.errors import CheckpointError, ModelError, UsageError
from fashion_cnn.files import read_bytes
from fashion_cnn.recipes.networks import own_network
from fashion_cnn.recipes.recipe import PACKAGED, Recipe
from fashion_cnn.run.checkpoint import WEIGHTS, Arrays
from fashion_cnn.run.folder import Run

FLATTERS = (
    "; trained with another seed or validation share, or elsewhere, it may have learned images "
    "that now validate: validation figures will flatter"
)
"""What is said of a start, or of a teacher, that may have seen what a run validates on."""


@dataclass(frozen=True)
class Weights:
    """What a file holds.

    Attributes:
        file: where it is.
        sha256: of its bytes.
        arrays: by tensor name, all finite.
        anew: the network's tensors that begin anew, because these weights are not for them.
    """

    file: Path
    sha256: str
    arrays: Arrays
    anew: tuple[str, ...] = ()


def read_weights(path: Path, sha256: str = "") -> Weights:
    """Read a safetensors file, or the weights that answer of a run folder; never a pickle.

    Args: sha256: what the file must have; empty for any.

    Raises:
        ModelError: it is missing, not what `sha256` says, no safetensors file, or not finite; or
            there is no such run, or its checkpoint is missing or damaged.
    """
    if path.is_dir():
        return _read_run(path, sha256)
    data = read_bytes(path, ModelError)
    found = hashlib.sha256(data).hexdigest()
    _check_same(path, found, sha256)
    try:
        arrays = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is no safetensors file that can be used ({error})") from None
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{path}: {name} is not finite")
    return Weights(path, found, arrays)


def _read_run(path: Path, sha256: str) -> Weights:
    run = Run(path)
    try:
        if not run.exists():
            raise UsageError(f"{path} holds no run")
        found = run.checkpoints.load(run.answering)
    except (CheckpointError, UsageError) as error:
        raise ModelError(f"there is nothing to start from: {error}") from None
    file = found.path / WEIGHTS
    _check_same(file, found.sha256, sha256)
    return Weights(file, found.sha256, found.model)


def _check_same(file: Path, found: str, wanted: str) -> None:
    if wanted not in ("", found):
        raise ModelError(
            f"{file} is not the file that init_sha256 names: its SHA-256 is {found}, not {wanted}; "
            "bring that file back, or leave init_sha256 out to start from this one"
        )


def has_seen_validation(recipe: Recipe, data: Any) -> bool:
    """Whether what a recipe starts from may have been trained on what the recipe validates on.

    Of weights that no run holds nothing is known. Taken as they are, they were trained for these
    classes; as a start, they most often were not.

    Args: data: the hashes of the data set's files, as `Run.environment` has them.
    """
    if not recipe.init_from:
        return not recipe.epochs and own_network(recipe.model) is not None
    start = Path(recipe.init_from).resolve()  # the folder of a run, or a file in one
    before = next(
        (run for folder in (start, *start.parents) if (run := Run(folder)).exists()), None
    )
    if before is None:
        return not recipe.epochs
    if before.environment.get("data_sha256") != data:
        return False
    seen = divides_otherwise(recipe, before.recipe.to_dict())
    return seen or before.split.get("validation_seen_before") is True


def divides_otherwise(recipe: Recipe, before: Mapping[str, Any]) -> bool:
    """Whether an earlier recipe, by its fields, trains on some of what this one validates on."""
    return any(before.get(name) != getattr(recipe, name) for name in ("seed", "validation"))


def check_apart(recipe: Recipe, run: Run) -> None:
    """Raise `UsageError` if a new run would replace what it starts from or whom it learns from."""
    for name in ("init_from", "teacher"):
        path = getattr(recipe, name)
        if path and path != PACKAGED and Path(path).resolve().is_relative_to(run.path.resolve()):
            raise UsageError(
                f"{name} is {path!r}, which the new run would replace; give another --output"
            )
