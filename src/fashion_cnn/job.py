"""One run from a recipe to its results: data, training, evaluation, pictures."""

import dataclasses
import functools
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.data.split import TrainingData
from fashion_cnn.errors import CheckpointError, UsageError
from fashion_cnn.frameworks import (
    Framework,
    Hardware,
    beside_others,
    check_framework,
    hardware_as_before,
    note_changes,
    open_framework,
)
from fashion_cnn.process import launch
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.process.machine import CoreTimes
from fashion_cnn.recipes.catalog import RECIPES
from fashion_cnn.recipes.networks import own_network
from fashion_cnn.recipes.own_network import given
from fashion_cnn.recipes.recipe import MAY_CHANGE, Recipe
from fashion_cnn.reporting.summary import describe_recipe
from fashion_cnn.run.dataset import check_same_data, data_of, describe_data
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import Trained
from fashion_cnn.run.recipe_file import open_recipe
from fashion_cnn.run.weights import FLATTERS, check_apart, has_seen_validation
from fashion_cnn.text import visible
from fashion_cnn.training.progress import Progress
from fashion_cnn.training.schedule import ending, schedule_after_extension, steps_per_epoch
from fashion_cnn.training.state import check_state
from fashion_cnn.version import __version__

Existing = Literal["refuse", "overwrite", "resume"]
"""What becomes of a run that is there already."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a job left.

    Attributes:
        run: its folder.
        status: "finished", "stopped early" or "interrupted".
        signal: the signal that interrupted it, or None.
    """

    run: Run
    status: str
    signal: int | None


def train(
    recipe: Recipe,
    output: str | Path,
    *,
    data_dir: str | Path | None = None,
    hardware: Hardware = Hardware(),
    existing: Existing = "refuse",
    test: bool = True,
) -> Outcome:
    """Train a recipe and write every result into a run folder.

    Where torchrun started several processes, they train together, and the first one writes.

    SIGINT and SIGTERM end training after the step under way; its checkpoint and results are then
    written as usual.

    Args:
        recipe: for a resumed run what `resumed_recipe` gives.
        output: the run folder.
        data_dir: the folder of the data set; see `find_data` for where it is looked for without.
        hardware: what computes, and where.
        existing: what becomes of a run that `output` holds: "refuse", "overwrite", or "resume",
            exactly as if it had never stopped.
        test: evaluate on the test set too; without, it stays sealed, also when the run is
            resumed, until `evaluate` opens it, and the report speaks of the validation part.

    Raises:
        UsageError: `output` is in use or holds something, or the recipe does not fit; or the
            framework is not installed, or not the resumed run's.
        DataError: the data set is missing or is not what it should be.
        CheckpointError: there is nothing to resume from.
        ModelError: the weights to start from, or the teacher, are missing or are not what they
            should be.
        DivergedError: the loss stayed non-finite.
        OSError: the disk is full or failing.
    """
    began, cores = time.monotonic(), CoreTimes.now()
    first, resume = launch.rank() == 0, existing == "resume"
    run = Run(output, read_only=not first)
    if resume:
        _must_hold_a_run(run)
        check_framework(hardware, run)
        hardware = hardware_as_before(hardware, run)
        test = test and not run.split["test_sealed"]
    else:
        run.check_room(overwrite=existing == "overwrite")
        check_apart(recipe, run)
    with Progress(quiet=not first) as progress:
        if resume:
            data_set = DataSet.open(data_of(run, data_dir, progress.say))
            check_same_data(run, data_set)
        else:
            data_set = DataSet.open(data_directory(data_dir, progress.say))
        data = data_set.divided(recipe)
        for line in (*data_set.passed_over, *_absent(data)):
            progress.say(line)
        if not resume:
            hardware = beside_others(hardware, cores, progress.say)
        framework = open_framework(hardware)  # not before: a wrong path is told at once
        framework.check(recipe)
        with framework:
            known = None if resume else dict(data_set.contents.sha256)
            described = framework.describe()
            seen = taught = False
            if recipe.teacher:
                from fashion_cnn.shipping.teacher import COMPUTED_BY, with_teacher

                threads = launch.threads(hardware.threads)
                recipe, data, taught = with_teacher(recipe, data, known, threads, progress.say)
                described |= COMPUTED_BY
            if known:
                recipe, seen = _at_its_start(framework, recipe, data, known, progress.say)
            with Interruption() as interruption, run.lock():
                if resume:
                    note_changes(run, described, progress)
                else:
                    layers = framework.layers()  # calls the network, which may fail
                    run.prepare(overwrite=existing == "overwrite")
                    split = {**_describe_split(recipe, data), "test_sealed": not test}
                    split |= {"validation_seen_before": True} if seen or taught else {}
                    environment = {**_environment(described), "data_sha256": known}
                    run.describe(environment, {**split, **describe_data(data_set, named=data_dir)})
                    run.record_network(recipe, layers)
                trained = framework.train(recipe, data, run, interruption, progress, resume=resume)
                if interruption.signal is not None:
                    progress.say(
                        "stopping: evaluating the checkpoints; press Ctrl+C again to quit at once"
                    )
                if first and _has_results(run, trained, test):
                    progress.say("nothing was left to do; these are the results from before")
                elif first:
                    _evaluate(run, data, data_set, framework, trained, began, test=test)
    return Outcome(run, trained.status, interruption.signal)


