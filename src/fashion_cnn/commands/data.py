"""`data …`: get, verify, look at and audit the data set."""

from pathlib import Path

import click

from fashion_cnn.commands.audit import audit
from fashion_cnn.commands.options import FILE, data_dir_option
from fashion_cnn.commands.output import Group, say


@click.group("data", cls=Group)
def data() -> None:
    """Get, verify, look at and audit the data set."""


@data.command("get")
@data_dir_option
def _get(data_dir: Path | None) -> None:
    """Find and verify the data set; fetch it where it is missing or damaged (else into ./data)."""
    from fashion_cnn.data.fetch import get_data

    print(f"Fashion-MNIST, verified, is in {get_data(data_dir, say)}")


@data.command("verify")
@data_dir_option
def _verify(data_dir: Path | None) -> None:
    """Hash the four files; exit code 3 if one is missing or not what it should be."""
    from fashion_cnn.data import fashion_mnist

    directory = fashion_mnist.find_data(data_dir)
    if directory is None:
        raise fashion_mnist.nowhere()
    fashion_mnist.verify(directory)
    print(f"{directory}: all four files are Fashion-MNIST's")


@data.command("show")
@data_dir_option
@click.option("--output", type=FILE, default="samples.png", help="PNG file")
@click.option("--columns", type=click.IntRange(1, 100), default=12, help="images a class  [12]")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="of the choice  [0]")
def _show_samples(data_dir: Path | None, output: Path, columns: int, seed: int) -> None:
    """Draw a grid of training images, a row a class, as PNG."""
    from fashion_cnn.data import fashion_mnist
    from fashion_cnn.data.fetch import data_directory
    from fashion_cnn.reporting.plots import sample_grid
    from fashion_cnn.run.files import write_atomically

    directory = data_directory(data_dir, say)
    write_atomically(output, sample_grid(fashion_mnist.load_training(directory), columns, seed))
    print(f"wrote {output}")


data.add_command(audit)
