"""`benchmark infer`: speed of the exported forms, side by side on this machine."""

from pathlib import Path

import click

from fashion_cnn.cli.options import FILE, PLACE, data_dir_option, runs_own_code, threads_option
from fashion_cnn.cli.output import Group, say, write


@click.group("benchmark", cls=Group)
def benchmark() -> None:
    """Measure speed, side by side on this machine."""


@benchmark.command("infer")
@click.argument("run", type=PLACE)
@data_dir_option
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="rounds of each form  [5]")
@threads_option
@click.option("--json", "output", type=FILE, help="also write the result as JSON")
@runs_own_code
def _infer(
    run: Path, data_dir: Path | None, rounds: int, threads: int | None, output: Path | None
) -> None:
    """Time the model of RUN in PyTorch, ONNX and int8: size, accuracy, one image, many."""
    from fashion_cnn.benchmark import benchmark_inference, to_text
    from fashion_cnn.data.fashion_mnist import DataSet
    from fashion_cnn.files import check_place, to_json, write_atomically
    from fashion_cnn.run.dataset import check_same_data, data_of
    from fashion_cnn.run.folder import Run

    if output:
        check_place(output)
    opened = Run.open(run)
    directory = data_of(opened, data_dir, say)
    check_same_data(opened, DataSet.open(directory))
    result = benchmark_inference(opened, directory, rounds, threads)
    write(to_text(result))
    if output:
        write_atomically(output, to_json(result))