def evaluate(
    run: Run,
    *,
    data_dir: str | Path | None = None,
    hardware: Hardware = Hardware(),
    tta: bool = False,
) -> None:
    """Evaluate the best and the final checkpoint of a run again and rewrite its results.

    Each call opens the test set, which is counted.

    Args:
        hardware: its framework need not be the one that trained.
        tta: also with test-time augmentation; the others as in `train`.

    Raises: as `train`.
    """
    began = time.monotonic()
    recipe, _ = run.recipe, run.split  # read now: what is damaged is told before the test set opens
    data_set = DataSet.open(data_of(run, data_dir, Progress().say))
    check_same_data(run, data_set)
    data = data_set.divided(recipe)
    steps = steps_per_epoch(recipe, len(data.training))
    with open_framework(hardware_as_before(hardware, run)) as framework, run.lock():
        fingerprint = recipe.fingerprint(data.fingerprint())
        found, history, rejected = run.checkpoints.newest(fingerprint, check_state)
        if rejected:
            raise CheckpointError(
                f"the newest checkpoint of {run.path} is damaged ({rejected[0]}); --resume trains "
                "on from the last good one"
            )
        step, losses = found.state["step"], [record.val_loss for record in history]
        run.cut_back(step, history)
        run.checkpoints.finish(step, history)
        seconds = found.state["seconds"] + sum(record.seconds for record in history)
        status = ending(recipe, step, steps, losses) or "interrupted"
        ended = Trained(status, step, step / steps, seconds)
        _evaluate(run, data, data_set, framework, ended, began, tta=tta)


def resolve(
    recipe: str | os.PathLike[str] | Recipe | None,
    changes: dict[str, Any],
    output: str | Path | None,
    existing: Existing,
    trust_code: bool = False,
) -> tuple[Recipe, Path, Existing]:
    """Make of what a person names what `train` takes, and say it.

    Args:
        recipe: as `open_recipe` takes it; None for the baseline, or for the resumed run's own.
        changes: fields to set, by name; `model` may be a class or function that makes a network.
        output: the run folder; None for runs/RECIPE.
        existing: what becomes of a run that is there; torchrun's restarts resume it.
        trust_code: the copy of a network's code that the run keeps which goes on, or whose recipe
            is done again, may be run.

    Returns:
        The recipe, the folder, and what becomes of a run that is there.

    Raises:
        UsageError: an unknown recipe or field, or a value that is not allowed.
        CheckpointError: there is nothing to resume from.
    """
    chosen = open_recipe("baseline" if recipe is None else recipe)
    folder = Path(output) if output else Path("runs", chosen.name)
    if launch.restarts() and Run(folder).exists():
        begun_here = Run(folder).environment.get("launch") == launch.name()
        existing = "resume" if begun_here else existing
    if "model" in changes:
        changes = {**changes, **given(changes["model"], changes.get("model_sha256", ""))}
    if trust_code and "model" not in changes:
        named = isinstance(recipe, str | os.PathLike) and existing != "resume"
        kept = Path(str(recipe)).parent if named else folder
        Run.open(kept).allow_network(trust_code=True)
    if existing == "resume":
        run = Run(folder)
        if recipe is not None:
            changes = {**changes, "name": chosen.name}
        resolved, origin = resumed_recipe(run, changes), f"the run in {folder}"
        lines = [describe_recipe(resolved, changes, origin)]
        if isinstance(recipe, Recipe) or (recipe is not None and str(recipe) not in RECIPES):
            lines[:0] = _passed_over(run.recipe, chosen, changes, recipe)
        if notice := schedule_after_extension(run.recipe, resolved):
            lines.insert(0, notice)
    else:
        Run(folder, read_only=launch.rank() > 0).check_room(overwrite=existing == "overwrite")
        named = chosen.name if recipe is None or isinstance(recipe, Recipe) else recipe
        resolved = chosen.replace(**changes)
        resolved.check_asked(changes, chosen)
        lines = [describe_recipe(resolved, changes, f"recipe {named}")]
    if launch.rank() == 0:
        with Progress() as progress:
            progress.say("\n".join(lines))
    return resolved, folder, existing


def _passed_over(
    before: Recipe, named: Recipe, changes: dict[str, Any], origin: object
) -> list[str]:
    """A line on what a recipe, or its file, says otherwise than the run that goes on; or none."""
    others = named.changes_from(before).items()
    found = [name for name, value in others if name not in changes and value != ""]
    if not found:
        return []
    where = named.name if isinstance(origin, Recipe) else origin
    return [
        f"the run goes on by its own recipe; what {where} says otherwise is passed over: "
        f"{', '.join(found)} (only {' and '.join(MAY_CHANGE)} can change, given beside it)"
    ]


