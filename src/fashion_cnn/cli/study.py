"""`study`: variants of a recipe, with several seeds each."""

from pathlib import Path

import click

from fashion_cnn.cli.options import PLACE, data_dir_option, threads_option
from fashion_cnn.cli.output import write


@click.command("study")
@click.argument("study", metavar="FILE_OR_NAME")
@data_dir_option
@threads_option
@click.option(
    "--jobs", type=click.IntRange(1), default=1, help="number of runs at the same time  [1]"
)
@click.option("--output", type=PLACE, help="folder to write into  [runs/studies/NAME]")
@click.option("--trust-code", is_flag=True, help="run the networks (FILE.py:NAME) that FILE names")
def study(
    study: str,
    data_dir: Path | None,
    threads: int | None,
    jobs: int,
    output: Path | None,
    trust_code: bool,
) -> None:
    """Train variants of a recipe with several seeds each, or continue that; print the tables.

    With --jobs 2 --threads 1, on two cores, one run starts up or draws while another trains. Times
    then cannot be compared with those of runs alone.
    """
    from fashion_cnn import api

    how = {"threads": threads, "jobs": jobs, "trust_code": trust_code}
    write(str(api.study(study, output, data=data_dir, **how)))
