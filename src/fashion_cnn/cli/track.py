"""`track`: a run for TensorBoard or MLflow."""

from pathlib import Path

import click

from fashion_cnn.cli.options import PLACE
from fashion_cnn.cli.output import write

TRACKERS = ("tensorboard", "mlflow")


@click.command("track")
@click.argument("run", type=PLACE)
@click.option(
    "--to",
    type=click.Choice(TRACKERS),
    multiple=True,
    default=TRACKERS[:1],
    help="the tracker; may be given twice  [tensorboard]",
)
def track(run: Path, to: tuple[str, ...]) -> None:
    """Copy the history of RUN to TensorBoard (a file in RUN) or to MLflow.

    MLflow writes to MLFLOW_TRACKING_URI or, without it, to mlflow.db in the working folder. A run
    under way or resumed may be tracked again: nothing is doubled.
    """
    from fashion_cnn.reporting import tracking
    from fashion_cnn.run.folder import Run

    for name in dict.fromkeys(to):
        tracking.check_tracker(name)
    for name in dict.fromkeys(to):
        write(tracking.track(Run.open(run), name))
