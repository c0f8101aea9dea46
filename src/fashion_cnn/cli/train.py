"""`train`: a recipe into results."""

import os
import shlex
from pathlib import Path
from typing import Any

import click

from fashion_cnn.cli.options import (
    PLACE,
    WithSubjects,
    framework_option,
    hardware_options,
    recipe_options,
    trust_option,
)
from fashion_cnn.cli.output import say, write
from fashion_cnn.cli.track import TRACKERS
from fashion_cnn.commands import command
from fashion_cnn.errors import DivergedError, FashionCNNError, UsageError
from fashion_cnn.process import launch
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.recipe import Recipe


@click.command("train", cls=WithSubjects)
@click.argument("recipe", required=False)
@recipe_options
@framework_option("pytorch; a resumed run's own")
@hardware_options
@click.option(
    "--minutes",
    type=float,
    help="end after about this time: measures the speed, then sets --epochs (and --train-images)",
)
@click.option("--output", type=PLACE, help="run folder  [runs/RECIPE]")
@click.option("--name", help="use the run folder runs/NAME")
@click.option("--resume", is_flag=True, help="continue the run in the folder, exactly")
@trust_option
@click.option("--overwrite", is_flag=True, help="replace the run in the folder")
@click.option(
    "--no-test", is_flag=True, help="leave the test set sealed; report on validation images"
)
@click.option(
    "--track",
    type=click.Choice(TRACKERS),
    multiple=True,
    help="copy the run to this tracker when training ends; may be given twice",
)
def train(
    recipe: str | None,
    framework: str | None,
    data_dir: Path | None,
    device: str,
    threads: int | None,
    deterministic: bool,
    minutes: float | None,
    output: Path | None,
    name: str | None,
    resume: bool,
    trust_code: bool,
    overwrite: bool,
    no_test: bool,
    track: tuple[str, ...],
    **flags: Any,
) -> int:
    """Train RECIPE (without: baseline), a name or a TOML or JSON file, into a run folder.

    Ctrl+C ends the step, saves, evaluates and reports; a second one quits at once. Several
    processes train together under: torchrun --nproc-per-node N -m fashion_cnn train …
    """
    if resume and overwrite:
        raise UsageError("--resume continues a run and --overwrite replaces it; give one of them")
    if output is not None and name is not None:
        raise UsageError(f"--name {name} means --output runs/{name}; give one of them")
    if name == "":
        raise UsageError("--name is empty; say what the run is to be called, or leave it out")
    if minutes is not None and (resume or flags["epochs"] is not None):
        given = "--resume" if resume else "--epochs"
        raise UsageError(f"--minutes sets the number of epochs; it cannot be used with {given}")
    changes = {field: value for field, value in flags.items() if value is not None}
    first = launch.rank() == 0  # of those that torchrun started

    from fashion_cnn import job
    from fashion_cnn.reporting import tracking
    from fashion_cnn.reporting.summary import summarise
    from fashion_cnn.run.command import needed
    from fashion_cnn.run.folder import Run

    trackers = list(dict.fromkeys(track)) if first else []
    for tracker in trackers:  # that one is not installed is told before training
        tracking.check_tracker(tracker)
    existing = "resume" if resume else "overwrite" if overwrite else "refuse"
    place = output or (Path("runs", name) if name else None)
    resolved, folder, existing = job.resolve(recipe, changes, place, existing, trust_code)
    asked = hardware = job.Hardware(device, threads, deterministic, framework)
    if minutes is not None:
        from fashion_cnn.pace import fit_to_minutes

        resolved, hardware = fit_to_minutes(minutes, resolved, data_dir, hardware, test=not no_test)

    def give_to_trackers() -> None:
        for tracker in trackers:
            say(tracking.track(Run(folder), tracker))

    try:
        outcome = job.train(
            resolved,
            folder,
            data_dir=data_dir,
            hardware=hardware,
            existing=existing,
            test=not no_test,
        )
    except DivergedError:  # its curves say where it went wrong
        try:
            give_to_trackers()
        except FashionCNNError as error:  # the first failure is what counts
            say(str(error))
        raise
    if first:
        write(summarise(outcome.run, outcome.run.results.metrics))
    if first and (words := _going_on(outcome.status, resolved)):
        same = [*asked.words, *(word for tracker in trackers for word in ("--track", tracker))]
        same += needed(resolved.model, outcome.run.split.get("data_dir"))
        say(f"to go on: {_command(words, folder, same)}")
    give_to_trackers()
    return 128 + outcome.signal if outcome.signal else 0


_MADE = {"train": "results", "train-keras": "results-keras"}
"""The run folders of make's targets, as their scripts have them."""


def _going_on(status: str, recipe: Recipe) -> list[str]:
    """The words that train a run on; none where its recipe is done."""
    if status == "interrupted":
        return ["--resume"]
    if status == "stopped early":
        return ["--resume", "--early-stopping", "0"]
    if not recipe.epochs:  # judged as it is
        return []
    whole = catalog.RECIPES[recipe.name]().epochs if recipe.name in catalog.RECIPES else 0
    return ["--resume", "--epochs", str(whole)] if recipe.epochs < whole else []


def _command(words: list[str], folder: Path, same: list[str]) -> str:
    """What to type, in the form in which this command was. Args: same: what was given to it."""
    if target := os.environ.get("MAKE_TARGET"):
        elsewhere = [] if folder == Path(_MADE.get(target, "")) else ["--output", str(folder)]
        return f"make {target} ARGS={shlex.quote(shlex.join([*words, *elsewhere, *same]))}"
    if launch.local_ranks() != launch.ranks():  # each machine has words of its own
        return f"torchrun as before, with {command(*words, *same, program=('train',))}"
    program = launch.program(launch.ranks())
    return command("train", *words, "--output", folder, *same, program=program)
