"""`report`, `compare`: what a run knows and where it fails; whether another is better."""

from pathlib import Path

import click

from fashion_cnn.commands.options import FILE, data_dir_option, framework_option
from fashion_cnn.commands.output import say, write


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@data_dir_option
@click.option("--output", type=FILE, help="HTML file  [RUN/report.html]")
@click.option("--heat-maps", is_flag=True, help="show where the network looked")
@framework_option("the run's own; for the heat maps alone")
def report(
    run: Path,
    data_dir: Path | None,
    output: Path | None,
    heat_maps: bool,
    framework: str | None,
) -> None:
    """Make one offline HTML page of RUN, from its folder and the images alone.

    To show test images it opens the test set, which is counted; nothing is measured on it.
    """
    from fashion_cnn.frameworks import Hardware, hardware_as_before, open_framework
    from fashion_cnn.reporting import report
    from fashion_cnn.run.folder import Run

    opened, classifier = Run.open(run), None
    if heat_maps:
        hardware = hardware_as_before(Hardware("cpu", framework=framework), opened)
        with open_framework(hardware) as computes:
            classifier = computes.open_classifier(opened)
    write(str(report.report(opened, data_dir=data_dir, output=output, classifier=classifier)))


@click.command("compare")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), required=True)
@click.option("--plot", type=FILE, default="comparison.png", help="PNG file  [comparison.png]")
@click.option("--csv", "table", type=FILE, help="also list the images that changed sides")
def compare(runs: tuple[Path, ...], plot: Path, table: Path | None) -> None:
    """Compare RUNS with the first: differences with intervals, McNemar, classes, images.

    Of more than two, those that differ in their seed alone are one group. Reads the folders alone.
    """
    from fashion_cnn.evaluation.compare import compare as compare_runs
    from fashion_cnn.reporting.comparison import draw, to_csv, to_text
    from fashion_cnn.run.files import write_atomically
    from fashion_cnn.run.folder import Run

    comparison = compare_runs([Run.open(path) for path in runs])
    write(to_text(comparison))
    write_atomically(plot, draw(comparison))
    say(f"drawn: {plot}")
    if table:
        write_atomically(table, to_csv(comparison).encode())
        say(f"written: {table}")
