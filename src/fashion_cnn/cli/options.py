"""The options that several commands share; those of a recipe are made from its fields."""

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from fashion_cnn.process.machine import DEVICES, FRAMEWORKS, MOST_THREADS
from fashion_cnn.recipes.fields import flag, format_value
from fashion_cnn.recipes.recipe import Recipe


class _Path(click.Path):
    """A path; ~ is the home folder also where no shell has seen it, as in --output=~/runs."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """As click does; raises `click.BadParameter` for "", as of a variable that is not set."""
        if value == "":
            self.fail("an empty path", param, ctx)
        return super().convert(os.path.expanduser(value), param, ctx)


PLACE = _Path(path_type=Path)
FILE = _Path(path_type=Path, dir_okay=False)
FOLDER = _Path(path_type=Path, file_okay=False)

data_dir_option = click.option(
    "--data-dir",
    type=PLACE,
    help="folder of the data set  [of a run: the one that it recorded; else Fashion-MNIST "
    "in $FASHION_CNN_DATA, ./data or Debian's folder]",
)
model_option = click.option(
    "--model",
    type=PLACE,
    metavar="FILE|RUN",
    help="an exported model  [those in the package]",
)
reject_option = click.option(
    "--reject",
    type=float,
    metavar="RATE",
    help="reject unsure pictures, so that about this share of the answers is wrong: 0.005, 0.01, "
    "0.02, 0.03 or 0.05",
)
trust_option = click.option(
    "--trust-code", is_flag=True, help="run the copy of your network's code that the run keeps"
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, MOST_THREADS),
    help="CPU threads  [a run's own; else $OMP_NUM_THREADS, or all cores; to train, those that are "
    "free]",
)


def framework_option(default: str) -> Callable[..., Any]:
    """Which framework computes. Args: default: what it is without the flag."""
    return click.option(
        "--framework",
        type=click.Choice(FRAMEWORKS),
        help=f"framework; $KERAS_BACKEND sets the backend of Keras  [{default}]",
    )


_SUBJECTS = {
    "model": "The network",
    "seed": "Data and order",
    "init_from": "Start",
    "teacher": "Teacher",
    "optimizer": "Optimiser",
    "schedule": "Learning rate over time",
    "dropout": "Regularisation",
    "flip": "Augmentation",
    "precision": "Precision and stopping",
}
"""Of a recipe's fields, by the first of each."""


class WithSubjects(click.Command):
    """A command whose help tells a recipe's many settings by subject."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, in several lists."""
        fields = [item.name for item in dataclasses.fields(Recipe) if item.name != "name"]
        subject, of_field = "", {}
        for name in fields:
            subject = of_field[name] = _SUBJECTS.get(name, subject)
        lists: dict[str, list[tuple[str, str]]] = {"Options": []}
        for option in self.get_params(ctx):
            if isinstance(option, click.Option) and (row := option.get_help_record(ctx)):
                lists.setdefault(of_field.get(option.name or "", "Options"), []).append(row)
        for title, rows in lists.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A flag for each field of `Recipe`, so that a flag cannot drift from its default."""
    for item in reversed(dataclasses.fields(Recipe)):
        if item.name == "name":
            continue
        rule, default, declaration = item.metadata, item.default, flag(item)
        also = f"--{item.name.replace('_', '-')}"  # a field and its flag go by one name
        words: dict[str, Any] = {"help": f"{rule['help']}  [baseline: {format_value(default)}]"}
        if rule["choices"]:
            words |= {"metavar": "|".join(rule["choices"])}
        elif isinstance(default, bool):
            also += f"/--no-{item.name.replace('_', '-')}"
            declaration = also
        elif isinstance(default, tuple):
            kind = get_args(item.type)[0]
            metavar = "K,…" if kind is int else "W0,W1,…"
            words |= {"callback": functools.partial(_numbers, kind), "metavar": metavar}
        else:
            words |= {"type": type(default)}
        names = dict.fromkeys((declaration, also))
        command = click.option(*names, item.name, default=None, **words)(command)
    return command


def _numbers(kind: type, context: click.Context, option: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    try:
        return tuple(kind(word) for word in value.split(",") if word)
    except ValueError:
        numbers = "whole numbers" if kind is int else "numbers"
        message = f"{value!r} is not a list of {numbers}"
        raise click.BadParameter(message, context, option) from None


def runs_own_code(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of a command on RUN that needs its network, which may be one of somebody's own."""

    @trust_option
    @click.option(
        "--model", metavar="FILE.py:NAME", help="your own network, unchanged since the training"
    )
    @functools.wraps(command)
    def allowing(
        run: Path | tuple[Path, ...] | None, model: str | None, trust_code: bool, **words: Any
    ) -> Any:
        if run is not None and (model is not None or trust_code):
            from fashion_cnn.run.folder import Run

            runs = run if isinstance(run, tuple) else (run,)
            for opened in map(Run.open, runs):
                if len(runs) == 1 or opened.recipe.model_sha256:  # of several, some may be ours
                    opened.allow_network(model, trust_code=trust_code)
        return command(run=run, **words)

    return allowing


def hardware_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where to compute, and where the data are."""
    for option in (
        click.option(
            "--deterministic",
            is_flag=True,
            help="refuse operations that cannot be repeated exactly",
        ),
        threads_option,
        click.option(
            "--device",
            type=click.Choice(DEVICES),
            default="auto",
            help="where to compute  [a run's own; else auto]",
        ),
        data_dir_option,
    ):
        command = option(command)
    return command
