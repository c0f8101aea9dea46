"""`recipes`: what there is to train."""

import dataclasses

import click

from fashion_cnn.cli.output import beside, write
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.fields import flag, format_value


@click.command("recipes")
@click.argument("name", required=False)
def recipes(name: str | None) -> None:
    """List the recipes, or show all of NAME."""
    if name is None:
        for known in catalog.RECIPES:
            write(beside(known, " ".join(catalog.description(known).split("\n\n")[0].split()), 11))
            for word, value in catalog.facts(known).items():
                write(beside(f"{'':<11}{word}", value, 21))
        return
    recipe = catalog.named(name)
    *said, _ = catalog.description(name).split("\n\n")
    for part in said:
        write(beside("", " ".join(part.split()), 0) + "\n")
    for word, value in catalog.facts(name).items():
        write(beside("", f"{word}: {value}", 0))
    write("")
    for item in dataclasses.fields(recipe):
        value = format_value(getattr(recipe, item.name))
        other = f" ({flag(item)})" if item.metadata["flag"] else ""
        head = f"  {item.name:<16} {value:<12}"
        write(beside(head, item.metadata["help"] + other, 32))
