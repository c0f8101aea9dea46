"""The pages of the reference that are made of the program: commands, fields, functions."""

import dataclasses
import inspect
from collections.abc import Iterator

import click

import fashion_cnn
from fashion_cnn.cli.main import _group
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.fields import flag, format_value
from fashion_cnn.recipes.recipe import Recipe


def commands() -> str:
    """Every command with its help, as `fashion-cnn COMMAND --help` prints it."""
    return "\n\n".join(
        f"## {' '.join(words)}\n\n```text\n{said}\n```" for words, said in _commands(_group, [])
    )


def _commands(group: click.Group, before: list[str]) -> Iterator[tuple[list[str], str]]:
    for name, command in sorted(group.commands.items()):
        words = [*before, name]
        if isinstance(command, click.Group):
            yield from _commands(command, words)
            continue
        context = click.Context(
            command, info_name=f"fashion-cnn {' '.join(words)}", terminal_width=80
        )
        yield words, command.get_help(context)


def fields() -> str:
    """A table of the recipes' fields: flag, default, what each recipe sets, meaning."""
    recipes = {name: catalog.named(name) for name in catalog.RECIPES}
    head = ["field", "meaning", *(f"`{name}`" for name in recipes)]
    rows = [
        [
            f"`{flag(item)}`" if item.metadata["flag"] else f"`{item.name}`",
            item.metadata["help"].replace("|", r"\|"),
            *(format_value(getattr(recipe, item.name)) for recipe in recipes.values()),
        ]
        for item in dataclasses.fields(Recipe)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def functions() -> str:
    """Every public name of the package with its signature and docstring."""
    parts = []
    for name in sorted(fashion_cnn.__all__, key=str.lower):
        held = getattr(fashion_cnn, name)
        if not callable(held):
            continue
        parts.append(_said(name, held, "##"))
        if inspect.isclass(held):
            parts += [
                _said(f"{name}.{own}", value, "###")
                for own, value in vars(held).items()
                if not own.startswith("_")
                and (callable(value) or isinstance(value, property))
                and inspect.getdoc(value)
            ]
    return "\n\n".join(parts)


def _said(name: str, held: object, level: str) -> str:
    signature = ""
    if callable(held):
        try:
            signature = str(inspect.signature(held))
        except ValueError:
            signature = "(…)"
    return f"{level} {name}\n\n```text\n{name}{signature}\n\n{inspect.getdoc(held) or ''}\n```"
