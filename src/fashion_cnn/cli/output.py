"""Where words go: results to stdout, all else to stderr."""

import contextlib
import os
import sys
from typing import Any

import click

from fashion_cnn.recipes.fields import nearest
from fashion_cnn.text import folded, visible


def say(line: str) -> None:
    """Tell the person: a line to stderr."""
    with contextlib.suppress(OSError):  # that nobody reads it changes no result and no exit code
        print(visible(line), file=sys.stderr, flush=True)


def write(text: str) -> None:
    """Give a result: text to stdout."""
    try:
        print(visible(text), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def beside(head: str, text: str, column: int) -> str:
    """A row of a list: `text` in its column beside `head`, in lines as wide as the terminal."""
    return "\n".join(folded(text, f"{head:<{column}}", " " * column, least=column + 20))


class Group(click.Group):
    """A group of commands that offers the nearest one for a word that it does not know."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does; raises `click.UsageError` with the hint."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            hint = nearest(args[0], list(self.commands))
            raise click.UsageError(f"no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)
