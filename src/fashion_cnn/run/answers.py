"""What a run's evaluation left in its folder: the test set itself stays closed."""

from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.run.folder import Run
from fashion_cnn.run.predictions import Predictions, read_predictions


def read_metrics(run: Run) -> dict[str, Any]:
    """What `metrics.json` holds; raises `UsageError` if the run was not evaluated yet."""
    if (metrics := run.metrics) is None:
        raise UsageError(f"{run.path} was not evaluated yet; run: fashion-cnn evaluate {run.path}")
    return metrics


def read_test_answers(run: Run) -> Predictions:
    """Read what a run's evaluation wrote of the test set, and prove it by the run's metrics.

    Raises:
        UsageError: the run was not evaluated on the test set, or its files were altered.
    """
    path, metrics = run.path / "predictions.csv", read_metrics(run)
    try:
        sealed = metrics["reports_speak_on"] != "test"
        wanted = None if sealed else metrics[metrics["reports_speak_of"]]["test"]["accuracy"]
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"the metrics of {run.path} lack {error}; write them again with: fashion-cnn evaluate "
            f"{run.path}"
        ) from None
    if wanted is None:
        raise UsageError(
            f"the test set of {run.path} is still sealed; it is opened by: fashion-cnn evaluate "
            f"{run.path}"
        )
    found = read_predictions(path)
    probable = (found.probabilities >= 0) & (found.probabilities <= 1)
    if not probable.all() or abs(found.correct.mean() - wanted) > 1e-9:
        raise UsageError(
            f"{path} is not what the metrics beside it speak of; write both again with: "
            f"fashion-cnn evaluate {run.path}"
        )
    return found
