"""`data audit`: what is in the data set twice, and which labels are doubtful."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fashion_cnn.cli.options import PLACE, data_dir_option, threads_option
from fashion_cnn.cli.output import say, write
from fashion_cnn.commands import command
from fashion_cnn.errors import UsageError
from fashion_cnn.version import __version__

if TYPE_CHECKING:
    from fashion_cnn.data.split import Split

_FOLDS = 5  # trainings of --suspects


@click.command("audit")
@data_dir_option
@click.option(
    "--output", type=PLACE, default="runs/audit", help="folder to write into  [runs/audit]"
)
@click.option("--threshold", type=float, help="images closer than this are near-duplicates  [0.08]")
@click.option(
    "--run", "folder", type=PLACE, help="also the test accuracy of this run without near-duplicates"
)
@click.option(
    "--suspects", is_flag=True, help="also find suspect labels; trains `fast`, needs cleanlab"
)
@threads_option
def audit(
    data_dir: Path | None,
    output: Path,
    threshold: float | None,
    folder: Path | None,
    suspects: bool,
    threads: int | None,
) -> None:
    """Find near-duplicates and suspect labels; write a page, CSVs and JSON; change nothing."""
    if threads and not suspects:
        raise UsageError("--threads is for the trainings of --suspects; give that too")
    began = time.monotonic()
    from importlib.metadata import version

    from fashion_cnn.data.fashion_mnist import DataSet
    from fashion_cnn.data.fetch import data_directory
    from fashion_cnn.evaluation import audit as auditing
    from fashion_cnn.evaluation.label_noise import require_cleanlab
    from fashion_cnn.evaluation.near_duplicates import NEAR
    from fashion_cnn.files import to_json
    from fashion_cnn.reporting.audit_page import audit_page
    from fashion_cnn.run.dataset import check_same_data, data_of
    from fashion_cnn.run.folder import Run
    from fashion_cnn.text import to_utf8

    # What can be wrong is told before anything takes time.
    near = NEAR if threshold is None else threshold
    auditing.check_threshold(near)
    run = Run.open(folder) if folder else None
    predictions = run.results.test_predictions if run else None
    if suspects:
        require_cleanlab()
    data_set = DataSet.open(data_of(run, data_dir, say) if run else data_directory(data_dir, say))
    if run:
        check_same_data(run, data_set)
    output.mkdir(parents=True, exist_ok=True)
    training, test_images = data_set.training(), data_set.test_images()
    probabilities, seconds = None, {}
    if suspects:
        probabilities, seconds["folds"] = _out_of_fold(training, threads)
    found = auditing.audit(
        training,
        test_images,
        threshold=near,
        ground=data_set.contents.framing.ground,
        predictions=predictions,
        probabilities=probabilities,
    )
    seconds["all the rest"] = time.monotonic() - began - sum(seconds.values())
    packages = ["numpy", *(["cleanlab", "torch"] if suspects else [])]
    origin: dict[str, Any] = {
        "command": command(*sys.argv[1:]),
        "data": data_set.contents.name,
        "run": str(folder) if folder else "",
        "folds": _FOLDS if suspects else 0,
        "versions": {"fashion-cnn": __version__} | {p: version(p) for p in packages},
        "seconds": seconds,
    }
    files = {
        "audit.json": to_json({**origin, **found.summary}),
        "near_duplicates.csv": to_utf8(auditing.pairs_csv(found, training.labels)),
        "audit.html": to_utf8(audit_page(found, training, test_images, origin)),
    }
    if suspects:
        files["suspects.csv"] = to_utf8(auditing.suspects_csv(found, training.labels))
    _write_all(output, files)
    write(auditing.audit_text(found))
    say(f"the page: {output}/audit.html")


def _write_all(output: Path, files: dict[str, bytes]) -> None:
    from fashion_cnn.files import write_atomically

    for name, data in files.items():
        write_atomically(output / name, data)
    if "suspects.csv" not in files and (output / "suspects.csv").exists():
        say(f"{output}/suspects.csv is of an audit before this one")


def _out_of_fold(training: "Split", threads: int | None) -> tuple[Any, float]:
    """Each training image's probabilities by a network that did not see it, and the seconds."""
    from fashion_cnn.frameworks import Hardware
    from fashion_cnn.recipes.catalog import named
    from fashion_cnn.studies.cross_validation import out_of_fold

    began = time.monotonic()
    found = out_of_fold(training, named("fast"), _FOLDS, Hardware(threads=threads), say)
    return found, time.monotonic() - began
