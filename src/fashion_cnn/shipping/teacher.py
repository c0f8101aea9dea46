"""The exported model whose answers a training learns."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnxruntime

from fashion_cnn.data.split import TrainingData
from fashion_cnn.errors import ModelError, UsageError
from fashion_cnn.recipes.recipe import PACKAGED, Recipe
from fashion_cnn.run.exports import ExportFiles
from fashion_cnn.run.folder import Run
from fashion_cnn.run.weights import FLATTERS, divides_otherwise
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.predict import open_model

COMPUTED_BY = {"onnxruntime": onnxruntime.__version__}
"""What a taught run's bits depend on besides."""


def with_teacher(
    recipe: Recipe,
    data: TrainingData,
    known: Mapping[str, str] | None,
    threads: int,
    say: Callable[[str], None],
) -> tuple[Recipe, TrainingData, bool]:
    """Open whom a recipe learns from, and say so.

    Args:
        known: the hashes of the data set's files; None for a run that goes on.
        threads: for its answers.
        say: gets the line.

    Returns:
        The recipe, now with the SHA-256 of the teacher; the data with it; and whether it may have
        trained on what a new run validates on.

    Raises: as `open_teacher`.
    """
    recipe, teacher = open_teacher(recipe, data.training.class_names, threads)
    seen = known is not None and knows_validation(teacher, recipe, known)
    share = f"{100 * recipe.distill:g} %"
    warning = FLATTERS if seen else ""
    say(f"learning {share} from {recipe.teacher}, the rest from the labels{warning}")
    return recipe, dataclasses.replace(data, teacher=teacher), seen


def open_teacher(
    recipe: Recipe, class_names: Sequence[str], threads: int | None
) -> tuple[Recipe, OnnxClassifier]:
    """Open the model that a recipe names.

    Returns:
        The recipe, now with the SHA-256 of the file, so that it names this teacher and no other;
        and the model.

    Raises:
        ModelError: it is missing, not what `export` writes, another file than the recipe says, or
            knows other classes.
    """
    path = None if recipe.teacher == PACKAGED else Path(recipe.teacher)
    if path and path.is_dir() and recipe.teacher_sha256:  # that run may have gone on since
        path = ExportFiles.of(Run(path)).model
    try:
        teacher = open_model(path, threads)
    except UsageError as error:
        raise ModelError(f"the teacher cannot be opened: {error}") from None
    if recipe.teacher_sha256 not in ("", teacher.sha256):
        raise ModelError(
            f"{recipe.teacher} is not the model that teacher_sha256 names: its SHA-256 is "
            f"{teacher.sha256}, not {recipe.teacher_sha256}; bring that one back, or start a run "
            "that learns from this one"
        )
    if teacher.class_names != tuple(class_names):
        raise ModelError(
            f"{recipe.teacher} tells {', '.join(teacher.class_names)} apart, not the classes of "
            "this data set; it cannot be its teacher"
        )
    return recipe.replace(teacher_sha256=teacher.sha256), teacher


def knows_validation(teacher: OnnxClassifier, recipe: Recipe, data_sha256: object) -> bool:
    """Whether a teacher may have trained on what the recipe validates on.

    Args: data_sha256: the hashes of the data set's files, as `Run.environment` has them.
    """
    facts = teacher.facts
    if facts["data_sha256"] != data_sha256:
        return False
    members = facts["recipe"].get("members") or [facts["recipe"]]
    seen = any(divides_otherwise(recipe, member) for member in members)
    return seen or facts["made_by"].get("validation_seen_before") is True
