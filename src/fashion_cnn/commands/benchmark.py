"""`benchmark …`: speed, side by side on this machine."""

from pathlib import Path
from typing import Any

import click

from fashion_cnn.commands.options import FILE, data_dir_option, threads_option
from fashion_cnn.commands.output import Group, say, write


@click.group("benchmark", cls=Group)
def benchmark() -> None:
    """Measure speed, side by side on this machine."""


@benchmark.command("train")
@data_dir_option
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="of each loop  [5]")
@click.option("--images", type=click.IntRange(64, 54_000), default=54_000, help="an epoch  [54000]")
@threads_option
@click.option("--json", "output", type=FILE, help="also write a record")
def _train(
    data_dir: Path | None, rounds: int, images: int, threads: int | None, output: Path | None
) -> None:
    """Time a baseline epoch: by hand, the bare kernels, ours, Keras's `fit`, ours in Keras."""
    from fashion_cnn.benchmark import training
    from fashion_cnn.data.fashion_mnist import check_is_fashion_mnist
    from fashion_cnn.data.fetch import data_directory

    directory = data_directory(data_dir, say)
    check_is_fashion_mnist(directory)
    result = training.benchmark_training(
        directory, rounds=rounds, images=images, threads=threads, say=say
    )
    _give(training.to_text(result), result, output)


@benchmark.command("overhead")
@data_dir_option
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="of each  [5]")
@threads_option
@click.option("--json", "output", type=FILE, help="also write a record")
def _overhead(data_dir: Path | None, rounds: int, threads: int | None, output: Path | None) -> None:
    """Time what stands around training: start-up, reading the data, evaluation."""
    from fashion_cnn.benchmark import overhead
    from fashion_cnn.data.fashion_mnist import check_is_fashion_mnist
    from fashion_cnn.data.fetch import data_directory

    directory = data_directory(data_dir, say)
    check_is_fashion_mnist(directory)
    result = overhead.benchmark_overhead(directory, rounds, threads)
    _give(overhead.to_text(result), result, output)


@benchmark.command("infer")
@click.argument("run", type=click.Path(path_type=Path))
@data_dir_option
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="of each  [5]")
@threads_option
@click.option("--json", "output", type=FILE, help="also write a record")
def _infer(
    run: Path, data_dir: Path | None, rounds: int, threads: int | None, output: Path | None
) -> None:
    """Time the model of RUN in PyTorch, ONNX and int8: size, accuracy, one image, many."""
    from fashion_cnn.benchmark import inference
    from fashion_cnn.data.fetch import data_directory
    from fashion_cnn.run.folder import Run

    result = inference.benchmark_inference(
        Run.open(run), data_directory(data_dir, say), rounds, threads
    )
    _give(inference.to_text(result), result, output)


def _give(text: str, result: dict[str, Any], output: Path | None) -> None:
    from fashion_cnn.run.files import to_json, write_atomically

    write(text)
    if output:
        write_atomically(output, to_json(result))
