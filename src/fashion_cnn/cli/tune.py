"""`tune`: the best values of a recipe's fields."""

from pathlib import Path
from typing import Any

import click

from fashion_cnn.cli.options import (
    PLACE,
    WithSubjects,
    framework_option,
    hardware_options,
    hardware_words,
    recipe_options,
)
from fashion_cnn.cli.output import say, write
from fashion_cnn.errors import UsageError
from fashion_cnn.text import aligned
from fashion_cnn.tuning.space import CHOICES, Search, begun_from, parse_space


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
    "--storage", default="", help="database URL or journal file  [SQLite in the output folder]"
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
    given = {field: value for field, value in flags.items() if value is not None}
    if "model" in given:
        from fashion_cnn.recipes import own_network

        given |= own_network.given(given["model"], given.get("model_sha256", ""))
    recipe, given = begun_from(named[0] if named else "baseline", given)
    searched = [*search, *(word for word in words if "=" in word)]
    space = parse_space(searched, recipe, given)
    from fashion_cnn.data.fashion_mnist import DataSet
    from fashion_cnn.data.fetch import data_directory
    from fashion_cnn.reporting.search import to_text
    from fashion_cnn.run.dataset import data_words
    from fashion_cnn.tuning.search import carry_out

    directory = data_directory(data_dir, say)  # missing data are told, or fetched, once
    data_sha256 = DataSet.open(directory).contents.sha256
    folder = output or Path("runs", "searches", name or recipe.name)
    wanted = Search(
        name=name or (recipe.name if storage else folder.resolve().name),
        recipe=recipe,
        given=given,
        space=space,
        objective=objective,
        trials=trials,
        sampler=sampler,
        pruner=pruner,
        framework=framework,
        data_sha256=data_sha256,
    )
    passed = data_words(directory, data_sha256, named=data_dir is not None)
    passed += hardware_words(device, threads, deterministic)
    result, signal = carry_out(wanted, folder, storage, passed, say)
    write(aligned(to_text(result)))
    return 128 + signal if signal else 0
