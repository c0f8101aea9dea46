"""One run from a recipe to its results: data, training, evaluation, pictures."""

import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion_cnn import __version__
from fashion_cnn.data import fashion_mnist
from fashion_cnn.data.fashion_mnist import SHA256, TEST_PART
from fashion_cnn.data.fetch import fetch
from fashion_cnn.data.split import TrainingData, divide
from fashion_cnn.errors import CheckpointError, UsageError
from fashion_cnn.recipes.recipe import MAY_CHANGE, Recipe
from fashion_cnn.recipes.schedule import ending, steps_per_epoch
from fashion_cnn.run.folder import Run
from fashion_cnn.run.interruption import Interruption
from fashion_cnn.run.progress import Progress


@dataclass(frozen=True)
class Hardware:
    """Where to compute.

    Attributes:
        device: "auto", "cpu", "cuda" or "mps".
        threads: CPU threads; None for all cores, or for what a resumed run had.
        deterministic: refuse operations that cannot be repeated bit for bit.
    """

    device: str = "auto"
    threads: int | None = None
    deterministic: bool = False


@dataclass(frozen=True)
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
) -> Outcome:
    """Train a recipe in PyTorch and write every result into a run folder.

    SIGINT and SIGTERM end training after the step under way; its checkpoint and results are then
    written as usual.

    Args:
        recipe: for a resumed run what `resumed_recipe` gives.
        output: the run folder.
        data_dir: the folder of the data set; see `find_data` for where it is looked for without.
        hardware: where to compute.
        resume: continue the run in `output`, exactly as if it had never stopped.
        overwrite: replace a run that `output` holds.
        quiet: print no progress.

    Raises:
        UsageError: `output` is in use or holds something, or the recipe does not fit.
        DataError: the data set is missing or is not what it should be.
        CheckpointError: there is nothing to resume from.
        DivergedError: the loss stayed non-finite.
        OSError: the disk is full or failing.
    """
    run = Run(output)
    if resume:
        _must_hold_a_run(run)
        hardware = _as_before(hardware, run)
    elif run.exists() and not overwrite:
        run.refuse_to_replace()
    with Progress(quiet=quiet) as progress:
        directory = data_directory(data_dir, progress.say)
        data = _open_training(directory, recipe)
        steps = steps_per_epoch(recipe, len(data.training))

        # Imported here, so that a wrong path or data set is told at once.
        from fashion_cnn.on_torch.device import configure, describe
        from fashion_cnn.on_torch.train import train as train_network

        device = configure(hardware.device, hardware.threads, hardware.deterministic)
        with Interruption() as interruption, run.lock():
            if not resume:
                run.prepare(overwrite=overwrite)
                run.describe(_environment(describe(device)), _describe_split(recipe, data, steps))
            status = train_network(recipe, data, run, device, interruption, progress, resume=resume)
            if interruption.signal is not None:
                progress.say("stopping: evaluating what was learned; once more to leave at once")
            if not _has_results(run, status):
                _evaluate(run, data, directory, device, status)
        return Outcome(run, status, interruption.signal)


def evaluate(
    run: Run,
    *,
    data_dir: str | Path | None = None,
    hardware: Hardware = Hardware(),
) -> Outcome:
    """Evaluate the best and the newest checkpoint of a run again and rewrite its results.

    Each call is one more reading of the test set, and is counted as that.

    Raises: as `train`.
    """
    from fashion_cnn.on_torch.device import configure

    recipe = run.recipe
    directory = data_directory(data_dir, lambda line: print(line, file=sys.stderr))
    data = _open_training(directory, recipe)
    steps = steps_per_epoch(recipe, len(data.training))
    hardware = _as_before(hardware, run)
    device = configure(hardware.device, hardware.threads, hardware.deterministic)
    with run.lock():
        found, history, _ = run.newest_checkpoint()
        step, losses = found.state["step"], [record.val_loss for record in history]
        run.cut_back(step, history)
        run.link_best(history)
        run.link_final(step)
        status = ending(recipe, step, steps, losses) or "interrupted"
        _evaluate(run, data, directory, device, status)
    return Outcome(run, status, None)


