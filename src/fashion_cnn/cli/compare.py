"""`compare`: whether one run is better than another."""

from pathlib import Path

import click

from fashion_cnn.cli.options import FILE, PLACE, data_dir_option
from fashion_cnn.cli.output import say, write
from fashion_cnn.errors import UsageError
from fashion_cnn.text import to_utf8


@click.command("compare")
@click.argument("runs", nargs=-1, type=PLACE, required=True)
@click.option(
    "--plot",
    type=FILE,
    default="comparison.png",
    help="PNG, SVG or PDF file, by its ending  [comparison.png]",
)
@click.option("--page", type=FILE, help="HTML file: curves, settings, images where runs differ")
@click.option("--table", type=FILE, help="the accuracies and differences, .csv or .tex (LaTeX)")
@click.option("--csv", "changes", type=FILE, help="list the images that only one run has right")
@data_dir_option
def compare(
    runs: tuple[Path, ...],
    plot: Path,
    page: Path | None,
    table: Path | None,
    changes: Path | None,
    data_dir: Path | None,
) -> None:
    """Compare each run with the first: differences with intervals, McNemar's test, classes, images.

    If there are more than two, those that differ only in their seed form a group. Only the folders
    are read; --page also shows images, which opens the test set; that is counted in each run.
    """
    _check_ending("--plot", plot, ("png", "svg", "pdf"))
    if table:
        _check_ending("--table", table, ("csv", "tex"))

    from fashion_cnn import api
    from fashion_cnn.files import check_place, write_atomically
    from fashion_cnn.reporting.comparison import changes_csv, results_table
    from fashion_cnn.reporting.plots import drawn

    for place in filter(None, (plot, page, table, changes)):
        check_place(place)
    comparison = api.compare(*runs)
    write(str(comparison))
    write_atomically(plot, drawn(comparison.figure(), _form(plot)))
    say(f"drawn: {plot}")
    if page:
        say(f"the page: {comparison.page(page, data=data_dir)}")
    tables: dict[Path, str] = {}
    if table:
        tables[table] = results_table(comparison, _form(table))
    if changes:
        tables[changes] = changes_csv(comparison)
    for path, text in tables.items():
        write_atomically(path, to_utf8(text))
        say(f"written: {path}")


def _form(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def _check_ending(flag: str, path: Path, known: tuple[str, ...]) -> None:
    if _form(path) not in known:
        raise UsageError(f"{flag} is {path}; it must end in one of .{', .'.join(known)}")
