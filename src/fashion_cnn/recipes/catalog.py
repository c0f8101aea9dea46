"""The recipes that have a name. Each docstring states what the recipe measures."""

import inspect
from collections.abc import Callable

from fashion_cnn.errors import UsageError
from fashion_cnn.recipes.recipe import Recipe, nearest


def baseline() -> Recipe:
    """The assignment: SimpleCNN, Adam 1e-3, batch 64, 50 epochs, no augmentation.

    TODO-FILL
    """
    return Recipe(name="baseline")


RECIPES: dict[str, Callable[[], Recipe]] = {"baseline": baseline}


def named(name: str) -> Recipe:
    """The recipe of that name; raises `UsageError` for an unknown one, naming the nearest."""
    if name not in RECIPES:
        known = list(RECIPES)
        raise UsageError(f"no recipe {name!r}{nearest(name, known)}; there is: {', '.join(known)}")
    return RECIPES[name]()


def description(name: str) -> str:
    """What the recipe is and what it measures: its docstring."""
    return inspect.getdoc(RECIPES[name]) or ""