def resumed_recipe(run: Run, changes: dict[str, Any]) -> Recipe:
    """The recipe of a run that goes on, with new values for when it stops.

    Raises:
        CheckpointError: there is no run.
        UsageError: another field would change, or fewer epochs are asked for than are done.
    """
    _must_hold_a_run(run)
    recipe = run.recipe
    for name, value in changes.items():
        if name not in MAY_CHANGE and getattr(recipe, name) != value:
            raise UsageError(
                f"{name} cannot change from {getattr(recipe, name)!r} to {value!r} while a run "
                f"goes on (only {' and '.join(MAY_CHANGE)} can); start another with --output FOLDER"
            )
    changed = recipe.replace(**changes)
    if changed.epochs < len(run.history):
        raise UsageError(
            f"epochs is {changed.epochs}, but {len(run.history)} are done; ask for at least as many"
        )
    return changed


def schedule_after_extension(before: Recipe, after: Recipe) -> str | None:
    """Say what another number of epochs does to the learning rate; None if it is the same."""
    if before.epochs == after.epochs:
        return None
    course = f"{before.epochs} -> {after.epochs} epochs: the {after.schedule} schedule "
    if after.schedule in ("cosine", "one-cycle"):
        return course + (
            "is stretched; from here on the learning rate is what a run of the new length has at "
            "this step, so it jumps, and the result is not that of such a run from the start"
        )
    return course + "goes on as it would have; the result is that of such a run from the start"


def data_directory(data_dir: str | Path | None, say: Callable[[str], None]) -> Path:
    """Find the data set, and get it if nobody named a place and it is in no usual one.

    Raises:
        DataError: it cannot be had, or a place that was named lacks it.
    """
    directory = fashion_mnist.find_data(Path(data_dir) if data_dir is not None else None)
    if directory is None:
        directory = fashion_mnist.LOCAL_DIRECTORY
        say(f"Fashion-MNIST is not on this machine yet; getting it into {directory}/")
        fetch(directory, say=say)
    return directory


def _open_training(directory: Path, recipe: Recipe) -> TrainingData:
    data = divide(
        fashion_mnist.load_training(directory),
        validation=recipe.validation,
        train_images=recipe.train_images,
        seed=recipe.seed,
    )
    # Sealed, but hashed: better to hear of a bad test file now than after fifty epochs.
    fashion_mnist.verify(directory, TEST_PART)
    return data


def _evaluate(run: Run, data: TrainingData, directory: Path, device: Any, status: str) -> None:
    from fashion_cnn.evaluation.evaluate import evaluate_run
    from fashion_cnn.on_torch.classifier import open_classifier
    from fashion_cnn.reporting.plots import draw_run

    evaluate_run(
        run,
        lambda checkpoint: open_classifier(run, checkpoint, device),
        data.validation,
        lambda: fashion_mnist.load_test(directory),
        status=status,
        step=run.final_step,
    )
    draw_run(run)


def _has_results(run: Run, status: str) -> bool:
    """Whether what is on disk speaks of where the run now stands."""
    metrics = run.metrics
    return bool(
        metrics and metrics["status"] == status and metrics["final"]["step"] == run.final_step
    )


def _must_hold_a_run(run: Run) -> None:
    if not run.exists():
        raise CheckpointError(f"nothing to resume: {run.path} holds no run; leave --resume out")


def _as_before(hardware: Hardware, run: Run) -> Hardware:
    """The thread count decides the order of sums, so a run keeps the one it began with."""
    if hardware.threads is None:
        return Hardware(hardware.device, run.environment.get("threads"), hardware.deterministic)
    return hardware


def _environment(framework: dict[str, Any]) -> dict[str, Any]:
    return {
        **framework,
        "fashion_cnn": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "command": sys.argv,
        "data_sha256": SHA256,
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
