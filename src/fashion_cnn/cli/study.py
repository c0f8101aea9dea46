"""`study`: variants of a recipe, with several seeds each."""

from pathlib import Path

import click

from fashion_cnn.cli.options import data_dir_option, threads_option
from fashion_cnn.cli.output import say, write


@click.command("study")
@click.argument("study", metavar="FILE_OR_NAME")
@data_dir_option
@threads_option
@click.option("--jobs", type=click.IntRange(1), default=1, help="runs at once  [1]")
@click.option("--output", type=click.Path(path_type=Path), help="folder  [runs/studies/NAME]")
def study(
    study: str, data_dir: Path | None, threads: int | None, jobs: int, output: Path | None
) -> None:
    """Train variants of a recipe with several seeds each; go on where it stopped; its tables.

    With --jobs 2 --threads 1, on two cores, start-up and drawing overlap too; times are then those
    of runs beside others.
    """
    from fashion_cnn.reporting.plots import differences_plot
    from fashion_cnn.reporting.study import to_checkpoint_table, to_class_table, to_table
    from fashion_cnn.run.files import write_atomically
    from fashion_cnn.studies.study import open_study, run_study

    chosen = open_study(study)
    options = {"--data-dir": data_dir, "--threads": threads}
    words = [w for name, value in options.items() if value is not None for w in (name, str(value))]
    folder = output or Path("runs", "studies", chosen.name)
    result = run_study(chosen, folder, words, say, jobs)
    shown = (to_table(result), to_checkpoint_table(result), to_class_table(result))
    tables = "\n\n".join(filter(None, shown))
    write(tables)
    write_atomically(folder / "study.md", f"{tables}\n".encode())
    if len(chosen.variants) > 1:
        write_atomically(folder / "differences.png", differences_plot(result))
    say(f"every run and its command: {folder}/study.json; the tables, study.md; a plot beside it")
