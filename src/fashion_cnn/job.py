"""One run from a recipe to its results: data, training, evaluation, pictures."""

import dataclasses
import functools
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from fashion_cnn import __version__
from fashion_cnn.data import fashion_mnist
from fashion_cnn.data.fashion_mnist import TEST_PART
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.data.split import TrainingData, divide
from fashion_cnn.errors import CheckpointError, UsageError
from fashion_cnn.frameworks import Hardware, check_framework, hardware_as_before, note_changes
from fashion_cnn.recipes.recipe import MAY_CHANGE, Recipe
from fashion_cnn.recipes.schedule import ending, steps_per_epoch
from fashion_cnn.recipes.start import starts_from_weights
from fashion_cnn.reporting.summary import describe_start, describe_teacher
from fashion_cnn.run import launch
from fashion_cnn.run.dataset import check_same_data, describe_data
from fashion_cnn.run.folder import Run
from fashion_cnn.run.interruption import Interruption
from fashion_cnn.run.progress import Progress
from fashion_cnn.run.weights import check_apart, has_seen_validation


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

    @property
    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds."""
        return self.run.metrics or {}


def train(
    recipe: Recipe,
    output: str | Path,
    *,
    data_dir: str | Path | None = None,
    hardware: Hardware = Hardware(),
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
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
        resume: continue the run in `output`, exactly as if it had never stopped.
        overwrite: replace a run that `output` holds.
        quiet: print no progress.
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
    began = time.monotonic()
    first = launch.rank() == 0
    run = Run(output, read_only=not first)
    if resume:
        _must_hold_a_run(run)
        check_framework(hardware, run)
        hardware = hardware_as_before(hardware, run)
        test = test and not run.split["test_sealed"]
    else:
        run.check_room(overwrite=overwrite)
    with Progress(quiet=quiet or not first) as progress:
        directory = data_directory(data_dir, progress.say)
        if resume:
            check_same_data(run, directory)
        data = open_training(directory, recipe)
        steps, names = steps_per_epoch(recipe, len(data.training)), data.training.class_names

        # Imported here, so that a wrong path or data set is told at once.
        on, train_network = hardware.room("device"), hardware.room("train").train
        joined = hardware.room("ranks").joined
        hardware.room("model").check_recipe(recipe)
        contents = fashion_mnist.contents(directory)
        seen = not resume and has_seen_validation(recipe, dict(contents.sha256))
        if not resume:
            check_apart(recipe, run)
        if not resume and starts_from_weights(recipe):  # in PyTorch: Keras has refused it
            recipe, weights = hardware.room("start").starting_weights(recipe, len(names))
            progress.say(describe_start(weights, seen=seen))
        answered_by: dict[str, str] = {}
        if recipe.teacher:
            from fashion_cnn.shipping.teacher import COMPUTED_BY, knows_validation, open_teacher

            recipe, teacher = open_teacher(recipe, names, launch.threads(hardware.threads))
            flatters = not resume and knows_validation(teacher, recipe, dict(contents.sha256))
            progress.say(describe_teacher(recipe, seen=flatters))
            data, seen = dataclasses.replace(data, teacher=teacher), seen or flatters
            answered_by = COMPUTED_BY
        device = hardware.configure()
        described = {**on.describe(device), **answered_by}
        with Interruption() as interruption, run.lock():
            if not resume:
                run.prepare(overwrite=overwrite)
                split = {**_describe_split(recipe, data, steps), "test_sealed": not test}
                split |= {"validation_seen_before": True} if seen else {}
                environment = {**_environment(described), "data_sha256": contents.sha256}
                run.describe(environment, {**split, **describe_data(contents)})
            else:
                note_changes(run, described, progress)
            with joined(device) as ranks:
                status = train_network(
                    recipe, data, run, device, interruption, progress, ranks=ranks, resume=resume
                )
                if interruption.signal is not None:
                    progress.say(
                        "stopping: evaluating what was learned; once more to leave at once"
                    )
                if first and _has_results(run, status, test):
                    progress.say("nothing was left to do; these are the results from before")
                elif first:
                    _evaluate(run, data, directory, (hardware, device), status, began, test=test)
        return Outcome(run, status, interruption.signal)


def evaluate(
    run: Run,
    *,
    data_dir: str | Path | None = None,
    hardware: Hardware = Hardware(),
    tta: bool = False,
) -> Outcome:
    """Evaluate the best and the newest checkpoint of a run again and rewrite its results.

    Each call is one more reading of the test set, and is counted as that.

    Args:
        hardware: its framework need not be the one that trained.
        tta: also with test-time augmentation; the others as in `train`.

    Raises: as `train`.
    """
    began = time.monotonic()
    recipe, _ = run.recipe, run.split  # read now: what is damaged is told before the test set opens
    directory = data_directory(data_dir, lambda line: print(line, file=sys.stderr))
    check_same_data(run, directory)
    data = open_training(directory, recipe)
    steps = steps_per_epoch(recipe, len(data.training))
    hardware = hardware_as_before(hardware, run)
    device = hardware.configure()
    with run.lock():
        fingerprint = recipe.fingerprint(data.fingerprint())
        found, history, rejected = run.newest_checkpoint(fingerprint)
        if rejected:
            raise CheckpointError(
                f"the newest checkpoint of {run.path} is damaged ({rejected[0]}); --resume trains "
                "on from the last good one"
            )
        step, losses = found.state["step"], [record.val_loss for record in history]
        run.cut_back(step, history)
        run.link_results(step, history)
        status = ending(recipe, step, steps, losses) or "interrupted"
        _evaluate(run, data, directory, (hardware, device), status, began, tta=tta)
    return Outcome(run, status, None)


def resumed_recipe(run: Run, changes: dict[str, Any]) -> Recipe:
    """The recipe of a run that goes on, with new values for when it stops.

    Raises:
        CheckpointError: there is no run.
        UsageError: another field would change, or fewer epochs are asked for than are done.
    """
    _must_hold_a_run(run)
    recipe = run.recipe
    if changes.get("name", recipe.name) != recipe.name:
        raise UsageError(
            f"{run.path} is a run of the recipe {recipe.name}; leave the recipe out, or start "
            "another run with --output FOLDER"
        )
    for name, value in changes.items():
        if name not in MAY_CHANGE and getattr(recipe, name) != value:
            raise UsageError(
                f"{name} cannot change from {getattr(recipe, name)!r} to {value!r} while a run "
                f"goes on (only {' and '.join(MAY_CHANGE)} can); start another with --output FOLDER"
            )
    changed = recipe.replace(**changes)
    done = len(run.newest_checkpoint()[1])
    if changed.epochs < done:
        raise UsageError(
            f"epochs is {changed.epochs}, but {done} are done; ask for at least {done}"
        )
    return changed


def open_training(directory: Path, recipe: Recipe) -> TrainingData:
    """Read what a recipe trains and validates on; the test files are hashed, not looked at.

    Raises:
        DataError: the data set is not what it should be.
        UsageError: the recipe does not fit its classes or its size.
    """
    everything = fashion_mnist.load_training(directory)
    recipe.check_classes(len(everything.class_names))
    data = divide(
        everything,
        validation=recipe.validation,
        train_images=recipe.train_images,
        seed=recipe.seed,
    )
    # Sealed, but hashed: better to hear of a bad test file now than after fifty epochs.
    fashion_mnist.verify(directory, TEST_PART)
    return data


def _evaluate(
    run: Run,
    data: TrainingData,
    directory: Path,
    where: tuple[Hardware, Any],
    status: str,
    began: float,
    *,
    test: bool = True,
    tta: bool = False,
) -> None:
    from fashion_cnn.evaluation.evaluate import Standing, evaluate_run
    from fashion_cnn.reporting.plots import draw_run
    from fashion_cnn.reporting.report import make_report

    hardware, device = where
    open_classifier = hardware.room("classifier").open_classifier
    open_test = functools.cache(lambda: fashion_mnist.load_test(directory))
    state = run.load_checkpoint("final").state
    metrics = evaluate_run(
        run,
        lambda checkpoint: open_classifier(run, checkpoint, device),
        data.validation,
        open_test if test else None,
        Standing(
            status,
            state["step"],
            state["step"] / steps_per_epoch(run.recipe, len(data.training)),
            state["seconds"] + sum(record.seconds for record in run.history),
        ),
        tta=tta,
    )
    draw_run(run, metrics)
    run.record_page(make_report(run, metrics, open_test() if test else data.validation))
    # Last: a run whose metrics speak of its final step has all its results.
    spent = time.monotonic() - began
    run.record_metrics({**metrics, "evaluated_in": hardware.name, "command_seconds": spent})
    run.log("evaluated", status=status, step=state["step"])


def _has_results(run: Run, status: str, test: bool) -> bool:
    """Whether what is on disk speaks of where the run now stands, and of what is asked for."""
    step = run.load_checkpoint("final").state["step"]
    try:
        metrics = run.metrics
        return (
            bool(metrics)
            and (metrics["status"], metrics["final"]["step"]) == (status, step)
            and bool(metrics["final"]["test"] or not test)
        )
    except (UsageError, KeyError, TypeError):  # altered; they are written anew
        return False


def _must_hold_a_run(run: Run) -> None:
    if not run.exists():
        raise CheckpointError(f"nothing to resume: {run.path} holds no run; leave --resume out")


def _environment(framework: dict[str, Any]) -> dict[str, Any]:
    return {
        **framework,
        "fashion_cnn": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "command": sys.argv,
    }


def _describe_split(recipe: Recipe, data: TrainingData, steps: int) -> dict[str, Any]:
    return {
        "method": "stratified by class, seeded; repeat with fashion_cnn.data.split.divide",
        "seed": recipe.seed,
        "training_images": len(data.training),
        "validation_images": len(data.validation),
        "steps_per_epoch": steps,
        "fingerprint": data.fingerprint(),
    }