def resumed_recipe(run: Run, changes: dict[str, Any]) -> Recipe:
    """The recipe of a run that goes on, with new values for when it stops.

    Raises:
        CheckpointError: there is no run, or no checkpoint in it.
        UsageError: another field would change.
    """
    _must_hold_a_run(run)
    recipe = run.recipe
    if changes.get("name", recipe.name) != recipe.name:
        raise UsageError(
            f"{run.path} is a run of the recipe {recipe.name}; leave the recipe out, or start "
            "another run with --output FOLDER"
        )
    if changes.get("model_sha256") not in (None, recipe.model_sha256):
        raise UsageError(
            f"{changes.get('model', recipe.model)} is not the code that {run.path} is trained "
            "with; --trust-code goes on with the copy that the run keeps"
        )
    own = own_network(recipe.model)
    if own and "model_sha256" in changes:  # the file may have moved
        (_, other) = own_network(changes.get("model", recipe.model)) or own
        if other != own[1]:
            raise UsageError(
                f"{run.path} is trained with {own[1]} of that file, not with {other}; start "
                "another with --output FOLDER"
            )
        changes = {name: value for name, value in changes.items() if name != "model"}
    for name, value in changes.items():
        if name not in MAY_CHANGE and getattr(recipe, name) != value:
            raise UsageError(
                f"{name} cannot change from {getattr(recipe, name)!r} to {value!r} while a run "
                f"goes on (only {' and '.join(MAY_CHANGE)} can); start another with --output FOLDER"
            )
    run.checkpoints.check_any()
    return recipe.replace(**changes)


def _absent(data: TrainingData) -> list[str]:
    """A line on the classes of which no image is left to train on."""
    there = {*data.training.labels.tolist()}
    names = data.training.class_names
    absent = [visible(name) for label, name in enumerate(names) if label not in there]
    if not absent:
        return []
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    return [f"no image is left to train on of: {', '.join(absent[:5])}{more}"]


def _at_its_start(
    framework: Framework,
    recipe: Recipe,
    data: TrainingData,
    known: dict[str, str],
    say: Callable[[str], None],
) -> tuple[Recipe, bool]:
    """Build the network, before anything is written.

    Returns:
        The recipe, now with the SHA-256 of the weights that the network starts from, if any; and
        whether those may come from training on what the recipe validates on.
    """
    seen = has_seen_validation(recipe, known)
    if weights := framework.start(recipe, data):
        recipe = recipe.replace(init_sha256=weights.sha256)
        anew = f"; {' and '.join(weights.anew)} begin anew" if weights.anew else ""
        say(f"starting from {weights.file}{anew}{FLATTERS if seen else ''}")
    elif seen:
        say(f"judging {recipe.model} as it is{FLATTERS}")
    return recipe, seen


def _evaluate(
    run: Run,
    data: TrainingData,
    data_set: DataSet,
    framework: Framework,
    ended: Trained,
    began: float,
    *,
    test: bool = True,
    tta: bool = False,
) -> None:
    from fashion_cnn.evaluation.evaluate import evaluate_run
    from fashion_cnn.reporting.plots import draw_run
    from fashion_cnn.reporting.report import make_report

    open_test = functools.cache(data_set.test)
    metrics = evaluate_run(
        run,
        lambda checkpoint: framework.open_classifier(run, checkpoint),
        data,
        open_test if test else None,
        ended,
        tta=tta,
    )
    draw_run(run, metrics)
    run.results.write_page(make_report(run, metrics, open_test() if test else data.validation))
    # Last: a run whose metrics speak of its final step has all its results.
    spent = time.monotonic() - began
    run.results.write_metrics(
        dataclasses.replace(metrics, evaluated_in=framework.name, command_seconds=spent)
    )
    run.log("evaluated", status=ended.status, step=ended.step)


def _has_results(run: Run, ended: Trained, test: bool) -> bool:
    """Whether what is on disk speaks of where the run now stands, and of what is asked for."""
    if not run.results.exist():
        return False
    try:
        metrics = run.results.metrics
    except UsageError:  # altered; they are written anew
        return False
    sealed = metrics.final.test is None
    same = (metrics.status, metrics.final.step) == (ended.status, ended.step)
    return same and not (test and sealed) and run.results.are_whole()


def _must_hold_a_run(run: Run) -> None:
    if not run.exists():
        raise CheckpointError(f"nothing to resume: {run.path} holds no run; leave --resume out")


def _environment(framework: dict[str, Any]) -> dict[str, Any]:
    return {
        **framework,
        "fashion_cnn": __version__,
        **_commit(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "command": sys.argv,
        **({"launch": launch.name()} if launch.name() else {}),
    }


def _commit() -> dict[str, str]:
    """The commit of this code where it is a clone, with "-dirty" behind it if it was altered."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return {}
    words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(
            [*words, "--exclude=*"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": done.stdout.strip()}


def _describe_split(recipe: Recipe, data: TrainingData) -> dict[str, Any]:
    return {
        "method": "stratified by class, seeded; repeat with fashion_cnn.data.split.divide",
        "seed": recipe.seed,
        "training_images": len(data.training),
        "validation_images": len(data.validation),
        "steps_per_epoch": steps_per_epoch(recipe, len(data.training)),
        "fingerprint": data.fingerprint(),
    }
