"""`evaluate`: the checkpoints of a run again."""

from pathlib import Path

import click

from fashion_cnn.cli.options import PLACE, framework_option, hardware_options, runs_own_code
from fashion_cnn.cli.output import write


@click.command("evaluate")
@click.argument("run", type=PLACE)
@framework_option("the run's own")
@hardware_options
@click.option("--tta", is_flag=True, help="also average over each image and its mirror image")
@runs_own_code
def evaluate(
    run: Path,
    framework: str | None,
    data_dir: Path | None,
    device: str,
    threads: int | None,
    deterministic: bool,
    tta: bool,
) -> None:
    """Evaluate the checkpoints of RUN again; this opens the test set, which is counted."""
    from fashion_cnn import api

    hardware = {"device": device, "threads": threads, "framework": framework}
    evaluated = api.evaluate(run, data=data_dir, tta=tta, deterministic=deterministic, **hardware)
    write(str(evaluated))
