"""The command line: parse, import what the verb needs, call, print."""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fashion_cnn import __version__
from fashion_cnn.errors import OUT_OF_ROOM, FashionCNNError, UsageError
from fashion_cnn.options import data_dir_option, hardware_options, recipe_options, threads_option
from fashion_cnn.recipes import catalog
from fashion_cnn.recipes.recipe import format_value, nearest

if TYPE_CHECKING:
    from fashion_cnn.job import Hardware

_FILE = click.Path(path_type=Path, dir_okay=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 bug, 2 usage, 3 data, 4 some inputs bad,
    5 diverged, 6 no usable checkpoint, 7 out of disk or memory, 128 + n stopped by signal n.
    """
    try:
        code = _group.main(
            list(arguments) if arguments is not None else None,
            prog_name="fashion-cnn",
            standalone_mode=False,
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped", 130)
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.format_message())
        return 2
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "fashion-cnn"
        return _fail(f"{' '.join(error.format_message().split())} (see: {command} --help)", 2)
    except FashionCNNError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + 13
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        if error.errno in OUT_OF_ROOM:
            return _fail(f"{where}{error.strerror}; make room and call again (train: --resume)", 7)
        if error.filename:
            return _fail(f"{where}{error.strerror}", 2)
        raise
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            return _fail("out of memory; try a smaller --batch-size", 7)
        if type(error).__name__ == "OutOfMemoryError":
            return _fail("out of GPU memory; try a smaller --batch-size", 7)
        raise


def run() -> None:
    """The console script."""
    sys.exit(main())


def _fail(message: str, code: int) -> int:
    _say(f"fashion-cnn: {message}")
    return code


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # that nobody reads it changes no result and no exit code
        print(line, file=sys.stderr, flush=True)


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class _Group(click.Group):
    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            hint = nearest(args[0], list(self.commands))
            raise click.UsageError(f"no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group("fashion-cnn", cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def _group() -> None:
    """Train, understand and ship a Fashion-MNIST classifier."""


def _hardware(device: str, threads: int | None, deterministic: bool) -> "Hardware":
    from fashion_cnn.job import Hardware

    return Hardware(device, threads, deterministic)


@_group.command("train")
@click.argument("recipe", required=False)
@recipe_options
@hardware_options
@click.option("--output", type=click.Path(path_type=Path), help="run folder  [runs/RECIPE]")
@click.option("--name", help="run folder runs/NAME")
@click.option("--resume", is_flag=True, help="continue the run in the folder, exactly")
@click.option("--overwrite", is_flag=True, help="replace the run in the folder")
@click.option("--no-test", is_flag=True, help="leave the test set sealed; report on validation")
def _train(
    recipe: str | None,
    data_dir: Path | None,
    device: str,
    threads: int | None,
    deterministic: bool,
    output: Path | None,
    name: str | None,
    resume: bool,
    overwrite: bool,
    no_test: bool,
    **flags: Any,
) -> int:
    """Train RECIPE (default: baseline) and write every result into a run folder.

    Ctrl+C ends the step, saves, evaluates and reports; a second one leaves at once.
    """
    if resume and overwrite:
        raise UsageError("--resume continues a run and --overwrite replaces it; give one of them")
    if output is not None and name is not None:
        raise UsageError(f"--name {name} means --output runs/{name}; give one of them")
    changes = {field: value for field, value in flags.items() if value is not None}
    chosen = catalog.named(recipe or "baseline")
    folder = output or Path("runs", name or chosen.name)

    from fashion_cnn.job import resumed_recipe, schedule_after_extension, train
    from fashion_cnn.reporting.summary import describe_recipe, summarise
    from fashion_cnn.run.folder import Run

    if resume:
        run = Run(folder)
        if recipe is not None:
            changes |= {"name": chosen.name}
        resolved = resumed_recipe(run, changes)
        origin = f"{folder}/recipe.json"
        if notice := schedule_after_extension(run.recipe, resolved):
            _say(notice)
    else:
        resolved, origin = chosen.replace(**changes), f"recipe {chosen.name}"
    _say(describe_recipe(resolved, changes, origin))
    outcome = train(
        resolved,
        folder,
        data_dir=data_dir,
        hardware=_hardware(device, threads, deterministic),
        resume=resume,
        overwrite=overwrite,
        test=not no_test,
    )
    _print(summarise(outcome.run, outcome.metrics))
    if outcome.status == "stopped early":
        _say("early stopping ended it; to go on: --resume --early-stopping 0 --epochs N")
    return 128 + outcome.signal if outcome.signal else 0


@_group.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@hardware_options
@click.option("--tta", is_flag=True, help="also average over each image and its mirror image")
def _evaluate(
    run: Path,
    data_dir: Path | None,
    device: str,
    threads: int | None,
    deterministic: bool,
    tta: bool,
) -> None:
    """Evaluate the best and the newest checkpoint of RUN again; counted as a test-set reading."""
    from fashion_cnn.job import evaluate
    from fashion_cnn.reporting.summary import summarise
    from fashion_cnn.run.folder import Run

    hardware = _hardware(device, threads, deterministic)
    outcome = evaluate(Run.open(run), data_dir=data_dir, hardware=hardware, tta=tta)
    _print(summarise(outcome.run, outcome.metrics))


@_group.command("study")
@click.argument("study", metavar="FILE_OR_NAME")
@data_dir_option
@threads_option
@click.option("--output", type=click.Path(path_type=Path), help="folder  [runs/studies/NAME]")
def _study(study: str, data_dir: Path | None, threads: int | None, output: Path | None) -> None:
    """Train variants of a recipe with several seeds each; go on where it stopped; one table."""
    from fashion_cnn import tuning

    chosen = tuning.open_study(study)
    options = {"--data-dir": data_dir, "--threads": threads}
    words = [w for name, value in options.items() if value is not None for w in (name, str(value))]
    folder = output or Path("runs", "studies", chosen.name)
    _print(tuning.to_table(tuning.run_study(chosen, folder, words, _say)))
    _say(f"every run and its command: {folder}/study.json")


@_group.command("recipes")
@click.argument("name", required=False)
def _recipes(name: str | None) -> None:
    """List the recipes, or show all of NAME."""
    if name is None:
        for known in catalog.RECIPES:
            print(f"{known:<12} {catalog.description(known).splitlines()[0]}")
        return
    recipe = catalog.named(name)
    print(catalog.description(name) + "\n")
    for item in dataclasses.fields(recipe):
        value = format_value(getattr(recipe, item.name))
        print(f"  {item.name:<16} {value:<12} {item.metadata['help']}")


@_group.group("data", cls=_Group)
def _data() -> None:
    """Get, verify and look at the data set."""


@_data.command("get")
@data_dir_option
def _get(data_dir: Path | None) -> None:
    """Find and verify the data set; fetch it where it is missing or damaged (else into ./data)."""
    from fashion_cnn.data.fetch import get_data

    print(f"Fashion-MNIST, verified, is in {get_data(data_dir, _say)}")


@_data.command("verify")
@data_dir_option
def _verify(data_dir: Path | None) -> None:
    """Hash the four files; exit code 3 if one is missing or not what it should be."""
    from fashion_cnn.data import fashion_mnist

    directory = fashion_mnist.find_data(data_dir)
    if directory is None:
        raise fashion_mnist.nowhere()
    fashion_mnist.verify(directory)
    print(f"{directory}: all four files are Fashion-MNIST's")


@_data.command("show")
@data_dir_option
@click.option("--output", type=_FILE, default="samples.png", help="PNG file")
@click.option("--columns", type=click.IntRange(1, 100), default=12, help="images a class  [12]")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="of the choice  [0]")
def _show_samples(data_dir: Path | None, output: Path, columns: int, seed: int) -> None:
    """Draw a grid of training images, a row a class, as PNG."""
    from fashion_cnn.data import fashion_mnist
    from fashion_cnn.data.fetch import data_directory
    from fashion_cnn.reporting.plots import sample_grid
    from fashion_cnn.run.files import write_atomically

    directory = data_directory(data_dir, _say)
    write_atomically(output, sample_grid(fashion_mnist.load_training(directory), columns, seed))
    print(f"wrote {output}")


@_group.command("doctor")
def _doctor() -> None:
    """Print versions, hardware, data and free space: what a bug report needs."""
    from fashion_cnn.doctor import examine

    for name, finding in examine():
        print(f"{name:<14} {finding}")


@_group.group("benchmark", cls=_Group)
def _benchmark() -> None:
    """Measure speed, side by side on this machine."""


@_benchmark.command("train")
@data_dir_option
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="of each loop  [5]")
@click.option("--images", type=click.IntRange(64, 54_000), default=54_000, help="an epoch  [54000]")
@threads_option
@click.option("--json", "output", type=_FILE, help="also write a record")
def _benchmark_train(
    data_dir: Path | None, rounds: int, images: int, threads: int | None, output: Path | None
) -> None:
    """Time a baseline epoch: ours, a hand-written DataLoader loop, and the bare kernels."""
    from fashion_cnn.benchmark import training
    from fashion_cnn.data.fetch import data_directory
    from fashion_cnn.run.files import to_json, write_atomically

    result = training.benchmark_training(
        data_directory(data_dir, _say), rounds=rounds, images=images, threads=threads, say=_say
    )
    _print(training.to_text(result))
    if output:
        write_atomically(output, to_json(result))


@_benchmark.command("overhead")
@data_dir_option
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="of each  [5]")
@threads_option
@click.option("--json", "output", type=_FILE, help="also write a record")
def _benchmark_overhead(
    data_dir: Path | None, rounds: int, threads: int | None, output: Path | None
) -> None:
    """Time what stands around training: start-up, reading the data, evaluation."""
    from fashion_cnn.benchmark import overhead
    from fashion_cnn.data.fetch import data_directory
    from fashion_cnn.run.files import to_json, write_atomically

    result = overhead.benchmark_overhead(data_directory(data_dir, _say), rounds, threads)
    _print(overhead.to_text(result))
    if output:
        write_atomically(output, to_json(result))
