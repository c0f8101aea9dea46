"""The command that trains a run, as a person would type it."""

from collections.abc import Mapping
from typing import Any

from fashion_cnn.recipes.recipe import flag_words


def train_command(recipe: str, changes: Mapping[str, Any]) -> list[str]:
    """The words after `fashion-cnn` that train a catalogue entry with some fields changed.

    Args: changes: of the recipe's fields, and perhaps "framework".
    """
    return ["train", recipe, *(word for name in changes for word in _words(name, changes[name]))]


def _words(name: str, value: Any) -> list[str]:
    return ["--framework", value] if name == "framework" else flag_words(name, value)
