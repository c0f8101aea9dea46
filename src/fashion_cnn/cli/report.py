"""`report`: one page of a run."""

from pathlib import Path

import click

from fashion_cnn.cli.options import FILE, PLACE, data_dir_option, framework_option, runs_own_code
from fashion_cnn.cli.output import write


@click.command("report")
@click.argument("run", type=PLACE)
@data_dir_option
@click.option("--output", type=FILE, help="HTML file  [RUN/report.html]")
@click.option("--heat-maps", is_flag=True, help="add occlusion heat maps of the images shown")
@click.option(
    "--map", "feature_map", is_flag=True, help="add a t-SNE map of the last layer's features"
)
@click.option("--layers", is_flag=True, help="add the feature maps of some images, by stage")
@framework_option("the run's own; used only with --heat-maps, --map or --layers")
@runs_own_code
def report(
    run: Path,
    data_dir: Path | None,
    output: Path | None,
    heat_maps: bool,
    feature_map: bool,
    layers: bool,
    framework: str | None,
) -> None:
    """Make one offline HTML page of RUN, from its folder and the images alone.

    To show test images it opens the test set, which is counted; nothing is measured on it.
    """
    from fashion_cnn import api

    flags = {"heat-maps": heat_maps, "map": feature_map, "layers": layers}
    show = [name for name, is_set in flags.items() if is_set]
    write(str(api.report(run, output, data=data_dir, show=show, framework=framework)))
