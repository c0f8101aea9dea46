"""`recipes`: what there is to train."""

import dataclasses

import click

from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.fields import flag, format_value


@click.command("recipes")
@click.argument("name", required=False)
def recipes(name: str | None) -> None:
    """List the recipes, or show all of NAME."""
    if name is None:
        for known in catalog.RECIPES:
            print(f"{known:<10} {catalog.description(known).splitlines()[0]}")
            for word, value in catalog.facts(known).items():
                print(f"{'':<10} {word:<9} {value}")
        return
    recipe = catalog.named(name)
    print(catalog.description(name) + "\n")
    for item in dataclasses.fields(recipe):
        value = format_value(getattr(recipe, item.name))
        other = f" ({flag(item)})" if item.metadata["flag"] else ""
        print(f"  {item.name:<16} {value:<12} {item.metadata['help']}{other}")
