"""`tune`: the best values of a recipe's fields."""

from pathlib import Path
from typing import Any

import click

from fashion_cnn.cli.options import (
    PLACE,
    WithSubjects,
    framework_option,
    hardware_options,
    recipe_options,
)
from fashion_cnn.cli.output import write
from fashion_cnn.errors import UsageError
from fashion_cnn.tuning.space import CHOICES, Search


@click.command("tune", cls=WithSubjects)
@click.argument("words", nargs=-1, metavar="[RECIPE]")
@click.option(
    "--search",
    multiple=True,
    metavar="FIELD=… …",
    help="what to vary: LOW:HIGH, LOW:HIGH:log, LOW:HIGH:STEP or A,B,C; one or more",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=Search.trials,
    help=f"number of trials in all  [{Search.trials}]",
)
@click.option(
    "--objective",
    type=click.Choice(CHOICES["objective"]),
    default=Search.objective,
    help=f"what to optimise, on validation images  [{Search.objective}]",
)
@click.option(
    "--sampler",
    type=click.Choice(CHOICES["sampler"]),
    default=Search.sampler,
    help=f"how values are chosen  [{Search.sampler}]",
)
@click.option(
    "--pruner",
    type=click.Choice(CHOICES["pruner"]),
    default=Search.pruner,
    help=f"how hopeless trials are stopped early  [{Search.pruner}]",
)
@click.option(
    "--storage", default="", metavar="URL", help="database  [SQLite in the output folder]"
)
@click.option(
    "--name", help="name of the search in the storage  [RECIPE; without --storage the folder's]"
)
@click.option(
    "--output", type=PLACE, help="folder for the trials of this worker  [runs/searches/NAME]"
)
@recipe_options
@framework_option("pytorch")
@hardware_options
def tune(
    words: tuple[str, ...],
    search: tuple[str, ...],
    trials: int,
    objective: str,
    sampler: str,
    pruner: str,
    storage: str,
    name: str | None,
    output: Path | None,
    framework: str | None,
    data_dir: Path | None,
    device: str,
    threads: int | None,
    deterministic: bool,
    **flags: Any,
) -> int:
    """Search for the values with which RECIPE (default: baseline) does best on validation images.

    fashion-cnn tune fast --search lr=1e-3:1e-1:log batch_size=125,250,500 --trials 20

    The test set stays sealed. The same command continues a search that stopped. Run it twice at
    once, in two terminals or on two machines with one --storage, to share the work.
    """
    if name == "":
        raise UsageError("--name is empty; say what the search is to be called, or leave it out")
    named = [word for word in words if "=" not in word]
    if len(named) > 1:
        raise UsageError(f"give one recipe, not {len(named)}: {', '.join(named)}")
    from fashion_cnn import api

    settings = {field: value for field, value in flags.items() if value is not None}
    settings |= {"device": device, "threads": threads, "deterministic": deterministic}
    settings |= {"objective": objective, "sampler": sampler, "pruner": pruner, "trials": trials}
    settings |= {"storage": storage, "name": name or "", "framework": framework}
    searched = [*search, *(word for word in words if "=" in word)]
    result, signal = api.carry_out_search(
        named[0] if named else None, output, searched, data_dir, settings
    )
    write(str(result))
    return 128 + signal if signal else 0
