"""`export`: a run's model as one file."""

from pathlib import Path

import click

from fashion_cnn.cli.options import FILE, PLACE, data_dir_option, runs_own_code
from fashion_cnn.cli.output import say, write


@click.command("export")
@click.argument("run", metavar="RUN...", nargs=-1, type=PLACE, required=True)
@data_dir_option
@click.option("--int8", is_flag=True, help="also write a quantised variant, with its own accuracy")
@click.option(
    "--tta", is_flag=True, help="average each image with its mirror image: twice the work"
)
@click.option(
    "--output",
    type=FILE,
    help="file to write; needed with --tta or several runs  [RUN/model.onnx]",
)
@runs_own_code
def export(
    run: tuple[Path, ...], data_dir: Path | None, int8: bool, tta: bool, output: Path | None
) -> None:
    """Write the model of RUN as one ONNX file, after checking that it answers as RUN does.

    Several runs become one model, an ensemble: it answers with the mean of their probabilities.
    """
    from fashion_cnn.run.dataset import data_of
    from fashion_cnn.run.folder import Run
    from fashion_cnn.shipping.ensemble import export_runs
    from fashion_cnn.shipping.export import export_text

    runs = [Run.open(one) for one in run]
    directory = data_of(runs[0], data_dir, say)
    files, report = export_runs(runs, directory, output=output, int8=int8, tta=tta)
    write(export_text(report, files))
