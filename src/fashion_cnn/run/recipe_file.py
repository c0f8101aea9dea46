"""Recipes by their names and out of files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.files import read_fields
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.recipe import Recipe

SUFFIXES = (".json", ".toml")
"""What the names of files of fields end in."""


def open_recipe(recipe: str | os.PathLike[str] | Recipe) -> Recipe:
    """The recipe of a name, or in a file of fields.

    A file holds all of a recipe, its `name` among them, as the `recipe.json` of a run does; or
    `recipe`, a name of the catalogue, and the fields in which this one differs.

    Raises:
        UsageError: there is no such recipe or file, or what it holds is none.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str | os.PathLike):
        raise UsageError(
            f"recipe is {recipe!r:.60}; it must be one of {', '.join(catalog.RECIPES)}, a file of "
            "fields (.json, .toml), or a Recipe"
        )
    path = Path(recipe)
    if path.suffix not in SUFFIXES:
        return catalog.named(str(recipe))
    fields = read_fields(path)
    if "recipe" not in fields:
        return Recipe.from_dict(fields)
    if "name" in fields:
        raise UsageError(f"{path} has a name and a recipe that it begins as; leave one of them out")
    begins = fields.pop("recipe")
    if not isinstance(begins, str):
        raise UsageError(f"{path}: recipe is {begins!r:.60}; it must be a name of the catalogue")
    return catalog.named(begins).replace(**as_fields(fields))


def as_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the lists of a file into the tuples that a recipe's fields hold."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
