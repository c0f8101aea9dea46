"""`compare`: whether one run is better than another."""

from pathlib import Path

import click

from fashion_cnn.cli.options import FILE, PLACE
from fashion_cnn.cli.output import say, write
from fashion_cnn.text import to_utf8


@click.command("compare")
@click.argument("runs", nargs=-1, type=PLACE, required=True)
@click.option("--plot", type=FILE, default="comparison.png", help="PNG file  [comparison.png]")
@click.option("--csv", "table", type=FILE, help="also list the images that changed sides")
def compare(runs: tuple[Path, ...], plot: Path, table: Path | None) -> None:
    """Compare RUNS with the first: differences with intervals, McNemar, classes, images.

    Of more than two, those that differ in their seed alone are one group. Reads the folders alone.
    """
    from fashion_cnn import api
    from fashion_cnn.files import write_atomically
    from fashion_cnn.reporting.comparison import changes_csv
    from fashion_cnn.reporting.plots import png

    comparison = api.compare(*runs)
    write(str(comparison))
    write_atomically(plot, png(comparison.figure()))
    say(f"drawn: {plot}")
    if table:
        write_atomically(table, to_utf8(changes_csv(comparison)))
        say(f"written: {table}")
