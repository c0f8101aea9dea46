"""`export`: a run's model as one file."""

from pathlib import Path

import click

from fashion_cnn.cli.options import FILE, PLACE, data_dir_option, runs_own_code
from fashion_cnn.cli.output import say, write


@click.command("export")
@click.argument("run", type=PLACE)
@data_dir_option
@click.option("--int8", is_flag=True, help="also write a quantised variant, with its own accuracy")
@click.option("--output", type=FILE, help="file to write  [RUN/model.onnx]")
@runs_own_code
def export(run: Path, data_dir: Path | None, int8: bool, output: Path | None) -> None:
    """Write the model of RUN as one ONNX file, after checking that it answers as RUN does."""
    from fashion_cnn.data.fetch import data_directory
    from fashion_cnn.run.exports import ExportFiles
    from fashion_cnn.run.folder import Run
    from fashion_cnn.shipping import export as exporting

    opened = Run.open(run)
    with opened.lock():
        report = exporting.export(opened, data_directory(data_dir, say), output=output, int8=int8)
    write(exporting.export_text(report, ExportFiles.of(opened, output)))
