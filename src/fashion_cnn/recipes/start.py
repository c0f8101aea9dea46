"""What a training starts from, and whom it learns from: fields of a recipe checked together."""

import re
from typing import TYPE_CHECKING

from fashion_cnn.errors import UsageError

if TYPE_CHECKING:
    from fashion_cnn.recipes.recipe import Recipe

TIMM = "timm:"
"""What stands before the name of one of timm's networks, in `Recipe.model`."""

IN_THE_BOX = "pretrained"
"""As `Recipe.teacher`: the model that comes in the package."""


def timm_name(model: str) -> str | None:
    """What timm calls a recipe's network; None for one of ours."""
    return model.removeprefix(TIMM) if model.startswith(TIMM) else None


def starts_from_weights(recipe: "Recipe") -> bool:
    """Whether training starts from weights of before, and not from random ones."""
    return bool(recipe.init_from) or (timm_name(recipe.model) is not None and recipe.pretrained)


def check_start(recipe: "Recipe") -> None:
    """Raise `UsageError` for fields about the start, or about timm, that contradict each other."""
    timm, given = timm_name(recipe.model) is not None, starts_from_weights(recipe)
    if not recipe.pretrained and (recipe.init_from or not timm):
        raise UsageError(
            "pretrained is off, "
            + (
                f"but init_from is {recipe.init_from!r}; give one of them"
                if recipe.init_from
                else f"which {recipe.model} is anyway; it is there for timm's networks"
            )
        )
    _check_sha256("init_sha256", recipe.init_sha256)
    for name in ("init_sha256", "freeze"):
        if getattr(recipe, name) and not given:
            raise UsageError(
                f"{name} is {getattr(recipe, name)}, but training starts from random weights; it "
                "needs an init_from, or a pretrained network of timm's"
            )
    if timm and recipe.precision == "mixed":
        raise UsageError("precision is 'mixed'; for timm's networks it must be 'float32'")


def check_teacher(recipe: "Recipe") -> None:
    """Raise `UsageError` for fields about the teacher that contradict each other, or another."""
    _check_sha256("teacher_sha256", recipe.teacher_sha256)
    if not recipe.teacher:
        for name in ("teacher_sha256", "distill"):
            if getattr(recipe, name) != getattr(type(recipe), name):
                raise UsageError(f"{name} is {getattr(recipe, name)}, but there is no teacher")
    if recipe.teacher and recipe.outliers:
        raise UsageError(
            f"outliers is {recipe.outliers}, but a teacher would be sure of what is none of the "
            "classes; leave one of them out"
        )


def _check_sha256(name: str, value: str) -> None:
    if value and not re.fullmatch("[0-9a-f]{64}", value):
        raise UsageError(f"{name} is {value!r}; it must be 64 hexadecimal digits, or empty")
