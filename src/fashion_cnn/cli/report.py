"""`report`: one page of a run."""

from pathlib import Path

import click

from fashion_cnn.cli.options import FILE, data_dir_option, framework_option
from fashion_cnn.cli.output import write


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
